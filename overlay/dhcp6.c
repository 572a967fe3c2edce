/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "overlay/dhcp6.h"

#include "openvswitch/ofpbuf.h"
#include "overlay/address.h"
#include "overlay/dns.h"
#include "overlay/frame.h"
#include "packets.h"
#include "unaligned.h"
#include "util.h"

/* RFC 8415, sections 7.3, 21 and 7.5; RFC 3646 for DNS. */
enum message_type {
    SOLICIT = 1, ADVERTISE = 2, REQUEST = 3, CONFIRM = 4, RENEW = 5,
    REBIND = 6, REPLY = 7, RELEASE = 8, DECLINE = 9, INFORMATION = 11,
};
enum option {
    OPT_CLIENT_ID = 1, OPT_SERVER_ID = 2, OPT_IA_NA = 3, OPT_IA_ADDR = 5,
    OPT_STATUS = 13, OPT_RAPID_COMMIT = 14, OPT_DNS = 23, OPT_DOMAINS = 24,
    OPT_IA_PD = 25,
};
enum status { SUCCESS = 0, NO_BINDING = 3, NOT_ON_LINK = 4,
              NO_PREFIX = 6 };

enum {
    CLIENT_PORT = 546, SERVER_PORT = 547,
    HEADER = 4,                     /* Type and transaction id. */
    OPTION = 4,                     /* Code and length. */
    DUID_MAX = 130,                 /* Section 11.1. */
    IA_MAX = 4,                     /* Of one message that are answered. */
    LIFETIME_S = 86400,
};

struct ia {
    uint16_t code;                  /* OPT_IA_NA or OPT_IA_PD. */
    uint8_t id[4];
    const uint8_t *options;
    size_t len;
};

struct message {
    uint8_t type;
    uint8_t xid[3];
    const uint8_t *client_id;
    uint16_t client_id_len;         /* 0: not said. */
    bool server;                    /* Names a server, */
    bool server_is_us;              /* and it is us. */
    bool rapid_commit;
    struct ia ias[IA_MAX];
    size_t n_ias;
};

/* DUID-LL of Ethernet: section 11.4. */
static const uint8_t server_id[] = {
    0, 3, 0, 1, 0x0e, 0x57, 0, 0, 0, 1
};

static bool parse(const struct frame *, struct message *);
static const struct in6_addr *find_address(const struct answer_context *);
static uint8_t decide(const struct message *);
static void put_ias(const struct message *, const struct in6_addr *,
                    struct ofpbuf *);

static uint16_t
read_u16(const uint8_t *p)
{
    return p[0] << 8 | p[1];
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

static void
put_option(struct ofpbuf *b, uint16_t code, const void *value, size_t len)
{
    put_u16(b, code);
    put_u16(b, len);
    ofpbuf_put(b, value, len);
}

static void
put_status(struct ofpbuf *b, enum status status)
{
    put_u16(b, OPT_STATUS);
    put_u16(b, 2);
    put_u16(b, status);
}

static void
put_dns(const struct network *net, struct ofpbuf *b)
{
    struct in6_addr servers[DNS_MAX];
    size_t n = 0;
    for (size_t i = 0; i < net->n_dns; i++) {
        if (!address_is_v4(&net->dns[i])) {
            servers[n++] = net->dns[i];
        }
    }
    if (n) {
        put_option(b, OPT_DNS, servers, n * sizeof *servers);
    }
    struct ofpbuf name;
    ofpbuf_init(&name, NAME_LEN_MAX + 2);
    dns_put_name(&name, net->name);
    put_option(b, OPT_DOMAINS, name.data, name.size);
    ofpbuf_uninit(&name);
}

bool
dhcp6_answer(const struct answer_context *ctx, const void *data, size_t size,
             struct dp_packet *reply)
{
    struct frame f;
    struct message m;
    struct in6_addr ll = address_link_local(ctx->endpoint->mac);
    if (!frame_parse(data, size, &f) || f.v4 || f.fragment
        || f.protocol != IPPROTO_UDP || !frame_checksum_ok(&f)
        || !eth_addr_equals(f.eth_src, ctx->endpoint->mac)
        || !ipv6_addr_equals(&f.src, &ll) || !parse(&f, &m)) {
        return false;
    }
    const struct in6_addr *addr = find_address(ctx);
    uint8_t type = decide(&m);
    if (!type || (!addr && m.type != INFORMATION)) {
        return false;
    }

    struct ofpbuf b;
    ofpbuf_init(&b, 256);
    ofpbuf_put(&b, &type, 1);
    ofpbuf_put(&b, m.xid, sizeof m.xid);
    put_option(&b, OPT_SERVER_ID, server_id, sizeof server_id);
    if (m.client_id_len) {
        put_option(&b, OPT_CLIENT_ID, m.client_id, m.client_id_len);
    }
    if (m.type == SOLICIT && type == REPLY) {
        put_option(&b, OPT_RAPID_COMMIT, "", 0);
    }
    put_ias(&m, addr, &b);
    put_dns(ctx->network, &b);

    static const struct eth_addr mac = GATEWAY_MAC;
    struct frame_ends ends = {
        .eth_src = mac, .eth_dst = f.eth_src,
        .src = address_link_local(mac), .dst = f.src,
    };
    frame_compose_udp(reply, &ends, SERVER_PORT, CLIENT_PORT, b.data, b.size);
    ofpbuf_uninit(&b);
    return true;
}

static bool
take_option(uint16_t code, const uint8_t *value, size_t len,
            struct message *m)
{
    switch (code) {
    case OPT_CLIENT_ID:
        m->client_id = value;
        m->client_id_len = len;
        return len > 2 && len <= DUID_MAX;
    case OPT_SERVER_ID:
        m->server = true;
        m->server_is_us = (len == sizeof server_id
                           && !memcmp(value, server_id, len));
        return true;
    case OPT_RAPID_COMMIT:
        m->rapid_commit = true;
        return !len;
    case OPT_IA_NA:
    case OPT_IA_PD:
        if (len < 12) {
            return false;
        }
        if (m->n_ias < IA_MAX) {
            struct ia *ia = &m->ias[m->n_ias++];
            ia->code = code;
            memcpy(ia->id, value, sizeof ia->id);
            ia->options = value + 12;
            ia->len = len - 12;
        }
        return true;
    default:
        return true;
    }
}

static bool
parse(const struct frame *f, struct message *m)
{
    memset(m, 0, sizeof *m);
    size_t size = f->payload_len >= UDP_HEADER_LEN ? read_u16(f->payload + 4)
                                                   : 0;
    if (size < UDP_HEADER_LEN + HEADER || size > f->payload_len
        || read_u16(f->payload + 2) != SERVER_PORT) {
        return false;
    }
    const uint8_t *p = f->payload + UDP_HEADER_LEN;
    size -= UDP_HEADER_LEN;
    m->type = p[0];
    memcpy(m->xid, p + 1, sizeof m->xid);
    for (size_t i = HEADER; i < size; ) {
        if (size - i < OPTION || read_u16(p + i + 2) > size - i - OPTION
            || !take_option(read_u16(p + i), p + i + OPTION,
                            read_u16(p + i + 2), m)) {
            return false;
        }
        i += OPTION + read_u16(p + i + 2);
    }
    return true;
}

static const struct in6_addr *
find_address(const struct answer_context *ctx)
{
    for (size_t i = 0; i < ctx->endpoint->n_ips; i++) {
        const struct in6_addr *addr = &ctx->endpoint->ips[i].addr;
        const struct in6_addr *gateway;
        if (!address_is_v4(addr)
            && network_subnet(ctx->network, addr, &gateway) && gateway) {
            return addr;
        }
    }
    return NULL;
}

/* The type of the answer; 0: none.  Section 16 tells which messages must, and
 * which must not, name a server. */
static uint8_t
decide(const struct message *m)
{
    switch (m->type) {
    case SOLICIT:
        return (!m->client_id_len || m->server ? 0
                : m->rapid_commit ? REPLY : ADVERTISE);
    case REQUEST:
    case RENEW:
    case RELEASE:
    case DECLINE:
        return m->client_id_len && m->server && m->server_is_us ? REPLY : 0;
    case CONFIRM:
    case REBIND:
        return m->client_id_len && !m->server ? REPLY : 0;
    case INFORMATION:
        return (m->server && !m->server_is_us) || m->n_ias ? 0 : REPLY;
    default:
        return 0;
    }
}

/* Calls 'cb' for each address in the IA. */
static void
each_address(const struct ia *ia,
             void (*cb)(const struct in6_addr *, void *aux), void *aux)
{
    for (size_t i = 0; ia->len - i >= OPTION; ) {
        size_t len = read_u16(ia->options + i + 2);
        if (len > ia->len - i - OPTION) {
            return;
        }
        if (read_u16(ia->options + i) == OPT_IA_ADDR && len >= 24) {
            struct in6_addr addr;
            memcpy(&addr, ia->options + i + OPTION, sizeof addr);
            cb(&addr, aux);
        }
        i += OPTION + len;
    }
}

struct ia_aux {
    const struct in6_addr *addr;
    struct ofpbuf *b;
    bool foreign;
};

static void
put_ia_address(struct ofpbuf *b, const struct in6_addr *addr,
               uint32_t lifetime)
{
    put_u16(b, OPT_IA_ADDR);
    put_u16(b, 24);
    ofpbuf_put(b, addr, sizeof *addr);
    put_u32(b, lifetime);
    put_u32(b, lifetime);
}

/* Section 18.3.4: an address that is not the client's (any more) has no life
 * left. */
static void
refuse_address(const struct in6_addr *addr, void *aux_)
{
    struct ia_aux *aux = aux_;
    if (!ipv6_addr_equals(addr, aux->addr)) {
        aux->foreign = true;
        if (aux->b && aux->b->size < 1024) {
            put_ia_address(aux->b, addr, 0);
        }
    }
}

static void
put_ia(const struct message *m, const struct ia *ia,
       const struct in6_addr *addr, struct ofpbuf *b)
{
    struct ofpbuf options;
    ofpbuf_init(&options, 128);
    if (ia->code == OPT_IA_PD) {
        put_status(&options, NO_PREFIX);
    } else {
        put_ia_address(&options, addr, LIFETIME_S);
        if (m->type == RENEW || m->type == REBIND) {
            struct ia_aux aux = { addr, &options, false };
            each_address(ia, refuse_address, &aux);
        }
    }
    put_u16(b, ia->code);
    put_u16(b, 12 + options.size);
    ofpbuf_put(b, ia->id, sizeof ia->id);
    put_u32(b, LIFETIME_S / 2);
    put_u32(b, LIFETIME_S / 8 * 7);
    ofpbuf_put(b, options.data, options.size);
    ofpbuf_uninit(&options);
}

static void
put_ias(const struct message *m, const struct in6_addr *addr,
        struct ofpbuf *b)
{
    struct ia_aux aux = { addr, NULL, false };
    switch (m->type) {
    case CONFIRM:
        for (size_t i = 0; i < m->n_ias; i++) {
            each_address(&m->ias[i], refuse_address, &aux);
        }
        put_status(b, aux.foreign ? NOT_ON_LINK : SUCCESS);
        break;
    case RELEASE:
    case DECLINE:
        put_status(b, SUCCESS);
        break;
    case SOLICIT:
    case REQUEST:
    case RENEW:
    case REBIND:
        for (size_t i = 0; i < m->n_ias; i++) {
            put_ia(m, &m->ias[i], addr, b);
        }
        break;
    default:
        break;
    }
}
