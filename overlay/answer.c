/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "overlay/answer.h"

#include "overlay/dhcp4.h"
#include "overlay/dhcp6.h"
#include "overlay/dns.h"
#include "overlay/frame.h"
#include "overlay/icmp.h"
#include "overlay/router-adv.h"

static bool goes_by_tcp(const void *data, size_t size);

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
        /* There is no name server on TCP: the resolver is told at once. */
        return (goes_by_tcp(frame, size)
                ? icmp_answer(WHY_PORT, ctx, frame, size, reply)
                : dns_answer(ctx, frame, size, reply));

    case WHY_DNS_PEER:
        return dns_answer_peer(ctx, frame, size, reply);

    case WHY_NEIGHBOUR:
        return neighbour_adv_answer(ctx, frame, size, reply);

    case WHY_TTL:
    case WHY_TOO_BIG:
    case WHY_UNREACHABLE:
    case WHY_PORT:
        return icmp_answer(why, ctx, frame, size, reply);
    }
    return false;
}

static bool
goes_by_tcp(const void *data, size_t size)
{
    struct frame frame;

    return frame_parse(&frame, data, size) && frame.proto == IPPROTO_TCP;
}
