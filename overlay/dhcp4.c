/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "overlay/dhcp4.h"

#include "dhcp.h"
#include "openvswitch/ofpbuf.h"
#include "overlay/address.h"
#include "overlay/frame.h"
#include "packets.h"
#include "unaligned.h"
#include "util.h"

/* RFC 2132, and the later RFCs that are named. */
enum option {
    OPT_PAD = 0, OPT_NETMASK = 1, OPT_ROUTER = 3, OPT_DNS = 6,
    OPT_HOSTNAME = 12, OPT_DOMAIN = 15, OPT_MTU = 26, OPT_REQUESTED = 50,
    OPT_LEASE = 51, OPT_OVERLOAD = 52, OPT_TYPE = 53, OPT_SERVER = 54,
    OPT_PARAMETERS = 55, OPT_MAX_SIZE = 57, OPT_T1 = 58, OPT_T2 = 59,
    OPT_CLIENT_ID = 61, OPT_ROUTES = 121, OPT_END = 255,
};

enum {
    DISCOVER = 1, OFFER = 2, REQUEST = 3, ACK = 5, NAK = 6, INFORM = 8,
    HEADER = DHCP_HEADER_LEN + 4,   /* With the cookie. */
    FLAG_BROADCAST = 0x8000,        /* RFC 2131, section 2. */
    MESSAGE_MIN = 300,              /* What BOOTP clients expect: RFC 1542,
                                     * section 2.1. */
    SIZE_DEFAULT = 576 - 28,        /* RFC 2131, section 2: of an IP packet of
                                     * 576 bytes. */
};

/* What a client says.  Borrows from the frame. */
struct message {
    const struct dhcp_header *header;
    uint8_t type;                   /* 0: none. */
    ovs_be32 requested, server;     /* 0: not said. */
    const uint8_t *parameters, *client_id;  /* NULL: not said. */
    uint8_t n_parameters, client_id_len;
    uint16_t max_size;              /* Of our message. */
};

struct lease {
    ovs_be32 ip, gateway, netmask;
};

static bool parse(const struct frame *, struct message *);
static bool parse_options(const uint8_t *, size_t, struct message *,
                          uint8_t *overload);
static bool find_lease(const struct answer_context *, struct lease *);
static uint8_t decide(const struct message *, const struct lease *);
static void put_options(const struct answer_context *, const struct message *,
                        const struct lease *, uint8_t type, struct ofpbuf *);
static void compose(const struct answer_context *, const struct message *,
                    const struct lease *, uint8_t type, struct dp_packet *);

bool
dhcp4_answer(const struct answer_context *ctx, const void *data, size_t size,
             struct dp_packet *reply)
{
    struct frame f;
    struct message m;
    struct lease lease;
    if (!frame_parse(data, size, &f) || !f.v4 || f.fragment
        || f.protocol != IPPROTO_UDP || !frame_checksum_ok(&f)
        || !eth_addr_equals(f.eth_src, ctx->endpoint->mac)
        || !parse(&f, &m)
        || memcmp(m.header->chaddr, &ctx->endpoint->mac, ETH_ADDR_LEN)
        || !find_lease(ctx, &lease)) {
        return false;
    }
    uint8_t type = decide(&m, &lease);
    if (type) {
        compose(ctx, &m, &lease, type, reply);
    }
    return type != 0;
}

static bool
parse(const struct frame *f, struct message *m)
{
    const uint8_t *udp = f->payload;
    if (f->payload_len < UDP_HEADER_LEN + HEADER
        || (udp[4] << 8 | udp[5]) < UDP_HEADER_LEN + HEADER
        || (udp[4] << 8 | udp[5]) > f->payload_len) {
        return false;
    }
    const uint8_t *p = udp + UDP_HEADER_LEN;
    size_t size = (udp[4] << 8 | udp[5]) - UDP_HEADER_LEN;
    memset(m, 0, sizeof *m);
    m->header = (const struct dhcp_header *) p;     /* Packed. */
    m->max_size = SIZE_DEFAULT;
    if (m->header->op != DHCP_OP_REQUEST || m->header->htype != 1
        || m->header->hlen != ETH_ADDR_LEN || m->header->giaddr
        || get_unaligned_be32((const ovs_be32 *) (p + DHCP_HEADER_LEN))
           != htonl(DHCP_MAGIC_COOKIE)) {
        return false;
    }
    /* Options may go on in the fields of file and server name: RFC 2131,
     * section 4.1. */
    uint8_t overload = 0, none = 0;
    return parse_options(p + HEADER, size - HEADER, m, &overload)
           && (!(overload & 1)
               || parse_options((const uint8_t *) m->header->file,
                                sizeof m->header->file, m, &none))
           && (!(overload & 2)
               || parse_options((const uint8_t *) m->header->sname,
                                sizeof m->header->sname, m, &none))
           && m->type;
}

static ovs_be32
option_ip(const uint8_t *value)
{
    return get_unaligned_be32((const ovs_be32 *) value);
}

static bool
take_option(uint8_t code, uint8_t len, const uint8_t *value,
            struct message *m, uint8_t *overload)
{
    switch (code) {
    case OPT_TYPE:
        m->type = value[0];
        return len == 1;
    case OPT_OVERLOAD:
        *overload = value[0];
        return len == 1 && value[0] >= 1 && value[0] <= 3;
    case OPT_REQUESTED:
        m->requested = len == 4 ? option_ip(value) : 0;
        return len == 4;
    case OPT_SERVER:
        m->server = len == 4 ? option_ip(value) : 0;
        return len == 4;
    case OPT_PARAMETERS:
        m->parameters = value;
        m->n_parameters = len;
        return true;
    case OPT_MAX_SIZE:
        if (len != 2) {
            return false;
        }
        int size = value[0] << 8 | value[1];
        m->max_size = MIN(MAX(size, 576), 1400) - 28;
        return true;
    case OPT_CLIENT_ID:
        m->client_id = value;
        m->client_id_len = len;
        return len >= 2;
    default:
        return true;
    }
}

static bool
parse_options(const uint8_t *p, size_t size, struct message *m,
              uint8_t *overload)
{
    for (size_t i = 0; i < size && p[i] != OPT_END; ) {
        if (p[i] == OPT_PAD) {
            i++;
            continue;
        }
        if (size - i < 2 || !p[i + 1] || p[i + 1] > size - i - 2) {
            /* No option that we read is empty; others we need not
             * understand, but for where they end. */
            if (size - i >= 2 && !p[i + 1]) {
                i += 2;
                continue;
            }
            return false;
        }
        if (!take_option(p[i], p[i + 1], &p[i + 2], m, overload)) {
            return false;
        }
        i += 2 + p[i + 1];
    }
    return true;
}

static bool
find_lease(const struct answer_context *ctx, struct lease *lease)
{
    for (size_t i = 0; i < ctx->endpoint->n_ips; i++) {
        const struct in6_addr *addr = &ctx->endpoint->ips[i].addr;
        const struct in6_addr *gateway;
        const struct prefix *subnet = network_subnet(ctx->network, addr,
                                                     &gateway);
        if (address_is_v4(addr) && subnet && gateway) {
            lease->ip = in6_addr_get_mapped_ipv4(addr);
            lease->gateway = in6_addr_get_mapped_ipv4(gateway);
            lease->netmask = be32_prefix_mask(subnet->len);
            return true;
        }
    }
    return false;
}

/* What to answer; 0: nothing.  RFC 2131, section 4.3. */
static uint8_t
decide(const struct message *m, const struct lease *lease)
{
    ovs_be32 wanted = m->requested ? m->requested : m->header->ciaddr;
    switch (m->type) {
    case DISCOVER:
        return OFFER;
    case REQUEST:
        if (m->server && m->server != lease->gateway) {
            return 0;               /* It takes another one's offer. */
        }
        return wanted == lease->ip ? ACK : NAK;
    case INFORM:
        return ACK;
    default:
        return 0;                   /* DECLINE, RELEASE: nothing changes. */
    }
}

static bool
is_asked_for(const struct message *m, uint8_t code)
{
    return !m->parameters || memchr(m->parameters, code, m->n_parameters);
}

/* As far as there is room for it, the end mark included. */
static void
put_option(struct ofpbuf *b, const struct message *m, uint8_t code,
           const void *value, size_t len)
{
    if (len && len <= 255 && b->size + 2 + len + 1 <= m->max_size) {
        uint8_t head[2] = { code, len };
        ofpbuf_put(b, head, sizeof head);
        ofpbuf_put(b, value, len);
    }
}

static void
put_u32(struct ofpbuf *b, const struct message *m, uint8_t code,
        uint32_t value)
{
    ovs_be32 be = htonl(value);
    put_option(b, m, code, &be, sizeof be);
}

static void
put_dns(const struct network *net, const struct message *m, struct ofpbuf *b)
{
    ovs_be32 servers[DNS_MAX];
    size_t n = 0;
    for (size_t i = 0; i < net->n_dns; i++) {
        if (address_is_v4(&net->dns[i])) {
            servers[n++] = in6_addr_get_mapped_ipv4(&net->dns[i]);
        }
    }
    put_option(b, m, OPT_DNS, servers, n * sizeof *servers);
}

/* RFC 3442: a client that takes these passes over the router option, so the
 * default route is one of them. */
static void
put_routes(const struct network *net, const struct message *m,
           const struct lease *lease, struct ofpbuf *b)
{
    struct ofpbuf routes;
    bool has_default = false;
    ofpbuf_init(&routes, 128);
    for (size_t i = 0; i < net->n_routes; i++) {
        const struct route *r = &net->routes[i];
        if (prefix_is_v4(&r->dst)) {
            ofpbuf_put(&routes, &r->dst.len, 1);
            ofpbuf_put(&routes, &r->dst.addr.s6_addr[12],
                       DIV_ROUND_UP(r->dst.len, 8));
            ofpbuf_put(&routes, &r->via.s6_addr[12], 4);
            has_default = has_default || !r->dst.len;
        }
    }
    if (routes.size) {
        if (!has_default) {
            ofpbuf_put_zeros(&routes, 1);
            ofpbuf_put(&routes, &lease->gateway, sizeof lease->gateway);
        }
        put_option(b, m, OPT_ROUTES, routes.data, routes.size);
    }
    ofpbuf_uninit(&routes);
}

static void
put_options(const struct answer_context *ctx, const struct message *m,
            const struct lease *lease, uint8_t type, struct ofpbuf *b)
{
    put_option(b, m, OPT_TYPE, &type, 1);
    put_option(b, m, OPT_SERVER, &lease->gateway, sizeof lease->gateway);
    if (m->client_id) {
        put_option(b, m, OPT_CLIENT_ID, m->client_id, m->client_id_len);
    }
    if (type == NAK) {
        return;
    }
    if (m->type != INFORM) {
        put_u32(b, m, OPT_LEASE, DHCP4_LEASE_S);
        put_u32(b, m, OPT_T1, DHCP4_LEASE_S / 2);
        put_u32(b, m, OPT_T2, DHCP4_LEASE_S / 8 * 7);
    }
    put_option(b, m, OPT_NETMASK, &lease->netmask, sizeof lease->netmask);
    /* Before the router: RFC 3442. */
    if (is_asked_for(m, OPT_ROUTES)) {
        put_routes(ctx->network, m, lease, b);
    }
    put_option(b, m, OPT_ROUTER, &lease->gateway, sizeof lease->gateway);
    if (is_asked_for(m, OPT_DNS)) {
        put_dns(ctx->network, m, b);
    }
    if (is_asked_for(m, OPT_MTU) && ctx->mtu) {
        ovs_be16 mtu = htons(ctx->mtu);
        put_option(b, m, OPT_MTU, &mtu, sizeof mtu);
    }
    if (is_asked_for(m, OPT_HOSTNAME)) {
        put_option(b, m, OPT_HOSTNAME, ctx->endpoint->name,
                   strlen(ctx->endpoint->name));
    }
    if (is_asked_for(m, OPT_DOMAIN)) {
        put_option(b, m, OPT_DOMAIN, ctx->network->name,
                   strlen(ctx->network->name));
    }
}

/* Where to: RFC 2131, section 4.1.  A NAK goes to all, because what the
 * client believes itself to be is wrong. */
static ovs_be32
choose_destination(const struct message *m, const struct lease *lease,
                   uint8_t type)
{
    if (type == NAK) {
        return htonl(UINT32_MAX);
    } else if (m->header->ciaddr) {
        return m->header->ciaddr;
    } else if (m->header->flags & htons(FLAG_BROADCAST)) {
        return htonl(UINT32_MAX);
    }
    return lease->ip;
}

static void
compose(const struct answer_context *ctx, const struct message *m,
        const struct lease *lease, uint8_t type, struct dp_packet *reply)
{
    struct ofpbuf b;
    ofpbuf_init(&b, MESSAGE_MIN);
    struct dhcp_header *h = ofpbuf_put_zeros(&b, sizeof *h);
    h->op = DHCP_OP_REPLY;
    h->htype = 1;
    h->hlen = ETH_ADDR_LEN;
    h->xid = m->header->xid;
    h->flags = m->header->flags & htons(FLAG_BROADCAST);
    memcpy(h->chaddr, m->header->chaddr, sizeof h->chaddr);
    if (type == ACK) {
        h->ciaddr = m->header->ciaddr;
    }
    if (type != NAK && m->type != INFORM) {
        h->yiaddr = lease->ip;
    }
    ovs_be32 cookie = htonl(DHCP_MAGIC_COOKIE);
    ofpbuf_put(&b, &cookie, sizeof cookie);
    put_options(ctx, m, lease, type, &b);
    static const uint8_t end = OPT_END;
    ofpbuf_put(&b, &end, 1);
    if (b.size < MESSAGE_MIN) {
        ofpbuf_put_zeros(&b, MESSAGE_MIN - b.size);
    }

    ovs_be32 dst = choose_destination(m, lease, type);
    struct frame_ends ends = {
        .eth_src = GATEWAY_MAC,
        .eth_dst = (dst == htonl(UINT32_MAX) ? eth_addr_broadcast
                    : ctx->endpoint->mac),
    };
    in6_addr_set_mapped_ipv4(&ends.src, lease->gateway);
    in6_addr_set_mapped_ipv4(&ends.dst, dst);
    frame_compose_udp(reply, &ends, DHCP_SERVER_PORT, DHCP_CLIENT_PORT,
                      b.data, b.size);
    ofpbuf_uninit(&b);
}
