/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "agent/links.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>
#include "agent/netns.h"
#include "util.h"

/* Where the underlay's MTU is not known: Ethernet's, less the overhead. */
enum { DEFAULT_MTU = 1500 - VXLAN_OVERHEAD_IPV4 };

static char *make_alias(const char *bridge, const char *endpoint);
static bool alias_matches(const struct rtnl_link *, const char *bridge,
                          const char *endpoint);
static int add_veth(struct rtnl *, const char *bridge,
                    const struct endpoint *, int netns, int mtu,
                    int *ifindex, int *inside, bool *peer_exists);
static int configure_inside(const struct endpoint *, int netns, int ifindex,
                            bool netdev);

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
           const struct endpoint *ep, int netns, int mtu, bool netdev,
           int *ifindex)
{
    int inside;
    bool peer_exists = false;
    int use_mtu = ep->mtu ? ep->mtu : mtu ? mtu : DEFAULT_MTU;
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

    error = configure_inside(ep, netns, inside, netdev);
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
links_is_foreign(struct rtnl *rtnl, const char *bridge, const char *name)
{
    struct rtnl_link link;
    return (!rtnl_link_get(rtnl, name, &link)
            && !alias_matches(&link, bridge, NULL));
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

    char *error = NULL;
    struct rtnl *inside;
    int netns = netns_open(ep->netns, &error);
    free(error);
    if (netns >= 0 && !rtnl_open(netns, &inside)) {
        if (!rtnl_link_get(inside, ep->ifname, &link)) {
            (void) rtnl_link_set_mtu(inside, link.ifindex, mtu);
        }
        rtnl_close(inside);
    }
    if (netns >= 0) {
        close(netns);
    }
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
    return matches && !strcmp(link->kind, "veth");
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
configure_inside(const struct endpoint *ep, int netns, int ifindex,
                 bool netdev)
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
        error = rtnl_inside_up(inside, ifindex, ep->ips, ep->n_ips);
    }
    rtnl_close(inside);
    return error;
}
