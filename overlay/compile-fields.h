/* SPDX-License-Identifier: Apache-2.0 */

#ifndef OVERLAY_COMPILE_FIELDS_H
#define OVERLAY_COMPILE_FIELDS_H 1

/* How the flows of compile*.c spell the registers of pipeline.def, as
 * ovs-fields(7) names them, and what else they have in common. */

#define NET "reg0"
#define PEER "reg1"
#define OUT "reg2"
#define FROM "reg3"
#define DOMAIN "reg4"
#define HOP4 "reg5"
#define BIG "reg6"
#define WHY "reg7"
#define HOP6 "xxreg2"

/* The gateway's; and whence what is routed comes to the peer: the last three
 * octets are the network's. */
#define GATEWAY_MAC_TEXT "0e:57:00:00:00:01"
#define ROUTED_MAC "0e:57:00:00:00:00"
#define ROUTED_MAC_MASK "ff:ff:ff:00:00:00"

/* Of what is asked of the peers' agents. */
#define ASK_MAC "0e:57:00:00:00:03"

#define MULTICAST "01:00:00:00:00:00/01:00:00:00:00:00"

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

#endif /* overlay/compile-fields.h */
