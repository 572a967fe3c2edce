/* SPDX-License-Identifier: Apache-2.0 */

/* A frame is answered with nothing, or with a good frame to its sender that
 * is no answer to an answer.  The first byte says why it came up. */

#include <config.h>
#include "fuzz.h"

#include "openvswitch/util.h"
#include "answers.h"

static void
check_reply(const struct answered *a)
{
    ovs_assert(endpoint_has_ip(&a->fixture->endpoint, &a->reply.dst));
    ovs_assert(a->reply.proto != IPPROTO_UDP);
    ovs_assert(a->reply.proto != IPPROTO_TCP || a->why == WHY_PORT);
    ovs_assert(a->reply.n + 40 <= 1280);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size) {
        answers_frame(WHY_TTL + data[0] % 4, data + 1, size - 1, check_reply);
    }
    return 0;
}
