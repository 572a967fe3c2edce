/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "overlay/compile.h"

#include "flow.h"
#include "openvswitch/packets.h"
#include "overlay/address.h"
#include "overlay/compile-fields.h"
#include "packets.h"

static void compile_learning(struct plan *);
static void compile_antispoof_v4(const struct endpoint *, ofp_port_t,
                                 const char *ip, uint64_t cookie,
                                 struct plan *);
static void compile_antispoof_v6(const struct endpoint *, ofp_port_t,
                                 const char *ip, uint64_t cookie,
                                 struct plan *);
static void compile_arp(const struct endpoint *, uint32_t vni, ofp_port_t,
                        const char *ip, uint64_t cookie, struct plan *);
static void compile_nd(const struct endpoint *, uint32_t vni,
                       const struct compile_place *, const char *ip,
                       uint64_t cookie, struct plan *);

void
compile_static(const struct compile_mode *mode, struct plan *plan)
{
    uint64_t cookie = pipeline_cookie(COOKIE_STATIC, 0);

    for (const struct pipeline_table_info *t = pipeline_tables; t->name; t++) {
        if (!mode->known && pipeline_table_is_learned(t->id)) {
            continue;               /* The switch's own. */
        } else if (t->miss == TABLE_DROP) {
            plan_add_flow(plan, t->id, 0, cookie, "actions=drop");
        } else if (t->miss == TABLE_REFUSED) {
            plan_add_flow(plan, t->id, 0, cookie, "actions="REFUSE,
                          compile_refused_miss(t->id), t->miss);
        } else {
            plan_add_flow(plan, t->id, 0, cookie, "actions=goto_table:%d",
                          t->miss);
        }
    }

    /* A multicast source is no station's. */
    plan_add_flow(plan, TABLE_VNI, 200, cookie,
                  "dl_src="MULTICAST" actions=drop");

    plan_add_flow(plan, TABLE_GUARD, 100, cookie,
                  "icmp6,icmp_type=135,icmp_code=0,nd_sll=00:00:00:00:00:00 "
                  "actions=goto_table:%d", TABLE_RESPOND);
    plan_add_flow(plan, TABLE_RESPOND, 105, cookie,
                  "icmp6,icmp_type=135,icmp_code=0,nd_sll=00:00:00:00:00:00 "
                  "actions=goto_table:%d", TABLE_FORWARD);

    plan_add_flow(plan, TABLE_FORWARD, 50, cookie,
                  "dl_dst="MULTICAST" actions=goto_table:%d", TABLE_FLOOD);
    plan_add_flow(plan, TABLE_FORWARD, 10, cookie,
                  PEER"=0 actions=resubmit(,%d),goto_table:%d",
                  TABLE_LEARNED, TABLE_OUTPUT);

    compile_refused_static(plan);
    compile_gateway_static(plan);
    if (mode->known) {
        compile_known_static(mode, plan);
    } else {
        compile_learning(plan);
    }
}

/* Who is not known here is looked for at all peers. */
static void
compile_learning(struct plan *plan)
{
    uint64_t cookie = pipeline_cookie(COOKIE_STATIC, 0);

    /* Who has it?  Nobody here: ask the peers, if it is one of ours who asks;
     * if a peer asks, nobody. */
    plan_add_flow(plan, TABLE_RESPOND, 60, cookie,
                  PEER"=0,arp,arp_op=1,dl_dst=ff:ff:ff:ff:ff:ff "
                  "actions=goto_table:%d", TABLE_REPLICATE);
    plan_add_flow(plan, TABLE_RESPOND, 50, cookie,
                  "arp,arp_op=1,dl_dst=ff:ff:ff:ff:ff:ff actions=drop");
    plan_add_flow(plan, TABLE_RESPOND, 60, cookie,
                  PEER"=0,icmp6,icmp_type=135,icmp_code=0,dl_dst="MULTICAST
                  " actions=goto_table:%d", TABLE_REPLICATE);
    plan_add_flow(plan, TABLE_RESPOND, 50, cookie,
                  "icmp6,icmp_type=135,icmp_code=0,dl_dst="MULTICAST
                  " actions=drop");
    plan_add_flow(plan, TABLE_OUTPUT, 10, cookie,
                  PEER"=0,"OUT"=0 actions=goto_table:%d", TABLE_REPLICATE);
    plan_add_group(plan, GROUP_PEERS);
    plan_add_flow(plan, TABLE_REPLICATE, 100, cookie,
                  PEER"=0 actions=move:NXM_NX_REG0[0..23]"
                  "->NXM_NX_TUN_ID[0..23],group:%"PRIu32, GROUP_PEERS);
}

void
compile_network(const struct network *net, const struct compile_place *place,
                struct plan *plan)
{
    uint64_t cookie = pipeline_cookie(COOKIE_NETWORK, net->vni);
    uint32_t group = GROUP_NETWORK(net->vni);

    if (place->mode.known) {
        compile_known_network(net, plan);
    } else {
        plan_add_flow(plan, TABLE_VNI, 100, cookie,
                      "tun_id=%"PRIu32" actions=set_field:%"PRIu32"->"NET","
                      "goto_table:%d", net->vni, net->vni, TABLE_LEARN);
    }

    plan_add_group(plan, group);
    plan_add_flow(plan, TABLE_FLOOD, 100, cookie,
                  NET"=%"PRIu32","PEER"=0 actions=group:%"PRIu32","
                  "goto_table:%d", net->vni, group, TABLE_REPLICATE);
    plan_add_flow(plan, TABLE_FLOOD, 50, cookie,
                  NET"=%"PRIu32" actions=group:%"PRIu32, net->vni, group);
    compile_gateway_network(net, place, plan);
}

static void
compile_learner(uint32_t id, ofp_port_t port, struct plan *plan)
{
    plan_add_flow(plan, TABLE_LEARN, 100, pipeline_cookie(COOKIE_PEER, id),
                  PEER"=%"PRIu32" actions=learn(table=%d,priority=100,"
                  "idle_timeout=%d,limit=%d,delete_learned,cookie=%#"PRIx64","
                  "NXM_NX_REG0[],NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],"
                  "load:NXM_NX_REG1[]->NXM_NX_REG2[]),goto_table:%d",
                  id, TABLE_LEARNED, LEARN_IDLE_S, LEARN_MAX,
                  pipeline_cookie(COOKIE_LEARNED, id), TABLE_RESPOND);
    plan_add_bucket(plan, GROUP_PEERS, port);
}

void
compile_peer(uint32_t id, ofp_port_t port, const struct compile_mode *mode,
             struct plan *plan)
{
    uint64_t cookie = pipeline_cookie(COOKIE_PEER, id);

    plan_add_flow(plan, TABLE_CLASSIFY, 100, cookie,
                  "in_port=%d,"UNTAGGED" actions=set_field:%"PRIu32"->"PEER","
                  "goto_table:%d", ofp_to_u16(port), id, TABLE_VNI);
    plan_add_flow(plan, TABLE_OUTPUT, 100, cookie,
                  PEER"=0,"OUT"=%"PRIu32" actions=move:NXM_NX_REG0[0..23]"
                  "->NXM_NX_TUN_ID[0..23],output:%d", id, ofp_to_u16(port));
    if (mode->known) {
        compile_known_peer(id, plan);
    } else {
        compile_learner(id, port, plan);
        compile_gateway_learner(id, port, plan);
    }
}

void
compile_endpoint(const struct endpoint *ep, const struct network *net,
                 const struct compile_place *place, ofp_port_t port,
                 struct plan *plan)
{
    uint32_t vni = net->vni;
    uint64_t cookie = pipeline_cookie(COOKIE_ENDPOINT, ofp_to_u16(port));
    bool any_v6 = false;

    plan_add_flow(plan, TABLE_CLASSIFY, 100, cookie,
                  "in_port=%d,"UNTAGGED",dl_src="ETH_ADDR_FMT" "
                  "actions=set_field:%"PRIu32"->"NET",goto_table:%d",
                  ofp_to_u16(port), ETH_ADDR_ARGS(ep->mac), vni,
                  TABLE_ANTISPOOF);
    plan_add_flow(plan, TABLE_FORWARD, 100, cookie,
                  NET"=%"PRIu32",dl_dst="ETH_ADDR_FMT" actions=output:%d",
                  vni, ETH_ADDR_ARGS(ep->mac), ofp_to_u16(port));
    plan_add_bucket(plan, GROUP_NETWORK(vni), port);

    for (size_t i = 0; i < ep->n_ips; i++) {
        struct ds ip = DS_EMPTY_INITIALIZER;
        address_format(&ep->ips[i].addr, &ip);
        if (prefix_is_v4(&ep->ips[i])) {
            compile_antispoof_v4(ep, port, ds_cstr(&ip), cookie, plan);
            compile_arp(ep, vni, port, ds_cstr(&ip), cookie, plan);
        } else {
            compile_antispoof_v6(ep, port, ds_cstr(&ip), cookie, plan);
            compile_nd(ep, vni, place, ds_cstr(&ip), cookie, plan);
            any_v6 = true;
        }
        ds_destroy(&ip);
    }

    /* An ARP probe claims no address yet (RFC 5227, section 2.1.1). */
    plan_add_flow(plan, TABLE_ANTISPOOF, 100, cookie,
                  "in_port=%d,arp,arp_op=1,arp_spa=0.0.0.0,"
                  "arp_sha="ETH_ADDR_FMT" actions=goto_table:%d",
                  ofp_to_u16(port), ETH_ADDR_ARGS(ep->mac), TABLE_RESPOND);

    if (any_v6) {
        struct in6_addr ll = address_link_local(ep->mac);
        struct ds ip = DS_EMPTY_INITIALIZER;
        address_format(&ll, &ip);
        if (!endpoint_has_ip(ep, &ll)) {
            compile_antispoof_v6(ep, port, ds_cstr(&ip), cookie, plan);
            compile_nd(ep, vni, place, ds_cstr(&ip), cookie, plan);
        }
        ds_destroy(&ip);
        plan_add_flow(plan, TABLE_GUARD, 100, cookie,
                      "in_port=%d,icmp6,icmp_type=135,icmp_code=0,"
                      "nd_sll="ETH_ADDR_FMT" actions=goto_table:%d",
                      ofp_to_u16(port), ETH_ADDR_ARGS(ep->mac),
                      TABLE_RESPOND);
    }
    compile_refused_endpoint(ep, port, any_v6, plan);
    compile_gateway_endpoint(ep, net, place, port, plan);
}

static void
compile_antispoof_v4(const struct endpoint *ep, ofp_port_t port,
                     const char *ip, uint64_t cookie, struct plan *plan)
{
    plan_add_flow(plan, TABLE_ANTISPOOF, 100, cookie,
                  "in_port=%d,ip,nw_src=%s actions=goto_table:%d",
                  ofp_to_u16(port), ip, TABLE_RESPOND);
    plan_add_flow(plan, TABLE_ANTISPOOF, 100, cookie,
                  "in_port=%d,arp,arp_spa=%s,arp_sha="ETH_ADDR_FMT" "
                  "actions=goto_table:%d", ofp_to_u16(port), ip,
                  ETH_ADDR_ARGS(ep->mac), TABLE_RESPOND);
}

static void
compile_antispoof_v6(const struct endpoint *ep, ofp_port_t port,
                     const char *ip, uint64_t cookie, struct plan *plan)
{
    plan_add_flow(plan, TABLE_ANTISPOOF, 100, cookie,
                  "in_port=%d,ipv6,ipv6_src=%s actions=goto_table:%d",
                  ofp_to_u16(port), ip, TABLE_GUARD);
    plan_add_flow(plan, TABLE_GUARD, 100, cookie,
                  "in_port=%d,icmp6,icmp_type=136,icmp_code=0,nd_target=%s,"
                  "nd_tll="ETH_ADDR_FMT" actions=goto_table:%d",
                  ofp_to_u16(port), ip, ETH_ADDR_ARGS(ep->mac),
                  TABLE_RESPOND);
}

/* RFC 826: the question becomes its own answer and goes back where it came
 * from, a tunnel included.  The owner's own question for its own address is
 * an announcement or a probe: it goes on to the others. */
static void
compile_arp(const struct endpoint *ep, uint32_t vni, ofp_port_t port,
            const char *ip, uint64_t cookie, struct plan *plan)
{
    plan_add_flow(plan, TABLE_RESPOND, 110, cookie,
                  "in_port=%d,"NET"=%"PRIu32",arp,arp_op=1,arp_tpa=%s "
                  "actions=goto_table:%d",
                  ofp_to_u16(port), vni, ip, TABLE_FORWARD);
    /* As a question the announcement would end at the peers' switches; as an
     * answer it says the same (RFC 5227, section 3). */
    plan_add_flow(plan, TABLE_RESPOND, 120, cookie,
                  "in_port=%d,"NET"=%"PRIu32",arp,arp_op=1,arp_spa=%s,"
                  "arp_tpa=%s actions=set_field:2->arp_op,"
                  "set_field:"ETH_ADDR_FMT"->arp_tha,goto_table:%d",
                  ofp_to_u16(port), vni, ip, ip, ETH_ADDR_ARGS(ep->mac),
                  TABLE_FORWARD);
    plan_add_flow(plan, TABLE_RESPOND, 100, cookie,
                  NET"=%"PRIu32",arp,arp_op=1,arp_tpa=%s actions="
                  ARP_ANSWER(ETH_ADDR_FMT, "%s"),
                  vni, ip, ETH_ADDR_ARGS(ep->mac), ETH_ADDR_ARGS(ep->mac), ip);
}

/* The kernel datapath cannot set all that makes an advertisement: there a
 * solicitation goes to whom it is about alone, who answers it. */
static void
compile_nd(const struct endpoint *ep, uint32_t vni,
           const struct compile_place *place, const char *ip, uint64_t cookie,
           struct plan *plan)
{
    if (!place->mode.kernel) {
        compile_nd_answer("", vni, ip, ep->mac,
                          ND_RSO_SOLICITED | ND_RSO_OVERRIDE, cookie, plan);
        return;
    }
    plan_add_flow(plan, TABLE_RESPOND, 100, cookie,
                  NET"=%"PRIu32",icmp6,icmp_type=135,icmp_code=0,"
                  "nd_target=%s actions=set_field:"ETH_ADDR_FMT"->eth_dst,"
                  "goto_table:%d", vni, ip, ETH_ADDR_ARGS(ep->mac),
                  TABLE_FORWARD);
}

/* The advertisement's own fields can be set only where the flow matches an
 * advertisement, so the answer takes two tables (nd_options_type and
 * nd_reserved: ovs-fields(7)). */
void
compile_nd_answer(const char *match, uint32_t vni, const char *ip,
                  struct eth_addr mac, uint32_t flags, uint64_t cookie,
                  struct plan *plan)
{
    plan_add_flow(plan, TABLE_RESPOND, 100, cookie,
                  "%s"NET"=%"PRIu32",icmp6,icmp_type=135,icmp_code=0,"
                  "nd_target=%s "
                  "actions=move:NXM_OF_ETH_SRC[]->NXM_OF_ETH_DST[],"
                  "set_field:"ETH_ADDR_FMT"->eth_src,"
                  "move:NXM_NX_IPV6_SRC[]->NXM_NX_IPV6_DST[],"
                  "set_field:%s->ipv6_src,"
                  "set_field:136->icmpv6_type,goto_table:%d",
                  match, vni, ip, ETH_ADDR_ARGS(mac), ip, TABLE_ADVERTISE);
    plan_add_flow(plan, TABLE_ADVERTISE, 100, cookie,
                  NET"=%"PRIu32",icmp6,icmp_type=136,icmp_code=0,nd_target=%s "
                  "actions=set_field:2->nd_options_type,"
                  "set_field:%#"PRIx32"->nd_reserved,"
                  "set_field:"ETH_ADDR_FMT"->nd_tll,in_port",
                  vni, ip, flags, ETH_ADDR_ARGS(mac));
}
