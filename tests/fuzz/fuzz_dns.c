/* SPDX-License-Identifier: Apache-2.0 */

/* A frame is answered with nothing, or with a good frame that is a response,
 * of no more than 1232 bytes. */

#include <config.h>
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>
#include "openvswitch/util.h"
#include "overlay/dns.h"
#include "packets.h"
#include "tests/unit/frames.h"
#include "util.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct answer_context ctx = frames_context();
    uint8_t *frame = malloc(size ? size : 1);
    struct dp_packet reply;

    ovs_assert(frame);
    memcpy(frame, data, size);
    dp_packet_init(&reply, 0);
    if (dns_answer(&ctx, frame, size, &reply)) {
        struct in6_addr src;
        uint8_t proto;
        size_t n;

        frames_check(&reply);

        const uint8_t *udp = frames_payload(&reply, &proto, &src, &n);

        ovs_assert(proto == IPPROTO_UDP);
        ovs_assert(n >= 8 + 12 && n <= 8 + 1232);
        ovs_assert(udp[0] == 0 && udp[1] == 53);
        ovs_assert(udp[8 + 2] & 0x80);
        /* A question at most, and records only with it. */
        ovs_assert(!udp[8 + 4] && udp[8 + 5] <= 1);
        ovs_assert(udp[8 + 5] || !udp[8 + 7]);
        ovs_assert(udp[8 + 7] <= ENDPOINT_IPS_MAX);
    } else {
        ovs_assert(!dp_packet_size(&reply));
    }
    dp_packet_uninit(&reply);
    free(frame);
    return 0;
}
