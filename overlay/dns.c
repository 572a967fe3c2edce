/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "overlay/dns.h"

#include <string.h>
#include <strings.h>
#include "overlay/address.h"
#include "overlay/ip-frame.h"
#include "packets.h"
#include "unaligned.h"
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
static void put_u16(struct dp_packet *, uint16_t);

bool
dns_answer(const struct answer_context *ctx, const void *frame, size_t size,
           struct dp_packet *reply)
{
    struct ip_frame ip;
    struct udp_header udp, *udp_reply;
    struct query query;
    struct response response;

    if (!ip_frame_parse(&ip, frame, size)
        || !ip_frame_is_from(&ip, ctx->endpoint)
        || !ip_frame_is_unicast(&ip, ctx->network)
        || !ip.whole || ip.proto != IPPROTO_UDP
        || ip.payload_size < sizeof udp + sizeof query.header) {
        return false;
    }
    memcpy(&udp, ip.payload, sizeof udp);

    size_t n = ntohs(udp.udp_len);
    if (udp.udp_dst != htons(DNS_PORT) || !udp.udp_src
        || n < sizeof udp + sizeof query.header || n > ip.payload_size) {
        return false;
    }

    response.endpoint = NULL;
    response.rcode = query_parse(&query, ip.payload + sizeof udp,
                                 n - sizeof udp);
    if (query.header.lo_flag & LO_QR) {
        return false;
    }
    if (response.rcode == NOERROR) {
        response = resolve(&query, ctx);
        if (ctx->unknown) {
            *ctx->unknown = response.rcode != NOERROR;
        }
    }

    struct dp_packet message;

    dp_packet_init(&message, PAYLOAD_MAX);
    put_response(&query, &response, &message);
    n = dp_packet_size(&message);
    udp_reply = ip_frame_reply(&ip, &ip.dst, IPPROTO_UDP, 0,
                               sizeof *udp_reply + n, reply);
    udp_reply->udp_src = udp.udp_dst;
    udp_reply->udp_dst = udp.udp_src;
    udp_reply->udp_len = htons(sizeof *udp_reply + n);
    memcpy(udp_reply + 1, dp_packet_data(&message), n);
    udp_reply->udp_csum = ip_frame_csum(reply, true);
    if (!udp_reply->udp_csum) {
        udp_reply->udp_csum = htons(0xffff);    /* RFC 768: 0 is none. */
    }
    dp_packet_uninit(&message);
    return true;
}

/* Takes apart the 'n' bytes at 'data', at least a header. */
bool
dns_answer_peer(const struct answer_context *ctx, const void *frame,
                size_t size, struct dp_packet *reply)
{
    struct ip_frame ip;

    if (!ip_frame_parse(&ip, frame, size)) {
        return false;
    }

    /* Its own switch has seen to it that it is who it says. */
    bool unknown = true;
    const struct endpoint asker = {
        .mac = ip.eth_src,
        .ips = { { .addr = ip.src } },
        .n_ips = 1,
    };
    struct answer_context peer = *ctx;

    peer.endpoint = &asker;
    peer.unknown = &unknown;
    if (dns_answer(&peer, frame, size, reply) && !unknown) {
        return true;
    }
    dp_packet_clear(reply);
    return false;
}

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
             struct dp_packet *message)
{
    bool authoritative = (response->rcode == NOERROR
                          || response->rcode == NXDOMAIN);
    uint16_t n_answers = 0;
    struct dns_header *header;
    bool complete = true;

    (void) dp_packet_put_zeros(message, sizeof *header);    /* Filled below. */
    if (query->question_len) {
        dp_packet_put(message, query->question, query->question_len);
    }
    if (response->endpoint) {
        complete = put_addresses(query, response->endpoint, message,
                                 &n_answers);
    }
    if (query->opt) {
        const uint8_t root = 0;

        dp_packet_put(message, &root, sizeof root);
        put_u16(message, TYPE_OPT);
        put_u16(message, PAYLOAD_MAX);
        put_u16(message, response->rcode >> 4 << 8);    /* Version 0. */
        put_u16(message, 0);                            /* Flags. */
        put_u16(message, 0);                            /* No options. */
    }

    header = dp_packet_data(message);
    header->id = query->header.id;
    header->lo_flag = (LO_QR | (query->header.lo_flag & (LO_OPCODE | LO_RD))
                       | (authoritative ? LO_AA : 0)
                       | (complete ? 0 : LO_TC));
    header->hi_flag = response->rcode & 0xf;
    header->qdcount = htons(query->question_len > 0);
    header->ancount = htons(n_answers);
    header->arcount = htons(query->opt);
}

/* Those of the type that was asked for.  False if not all of them fit. */
static bool
put_addresses(const struct query *query, const struct endpoint *endpoint,
              struct dp_packet *message, uint16_t *n)
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
        if (dp_packet_size(message) + 2 + RECORD_LEN + len + opt_len
            > query->payload_max) {
            return false;
        }
        /* A pointer to the question's name: RFC 1035, section 4.1.4. */
        put_u16(message, 0xc000 | DNS_HEADER_LEN);
        put_u16(message, type);
        put_u16(message, DNS_CLASS_IN);
        put_u16(message, 0);
        put_u16(message, DNS_TTL_S);
        put_u16(message, len);
        dp_packet_put(message, &ip->s6_addr[sizeof *ip - len], len);
        (*n)++;
    }
    return true;
}

static void
put_u16(struct dp_packet *message, uint16_t number)
{
    ovs_be16 be16 = htons(number);

    dp_packet_put(message, &be16, sizeof be16);
}
