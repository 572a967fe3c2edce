/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "overlay/frame.h"

#include <netinet/ip6.h>
#include <string.h>
#include "csum.h"
#include "overlay/address.h"
#include "packets.h"
#include "util.h"

enum { REPLY_TTL = 64, ND_HOP_LIMIT = 255 };

static bool parse_ip4(const uint8_t *, size_t, struct frame *);
static bool parse_ip6(const uint8_t *, size_t, struct frame *);
static uint32_t pseudo_header(const struct in6_addr *src,
                              const struct in6_addr *dst, uint8_t proto,
                              size_t l4_size);
static bool sum_is_right(const struct frame *, size_t l4_size);
static void begin(struct dp_packet *, struct eth_addr eth_dst,
                  const struct in6_addr *src, const struct in6_addr *dst,
                  uint8_t proto, uint8_t hop_limit);

/* Headers are copied, as nothing says that a frame is aligned. */
bool
frame_parse(const void *data, size_t size, struct frame *frame)
{
    struct eth_header eth;

    if (size < ETH_HEADER_LEN) {
        return false;
    }
    memcpy(&eth, data, sizeof eth);
    frame->eth_src = eth.eth_src;

    const uint8_t *ip = (const uint8_t *) data + ETH_HEADER_LEN;

    size -= ETH_HEADER_LEN;
    if (eth.eth_type == htons(ETH_TYPE_IP)) {
        return parse_ip4(ip, size, frame);
    }
    return (eth.eth_type == htons(ETH_TYPE_IPV6)
            && parse_ip6(ip, size, frame));
}

bool
frame_udp(const struct frame *frame, uint16_t src_port, uint16_t dst_port,
          const uint8_t **payload, size_t *size)
{
    struct udp_header udp;

    if (frame->proto != IPPROTO_UDP || frame->l4_size < sizeof udp) {
        return false;
    }
    memcpy(&udp, frame->l4, sizeof udp);

    size_t udp_len = ntohs(udp.udp_len);

    if (udp.udp_src != htons(src_port) || udp.udp_dst != htons(dst_port)
        || udp_len < sizeof udp || udp_len > frame->l4_size) {
        return false;
    }

    /* Only over IPv4 may there be none: RFC 768 and RFC 8200, section 8.1. */
    if (udp.udp_csum || !address_is_v4(&frame->dst)) {
        if (!udp.udp_csum || !sum_is_right(frame, udp_len)) {
            return false;
        }
    }
    *payload = frame->l4 + sizeof udp;
    *size = udp_len - sizeof udp;
    return true;
}

bool
frame_is_icmp6(const struct frame *frame)
{
    return (frame->proto == IPPROTO_ICMPV6 && !address_is_v4(&frame->dst)
            && frame->l4_size >= ICMP6_HEADER_LEN
            && sum_is_right(frame, frame->l4_size));
}

void
frame_begin_udp(struct dp_packet *packet, struct eth_addr eth_dst,
                const struct in6_addr *src, const struct in6_addr *dst,
                uint16_t src_port, uint16_t dst_port)
{
    begin(packet, eth_dst, src, dst, IPPROTO_UDP, REPLY_TTL);
    frame_put16(packet, src_port);
    frame_put16(packet, dst_port);
    frame_put32(packet, 0);         /* Length and checksum. */
}

/* The only ICMPv6 that is made here is of neighbor discovery: RFC 4861,
 * section 3.1. */
void
frame_begin_icmp6(struct dp_packet *packet, struct eth_addr eth_dst,
                  const struct in6_addr *src, const struct in6_addr *dst)
{
    begin(packet, eth_dst, src, dst, IPPROTO_ICMPV6, ND_HOP_LIMIT);
}

void
frame_finish(struct dp_packet *packet)
{
    struct eth_header *eth = dp_packet_eth(packet);
    size_t l4_size = dp_packet_l4_size(packet);
    struct in6_addr src, dst;
    uint8_t proto;

    if (eth->eth_type == htons(ETH_TYPE_IP)) {
        struct ip_header *ip = dp_packet_l3(packet);

        ip->ip_tot_len = htons(IP_HEADER_LEN + l4_size);
        ip->ip_csum = 0;
        ip->ip_csum = csum(ip, IP_HEADER_LEN);
        proto = ip->ip_proto;
        src = in6_addr_mapped_ipv4(get_16aligned_be32(&ip->ip_src));
        dst = in6_addr_mapped_ipv4(get_16aligned_be32(&ip->ip_dst));
    } else {
        struct ovs_16aligned_ip6_hdr *ip6 = dp_packet_l3(packet);

        ip6->ip6_plen = htons(l4_size);
        proto = ip6->ip6_nxt;
        memcpy(&src, &ip6->ip6_src, sizeof src);
        memcpy(&dst, &ip6->ip6_dst, sizeof dst);
    }

    uint32_t sum = pseudo_header(&src, &dst, proto, l4_size);
    void *l4 = dp_packet_l4(packet);

    if (proto == IPPROTO_UDP) {
        struct udp_header *udp = l4;

        udp->udp_len = htons(l4_size);
        udp->udp_csum = 0;
        udp->udp_csum = csum_finish(csum_continue(sum, udp, l4_size));
        if (!udp->udp_csum) {
            udp->udp_csum = htons(0xffff);
        }
    } else {
        struct icmp6_header *icmp6 = l4;

        icmp6->icmp6_cksum = 0;
        icmp6->icmp6_cksum = csum_finish(csum_continue(sum, icmp6, l4_size));
    }
}

void
frame_put8(struct dp_packet *packet, uint8_t n)
{
    dp_packet_put(packet, &n, sizeof n);
}

void
frame_put16(struct dp_packet *packet, uint16_t n)
{
    ovs_be16 be = htons(n);

    dp_packet_put(packet, &be, sizeof be);
}

void
frame_put32(struct dp_packet *packet, uint32_t n)
{
    ovs_be32 be = htonl(n);

    dp_packet_put(packet, &be, sizeof be);
}

size_t
frame_domain(const char *name, uint8_t labels[FRAME_DOMAIN_MAX])
{
    size_t n = strlen(name);
    size_t length_at = 0;           /* Of the current label's length. */

    if (!n || n > NAME_LEN_MAX) {
        return 0;
    }
    for (size_t i = 0; i <= n; i++) {
        if (i < n && name[i] != '.') {
            labels[i + 1] = name[i];
        } else if (i == length_at) {
            return 0;
        } else {
            labels[length_at] = i - length_at;
            length_at = i + 1;
        }
    }
    labels[n + 1] = 0;              /* The root. */
    return n + 2;
}

static bool
parse_ip4(const uint8_t *data, size_t size, struct frame *frame)
{
    struct ip_header ip;

    if (size < sizeof ip) {
        return false;
    }
    memcpy(&ip, data, sizeof ip);

    size_t header_len = IP_IHL(ip.ip_ihl_ver) * 4;
    size_t total_len = ntohs(ip.ip_tot_len);

    if (IP_VER(ip.ip_ihl_ver) != 4 || header_len < sizeof ip
        || total_len < header_len || total_len > size
        || IP_IS_FRAGMENT(ip.ip_frag_off) || csum(data, header_len)) {
        return false;
    }
    frame->src = in6_addr_mapped_ipv4(get_16aligned_be32(&ip.ip_src));
    frame->dst = in6_addr_mapped_ipv4(get_16aligned_be32(&ip.ip_dst));
    frame->proto = ip.ip_proto;
    frame->hop_limit = ip.ip_ttl;
    frame->l4 = data + header_len;
    frame->l4_size = total_len - header_len;
    return true;
}

/* A v4-mapped address never is on the wire (RFC 4291, section 2.5.5.2), and
 * would be taken for IPv4. */
static bool
parse_ip6(const uint8_t *data, size_t size, struct frame *frame)
{
    struct ovs_16aligned_ip6_hdr ip6;

    if (size < sizeof ip6) {
        return false;
    }
    memcpy(&ip6, data, sizeof ip6);

    size_t l4_size = ntohs(ip6.ip6_plen);

    memcpy(&frame->src, &ip6.ip6_src, sizeof frame->src);
    memcpy(&frame->dst, &ip6.ip6_dst, sizeof frame->dst);
    if (ip6.ip6_vfc >> 4 != 6 || l4_size > size - sizeof ip6
        || address_is_v4(&frame->src) || address_is_v4(&frame->dst)) {
        return false;
    }
    frame->proto = ip6.ip6_nxt;
    frame->hop_limit = ip6.ip6_hlim;
    frame->l4 = data + sizeof ip6;
    frame->l4_size = l4_size;
    return true;
}

/* RFC 768 and RFC 8200, section 8.1. */
static uint32_t
pseudo_header(const struct in6_addr *src, const struct in6_addr *dst,
              uint8_t proto, size_t l4_size)
{
    size_t skip = address_is_v4(src) ? 12 : 0;
    uint32_t sum = csum_continue(0, &src->s6_addr[skip], 16 - skip);

    sum = csum_continue(sum, &dst->s6_addr[skip], 16 - skip);
    sum = csum_add16(sum, htons(proto));
    return csum_add32(sum, htonl(l4_size));
}

/* Of the first 'l4_size' bytes of layer 4, with their checksum. */
static bool
sum_is_right(const struct frame *frame, size_t l4_size)
{
    uint32_t sum = pseudo_header(&frame->src, &frame->dst, frame->proto,
                                 l4_size);

    return !csum_finish(csum_continue(sum, frame->l4, l4_size));
}

static void
begin(struct dp_packet *packet, struct eth_addr eth_dst,
      const struct in6_addr *src, const struct in6_addr *dst, uint8_t proto,
      uint8_t hop_limit)
{
    static const struct eth_addr gateway = GATEWAY_MAC;

    if (address_is_v4(dst)) {
        struct ip_header *ip = eth_compose(packet, eth_dst, gateway,
                                           ETH_TYPE_IP, sizeof *ip);

        ip->ip_ihl_ver = IP_IHL_VER(5, 4);
        ip->ip_frag_off = htons(IP_DONT_FRAGMENT);
        ip->ip_ttl = hop_limit;
        ip->ip_proto = proto;
        put_16aligned_be32(&ip->ip_src, in6_addr_get_mapped_ipv4(src));
        put_16aligned_be32(&ip->ip_dst, in6_addr_get_mapped_ipv4(dst));
    } else {
        struct ovs_16aligned_ip6_hdr *ip6 = eth_compose(
            packet, eth_dst, gateway, ETH_TYPE_IPV6, sizeof *ip6);

        ip6->ip6_vfc = 6 << 4;
        ip6->ip6_nxt = proto;
        ip6->ip6_hlim = hop_limit;
        memcpy(&ip6->ip6_src, src, sizeof *src);
        memcpy(&ip6->ip6_dst, dst, sizeof *dst);
    }
    dp_packet_set_l4(packet, dp_packet_tail(packet));
}
