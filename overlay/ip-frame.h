/* SPDX-License-Identifier: Apache-2.0 */

#ifndef OVERLAY_IP_FRAME_H
#define OVERLAY_IP_FRAME_H 1

/* An Ethernet frame with an IP packet, of either family: taken apart without
 * trust in any length it claims, and the head of a frame that answers it.
 * Called by icmp, dns and answer; knows neither of them. */

#include "dp-packet.h"
#include "overlay/model.h"

/* A frame's packet.  Pointers are borrowed from the frame and may be of any
 * alignment. */
struct ip_frame {
    bool v4;
    bool whole;                     /* Not a fragment of any kind. */
    bool first;                     /* Whole, or the first fragment. */
    bool may_fragment;              /* IPv4 without "don't fragment". */
    struct eth_addr eth_src, eth_dst;
    struct in6_addr src, dst;
    const uint8_t *packet;          /* From the IP header on. */
    size_t size;                    /* As the IP header says: no padding. */
    uint8_t proto;                  /* Beyond the extension headers. */
    size_t proto_at;                /* Offset in 'packet' of the byte that
                                     * says so. */
    const uint8_t *payload;         /* Beyond the extension headers; of what
                                     * is no first fragment, of no use. */
    size_t payload_size;
};

/* False unless 'frame' holds one complete IP packet; padding may follow it.
 * RFC 791, section 3.1; RFC 8200, sections 3 and 4. */
bool ip_frame_parse(struct ip_frame *, const void *frame, size_t size);

/* Did 'endpoint', which may be NULL, send it to somebody else: are the MAC and
 * the IP address it comes from the endpoint's own, and that it goes to not?
 * An answer from where it goes to would come from the endpoint itself. */
bool ip_frame_is_from(const struct ip_frame *,
                      const struct endpoint *endpoint);

/* Do both its addresses, and the MAC it goes to, name one host each?  Only
 * the subnets of 'network' are known, so only their broadcast addresses. */
bool ip_frame_is_unicast(const struct ip_frame *,
                         const struct network *network);

/* Makes 'reply' a packet with 'size' zeroed bytes for 'proto', from the
 * gateway's MAC and 'src' to where '*to' comes from, TTL 64.  'tos' is the
 * byte of that name, or the traffic class.  Returns those bytes. */
void *ip_frame_reply(const struct ip_frame *to, const struct in6_addr *src,
                     uint8_t proto, uint8_t tos, size_t size,
                     struct dp_packet *reply);

/* The checksum over those bytes, and over the pseudo-header if
 * 'pseudoheader', for a checksum field that is still zero. */
ovs_be16 ip_frame_csum(const struct dp_packet *reply, bool pseudoheader);

#endif /* overlay/ip-frame.h */
