/* SPDX-License-Identifier: Apache-2.0 */

/* A frame of any bytes, or one with a DHCPv6 message of any bytes, is met
 * with silence or with a reply that a client can read. */

#include <config.h>
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>
#include "openvswitch/util.h"
#include "overlay/dhcp6.h"
#include "packets.h"
#include "tests/packet.h"
#include "util.h"

/* What the first byte of the input chooses. */
enum {
    WHOLE = 1,                      /* The rest is the frame, not only its
                                     * DHCPv6 message. */
    POOR = 4,                       /* No DNS. */
};

/* Options fill the 'n' bytes exactly, and those in them do. */
static void
check_options(const uint8_t *p, size_t n)
{
    while (n) {
        ovs_assert(n >= 4);

        int code = p[0] << 8 | p[1];
        size_t len = p[2] << 8 | p[3];
        size_t fixed = (code == 3 || code == 25 ? 12
                        : code == 4 ? 4
                        : code == 5 ? 24 : len);

        ovs_assert(len >= fixed && len <= n - 4);
        check_options(&p[4 + fixed], len - fixed);
        p += 4 + len;
        n -= 4 + len;
    }
}

static void
check_reply(const struct packet_fixture *f, const struct dp_packet *reply,
            const uint8_t *frame)
{
    size_t n;
    const uint8_t *p = packet_check(reply, f->endpoint.mac, &n);
    static const uint8_t ports[] = { 547 >> 8, 547 & 0xff,
                                     546 >> 8, 546 & 0xff };

    ovs_assert(n >= 8 + 4 + 14 && !memcmp(p, ports, sizeof ports));
    ovs_assert(n + 40 <= MTU_MIN);
    ovs_assert(!memcmp(p - 16, &frame[14 + 8], 16));
    p += 8;
    ovs_assert(p[0] == 2 || p[0] == 7);
    ovs_assert(!memcmp(&p[1], &frame[14 + 40 + 8 + 1], 3));
    check_options(&p[4], n - 8 - 4);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t buf[PACKET_MAX];
    struct packet_fixture f;
    struct dp_packet reply;

    if (!size || size > 32768) {
        return 0;
    }

    uint8_t flags = *data++;

    packet_fixture_init(&f);
    if (flags & POOR) {
        f.network.n_dns = 0;
    }
    size--;
    if (!(flags & WHOLE)) {
        size = packet_udp(buf, f.endpoint.mac, "fe80::857:aff:fe01:5",
                          "ff02::1:2", 546, 547, data, size);
        data = buf;
    }

    uint8_t *frame = size ? xmemdup(data, size) : NULL;

    dp_packet_init(&reply, 0);
    if (dhcp6_answer(&f.ctx, frame, size, &reply)) {
        check_reply(&f, &reply, frame);
    } else {
        ovs_assert(!dp_packet_size(&reply));
    }
    dp_packet_uninit(&reply);
    free(frame);
    return 0;
}
