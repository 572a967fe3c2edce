/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "overlay/router-adv.h"

#include "openvswitch/ofpbuf.h"
#include "overlay/address.h"
#include "overlay/dns.h"
#include "overlay/frame.h"
#include "packets.h"
#include "util.h"

enum {
    TYPE_SOLICIT = 133, TYPE_ADVERTISE = 134,
    HOP_LIMIT = 255,                /* RFC 4861: proof of being on the link. */
    FLAG_MANAGED = 0x80, FLAG_OTHER = 0x40,
    FLAG_ON_LINK = 0x80,
    OPT_SLLA = 1, OPT_PREFIX = 3, OPT_MTU = 5, OPT_RDNSS = 25, OPT_DNSSL = 31,
    SOLICIT_MIN = 8,
};

static const struct in6_addr all_nodes = {
    .s6_addr = { 0xff, 0x02, [15] = 1 }
};

static bool compose(const struct network *, int mtu,
                    const struct frame_ends *, struct dp_packet *);

static void
put_u8(struct ofpbuf *b, uint8_t value)
{
    ofpbuf_put(b, &value, 1);
}

static void
put_u16(struct ofpbuf *b, uint16_t value)
{
    ovs_be16 be = htons(value);
    ofpbuf_put(b, &be, sizeof be);
}

static void
put_u32(struct ofpbuf *b, uint32_t value)
{
    ovs_be32 be = htonl(value);
    ofpbuf_put(b, &be, sizeof be);
}

/* RFC 4861, section 6.1.1. */
static bool
is_solicitation(const struct frame *f)
{
    if (f->v4 || f->protocol != IPPROTO_ICMPV6 || f->fragment
        || f->hop_limit != HOP_LIMIT || f->payload_len < SOLICIT_MIN
        || f->payload[0] != TYPE_SOLICIT || f->payload[1]
        || !frame_checksum_ok(f)) {
        return false;
    }
    for (size_t i = SOLICIT_MIN; i < f->payload_len; ) {
        size_t len = (f->payload_len - i >= 2 ? f->payload[i + 1] * 8 : 0);
        if (!len || len > f->payload_len - i) {
            return false;
        }
        i += len;
    }
    return true;
}

bool
router_adv_answer(const struct answer_context *ctx, const void *data,
                  size_t size, struct dp_packet *reply)
{
    struct frame f;
    struct in6_addr ll = address_link_local(ctx->endpoint->mac);
    if (!frame_parse(data, size, &f) || !is_solicitation(&f)
        || !eth_addr_equals(f.eth_src, ctx->endpoint->mac)
        || (ipv6_addr_is_set(&f.src) && !ipv6_addr_equals(&f.src, &ll)
            && !endpoint_has_ip(ctx->endpoint, &f.src))) {
        return false;
    }
    /* To a solicitor without an address, to all nodes, but by his MAC. */
    struct frame_ends ends = {
        .eth_dst = f.eth_src,
        .dst = ipv6_addr_is_set(&f.src) ? f.src : all_nodes,
    };
    return compose(ctx->network, ctx->mtu, &ends, reply);
}

bool
router_adv_compose(const struct network *net, int mtu, struct dp_packet *p)
{
    struct frame_ends ends = {
        .eth_dst = { { { 0x33, 0x33, 0, 0, 0, 1 } } },
        .dst = all_nodes,
    };
    return compose(net, mtu, &ends, p);
}

/* RFC 4861, section 4.6.2.  Not autonomous: addresses are the directory's. */
static void
put_prefixes(const struct network *net, struct ofpbuf *b)
{
    for (size_t i = 0; i < net->n_subnets; i++) {
        const struct prefix *p = &net->subnets[i];
        if (!prefix_is_v4(p)) {
            put_u8(b, OPT_PREFIX);
            put_u8(b, 4);
            put_u8(b, p->len);
            put_u8(b, FLAG_ON_LINK);
            put_u32(b, UINT32_MAX);
            put_u32(b, UINT32_MAX);
            put_u32(b, 0);
            ofpbuf_put(b, &p->addr, sizeof p->addr);
        }
    }
}

/* RFC 8106, section 5. */
static void
put_dns(const struct network *net, struct ofpbuf *b)
{
    size_t n = 0;
    for (size_t i = 0; i < net->n_dns; i++) {
        n += !address_is_v4(&net->dns[i]);
    }
    if (!n) {
        return;
    }
    put_u8(b, OPT_RDNSS);
    put_u8(b, 1 + 2 * n);
    put_u16(b, 0);
    put_u32(b, ROUTER_ADV_LIFETIME_S);
    for (size_t i = 0; i < net->n_dns; i++) {
        if (!address_is_v4(&net->dns[i])) {
            ofpbuf_put(b, &net->dns[i], sizeof net->dns[i]);
        }
    }

    struct ofpbuf name;
    ofpbuf_init(&name, NAME_LEN_MAX + 2);
    dns_put_name(&name, net->name);
    size_t size = ROUND_UP(8 + name.size, 8);
    put_u8(b, OPT_DNSSL);
    put_u8(b, size / 8);
    put_u16(b, 0);
    put_u32(b, ROUTER_ADV_LIFETIME_S);
    ofpbuf_put(b, name.data, name.size);
    ofpbuf_put_zeros(b, size - 8 - name.size);
    ofpbuf_uninit(&name);
}

/* 'to' lacks the source only. */
static bool
compose(const struct network *net, int mtu, const struct frame_ends *to,
        struct dp_packet *packet)
{
    static const struct eth_addr mac = GATEWAY_MAC;
    if (!network_gateway(net, false)) {
        return false;
    }
    struct ofpbuf b;
    ofpbuf_init(&b, 256);
    put_u8(&b, TYPE_ADVERTISE);
    put_u8(&b, 0);
    put_u16(&b, 0);                 /* Checksum. */
    put_u8(&b, 64);                 /* Hop limit. */
    put_u8(&b, net->dhcp ? FLAG_MANAGED | FLAG_OTHER : 0);
    put_u16(&b, ROUTER_ADV_LIFETIME_S);
    put_u32(&b, 0);
    put_u32(&b, 0);
    put_u8(&b, OPT_SLLA);
    put_u8(&b, 1);
    ofpbuf_put(&b, &mac, sizeof mac);
    put_u8(&b, OPT_MTU);
    put_u8(&b, 1);
    put_u16(&b, 0);
    put_u32(&b, mtu);
    put_prefixes(net, &b);
    put_dns(net, &b);

    struct frame_ends ends = *to;
    ends.eth_src = mac;
    ends.src = address_link_local(mac);
    frame_compose(packet, &ends, IPPROTO_ICMPV6, HOP_LIMIT, b.data, b.size);
    ofpbuf_uninit(&b);
    return true;
}
