/* SPDX-License-Identifier: Apache-2.0 */

/* DOC: What an endpoint may not send.
 *
 * The flows of an endpoint tell what it may.  What matches none of them is
 * told apart by flows of lower priority, the same for all endpoints, which
 * note the reason in WHY and lead to table refused.  There the endpoint has a
 * flow for each reason; what that flow does is to count.
 *
 * No allowed packet meets the flows of lower priority, so the switch's cache
 * need not remember what they ask for.  Where a reason has to stand above the
 * endpoint's own flows, it stood there before it was counted. */

#include <config.h>
#include "overlay/compile.h"

#include "flow.h"
#include "overlay/address.h"
#include "overlay/compile-fields.h"
#include "packets.h"
#include "util.h"

struct refused {
    enum pipeline_table table;
    uint16_t priority;
    enum refusal why;
    const char *match;
};

/* Where several hold, the one that tells most of the sender comes first. */
static const struct refused all[] = {
    { TABLE_CLASSIFY, 20, REFUSAL_TAG, "vlan_tci=0x1000/0x1000" },

    /* IGMP: multicast is flooded here, so nobody listens to reports; sent to
     * every port they cost more than all the rest. */
    { TABLE_ANTISPOOF, 200, REFUSAL_MULTICAST, "ip,nw_proto=2" },
    /* A DHCP server that is none, whatever port it sends from: clients do not
     * look at that (RFC 2131, section 4.1; RFC 8415, section 7.2). */
    { TABLE_ANTISPOOF, 200, REFUSAL_DHCP_SERVER, "udp,tp_src=67" },
    { TABLE_ANTISPOOF, 200, REFUSAL_DHCP_SERVER, "udp,tp_dst=68" },
    { TABLE_ANTISPOOF, 200, REFUSAL_DHCP_SERVER, "udp6,tp_src=547" },
    { TABLE_ANTISPOOF, 200, REFUSAL_DHCP_SERVER, "udp6,tp_dst=546" },
    /* A question to the peers' agents, which only ours asks. */
    { TABLE_ANTISPOOF, 200, REFUSAL_PROTOCOL, "dl_dst="ASK_MAC },
    /* From the unspecified address, or one that is not the sender's. */
    { TABLE_ANTISPOOF, 80, REFUSAL_MULTICAST, "icmp6,icmp_type=130" },
    { TABLE_ANTISPOOF, 80, REFUSAL_MULTICAST, "icmp6,icmp_type=131" },
    { TABLE_ANTISPOOF, 80, REFUSAL_MULTICAST, "icmp6,icmp_type=132" },
    { TABLE_ANTISPOOF, 80, REFUSAL_MULTICAST, "icmp6,icmp_type=143" },
    { TABLE_ANTISPOOF, 80, REFUSAL_AUTOCONFIGURATION, "icmp6,icmp_type=133" },
    { TABLE_ANTISPOOF, 80, REFUSAL_AUTOCONFIGURATION,
      "icmp6,icmp_type=135,ipv6_src=::" },
    { TABLE_ANTISPOOF, 80, REFUSAL_ROUTER, "icmp6,icmp_type=134" },
    { TABLE_ANTISPOOF, 80, REFUSAL_ROUTER, "icmp6,icmp_type=137" },
    { TABLE_ANTISPOOF, 80, REFUSAL_DHCP_REQUEST,
      "udp,nw_src=0.0.0.0,tp_src=68,tp_dst=67" },
    /* Made of a MAC, so it may be somebody's; no endpoint has another one,
     * unless it was given. */
    { TABLE_ANTISPOOF, 75, REFUSAL_SOURCE_IPV6,
      "ipv6,ipv6_src=fe80::ff:fe00:0/ffff:ffff:ffff:ffff:0:ff:ff00:0" },
    { TABLE_ANTISPOOF, 70, REFUSAL_LINK_LOCAL, "ipv6,ipv6_src=fe80::/10" },
    { TABLE_ANTISPOOF, 70, REFUSAL_LINK_LOCAL, "ip,nw_src=169.254.0.0/16" },
    { TABLE_ANTISPOOF, 70, REFUSAL_LINK_LOCAL, "arp,arp_spa=169.254.0.0/16" },
    { TABLE_ANTISPOOF, 50, REFUSAL_SOURCE_IPV4, "ip" },
    { TABLE_ANTISPOOF, 50, REFUSAL_SOURCE_IPV6, "ipv6" },
    { TABLE_ANTISPOOF, 50, REFUSAL_ARP_SENDER, "arp" },

    /* IPv6 that hides from the switch what it is.  Nobody is to hear any of it
     * (RFC 7112, RFC 6980 and RFC 4861, section 7.1), but that is for the
     * hearer to know.  Headers that end too early, to the userspace datapath,
     * and to the kernel's: no next header. */
    { TABLE_GUARD, 220, REFUSAL_MALFORMED, "ipv6,nw_proto=0" },
    { TABLE_GUARD, 220, REFUSAL_MALFORMED, "ipv6,nw_proto=59" },
    /* Without the upper layer's header, whole or in the first fragment. */
    { TABLE_GUARD, 220, REFUSAL_MALFORMED, "icmp6,nw_frag=no,icmp_type=0" },
    { TABLE_GUARD, 220, REFUSAL_MALFORMED, "icmp6,nw_frag=first,icmp_type=0" },
    { TABLE_GUARD, 220, REFUSAL_MALFORMED,
      "udp6,nw_frag=first,tp_src=0,tp_dst=0" },
    /* Neighbour discovery in fragments, of which the second has what would be
     * looked at. */
    { TABLE_GUARD, 220, REFUSAL_MALFORMED,
      "icmp6,nw_frag=first,icmp_type=135" },
    { TABLE_GUARD, 220, REFUSAL_MALFORMED,
      "icmp6,nw_frag=first,icmp_type=136" },
    /* Cut off, or with an option twice. */
    { TABLE_GUARD, 220, REFUSAL_MALFORMED,
      "icmp6,icmp_type=135,icmp_code=0,nd_target=::" },

    /* Types of RFC 4861, section 4, RFC 2710 and RFC 3810. */
    { TABLE_GUARD, 200, REFUSAL_MULTICAST, "icmp6,icmp_type=130" },
    { TABLE_GUARD, 200, REFUSAL_MULTICAST, "icmp6,icmp_type=131" },
    { TABLE_GUARD, 200, REFUSAL_MULTICAST, "icmp6,icmp_type=132" },
    { TABLE_GUARD, 200, REFUSAL_MULTICAST, "icmp6,icmp_type=143" },
    { TABLE_GUARD, 200, REFUSAL_AUTOCONFIGURATION, "icmp6,icmp_type=133" },
    { TABLE_GUARD, 200, REFUSAL_ROUTER, "icmp6,icmp_type=134" },
    { TABLE_GUARD, 200, REFUSAL_ROUTER, "icmp6,icmp_type=137" },
    { TABLE_GUARD, 50, REFUSAL_NEIGHBOUR, "icmp6,icmp_type=135" },
    { TABLE_GUARD, 50, REFUSAL_NEIGHBOUR, "icmp6,icmp_type=136" },

    /* A solicitation without the asker's address has no room for ours: its
     * owner answers it (unicast), or nobody: not the gateway, whose peers would
     * hand it on. */
    { TABLE_RESPOND, 110, REFUSAL_NEIGHBOUR,
      "icmp6,icmp_type=135,icmp_code=0,nd_sll=00:00:00:00:00:00,"
      "dl_dst="MULTICAST },
    { TABLE_RESPOND, 110, REFUSAL_NEIGHBOUR,
      "icmp6,icmp_type=135,icmp_code=0,nd_sll=00:00:00:00:00:00,"
      "dl_dst="GATEWAY_MAC_TEXT },
};

void
compile_refused_static(struct plan *plan)
{
    for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
        plan_add_flow(plan, all[i].table, all[i].priority,
                      pipeline_cookie(COOKIE_STATIC, 0), "%s actions="REFUSE,
                      all[i].match, all[i].why, TABLE_REFUSED);
    }
}

enum refusal
compile_refused_miss(enum pipeline_table table)
{
    return table == TABLE_CLASSIFY ? REFUSAL_SOURCE_MAC : REFUSAL_PROTOCOL;
}

/* Without an IPv6 address here it has one of its own all the same, as systems
 * do, and speaks from it. */
static void
compile_own_link_local(const struct endpoint *ep, ofp_port_t port,
                       struct plan *plan)
{
    struct in6_addr ll = address_link_local(ep->mac);
    char *ip = compile_address_text(&ll);
    plan_add_flow(plan, TABLE_ANTISPOOF, 76,
                  pipeline_cookie(COOKIE_ENDPOINT, ofp_to_u16(port)),
                  "in_port=%d,ipv6,ipv6_src=%s actions="REFUSE,
                  ofp_to_u16(port), ip, REFUSAL_LINK_LOCAL, TABLE_REFUSED);
    free(ip);
}

/* They are many, so they are made without text. */
void
compile_refused_endpoint(const struct endpoint *ep, ofp_port_t port,
                         bool any_v6, struct plan *plan)
{
    for (const struct refusal_info *r = refusals; r->key; r++) {
        if (refusal_has_flow(r->id)) {
            struct match match;
            match_init_catchall(&match);
            match_set_in_port(&match, port);
            match_set_reg(&match, 7, r->id);        /* WHY */
            struct plan_flow flow;
            plan_flow_init(&flow, TABLE_REFUSED, 100,
                           pipeline_cookie(COOKIE_ENDPOINT, ofp_to_u16(port)),
                           &match, NULL, 0);
            plan_add_observed(plan, &flow);
        }
    }
    if (!any_v6) {
        compile_own_link_local(ep, port, plan);
    }
}

enum refusal
compile_refused_parse(const struct match *match)
{
    uint32_t why = match->flow.regs[7];
    return why < REFUSAL_END ? why : REFUSAL_NONE;
}
