/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "agent/links.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <unistd.h>
#include "agent/netns.h"
#include "agent/sysctl.h"
#include "agent/tap.h"
#include "overlay/address.h"
#include "overlay/lease.h"
#include "packets.h"
#include "util.h"

/* Where the underlay's MTU is not known: Ethernet's, less the overhead. */
enum { DEFAULT_MTU = 1500 - VXLAN_OVERHEAD_IPV4 };

/* Behind the 1024 of the default route that the same gateway's advertisements
 * bring: with that one, it would be in the way of ours. */
enum { IPV6_METRIC = 1025 };

/* What a namespace is given: the network's, and two default routes. */
enum { ROUTES_MAX = NETWORK_ROUTES_MAX + 2 };
struct routes {
    struct rtnl_route a[ROUTES_MAX];
    size_t n;
};

static int open_inside(struct rtnl *, int netns, int ifindex,
                       struct rtnl **, struct rtnl_link *);
static int renew(struct rtnl *inside, const struct rtnl_link *,
                 const struct endpoint *, const struct network *, int mtu,
                 bool netdev);
static char *make_alias(const char *bridge, const char *endpoint);
static bool is_pair_in(struct rtnl *, const struct rtnl_link *, int netns);
static bool alias_matches(const struct rtnl_link *, const char *bridge,
                          const char *endpoint);
static bool is_tap(const struct rtnl_link *);
static char *make_tap(struct rtnl *, struct reaper *, const char *bridge,
                      const struct endpoint *, int mtu, int *ifindex);
static int configure_tap(struct rtnl *, const char *bridge,
                         const struct endpoint *, int mtu, int *ifindex);
static int add_veth(struct rtnl *, const char *bridge,
                    const struct endpoint *, int netns, int mtu,
                    int *ifindex, int *inside, bool *peer_exists);
static int configure_inside(const struct endpoint *, const struct network *,
                            int netns, int ifindex, bool netdev);
static void deafen(const struct endpoint *);
static int add_routes(struct rtnl *inside, int ifindex,
                      const struct endpoint *, const struct network *);
static int update_routes(struct rtnl *inside, int ifindex,
                         const struct endpoint *, const struct network *);

bool
links_inside_exists(int netns, const char *ifname)
{
    struct rtnl *inside;
    struct rtnl_link link;
    if (rtnl_open(netns, &inside)) {
        return false;               /* The attempt to make it will tell. */
    }
    bool exists = !rtnl_link_get(inside, ifname, &link);
    rtnl_close(inside);
    return exists;
}

char *
links_refuse_inside(int netns, const char *path, const char *ifname,
                    struct reaper *reaper)
{
    if (links_inside_exists(netns, ifname)) {
        reaper_flush(reaper);       /* One that was just detached? */
        if (links_inside_exists(netns, ifname)) {
            return xasprintf("interface %s exists already in %s: give another "
                             "--ifname", ifname, path);
        }
    }
    return NULL;
}

char *
links_make(struct rtnl *rtnl, struct reaper *reaper, const char *bridge,
           const struct endpoint *ep, const struct network *net, int netns,
           int mtu, bool netdev, int *ifindex)
{
    int inside;
    bool peer_exists = false;
    int use_mtu = ep->mtu ? ep->mtu : mtu ? mtu : DEFAULT_MTU;
    if (ep->tap) {
        char *tap_error = make_tap(rtnl, reaper, bridge, ep, use_mtu, ifindex);
        if (!tap_error && netdev) {
            deafen(ep);
        }
        return tap_error;
    }
    int error = add_veth(rtnl, bridge, ep, netns, use_mtu, ifindex,
                         &inside, &peer_exists);
    if (error == -EEXIST) {
        struct rtnl_link link;
        reaper_flush(reaper);
        if (!rtnl_link_get(rtnl, ep->port, &link)) {
            (void) rtnl_link_del(rtnl, link.ifindex); /* Or the next fails. */
        }
        error = add_veth(rtnl, bridge, ep, netns, use_mtu, ifindex,
                         &inside, &peer_exists);
    }
    if (error == -EEXIST && peer_exists) {
        return xasprintf("interface %s exists already in %s: give another "
                         "--ifname", ep->ifname, ep->netns);
    } else if (error) {
        return xasprintf("could not make link %s with %s in %s: %s", ep->port,
                         ep->ifname, ep->netns, ovs_strerror(-error));
    }

    if (netdev) {
        deafen(ep);
    }
    error = configure_inside(ep, net, netns, inside, netdev);
    if (error) {
        (void) rtnl_link_del(rtnl, *ifindex);   /* Gone with its namespace. */
        *ifindex = 0;
        return xasprintf("could not configure %s in %s: %s", ep->ifname,
                         ep->netns, ovs_strerror(-error));
    }
    return NULL;
}

int
links_find(struct rtnl *rtnl, const char *bridge, const struct endpoint *ep)
{
    struct rtnl_link link;
    return (!rtnl_link_get(rtnl, ep->port, &link)
            && alias_matches(&link, bridge, ep->name) ? link.ifindex : 0);
}

bool
links_is_foreign(struct rtnl *rtnl, const char *bridge, const char *name,
                 bool tap)
{
    struct rtnl_link link;
    return (!rtnl_link_get(rtnl, name, &link)
            && !alias_matches(&link, bridge, NULL)
            && !(tap && is_tap(&link) && !link.alias[0]));
}

void
links_set_mtu(struct rtnl *rtnl, const struct endpoint *ep, int ifindex,
              int mtu)
{
    struct rtnl_link link;
    if (rtnl_link_get_index(rtnl, ifindex, &link) || link.mtu == mtu) {
        return;
    }
    /* Best effort: a link that is going has nobody to send to. */
    (void) rtnl_link_set_mtu(rtnl, ifindex, mtu);
    if (ep->tap) {
        return;
    }

    char *error = NULL;
    struct rtnl *inside;
    int netns = netns_open(ep->netns, &error);
    free(error);
    if (netns >= 0 && is_pair_in(rtnl, &link, netns)
        && !rtnl_open(netns, &inside)) {
        (void) rtnl_link_set_mtu(inside, link.peer_ifindex, mtu);
        rtnl_close(inside);
    }
    if (netns >= 0) {
        close(netns);
    }
}

bool
links_is_inside(struct rtnl *rtnl, int ifindex, int netns)
{
    struct rtnl_link link;
    return (!rtnl_link_get_index(rtnl, ifindex, &link)
            && is_pair_in(rtnl, &link, netns));
}

/* Finds the end inside by its pair: its name may have been changed.  -ENODEV
 * if one of the two is not there: it is going, and we hear; or if 'netns' is
 * not where it is: nobody else's are to be changed. */
static int
open_inside(struct rtnl *rtnl, int netns, int ifindex, struct rtnl **inside,
            struct rtnl_link *link)
{
    if (rtnl_link_get_index(rtnl, ifindex, link)
        || !is_pair_in(rtnl, link, netns)) {
        return -ENODEV;
    }
    int error = rtnl_open(netns, inside);
    if (error) {
        return error;
    }
    if (rtnl_link_get_index(*inside, link->peer_ifindex, link)
        || link->peer_ifindex != ifindex) {
        rtnl_close(*inside);
        return -ENODEV;
    }
    return 0;
}

char *
links_renew(struct rtnl *rtnl, const struct endpoint *ep,
            const struct network *net, int netns, int ifindex, int mtu,
            bool netdev)
{
    struct rtnl_link link;
    struct rtnl *inside;
    int error = open_inside(rtnl, netns, ifindex, &inside, &link);
    if (!error) {
        error = renew(inside, &link, ep, net, mtu, netdev);
        rtnl_close(inside);
    }
    return (error && error != -ENODEV
            ? xasprintf("could not give it back what it had in %s: %s",
                        ep->netns, ovs_strerror(-error))
            : NULL);
}

/* Goes on after an error: there may be no IPv6. */
static int
renew(struct rtnl *inside, const struct rtnl_link *link,
      const struct endpoint *ep, const struct network *net, int mtu,
      bool netdev)
{
    int first = 0;
    if (!eth_addr_equals(link->mac, ep->mac)) {
        first = rtnl_link_set_mac(inside, link->ifindex, ep->mac);
    }
    if (mtu && link->mtu != mtu) {
        int error = rtnl_link_set_mtu(inside, link->ifindex, mtu);
        first = first ? first : error;
    }
    if (netdev) {
        int error = rtnl_tx_checksum(inside, link->name, false);
        first = first ? first : error;
    }
    int error = rtnl_inside_up(inside, link->ifindex, ep->ips,
                               ep->dhcp ? 0 : ep->n_ips);
    first = first ? first : error;
    if (net && !ep->dhcp) {
        error = update_routes(inside, link->ifindex, ep, net);
        first = first ? first : error;
    }
    return first;
}

void
links_remove_rest(struct rtnl *rtnl, const char *bridge,
                  const struct endpoint *ep, int netns, int ifindex)
{
    struct rtnl_link link;
    struct rtnl *inside;
    if (!rtnl_link_get_index(rtnl, ifindex, &link)
        && alias_matches(&link, bridge, ep->name)
        && strcmp(link.name, ep->port)) {
        (void) rtnl_link_del(rtnl, ifindex);    /* It may have gone. */
    }
    /* Whose host's end is in another namespace: nobody else has its MAC. */
    if (!rtnl_open(netns, &inside)) {
        if (!rtnl_link_get(inside, ep->ifname, &link)
            && !strcmp(link.kind, "veth")
            && eth_addr_equals(link.mac, ep->mac)) {
            (void) rtnl_link_del(inside, link.ifindex); /* Likewise. */
        }
        rtnl_close(inside);
    }
}

const char *
links_owner(const struct rtnl_link *link, const char *bridge)
{
    char *prefix = make_alias(bridge, NULL);
    size_t n = strlen(prefix);
    bool ours = alias_matches(link, bridge, NULL);
    free(prefix);
    return ours ? link->alias + n : NULL;
}

char *
links_update_routes(struct rtnl *rtnl, const struct endpoint *ep,
                    const struct network *net, int netns, int ifindex)
{
    struct rtnl_link link;
    struct rtnl *inside;
    int error = open_inside(rtnl, netns, ifindex, &inside, &link);
    if (!error) {
        error = update_routes(inside, link.ifindex, ep, net);
        rtnl_close(inside);
    }
    return (error && error != -ENODEV
            ? xasprintf("could not bring its routes in %s up to date: %s",
                        ep->netns, ovs_strerror(-error))
            : NULL);
}

struct orphans_aux {
    const char *bridge;
    const struct sset *ports;
    struct links_orphan *orphans;
    size_t n, allocated;
};

static void
collect_orphan(const struct rtnl_link *link, void *aux_)
{
    struct orphans_aux *aux = aux_;
    if (!alias_matches(link, aux->bridge, NULL)
        || sset_contains(aux->ports, link->name)) {
        return;
    }
    if (aux->n >= aux->allocated) {
        aux->orphans = x2nrealloc(aux->orphans, &aux->allocated,
                                  sizeof *aux->orphans);
    }
    struct links_orphan *orphan = &aux->orphans[aux->n++];
    orphan->ifindex = link->ifindex;
    ovs_strlcpy(orphan->name, link->name, sizeof orphan->name);
}

size_t
links_find_orphans(struct rtnl *rtnl, const char *bridge,
                   const struct sset *ports, struct links_orphan **orphansp)
{
    struct orphans_aux aux = { .bridge = bridge, .ports = ports };
    (void) rtnl_links_dump(rtnl, collect_orphan, &aux); /* What it gave. */
    *orphansp = aux.orphans;
    return aux.n;
}

static bool
is_pair_in(struct rtnl *rtnl, const struct rtnl_link *link, int netns)
{
    int nsid;
    return (link->peer_nsid >= 0 && !rtnl_nsid(rtnl, netns, &nsid)
            && nsid == link->peer_nsid);
}

/* With 'endpoint' NULL, the part that all of the bridge have in common. */
static char *
make_alias(const char *bridge, const char *endpoint)
{
    return xasprintf("weft %s %s", bridge, endpoint ? endpoint : "");
}

static bool
alias_matches(const struct rtnl_link *link, const char *bridge,
              const char *endpoint)
{
    char *alias = make_alias(bridge, endpoint);
    bool matches = (endpoint ? !strcmp(link->alias, alias)
                    : !strncmp(link->alias, alias, strlen(alias)));
    free(alias);
    return matches && (!strcmp(link->kind, "veth") || is_tap(link));
}

/* What /dev/net/tun made: a tap, or a tun, which has no MAC. */
static bool
is_tap(const struct rtnl_link *link)
{
    return !strcmp(link->kind, "tun") && !eth_addr_is_zero(link->mac);
}

static char *
make_tap(struct rtnl *rtnl, struct reaper *reaper, const char *bridge,
         const struct endpoint *ep, int mtu, int *ifindex)
{
    struct rtnl_link link;
    *ifindex = 0;
    if (!rtnl_link_get(rtnl, ep->port, &link)) {
        reaper_flush(reaper);       /* One that was just detached? */
    }
    if (!rtnl_link_get(rtnl, ep->port, &link)
        && !(is_tap(&link)
             && (!link.alias[0] || alias_matches(&link, bridge, ep->name)))) {
        (void) rtnl_link_del(rtnl, link.ifindex); /* Or the next fails. */
    }
    int error = tap_make(ep->port, ep->owner);
    if (error) {
        return xasprintf("could not make tap %s (/dev/net/tun): %s", ep->port,
                         ovs_strerror(-error));
    }
    error = configure_tap(rtnl, bridge, ep, mtu, ifindex);
    if (error) {
        (void) rtnl_link_del(rtnl, *ifindex); /* It may be gone. */
        *ifindex = 0;
        return xasprintf("could not configure tap %s: %s", ep->port,
                         ovs_strerror(-error));
    }
    return NULL;
}

/* The guest's MAC is the guest's alone: the host's stack would take frames to
 * it for its own. */
static int
configure_tap(struct rtnl *rtnl, const char *bridge,
              const struct endpoint *ep, int mtu, int *ifindex)
{
    struct rtnl_link link;
    int error = rtnl_link_get(rtnl, ep->port, &link);
    if (error) {
        return error;
    }
    *ifindex = link.ifindex;
    if (eth_addr_equals(link.mac, ep->mac)) {
        struct eth_addr other = link.mac;
        other.ea[0] = other.ea[0] == 0xfe ? 0xfa : 0xfe;
        error = rtnl_link_set_mac(rtnl, link.ifindex, other);
    }
    if (!error) {
        error = rtnl_link_set_mtu(rtnl, link.ifindex, mtu);
    }
    if (!error) {
        char *alias = make_alias(bridge, ep->name);
        error = rtnl_host_up(rtnl, link.ifindex, alias);
        free(alias);
    }
    return error;
}

static int
add_veth(struct rtnl *rtnl, const char *bridge, const struct endpoint *ep,
         int netns, int mtu, int *ifindex, int *inside, bool *peer_exists)
{
    char *alias = make_alias(bridge, ep->name);
    struct rtnl_veth veth = {
        .name = ep->port,
        .alias = alias,
        .netns = netns,
        .peer_name = ep->ifname,
        .mac = ep->mac,
        .mtu = mtu,
    };
    int error = rtnl_veth_add(rtnl, &veth, ifindex, inside, peer_exists);
    free(alias);
    return error;
}

static int
configure_inside(const struct endpoint *ep, const struct network *net,
                 int netns, int ifindex, bool netdev)
{
    struct rtnl *inside;
    int error = rtnl_open(netns, &inside);
    if (error) {
        return error;
    }
    /* The userspace datapath reads frames as they are; a checksum that the
     * NIC was to fill in is wrong then. */
    if (netdev) {
        error = rtnl_tx_checksum(inside, ep->ifname, false);
    }
    if (!error) {
        error = rtnl_inside_up(inside, ifindex, ep->ips,
                               ep->dhcp ? 0 : ep->n_ips);
    }
    if (!error && net && !ep->dhcp) {
        error = add_routes(inside, ifindex, ep, net);
    }
    rtnl_close(inside);
    return error;
}

/* Who has 'addr' is on the same segment: a neighbour, even if no address of
 * the endpoint's has it within its prefix. */
static bool
is_on_link(const struct endpoint *ep, const struct in6_addr *addr)
{
    for (size_t i = 0; i < ep->n_ips; i++) {
        if (prefix_contains(&ep->ips[i], addr)) {
            return true;
        }
    }
    return false;
}

static void
want_route(struct routes *routes, const struct endpoint *ep,
           const struct prefix *dst, const struct in6_addr *via, int ifindex)
{
    for (size_t i = 0; i < routes->n; i++) {
        if (prefix_equal(&routes->a[i].dst, dst)) {
            return;                 /* The one that is listed. */
        }
    }
    routes->a[routes->n++] = (struct rtnl_route) {
        .dst = *dst,
        .has_gateway = true,
        .gateway = *via,
        .onlink = !is_on_link(ep, via),
        .oif = ifindex,
        .protocol = LINKS_ROUTE_PROTOCOL,
        .scope = RT_SCOPE_UNIVERSE,
        .metric = prefix_is_v4(dst) ? 0 : IPV6_METRIC,
    };
}

/* Those of the network and the default route, for the families in which the
 * endpoint has an address. */
static void
want_routes(struct routes *routes, const struct endpoint *ep,
            const struct network *net, int ifindex)
{
    bool has[2] = { false, false };
    for (size_t i = 0; i < ep->n_ips; i++) {
        has[prefix_is_v4(&ep->ips[i])] = true;
    }
    routes->n = 0;
    for (size_t i = 0; i < net->n_routes; i++) {
        const struct route *r = &net->routes[i];
        if (has[address_is_v4(&r->via)] && !endpoint_has_ip(ep, &r->via)) {
            want_route(routes, ep, &r->dst, &r->via, ifindex);
        }
    }
    for (int v4 = 0; v4 < 2; v4++) {
        struct lease lease;
        if (lease_find(ep, net, v4, &lease)) {
            struct prefix all = { .len = 0 };
            if (v4) {
                in6_addr_set_mapped_ipv4(&all.addr, 0);
            }
            want_route(routes, ep, &all, &lease.gateway, ifindex);
        }
    }
}

struct stale_aux {
    const struct routes *wanted;
    bool there[ROUTES_MAX];         /* Each of 'wanted'. */
    struct rtnl_route *stale;
    size_t n, allocated;
};

static void
sort_out(const struct rtnl_route *route, void *aux_)
{
    struct stale_aux *aux = aux_;
    for (size_t i = 0; i < aux->wanted->n; i++) {
        const struct rtnl_route *w = &aux->wanted->a[i];
        if (prefix_equal(&w->dst, &route->dst) && w->metric == route->metric
            && route->has_gateway
            && ipv6_addr_equals(&w->gateway, &route->gateway)) {
            aux->there[i] = true;
            return;
        }
    }
    if (aux->n >= aux->allocated) {
        aux->stale = x2nrealloc(aux->stale, &aux->allocated,
                                sizeof *aux->stale);
    }
    aux->stale[aux->n++] = *route;
}

static bool
has_stale(const struct stale_aux *aux, const struct prefix *dst)
{
    for (size_t i = 0; i < aux->n; i++) {
        if (prefix_equal(&aux->stale[i].dst, dst)) {
            return true;
        }
    }
    return false;
}

/* Adds those that lack: beside a stale one of the same place, so that at no
 * moment there is no way. */
static int
add_missing(struct rtnl *inside, const struct stale_aux *aux)
{
    int first = 0;
    for (size_t i = 0; i < aux->wanted->n; i++) {
        const struct rtnl_route *w = &aux->wanted->a[i];
        if (!aux->there[i]) {
            int error = (has_stale(aux, &w->dst)
                         ? rtnl_route_append(inside, w)
                         : rtnl_route_add(inside, w));
            first = first || error == -EEXIST ? first : error;
        }
    }
    return first;
}

/* To a link that has none yet. */
static int
add_routes(struct rtnl *inside, int ifindex, const struct endpoint *ep,
           const struct network *net)
{
    struct routes wanted;
    struct stale_aux aux = { .wanted = &wanted };
    want_routes(&wanted, ep, net, ifindex);
    return add_missing(inside, &aux);
}

static int
update_routes(struct rtnl *inside, int ifindex, const struct endpoint *ep,
              const struct network *net)
{
    struct routes wanted;
    struct stale_aux aux = { .wanted = &wanted };
    want_routes(&wanted, ep, net, ifindex);
    int first = rtnl_link_routes_dump(inside, ifindex, LINKS_ROUTE_PROTOCOL,
                                      sort_out, &aux);
    if (!first) {
        first = add_missing(inside, &aux);
        for (size_t i = 0; i < aux.n; i++) {
            int error = rtnl_route_del(inside, &aux.stale[i]);
            first = first || error == -ESRCH ? first : error;
        }
    }
    free(aux.stale);
    return first;
}

/* The host's stack sees what comes out of an endpoint's link before the
 * userspace datapath does.  Without IPv6 there, a router advertisement gives
 * the host no route.  A kernel without IPv6 has nothing to switch off. */
static void
deafen(const struct endpoint *ep)
{
    char *name = xasprintf("ipv6/conf/%s/disable_ipv6", ep->port);
    free(sysctl_set(name, 1, NULL));
    free(name);
}
