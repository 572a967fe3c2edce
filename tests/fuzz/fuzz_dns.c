/* SPDX-License-Identifier: Apache-2.0 */

/* A frame is answered with nothing, or with a good frame that is a response,
 * of no more than 1232 bytes, or that there is no name server on TCP. */

#include <config.h>
#include "fuzz.h"

#include "openvswitch/util.h"
#include "answers.h"

static void
check_reply(const struct answered *a)
{
    const uint8_t *dns = &a->reply.l4[8];

    ovs_assert(endpoint_has_ip(&a->fixture->endpoint, &a->reply.dst));
    if (a->reply.proto == IPPROTO_TCP) {
        return;
    }
    ovs_assert(a->reply.proto == IPPROTO_UDP);
    ovs_assert(a->reply.n >= 8 + 12 && a->reply.n <= 8 + 1232);
    ovs_assert(a->reply.l4[0] == 0 && a->reply.l4[1] == 53);
    ovs_assert(dns[2] & 0x80);
    /* A question at most, and records only with it. */
    ovs_assert(!dns[4] && dns[5] <= 1);
    ovs_assert(dns[5] || !dns[7]);
    ovs_assert(dns[7] <= ENDPOINT_IPS_MAX);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    answers_frame(WHY_DNS, data, size, check_reply);
    return 0;
}
