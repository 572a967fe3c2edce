/* SPDX-License-Identifier: Apache-2.0 */

/* DOC: Where a directory tells what is on other hosts.
 *
 * Each endpoint of another host is a flow for its MAC in table learned, and
 * one for each of its addresses in table located: network and key to the peer,
 * and from an address to the MAC as well.  All that needs to know where
 * somebody lives looks there, by resubmit: what is sent to a MAC, what is
 * routed to an address, who asks for an address (answered on the spot), and
 * what a peer sends: its source has to be that peer's.  So an endpoint is
 * three flows, if it has an address of each family, whatever else there is. */

#include <config.h>
#include "overlay/compile.h"

#include "flow.h"
#include "hash.h"
#include "openvswitch/meta-flow.h"
#include "openvswitch/packets.h"
#include "overlay/address.h"
#include "overlay/compile-fields.h"
#include "packets.h"

/* Finds the peer, into OUT, that owns the source of a frame. */
#define LOOK_UP_SOURCE \
    "push:NXM_OF_ETH_DST[],move:NXM_OF_ETH_SRC[]->NXM_OF_ETH_DST[]," \
    "resubmit(,%d),pop:NXM_OF_ETH_DST[],goto_table:%d"

enum { MAC_REGISTER = 6 };          /* Of pipeline.def's MAC: xreg6. */

/* The peer, into OUT, that owns the link-local address in 'field', whose MAC
 * is in it, with one bit, set if 'bit', turned over. */
static char *
look_up_link_local(const char *field, bool bit)
{
    return xasprintf("move:%s[0..23]->OXM_OF_PKT_REG6[0..23],"
                     "move:%s[40..63]->OXM_OF_PKT_REG6[24..47],"
                     "load:%d->OXM_OF_PKT_REG6[41],push:NXM_OF_ETH_DST[],"
                     "move:"MAC"->NXM_OF_ETH_DST[],resubmit(,%d),"
                     "pop:NXM_OF_ETH_DST[]", field, field, !bit,
                     TABLE_LEARNED);
}

/* ARP and neighbour discovery do not cross a tunnel.  Only what a host with
 * the kernel datapath asks, and is answered, of one endpoint; and only if the
 * address that it claims is the peer's. */
static void
compile_discovery(const struct compile_mode *mode, struct plan *plan)
{
    uint64_t cookie = pipeline_cookie(COOKIE_STATIC, 0);
    static const enum pipeline_table tables[] = {
        TABLE_LEARN, TABLE_OUTPUT, TABLE_REPLICATE,
    };
    for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
        plan_add_flow(plan, tables[i], 300, cookie, "arp actions=drop");
        for (int type = 133; type <= 137; type++) {
            bool some = (mode->kernel && tables[i] == TABLE_OUTPUT
                         && (type == 135 || type == 136));
            plan_add_flow(plan, tables[i], 300, cookie,
                          "icmp6,icmp_type=%d%s actions=drop", type,
                          some ? ",dl_dst="MULTICAST : "");
        }
    }

    static const struct {
        int type;
        const char *claims, *field;
    } unicasts[] = {
        { 135, "ipv6_src", "NXM_NX_IPV6_SRC" },
        { 136, "nd_target", "NXM_NX_ND_TARGET" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(unicasts); i++) {
        plan_add_flow(plan, TABLE_LEARN, 310, cookie,
                      "icmp6,icmp_type=%d,icmp_code=0,dl_dst="UNICAST
                      " actions=move:%s[]->NXM_NX_XXREG2[],resubmit(,%d),"
                      "goto_table:%d", unicasts[i].type, unicasts[i].field,
                      TABLE_LOCATED, TABLE_ORIGIN);
        for (int bit = 0; bit <= 1; bit++) {
            char *look_up = look_up_link_local(unicasts[i].field, bit);
            plan_add_flow(plan, TABLE_LEARN, 315, cookie,
                          "icmp6,icmp_type=%d,icmp_code=0,dl_dst="UNICAST
                          ",%s="LINK_LOCAL_EUI64" actions=%s,goto_table:%d",
                          unicasts[i].type, unicasts[i].claims,
                          bit ? 0x200 : 0, look_up, TABLE_ORIGIN);
            free(look_up);
        }
    }
}

/* Who has it?  Nobody here: the directory knows. */
static void
compile_answers(const struct compile_mode *mode, struct plan *plan)
{
    uint64_t cookie = pipeline_cookie(COOKIE_STATIC, 0);
    plan_add_flow(plan, TABLE_RESPOND, 60, cookie,
                  PEER"=0,arp,arp_op=1 actions=move:NXM_OF_ARP_TPA[]->"
                  "NXM_NX_REG5[],resubmit(,%d),goto_table:%d",
                  TABLE_LOCATED, TABLE_ASK);
    plan_add_flow(plan, TABLE_RESPOND, 60, cookie,
                  PEER"=0,icmp6,icmp_type=135,icmp_code=0 actions="
                  "move:NXM_NX_ND_TARGET[]->NXM_NX_XXREG2[],"
                  "resubmit(,%d),goto_table:%d", TABLE_LOCATED, TABLE_ASK);
    for (int bit = 0; bit <= 1; bit++) {
        char *look_up = look_up_link_local("NXM_NX_ND_TARGET", bit);
        plan_add_flow(plan, TABLE_RESPOND, 65, cookie,
                      PEER"=0,icmp6,icmp_type=135,icmp_code=0,nd_target="
                      LINK_LOCAL_EUI64" actions=%s,goto_table:%d",
                      bit ? 0x200 : 0, look_up, TABLE_ASK);
        free(look_up);
    }

    plan_add_flow(plan, TABLE_ASK, 100, cookie, OUT"=0 actions=drop");
    plan_add_flow(plan, TABLE_ASK, 50, cookie,
                  "arp actions=move:NXM_OF_ETH_SRC[]->NXM_OF_ETH_DST[],"
                  "move:"MAC"->NXM_OF_ETH_SRC[],set_field:2->arp_op,"
                  "move:NXM_NX_ARP_SHA[]->NXM_NX_ARP_THA[],"
                  "move:"MAC"->NXM_NX_ARP_SHA[],"
                  "move:NXM_OF_ARP_SPA[]->NXM_OF_ARP_TPA[],"
                  "move:NXM_NX_REG5[]->NXM_OF_ARP_SPA[],in_port");
    if (mode->kernel) {             /* See compile_nd(). */
        plan_add_flow(plan, TABLE_ASK, 50, cookie,
                      "icmp6,icmp_type=135,icmp_code=0 actions="
                      "move:"MAC"->NXM_OF_ETH_DST[],goto_table:%d",
                      TABLE_OUTPUT);
        return;
    }
    plan_add_flow(plan, TABLE_ASK, 50, cookie,
                  "icmp6,icmp_type=135,icmp_code=0 actions="
                  "move:NXM_OF_ETH_SRC[]->NXM_OF_ETH_DST[],"
                  "move:"MAC"->NXM_OF_ETH_SRC[],"
                  "move:NXM_NX_IPV6_SRC[]->NXM_NX_IPV6_DST[],"
                  "move:NXM_NX_ND_TARGET[]->NXM_NX_IPV6_SRC[],"
                  "set_field:136->icmpv6_type,goto_table:%d",
                  TABLE_ADVERTISE);
    plan_add_flow(plan, TABLE_ADVERTISE, 50, cookie,
                  "icmp6,icmp_type=136,icmp_code=0 actions="
                  "set_field:2->nd_options_type,"
                  "set_field:0x60000000->nd_reserved,"
                  "move:"MAC"->NXM_NX_ND_TLL[],in_port");
}

void
compile_known_static(const struct compile_mode *mode, struct plan *plan)
{
    plan_add_flow(plan, TABLE_LEARN, 100, pipeline_cookie(COOKIE_STATIC, 0),
                  "actions="LOOK_UP_SOURCE, TABLE_LEARNED, TABLE_ORIGIN);
    compile_discovery(mode, plan);
    compile_answers(mode, plan);
}

/* What was routed comes from a network of the same domain, which its MAC names,
 * and from the peer of who has the source; what a route leads by, from the
 * peer of the endpoint that forwards it: the source is looked up as a packet
 * to it would be sent. */
static void
compile_routed_origin(const struct network *net, const struct prefix *from,
                      const struct in6_addr *via, uint16_t priority,
                      struct plan *plan)
{
    const struct compile_family *f = compile_family_of(&from->addr);
    char *src = compile_prefix_text(from);
    char *hop;
    if (via) {
        char *value = compile_hop_text(via);
        hop = xasprintf("set_field:%s->%s", value, f->hop);
        free(value);
    } else {
        hop = xasprintf("move:%s[]->%s[]", f->src_field, f->hop_field);
    }
    plan_add_flow(plan, TABLE_LEARN, priority,
                  pipeline_cookie(COOKIE_NETWORK, net->vni),
                  DOMAIN"=%"PRIu32",%s,%s=%s,dl_dst="GATEWAY_MAC_TEXT","
                  "dl_src=0e:57:00:%02x:%02x:%02x actions=push:NXM_NX_REG0[],"
                  "set_field:%"PRIu32"->"NET",%s,resubmit(,%d),"
                  "pop:NXM_NX_REG0[],goto_table:%d", net->domain, f->ip,
                  f->src, src, net->vni >> 16, net->vni >> 8 & 0xff,
                  net->vni & 0xff, net->vni, hop, TABLE_LOCATED,
                  TABLE_ORIGIN);
    free(hop);
    free(src);
}

static void
compile_routed_origins(const struct network *net, struct plan *plan)
{
    struct prefix any[2] = { { .len = 0 }, { .len = 0 } };
    in6_addr_set_mapped_ipv4(&any[true].addr, 0);
    for (size_t v4 = 0; v4 < 2; v4++) {
        if (network_gateway(net, v4)) {
            compile_routed_origin(net, &any[v4], NULL, 110, plan);
        }
    }
    /* The longest prefix wins. */
    for (size_t i = 0; i < net->n_routes; i++) {
        const struct route *r = &net->routes[i];
        compile_routed_origin(net, &r->dst, &r->via, 111 + r->dst.len, plan);
    }
    for (size_t i = 0; i < net->n_subnets && net->n_routes; i++) {
        const struct prefix *subnet = &net->subnets[i];
        compile_routed_origin(net, subnet, NULL, 111 + subnet->len, plan);
    }
}

void
compile_known_network(const struct network *net, struct plan *plan)
{
    uint64_t cookie = pipeline_cookie(COOKIE_NETWORK, net->vni);
    plan_add_flow(plan, TABLE_VNI, 100, cookie,
                  "tun_id=%"PRIu32" actions=set_field:%"PRIu32"->"NET","
                  "set_field:%"PRIu32"->"DOMAIN",goto_table:%d", net->vni,
                  net->vni, net->domain, TABLE_LEARN);
    plan_add_group(plan, GROUP_MEMBERS(net->vni));
    plan_add_flow(plan, TABLE_REPLICATE, 100, cookie,
                  PEER"=0,"NET"=%"PRIu32" actions=move:NXM_NX_REG0[0..23]"
                  "->NXM_NX_TUN_ID[0..23],group:%"PRIu32, net->vni,
                  GROUP_MEMBERS(net->vni));
    compile_routed_origins(net, plan);
}

void
compile_known_peer(uint32_t id, struct plan *plan)
{
    uint64_t cookie = pipeline_cookie(COOKIE_PEER, id);
    plan_add_flow(plan, TABLE_ORIGIN, 110, cookie,
                  PEER"=%"PRIu32","OUT"=%"PRIu32",dl_dst="GATEWAY_MAC_TEXT
                  ",dl_src="ROUTED_MAC"/"ROUTED_MAC_MASK" "
                  "actions=goto_table:%d", id, id, TABLE_NEXTHOP);
    plan_add_flow(plan, TABLE_ORIGIN, 100, cookie,
                  PEER"=%"PRIu32","OUT"=%"PRIu32" actions=goto_table:%d", id,
                  id, TABLE_RESPOND);
}

void
compile_member(uint32_t vni, ofp_port_t port, struct plan *plan)
{
    plan_add_bucket(plan, GROUP_MEMBERS(vni), port);
}

/* The match alone, which is its key. */
static void
remote_match(const struct compile_remote *r, struct match *match)
{
    match_init_catchall(match);
    match_set_reg(match, 0, r->vni);
    if (!r->ip) {
        match_set_dl_dst(match, r->mac);
        match_set_default_packet_type(match);   /* As it is read back. */
    } else if (address_is_v4(r->ip)) {
        match_set_reg(match, 5, ntohl(in6_addr_get_mapped_ipv4(r->ip)));
    } else {
        ovs_be128 value;
        memcpy(&value, r->ip, sizeof value);
        match_set_xxreg(match, 2, ntoh128(value));
    }
}

static void
put_register(struct ofpbuf *ofpacts, enum mf_field_id id, uint64_t value)
{
    const struct mf_field *field = mf_from_id(id);
    union mf_value v = { .be64 = htonll(value) };
    if (field->n_bytes == 4) {
        v.be32 = htonl(value);
    }
    ofpact_put_set_field(ofpacts, field, &v, NULL);
}

void
compile_remote(const struct compile_remote *r, struct plan_flow *flow)
{
    uint64_t stub[16];
    struct ofpbuf ofpacts = OFPBUF_STUB_INITIALIZER(stub);
    put_register(&ofpacts, MFF_REG2, r->peer);
    if (r->ip) {
        put_register(&ofpacts, MFF_XREG0 + MAC_REGISTER,
                     eth_addr_to_uint64(r->mac));
    }
    struct match match;
    remote_match(r, &match);
    plan_flow_init(flow, r->ip ? TABLE_LOCATED : TABLE_LEARNED, 100,
                   pipeline_cookie(COOKIE_REMOTE,
                                   hash_mac(r->mac, 0, r->vni)
                                   % COOKIES_REMOTE),
                   &match, ofpacts.data, ofpacts.size);
    ofpbuf_uninit(&ofpacts);
}

bool
compile_remote_parse(const struct plan_flow *flow, struct compile_remote *r,
                     struct in6_addr *buf)
{
    struct match match, same;
    minimatch_expand(&flow->match, &match);
    *r = (struct compile_remote) { .vni = match.flow.regs[0] };
    if (flow->table == TABLE_LEARNED) {
        r->mac = match.flow.dl_dst;
    } else if (flow->table == TABLE_LOCATED) {
        ovs_be128 value = hton128(flow_get_xxreg(&match.flow, 2));
        r->ip = buf;
        if (match.wc.masks.regs[5]) {
            in6_addr_set_mapped_ipv4(buf, htonl(match.flow.regs[5]));
        } else {
            memcpy(buf, &value, sizeof *buf);
        }
    } else {
        return false;
    }
    remote_match(r, &same);
    return flow->priority == 100 && match_equal(&match, &same);
}
