/* SPDX-License-Identifier: Apache-2.0 */

/* DOC: What is routed, and what is translated.
 *
 * An endpoint sends to the gateway's MAC.  Its own host decides: the TTL goes
 * down, the longest prefix of the routing domain names the network, and the
 * packet goes to the next hop: to the endpoint, if it is here, or to the peer.
 *
 * A peer gets it in the VXLAN network of the destination, addressed to the
 * gateway's MAC, which there means "deliver by IP address", and from a MAC that
 * has the sender's network in its last three octets.  So nobody need know a
 * MAC of another host's endpoint; and the peer's switch learns behind whom the
 * sender lives, for the answer.  What is not yet learned is sent to all peers,
 * of whom one has the address: no packet waits for a question.
 *
 * What leads out is translated twice: here, in a connection tracking zone of
 * the network, to the network's transit address, which tells networks with the
 * same addresses apart; then by the host, to its own address. */

#include <config.h>
#include "overlay/compile.h"

#include "flow.h"
#include "openvswitch/packets.h"
#include "overlay/address.h"
#include "overlay/answer.h"
#include "overlay/compile-fields.h"
#include "overlay/lease.h"
#include "overlay/transit.h"
#include "packets.h"

#define GW GATEWAY_MAC_TEXT

enum { ETHERNET_HEADER = 14 };

static bool
has_gateway(const struct network *net, size_t subnet)
{
    return ipv6_addr_is_set(&net->gateways[subnet]);
}

static bool
has_gateways(const struct network *net)
{
    for (size_t i = 0; i < net->n_subnets; i++) {
        if (has_gateway(net, i)) {
            return true;
        }
    }
    return false;
}

void
compile_gateway_static(struct plan *plan)
{
    uint64_t cookie = pipeline_cookie(COOKIE_STATIC, 0);

    plan_add_flow(plan, TABLE_RESPOND, 90, cookie,
                  PEER"=0,dl_dst="GW" actions=goto_table:%d", TABLE_GATEWAY);

    /* No router's business: RFC 4291, section 2.5.6. */
    plan_add_flow(plan, TABLE_GATEWAY, 105, cookie,
                  "ipv6,ipv6_dst=fe80::/10 actions=drop");
    plan_add_flow(plan, TABLE_GATEWAY, 105, cookie,
                  "ipv6,ipv6_src=fe80::/10 actions=drop");
    plan_add_flow(plan, TABLE_NEIGHBOUR, 20, cookie,
                  PEER"=0,"FROM"=0 actions=drop");
    plan_add_flow(plan, TABLE_INBOUND, 50, cookie,
                  "ct_state=+trk+est-inv actions=goto_table:%d",
                  TABLE_NEXTHOP);
    plan_add_flow(plan, TABLE_INBOUND, 50, cookie,
                  "ct_state=+trk+rel-inv actions=goto_table:%d",
                  TABLE_NEXTHOP);
    for (const struct compile_family *f = compile_families;
         f < compile_families + 2; f++) {
        for (int ttl = 0; ttl <= 1; ttl++) {
            plan_add_flow(plan, TABLE_GATEWAY, 100, cookie,
                          "%s,nw_ttl=%d actions="PUNT, f->ip, ttl, WHY_TTL,
                          TABLE_PUNT);
        }
        plan_add_flow(plan, TABLE_ROUTE, 500, cookie,
                      "%s,"BIG"=1 actions="PUNT, f->ip, WHY_TOO_BIG,
                      TABLE_PUNT);
        plan_add_flow(plan, TABLE_ROUTE, 10, cookie, "%s actions="PUNT,
                      f->ip, WHY_UNREACHABLE, TABLE_PUNT);
        plan_add_flow(plan, TABLE_NEXTHOP, 10, cookie,
                      "%s actions=move:%s[]->%s[],goto_table:%d", f->ip,
                      f->dst_field, f->hop_field, TABLE_NEIGHBOUR);
        plan_add_flow(plan, TABLE_NEIGHBOUR, 10, cookie,
                      PEER"=0,%s actions=resubmit(,%d),"
                      "set_field:"ROUTED_MAC"->eth_src,"
                      "move:NXM_NX_REG3[0..23]->NXM_OF_ETH_SRC[0..23],"
                      "set_field:"GW"->eth_dst,goto_table:%d",
                      f->ip, TABLE_LOCATED, TABLE_OUTPUT);
    }
}

/* What is meant for the gateway's address 'ip' itself, of what 'match' (with a
 * comma behind it) says. */
static void
compile_self(enum pipeline_table table, uint16_t priority, const char *match,
             const struct in6_addr *addr, bool dns, uint64_t cookie,
             struct plan *plan)
{
    const struct compile_family *f = compile_family_of(addr);
    char *ip = compile_address_text(addr);

    plan_add_flow(plan, table, priority + 5, cookie,
                  "%s%s,%s=%s actions=move:%s[]->%s[],set_field:%s->%s,"
                  "%s,set_field:64->nw_ttl,"
                  "move:NXM_OF_ETH_SRC[]->NXM_OF_ETH_DST[],"
                  "set_field:"GW"->eth_src,in_port",
                  match, f->echo, f->dst, ip, f->src_field, f->dst_field, ip,
                  f->src, f->reply);
    plan_add_flow(plan, table, priority + 3, cookie,
                  "%s%s,%s=%s actions=drop", match, f->icmp, f->dst, ip);
    if (dns) {
        plan_add_flow(plan, table, priority + 3, cookie,
                      "%s%s,tp_dst=53,%s=%s actions="PUNT, match, f->udp,
                      f->dst, ip, WHY_DNS, TABLE_PUNT);
    }
    plan_add_flow(plan, table, priority, cookie, "%s%s,%s=%s actions="PUNT,
                  match, f->ip, f->dst, ip, WHY_PORT, TABLE_PUNT);
    free(ip);
}

static bool
is_dns(const struct network *net, const struct in6_addr *addr)
{
    for (size_t i = 0; i < net->n_dns; i++) {
        if (ipv6_addr_equals(&net->dns[i], addr)) {
            return true;
        }
    }
    return false;
}

/* A solicitation for the gateway's 'ip', which is the agent's to answer where
 * the switch cannot. */
static void
compile_gateway_nd(uint32_t vni, const struct compile_place *place,
                   const char *ip, uint64_t cookie, struct plan *plan)
{
    static const struct eth_addr mac = GATEWAY_MAC;
    if (!place->mode.kernel) {
        compile_nd_answer(PEER"=0,", vni, ip, mac,
                          ND_RSO_ROUTER | ND_RSO_SOLICITED | ND_RSO_OVERRIDE,
                          cookie, plan);
        return;
    }
    plan_add_flow(plan, TABLE_RESPOND, 100, cookie,
                  PEER"=0,"NET"=%"PRIu32",icmp6,icmp_type=135,icmp_code=0,"
                  "nd_target=%s actions="PUNT, vni, ip, WHY_NEIGHBOUR,
                  TABLE_PUNT);
}

static void
compile_gateway_address(const struct network *net,
                        const struct compile_place *place,
                        const struct in6_addr *addr, uint64_t cookie,
                        struct plan *plan)
{
    char *ip = compile_address_text(addr);

    if (address_is_v4(addr)) {
        plan_add_flow(plan, TABLE_RESPOND, 100, cookie,
                      PEER"=0,"NET"=%"PRIu32",arp,arp_op=1,arp_tpa=%s actions="
                      ARP_ANSWER(GW, "%s"), net->vni, ip, ip);
    } else {
        compile_gateway_nd(net->vni, place, ip, cookie, plan);
    }
    char *match = xasprintf(NET"=%"PRIu32",", net->vni);
    compile_self(TABLE_GATEWAY, 110, match, addr, is_dns(net, addr), cookie,
                 plan);
    free(match);
    free(ip);

    if (net->router) {
        /* From the other networks of its router. */
        match = xasprintf(DOMAIN"=%"PRIu32",", net->domain);
        compile_self(TABLE_ROUTE, 400, match, addr, is_dns(net, addr), cookie,
                     plan);
        free(match);
    }
}

/* The longest prefix wins. */
static void
compile_prefix(const struct network *net, const struct prefix *p,
               uint64_t cookie, struct plan *plan)
{
    const struct compile_family *f = compile_family_of(&p->addr);
    char *dst = compile_prefix_text(p);
    plan_add_flow(plan, TABLE_ROUTE, 100 + p->len, cookie,
                  DOMAIN"=%"PRIu32",%s,%s=%s actions=set_field:%"PRIu32"->"NET
                  ",goto_table:%d",
                  net->domain, f->ip, f->dst, dst, net->vni, TABLE_NEXTHOP);
    free(dst);
}

static void
compile_nexthop(const struct network *net, const struct prefix *p,
                const struct in6_addr *via, uint64_t cookie,
                struct plan *plan)
{
    const struct compile_family *f = compile_family_of(&p->addr);
    char *dst = compile_prefix_text(p);
    char *set;
    if (via) {
        char *hop = compile_hop_text(via);
        set = xasprintf("set_field:%s->%s", hop, f->hop);
        free(hop);
    } else {
        set = xasprintf("move:%s[]->%s[]", f->dst_field, f->hop_field);
    }
    plan_add_flow(plan, TABLE_NEXTHOP, 100 + p->len, cookie,
                  NET"=%"PRIu32",%s,%s=%s actions=%s,goto_table:%d",
                  net->vni, f->ip, f->dst, dst, set, TABLE_NEIGHBOUR);
    free(set);
    free(dst);
}

/* The way out of network 'net' and back, for one family. */
static void
compile_nat(const struct network *net, const struct compile_place *place,
            bool v4, uint64_t cookie, struct plan *plan)
{
    static const struct eth_addr mac = EXTERNAL_MAC;
    const struct compile_family *f = &compile_families[v4];
    struct in6_addr addr = transit_address(place->slot, v4);
    char *ip = compile_address_text(&addr);

    plan_add_flow(plan, TABLE_ROUTE, 50, cookie,
                  NET"=%"PRIu32",%s actions=goto_table:%d", net->vni, f->ip,
                  TABLE_NAT);
    plan_add_flow(plan, TABLE_NAT, 100, cookie,
                  NET"=%"PRIu32",%s actions=ct(table=%d,zone=%d,nat)",
                  net->vni, f->ip, TABLE_OUTBOUND, place->slot);
    if (place->external) {
        plan_add_flow(plan, TABLE_OUTBOUND, 100, cookie,
                      NET"=%"PRIu32",%s,ct_state=+trk+new-inv actions="
                      "set_field:"GW"->eth_src,set_field:"ETH_ADDR_FMT
                      "->eth_dst,ct(commit,zone=%d,nat(src=%s)),output:%d",
                      net->vni, f->ip, ETH_ADDR_ARGS(mac), place->slot, ip,
                      ofp_to_u16(place->external));
    }
    plan_add_flow(plan, TABLE_EXTERNAL, 100, cookie,
                  "%s,%s=%s actions=set_field:%"PRIu32"->"NET","
                  "ct(table=%d,zone=%d,nat)", f->ip, f->dst, ip, net->vni,
                  TABLE_INBOUND, place->slot);
    free(ip);
}

void
compile_gateway_network(const struct network *net,
                        const struct compile_place *place, struct plan *plan)
{
    static const struct eth_addr mac = GATEWAY_MAC;
    uint64_t cookie = pipeline_cookie(COOKIE_NETWORK, net->vni);
    if (!has_gateways(net)) {
        return;
    }
    bool any[2] = { false, false };
    for (size_t i = 0; i < net->n_subnets; i++) {
        bool v4 = prefix_is_v4(&net->subnets[i]);
        if (!has_gateway(net, i)) {
            continue;
        }
        compile_gateway_address(net, place, &net->gateways[i], cookie, plan);
        compile_prefix(net, &net->subnets[i], cookie, plan);
        if (net->n_routes) {
            compile_nexthop(net, &net->subnets[i], NULL, cookie, plan);
        }
        if (!any[v4]) {
            any[v4] = true;
            char *size = (place->mtu
                          ? xasprintf("check_pkt_larger(%d)->NXM_NX_REG6[0],",
                                      place->mtu + ETHERNET_HEADER)
                          : xstrdup(""));
            plan_add_flow(plan, TABLE_GATEWAY, 50, cookie,
                          NET"=%"PRIu32",%s actions=set_field:%"PRIu32"->"FROM
                          ",set_field:%"PRIu32"->"DOMAIN",dec_ttl,%s"
                          "goto_table:%d", net->vni, compile_families[v4].ip,
                          net->vni, net->domain, size, TABLE_ROUTE);
            free(size);
            if (place->slot) {
                compile_nat(net, place, v4, cookie, plan);
            }
        }
    }
    if (any[false]) {
        struct in6_addr ll = address_link_local(mac);
        char *ip = compile_address_text(&ll);
        compile_gateway_nd(net->vni, place, ip, cookie, plan);
        free(ip);
    }
    for (size_t i = 0; i < net->n_routes; i++) {
        const struct route *r = &net->routes[i];
        compile_prefix(net, &r->dst, cookie, plan);
        compile_nexthop(net, &r->dst, &r->via, cookie, plan);
    }
}

void
compile_external(ofp_port_t port, struct plan *plan)
{
    static const struct eth_addr mac = EXTERNAL_MAC;
    uint64_t cookie = pipeline_cookie(COOKIE_EXTERNAL, 0);
    plan_add_flow(plan, TABLE_CLASSIFY, 100, cookie,
                  "in_port=%d,"UNTAGGED" actions=goto_table:%d",
                  ofp_to_u16(port), TABLE_EXTERNAL);
    static const char *const states[] = { "+trk-new+est-inv",
                                          "+trk-new-est+rel-inv" };
    for (size_t i = 0; i < ARRAY_SIZE(states); i++) {
        plan_add_flow(plan, TABLE_OUTBOUND, 50, cookie,
                      "ct_state=%s actions=set_field:"GW"->eth_src,set_field:"
                      ETH_ADDR_FMT"->eth_dst,output:%d", states[i],
                      ETH_ADDR_ARGS(mac), ofp_to_u16(port));
    }
}

bool
compile_has_meter(const struct network *net)
{
    return has_gateways(net);
}

/* What goes up to the agent from a port, as much as its meter lets through. */
static void
compile_punt(ofp_port_t port, uint64_t cookie, struct plan *plan)
{
    int p = ofp_to_u16(port);
    plan_add_meter(plan, p);
    plan_add_flow(plan, TABLE_PUNT, 100, cookie,
                  "in_port=%d actions=meter:%d,"
                  "controller(id=%d,max_len=65535)", p, p, CONTROLLER_ID);
}

/* The switch learns where those live who are routed by the peer. */
void
compile_gateway_learner(uint32_t id, ofp_port_t port, struct plan *plan)
{
    uint64_t cookie = pipeline_cookie(COOKIE_PEER, id);
    compile_punt(port, cookie, plan);
    for (const struct compile_family *f = compile_families;
         f < compile_families + 2; f++) {
        plan_add_flow(plan, TABLE_LEARN, 120, cookie,
                      PEER"=%"PRIu32",%s,tp_dst=53,dl_dst="ASK_MAC" actions="
                      PUNT, id, f->udp, WHY_DNS_PEER, TABLE_PUNT);
    }
    for (const struct compile_family *f = compile_families;
         f < compile_families + 2; f++) {
        plan_add_flow(plan, TABLE_LEARN, 110, cookie,
                      PEER"=%"PRIu32",%s,dl_dst="GW",dl_src="ROUTED_MAC"/"
                      ROUTED_MAC_MASK" actions=learn(table=%d,priority=100,"
                      "idle_timeout=%d,limit=%d,delete_learned,"
                      "cookie=%#"PRIx64",eth_type=%#x,"
                      "NXM_NX_REG0[0..23]=NXM_OF_ETH_SRC[0..23],"
                      "%s[]=%s[],load:NXM_NX_REG1[]->NXM_NX_REG2[]),"
                      "goto_table:%d", id, f->ip, TABLE_LOCATED, LEARN_IDLE_S,
                      LEARN_MAX, pipeline_cookie(COOKIE_LEARNED, id), f->type,
                      f->dst_field, f->src_field, TABLE_NEXTHOP);
    }
}

/* An endpoint that a route leads by sends what comes from there. */
static void
compile_forwarder(const struct endpoint *ep, const struct network *net,
                  ofp_port_t port, uint64_t cookie, struct plan *plan)
{
    for (size_t i = 0; i < net->n_routes; i++) {
        const struct route *r = &net->routes[i];
        if (endpoint_has_ip(ep, &r->via)) {
            const struct compile_family *f = compile_family_of(&r->via);
            char *src = compile_prefix_text(&r->dst);
            plan_add_flow(plan, TABLE_ANTISPOOF, 90, cookie,
                          "in_port=%d,%s,%s=%s actions=goto_table:%d",
                          ofp_to_u16(port), f->ip, f->src, src,
                          address_is_v4(&r->via) ? TABLE_RESPOND
                          : TABLE_GUARD);
            free(src);
        }
    }
}

static void
compile_publish(const struct endpoint *ep, const struct network *net,
                const struct publish *p, uint16_t slot, uint64_t cookie,
                struct plan *plan)
{
    for (int v4 = 0; v4 < 2; v4++) {
        struct lease lease;
        if (!lease_find(ep, net, v4, &lease)) {
            continue;
        }
        const struct compile_family *f = &compile_families[v4];
        char *ip = compile_address_text(&lease.addr);
        plan_add_flow(plan, TABLE_INBOUND, 100, cookie,
                      NET"=%"PRIu32",%s,tp_dst=%d,ct_state=+trk+new-inv "
                      "actions=ct(commit,table=%d,zone=%d,"
                      "nat(dst=%s%s%s:%d))", net->vni,
                      p->protocol == IPPROTO_TCP ? f->tcp : f->udp,
                      p->host_port, TABLE_NEXTHOP, slot, v4 ? "" : "[", ip,
                      v4 ? "" : "]", p->port);
        free(ip);
    }
}

/* Asks for an address of the gateway's. */
static void
compile_made_up_target(const struct endpoint *ep, ofp_port_t port,
                       const struct in6_addr *target, uint64_t cookie,
                       struct plan *plan)
{
    char *ip = compile_address_text(target);
    plan_add_flow(plan, TABLE_ANTISPOOF, 90, cookie,
                  "in_port=%d,icmp6,icmp_type=135,icmp_code=0,nd_target=%s,"
                  "nd_sll="ETH_ADDR_FMT",ipv6_src=fe80::/10 "
                  "actions=goto_table:%d", ofp_to_u16(port), ip,
                  ETH_ADDR_ARGS(ep->mac), TABLE_GUARD);
    free(ip);
}

/* A client may have made up its link-local address (RFC 7217), which nobody
 * here knows to be its own.  To find the gateway it needs no more than these;
 * the gateway answers all of them, so no other endpoint sees them, and they
 * can tell nobody a wrong neighbour. */
static void
compile_made_up(const struct endpoint *ep, const struct network *net,
                ofp_port_t port, uint64_t cookie, struct plan *plan)
{
    static const struct eth_addr mac = GATEWAY_MAC;
    plan_add_flow(plan, TABLE_ANTISPOOF, 90, cookie,
                  "in_port=%d,icmp6,icmp_type=133,icmp_code=0,"
                  "ipv6_src=fe80::/10 actions=goto_table:%d",
                  ofp_to_u16(port), TABLE_GUARD);
    struct in6_addr ll = address_link_local(mac);
    compile_made_up_target(ep, port, &ll, cookie, plan);
    for (size_t i = 0; i < net->n_subnets; i++) {
        if (has_gateway(net, i) && !prefix_is_v4(&net->subnets[i])) {
            compile_made_up_target(ep, port, &net->gateways[i], cookie, plan);
        }
    }
}

/* What the agent answers: DHCP (RFC 2131; RFC 8415) and router solicitations
 * (RFC 4861, section 6.2.6). */
static void
compile_punts(const struct endpoint *ep, const struct network *net,
              ofp_port_t port, uint64_t cookie, struct plan *plan)
{
    int p = ofp_to_u16(port);
    compile_punt(port, cookie, plan);
    if (network_gateway(net, true) && net->dhcp) {
        plan_add_flow(plan, TABLE_ANTISPOOF, 150, cookie,
                      "in_port=%d,udp,tp_src=68,tp_dst=67 actions="PUNT, p,
                      WHY_DHCP4, TABLE_PUNT);
    }
    if (network_gateway(net, false)) {
        if (net->dhcp) {
            plan_add_flow(plan, TABLE_ANTISPOOF, 150, cookie,
                          "in_port=%d,udp6,tp_src=546,tp_dst=547 actions="
                          PUNT, p, WHY_DHCP6, TABLE_PUNT);
        }
        plan_add_flow(plan, TABLE_GUARD, 210, cookie,
                      "in_port=%d,icmp6,icmp_type=133,icmp_code=0 "
                      "actions="PUNT, p, WHY_SOLICIT, TABLE_PUNT);
        compile_made_up(ep, net, port, cookie, plan);
    }
}

void
compile_gateway_endpoint(const struct endpoint *ep, const struct network *net,
                         const struct compile_place *place, ofp_port_t port,
                         struct plan *plan)
{
    uint64_t cookie = pipeline_cookie(COOKIE_ENDPOINT, ofp_to_u16(port));
    if (!has_gateways(net)) {
        return;
    }
    compile_punts(ep, net, port, cookie, plan);
    compile_forwarder(ep, net, port, cookie, plan);
    for (size_t i = 0; i < ep->n_publishes && place->slot; i++) {
        compile_publish(ep, net, &ep->publishes[i], place->slot, cookie,
                        plan);
    }
    for (size_t i = 0; i < ep->n_ips; i++) {
        const struct in6_addr *addr = &ep->ips[i].addr;
        const struct compile_family *f = compile_family_of(addr);
        char *hop = compile_hop_text(addr);
        /* In_port 0, so that it may go back where it came from. */
        plan_add_flow(plan, TABLE_NEIGHBOUR, 100, cookie,
                      NET"=%"PRIu32",%s,%s=%s actions="
                      "set_field:"GW"->eth_src,set_field:"ETH_ADDR_FMT
                      "->eth_dst,load:0->NXM_OF_IN_PORT[],goto_table:%d",
                      net->vni, f->ip, f->hop, hop,
                      ETH_ADDR_ARGS(ep->mac), TABLE_FORWARD);
        free(hop);
    }
}
