/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "overlay/router-adv.h"

#include <netinet/icmp6.h>
#include <string.h>
#include "overlay/address.h"
#include "overlay/frame.h"
#include "packets.h"

enum {
    CUR_HOP_LIMIT = 64,
    SOLICIT_LEN = 8,                /* RFC 4861, section 4.1. */
    TARGET = 8,                     /* Section 4.3: where it stands, */
    NEIGHBOUR_SOLICIT_LEN = 24,     /* and where the options begin. */
    PREFIX_VALID_S = 2592000,       /* Section 6.2.1: 30 days, 7 days. */
    PREFIX_PREFERRED_S = 604800,
    OPT_RDNSS = 25, OPT_DNSSL = 31, /* RFC 8106. */
};

static bool parse(const struct answer_context *, uint8_t type, size_t len,
                  const void *data, size_t size, struct frame *);
static bool is_gateway(const struct network *, const struct in6_addr *);
static bool compose(const struct network *, int mtu, struct eth_addr eth_dst,
                    const struct in6_addr *dst, struct dp_packet *);

static const struct in6_addr all_nodes = {      /* ff02::1 */
    .s6_addr = { 0xff, 0x02, [15] = 1 }
};
static const struct eth_addr all_nodes_mac = ETH_ADDR_C(33,33,00,00,00,01);

bool
router_adv_answer(const struct answer_context *ctx, const void *frame,
                  size_t size, struct dp_packet *reply)
{
    struct in6_addr gateway = address_link_local(
        (struct eth_addr) GATEWAY_MAC);
    struct frame f;

    if (!parse(ctx, ND_ROUTER_SOLICIT, SOLICIT_LEN, frame, size, &f)
        || (!ipv6_addr_equals(&f.dst, &in6addr_all_routers)
            && !ipv6_addr_equals(&f.dst, &gateway))) {
        return false;
    }

    /* Who has no address yet hears what all hear: RFC 4861, section 6.2.6. */
    return IN6_IS_ADDR_LINKLOCAL(&f.src)
           ? compose(ctx->network, ctx->mtu, ctx->endpoint->mac, &f.src, reply)
           : router_adv_compose(ctx->network, ctx->mtu, reply);
}

bool
neighbour_adv_answer(const struct answer_context *ctx, const void *frame,
                     size_t size, struct dp_packet *reply)
{
    static const struct eth_addr mac = GATEWAY_MAC;
    struct in6_addr target;
    struct frame f;

    if (!parse(ctx, ND_NEIGHBOR_SOLICIT, NEIGHBOUR_SOLICIT_LEN, frame, size,
               &f)
        || !(endpoint_has_ip(ctx->endpoint, &f.src)
             || IN6_IS_ADDR_LINKLOCAL(&f.src))) {
        return false;
    }
    memcpy(&target, f.payload + TARGET, sizeof target);
    if (!is_gateway(ctx->network, &target)) {
        return false;
    }
    compose_nd_na(reply, mac, ctx->endpoint->mac, &target, &f.src,
                  htonl(ND_RSO_ROUTER | ND_RSO_SOLICITED | ND_RSO_OVERRIDE));
    return true;
}

bool
router_adv_compose(const struct network *net, int mtu,
                   struct dp_packet *packet)
{
    return compose(net, mtu, all_nodes_mac, &all_nodes, packet);
}

void
router_adv_compose_last(struct dp_packet *packet)
{
    static const struct eth_addr mac = GATEWAY_MAC;
    struct in6_addr src = address_link_local(mac);
    compose_nd_ra(packet, mac, all_nodes_mac, &src, &all_nodes, CUR_HOP_LIMIT,
                  0, 0, 0, 0, 0);
}

/* --- solicitations ------------------------------------------------------- */

/* A solicitation of 'type', whose options begin at 'len': RFC 4861, sections
 * 6.1.1 and 7.1.1. */
static bool
parse(const struct answer_context *ctx, uint8_t type, size_t len,
      const void *data, size_t size, struct frame *frame)
{
    if (!frame_parse(frame, data, size)
        || !ctx->endpoint
        || !eth_addr_equals(frame->eth_src, ctx->endpoint->mac)
        || ipv6_addr_is_multicast(&frame->src)
        || frame->hop_limit != 255
        || frame->proto != IPPROTO_ICMPV6 || !frame_is_intact(frame)
        || frame->payload_size < len
        || frame->payload[0] != type || frame->payload[1] != 0) {
        return false;
    }

    /* Lengths are in units of 8 bytes. */
    const uint8_t *p = frame->payload + len;
    size_t n = frame->payload_size - len;

    while (n) {
        if (n < 8 || !p[1] || p[1] * 8 > n
            || (p[0] == ND_OPT_SOURCE_LINKADDR
                && !ipv6_addr_is_set(&frame->src))) {
            return false;
        }
        n -= p[1] * 8;
        p += p[1] * 8;
    }
    return true;
}

static bool
is_gateway(const struct network *net, const struct in6_addr *addr)
{
    struct in6_addr ll = address_link_local((struct eth_addr) GATEWAY_MAC);

    for (size_t i = 0; i < net->n_subnets; i++) {
        if (!prefix_is_v4(&net->subnets[i])
            && ipv6_addr_is_set(&net->gateways[i])
            && (ipv6_addr_equals(addr, &net->gateways[i])
                || ipv6_addr_equals(addr, &ll))) {
            return true;
        }
    }
    return false;
}

/* --- advertisements ------------------------------------------------------ */

/* On-link, so that hosts of one subnet need no router.  Not for addresses
 * that a host makes up: they are the directory's to give. */
static void
put_prefix(struct dp_packet *packet, const struct prefix *subnet)
{
    ovs_be128 addr;

    memcpy(&addr, &subnet->addr, sizeof addr);
    packet_put_ra_prefix_opt(packet, subnet->len, ND_OPT_PI_FLAG_ONLINK,
                             htonl(PREFIX_VALID_S), htonl(PREFIX_PREFERRED_S),
                             addr);
}

/* RFC 8106, section 5.1. */
static void
put_dns(struct dp_packet *packet, const struct network *net)
{
    size_t n = 0;

    for (size_t i = 0; i < net->n_dns; i++) {
        n += !address_is_v4(&net->dns[i]);
    }
    if (!n) {
        return;
    }
    frame_put8(packet, OPT_RDNSS);
    frame_put8(packet, 1 + 2 * n);
    frame_put16(packet, 0);
    frame_put32(packet, ROUTER_ADV_LIFETIME_S);
    for (size_t i = 0; i < net->n_dns; i++) {
        if (!address_is_v4(&net->dns[i])) {
            dp_packet_put(packet, &net->dns[i], sizeof net->dns[i]);
        }
    }
}

/* Section 5.2. */
static void
put_search(struct dp_packet *packet, const char *name)
{
    uint8_t labels[FRAME_DOMAIN_MAX];
    size_t n = frame_domain(name, labels);

    if (n) {
        size_t padded = ROUND_UP(n, 8);

        frame_put8(packet, OPT_DNSSL);
        frame_put8(packet, 1 + padded / 8);
        frame_put16(packet, 0);
        frame_put32(packet, ROUTER_ADV_LIFETIME_S);
        dp_packet_put(packet, labels, n);
        dp_packet_put_zeros(packet, padded - n);
    }
}

/* RFC 4861, section 4.2. */
static bool
compose(const struct network *net, int mtu, struct eth_addr eth_dst,
        const struct in6_addr *dst, struct dp_packet *packet)
{
    static const struct eth_addr mac = GATEWAY_MAC;
    struct in6_addr src = address_link_local(mac);

    if (!network_gateway(net, false)) {
        return false;
    }
    /* Reachable time and retransmission timer are the host's own. */
    compose_nd_ra(packet, mac, eth_dst, &src, dst, CUR_HOP_LIMIT,
                  net->dhcp ? ND_RA_MANAGED_ADDRESS | ND_RA_OTHER_CONFIG : 0,
                  htons(ROUTER_ADV_LIFETIME_S), 0, 0, mtu);
    for (size_t i = 0; i < net->n_subnets; i++) {
        if (!prefix_is_v4(&net->subnets[i])) {
            put_prefix(packet, &net->subnets[i]);
        }
    }
    put_dns(packet, net);
    put_search(packet, net->name);
    frame_finish(packet);
    return true;
}
