/* SPDX-License-Identifier: Apache-2.0 */

#ifndef OVERLAY_FRAME_H
#define OVERLAY_FRAME_H 1

/* An untagged Ethernet frame with one IP packet, of either family: taken apart
 * without trust in any length it claims, or put together as one of the
 * gateway's.  Called by what answers packets; knows nothing of what UDP or
 * ICMP carry. */

#include "dp-packet.h"
#include "overlay/model.h"

/* A packet that somebody sent.  Pointers are borrowed from the frame and may
 * be of any alignment. */
struct frame {
    bool v4;
    bool whole;                     /* Not a fragment of any kind. */
    bool first;                     /* Whole, or the first fragment. */
    bool may_fragment;              /* IPv4 without "don't fragment". */
    struct eth_addr eth_src, eth_dst;
    struct in6_addr src, dst;
    uint8_t hop_limit;              /* Or TTL. */
    const uint8_t *packet;          /* From the IP header on. */
    size_t size;                    /* As the IP header says: no padding. */
    uint8_t proto;                  /* Beyond the extension headers. */
    size_t proto_at;                /* Offset in 'packet' of the byte that
                                     * says so. */
    const uint8_t *payload;         /* Beyond the extension headers; of what
                                     * is no first fragment, of no use. */
    size_t payload_size;
};

/* False unless the 'size' bytes at 'data' hold one complete IP packet; padding
 * may follow it.  Looks at no checksum.  RFC 791, section 3.1; RFC 8200,
 * sections 3 and 4. */
bool frame_parse(struct frame *, const void *data, size_t size);

/* Is it whole, without extension headers, and are its checksums right: that of
 * the IPv4 header, and that of UDP or ICMPv6?  False for other protocols. */
bool frame_is_intact(const struct frame *);

/* Did 'endpoint', which may be NULL, send it to somebody else: are the MAC and
 * the IP address it comes from the endpoint's own, and that it goes to not?
 * An answer from where it goes to would come from the endpoint itself. */
bool frame_is_from(const struct frame *, const struct endpoint *endpoint);

/* Do both its addresses, and the MAC it goes to, name one host each?  Only
 * the subnets of 'network' are known, so only their broadcast addresses. */
bool frame_is_unicast(const struct frame *, const struct network *network);

/* The payload of a whole UDP datagram to 'dst_port', and from where.  False if
 * it is another protocol, another port, or cut short. */
bool frame_udp(const struct frame *, uint16_t dst_port, uint16_t *src_port,
               const uint8_t **payload, size_t *size);

/* Starts 'packet' anew as 'proto' without any header of it, or as a UDP
 * datagram, from the gateway's MAC, with TTL 64.  'tos' is the byte of that
 * name, or the traffic class.  The caller appends the rest and then calls
 * frame_finish(). */
void frame_begin(struct dp_packet *packet, struct eth_addr eth_dst,
                 const struct in6_addr *src, const struct in6_addr *dst,
                 uint8_t proto, uint8_t tos);
void frame_begin_udp(struct dp_packet *packet, struct eth_addr eth_dst,
                     const struct in6_addr *src, const struct in6_addr *dst,
                     uint16_t src_port, uint16_t dst_port);

/* Sets lengths and checksums, for UDP, TCP, ICMP and ICMPv6. */
void frame_finish(struct dp_packet *packet);

/* Appends a number in network byte order. */
void frame_put8(struct dp_packet *, uint8_t);
void frame_put16(struct dp_packet *, uint16_t);
void frame_put32(struct dp_packet *, uint32_t);

/* 'name' as labels (RFC 1035, section 3.1) in 'labels'.  Returns their bytes,
 * or 0 if it is no domain name: too long, or with an empty label. */
enum { FRAME_DOMAIN_MAX = NAME_LEN_MAX + 2 };
size_t frame_domain(const char *name, uint8_t labels[FRAME_DOMAIN_MAX]);

#endif /* overlay/frame.h */
