/* SPDX-License-Identifier: Apache-2.0 */

#ifndef OVERLAY_COMPILE_FIELDS_H
#define OVERLAY_COMPILE_FIELDS_H 1

/* How the flows of compile*.c spell the registers of pipeline.def, as
 * ovs-fields(7) names them, addresses, and what else they have in common. */

#include "overlay/model.h"

#define NET "reg0"
#define PEER "reg1"
#define OUT "reg2"
#define FROM "reg3"
#define DOMAIN "reg4"
#define HOP4 "reg5"
#define BIG "reg6"
#define WHY "reg7"
#define HOP6 "xxreg2"
#define MAC "OXM_OF_PKT_REG6[0..47]"    /* As the field of a move. */

/* The gateway's; and whence what is routed comes to the peer: the last three
 * octets are the network's. */
#define GATEWAY_MAC_TEXT "0e:57:00:00:00:01"
#define ROUTED_MAC "0e:57:00:00:00:00"
#define ROUTED_MAC_MASK "ff:ff:ff:00:00:00"

/* Of what is asked of the peers' agents. */
#define ASK_MAC "0e:57:00:00:00:03"

#define UNICAST "00:00:00:00:00:00/01:00:00:00:00:00"
#define MULTICAST "01:00:00:00:00:00/01:00:00:00:00:00"

/* Of the destination's low 8 bytes, an address that Linux makes of a MAC has
 * ff:fe in the middle (RFC 4291, appendix A). */
#define LINK_LOCAL_EUI64 "fe80::%x:ff:fe00:0/ffff:ffff:ffff:ffff:200:ff:ff00:0"

/* 802.1Q tag absent: ovs-fields(7), vlan_tci. */
#define UNTAGGED "vlan_tci=0/0x1000"

/* Turns an ARP request into its answer that 'MAC' (a string) has 'IP', and
 * sends it back (RFC 826). */
#define ARP_ANSWER(MAC, IP) \
    "move:NXM_OF_ETH_SRC[]->NXM_OF_ETH_DST[]," \
    "set_field:"MAC"->eth_src,set_field:2->arp_op," \
    "move:NXM_NX_ARP_SHA[]->NXM_NX_ARP_THA[]," \
    "set_field:"MAC"->arp_sha," \
    "move:NXM_OF_ARP_SPA[]->NXM_OF_ARP_TPA[]," \
    "set_field:"IP"->arp_spa,in_port"

/* To table 'to', for a reason that goes into its register: of answer.h to
 * table punt, of refusal.h to table refused. */
#define PUNT "set_field:%d->"WHY",goto_table:%d"
#define REFUSE PUNT

/* What the flows of IPv6 and of IPv4 call the same thing. */
struct compile_family {
    const char *ip, *src, *dst;     /* As a match. */
    const char *src_field, *dst_field;  /* As a field. */
    const char *icmp, *echo, *reply;    /* Request as a match; as an action. */
    const char *udp, *tcp;
    uint16_t type;
    const char *hop, *hop_field;
};
extern const struct compile_family compile_families[2]; /* [is it IPv4]. */
const struct compile_family *compile_family_of(const struct in6_addr *);

/* Owned texts; the last as the value of a next hop's register. */
char *compile_prefix_text(const struct prefix *);
char *compile_address_text(const struct in6_addr *);
char *compile_hop_text(const struct in6_addr *);

#endif /* overlay/compile-fields.h */
