/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "overlay/ip-frame.h"

#include <string.h>
#include "csum.h"
#include "overlay/address.h"
#include "packets.h"
#include "unaligned.h"

enum { REPLY_TTL = 64 };

/* What every IPv6 extension header and fragment header has at least. */
enum { EXTENSION_LEN_MIN = 8 };

static bool parse4(struct ip_frame *, size_t room);
static bool parse6(struct ip_frame *, size_t room);
static bool skip_extensions(struct ip_frame *, size_t at);
static bool is_host(const struct in6_addr *, const struct network *);

bool
ip_frame_parse(struct ip_frame *ip, const void *frame, size_t size)
{
    struct eth_header eth;

    memset(ip, 0, sizeof *ip);
    if (size < sizeof eth) {
        return false;
    }
    memcpy(&eth, frame, sizeof eth);
    ip->eth_src = eth.eth_src;
    ip->eth_dst = eth.eth_dst;
    ip->packet = (const uint8_t *) frame + sizeof eth;
    if (eth.eth_type == htons(ETH_TYPE_IP)) {
        return parse4(ip, size - sizeof eth);
    }
    return (eth.eth_type == htons(ETH_TYPE_IPV6)
            && parse6(ip, size - sizeof eth));
}

bool
ip_frame_is_from(const struct ip_frame *ip, const struct endpoint *endpoint)
{
    return (endpoint && eth_addr_equals(ip->eth_src, endpoint->mac)
            && endpoint_has_ip(endpoint, &ip->src)
            && !endpoint_has_ip(endpoint, &ip->dst));
}

bool
ip_frame_is_unicast(const struct ip_frame *ip, const struct network *network)
{
    return (!eth_addr_is_multicast(ip->eth_dst)
            && is_host(&ip->src, network) && is_host(&ip->dst, network));
}

void *
ip_frame_reply(const struct ip_frame *to, const struct in6_addr *src,
               uint8_t proto, uint8_t tos, size_t size,
               struct dp_packet *reply)
{
    static const struct eth_addr gateway = GATEWAY_MAC;
    uint8_t *payload;

    if (to->v4) {
        struct ip_header *nh = eth_compose(reply, to->eth_src, gateway,
                                           ETH_TYPE_IP, sizeof *nh + size);

        nh->ip_ihl_ver = IP_IHL_VER(5, 4);
        nh->ip_tos = tos;
        nh->ip_tot_len = htons(sizeof *nh + size);
        /* All have the identification 0: RFC 6864, section 4.1. */
        nh->ip_frag_off = htons(IP_DONT_FRAGMENT);
        nh->ip_ttl = REPLY_TTL;
        nh->ip_proto = proto;
        put_16aligned_be32(&nh->ip_src, in6_addr_get_mapped_ipv4(src));
        put_16aligned_be32(&nh->ip_dst, in6_addr_get_mapped_ipv4(&to->src));
        nh->ip_csum = csum(nh, sizeof *nh);
        payload = (uint8_t *) (nh + 1);
    } else {
        struct ovs_16aligned_ip6_hdr *nh
            = eth_compose(reply, to->eth_src, gateway, ETH_TYPE_IPV6,
                          sizeof *nh + size);

        put_16aligned_be32(&nh->ip6_ctlun.ip6_un1.ip6_un1_flow,
                           htonl(UINT32_C(6) << 28 | (uint32_t) tos << 20));
        nh->ip6_ctlun.ip6_un1.ip6_un1_plen = htons(size);
        nh->ip6_ctlun.ip6_un1.ip6_un1_nxt = proto;
        nh->ip6_ctlun.ip6_un1.ip6_un1_hlim = REPLY_TTL;
        memcpy(&nh->ip6_src, src, sizeof nh->ip6_src);
        memcpy(&nh->ip6_dst, &to->src, sizeof nh->ip6_dst);
        payload = (uint8_t *) (nh + 1);
    }
    dp_packet_set_l4(reply, payload);
    return payload;
}

ovs_be16
ip_frame_csum(const struct dp_packet *reply, bool pseudoheader)
{
    const struct eth_header *eth = dp_packet_data(reply);
    const uint8_t *payload = dp_packet_l4(reply);
    size_t size = (const uint8_t *) dp_packet_tail(reply) - payload;
    uint32_t partial = 0;

    if (pseudoheader) {
        partial = (eth->eth_type == htons(ETH_TYPE_IP)
                   ? packet_csum_pseudoheader(dp_packet_l3(reply))
                   : packet_csum_pseudoheader6(dp_packet_l3(reply)));
    }
    return csum_finish(csum_continue(partial, payload, size));
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

/* The rest of ip_frame_parse(): 'room' bytes of the frame follow the Ethernet
 * header. */
static bool
parse4(struct ip_frame *ip, size_t room)
{
    struct ip_header nh;

    if (room < sizeof nh) {
        return false;
    }
    memcpy(&nh, ip->packet, sizeof nh);

    size_t header = IP_IHL(nh.ip_ihl_ver) * 4;
    uint16_t fragment = ntohs(nh.ip_frag_off);

    ip->size = ntohs(nh.ip_tot_len);
    if (IP_VER(nh.ip_ihl_ver) != 4 || header < sizeof nh
        || ip->size < header || ip->size > room) {
        return false;
    }
    ip->v4 = true;
    ip->first = !(fragment & IP_FRAG_OFF_MASK);
    ip->whole = ip->first && !(fragment & IP_MORE_FRAGMENTS);
    ip->may_fragment = !(fragment & IP_DONT_FRAGMENT);
    ip->src = in6_addr_mapped_ipv4(get_16aligned_be32(&nh.ip_src));
    ip->dst = in6_addr_mapped_ipv4(get_16aligned_be32(&nh.ip_dst));
    ip->proto = nh.ip_proto;
    ip->proto_at = offsetof(struct ip_header, ip_proto);
    ip->payload = ip->packet + header;
    ip->payload_size = ip->size - header;
    return true;
}

static bool
parse6(struct ip_frame *ip, size_t room)
{
    struct ovs_16aligned_ip6_hdr nh;

    if (room < sizeof nh) {
        return false;
    }
    memcpy(&nh, ip->packet, sizeof nh);
    memcpy(&ip->src, &nh.ip6_src, sizeof ip->src);
    memcpy(&ip->dst, &nh.ip6_dst, sizeof ip->dst);
    ip->size = sizeof nh + ntohs(nh.ip6_ctlun.ip6_un1.ip6_un1_plen);

    /* A mapped address is IPv4's to all of this program, so in an IPv6 header
     * it would pass for the endpoint's.  RFC 4038, section 4.2. */
    if (nh.ip6_ctlun.ip6_un2_vfc >> 4 != 6 || ip->size > room
        || IN6_IS_ADDR_V4MAPPED(&ip->src) || IN6_IS_ADDR_V4MAPPED(&ip->dst)) {
        return false;
    }
    ip->whole = ip->first = true;
    ip->proto = nh.ip6_ctlun.ip6_un1.ip6_un1_nxt;
    ip->proto_at = offsetof(struct ovs_16aligned_ip6_hdr,
                            ip6_ctlun.ip6_un1.ip6_un1_nxt);
    return skip_extensions(ip, sizeof nh);
}

/* Walks the extension headers from 'at' on: RFC 8200, section 4.  Every step
 * is at least 8 bytes, so that it ends. */
static bool
skip_extensions(struct ip_frame *ip, size_t at)
{
    while (ip->first) {
        const uint8_t *header = ip->packet + at;
        size_t len;

        if (ip->proto != IPPROTO_HOPOPTS && ip->proto != IPPROTO_ROUTING
            && ip->proto != IPPROTO_DSTOPTS && ip->proto != IPPROTO_AH
            && ip->proto != IPPROTO_FRAGMENT) {
            break;
        }
        if (ip->size - at < EXTENSION_LEN_MIN) {
            return false;
        }
        if (ip->proto == IPPROTO_FRAGMENT) {
            uint16_t fragment = header[2] << 8 | header[3];

            len = EXTENSION_LEN_MIN;
            ip->first = fragment >> 3 == 0;
            ip->whole = ip->whole && ip->first && !(fragment & 1);
        } else if (ip->proto == IPPROTO_AH) {
            len = (header[1] + 2) * 4;      /* RFC 4302, section 2.2. */
        } else {
            len = (header[1] + 1) * 8;
        }
        if (len > ip->size - at) {
            return false;
        }
        ip->proto = header[0];
        ip->proto_at = at;
        at += len;
    }
    ip->payload = ip->packet + at;
    ip->payload_size = ip->size - at;
    return true;
}
