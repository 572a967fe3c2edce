/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "agent/remotes-store.h"

#include <stdlib.h>
#include "openvswitch/vlog.h"
#include "overlay/address.h"
#include "overlay/compile.h"
#include "packets.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(remotes_flows);

static void make_flow(const struct remote *, enum remote_flow,
                      struct plan_flow *);
static struct remote *find_flow(const struct remotes *,
                                const struct plan_flow *, enum remote_flow *);

/* Does another one, or the same again, have the flow's key by now? */
static bool
is_taken_over(const struct remotes *rs, const struct remote *r,
              enum remote_flow i)
{
    uint32_t vni = r->segment->vni;
    return (i == FLOW_MAC ? remotes_store_by_mac(rs, vni, r->mac, 0) != NULL
            : remotes_store_by_ip(rs, vni, &r->ips[i]) != NULL);
}

size_t
remotes_flows_send(struct remotes *rs, struct remote *r)
{
    uint8_t wanted = r->live ? remotes_flows_wanted(rs, r) : 0;
    size_t n = 0;
    for (enum remote_flow i = 0; i < N_FLOWS; i++) {
        uint8_t bit = 1u << i;
        if ((wanted ^ r->sent) & bit
            && (wanted & bit || r->live || !is_taken_over(rs, r, i))) {
            struct plan_flow flow;
            make_flow(r, i, &flow);
            ofswitch_flow(rs->sw, &flow, wanted & bit);
            plan_flow_finish(&flow);
            if (wanted & bit && i != FLOW_MAC) {
                neighbours_came(rs->neighbours, r->segment->vni, &r->ips[i],
                                r->mac);
            }
            n++;
        }
    }
    r->sent = wanted;
    return n;
}

void
remotes_flows_drop_stale(struct remotes *rs)
{
    if (hmap_is_empty(&rs->stale.flows) || time_msec() < rs->stale_at) {
        return;
    }
    const struct plan_flow *flow;
    HMAP_FOR_EACH (flow, node, &rs->stale.flows) {
        enum remote_flow which;
        if (!find_flow(rs, flow, &which)) {     /* Its row came meanwhile. */
            ofswitch_flow(rs->sw, flow, false);
        }
    }
    plan_clear(&rs->stale);
}

/* The one whose flow that is, and which of its flows; or NULL. */
static struct remote *
find_flow(const struct remotes *rs, const struct plan_flow *flow,
          enum remote_flow *which)
{
    struct compile_remote key;
    struct in6_addr ip;
    if (!compile_remote_parse(flow, &key, &ip)) {
        return NULL;
    }
    *which = (!key.ip ? FLOW_MAC : address_is_v4(key.ip) ? FLOW_IPV4
              : FLOW_IPV6);
    struct remote *r = (key.ip ? remotes_store_by_ip(rs, key.vni, key.ip)
                        : remotes_store_by_mac(rs, key.vni, key.mac, 0));
    return r && remotes_flows_wanted(rs, r) & 1u << *which ? r : NULL;
}

void
remotes_flows_forget_gone(struct remotes *rs)
{
    remotes_flows_update_members(rs);
    struct remote *r;
    LIST_FOR_EACH_SAFE (r, node, &rs->gone) {
        remotes_store_destroy(rs, r);
    }
}

void
remotes_reading(struct remotes *rs)
{
    struct remote *r;
    HMAP_FOR_EACH (r, mac_node, &rs->by_mac) {
        r->have = 0;
    }
    remotes_flows_forget_gone(rs);  /* Their flows are found, of nobody. */
    plan_clear(&rs->stale);
    rs->n_observed = 0;
}

bool
remotes_observed(struct remotes *rs, const struct plan_flow *flow)
{
    if (!pipeline_cookie_is_remote(flow->cookie)) {
        return false;
    }
    rs->n_observed++;
    enum remote_flow which;
    struct remote *r = find_flow(rs, flow, &which);
    if (!r) {
        struct plan_flow copy = plan_flow_clone(flow);
        plan_add_observed(&rs->stale, &copy);
        return true;
    }
    struct plan_flow wanted;
    make_flow(r, which, &wanted);
    if (plan_flow_same_body(flow, &wanted)) {
        r->have |= 1u << which;
    }                               /* Else it will be replaced. */
    plan_flow_finish(&wanted);
    return true;
}

/* Of how many endpoints are the flows? */
static size_t
count_macs(const struct plan *plan)
{
    size_t n = 0;
    const struct plan_flow *flow;
    HMAP_FOR_EACH (flow, node, &plan->flows) {
        n += flow->table == TABLE_LEARNED;
    }
    return n;
}

void
remotes_wanted(struct remotes *rs, struct plan *plan)
{
    size_t n_lacking = 0;
    remotes_flows_update_members(rs);
    struct remote *r;
    HMAP_FOR_EACH (r, mac_node, &rs->by_mac) {
        r->sent = r->have;
        if (remotes_flows_wanted(rs, r) != r->sent) {
            remotes_store_touch(rs, r);
            n_lacking++;
        }
    }
    struct shash_node *node;
    SHASH_FOR_EACH (node, &rs->hosts) {
        const struct host *host = node->data;
        const struct member *m;
        LIST_FOR_EACH (m, node, &host->members) {
            if (m->bucket) {
                compile_member(m->segment->vni, m->bucket, plan);
            }
        }
    }

    /* The first reading after a start may show that the directory has lost
     * much of what was in force before. */
    size_t n = hmap_count(&rs->stale.flows);
    VLOG_INFO("%"PRIuSIZE" endpoints of other hosts: %"PRIuSIZE" flows read, "
              "%"PRIuSIZE" of nobody, %"PRIuSIZE" endpoints lack some",
              hmap_count(&rs->by_mac), rs->n_observed, n, n_lacking);
    rs->stale_held = 0;
    if (!rs->trusted && n >= 2 * N_FLOWS && n * 2 > rs->n_observed) {
        VLOG_WARN("%"PRIuSIZE" of %"PRIuSIZE" flows for endpoints of other "
                  "hosts are of none that the directory has: left in force",
                  n, rs->n_observed);
        rs->stale_held = MAX(count_macs(&rs->stale), 1);
        plan_clear(&rs->stale);
    } else {
        /* After a start, who has lost his rows may not have put them back. */
        rs->stale_at = time_msec() + (rs->trusted ? 0 : REMOTES_PUT_BACK_MS);
        rs->trusted = true;
    }
    rs->trim = rs->trim || rs->n_observed >= REMOTES_TRIM_MIN;
}

/* The directory's rows are other hosts' words: an address that cannot be an
 * endpoint's of the network is nobody's. */
static bool
address_is_good(const struct network *net, const struct in6_addr *ip)
{
    const struct in6_addr *gateway;
    const struct prefix *subnet = network_subnet(net, ip, &gateway);
    return (subnet && !prefix_refuse_host(subnet, ip)
            && !(gateway && ipv6_addr_equals(gateway, ip)));
}

uint8_t
remotes_flows_wanted(const struct remotes *rs, const struct remote *r)
{
    const struct network *net = r->segment->net;
    const struct remote *first
        = r->part ? remotes_store_by_mac(rs, r->segment->vni, r->mac, 0) : r;
    if (!net || !first || first->host != r->host) {
        return 0;
    }
    uint8_t wanted = r->part ? 0 : 1u << FLOW_MAC;
    for (size_t i = 0; i < 2; i++) {
        if (ipv6_addr_is_set(&r->ips[i])
            && address_is_good(net, &r->ips[i])) {
            wanted |= 1u << i;
        }
    }
    return wanted;
}

static void
make_flow(const struct remote *r, enum remote_flow i, struct plan_flow *flow)
{
    const struct compile_remote share = {
        .vni = r->segment->vni,
        .peer = r->host->id,
        .mac = r->mac,
        .ip = i == FLOW_MAC ? NULL : &r->ips[i],
    };
    compile_remote(&share, flow);
}

static void
touch_member(struct remotes *rs, struct member *m)
{
    if (ovs_list_is_empty(&m->changed_node)) {
        ovs_list_push_back(&rs->changed, &m->changed_node);
    }
}

void
remotes_flows_touch_members(struct remotes *rs, const struct host *host)
{
    struct member *m;
    LIST_FOR_EACH (m, node, &host->members) {
        touch_member(rs, m);
    }
}

/* Adds its bucket to what it was and to what it is. */
static void
update_member(struct member *m, struct plan *old, struct plan *new)
{
    ofp_port_t bucket = m->n && m->segment->net ? m->host->ofport : 0;
    if (m->bucket) {
        compile_member(m->segment->vni, m->bucket, old);
    }
    if (bucket) {
        compile_member(m->segment->vni, bucket, new);
    }
    m->bucket = bucket;
}

/* Once for all that has happened in a turn of the loop: a bucket that goes and
 * comes back in one bundle is refused, because what comes is sent first. */
void
remotes_flows_update_members(struct remotes *rs)
{
    if (ovs_list_is_empty(&rs->changed)) {
        return;
    }
    struct plan old = PLAN_INITIALIZER(&old);
    struct plan new = PLAN_INITIALIZER(&new);
    struct member *m;
    LIST_FOR_EACH_POP (m, changed_node, &rs->changed) {
        ovs_list_init(&m->changed_node);
        update_member(m, &old, &new);
        if (!m->n) {
            ovs_list_remove(&m->node);
            free(m);
        }
    }
    ofswitch_change(rs->sw, &old, &new);
    plan_finish(&old);
    plan_finish(&new);
}

void
remotes_flows_count_member(struct remotes *rs, const struct remote *r, int n)
{
    struct member *m, *found = NULL;
    LIST_FOR_EACH (m, node, &r->host->members) {
        if (m->segment == r->segment) {
            found = m;
        }
    }
    if (!found) {
        found = xzalloc(sizeof *found);
        found->host = r->host;
        found->segment = r->segment;
        ovs_list_init(&found->changed_node);
        ovs_list_push_back(&r->host->members, &found->node);
    }
    found->n += n;
    r->segment->n += n;
    touch_member(rs, found);
    remotes_flows_update_need(rs, r->host);
}

void
remotes_flows_update_need(struct remotes *rs, struct host *host)
{
    bool needed = false;
    const struct member *m;
    LIST_FOR_EACH (m, node, &host->members) {
        needed = needed || (m->n && m->segment->used);
    }
    if (needed != host->needed) {
        host->needed = needed;
        tunnels_need(rs->tunnels, host->name, needed);
    }
}
