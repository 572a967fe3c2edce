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
    add_problem(problems, "the host hears what endpoints send to all: ",
                portguard_problem(a->portguard));
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

/* How a userspace datapath sends its tunnels: Open vSwitch (3.1) reads the
 * routes and addresses that the kernel has.  Read once, and only if a tunnel
 * is down. */
struct ways {
    struct rtnl_route *routes;
    size_t n_routes, allocated_routes;
    struct rtnl_addr *addrs;        /* Of br-phy. */
    size_t n_addrs, allocated_addrs;
    int phy;                        /* Ifindex of br-phy; 0: not there. */
    bool read;
};

static void
add_route(const struct rtnl_route *r, void *ways_)
{
    struct ways *w = ways_;
    if (r->type && r->type != RTN_UNICAST) {
        return;
    } else if (w->n_routes >= w->allocated_routes) {
        w->routes = x2nrealloc(w->routes, &w->allocated_routes,
                               sizeof *w->routes);
    }
    w->routes[w->n_routes++] = *r;
}

static void
add_addr(const struct rtnl_addr *a, void *ways_)
{
    struct ways *w = ways_;
    if (a->ifindex != w->phy) {
        return;
    } else if (w->n_addrs >= w->allocated_addrs) {
        w->addrs = x2nrealloc(w->addrs, &w->allocated_addrs,
                              sizeof *w->addrs);
    }
    w->addrs[w->n_addrs++] = *a;
}

static void
read_ways(const struct agent *a, struct ways *w)
{
    struct rtnl *rtnl = kernel_rtnl(a->kernel);
    struct rtnl_link phy;
    if (!w->read && !rtnl_link_get(rtnl, SETTINGS_UNDERLAY_BRIDGE, &phy)) {
        w->phy = phy.ifindex;
        (void) rtnl_routes_dump(rtnl, add_route, w);
        (void) rtnl_addrs_dump(rtnl, add_addr, w);
    }
    w->read = true;
}

static void
free_ways(struct ways *w)
{
    free(w->routes);
    free(w->addrs);
}

/* It knows no metrics: of several routes to one prefix, the last counts. */
static const struct rtnl_route *
route_to(const struct ways *w, const struct in6_addr *address)
{
    const struct rtnl_route *best = NULL;
    for (size_t i = 0; i < w->n_routes; i++) {
        const struct rtnl_route *r = &w->routes[i];
        if (prefix_contains(&r->dst, address)
            && (!best || r->dst.len >= best->dst.len)) {
            best = r;
        }
    }
    return best;
}

static const struct in6_addr *
address_beside(const struct ways *w, const struct in6_addr *address)
{
    const struct prefix *best = NULL;
    for (size_t i = 0; i < w->n_addrs; i++) {
        const struct prefix *ip = &w->addrs[i].ip;
        if (prefix_contains(ip, address) && (!best || ip->len > best->len)) {
            best = ip;
        }
    }
    return best ? &best->addr : NULL;
}

/* The source of a tunnel of IPv6 by that route: options:local_ip is for IPv4
 * only.  NULL if there is none. */
static const struct in6_addr *
source_by(const struct ways *w, const struct rtnl_route *r)
{
    const struct in6_addr *source = address_beside(w, &r->dst.addr);
    return (source || !r->has_gateway ? source
            : address_beside(w, &r->gateway));
}

/* Does a userspace datapath send to 'address' as it should?  As find_reach(),
 * or REACH_UNKNOWN if so. */
static enum verdict_reach
look_at_way(const struct agent *a, const struct ways *w,
            const struct in6_addr *address, struct ds *text,
            const char **via)
{
    const struct peer *self = directory_self(a->directory);
    const struct rtnl_route *r = route_to(w, address);
    struct rtnl_link link;
    if (!w->phy || !r) {
        return REACH_UNKNOWN;
    } else if (r->oif != w->phy) {
        if (rtnl_link_get_index(kernel_rtnl(a->kernel), r->oif, &link)) {
            return REACH_UNKNOWN;
        }
        ds_put_cstr(text, link.name);
        *via = ds_cstr(text);
        return REACH_ELSEWHERE;
    }
    const struct in6_addr *source = source_by(w, r);
    if (source && !address_is_v4(address) && !address_is_v4(&self->address)
        && !ipv6_addr_equals(source, &self->address)
        && kernel_owns(a->kernel, &self->address)) {
        address_format(source, text);
        *via = ds_cstr(text);
        return REACH_OTHER_SOURCE;
    }
    return REACH_UNKNOWN;
}

/* The way to 'address' by the routes of this host, and whether it is known
 * ('probed') that somebody is at its end.  '*via' is an interface's name or an
 * address, in 'text'. */
static enum verdict_reach
find_reach(const struct agent *a, struct ways *ways,
           const struct in6_addr *address, enum verdict_reach probed,
           struct ds *text, const char **via)
{
    struct in6_addr hop;
    int oif;
    if (rtnl_route_get(kernel_rtnl(a->kernel), address, &oif, &hop)) {
        return REACH_NO_ROUTE;
    }
    if (a->underlay) {
        read_ways(a, ways);
        enum verdict_reach reach = look_at_way(a, ways, address, text, via);
        if (reach != REACH_UNKNOWN) {
            return reach;
        }
    }
    if (!ipv6_addr_equals(&hop, address)) {
        address_format(&hop, text);
        *via = ds_cstr(text);
        /* A gateway that is there does not prove it of what is beyond. */
        return probed == REACH_SILENT ? REACH_SILENT : REACH_UNKNOWN;
    }
    return probed;
}

/* Why BFD to 'peer', of which 't' tells, is not up.  Owned. */
static char *
why_down(const struct agent *a, struct ways *ways, const struct peer *peer,
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
    v.reach = find_reach(a, ways, &peer->address, t->reach, &via, &v.via);
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
    struct ways ways = { .phy = 0 };
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
            char *why = why_down(a, &ways, node->data, &t);
            svec_add_nocopy(&h->problems, xasprintf(
                "BFD is down to %s: %s (traffic is sent anyway)", node->name,
                why));
            free(why);
        }
    }
    free_ways(&ways);
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
