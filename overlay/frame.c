/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "overlay/frame.h"

#include <netinet/ip6.h>
#include <string.h>
#include "csum.h"
#include "openvswitch/util.h"
#include "overlay/address.h"
#include "packets.h"
#include "unaligned.h"

enum { REPLY_TTL = 64 };

/* What every IPv6 extension header and fragment header has at least. */
enum { EXTENSION_LEN_MIN = 8 };

static bool parse4(struct frame *, size_t room);
static bool parse6(struct frame *, size_t room);
static bool skip_extensions(struct frame *, size_t at);
static bool is_host(const struct in6_addr *, const struct network *);
static ovs_be16 *sum_field(uint8_t proto, void *payload);
static ovs_be16 payload_sum(const uint8_t *packet, const void *payload,
                            size_t size);

/* Headers are copied, as nothing says that a frame is aligned. */
bool
frame_parse(struct frame *frame, const void *data, size_t size)
{
    struct eth_header eth;

    memset(frame, 0, sizeof *frame);
    if (size < sizeof eth) {
        return false;
    }
    memcpy(&eth, data, sizeof eth);
    frame->eth_src = eth.eth_src;
    frame->eth_dst = eth.eth_dst;
    frame->packet = (const uint8_t *) data + sizeof eth;
    if (eth.eth_type == htons(ETH_TYPE_IP)) {
        return parse4(frame, size - sizeof eth);
    }
    return (eth.eth_type == htons(ETH_TYPE_IPV6)
            && parse6(frame, size - sizeof eth));
}

bool
frame_is_intact(const struct frame *frame)
{
    size_t header = frame->payload - frame->packet;
    size_t size = frame->payload_size;

    if (!frame->whole || (frame->v4 ? csum(frame->packet, header) != 0
                          : header != IPV6_HEADER_LEN)) {
        return false;
    }
    if (frame->proto == IPPROTO_UDP && size >= UDP_HEADER_LEN) {
        struct udp_header udp;

        memcpy(&udp, frame->payload, sizeof udp);
        size = MIN(size, ntohs(udp.udp_len));

        /* Only over IPv4 may there be none: RFC 768 and RFC 8200, section
         * 8.1. */
        if (!udp.udp_csum) {
            return frame->v4;
        }
    } else if (frame->proto != IPPROTO_ICMPV6 || size < ICMP6_HEADER_LEN) {
        return false;
    }
    return !payload_sum(frame->packet, frame->payload, size);
}

bool
frame_is_from(const struct frame *frame, const struct endpoint *endpoint)
{
    return (endpoint && eth_addr_equals(frame->eth_src, endpoint->mac)
            && endpoint_has_ip(endpoint, &frame->src)
            && !endpoint_has_ip(endpoint, &frame->dst));
}

bool
frame_is_unicast(const struct frame *frame, const struct network *network)
{
    return (!eth_addr_is_multicast(frame->eth_dst)
            && is_host(&frame->src, network) && is_host(&frame->dst, network));
}

bool
frame_udp(const struct frame *frame, uint16_t dst_port, uint16_t *src_port,
          const uint8_t **payload, size_t *size)
{
    struct udp_header udp;

    if (!frame->whole || frame->proto != IPPROTO_UDP
        || frame->payload_size < sizeof udp) {
        return false;
    }
    memcpy(&udp, frame->payload, sizeof udp);

    size_t udp_len = ntohs(udp.udp_len);

    if (udp.udp_dst != htons(dst_port) || udp_len < sizeof udp
        || udp_len > frame->payload_size) {
        return false;
    }
    *src_port = ntohs(udp.udp_src);
    *payload = frame->payload + sizeof udp;
    *size = udp_len - sizeof udp;
    return true;
}

void
frame_begin(struct dp_packet *packet, struct eth_addr eth_dst,
            const struct in6_addr *src, const struct in6_addr *dst,
            uint8_t proto, uint8_t tos)
{
    static const struct eth_addr gateway = GATEWAY_MAC;

    if (address_is_v4(dst)) {
        struct ip_header *ip = eth_compose(packet, eth_dst, gateway,
                                           ETH_TYPE_IP, sizeof *ip);

        ip->ip_ihl_ver = IP_IHL_VER(5, 4);
        ip->ip_tos = tos;
        /* All have the identification 0: RFC 6864, section 4.1. */
        ip->ip_frag_off = htons(IP_DONT_FRAGMENT);
        ip->ip_ttl = REPLY_TTL;
        ip->ip_proto = proto;
        put_16aligned_be32(&ip->ip_src, in6_addr_get_mapped_ipv4(src));
        put_16aligned_be32(&ip->ip_dst, in6_addr_get_mapped_ipv4(dst));
        dp_packet_set_l4(packet, dp_packet_tail(packet));
    } else {
        eth_compose(packet, eth_dst, gateway, ETH_TYPE_IPV6, IPV6_HEADER_LEN);
        compose_ipv6(packet, proto, src, dst, tos, 0, REPLY_TTL, 0);
    }
}

void
frame_begin_udp(struct dp_packet *packet, struct eth_addr eth_dst,
                const struct in6_addr *src, const struct in6_addr *dst,
                uint16_t src_port, uint16_t dst_port)
{
    frame_begin(packet, eth_dst, src, dst, IPPROTO_UDP, 0);
    frame_put16(packet, src_port);
    frame_put16(packet, dst_port);
    frame_put32(packet, 0);         /* Length and checksum. */
}

void
frame_finish(struct dp_packet *packet)
{
    const struct eth_header *eth = dp_packet_eth(packet);
    size_t size = dp_packet_l4_size(packet);
    void *l3 = dp_packet_l3(packet);
    void *payload = dp_packet_l4(packet);
    uint8_t proto;

    ovs_assert(eth && l3 && payload);   /* frame_begin() has made them. */
    if (eth->eth_type == htons(ETH_TYPE_IP)) {
        struct ip_header *ip = l3;

        ip->ip_tot_len = htons(IP_HEADER_LEN + size);
        ip->ip_csum = csum(ip, IP_HEADER_LEN);
        proto = ip->ip_proto;
    } else {
        struct ovs_16aligned_ip6_hdr *ip6 = l3;

        ip6->ip6_plen = htons(size);
        proto = ip6->ip6_nxt;
    }
    if (proto == IPPROTO_UDP) {
        ((struct udp_header *) payload)->udp_len = htons(size);
    }

    ovs_be16 *sum = sum_field(proto, payload);

    *sum = 0;
    *sum = payload_sum(l3, payload, size);
    if (proto == IPPROTO_UDP && !*sum) {
        *sum = htons(0xffff);       /* RFC 768: 0 is none. */
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

/* The rest of frame_parse(): 'room' bytes of the frame follow the Ethernet
 * header. */
static bool
parse4(struct frame *frame, size_t room)
{
    struct ip_header nh;

    if (room < sizeof nh) {
        return false;
    }
    memcpy(&nh, frame->packet, sizeof nh);

    size_t header = IP_IHL(nh.ip_ihl_ver) * 4;
    uint16_t fragment = ntohs(nh.ip_frag_off);

    frame->size = ntohs(nh.ip_tot_len);
    if (IP_VER(nh.ip_ihl_ver) != 4 || header < sizeof nh
        || frame->size < header || frame->size > room) {
        return false;
    }
    frame->v4 = true;
    frame->first = !(fragment & IP_FRAG_OFF_MASK);
    frame->whole = frame->first && !(fragment & IP_MORE_FRAGMENTS);
    frame->may_fragment = !(fragment & IP_DONT_FRAGMENT);
    frame->src = in6_addr_mapped_ipv4(get_16aligned_be32(&nh.ip_src));
    frame->dst = in6_addr_mapped_ipv4(get_16aligned_be32(&nh.ip_dst));
    frame->hop_limit = nh.ip_ttl;
    frame->proto = nh.ip_proto;
    frame->proto_at = offsetof(struct ip_header, ip_proto);
    frame->payload = frame->packet + header;
    frame->payload_size = frame->size - header;
    return true;
}

static bool
parse6(struct frame *frame, size_t room)
{
    struct ovs_16aligned_ip6_hdr nh;

    if (room < sizeof nh) {
        return false;
    }
    memcpy(&nh, frame->packet, sizeof nh);
    memcpy(&frame->src, &nh.ip6_src, sizeof frame->src);
    memcpy(&frame->dst, &nh.ip6_dst, sizeof frame->dst);
    frame->size = sizeof nh + ntohs(nh.ip6_plen);

    /* A mapped address is IPv4's to all of this program, so in an IPv6 header
     * it would pass for the endpoint's.  RFC 4038, section 4.2. */
    if (nh.ip6_vfc >> 4 != 6 || frame->size > room
        || address_is_v4(&frame->src) || address_is_v4(&frame->dst)) {
        return false;
    }
    frame->whole = frame->first = true;
    frame->hop_limit = nh.ip6_hlim;
    frame->proto = nh.ip6_nxt;
    frame->proto_at = offsetof(struct ovs_16aligned_ip6_hdr, ip6_nxt);
    return skip_extensions(frame, sizeof nh);
}

/* Walks the extension headers from 'at' on: RFC 8200, section 4.  Every step
 * is at least 8 bytes, so that it ends. */
static bool
skip_extensions(struct frame *frame, size_t at)
{
    while (frame->first) {
        const uint8_t *header = frame->packet + at;
        size_t len;

        if (frame->proto != IPPROTO_HOPOPTS && frame->proto != IPPROTO_ROUTING
            && frame->proto != IPPROTO_DSTOPTS && frame->proto != IPPROTO_AH
            && frame->proto != IPPROTO_FRAGMENT) {
            break;
        }
        if (frame->size - at < EXTENSION_LEN_MIN) {
            return false;
        }
        if (frame->proto == IPPROTO_FRAGMENT) {
            uint16_t fragment = header[2] << 8 | header[3];

            len = EXTENSION_LEN_MIN;
            frame->first = fragment >> 3 == 0;
            frame->whole = frame->whole && frame->first && !(fragment & 1);
        } else if (frame->proto == IPPROTO_AH) {
            len = (header[1] + 2) * 4;      /* RFC 4302, section 2.2. */
        } else {
            len = (header[1] + 1) * 8;
        }
        if (len > frame->size - at) {
            return false;
        }
        frame->proto = header[0];
        frame->proto_at = at;
        at += len;
    }
    frame->payload = frame->packet + at;
    frame->payload_size = frame->size - at;
    return true;
}

/* Is it unicast, as far as 'network' lets one tell?  Not what no host can have
 * (RFC 1122, section 3.2.1.3) but a link-local address may be asked for. */
static bool
is_host(const struct in6_addr *addr, const struct network *network)
{
    const struct in6_addr *gateway;

    if (address_is_v4(addr)) {
        ovs_be32 ip4 = in6_addr_get_mapped_ipv4(addr);
        uint8_t first = ntohl(ip4) >> 24;
        const struct prefix *subnet = network_subnet(network, addr, &gateway);

        /* From 224 on they are multicast, reserved or broadcast. */
        return (first && first != IN_LOOPBACKNET && first < 224
                && (!subnet || !prefix_refuse_host(subnet, addr)));
    }
    return (ipv6_addr_is_set(addr) && !ipv6_addr_is_multicast(addr)
            && !IN6_IS_ADDR_LOOPBACK(addr));
}

static ovs_be16 *
sum_field(uint8_t proto, void *payload)
{
    switch (proto) {
    case IPPROTO_UDP:
        return &((struct udp_header *) payload)->udp_csum;
    case IPPROTO_TCP:
        return &((struct tcp_header *) payload)->tcp_csum;
    default:
        /* At the same place in ICMP. */
        return &((struct icmp6_header *) payload)->icmp6_cksum;
    }
}

/* The checksum of 'size' bytes of what follows the header of 'packet', with
 * the pseudo-header that there is but for ICMP (RFC 768; RFC 8200, section
 * 8.1).  0 if the sum in there is right. */
static ovs_be16
payload_sum(const uint8_t *packet, const void *payload, size_t size)
{
    uint32_t sum = 0;

    if (IP_VER(packet[0]) == 4) {
        struct ip_header ip;

        memcpy(&ip, packet, sizeof ip);
        ip.ip_tot_len = htons(IP_IHL(ip.ip_ihl_ver) * 4 + size);
        if (ip.ip_proto != IPPROTO_ICMP) {
            sum = packet_csum_pseudoheader(&ip);
        }
    } else {
        struct ovs_16aligned_ip6_hdr ip6;

        memcpy(&ip6, packet, sizeof ip6);
        ip6.ip6_plen = htons(size);
        sum = packet_csum_pseudoheader6(&ip6);
    }
    return csum_finish(csum_continue(sum, payload, size));
}
