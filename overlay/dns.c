/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "overlay/dns.h"

#include <string.h>
#include <strings.h>
#include "overlay/address.h"
#include "overlay/frame.h"
#include "packets.h"
#include "util.h"

enum {
    DNS_PORT = 53,
    NAME_WIRE_MAX = 255,            /* RFC 1035, section 2.3.4. */
    LABEL_MAX = 63,
    PAYLOAD_MIN = 512,              /* RFC 1035, section 4.2.1. */
    PAYLOAD_MAX = 1232,             /* Fits into the smallest IPv6 packet. */
    QTYPE_LEN = 4,                  /* Type and class of a question. */
    RECORD_LEN = 10,                /* Of a record, what follows its name. */
    TYPE_OPT = 41,                  /* RFC 6891. */
};

/* Of struct dns_header: RFC 1035, section 4.1.1. */
enum { LO_RD = 0x01, LO_TC = 0x02, LO_AA = 0x04, LO_OPCODE = 0x78,
       LO_QR = 0x80 };

enum rcode { NOERROR = 0, FORMERR = 1, NXDOMAIN = 3, NOTIMP = 4, REFUSED = 5,
             BADVERS = 16 };

struct query {
    struct dns_header header;
    const uint8_t *question;        /* Borrowed from the frame. */
    size_t question_len;            /* 0: not understood, not repeated. */
    char name[NAME_WIRE_MAX];       /* In lower case, without the last dot;
                                     * '?' for each byte that no name of ours
                                     * has. */
    uint16_t type, class;
    bool opt;                       /* EDNS0. */
    uint8_t opt_version;
    uint16_t payload_max;           /* Of the response. */
};

/* What is said to it. */
struct response {
    enum rcode rcode;
    const struct endpoint *endpoint;    /* Whose addresses, or NULL. */
};

static enum rcode query_parse(struct query *, const uint8_t *data, size_t n);
static bool parse_question(struct query *, const uint8_t *data, size_t n,
                           size_t *at);
static bool parse_additional(struct query *, const uint8_t *data, size_t n,
                             size_t *at);
static bool skip_name(const uint8_t *data, size_t n, size_t *at);
static struct response resolve(const struct query *,
                               const struct answer_context *);
static const struct endpoint *find(const char *name,
                                   const struct answer_context *);
static const struct endpoint *find_in(const char *name, size_t len,
                                      const char *network,
                                      const struct answer_context *);
static bool is_address_type(uint16_t type);
static void put_response(const struct query *, const struct response *,
                         struct dp_packet *);
static bool put_addresses(const struct query *, const struct endpoint *,
                          struct dp_packet *, uint16_t *n);

bool
dns_answer(const struct answer_context *ctx, const void *data, size_t size,
           struct dp_packet *reply)
{
    struct frame frame;
    struct query query;
    struct response response = { .endpoint = NULL };
    const uint8_t *message;
    uint16_t port;
    size_t n;

    if (!frame_parse(&frame, data, size)
        || !frame_is_from(&frame, ctx->endpoint)
        || !frame_is_unicast(&frame, ctx->network)
        || !frame_udp(&frame, DNS_PORT, &port, &message, &n)
        || !port || n < sizeof query.header) {
        return false;
    }
    response.rcode = query_parse(&query, message, n);
    if (query.header.lo_flag & LO_QR) {
        return false;
    }
    if (response.rcode == NOERROR) {
        response = resolve(&query, ctx);
        if (ctx->unknown) {
            *ctx->unknown = response.rcode != NOERROR;
        }
    }
    frame_begin_udp(reply, frame.eth_src, &frame.dst, &frame.src, DNS_PORT,
                    port);
    put_response(&query, &response, reply);
    frame_finish(reply);
    return true;
}

bool
dns_answer_peer(const struct answer_context *ctx, const void *data,
                size_t size, struct dp_packet *reply)
{
    struct frame frame;

    if (!frame_parse(&frame, data, size)
        || eth_addr_is_multicast(frame.eth_src)) {
        return false;
    }

    /* Its own switch has seen to it that it is who it says. */
    bool unknown = true;
    const struct endpoint asker = {
        .mac = frame.eth_src,
        .ips = { { .addr = frame.src } },
        .n_ips = 1,
    };
    struct answer_context peer = *ctx;

    peer.endpoint = &asker;
    peer.unknown = &unknown;
    if (dns_answer(&peer, data, size, reply) && !unknown) {
        return true;
    }
    dp_packet_clear(reply);
    return false;
}

/* Takes apart the 'n' bytes at 'data', at least a header. */
static enum rcode
query_parse(struct query *query, const uint8_t *data, size_t n)
{
    const struct dns_header *header = &query->header;
    size_t at = sizeof *header;

    memset(query, 0, sizeof *query);
    memcpy(&query->header, data, sizeof query->header);
    query->payload_max = PAYLOAD_MIN;
    if (header->lo_flag & LO_OPCODE) {
        return NOTIMP;
    }
    if (header->qdcount != htons(1) || header->ancount || header->nscount
        || !parse_question(query, data, n, &at)) {
        return FORMERR;
    }
    for (int i = ntohs(header->arcount); i > 0; i--) {
        if (!parse_additional(query, data, n, &at)) {
            return FORMERR;
        }
    }
    if (at != n) {
        return FORMERR;
    }
    return query->opt_version ? BADVERS : NOERROR;
}

/* Its name is not compressed: there is nothing before it to point to. */
static bool
parse_question(struct query *query, const uint8_t *data, size_t n, size_t *at)
{
    size_t start = *at;
    size_t len = 0;

    for (;;) {
        if (*at >= n) {
            return false;
        }

        size_t label = data[(*at)++];
        if (!label) {
            break;
        }
        if (label > LABEL_MAX || label > n - *at
            || *at - start + label + 1 > NAME_WIRE_MAX) {
            return false;
        }
        if (len) {
            query->name[len++] = '.';
        }
        for (size_t i = 0; i < label; i++) {
            uint8_t c = data[(*at)++];

            c = c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c;
            query->name[len++] = ((c >= 'a' && c <= 'z')
                                  || (c >= '0' && c <= '9')
                                  || c == '-' || c == '_') ? c : '?';
        }
    }
    query->name[len] = '\0';
    if (n - *at < QTYPE_LEN) {
        return false;
    }
    query->type = data[*at] << 8 | data[*at + 1];
    query->class = data[*at + 2] << 8 | data[*at + 3];
    *at += QTYPE_LEN;
    query->question = data + start;
    query->question_len = *at - start;
    return true;
}

/* One record, of which only OPT means something: RFC 6891, section 6.1. */
static bool
parse_additional(struct query *query, const uint8_t *data, size_t n,
                 size_t *at)
{
    bool root = *at < n && !data[*at];

    if (!skip_name(data, n, at) || n - *at < RECORD_LEN) {
        return false;
    }

    const uint8_t *record = data + *at;
    uint16_t type = record[0] << 8 | record[1];
    uint16_t class = record[2] << 8 | record[3];
    uint16_t len = record[8] << 8 | record[9];

    *at += RECORD_LEN;
    if (len > n - *at) {
        return false;
    }
    *at += len;
    if (type == TYPE_OPT) {
        if (!root || query->opt) {
            return false;
        }
        query->opt = true;
        query->opt_version = record[5];
        query->payload_max = MIN(MAX(class, PAYLOAD_MIN), PAYLOAD_MAX);
    }
    return true;
}

/* To behind the name, which may end with a pointer that is not followed. */
static bool
skip_name(const uint8_t *data, size_t n, size_t *at)
{
    while (*at < n) {
        size_t label = data[(*at)++];

        if (!label) {
            return true;
        }
        if (label >> 6 == 3) {
            return (*at)++ < n;
        }
        if (label > LABEL_MAX || label > n - *at) {
            return false;
        }
        *at += label;
    }
    return false;
}

static struct response
resolve(const struct query *query, const struct answer_context *ctx)
{
    const char *network = ctx->network->name;
    size_t len = strlen(query->name);
    size_t network_len = strlen(network);
    struct response response = { REFUSED, NULL };

    if (query->class != DNS_CLASS_IN || !len) {
        return response;
    }
    response.endpoint = find(query->name, ctx);
    if (response.endpoint || !strcasecmp(query->name, network)) {
        response.rcode = NOERROR;
    } else if (len > network_len
               && query->name[len - network_len - 1] == '.'
               && !strcasecmp(&query->name[len - network_len], network)) {
        response.rcode = NXDOMAIN;
    } else if (!strchr(query->name, '.') && is_address_type(query->type)) {
        response.rcode = NXDOMAIN;
    }
    return response;
}

/* The names of endpoints and of networks may have dots: the last label is
 * tried as the network first, then the last two, at last none. */
static const struct endpoint *
find(const char *name, const struct answer_context *ctx)
{
    for (size_t i = strlen(name); i-- > 0; ) {
        if (name[i] == '.') {
            const struct endpoint *endpoint = find_in(name, i, &name[i + 1],
                                                      ctx);
            if (endpoint) {
                return endpoint;
            }
        }
    }
    return find_in(name, strlen(name), ctx->network->name, ctx);
}

/* The endpoint with the first 'len' bytes of 'name'. */
static const struct endpoint *
find_in(const char *name, size_t len, const char *network,
        const struct answer_context *ctx)
{
    char endpoint[NAME_LEN_MAX + 1];

    if (len > NAME_LEN_MAX) {
        return NULL;
    }
    memcpy(endpoint, name, len);
    endpoint[len] = '\0';
    if (!name_is_valid(endpoint) || !name_is_valid(network)) {
        return NULL;
    }
    /* Where only the case differs, 'find' need not know. */
    return ctx->find(endpoint, (strcasecmp(network, ctx->network->name)
                                ? network : ctx->network->name), ctx->aux);
}

static bool
is_address_type(uint16_t type)
{
    return (type == DNS_QUERY_TYPE_A || type == DNS_QUERY_TYPE_AAAA
            || type == DNS_QUERY_TYPE_ANY);
}

static void
put_response(const struct query *query, const struct response *response,
             struct dp_packet *reply)
{
    bool authoritative = (response->rcode == NOERROR
                          || response->rcode == NXDOMAIN);
    uint16_t n_answers = 0;
    struct udp_header *udp;
    struct dns_header *header;
    bool complete = true;

    (void) dp_packet_put_zeros(reply, sizeof *header);      /* Filled below. */
    if (query->question_len) {
        dp_packet_put(reply, query->question, query->question_len);
    }
    if (response->endpoint) {
        complete = put_addresses(query, response->endpoint, reply,
                                 &n_answers);
    }
    if (query->opt) {
        frame_put8(reply, 0);                           /* The root. */
        frame_put16(reply, TYPE_OPT);
        frame_put16(reply, PAYLOAD_MAX);
        frame_put16(reply, response->rcode >> 4 << 8);  /* Version 0. */
        frame_put16(reply, 0);                          /* Flags. */
        frame_put16(reply, 0);                          /* No options. */
    }

    udp = dp_packet_l4(reply);
    header = (void *) (udp + 1);
    header->id = query->header.id;
    header->lo_flag = (LO_QR | (query->header.lo_flag & (LO_OPCODE | LO_RD))
                       | (authoritative ? LO_AA : 0)
                       | (complete ? 0 : LO_TC));
    header->hi_flag = response->rcode & 0xf;
    header->qdcount = htons(query->question_len ? 1 : 0);
    header->ancount = htons(n_answers);
    header->arcount = htons(query->opt ? 1 : 0);
}

/* Those of the type that was asked for.  False if not all of them fit. */
static bool
put_addresses(const struct query *query, const struct endpoint *endpoint,
              struct dp_packet *reply, uint16_t *n)
{
    size_t opt_len = query->opt ? 1 + RECORD_LEN : 0;

    for (size_t i = 0; i < endpoint->n_ips; i++) {
        const struct in6_addr *ip = &endpoint->ips[i].addr;
        bool v4 = address_is_v4(ip);
        uint16_t type = v4 ? DNS_QUERY_TYPE_A : DNS_QUERY_TYPE_AAAA;
        size_t len = v4 ? 4 : sizeof *ip;

        if (query->type != type && query->type != DNS_QUERY_TYPE_ANY) {
            continue;
        }
        if (dp_packet_l4_size(reply) - UDP_HEADER_LEN + 2 + RECORD_LEN + len
            + opt_len > query->payload_max) {
            return false;
        }
        /* A pointer to the question's name: RFC 1035, section 4.1.4. */
        frame_put16(reply, 0xc000 | DNS_HEADER_LEN);
        frame_put16(reply, type);
        frame_put16(reply, DNS_CLASS_IN);
        frame_put16(reply, 0);
        frame_put16(reply, DNS_TTL_S);
        frame_put16(reply, len);
        dp_packet_put(reply, &ip->s6_addr[sizeof *ip - len], len);
        (*n)++;
    }
    return true;
}
