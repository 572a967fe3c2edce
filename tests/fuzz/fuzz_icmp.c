/* SPDX-License-Identifier: Apache-2.0 */

/* A frame is answered with nothing, or with a good frame to its sender that
 * is no answer to an answer.  The first byte says why it came up. */

#include <config.h>
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>
#include "openvswitch/util.h"
#include "overlay/icmp.h"
#include "packets.h"
#include "tests/unit/frames.h"
#include "util.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct answer_context ctx = frames_context();
    struct dp_packet reply;

    if (!size) {
        return 0;
    }

    enum answer_why why = WHY_DHCP4 + data[0] % WHY_PORT;
    size_t n = size - 1;
    uint8_t *frame = malloc(n ? n : 1);

    ovs_assert(frame);
    memcpy(frame, data + 1, n);
    dp_packet_init(&reply, 0);
    if (icmp_answer(why, &ctx, frame, n, &reply)) {
        struct in6_addr src;
        uint8_t proto;
        size_t len;

        ovs_assert(why >= WHY_TTL);
        frames_check(&reply);
        (void) frames_payload(&reply, &proto, &src, &len);  /* As they say. */
        ovs_assert(proto != IPPROTO_UDP);
        ovs_assert(proto != IPPROTO_TCP || (why == WHY_PORT && len == 20));
        ovs_assert(dp_packet_size(&reply) <= 14 + 1280);
    } else {
        ovs_assert(!dp_packet_size(&reply));
    }
    dp_packet_uninit(&reply);
    free(frame);
    return 0;
}
