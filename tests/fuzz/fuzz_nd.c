/* SPDX-License-Identifier: Apache-2.0 */

/* A frame of any bytes, or one with ICMPv6 of any bytes, is met with silence
 * or with a router advertisement that a host can read. */

#include <config.h>
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>
#include "openvswitch/util.h"
#include "overlay/router-adv.h"
#include "packets.h"
#include "tests/packet.h"
#include "util.h"

/* What the first byte of the input chooses. */
enum {
    WHOLE = 1,                      /* The rest is the frame, not only its
                                     * ICMPv6. */
    UNSPECIFIED = 2,                /* From "::". */
    POOR = 4,                       /* No DNS. */
};

static void
check_reply(const struct packet_fixture *f, const struct dp_packet *reply)
{
    size_t n;
    const uint8_t *p = packet_check(reply, f->endpoint.mac, &n);

    ovs_assert(n >= 16 && p[0] == 134 && p[1] == 0);
    ovs_assert((p[-16] == 0xff) == (p[-54] == 0x33));
    ovs_assert(p[-16] == 0xff || (p[-16] == 0xfe && (p[-15] & 0xc0) == 0x80));
    for (p += 16, n -= 16; n; n -= p[1] * 8, p += p[1] * 8) {
        ovs_assert(n >= 8 && p[1] && (size_t) p[1] * 8 <= n);
    }
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
        size = packet_frame(buf, f.endpoint.mac,
                            flags & UNSPECIFIED ? "::"
                            : "fe80::857:aff:fe01:5",
                            "ff02::2", IPPROTO_ICMPV6, 255, data, size);
        data = buf;
    }

    uint8_t *frame = size ? xmemdup(data, size) : NULL;

    dp_packet_init(&reply, 0);
    if (router_adv_answer(&f.ctx, frame, size, &reply)) {
        check_reply(&f, &reply);
    } else {
        ovs_assert(!dp_packet_size(&reply));
    }
    dp_packet_uninit(&reply);
    free(frame);
    return 0;
}
