/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "agent/agent.h"

#include <stdarg.h>
#include <stdlib.h>
#include "agent/agent-events.h"
#include "agent/certificate.h"
#include "agent/mtu.h"
#include "agent/networks.h"
#include "dirs.h"
#include "netlink-socket.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(agent);

/* How long another one may hold the lock: long enough for one that is being
 * replaced to go. */
enum { CONTENDED_MAX_MS = 2000 };

static void run_database(struct agent *);
static void run_switch(struct agent *);
static void commit(struct agent *);

/* Where the list comes from. */
static void
create_source(struct agent *a)
{
    const struct settings *s = a->settings;
    a->directory = directory_create(s->shared ? "the directory" : s->directory,
                                    s->shared, &agent_directory_ops, a);
    if (!s->shared) {
        a->filewatch = filewatch_create(s->directory, s->name, a->base,
                                        a->directory, &agent_filewatch_ops, a);
        return;
    }
    char *name = (!s->name && s->certificate
                  ? certificate_name(s->certificate) : NULL);
    a->remotes = remotes_create(a->sw, a->tunnels);
    a->shared = shared_create(s->directory, name ? name : s->name, s->address,
                              a->directory, a->remotes, &agent_shared_ops, a);
    free(name);
    endpoints_set_registrar(a->endpoints, shared_registrar(a->shared));
    gateway_set_remotes(a->gateway, a->remotes);
}

void
agent_init(struct agent *a, const struct settings *settings,
           struct event_base *base)
{
    *a = (struct agent) {
        .settings = settings,
        .base = base,
        .contended_since = LLONG_MAX,
    };
    shash_init(&a->networks);
    simap_init(&a->slots);
    a->kernel = kernel_create(base, &agent_kernel_events, a);
    a->reaper = reaper_create();
    a->db = switchdb_create(settings->db, settings->bridge,
                            &agent_switchdb_events, a);
    char *target = xasprintf("unix:%s/%s.mgmt", ovs_rundir(),
                             settings->bridge);
    a->sw = ofswitch_create(target, settings->shared, &agent_ofswitch_events,
                            a);
    free(target);
    a->tunnels = tunnels_create(a->db, a->sw, settings->shared,
                                (settings->shared
                                 && !strcmp(settings->tunnels, "needed")),
                                &agent_tunnels_ops, a);
    a->endpoints = endpoints_create(settings->bridge, a->db, a->sw, a->kernel,
                                    a->reaper, &agent_endpoints_ops, a);
    plan_init(&a->external_share);
    a->external = external_create(settings->bridge, a->db, a->kernel,
                                  &agent_external_ops, a);
    a->rules_monitor = firewall_monitor_create(base, agent_rules_changed, a);
    a->zones = zones_create();
    a->upcalls = upcalls_create();
    a->portguard = portguard_create();
    a->gateway = gateway_create(a->endpoints, a->sw);
    if (settings->underlay) {
        a->underlay = underlay_create(settings->underlay,
                                      SETTINGS_UNDERLAY_BRIDGE, a->db,
                                      a->kernel);
    }
    create_source(a);
}

void
agent_finish(struct agent *a)
{
    gateway_destroy(a->gateway);
    zones_destroy(a->zones);
    upcalls_destroy(a->upcalls);
    portguard_destroy(a->portguard);
    firewall_monitor_destroy(a->rules_monitor);
    external_destroy(a->external);
    plan_finish(&a->external_share);
    endpoints_destroy(a->endpoints);
    shared_destroy(a->shared);
    remotes_destroy(a->remotes);
    tunnels_destroy(a->tunnels);
    filewatch_destroy(a->filewatch);
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
    reports_finish(&a->reports);
}

void
agent_run(struct agent *a)
{
    if (a->adopted) {
        /* Not before it is known which addresses were moved to br-phy, and
         * which peers are served. */
        if (a->shared) {
            shared_run(a->shared);
        } else {
            filewatch_run(a->filewatch);
        }
    }
    run_database(a);
    tunnels_run(a->tunnels);
    endpoints_run(a->endpoints);
    if (a->publishes_unknown && directory_list(a->directory)) {
        networks_update_publishes(a);
    }
    if (a->adopted && !a->leaving) {
        external_run(a->external);
        if (portguard_run(a->portguard)) {
            agent_report(a, "somebody changed the table inet weft-ports of "
                         "nftables: put right");
        }
    }
    gateway_run(a->gateway);
    if (a->datapath && !strcmp(a->datapath, "system")) {
        upcalls_run(a->upcalls);
    }
    if (a->mtu_unknown) {
        mtu_update(a);
    }
    run_switch(a);
    if (a->remotes) {
        remotes_run(a->remotes);
    }
    commit(a);
}

void
agent_wait(struct agent *a)
{
    if (a->adopted) {
        if (a->shared) {
            shared_wait(a->shared);
            remotes_wait(a->remotes);
        } else {
            filewatch_wait(a->filewatch);
        }
    }
    switchdb_wait(a->db);
    ofswitch_wait(a->sw);
    tunnels_wait(a->tunnels);
    endpoints_wait(a->endpoints);
    gateway_wait(a->gateway);
    zones_wait(a->zones);
    upcalls_wait(a->upcalls);
    if (a->underlay) {
        underlay_wait(a->underlay);
    }
    if (a->adopted && !a->leaving) {
        external_wait(a->external);
        portguard_wait(a->portguard);
    }
    if (a->contended_since != LLONG_MAX) {
        poll_timer_wait_until(a->contended_since + CONTENDED_MAX_MS);
    }
}

void
agent_reread(struct agent *a)
{
    if (a->filewatch) {
        filewatch_reread(a->filewatch);
    }
}

char *
agent_accept(struct agent *a)
{
    char *error = directory_accept(a->directory);
    bool held = a->shared && (shared_held_peers(a->shared)
                              || remotes_held(a->remotes));
    if (a->shared && (held || !error)) {
        shared_accept(a->shared);
    }
    if (held) {
        free(error);                /* It was something else. */
        error = NULL;
    }
    return error;
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
    reports_add(&a->reports, text, time_msec());
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
    if (a->shared) {
        shared_leave(a->shared);
    }
}

bool
agent_is_clean(struct agent *a, char **errorp)
{
    enum switchdb_bridge state
        = switchdb_bridge_state(a->db, a->datapath ? a->datapath : "");
    if (!a->cleaned || (state != BRIDGE_ABSENT && state != BRIDGE_FOREIGN)
        || (a->shared && !shared_has_left(a->shared))) {
        return false;
    } else if (a->shared && !shared_connected(a->shared)
               && !a->clean_error) {
        a->clean_error = xasprintf(
            "all is removed here, but the directory does not answer and still "
            "has what this host published: \"weft peer remove %s\" takes it "
            "out", shared_host(a->shared));
    }
    *errorp = a->clean_error;
    a->clean_error = NULL;
    return true;
}

struct compile_mode
agent_mode(const struct agent *a)
{
    return (struct compile_mode) {
        .known = a->settings->shared,
        .kernel = a->datapath && !strcmp(a->datapath, "system"),
    };
}

static bool
kernel_has_openvswitch(void)
{
    int family = 0;                 /* Not 0 would be taken as known. */
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
    portguard_want(a->portguard, !strcmp(a->datapath, "netdev"));
    if (directory_list(a->directory)) {     /* Compiled for the other one. */
        networks_update(a);
        endpoints_set_list(a->endpoints, directory_list(a->directory),
                           &a->slots);
    }
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

static void
run_switch(struct agent *a)
{
    /* A switch that was never read is not touched before the list is known:
     * what would be removed then might be right. */
    bool foreign = switchdb_bridge_state(a->db, "") == BRIDGE_FOREIGN;
    if (foreign && a->connecting) {
        a->connecting = false;
        ofswitch_disconnect(a->sw);
    }
    if (a->adopted && a->datapath && directory_list(a->directory)
        && !a->connecting && !foreign) {
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
    portguard_cleanup(a->portguard);
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
        return;                     /* health_look() says so. */
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

/* Sends all that waits: one transaction, one bundle. */
static void
commit(struct agent *a)
{
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
