/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "overlay/icmp.h"

#include "overlay/address.h"
#include "overlay/frame.h"
#include "packets.h"
#include "unaligned.h"
#include "util.h"

enum {
    HEADER = 8,                     /* Of an ICMP error. */
    QUOTE_IPV4 = 576 - 20 - HEADER, /* RFC 1812, section 4.3.2.3. */
    QUOTE_IPV6 = 1280 - 40 - HEADER,    /* RFC 4443, section 2.4 (c). */
};

static bool may_answer(const struct frame *, const struct answer_context *);
static bool is_query(const struct frame *);
static bool find_source(enum answer_why, const struct answer_context *,
                        const struct frame *, struct in6_addr *);
static bool compose_reset(const struct frame *, const struct frame_ends *,
                          struct dp_packet *);

/* Type and code: RFC 792; RFC 4443, section 3. */
static bool
choose_type(enum answer_why why, const struct frame *f, uint8_t type[2])
{
    bool known = f->protocol == IPPROTO_UDP || f->protocol == IPPROTO_TCP;
    switch (why) {
    case WHY_TTL:
        type[0] = f->v4 ? 11 : 3;
        type[1] = 0;
        return true;
    case WHY_TOO_BIG:
        type[0] = f->v4 ? 3 : 2;
        type[1] = f->v4 ? 4 : 0;
        return !f->v4 || f->dont_fragment;
    case WHY_UNREACHABLE:
        type[0] = f->v4 ? 3 : 1;
        type[1] = 0;
        return true;
    case WHY_PORT:
        /* Or else, that there is no such protocol; over IPv6 that is a
         * parameter problem at the next header's field, which we leave. */
        type[0] = f->v4 ? 3 : 1;
        type[1] = f->v4 ? (known ? 3 : 2) : 4;
        return f->v4 || known;
    case WHY_DHCP4:
    case WHY_DHCP6:
    case WHY_SOLICIT:
    case WHY_DNS:
        return false;
    }
    return false;
}

bool
icmp_answer(enum answer_why why, const struct answer_context *ctx,
            const void *data, size_t size, struct dp_packet *reply)
{
    struct frame f;
    struct frame_ends ends = {
        .eth_src = GATEWAY_MAC, .eth_dst = ctx->endpoint->mac,
    };
    uint8_t type[2];
    if (!frame_parse(data, size, &f) || !may_answer(&f, ctx)
        || !choose_type(why, &f, type)
        || !find_source(why, ctx, &f, &ends.src)) {
        return false;
    }
    ends.dst = f.src;
    if (why == WHY_PORT && f.protocol == IPPROTO_TCP) {
        return compose_reset(&f, &ends, reply);
    }

    uint8_t message[HEADER + QUOTE_IPV6] = { type[0], type[1] };
    size_t quote = MIN(f.ip_len, f.v4 ? QUOTE_IPV4 : QUOTE_IPV6);
    if (why == WHY_TOO_BIG && f.v4) {
        /* RFC 1191, section 4. */
        put_unaligned_be16((ovs_be16 *) (message + 6), htons(ctx->mtu));
    } else if (why == WHY_TOO_BIG) {
        put_unaligned_be32((ovs_be32 *) (message + 4), htonl(ctx->mtu));
    }
    memcpy(message + HEADER, f.ip, quote);
    frame_compose(reply, &ends, f.v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6, 64,
                  message, HEADER + quote);
    return true;
}

static bool
is_unicast(const struct in6_addr *addr)
{
    return !address_refuse_unicast(addr);
}

static bool
may_answer(const struct frame *f, const struct answer_context *ctx)
{
    return eth_addr_equals(f->eth_src, ctx->endpoint->mac)
           && !eth_addr_is_multicast(f->eth_dst)
           && endpoint_has_ip(ctx->endpoint, &f->src)
           && is_unicast(&f->src) && is_unicast(&f->dst)
           && !f->later && is_query(f);
}

/* Nothing about an error, and of ICMP only about what asks: RFC 1122, section
 * 3.2.2. */
static bool
is_query(const struct frame *f)
{
    if (f->protocol == IPPROTO_ICMP && f->v4) {
        return (f->payload_len && (f->payload[0] == 8 || f->payload[0] == 13
                                   || f->payload[0] == 15
                                   || f->payload[0] == 17));
    } else if (f->protocol == IPPROTO_ICMPV6 && !f->v4) {
        return f->payload_len && f->payload[0] == 128;
    }
    return true;
}

static bool
find_source(enum answer_why why, const struct answer_context *ctx,
            const struct frame *f, struct in6_addr *src)
{
    const struct in6_addr *gateway;
    if (why == WHY_PORT) {
        *src = f->dst;              /* The switch knows that it is one. */
        return true;
    }
    if (!network_subnet(ctx->network, &f->src, &gateway) || !gateway) {
        return false;
    }
    *src = *gateway;
    return true;
}

/* RFC 9293, section 3.10.7.1: as from a host where nobody listens. */
static bool
compose_reset(const struct frame *f, const struct frame_ends *ends,
              struct dp_packet *reply)
{
    const uint8_t *tcp = f->payload;
    if (f->payload_len < TCP_HEADER_LEN || f->fragment) {
        return false;
    }
    size_t header = (tcp[12] >> 4) * 4;
    uint8_t flags = tcp[13];
    if (header < TCP_HEADER_LEN || header > f->payload_len || flags & TCP_RST) {
        return false;
    }

    uint8_t reset[TCP_HEADER_LEN] = { 0 };
    memcpy(reset, tcp + 2, 2);
    memcpy(reset + 2, tcp, 2);
    reset[12] = TCP_HEADER_LEN / 4 << 4;
    if (flags & TCP_ACK) {
        memcpy(reset + 4, tcp + 8, 4);
        reset[13] = TCP_RST;
    } else {
        uint32_t seq = ntohl(get_unaligned_be32(
            (const ovs_be32 *) (tcp + 4)));
        seq += f->payload_len - header + !!(flags & TCP_SYN)
               + !!(flags & TCP_FIN);
        put_unaligned_be32((ovs_be32 *) (reset + 8), htonl(seq));
        reset[13] = TCP_RST | TCP_ACK;
    }
    frame_compose(reply, ends, IPPROTO_TCP, 64, reset, sizeof reset);
    return true;
}
