/* SPDX-License-Identifier: Apache-2.0 */

#ifndef TESTS_UNIT_FRAMES_H
#define TESTS_UNIT_FRAMES_H 1

/* A network, an endpoint, the frames that it sends, and what must be true of
 * every answer.  For the unit tests and the fuzz targets of icmp and dns. */

#include "overlay/answer.h"

enum { FRAME_SIZE_MAX = 14 + 65535 + 40 };

/* A packet, as the tables write it. */
struct frame {
    const char *src, *dst;          /* Addresses.  NULL: web1's and that of the
                                     * gateway, of 'v6' or not. */
    bool v6;
    uint8_t proto;
    const char *payload;            /* Hexadecimal. */
    size_t size;                    /* Of the payload, which zeros fill. */
    uint16_t fragment;              /* IPv4's flags and offset. */
    uint8_t next;                   /* IPv6's first extension header. */
    const char *between;            /* IPv6's extension headers, or IPv4's
                                     * options, hexadecimal. */
};

/* The network blue, 10.1.0.0/16, fd00:1::/64 and, without a gateway,
 * 10.2.0.0/24; its endpoint web1, which has number 5 in each of them; an MTU
 * of 1400. */
struct answer_context frames_context(void);

/* What of 'hex' is hexadecimal, at 'bytes'.  Returns how many there are. */
size_t frames_hex(const char *hex, uint8_t *bytes);

/* The frame at 'data', which has room for FRAME_SIZE_MAX.  Returns its
 * size. */
size_t frames_compose(const struct frame *, uint8_t *data);

/* Aborts unless 'reply' is a frame from the gateway's MAC to web1, with IP
 * lengths and checksums that are right. */
void frames_check(const struct dp_packet *reply);

/* The payload of a checked reply, which is '*n' bytes of '*proto', and the
 * address that it is from. */
const uint8_t *frames_payload(const struct dp_packet *reply, uint8_t *proto,
                              struct in6_addr *src, size_t *n);

#endif /* tests/unit/frames.h */
