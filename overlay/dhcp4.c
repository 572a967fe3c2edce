/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "overlay/dhcp4.h"

#include <string.h>
#include "overlay/address.h"
#include "overlay/dhcp4-request.h"
#include "overlay/frame.h"
#include "packets.h"
#include "util.h"

enum { MESSAGE_MIN = 300 };         /* BOOTP's, RFC 1542, section 2.1. */
#define FLAG_BROADCAST 0x8000

static uint8_t answer_type(const struct answer_context *, ovs_be32 addr,
                           ovs_be32 gateway, const struct dhcp4_request *);
static void compose(const struct answer_context *, const struct lease *,
                    const struct dhcp4_request *, uint8_t type,
                    struct dp_packet *);

bool
dhcp4_answer(const struct answer_context *ctx, const void *frame, size_t size,
             struct dp_packet *reply)
{
    struct lease lease;
    struct dhcp4_request req;

    if (!ctx->endpoint
        || !lease_find(ctx->endpoint, ctx->network, true, &lease)
        || !dhcp4_request_parse(ctx, &lease, frame, size, &req)) {
        return false;
    }

    uint8_t type = answer_type(ctx, in6_addr_get_mapped_ipv4(&lease.addr),
                               in6_addr_get_mapped_ipv4(&lease.gateway), &req);

    if (type) {
        compose(ctx, &lease, &req, type, reply);
    }
    return type != 0;
}

/* --- what the gateway says ----------------------------------------------- */

/* DHCP4_*, or 0 for silence. */
static uint8_t
answer_type(const struct answer_context *ctx, ovs_be32 addr, ovs_be32 gateway,
            const struct dhcp4_request *req)
{
    ovs_be32 ciaddr = req->header.ciaddr;
    struct in6_addr client = in6_addr_mapped_ipv4(ciaddr);

    switch (req->type) {
    case DHCP4_DISCOVER:
        return ciaddr ? 0 : DHCP4_OFFER;

    case DHCP4_REQUEST:
        /* RFC 2131, section 4.3.2: the client is selecting (with a server's
         * identifier), init-rebooting (with the wanted address), or renewing
         * or rebinding (with its own address).  As all addresses are known
         * here, a foreign one is refused in any of them. */
        if ((req->has_server && req->server != gateway)
            || (!req->has_wanted && !ciaddr)) {
            return 0;
        }
        return ((!req->has_wanted || req->wanted == addr)
                && (!ciaddr || ciaddr == addr)) ? DHCP4_ACK : DHCP4_NAK;

    case DHCP4_INFORM:
        return endpoint_has_ip(ctx->endpoint, &client) ? DHCP4_ACK : 0;

    default:
        return 0;
    }
}

/* An answer that grows. */
struct answer {
    struct dp_packet *packet;
    size_t max;                     /* Bytes of frame. */
};

static void
put_option(struct answer *a, uint8_t code, const void *data, size_t len)
{
    /* One byte stays for the end option. */
    if (len <= UINT8_MAX
        && dp_packet_size(a->packet) + 2 + len + 1 <= a->max) {
        frame_put8(a->packet, code);
        frame_put8(a->packet, len);
        dp_packet_put(a->packet, data, len);
    }
}

static void
put_be32(struct answer *a, uint8_t code, ovs_be32 value)
{
    put_option(a, code, &value, sizeof value);
}

static bool
is_wanted(const struct dhcp4_request *req, uint8_t code)
{
    return !req->has_list || req->list[code];
}

static void
put_dns(struct answer *a, const struct network *net)
{
    ovs_be32 servers[DNS_MAX];
    size_t n = 0;

    for (size_t i = 0; i < net->n_dns; i++) {
        if (address_is_v4(&net->dns[i])) {
            servers[n++] = in6_addr_get_mapped_ipv4(&net->dns[i]);
        }
    }
    if (n) {
        put_option(a, DHCP4_OPT_DNS, servers, n * sizeof servers[0]);
    }
}

/* The length of the prefix, its significant octets, the router. */
static size_t
put_route(uint8_t *buf, const struct prefix *dst, const struct in6_addr *via)
{
    size_t n = DIV_ROUND_UP(dst->len, 8);

    buf[0] = dst->len;
    memcpy(&buf[1], &dst->addr.s6_addr[12], n);
    memcpy(&buf[1 + n], &via->s6_addr[12], 4);
    return 1 + n + 4;
}

/* RFC 3442.  A client that takes these ignores the router option, so they
 * have the default route, which always leads to the gateway: that knows of
 * another one, and of routes by way of a host that is not on this link. */
static void
put_routes(struct answer *a, const struct network *net,
           const struct lease *lease)
{
    static const struct prefix all;
    uint8_t buf[(NETWORK_ROUTES_MAX + 1) * 9];
    size_t n = 0;

    for (size_t i = 0; i < net->n_routes; i++) {
        const struct route *r = &net->routes[i];

        if (prefix_is_v4(&r->dst) && r->dst.len
            && prefix_contains(&lease->subnet, &r->via)
            && !ipv6_addr_equals(&r->via, &lease->addr)) {
            n += put_route(&buf[n], &r->dst, &r->via);
        }
    }
    if (n) {
        n += put_route(&buf[n], &all, &lease->gateway);
        put_option(a, DHCP4_OPT_ROUTES, buf, n);
    }
}

/* The most important first: what has no room is left out. */
static void
put_options(struct answer *a, const struct answer_context *ctx,
            const struct lease *lease, const struct dhcp4_request *req,
            uint8_t type)
{
    const struct network *net = ctx->network;
    const struct endpoint *ep = ctx->endpoint;
    ovs_be32 gateway = in6_addr_get_mapped_ipv4(&lease->gateway);

    put_option(a, DHCP4_OPT_TYPE, &type, sizeof type);
    put_be32(a, DHCP4_OPT_SERVER, gateway);
    if (req->client) {
        /* RFC 6842. */
        put_option(a, DHCP4_OPT_CLIENT, req->client, req->client_len);
    }
    if (type == DHCP4_NAK) {
        return;
    }

    /* No lease of what the client has by itself: section 4.3.5. */
    if (req->type != DHCP4_INFORM) {
        put_be32(a, DHCP4_OPT_LEASE, htonl(DHCP4_LEASE_S));
        put_be32(a, DHCP4_OPT_T1, htonl(DHCP4_LEASE_S / 2));
        put_be32(a, DHCP4_OPT_T2, htonl(DHCP4_LEASE_S / 8 * 7));
    }

    /* The mask before the router: RFC 2132, section 3.3. */
    put_be32(a, DHCP4_OPT_NETMASK, be32_prefix_mask(lease->subnet.len));
    put_be32(a, DHCP4_OPT_ROUTER, gateway);
    if (is_wanted(req, DHCP4_OPT_MTU)) {
        int mtu = ep->mtu && ep->mtu < ctx->mtu ? ep->mtu : ctx->mtu;
        ovs_be16 be = htons(mtu);

        put_option(a, DHCP4_OPT_MTU, &be, sizeof be);
    }
    if (is_wanted(req, DHCP4_OPT_DNS)) {
        put_dns(a, net);
    }
    if (is_wanted(req, DHCP4_OPT_ROUTES)) {
        put_routes(a, net, lease);
    }
    if (is_wanted(req, DHCP4_OPT_HOSTNAME)) {
        put_option(a, DHCP4_OPT_HOSTNAME, ep->name, strlen(ep->name));
    }
    if (is_wanted(req, DHCP4_OPT_DOMAIN)) {
        put_option(a, DHCP4_OPT_DOMAIN, net->name, strlen(net->name));
    }
}

/* RFC 2131, section 4.1 and table 3. */
static void
compose(const struct answer_context *ctx, const struct lease *lease,
        const struct dhcp4_request *req, uint8_t type, struct dp_packet *reply)
{
    struct dhcp_header h = {
        .op = DHCP_OP_REPLY,
        .htype = DHCP4_HTYPE_ETHERNET,
        .hlen = ETH_ADDR_LEN,
        .xid = req->header.xid,
        .flags = req->header.flags,
        .ciaddr = type == DHCP4_ACK ? req->header.ciaddr : 0,
    };
    ovs_be32 addr = in6_addr_get_mapped_ipv4(&lease->addr);
    bool to_all = (type == DHCP4_NAK
                   || (!h.ciaddr && h.flags & htons(FLAG_BROADCAST)));
    ovs_be32 to = to_all ? htonl(UINT32_MAX) : h.ciaddr ? h.ciaddr : addr;
    struct in6_addr dst = in6_addr_mapped_ipv4(to);
    int max_size = MIN(MAX(req->max_size, DHCP4_SIZE_MIN), ctx->mtu);
    struct answer a = { reply, ETH_HEADER_LEN + max_size };

    if (type != DHCP4_NAK && req->type != DHCP4_INFORM) {
        h.yiaddr = addr;
    }
    memcpy(h.chaddr, req->header.chaddr, sizeof h.chaddr);
    frame_begin_udp(reply,
                    to_all ? eth_addr_broadcast : ctx->endpoint->mac,
                    &lease->gateway, &dst, DHCP_SERVER_PORT, DHCP_CLIENT_PORT);
    dp_packet_put(reply, &h, sizeof h);
    frame_put32(reply, DHCP_MAGIC_COOKIE);
    put_options(&a, ctx, lease, req, type);
    frame_put8(reply, DHCP4_OPT_END);

    size_t n = dp_packet_l4_size(reply) - UDP_HEADER_LEN;

    if (n < MESSAGE_MIN) {
        dp_packet_put_zeros(reply, MESSAGE_MIN - n);
    }
    frame_finish(reply);
}
