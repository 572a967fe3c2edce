/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "agent/agent.h"

#include <stdarg.h>
#include <stdlib.h>
#include "agent/networks.h"
#include "dirs.h"
#include "netlink-socket.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "overlay/address.h"
#include "overlay/compile.h"
#include "packets.h"
#include "svec.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(agent);

/* How long another one may hold the lock: long enough for one that is being
 * replaced to go. */
enum { CONTENDED_MAX_MS = 2000, MOVED_ADDRESSES_MAX = 64 };

static void run_database(struct agent *);
static void compose(struct agent *);
static void update_mtu(struct agent *);

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

static void
port_changed(const struct switchdb_port *port, void *a_)
{
    struct agent *a = a_;
    switch (port->kind) {
    case SWITCHDB_ENDPOINT:
        endpoints_port_changed(a->endpoints, port);
        break;
    case SWITCHDB_TUNNEL:
        tunnels_port_changed(a->tunnels, port);
        break;
    case SWITCHDB_EXTERNAL:
        external_port_changed(a->external, port);
        break;
    case SWITCHDB_BROKEN:
        if (!endpoints_port_broken(a->endpoints, port->name)) {
            agent_report(a, "port %s has external_ids that are not whole: "
                         "left alone", port->name);
        }
        break;
    }
    if (port->ofport && a->connecting && !ofswitch_connected(a->sw)) {
        ofswitch_connect(a->sw);    /* vswitchd is back. */
    }
}

static void
port_gone(const struct switchdb_port *port, void *a_)
{
    struct agent *a = a_;
    if (port->kind == SWITCHDB_ENDPOINT) {
        endpoints_port_gone(a->endpoints, port);
    } else if (port->kind == SWITCHDB_EXTERNAL) {
        external_port_gone(a->external);
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
    if (!success) {
        tunnels_retry(a->tunnels);
    }
    endpoints_txn_done(a->endpoints, success);
}

static void
flows_wanted(struct plan *plan, void *a_)
{
    struct agent *a = a_;
    compile_static(plan);
    struct shash_node *node;
    SHASH_FOR_EACH (node, &a->networks) {
        plan_merge(plan, node->data);
    }
    plan_merge(plan, &a->external_share);
    tunnels_wanted(a->tunnels, plan);
    endpoints_wanted(a->endpoints, plan);
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
    if (a->underlay
        && (!strcmp(link->name, SETTINGS_UNDERLAY_BRIDGE)
            || !strcmp(link->name, a->settings->underlay))) {
        underlay_changed(a->underlay);
    }
    a->mtu_unknown = (a->mtu_unknown || !a->underlay_ifindex
                      || link->ifindex == a->underlay_ifindex);
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
addresses_event(void *a_)
{
    struct agent *a = a_;
    directory_reread(a->directory);
    if (a->underlay) {
        underlay_changed(a->underlay);
    }
    a->mtu_unknown = true;
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

static void
rules_changed(void *a_)
{
    struct agent *a = a_;
    external_rules_changed(a->external);
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
    endpoints_set_list(a->endpoints, new, &a->slots);
    gateway_set_list(a->gateway, new);
    a->zones_unknown = true;
    a->mtu_unknown = true;
}

void
agent_init(struct agent *a, const struct settings *settings,
           struct event_base *base)
{
    static const struct kernel_events kernel_events = {
        .link = link_event,
        .overrun = links_unknown,
        .addresses = addresses_event,
    };
    static const struct switchdb_events db_events = {
        .port_changed = port_changed,
        .port_gone = port_gone,
        .bridge_changed = bridge_changed,
        .cfg_done = cfg_done,
        .txn_done = txn_done,
    };
    static const struct ofswitch_events sw_events = {
        .wanted = flows_wanted,
        .acked = flows_acked,
        .repaired = flows_repaired,
        .packet = packet_came,
    };
    static const struct tunnels_ops tunnels_ops = {
        .report = agent_report,
    };
    static const struct external_ops external_ops = {
        .report = agent_report,
        .changed = external_changed,
    };
    static const struct endpoints_ops endpoints_ops = {
        .report = agent_report,
        .publishes_changed = publishes_changed,
    };
    static const struct directory_ops directory_ops = {
        .owned = get_owned,
        .served = get_served,
        .changed = list_changed,
    };

    *a = (struct agent) {
        .settings = settings,
        .base = base,
        .contended_since = LLONG_MAX,
    };
    shash_init(&a->networks);
    simap_init(&a->slots);
    a->kernel = kernel_create(base, &kernel_events, a);
    a->reaper = reaper_create();
    a->db = switchdb_create(settings->db, settings->bridge, &db_events, a);
    char *target = xasprintf("unix:%s/%s.mgmt", ovs_rundir(),
                             settings->bridge);
    a->sw = ofswitch_create(target, &sw_events, a);
    free(target);
    a->tunnels = tunnels_create(a->db, a->sw, &tunnels_ops, a);
    a->endpoints = endpoints_create(settings->bridge, a->db, a->sw, a->kernel,
                                    a->reaper, &endpoints_ops, a);
    plan_init(&a->external_share);
    a->external = external_create(settings->bridge, a->db, a->kernel,
                                  &external_ops, a);
    a->rules_monitor = firewall_monitor_create(base, rules_changed, a);
    a->zones = zones_create();
    a->gateway = gateway_create(a->endpoints, a->sw);
    if (settings->underlay) {
        a->underlay = underlay_create(settings->underlay,
                                      SETTINGS_UNDERLAY_BRIDGE, a->db,
                                      a->kernel);
    }
    a->directory = directory_create(settings->directory, settings->name, base,
                                    &directory_ops, a);
}

void
agent_finish(struct agent *a)
{
    gateway_destroy(a->gateway);
    zones_destroy(a->zones);
    firewall_monitor_destroy(a->rules_monitor);
    external_destroy(a->external);
    plan_finish(&a->external_share);
    endpoints_destroy(a->endpoints);
    tunnels_destroy(a->tunnels);
    directory_destroy(a->directory);
    underlay_destroy(a->underlay);
    ofswitch_destroy(a->sw);
    switchdb_destroy(a->db);
    reaper_destroy(a->reaper);
    kernel_destroy(a->kernel);
    struct shash_node *node;
    SHASH_FOR_EACH (node, &a->networks) {
        plan_finish(node->data);
    }
    shash_destroy_free_data(&a->networks);
    simap_destroy(&a->slots);
    free(a->owned);
    free(a->clean_error);
    for (size_t i = 0; i < a->n_reports; i++) {
        free(a->reports[i].text);
    }
}

void
agent_run(struct agent *a)
{
    if (a->adopted) {
        /* Not before it is known which addresses were moved to br-phy, and
         * which peers are served. */
        directory_run(a->directory);
    }
    run_database(a);
    endpoints_run(a->endpoints);
    if (a->publishes_unknown && directory_list(a->directory)) {
        networks_update_publishes(a);
    }
    if (a->adopted && !a->leaving) {
        external_run(a->external);
    }
    gateway_run(a->gateway);
    if (a->mtu_unknown) {
        update_mtu(a);
    }
    /* A switch that was never read is not touched before the list is known:
     * what would be removed then might be right. */
    bool foreign = switchdb_bridge_state(a->db, "") == BRIDGE_FOREIGN;
    if (foreign && a->connecting) {
        a->connecting = false;
        ofswitch_disconnect(a->sw);
    }
    if (a->adopted && directory_list(a->directory) && !a->connecting
        && !foreign) {
        a->connecting = true;
        ofswitch_connect(a->sw);
    }
    ofswitch_run(a->sw);
    if (a->zones_unknown && a->datapath && ofswitch_connected(a->sw)) {
        a->zones_unknown = false;
        zones_set(a->zones, &a->slots, a->datapath);
    }
    zones_run(a->zones);
    if (!ofswitch_connected(a->sw)) {
        a->zones_unknown = true;    /* It is another vswitchd then. */
        endpoints_switch_lost(a->endpoints);
    }

    bool composing = switchdb_begin(a->db);
    if (composing) {
        compose(a);
    }
    uint64_t seqno = switchdb_commit(a->db);
    if (composing) {
        endpoints_composed(a->endpoints, seqno);
    }
    seqno = ofswitch_commit(a->sw);
    endpoints_flows_sent(a->endpoints, seqno);
    if (ofswitch_synced(a->sw)) {
        /* Nothing is on its way: what was to be sent is in force already, by
         * a comparison that ended just now. */
        endpoints_flows_acked(a->endpoints, seqno);
    }
}

void
agent_wait(struct agent *a)
{
    if (a->adopted) {
        directory_wait(a->directory);
    }
    switchdb_wait(a->db);
    ofswitch_wait(a->sw);
    endpoints_wait(a->endpoints);
    gateway_wait(a->gateway);
    zones_wait(a->zones);
    if (a->adopted && !a->leaving) {
        external_wait(a->external);
    }
    if (a->contended_since != LLONG_MAX) {
        poll_timer_wait_until(a->contended_since + CONTENDED_MAX_MS);
    }
}

void
agent_report(void *a_, const char *format, ...)
{
    struct agent *a = a_;
    va_list args;
    va_start(args, format);
    char *text = xvasprintf(format, args);
    va_end(args);

    VLOG_WARN("%s", text);
    if (a->n_reports == REPORTS_MAX) {
        free(a->reports[0].text);
        memmove(a->reports, a->reports + 1,
                --a->n_reports * sizeof *a->reports);
    }
    a->reports[a->n_reports++] = (struct report) { time_msec(), text };
}

void
agent_problems(struct agent *a, struct svec *problems)
{
    const char *refusal = directory_refusal(a->directory);
    if (!switchdb_connected(a->db)) {
        svec_add_nocopy(problems, xasprintf(
            "no connection to the database %s: is ovsdb-server running?",
            a->settings->db));
    } else if (!a->datapath) {
        svec_add(problems, "ovs-vswitchd has not said what it can do: is it "
                 "running?");
    } else if (switchdb_bridge_state(a->db, a->datapath) == BRIDGE_FOREIGN) {
        svec_add_nocopy(problems, xasprintf(
            "bridge %s exists and is not Weft's: rename it, or give another "
            "--bridge", a->settings->bridge));
    } else if (a->connecting && !ofswitch_connected(a->sw)) {
        svec_add_nocopy(problems, xasprintf(
            "no OpenFlow connection to bridge %s: is ovs-vswitchd running?",
            a->settings->bridge));
    }
    if (refusal) {
        svec_add(problems, refusal);
    }
    if (ofswitch_error(a->sw)) {
        svec_add_nocopy(problems, xasprintf("the switch refused a change: %s",
                                            ofswitch_error(a->sw)));
    }
    if (external_problem(a->external)) {
        svec_add_nocopy(problems, xasprintf("way out: %s",
                                            external_problem(a->external)));
    }
    if (zones_problem(a->zones)) {
        svec_add_nocopy(problems, xasprintf(
            "no limit for the networks' connections: %s",
            zones_problem(a->zones)));
    }
    if (a->underlay && underlay_problem(a->underlay)) {
        svec_add(problems, underlay_problem(a->underlay));
    }

    const struct peerlist *list = directory_list(a->directory);
    struct shash_node *node;
    if (list) {
        SHASH_FOR_EACH (node, &list->peers) {
            struct tunnel_status t;
            tunnels_status(a->tunnels, node->name, &t);
            if (node->data != directory_self(a->directory)
                && t.bfd != BFD_UP) {
                svec_add_nocopy(problems, xasprintf(
                    "peer %s: BFD is not up%s%s (traffic is sent anyway)",
                    node->name, t.reason ? ": " : "",
                    t.reason ? t.reason : ""));
            }
        }
    }
    size_t n_up;
    size_t n = endpoints_count(a->endpoints, &n_up);
    if (n_up < n) {
        svec_add_nocopy(problems, xasprintf(
            "%"PRIuSIZE" of %"PRIuSIZE" endpoints are not up: see "
            "\"weft endpoint list\"", n - n_up, n));
    }
}

static void
ignore_end(void *aux OVS_UNUSED, int item OVS_UNUSED,
           const char *error OVS_UNUSED)
{
}

void
agent_clean(struct agent *a)
{
    struct sset names = SSET_INITIALIZER(&names);
    endpoints_names(a->endpoints, NULL, &names);
    const char *name;
    SSET_FOR_EACH (name, &names) {
        struct endpoints_waiter w = { ignore_end, NULL, 0 };
        endpoints_detach(a->endpoints, name, &w);
    }
    sset_destroy(&names);
    a->leaving = true;
}

bool
agent_is_clean(struct agent *a, char **errorp)
{
    enum switchdb_bridge state
        = switchdb_bridge_state(a->db, a->datapath ? a->datapath : "");
    if (!a->cleaned || (state != BRIDGE_ABSENT && state != BRIDGE_FOREIGN)) {
        return false;
    }
    *errorp = a->clean_error;
    a->clean_error = NULL;
    return true;
}

static bool
kernel_has_openvswitch(void)
{
    int family;
    return !nl_lookup_genl_family("ovs_datapath", &family);
}

static void
decide_datapath(struct agent *a)
{
    const char *wish = a->settings->datapath;
    if (!strcmp(wish, "netdev") || !strcmp(wish, "system")) {
        a->datapath = wish;
    } else if (switchdb_has_datapath(a->db, "netdev")) {
        a->datapath = (switchdb_has_datapath(a->db, "system")
                       && kernel_has_openvswitch() ? "system" : "netdev");
        VLOG_INFO("datapath auto: %s", a->datapath);
    } else {
        return;
    }
    endpoints_set_netdev(a->endpoints, !strcmp(a->datapath, "netdev"));
    external_set_netdev(a->external, !strcmp(a->datapath, "netdev"));
    if (a->underlay && strcmp(a->datapath, "netdev")) {
        ovs_fatal(0, "--underlay=%s is only for the netdev datapath; the "
                  "datapath here is %s", a->settings->underlay, a->datapath);
    }
}

static void
run_database(struct agent *a)
{
    switchdb_run(a->db);

    if (!switchdb_contended(a->db)) {
        a->contended_since = LLONG_MAX;
    } else if (a->contended_since == LLONG_MAX) {
        a->contended_since = time_msec();
    } else if (time_msec() >= a->contended_since + CONTENDED_MAX_MS) {
        ovs_fatal(0, "another weftd serves bridge %s in %s: stop it, or give "
                  "another --bridge", a->settings->bridge, a->settings->db);
    }
    if (!switchdb_ready(a->db)) {
        return;
    }
    if (!a->datapath) {
        decide_datapath(a);
    }
    if (a->underlay) {
        underlay_run(a->underlay);
    }
    if (!a->adopted) {
        a->adopted = true;
        endpoints_sweep(a->endpoints);
        poll_immediate_wake();
    }
}

/* When nothing is attached any more, the bridges go. */
static void
compose_cleanup(struct agent *a)
{
    size_t n_up;
    endpoints_compose(a->endpoints);
    if (a->cleaned || endpoints_count(a->endpoints, &n_up)) {
        return;
    }
    a->cleaned = true;
    external_cleanup(a->external);
    if (switchdb_bridge_state(a->db, "") != BRIDGE_FOREIGN) {
        switchdb_del_bridge(a->db, a->settings->bridge);
    }
    if (a->underlay) {
        a->clean_error = underlay_restore(a->underlay);
        switchdb_del_bridge(a->db, SETTINGS_UNDERLAY_BRIDGE);
    }
}

/* What waits goes into the transaction that is open. */
static void
compose(struct agent *a)
{
    if (a->leaving) {
        compose_cleanup(a);
        return;
    } else if (!a->datapath) {
        return;
    }
    const struct peer *self = directory_self(a->directory);
    switch (switchdb_bridge_state(a->db, a->datapath)) {
    case BRIDGE_ABSENT:
    case BRIDGE_WRONG:
        if (self) {
            if (a->had_bridge) {
                agent_report(a, "bridge %s was deleted or changed: put right",
                             a->settings->bridge);
                a->had_bridge = false;
            }
            switchdb_put_bridge(a->db, self->name, a->datapath);
        }
        break;
    case BRIDGE_FOREIGN:
        return;                     /* agent_problems() says so. */
    case BRIDGE_OURS:
        a->had_bridge = true;
        tunnels_compose(a->tunnels);
        external_compose(a->external);
        endpoints_compose(a->endpoints);
        break;
    }
    if (a->underlay) {
        underlay_compose(a->underlay);
    }
}

/* What the underlay leaves: of the interface that has our address, less the
 * overhead to the peers. */
static void
update_mtu(struct agent *a)
{
    const struct peerlist *list = directory_list(a->directory);
    const struct peer *self = directory_self(a->directory);
    a->mtu_unknown = false;
    if (!list) {
        return;
    }
    bool v6 = false;
    struct shash_node *node;
    SHASH_FOR_EACH (node, &list->peers) {
        const struct peer *peer = node->data;
        v6 = v6 || !address_is_v4(&peer->address);
    }
    int underlay = kernel_underlay_mtu(a->kernel, &self->address,
                                       &a->underlay_ifindex);
    if (underlay) {
        int was = a->mtu;
        a->mtu = MAX(underlay - (v6 ? VXLAN_OVERHEAD_IPV6
                                 : VXLAN_OVERHEAD_IPV4), MTU_MIN);
        endpoints_set_mtu(a->endpoints, a->mtu);
        external_set_mtu(a->external, a->mtu);
        gateway_set_mtu(a->gateway, a->mtu);
        if (a->mtu != was) {
            networks_update(a);
        }
    }
}
