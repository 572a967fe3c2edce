/* SPDX-License-Identifier: Apache-2.0 */

#ifndef OVERLAY_FRAME_H
#define OVERLAY_FRAME_H 1

/* An untagged Ethernet frame with one IP packet: taken apart with every bound
 * and checksum looked at, or put together as one of the gateway's.  Called by
 * what answers packets; knows nothing of what is in UDP or ICMPv6. */

#include "dp-packet.h"
#include "openvswitch/types.h"
#include "overlay/model.h"

/* A packet that somebody sent, borrowed from its frame. */
struct frame {
    struct eth_addr eth_src;
    struct in6_addr src, dst;       /* Both of one family. */
    uint8_t proto;                  /* Directly after the IP header: there are
                                     * no IPv6 extension headers. */
    uint8_t hop_limit;              /* Or TTL. */
    const uint8_t *l4;              /* What follows the IP header, ... */
    size_t l4_size;                 /* ... without Ethernet's padding. */
};

/* False if it is neither IPv4 nor IPv6, a fragment, cut short, or has a wrong
 * IPv4 header checksum. */
bool frame_parse(const void *, size_t, struct frame *);

/* The payload of a UDP datagram between these ports.  False if it is another
 * protocol, other ports, cut short, or its checksum is wrong. */
bool frame_udp(const struct frame *, uint16_t src_port, uint16_t dst_port,
               const uint8_t **payload, size_t *size);

/* Is it ICMPv6, at least a header, and its checksum right? */
bool frame_is_icmp6(const struct frame *);

/* Starts 'packet' anew as a UDP datagram, or as ICMPv6 without any header,
 * from the gateway's MAC.  The caller appends the payload (or everything of
 * ICMPv6) and then calls frame_finish(), which sets lengths and checksums. */
void frame_begin_udp(struct dp_packet *packet, struct eth_addr eth_dst,
                     const struct in6_addr *src, const struct in6_addr *dst,
                     uint16_t src_port, uint16_t dst_port);
void frame_begin_icmp6(struct dp_packet *packet, struct eth_addr eth_dst,
                       const struct in6_addr *src,
                       const struct in6_addr *dst);
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
