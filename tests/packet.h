/* SPDX-License-Identifier: Apache-2.0 */

#ifndef TESTS_PACKET_H
#define TESTS_PACKET_H 1

/* Frames by hand, and what every answer to one must keep, for unit tests and
 * fuzz targets.  It has checksums of its own, so that those of overlay/frame
 * are compared with something. */

#include "overlay/answer.h"

enum { PACKET_MAX = 65535 + 14 };   /* Bytes of any frame made here. */

/* A context with a network "blue" of both families, whose endpoint "web1" has
 * 10.2.0.5 (where there is no gateway), 10.1.0.5 and fd00:1::5, and
 * 0a:57:0a:01:00:05. */
struct packet_fixture {
    struct network network;
    struct endpoint endpoint;
    struct answer_context ctx;
};

void packet_fixture_init(struct packet_fixture *);
struct in6_addr packet_addr(const char *);

/* A frame from 'mac' with 'n' bytes of layer 4, whose checksum it sets.
 * Returns its size. */
size_t packet_frame(uint8_t *buf, struct eth_addr mac, const char *src,
                    const char *dst, uint8_t proto, uint8_t hop_limit,
                    const void *l4, size_t n);
/* The same with a UDP header before 'n' bytes. */
size_t packet_udp(uint8_t *buf, struct eth_addr mac, const char *src,
                  const char *dst, uint16_t src_port, uint16_t dst_port,
                  const void *payload, size_t n);

/* Aborts unless 'reply' is a frame from the gateway to 'mac' or to all, with
 * the lengths and checksums that it should have.  Returns its layer 4. */
const uint8_t *packet_check(const struct dp_packet *reply,
                            struct eth_addr mac, size_t *n);

/* Bytes of "0a 01 00" in 'buf'; returns how many. */
size_t packet_hex(const char *, uint8_t *buf);

#endif /* tests/packet.h */
