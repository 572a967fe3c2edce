/* SPDX-License-Identifier: Apache-2.0 */

/* A frame of any bytes, or one with a DHCP message of any bytes, is met with
 * silence or with a reply that a client can read. */

#include <config.h>
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>
#include "openvswitch/util.h"
#include "overlay/dhcp4.h"
#include "packets.h"
#include "tests/packet.h"
#include "util.h"

/* What the first byte of the input chooses. */
enum {
    WHOLE = 1,                      /* The rest is the frame, not only its DHCP
                                     * message. */
    TO_GATEWAY = 2,
    POOR = 4,                       /* No DNS, no routes. */
};

static void
check_reply(const struct packet_fixture *f, const struct dp_packet *reply)
{
    size_t n;
    const uint8_t *p = packet_check(reply, f->endpoint.mac, &n);
    static const uint8_t ports[] = { 0, 67, 0, 68 };
    static const uint8_t cookie[] = { 0x63, 0x82, 0x53, 0x63 };
    size_t i = 240;

    ovs_assert(n >= 8 + 300 && !memcmp(p, ports, sizeof ports));
    p += 8;
    n -= 8;
    ovs_assert(p[0] == 2 && p[1] == 1 && p[2] == 6);
    ovs_assert(!memcmp(&p[28], &f->endpoint.mac, 6));
    ovs_assert(!memcmp(&p[236], cookie, sizeof cookie));
    ovs_assert(p[240] == 53 && p[241] == 1);
    ovs_assert(p[242] == 2 || p[242] == 5 || p[242] == 6);
    while (p[i] != 255) {
        ovs_assert(i + 2 + p[i + 1] < n);
        i += 2 + p[i + 1];
    }
    for (i++; i < n; i++) {
        ovs_assert(!p[i]);
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
        f.network.n_dns = f.network.n_routes = 0;
    }
    size--;
    if (!(flags & WHOLE)) {
        size = packet_udp(buf, f.endpoint.mac, "0.0.0.0",
                          flags & TO_GATEWAY ? "10.1.0.1" : "255.255.255.255",
                          68, 67, data, size);
        data = buf;
    }

    uint8_t *frame = size ? xmemdup(data, size) : NULL;

    dp_packet_init(&reply, 0);
    if (dhcp4_answer(&f.ctx, frame, size, &reply)) {
        check_reply(&f, &reply);
    } else {
        ovs_assert(!dp_packet_size(&reply));
    }
    dp_packet_uninit(&reply);
    free(frame);
    return 0;
}
