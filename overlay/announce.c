/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "overlay/announce.h"

#include "overlay/address.h"
#include "packets.h"

void
announce_compose(struct dp_packet *packet, struct eth_addr mac,
                 const struct in6_addr *ip, bool to_all)
{
    dp_packet_clear(packet);
    if (address_is_v4(ip)) {
        ovs_be32 ip4 = in6_addr_get_mapped_ipv4(ip);
        compose_arp(packet, to_all ? ARP_OP_REPLY : ARP_OP_REQUEST, mac,
                    to_all ? mac : eth_addr_zero, true, ip4, ip4);
    } else if (!to_all) {
        compose_nd_ns(packet, mac, ip, ip);
    } else {
        /* To all nodes, ff02::1, whose MAC is 33:33:00:00:00:01. */
        static const struct in6_addr all_nodes = {
            .s6_addr = { 0xff, 0x02, [15] = 1 }
        };
        static const struct eth_addr all_nodes_mac = {
            { { 0x33, 0x33, 0, 0, 0, 1 } }
        };
        compose_nd_na(packet, mac, all_nodes_mac, ip, &all_nodes,
                      htonl(ND_RSO_OVERRIDE));
    }
}
