/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "agent/lent.h"

#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include "agent/underlay-text.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/vlog.h"
#include "overlay/address.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(lent);

struct nic_aux {
    const char *nic;
    int ifindex;
    struct lent *lent;              /* What it has. */
};

static void
add_address(const struct rtnl_addr *a, void *aux_)
{
    struct nic_aux *aux = aux_;
    struct lent *l = aux->lent;
    if (a->ifindex == aux->ifindex && a->scope != RT_SCOPE_LINK
        && l->n_addresses < LENT_ADDRESSES_MAX) {
        lent_remember(aux->nic, a, &l->addresses[l->n_addresses++]);
    }
}

/* Is 'r' one that the kernel makes of an address, and takes away with it?  All
 * others are somebody's, even if they look the same: who adds an address with
 * IFA_F_NOPREFIXROUTE, as NetworkManager does, adds its route. */
static bool
is_of_address(const struct lent *l, const struct rtnl_route *r)
{
    if (r->protocol != RTPROT_KERNEL || r->has_gateway) {
        return false;
    }
    for (size_t i = 0; i < l->n_addresses; i++) {
        const struct rtnl_addr *a = &l->addresses[i];
        if (a->flags & IFA_F_NOPREFIXROUTE && a->ip.len == r->dst.len
            && prefix_contains(&r->dst, &a->ip.addr)) {
            return false;
        }
    }
    return true;
}

static void
add_route(const struct rtnl_route *r, void *aux_)
{
    struct nic_aux *aux = aux_;
    struct lent *l = aux->lent;
    if (r->oif == aux->ifindex && !is_of_address(l, r)
        && l->n_routes < LENT_ROUTES_MAX) {
        l->routes[l->n_routes++] = *r;
    }
}

/* The kernel tells of those of IPv6, which it tells of last, the newest first.
 */
static void
sort_addresses(struct lent *l)
{
    size_t i = 0;
    while (i < l->n_addresses && prefix_is_v4(&l->addresses[i].ip)) {
        i++;
    }
    for (size_t j = l->n_addresses; i + 1 < j; i++) {
        struct rtnl_addr a = l->addresses[i];
        l->addresses[i] = l->addresses[--j];
        l->addresses[j] = a;
    }
}

bool
lent_read(struct rtnl *rtnl, const char *nic, int ifindex, struct lent *l)
{
    struct nic_aux aux = { nic, ifindex, l };
    l->n_addresses = l->n_routes = 0;
    /* The addresses first: see is_of_address(). */
    if (rtnl_addrs_dump(rtnl, add_address, &aux)
        || rtnl_routes_dump(rtnl, add_route, &aux)) {
        return false;
    }
    sort_addresses(l);
    return true;
}

void
lent_remember(const char *nic, const struct rtnl_addr *a, struct rtnl_addr *to)
{
    *to = *a;
    if (!strcmp(to->label, nic)) {
        to->label[0] = '\0';
    }
}

const struct rtnl_addr *
lent_find(const struct lent *l, const struct prefix *ip)
{
    for (size_t i = 0; i < l->n_addresses; i++) {
        if (prefix_equal(&l->addresses[i].ip, ip)) {
            return &l->addresses[i];
        }
    }
    return NULL;
}

/* Frees 'error'; NULL is none. */
static void
warn_not_understood(const char *bridge, const char *item, char *error)
{
    if (error) {
        char *unsafe = text_refuse(item);
        VLOG_WARN("bridge %s: external_ids: passing over \"%s\": %s", bridge,
                  unsafe ? "..." : item, error);
        free(unsafe);
        free(error);
    }
}

void
lent_parse(const char *addresses, const char *routes, const char *bridge,
           struct lent *l)
{
    char *save = NULL, *error;
    char *copy = xstrdup(addresses);
    l->n_addresses = l->n_routes = 0;
    for (char *item = strtok_r(copy, ",", &save);
         item && l->n_addresses < LENT_ADDRESSES_MAX;
         item = strtok_r(NULL, ",", &save)) {
        error = underlay_parse_address(item, &l->addresses[l->n_addresses]);
        l->n_addresses += !error;
        warn_not_understood(bridge, item, error);
    }
    free(copy);

    copy = xstrdup(routes);
    for (char *item = strtok_r(copy, ",", &save);
         item && l->n_routes < LENT_ROUTES_MAX;
         item = strtok_r(NULL, ",", &save)) {
        error = underlay_parse_route(item, &l->routes[l->n_routes]);
        l->n_routes += !error;
        warn_not_understood(bridge, item, error);
    }
    free(copy);
}

char *
lent_format_addresses(const struct lent *l)
{
    struct ds s = DS_EMPTY_INITIALIZER;
    for (size_t i = 0; i < l->n_addresses; i++) {
        ds_put_cstr(&s, i ? ", " : "");
        underlay_format_address(&l->addresses[i], &s);
    }
    return ds_steal_cstr(&s);
}

char *
lent_format_routes(const struct lent *l)
{
    struct ds s = DS_EMPTY_INITIALIZER;
    for (size_t i = 0; i < l->n_routes; i++) {
        ds_put_cstr(&s, i ? ", " : "");
        underlay_format_route(&l->routes[i], &s);
    }
    return ds_steal_cstr(&s);
}
