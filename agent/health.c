/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "agent/health.h"

#include <stdlib.h>
#include "openvswitch/dynamic-string.h"
#include "overlay/address.h"
#include "overlay/verdict.h"
#include "packets.h"
#include "timeval.h"
#include "util.h"

static void look_at_switch(const struct agent *, struct svec *problems);
static void look_at_parts(const struct agent *, struct svec *problems);
static void look_at_shared(const struct agent *, struct svec *problems);
static void look_at_tunnels(const struct agent *, struct health *);
static void look_at_self(const struct agent *, struct health *);
static void look_at_endpoints(const struct agent *, struct health *);

void
health_look(const struct agent *a, struct health *h)
{
    *h = (struct health) { .problems = SVEC_EMPTY_INITIALIZER };
    look_at_switch(a, &h->problems);
    look_at_parts(a, &h->problems);
    if (a->shared) {
        look_at_shared(a, &h->problems);
    }
    look_at_tunnels(a, h);
    look_at_self(a, h);
    look_at_endpoints(a, h);
}

void
health_finish(struct health *h)
{
    svec_destroy(&h->problems);
}

static void
look_at_switch(const struct agent *a, struct svec *problems)
{
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
}

/* 'problem' may be NULL. */
static void
add_problem(struct svec *problems, const char *prefix, const char *problem)
{
    if (problem) {
        svec_add_nocopy(problems, xasprintf("%s%s", prefix, problem));
    }
}

static void
look_at_parts(const struct agent *a, struct svec *problems)
{
    add_problem(problems, "", directory_refusal(a->directory));
    add_problem(problems, "the switch refused a change: ",
                ofswitch_error(a->sw));
    add_problem(problems, "way out: ", external_problem(a->external));
    add_problem(problems, "no limit for the networks' connections: ",
                zones_problem(a->zones));
    if (a->underlay) {
        add_problem(problems, "", underlay_problem(a->underlay));
    }
    char *lost = upcalls_problem(a->upcalls);
    add_problem(problems, "", lost);
    free(lost);
}

static void
look_at_shared(const struct agent *a, struct svec *problems)
{
    size_t n = registrar_unpublished(shared_registrar(a->shared));
    if (!shared_connected(a->shared)) {
        svec_add_nocopy(problems, xasprintf(
            "no connection to the directory %s; what is known of it stays in "
            "force", a->settings->directory));
    }
    add_problem(problems, "", shared_problem(a->shared));
    if (n) {
        svec_add_nocopy(problems, xasprintf(
            "%"PRIuSIZE" endpoints of this host are not yet published", n));
    }
    size_t peers = shared_held_peers(a->shared);
    size_t others = remotes_held(a->remotes);
    if (peers || others) {
        svec_add_nocopy(problems, xasprintf(
            "held in force: %"PRIuSIZE" peers and %"PRIuSIZE" endpoints of "
            "other hosts, gone from the directory at once; if that is meant, "
            "\"weft directory accept\"", peers, others));
    }
}

/* The routes, as a userspace datapath goes by them: Open vSwitch (3.1) knows
 * no metrics, and of several to one prefix takes that of which the kernel
 * tells last. */
struct routes {
    struct rtnl_route *a;
    size_t n, allocated;
    bool read;
};

static void
add_route(const struct rtnl_route *r, void *routes_)
{
    struct routes *routes = routes_;
    if (r->type && r->type != RTN_UNICAST) {
        return;
    } else if (routes->n >= routes->allocated) {
        routes->a = x2nrealloc(routes->a, &routes->allocated,
                               sizeof *routes->a);
    }
    routes->a[routes->n++] = *r;
}

/* The ifindex; 0 if there is none. */
static int
way_of_switch(const struct agent *a, struct routes *routes,
              const struct in6_addr *address)
{
    const struct rtnl_route *way = NULL;
    if (!routes->read) {
        routes->read = true;
        (void) rtnl_routes_dump(kernel_rtnl(a->kernel), add_route, routes);
    }
    for (size_t i = 0; i < routes->n; i++) {
        const struct rtnl_route *r = &routes->a[i];
        if (prefix_contains(&r->dst, address)
            && (!way || r->dst.len >= way->dst.len)) {
            way = r;
        }
    }
    return way ? way->oif : 0;
}

/* The way to 'address' by the routes of this host, and whether it is known
 * ('probed') that somebody is at its end.  '*via' is an interface's name or an
 * address, in 'text'. */
static enum verdict_reach
find_reach(const struct agent *a, struct routes *routes,
           const struct in6_addr *address, enum verdict_reach probed,
           struct ds *text, const char **via)
{
    struct rtnl *rtnl = kernel_rtnl(a->kernel);
    struct rtnl_link phy, link;
    struct in6_addr hop;
    int oif;
    if (rtnl_route_get(rtnl, address, &oif, &hop)) {
        return REACH_NO_ROUTE;
    } else if (a->underlay
               && !rtnl_link_get(rtnl, SETTINGS_UNDERLAY_BRIDGE, &phy)
               && (oif = way_of_switch(a, routes, address)) != phy.ifindex
               && !rtnl_link_get_index(rtnl, oif, &link)) {
        ds_put_cstr(text, link.name);
        *via = ds_cstr(text);
        return REACH_ELSEWHERE;
    } else if (!ipv6_addr_equals(&hop, address)) {
        address_format(&hop, text);
        *via = ds_cstr(text);
        /* A gateway that is there does not prove it of what is beyond. */
        return probed == REACH_SILENT ? REACH_SILENT : REACH_UNKNOWN;
    }
    return probed;
}

/* Why BFD to 'peer', of which 't' tells, is not up.  Owned. */
static char *
why_down(const struct agent *a, struct routes *routes, const struct peer *peer,
         const struct tunnel_status *t)
{
    const struct peer *self = directory_self(a->directory);
    struct ds address = DS_EMPTY_INITIALIZER;
    address_format(&peer->address, &address);
    struct verdict_tunnel v = {
        .address = ds_cstr(&address),
        .v6 = !address_is_v4(&peer->address),
        .other_family = (self && address_is_v4(&peer->address)
                         != address_is_v4(&self->address)),
        .udp_port = t->dst_port,
        .port = t->port,
        .error = t->broken ? t->reason : NULL,
        .hears = t->bfd == BFD_INIT,
        .counted = t->counted,
        .sent = t->sent,
        .received = t->received,
        .up_ago = t->up_until ? time_msec() - t->up_until : -1,
    };
    struct ds via = DS_EMPTY_INITIALIZER;
    v.reach = find_reach(a, routes, &peer->address, t->reach, &via, &v.via);
    char *why = verdict_tunnel(&v);
    ds_destroy(&via);
    ds_destroy(&address);
    return why;
}

static void
look_at_tunnels(const struct agent *a, struct health *h)
{
    const struct peerlist *list = directory_list(a->directory);
    if (!list) {
        return;
    }
    struct routes routes = { .n = 0 };
    struct shash_node *node;
    SHASH_FOR_EACH (node, &list->peers) {
        if (node->data == directory_self(a->directory)) {
            continue;
        }
        struct tunnel_status t;
        tunnels_status(a->tunnels, node->name, &t);
        if (!t.wanted && a->shared) {
            continue;               /* No network in common. */
        }
        h->n_tunnels++;
        if (t.bfd == BFD_UP) {
            h->tunnels_up++;
        } else {
            char *why = why_down(a, &routes, node->data, &t);
            svec_add_nocopy(&h->problems, xasprintf(
                "BFD is down to %s: %s (traffic is sent anyway)", node->name,
                why));
            free(why);
        }
    }
    free(routes.a);
}

/* The address that the others send to need not be one of this host's: there
 * may be a router that translates it.  If tunnels are down, it may be why. */
static void
look_at_self(const struct agent *a, struct health *h)
{
    const struct peer *self = directory_self(a->directory);
    if (!self || h->tunnels_up == h->n_tunnels
        || kernel_owns(a->kernel, &self->address)) {
        return;
    }
    struct ds address = DS_EMPTY_INITIALIZER;
    address_format(&self->address, &address);
    svec_add_nocopy(&h->problems, xasprintf(
        "peers send to %s, which no interface of this host has: %s, unless "
        "a router translates it", ds_cstr(&address),
        (a->shared ? "start weftd with another --address"
         : "change its address in the peer list")));
    ds_destroy(&address);
}

static void
look_at_endpoints(const struct agent *a, struct health *h)
{
    h->n_endpoints = endpoints_count(a->endpoints, &h->endpoints_up);
    if (h->endpoints_up < h->n_endpoints) {
        svec_add_nocopy(&h->problems, xasprintf(
            "%"PRIuSIZE" of %"PRIuSIZE" endpoints are not up: see "
            "\"weft endpoint list\"", h->n_endpoints - h->endpoints_up,
            h->n_endpoints));
    }
}
