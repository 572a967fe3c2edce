/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "overlay/dns.h"

#include <stdlib.h>
#include "openvswitch/ofpbuf.h"
#include "overlay/address.h"
#include "overlay/frame.h"
#include "packets.h"
#include "unaligned.h"
#include "util.h"

enum {
    PORT = 53,
    HEADER = 12,
    LABEL_MAX = 63, NAME_MAX_ = 255,        /* RFC 1035, section 2.3.4. */
    FLAG_QR = 0x8000, FLAG_AA = 0x0400, FLAG_TC = 0x0200, FLAG_RD = 0x0100,
    OPCODE = 0x7800,
    TYPE_A = 1, TYPE_AAAA = 28, TYPE_OPT = 41, TYPE_ANY = 255,
    CLASS_IN = 1,
    UDP_SIZE = 1232,                /* RFC 6891, section 6.2.5. */
};

enum rcode { NOERROR = 0, FORMERR = 1, NXDOMAIN = 3, NOTIMP = 4,
             REFUSED = 5 };

struct query {
    uint16_t id, flags;
    const uint8_t *question;        /* As it came. */
    size_t question_len;            /* 0: it has none that can be read. */
    char name[NAME_MAX_ + 1];       /* By dots, without the last one. */
    uint16_t type, class;
    bool edns;
};

static bool parse_query(const uint8_t *, size_t, struct query *,
                        enum rcode *);
static enum rcode look_up(const struct answer_context *, const struct query *,
                          const struct endpoint **);
static void put_u16(struct ofpbuf *, uint16_t);
static void put_addresses(struct ofpbuf *, const struct query *,
                          const struct endpoint *, uint16_t *n);

static uint16_t
read_u16(const uint8_t *p)
{
    return p[0] << 8 | p[1];
}

bool
dns_answer(const struct answer_context *ctx, const void *data, size_t size,
           struct dp_packet *reply)
{
    struct frame f;
    if (!frame_parse(data, size, &f) || f.fragment
        || f.protocol != IPPROTO_UDP || f.payload_len < UDP_HEADER_LEN
        || read_u16(f.payload + 2) != PORT || !frame_checksum_ok(&f)
        || !eth_addr_equals(f.eth_src, ctx->endpoint->mac)
        || !endpoint_has_ip(ctx->endpoint, &f.src)) {
        return false;
    }
    size_t udp_len = read_u16(f.payload + 4);
    struct query q;
    enum rcode rcode;
    if (udp_len < UDP_HEADER_LEN || udp_len > f.payload_len
        || !parse_query(f.payload + UDP_HEADER_LEN, udp_len - UDP_HEADER_LEN,
                        &q, &rcode)) {
        return false;
    }
    const struct endpoint *ep = NULL;
    if (rcode == NOERROR) {
        rcode = look_up(ctx, &q, &ep);
    }

    struct ofpbuf msg;
    uint16_t n_answers = 0;
    ofpbuf_init(&msg, 512);
    put_u16(&msg, q.id);
    put_u16(&msg, FLAG_QR | (q.flags & (OPCODE | FLAG_RD)) | rcode
            | (rcode == NOERROR || rcode == NXDOMAIN ? FLAG_AA : 0));
    put_u16(&msg, q.question_len > 0);
    put_u16(&msg, 0);
    put_u16(&msg, 0);
    put_u16(&msg, q.edns);
    ofpbuf_put(&msg, q.question, q.question_len);
    if (ep) {
        put_addresses(&msg, &q, ep, &n_answers);
        put_unaligned_be16((ovs_be16 *) ofpbuf_at(&msg, 6, 2),
                           htons(n_answers));
    }
    if (q.edns) {
        static const uint8_t opt[] = { 0, 0, TYPE_OPT, UDP_SIZE >> 8,
                                       UDP_SIZE & 255, 0, 0, 0, 0, 0, 0 };
        ofpbuf_put(&msg, opt, sizeof opt);
    }
    struct frame_ends ends = {
        .eth_src = GATEWAY_MAC, .eth_dst = f.eth_src,
        .src = f.dst, .dst = f.src,
    };
    frame_compose_udp(reply, &ends, PORT, read_u16(f.payload), msg.data,
                      msg.size);
    ofpbuf_uninit(&msg);
    return true;
}

/* Reads the name at '*pos', without compression, which a question has no use
 * for. */
static bool
parse_name(const uint8_t *msg, size_t size, size_t *pos,
           char name[NAME_MAX_ + 1])
{
    size_t n = 0;
    for (;;) {
        if (*pos >= size) {
            return false;
        }
        uint8_t len = msg[(*pos)++];
        if (!len) {
            name[n] = '\0';
            return true;
        }
        if (len > LABEL_MAX || len > size - *pos
            || n + 1 + len >= NAME_MAX_) {
            return false;
        }
        if (n) {
            name[n++] = '.';
        }
        for (int i = 0; i < len; i++) {
            uint8_t c = msg[(*pos)++];
            /* What no name of ours has would only confuse: a NUL, a dot. */
            name[n++] = c <= ' ' || c == '.' || c >= 127 ? '?' : c;
        }
    }
}

/* False: silence. */
static bool
parse_query(const uint8_t *msg, size_t size, struct query *q,
            enum rcode *rcode)
{
    memset(q, 0, sizeof *q);
    if (size < HEADER) {
        return false;
    }
    q->id = read_u16(msg);
    q->flags = read_u16(msg + 2);
    if (q->flags & FLAG_QR) {
        return false;
    }
    size_t pos = HEADER;
    *rcode = q->flags & OPCODE ? NOTIMP : FORMERR;
    if (*rcode == NOTIMP || read_u16(msg + 4) != 1 || read_u16(msg + 6)
        || read_u16(msg + 8) || q->flags & FLAG_TC
        || !parse_name(msg, size, &pos, q->name) || size - pos < 4) {
        return true;
    }
    q->type = read_u16(msg + pos);
    q->class = read_u16(msg + pos + 2);
    pos += 4;
    q->question = msg + HEADER;
    q->question_len = pos - HEADER;
    *rcode = NOERROR;
    /* RFC 6891, section 6.1.2: the root, then the type. */
    q->edns = read_u16(msg + 10) && size - pos >= 11 && !msg[pos]
              && read_u16(msg + pos + 1) == TYPE_OPT;
    return true;
}

/* Names of both kinds may have dots. */
static const struct endpoint *
find(const struct answer_context *ctx, const char *text, bool *ours)
{
    const struct endpoint *ep = ctx->find(text, ctx->network->name, ctx->aux);
    *ours = *ours || !strchr(text, '.');
    for (const char *dot = text; !ep && (dot = strchr(dot, '.')); dot++) {
        char *name = xmemdup0(text, dot - text);
        ep = ctx->find(name, dot + 1, ctx->aux);
        *ours = *ours || !strcasecmp(dot + 1, ctx->network->name);
        free(name);
    }
    return ep;
}

/* Names here have a case, in DNS they have not (RFC 4343): as it is written,
 * or else in lower case. */
static enum rcode
look_up(const struct answer_context *ctx, const struct query *q,
        const struct endpoint **epp)
{
    *epp = NULL;
    if (q->class != CLASS_IN || !q->name[0]) {
        return REFUSED;
    }
    bool ours = false;
    *epp = find(ctx, q->name, &ours);
    if (!*epp) {
        char *lower = xstrdup(q->name);
        for (char *p = lower; *p; p++) {
            *p = *p >= 'A' && *p <= 'Z' ? *p + ('a' - 'A') : *p;
        }
        *epp = find(ctx, lower, &ours);
        free(lower);
    }
    return *epp ? NOERROR : ours ? NXDOMAIN : REFUSED;
}

void
dns_put_name(struct ofpbuf *b, const char *name)
{
    while (*name) {
        uint8_t len = MIN(strcspn(name, "."), LABEL_MAX);
        if (len) {
            ofpbuf_put(b, &len, 1);
            ofpbuf_put(b, name, len);
        }
        name += len + (name[len] == '.');
    }
    ofpbuf_put_zeros(b, 1);
}

static void
put_u16(struct ofpbuf *b, uint16_t value)
{
    uint8_t bytes[2] = { value >> 8, value & 255 };
    ofpbuf_put(b, bytes, sizeof bytes);
}

static void
put_addresses(struct ofpbuf *msg, const struct query *q,
              const struct endpoint *ep, uint16_t *n)
{
    for (size_t i = 0; i < ep->n_ips; i++) {
        const struct in6_addr *addr = &ep->ips[i].addr;
        bool v4 = address_is_v4(addr);
        uint16_t type = v4 ? TYPE_A : TYPE_AAAA;
        if (q->type != type && q->type != TYPE_ANY) {
            continue;
        }
        size_t skip = v4 ? 12 : 0;
        put_u16(msg, 0xc000 | HEADER);  /* The name of the question. */
        put_u16(msg, type);
        put_u16(msg, CLASS_IN);
        put_u16(msg, 0);
        put_u16(msg, DNS_TTL_S);
        put_u16(msg, 16 - skip);
        ofpbuf_put(msg, &addr->s6_addr[skip], 16 - skip);
        (*n)++;
    }
}
