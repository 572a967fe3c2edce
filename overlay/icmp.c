/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "overlay/icmp.h"

#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>
#include <string.h>
#include "overlay/address.h"
#include "overlay/ip-frame.h"
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

static bool may_answer(const struct ip_frame *, const struct network *);
static bool is_answerable(const struct ip_frame *);
static bool choose4(enum answer_why, const struct ip_frame *, int mtu,
                    struct error *);
static bool choose6(enum answer_why, const struct ip_frame *, int mtu,
                    struct error *);
static const struct in6_addr *choose_source(enum answer_why,
                                            const struct network *,
                                            const struct ip_frame *);
static void compose_error(const struct ip_frame *, const struct in6_addr *src,
                          const struct error *, struct dp_packet *reply);
static bool compose_reset(const struct ip_frame *, struct dp_packet *reply);

bool
icmp_answer(enum answer_why why, const struct answer_context *ctx,
            const void *frame, size_t size, struct dp_packet *reply)
{
    const struct in6_addr *src;
    struct ip_frame ip;
    struct error error;

    if (!ip_frame_parse(&ip, frame, size)
        || !ip_frame_is_from(&ip, ctx->endpoint)
        || !may_answer(&ip, ctx->network)) {
        return false;
    }
    if (why == WHY_PORT && ip.proto == IPPROTO_TCP) {
        return compose_reset(&ip, reply);
    }
    src = choose_source(why, ctx->network, &ip);
    if (!src || !(ip.v4 ? choose4(why, &ip, ctx->mtu, &error)
                        : choose6(why, &ip, ctx->mtu, &error))) {
        return false;
    }
    compose_error(&ip, src, &error, reply);
    return true;
}

/* May there be an error about it, whatever is wrong?  RFC 1812, section
 * 4.3.2.7; RFC 4443, section 2.4 (e). */
static bool
may_answer(const struct ip_frame *ip, const struct network *network)
{
    return (ip->first && ip_frame_is_unicast(ip, network)
            && is_answerable(ip));
}

/* Does its protocol allow it?  What is too short to tell does not. */
static bool
is_answerable(const struct ip_frame *ip)
{
    if (ip->proto == IPPROTO_TCP) {
        struct tcp_header tcp;

        if (ip->payload_size < sizeof tcp) {
            return false;
        }
        memcpy(&tcp, ip->payload, sizeof tcp);
        return !(TCP_FLAGS(tcp.tcp_ctl) & TCP_RST);
    } else if (ip->proto == IPPROTO_UDP) {
        return ip->payload_size >= UDP_HEADER_LEN;
    } else if (ip->v4 && ip->proto == IPPROTO_ICMP) {
        /* Only the query messages of RFC 1122, section 3.2.2: a type that is
         * not known may be an error. */
        uint8_t type = ip->payload_size ? ip->payload[0] : ICMP4_DST_UNREACH;

        return (type == ICMP_ECHOREPLY || type == ICMP_ECHO
                || (type >= ICMP_TIMESTAMP && type <= ICMP_ADDRESSREPLY));
    } else if (!ip->v4 && ip->proto == IPPROTO_ICMPV6) {
        uint8_t type = ip->payload_size ? ip->payload[0] : 0;

        return type & ICMP6_INFOMSG_MASK && type != ND_REDIRECT;
    }
    return true;
}

/* Which message says it, or false if none does. */
static bool
choose4(enum answer_why why, const struct ip_frame *ip, int mtu,
        struct error *error)
{
    *error = (struct error) { ICMP4_DST_UNREACH, ICMP_NET_UNREACH, 0 };
    switch (why) {
    case WHY_TTL:
        error->type = ICMP4_TIME_EXCEEDED;
        error->code = ICMP_EXC_TTL;
        return true;

    case WHY_TOO_BIG:
        /* RFC 1191, section 4.  The last segment of a big send comes up with
         * the others and does fit. */
        error->code = ICMP_FRAG_NEEDED;
        error->word = mtu;
        return !ip->may_fragment && ip->size > mtu;

    case WHY_UNREACHABLE:
        return true;

    case WHY_PORT:
        /* An ICMP query that nobody answers is dropped: RFC 1122, section
         * 3.2.2. */
        error->code = (ip->proto == IPPROTO_UDP ? ICMP_PORT_UNREACH
                       : ICMP_PROT_UNREACH);
        return ip->proto != IPPROTO_ICMP;

    case WHY_DHCP4:
    case WHY_DHCP6:
    case WHY_SOLICIT:
    case WHY_DNS:
    case WHY_DNS_PEER:
        return false;
    }
    return false;
}

static bool
choose6(enum answer_why why, const struct ip_frame *ip, int mtu,
        struct error *error)
{
    *error = (struct error) { ICMP6_DST_UNREACH, ICMP6_DST_UNREACH_NOROUTE };
    switch (why) {
    case WHY_TTL:
        error->type = ICMP6_TIME_EXCEEDED;
        error->code = ICMP6_TIME_EXCEED_TRANSIT;
        return true;

    case WHY_TOO_BIG:
        error->type = ICMP6_PACKET_TOO_BIG;
        error->code = 0;
        error->word = mtu;
        return ip->size > mtu;

    case WHY_UNREACHABLE:
        return true;

    case WHY_PORT:
        if (ip->proto == IPPROTO_UDP) {
            error->code = ICMP6_DST_UNREACH_NOPORT;
            return true;
        }
        /* RFC 8200, sections 4 and 4.7: there is no code for a protocol. */
        error->type = ICMP6_PARAM_PROB;
        error->code = ICMP6_PARAMPROB_NEXTHEADER;
        error->word = ip->proto_at;
        return ip->proto != IPPROTO_ICMPV6 && ip->proto != IPPROTO_NONE;

    case WHY_DHCP4:
    case WHY_DHCP6:
    case WHY_SOLICIT:
    case WHY_DNS:
    case WHY_DNS_PEER:
        return false;
    }
    return false;
}

/* Who says it, or NULL: the gateway that the sender uses, or the one that it
 * spoke to. */
static const struct in6_addr *
choose_source(enum answer_why why, const struct network *network,
              const struct ip_frame *ip)
{
    const struct in6_addr *gateway;

    if (why == WHY_PORT) {
        for (size_t i = 0; i < network->n_subnets; i++) {
            if (ipv6_addr_equals(&network->gateways[i], &ip->dst)) {
                return &network->gateways[i];
            }
        }
    }
    (void) network_subnet(network, &ip->src, &gateway);  /* As gateway says. */
    return gateway;
}

/* 'error', with as much of the packet as may be. */
static void
compose_error(const struct ip_frame *ip, const struct in6_addr *src,
              const struct error *error, struct dp_packet *reply)
{
    size_t max = (ip->v4 ? ERROR4_SIZE_MAX - IP_HEADER_LEN
                  : ERROR6_SIZE_MAX - IPV6_HEADER_LEN);
    size_t quote = MIN(ip->size, max - ICMP6_DATA_HEADER_LEN);
    struct icmp6_data_header *head;

    /* The same shape in both families.  Internetwork control: RFC 1812,
     * section 4.3.2.5. */
    head = ip_frame_reply(ip, src, ip->v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6,
                          IP_DSCP_CS6, sizeof *head + quote, reply);
    head->icmp6_base.icmp6_type = error->type;
    head->icmp6_base.icmp6_code = error->code;
    put_16aligned_be32(&head->icmp6_data.be32[0], htonl(error->word));
    memcpy(head + 1, ip->packet, quote);
    head->icmp6_base.icmp6_cksum = ip_frame_csum(reply, !ip->v4);
}

/* What a closed port says: RFC 9293, section 3.10.7.1.  From the address that
 * the segment was for: from any other it would reset nothing. */
static bool
compose_reset(const struct ip_frame *ip, struct dp_packet *reply)
{
    struct tcp_header tcp, *rst;

    memcpy(&tcp, ip->payload, sizeof tcp);

    uint16_t flags = TCP_FLAGS(tcp.tcp_ctl);
    size_t header = TCP_OFFSET(tcp.tcp_ctl) * 4;

    /* A fragment does not tell how long its segment is. */
    if (!ip->whole || header < sizeof tcp || header > ip->payload_size) {
        return false;
    }

    rst = ip_frame_reply(ip, &ip->dst, IPPROTO_TCP, 0, sizeof *rst, reply);
    rst->tcp_src = tcp.tcp_dst;
    rst->tcp_dst = tcp.tcp_src;
    if (flags & TCP_ACK) {
        rst->tcp_seq = tcp.tcp_ack;
        rst->tcp_ctl = TCP_CTL(TCP_RST, sizeof *rst / 4);
    } else {
        uint32_t seq = ntohl(get_16aligned_be32(&tcp.tcp_seq));
        uint32_t len = (ip->payload_size - header
                        + !!(flags & TCP_SYN) + !!(flags & TCP_FIN));

        put_16aligned_be32(&rst->tcp_ack, htonl(seq + len));
        rst->tcp_ctl = TCP_CTL(TCP_RST | TCP_ACK, sizeof *rst / 4);
    }
    rst->tcp_csum = ip_frame_csum(reply, true);
    return true;
}
