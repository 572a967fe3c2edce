/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "overlay/icmp.h"

#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>
#include <string.h>
#include "overlay/address.h"
#include "overlay/frame.h"
#include "packets.h"
#include "unaligned.h"
#include "util.h"

enum {
    ERROR4_SIZE_MAX = 576,          /* RFC 1812, section 4.3.2.3. */
    ERROR6_SIZE_MAX = MTU_MIN,      /* RFC 4443, section 2.4 (c). */
};

/* The head of a message: its first and its second 32 bits, but for the
 * checksum.  RFC 792 and RFC 4443, section 2.1. */
struct error {
    uint8_t type, code;
    uint32_t word;                  /* An MTU, a pointer, or 0. */
};

/* What is said why, over IPv4 and over IPv6; no error has type 0. */
static const struct error errors[][2] = {
    [WHY_TTL] = { { ICMP4_TIME_EXCEEDED, ICMP_EXC_TTL },
                  { ICMP6_TIME_EXCEEDED, ICMP6_TIME_EXCEED_TRANSIT } },
    [WHY_TOO_BIG] = { { ICMP4_DST_UNREACH, ICMP_FRAG_NEEDED },
                      { ICMP6_PACKET_TOO_BIG, 0 } },
    [WHY_UNREACHABLE] = { { ICMP4_DST_UNREACH, ICMP_NET_UNREACH },
                          { ICMP6_DST_UNREACH, ICMP6_DST_UNREACH_NOROUTE } },
    [WHY_PORT] = { { ICMP4_DST_UNREACH, ICMP_PORT_UNREACH },
                   { ICMP6_DST_UNREACH, ICMP6_DST_UNREACH_NOPORT } },
};

static bool may_answer(const struct frame *, const struct network *);
static bool is_answerable(const struct frame *);
static bool choose(enum answer_why, const struct frame *, int mtu,
                   struct error *);
static bool choose_unknown(const struct frame *, struct error *);
static const struct in6_addr *choose_source(enum answer_why,
                                            const struct network *,
                                            const struct frame *);
static void compose_error(const struct frame *, const struct in6_addr *src,
                          const struct error *, struct dp_packet *reply);
static bool compose_reset(const struct frame *, struct dp_packet *reply);

bool
icmp_answer(enum answer_why why, const struct answer_context *ctx,
            const void *data, size_t size, struct dp_packet *reply)
{
    const struct in6_addr *src;
    struct frame frame;
    struct error error;

    if (!frame_parse(&frame, data, size)
        || !frame_is_from(&frame, ctx->endpoint)
        || !may_answer(&frame, ctx->network)) {
        return false;
    }
    if (why == WHY_PORT && frame.proto == IPPROTO_TCP) {
        return compose_reset(&frame, reply);
    }
    src = choose_source(why, ctx->network, &frame);
    if (!src || !choose(why, &frame, ctx->mtu, &error)) {
        return false;
    }
    compose_error(&frame, src, &error, reply);
    return true;
}

/* May there be an error about it, whatever is wrong?  RFC 1812, section
 * 4.3.2.7; RFC 4443, section 2.4 (e). */
static bool
may_answer(const struct frame *frame, const struct network *network)
{
    return (frame->first && frame_is_unicast(frame, network)
            && is_answerable(frame));
}

/* Does its protocol allow it?  What is too short to tell does not. */
static bool
is_answerable(const struct frame *frame)
{
    if (frame->proto == IPPROTO_TCP) {
        struct tcp_header tcp;

        if (frame->payload_size < sizeof tcp) {
            return false;
        }
        memcpy(&tcp, frame->payload, sizeof tcp);
        return !(TCP_FLAGS(tcp.tcp_ctl) & TCP_RST);
    } else if (frame->proto == IPPROTO_UDP) {
        return frame->payload_size >= UDP_HEADER_LEN;
    } else if (frame->v4 && frame->proto == IPPROTO_ICMP) {
        /* Only the query messages of RFC 1122, section 3.2.2: a type that is
         * not known may be an error. */
        uint8_t type = (frame->payload_size ? frame->payload[0]
                        : ICMP4_DST_UNREACH);

        return (type == ICMP_ECHOREPLY || type == ICMP_ECHO
                || (type >= ICMP_TIMESTAMP && type <= ICMP_ADDRESSREPLY));
    } else if (!frame->v4 && frame->proto == IPPROTO_ICMPV6) {
        uint8_t type = frame->payload_size ? frame->payload[0] : 0;

        return type & ICMP6_INFOMSG_MASK && type != ND_REDIRECT;
    }
    return true;
}

/* Which message says it, or false if none does. */
static bool
choose(enum answer_why why, const struct frame *frame, int mtu,
       struct error *error)
{
    if (why >= ARRAY_SIZE(errors) || !errors[why][!frame->v4].type) {
        return false;
    }
    *error = errors[why][!frame->v4];
    if (why == WHY_TOO_BIG) {
        /* RFC 1191, section 4.  The last segment of a big send comes up with
         * the others and does fit. */
        error->word = mtu;
        return !frame->may_fragment && frame->size > mtu;
    }
    return (why != WHY_PORT || frame->proto == IPPROTO_UDP
            || choose_unknown(frame, error));
}

/* About a protocol that the gateway does not know.  An ICMP query that nobody
 * answers is dropped: RFC 1122, section 3.2.2. */
static bool
choose_unknown(const struct frame *frame, struct error *error)
{
    if (frame->v4) {
        error->code = ICMP_PROT_UNREACH;
        return frame->proto != IPPROTO_ICMP;
    }
    /* RFC 8200, sections 4 and 4.7: there is no code for a protocol. */
    *error = (struct error) { ICMP6_PARAM_PROB, ICMP6_PARAMPROB_NEXTHEADER,
                              frame->proto_at };
    return frame->proto != IPPROTO_ICMPV6 && frame->proto != IPPROTO_NONE;
}

/* Who says it, or NULL: the gateway that the sender uses, or the one that it
 * spoke to. */
static const struct in6_addr *
choose_source(enum answer_why why, const struct network *network,
              const struct frame *frame)
{
    const struct in6_addr *gateway;

    if (why == WHY_PORT) {
        for (size_t i = 0; i < network->n_subnets; i++) {
            if (ipv6_addr_equals(&network->gateways[i], &frame->dst)) {
                return &network->gateways[i];
            }
        }
    }
    /* Which subnet that is matters not. */
    (void) network_subnet(network, &frame->src, &gateway);
    return gateway;
}

/* 'error', with as much of the packet as may be. */
static void
compose_error(const struct frame *frame, const struct in6_addr *src,
              const struct error *error, struct dp_packet *reply)
{
    size_t max = (frame->v4 ? ERROR4_SIZE_MAX - IP_HEADER_LEN
                  : ERROR6_SIZE_MAX - IPV6_HEADER_LEN);
    size_t quote = MIN(frame->size, max - ICMP6_DATA_HEADER_LEN);

    /* The same shape in both families.  Internetwork control: RFC 1812,
     * section 4.3.2.5. */
    frame_begin(reply, frame->eth_src, src, &frame->src,
                frame->v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6, IP_DSCP_CS6);
    frame_put8(reply, error->type);
    frame_put8(reply, error->code);
    frame_put16(reply, 0);          /* Checksum. */
    frame_put32(reply, error->word);
    dp_packet_put(reply, frame->packet, quote);
    frame_finish(reply);
}

/* What a closed port says: RFC 9293, section 3.10.7.1.  From the address that
 * the segment was for: from any other it would reset nothing. */
static bool
compose_reset(const struct frame *frame, struct dp_packet *reply)
{
    struct tcp_header tcp, *rst;

    memcpy(&tcp, frame->payload, sizeof tcp);

    uint16_t flags = TCP_FLAGS(tcp.tcp_ctl);
    size_t header = TCP_OFFSET(tcp.tcp_ctl) * 4;

    /* A fragment does not tell how long its segment is. */
    if (!frame->whole || header < sizeof tcp || header > frame->payload_size) {
        return false;
    }

    frame_begin(reply, frame->eth_src, &frame->dst, &frame->src, IPPROTO_TCP,
                0);
    rst = dp_packet_put_zeros(reply, sizeof *rst);
    rst->tcp_src = tcp.tcp_dst;
    rst->tcp_dst = tcp.tcp_src;
    if (flags & TCP_ACK) {
        rst->tcp_seq = tcp.tcp_ack;
        rst->tcp_ctl = TCP_CTL(TCP_RST, sizeof *rst / 4);
    } else {
        uint32_t seq = ntohl(get_16aligned_be32(&tcp.tcp_seq));
        uint32_t len = (frame->payload_size - header
                        + !!(flags & TCP_SYN) + !!(flags & TCP_FIN));

        put_16aligned_be32(&rst->tcp_ack, htonl(seq + len));
        rst->tcp_ctl = TCP_CTL(TCP_RST | TCP_ACK, sizeof *rst / 4);
    }
    frame_finish(reply);
    return true;
}
