/* SPDX-License-Identifier: Apache-2.0 */

#ifndef OVERLAY_FRAME_H
#define OVERLAY_FRAME_H 1

/* An Ethernet frame with an IP packet: taken apart within its bounds, and put
 * together with its checksums.  Called by what answers packets. */

#include "dp-packet.h"
#include "openvswitch/types.h"
#include "overlay/model.h"

/* Borrows from the bytes it was parsed from. */
struct frame {
    struct eth_addr eth_src, eth_dst;
    bool v4;
    struct in6_addr src, dst;
    uint8_t protocol;               /* Behind the extension headers. */
    uint8_t hop_limit;              /* Or TTL. */
    bool dont_fragment;             /* IPv4. */
    bool fragment;                  /* A fragment, the first one included. */
    bool later;                     /* A fragment, but not the first. */
    const uint8_t *ip;              /* The IP packet, without padding. */
    size_t ip_len;
    const uint8_t *payload;         /* What 'protocol' is, within 'ip'. */
    size_t payload_len;
};

/* False if it is not a whole IP packet. */
bool frame_parse(const void *data, size_t size, struct frame *);

/* Is the checksum of its payload (UDP, TCP, ICMP, ICMPv6) right?  A UDP
 * datagram over IPv4 need not have one. */
bool frame_checksum_ok(const struct frame *);

/* Who speaks to whom: addresses of one family. */
struct frame_ends {
    struct eth_addr eth_src, eth_dst;
    struct in6_addr src, dst;
};

/* Makes in the empty 'packet' a frame of 'payload', whose checksum (of UDP,
 * TCP, ICMP or ICMPv6) is filled in. */
void frame_compose(struct dp_packet *packet, const struct frame_ends *,
                   uint8_t protocol, uint8_t hop_limit, const void *payload,
                   size_t len);

/* Likewise a UDP datagram. */
void frame_compose_udp(struct dp_packet *packet, const struct frame_ends *,
                       uint16_t src_port, uint16_t dst_port,
                       const void *payload, size_t len);

#endif /* overlay/frame.h */
