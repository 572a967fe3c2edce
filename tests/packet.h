/* SPDX-License-Identifier: Apache-2.0 */

#ifndef TESTS_PACKET_H
#define TESTS_PACKET_H 1

/* A network, an endpoint, the frames that it sends, and what every answer to
 * one must keep, for unit tests and fuzz targets.  It has checksums of its
 * own, so that those of overlay/frame are compared with something. */

#include "overlay/answer.h"

enum { PACKET_MAX = 14 + 40 + 65535 };  /* Bytes of any frame made here. */

#define WEB1_MAC ETH_ADDR_C(0a,57,0a,01,00,05)

/* A context with a network "blue" of both families, whose endpoint "web1" has
 * 10.2.0.5 (where there is no gateway), 10.1.0.5 and fd00:1::5, and WEB1_MAC;
 * an MTU of 1400.  It also finds endpoints of the network "green". */
struct packet_fixture {
    struct network network;
    struct endpoint endpoint;
    struct answer_context ctx;
};

void packet_fixture_init(struct packet_fixture *);

/* Of a mapped address as well, which address_parse() refuses. */
struct in6_addr packet_addr(const char *);

/* A packet of web1 to the gateway's MAC, as the tables write it. */
struct packet {
    const char *src, *dst;          /* Addresses.  NULL: web1's and that of the
                                     * gateway, of 'v6' or not. */
    bool v6;                        /* Also if 'dst' says so. */
    uint8_t proto;
    uint8_t hop_limit;              /* 0: 64. */
    uint16_t src_port, dst_port;    /* If there is one, the payload is UDP's:
                                     * 'proto' is, too. */
    const char *payload;            /* Hexadecimal, ... */
    const void *data;               /* ... or, if not NULL, bytes. */
    size_t size;                    /* Of the payload, which zeros fill, or of
                                     * 'data'. */
    uint16_t fragment;              /* IPv4's flags and offset. */
    uint8_t next;                   /* IPv6's first extension header. */
    const char *between;            /* IPv6's extension headers, or IPv4's
                                     * options, hexadecimal. */
};

/* Its frame at 'buf', with all checksums.  Returns its size. */
size_t packet_compose(const struct packet *, uint8_t *buf);

/* What of a string, or NULL, is hexadecimal, as bytes at 'buf'.  Returns how
 * many there are. */
size_t packet_hex(const char *, uint8_t *buf);

/* A reply taken apart; borrowed from it. */
struct packet_reply {
    struct in6_addr src, dst;
    uint8_t proto;
    const uint8_t *l4;              /* Directly after the IP header. */
    size_t n;                       /* Bytes of it; at least 8. */
};

/* Aborts unless 'reply' is a frame from the gateway to 'asker' (NULL: web1) or
 * to all, with the header fields, lengths and checksums that it should
 * have. */
struct packet_reply packet_check(const struct dp_packet *reply,
                                 const struct endpoint *asker);

#endif /* tests/packet.h */
