/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "overlay/frame.h"

#include <stdlib.h>
#include "csum.h"
#include "overlay/address.h"
#include "packets.h"
#include "unaligned.h"
#include "util.h"

enum {
    ETHERNET = 14,
    IPV4_MIN = 20,
    IPV6 = 40,
    EXTENSIONS_MAX = 8,             /* IPv6 headers to walk through. */
};

static bool parse_ipv4(const uint8_t *, size_t, struct frame *);
static bool parse_ipv6(const uint8_t *, size_t, struct frame *);
static bool walk_extensions(struct frame *);
static ovs_be16 checksum(const struct in6_addr *src,
                         const struct in6_addr *dst, uint8_t protocol,
                         const uint8_t *payload, size_t len);
static size_t checksum_offset(uint8_t protocol);

static uint16_t
read_u16(const uint8_t *p)
{
    return p[0] << 8 | p[1];
}

bool
frame_parse(const void *data, size_t size, struct frame *f)
{
    const uint8_t *p = data;
    memset(f, 0, sizeof *f);
    if (size < ETHERNET) {
        return false;
    }
    memcpy(&f->eth_dst, p, sizeof f->eth_dst);
    memcpy(&f->eth_src, p + 6, sizeof f->eth_src);
    switch (read_u16(p + 12)) {
    case ETH_TYPE_IP:
        return parse_ipv4(p + ETHERNET, size - ETHERNET, f);
    case ETH_TYPE_IPV6:
        return parse_ipv6(p + ETHERNET, size - ETHERNET, f);
    default:
        return false;
    }
}

static bool
parse_ipv4(const uint8_t *ip, size_t size, struct frame *f)
{
    if (size < IPV4_MIN || ip[0] >> 4 != 4) {
        return false;
    }
    size_t header = (ip[0] & 15) * 4;
    size_t total = read_u16(ip + 2);
    if (header < IPV4_MIN || total < header || total > size
        || csum(ip, header)) {
        return false;
    }
    uint16_t fragment = read_u16(ip + 6);
    f->v4 = true;
    in6_addr_set_mapped_ipv4(&f->src, get_unaligned_be32(
                                 (const ovs_be32 *) (ip + 12)));
    in6_addr_set_mapped_ipv4(&f->dst, get_unaligned_be32(
                                 (const ovs_be32 *) (ip + 16)));
    f->protocol = ip[9];
    f->hop_limit = ip[8];
    f->dont_fragment = fragment & IP_DONT_FRAGMENT;
    f->fragment = fragment & (IP_MORE_FRAGMENTS | IP_FRAG_OFF_MASK);
    f->later = fragment & IP_FRAG_OFF_MASK;
    f->ip = ip;
    f->ip_len = total;
    f->payload = ip + header;
    f->payload_len = total - header;
    return true;
}

static bool
parse_ipv6(const uint8_t *ip, size_t size, struct frame *f)
{
    if (size < IPV6 || ip[0] >> 4 != 6) {
        return false;
    }
    size_t len = read_u16(ip + 4);
    if (len > size - IPV6) {
        return false;
    }
    memcpy(&f->src, ip + 8, sizeof f->src);
    memcpy(&f->dst, ip + 24, sizeof f->dst);
    f->protocol = ip[6];
    f->hop_limit = ip[7];
    f->ip = ip;
    f->ip_len = IPV6 + len;
    f->payload = ip + IPV6;
    f->payload_len = len;
    return walk_extensions(f);
}

/* RFC 8200, section 4. */
static bool
walk_extensions(struct frame *f)
{
    for (int i = 0; i < EXTENSIONS_MAX; i++) {
        size_t len;
        switch (f->protocol) {
        case IPPROTO_HOPOPTS:
        case IPPROTO_ROUTING:
        case IPPROTO_DSTOPTS:
            len = f->payload_len >= 8 ? (f->payload[1] + 1) * 8 : SIZE_MAX;
            break;
        case IPPROTO_FRAGMENT:
            len = 8;
            if (f->payload_len >= len) {
                uint16_t fragment = read_u16(f->payload + 2);
                f->fragment = fragment & 0xfff9;
                f->later = fragment & 0xfff8;
            }
            break;
        default:
            return true;
        }
        if (len > f->payload_len) {
            return false;
        }
        f->protocol = f->payload[0];
        f->payload += len;
        f->payload_len -= len;
        if (f->later) {
            return true;
        }
    }
    return false;
}

bool
frame_checksum_ok(const struct frame *f)
{
    size_t offset = checksum_offset(f->protocol);
    if (!offset || f->payload_len < offset + 2) {
        return false;
    }
    if (f->protocol == IPPROTO_UDP && f->v4
        && !read_u16(f->payload + offset)) {
        return true;
    }
    return !checksum(&f->src, &f->dst, f->protocol, f->payload,
                     f->payload_len);
}

void
frame_compose(struct dp_packet *packet, const struct frame_ends *ends,
              uint8_t protocol, uint8_t hop_limit, const void *payload,
              size_t len)
{
    bool v4 = address_is_v4(&ends->src);
    dp_packet_reserve(packet, 2);   /* The IP header on a multiple of 4. */
    uint8_t *eth = dp_packet_put_zeros(
        packet, ETHERNET + (v4 ? IPV4_MIN : IPV6) + len);
    memcpy(eth, &ends->eth_dst, sizeof ends->eth_dst);
    memcpy(eth + 6, &ends->eth_src, sizeof ends->eth_src);
    put_unaligned_be16((ovs_be16 *) (eth + 12),
                       htons(v4 ? ETH_TYPE_IP : ETH_TYPE_IPV6));

    uint8_t *ip = eth + ETHERNET;
    uint8_t *data = ip + (v4 ? IPV4_MIN : IPV6);
    if (v4) {
        ip[0] = 0x45;
        put_unaligned_be16((ovs_be16 *) (ip + 2), htons(IPV4_MIN + len));
        ip[8] = hop_limit;
        ip[9] = protocol;
        memcpy(ip + 12, &ends->src.s6_addr[12], 4);
        memcpy(ip + 16, &ends->dst.s6_addr[12], 4);
        put_unaligned_be16((ovs_be16 *) (ip + 10), csum(ip, IPV4_MIN));
    } else {
        ip[0] = 0x60;
        put_unaligned_be16((ovs_be16 *) (ip + 4), htons(len));
        ip[6] = protocol;
        ip[7] = hop_limit;
        memcpy(ip + 8, &ends->src, 16);
        memcpy(ip + 24, &ends->dst, 16);
    }
    memcpy(data, payload, len);

    size_t offset = checksum_offset(protocol);
    if (offset && len >= offset + 2) {
        memset(data + offset, 0, 2);
        ovs_be16 sum = checksum(&ends->src, &ends->dst, protocol, data, len);
        if (protocol == IPPROTO_UDP && !sum) {
            sum = htons(0xffff);    /* 0 says that there is none: RFC 768. */
        }
        memcpy(data + offset, &sum, 2);
    }
}

void
frame_compose_udp(struct dp_packet *packet, const struct frame_ends *ends,
                  uint16_t src_port, uint16_t dst_port, const void *payload,
                  size_t len)
{
    uint8_t *datagram = xzalloc(UDP_HEADER_LEN + len);
    put_unaligned_be16((ovs_be16 *) datagram, htons(src_port));
    put_unaligned_be16((ovs_be16 *) (datagram + 2), htons(dst_port));
    put_unaligned_be16((ovs_be16 *) (datagram + 4),
                       htons(UDP_HEADER_LEN + len));
    memcpy(datagram + UDP_HEADER_LEN, payload, len);
    frame_compose(packet, ends, IPPROTO_UDP, 64, datagram,
                  UDP_HEADER_LEN + len);
    free(datagram);
}

/* With the pseudoheader of RFC 768, RFC 9293 and RFC 8200, section 8.1; ICMP
 * over IPv4 has none. */
static ovs_be16
checksum(const struct in6_addr *src, const struct in6_addr *dst,
         uint8_t protocol, const uint8_t *payload, size_t len)
{
    uint32_t sum = 0;
    if (protocol != IPPROTO_ICMP) {
        size_t skip = address_is_v4(src) ? 12 : 0;
        sum = csum_continue(sum, &src->s6_addr[skip], 16 - skip);
        sum = csum_continue(sum, &dst->s6_addr[skip], 16 - skip);
        sum = csum_add16(sum, htons(protocol));
        sum = csum_add16(sum, htons(len));
    }
    return csum_finish(csum_continue(sum, payload, len));
}

static size_t
checksum_offset(uint8_t protocol)
{
    return (protocol == IPPROTO_UDP ? 6
            : protocol == IPPROTO_TCP ? 16
            : protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6 ? 2
            : 0);
}
