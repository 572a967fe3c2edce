/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "overlay/answer.h"

#include "overlay/dhcp4.h"
#include "overlay/dhcp6.h"
#include "overlay/dns.h"
#include "overlay/icmp.h"
#include "overlay/router-adv.h"

bool
answer_compose(enum answer_why why, const struct answer_context *ctx,
               const void *frame, size_t size, struct dp_packet *reply)
{
    switch (why) {
    case WHY_DHCP4:
        return dhcp4_answer(ctx, frame, size, reply);
    case WHY_DHCP6:
        return dhcp6_answer(ctx, frame, size, reply);
    case WHY_SOLICIT:
        return router_adv_answer(ctx, frame, size, reply);
    case WHY_DNS:
        return dns_answer(ctx, frame, size, reply);
    case WHY_TTL:
    case WHY_TOO_BIG:
    case WHY_UNREACHABLE:
    case WHY_PORT:
        return icmp_answer(why, ctx, frame, size, reply);
    }
    return false;                   /* Of a flow that is not ours. */
}
