/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "agent/agent-events.h"

#include <stdlib.h>
#include <string.h>
#include "agent/mtu.h"
#include "agent/networks.h"
#include "overlay/compile.h"
#include "overlay/ifname.h"
#include "packets.h"
#include "timeval.h"
#include "util.h"

enum {
    MOVED_ADDRESSES_MAX = 64,
    WRITE_RETRY_MS = 500,           /* What the database refused. */
};

static void
bridge_changed(void *a_)
{
    struct agent *a = a_;
    if (a->underlay) {
        underlay_changed(a->underlay);
    }
    if (a->connecting && !ofswitch_connected(a->sw)) {
        ofswitch_connect(a->sw);
    }
}

/* Is it a port of ours whose row says now that it is something else, or
 * nothing that can be read?  Then it is written again. */
static bool
is_mistaken(struct agent *a, const struct switchdb_port *port)
{
    bool is_tunnel = !strncmp(port->name, IFNAME_TUNNEL_PREFIX,
                              strlen(IFNAME_TUNNEL_PREFIX));
    return ((port->kind != SWITCHDB_ENDPOINT
             && endpoints_port_broken(a->endpoints, port->name))
            || (port->kind != SWITCHDB_TUNNEL && is_tunnel
                && tunnels_port_broken(a->tunnels, port->name))
            || (port->kind != SWITCHDB_EXTERNAL
                && external_port_broken(a->external, port->name)));
}

static void
port_changed(const struct switchdb_port *port, void *a_)
{
    struct agent *a = a_;
    if (port->ofport && a->connecting && !ofswitch_connected(a->sw)) {
        ofswitch_connect(a->sw);    /* vswitchd is back. */
    }
    if (is_mistaken(a, port)) {
        return;
    }
    switch (port->kind) {
    case SWITCHDB_ENDPOINT:
        endpoints_port_changed(a->endpoints, port);
        break;
    case SWITCHDB_TUNNEL:
        if (tunnels_port_changed(a->tunnels, port)) {
            a->mtu_unknown = true;  /* There is a route; no event told. */
        }
        break;
    case SWITCHDB_EXTERNAL:
        external_port_changed(a->external, port);
        break;
    case SWITCHDB_BROKEN:
        agent_report(a, "port %s has external_ids that are not whole: left "
                     "alone", port->name);
        break;
    }
}

static void
port_gone(const struct switchdb_port *port, void *a_)
{
    struct agent *a = a_;
    if (endpoints_find_port(a->endpoints, port->name)) {
        endpoints_port_gone(a->endpoints, port);    /* Whatever it says. */
    } else if (port->kind == SWITCHDB_EXTERNAL) {
        external_port_gone(a->external, port);
    } else if (port->kind == SWITCHDB_TUNNEL && !a->leaving) {
        tunnels_port_gone(a->tunnels, port);
    }
}

static void
cfg_done(int64_t cfg, void *a_)
{
    struct agent *a = a_;
    endpoints_cfg_done(a->endpoints, cfg);
    external_links_unknown(a->external);    /* It may wait for that. */
}

static void
txn_done(uint64_t seqno OVS_UNUSED, bool success, void *a_)
{
    struct agent *a = a_;
    const char *error = switchdb_error(a->db);
    if (!success) {
        tunnels_retry(a->tunnels);
        if (error) {                /* Full, say: it will be for a while. */
            a->write_at = time_msec() + WRITE_RETRY_MS;
        }
    }
    endpoints_txn_done(a->endpoints, success, error);
}

static void
flows_wanted(struct plan *plan, void *a_)
{
    struct agent *a = a_;
    struct compile_mode mode = agent_mode(a);
    compile_static(&mode, plan);
    struct shash_node *node;
    SHASH_FOR_EACH (node, &a->networks) {
        plan_merge(plan, node->data);
    }
    plan_merge(plan, &a->external_share);
    tunnels_wanted(a->tunnels, plan);
    endpoints_wanted(a->endpoints, plan);
    if (a->remotes) {
        remotes_wanted(a->remotes, plan);
    }
}

static void
flows_reading(void *a_)
{
    struct agent *a = a_;
    if (a->remotes) {
        remotes_reading(a->remotes);
    }
}

static bool
flow_observed(const struct plan_flow *flow, void *a_)
{
    struct agent *a = a_;
    return a->remotes && remotes_observed(a->remotes, flow);
}

static void
flows_acked(uint64_t seqno, void *a_)
{
    struct agent *a = a_;
    endpoints_flows_acked(a->endpoints, seqno);
}

static void
flows_repaired(size_t n, void *a)
{
    agent_report(a, "somebody changed flows or groups of ours: %"PRIuSIZE
                 " put right", n);
}

static void
packet_came(ofp_port_t port, uint32_t vni, uint32_t why, const void *frame,
            size_t size, void *a_)
{
    struct agent *a = a_;
    gateway_packet(a->gateway, port, vni, why, frame, size);
}

static void
link_event(const struct rtnl_link *link, bool deleted, void *a_)
{
    struct agent *a = a_;
    endpoints_link_changed(a->endpoints, link, deleted);
    external_link_changed(a->external, link);
    if (a->underlay) {
        underlay_link_changed(a->underlay, link);
    }
    a->mtu_unknown = a->mtu_unknown || mtu_counts(a, link->ifindex);
}

static void
links_unknown(void *a_)
{
    struct agent *a = a_;
    endpoints_links_unknown(a->endpoints);
    external_links_unknown(a->external);
    if (a->underlay) {
        underlay_changed(a->underlay);
    }
    a->mtu_unknown = true;
}

static void
port_counters(ofp_port_t port, uint64_t sent, uint64_t received, void *a_)
{
    struct agent *a = a_;
    tunnels_counters(a->tunnels, port, sent, received);
}

static bool
has_address(const struct in6_addr *addrs, size_t n, const struct in6_addr *a)
{
    for (size_t i = 0; i < n; i++) {
        if (ipv6_addr_equals(&addrs[i], a)) {
            return true;
        }
    }
    return false;
}

static void
get_owned(const struct in6_addr **addrs, size_t *n, void *a_)
{
    struct agent *a = a_;
    const struct in6_addr *kernel;
    size_t n_kernel;
    kernel_addresses(a->kernel, &kernel, &n_kernel);

    struct in6_addr moved[MOVED_ADDRESSES_MAX];
    size_t n_moved = (a->underlay
                      ? underlay_addresses(a->underlay, moved,
                                           ARRAY_SIZE(moved)) : 0);
    if (n_kernel + n_moved > a->allocated_owned) {
        a->allocated_owned = n_kernel + n_moved;
        a->owned = xrealloc(a->owned,
                            a->allocated_owned * sizeof *a->owned);
    }
    if (n_kernel) {
        memcpy(a->owned, kernel, n_kernel * sizeof *kernel);
    }
    a->n_owned = n_kernel;
    for (size_t i = 0; i < n_moved; i++) {
        /* Ordinarily the kernel has them: they are where they moved to. */
        if (!has_address(a->owned, a->n_owned, &moved[i])) {
            a->owned[a->n_owned++] = moved[i];
        }
    }
    *addrs = a->owned;
    *n = a->n_owned;
}

static void
addresses_event(void *a_)
{
    struct agent *a = a_;
    agent_reread(a);
    if (a->underlay) {
        underlay_changed(a->underlay);
    }
    if (a->shared) {
        const struct in6_addr *owned;
        size_t n;
        get_owned(&owned, &n, a);
        shared_addresses_changed(a->shared, owned, n);
    }
    tunnels_addresses_changed(a->tunnels);
    a->mtu_unknown = true;
}

static void
get_served(struct shash *peers, void *a_)
{
    struct agent *a = a_;
    tunnels_peers(a->tunnels, peers);
}

static void
external_changed(void *a_)
{
    struct agent *a = a_;
    networks_external_changed(a);
}

static void
publishes_changed(void *a_)
{
    struct agent *a = a_;
    a->publishes_unknown = true;
}

void
agent_rules_changed(void *a_)
{
    struct agent *a = a_;
    external_rules_changed(a->external);
    portguard_rules_changed(a->portguard);
    if (a->underlay) {
        underlay_rules_changed(a->underlay);
    }
}

static void
list_changed(const struct peerlist *old, const struct peerlist *new,
             const struct peer *self, void *a_)
{
    struct agent *a = a_;
    networks_set_list(a, old, new);
    tunnels_set_list(a->tunnels, new, self);
    if (a->underlay) {
        underlay_set_own(a->underlay, &self->address);
    }
    if (a->remotes) {
        remotes_set_list(a->remotes, new);
        shared_list_changed(a->shared);
    }
    endpoints_set_list(a->endpoints, new, &a->slots);
    gateway_set_list(a->gateway, new);
    a->zones_unknown = true;
    a->mtu_unknown = true;
}

static void
peer_changed(const char *name, const struct peer *peer, void *a_)
{
    struct agent *a = a_;
    const struct peer *self = directory_self(a->directory);
    if (self) {
        tunnels_set_peer(a->tunnels, name, peer, self);
        if (a->underlay) {
            underlay_set_own(a->underlay, &self->address);
        }
        a->mtu_unknown = true;
    }
}

static void
tunnel_changed(const char *peer, ofp_port_t port, void *a_)
{
    struct agent *a = a_;
    if (a->remotes) {
        remotes_tunnel_changed(a->remotes, peer, port);
    }
}

static bool
owns(const struct in6_addr *address, void *a_)
{
    const struct in6_addr *addrs;
    size_t n;
    get_owned(&addrs, &n, a_);
    return has_address(addrs, n, address);
}

static enum verdict_reach
probe(const struct in6_addr *remote, enum verdict_reach before, void *a_)
{
    struct agent *a = a_;
    return kernel_probe(a->kernel, remote, before);
}

static void
get_attached(struct sset *networks, void *a_)
{
    struct agent *a = a_;
    endpoints_networks(a->endpoints, networks);
}

static void
networks_changed(void *a_)
{
    struct agent *a = a_;
    if (a->shared) {
        shared_attached_changed(a->shared);
    }
}

static void
registered(const char *endpoint, enum registrar_state state, const char *text,
           void *a_)
{
    struct agent *a = a_;
    endpoints_registered(a->endpoints, endpoint, state, text);
}

const struct kernel_events agent_kernel_events = {
    .link = link_event,
    .overrun = links_unknown,
    .addresses = addresses_event,
};

const struct switchdb_events agent_switchdb_events = {
    .port_changed = port_changed,
    .port_gone = port_gone,
    .bridge_changed = bridge_changed,
    .cfg_done = cfg_done,
    .txn_done = txn_done,
};

const struct ofswitch_events agent_ofswitch_events = {
    .reading = flows_reading,
    .observed = flow_observed,
    .wanted = flows_wanted,
    .acked = flows_acked,
    .repaired = flows_repaired,
    .packet = packet_came,
    .counters = port_counters,
};

const struct tunnels_ops agent_tunnels_ops = {
    .report = agent_report,
    .owns = owns,
    .probe = probe,
    .port_changed = tunnel_changed,
};

const struct external_ops agent_external_ops = {
    .report = agent_report,
    .changed = external_changed,
};

const struct endpoints_ops agent_endpoints_ops = {
    .report = agent_report,
    .publishes_changed = publishes_changed,
    .networks_changed = networks_changed,
};

const struct directory_ops agent_directory_ops = {
    .served = get_served,
    .attached = get_attached,
    .changed = list_changed,
};

const struct filewatch_ops agent_filewatch_ops = {
    .owned = get_owned,
};

const struct shared_ops agent_shared_ops = {
    .attached = get_attached,
    .peer_changed = peer_changed,
    .registrar = { .changed = registered },
};
