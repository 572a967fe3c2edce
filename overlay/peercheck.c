/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "overlay/peercheck.h"

#include <stdlib.h>
#include <string.h>
#include "openvswitch/dynamic-string.h"
#include "openvswitch/util.h"
#include "overlay/address.h"
#include "packets.h"
#include "util.h"

typedef int compare_func(const void *, const void *);

static bool check_slices(struct peerdraft *);
static bool refuse_slice(struct peerdraft *, const struct peerdraft_claim *,
                         const struct peerdraft_claim *other);
static bool check_members(struct peerdraft *);
static bool refuse_member(struct peerdraft *, const struct peerdraft_member *,
                          const struct network *);
static void set_domains(struct peerlist *);
static bool check_gateways(struct peerdraft *);
static bool take_gateway(struct peerdraft *, const struct peerdraft_claim *);
static void add_gateways(struct network *);
static bool check_routes(struct peerdraft *);
static bool check_route(struct peerdraft *, const struct peerdraft_claim *);
static bool check_domains(struct peerdraft *);
static bool refuse_subnet(struct peerdraft *, const struct peerdraft_claim *,
                          const struct peerdraft_claim *other);
static bool refuse_dst(struct peerdraft *, const struct peerdraft_claim *,
                       const struct peerdraft_claim *other, const char *what);
static void format_claim(const struct peerdraft_claim *, struct ds *);

static void sort_claims(struct peerdraft_claims *, compare_func *);
static compare_func compare_claims, compare_in_domains;
static int compare_domains(const struct peerdraft_claim *,
                           const struct peerdraft_claim *);
static int compare_prefixes(const struct prefix *, const struct prefix *);

/* Each step may rely on those before it. */
bool
peercheck_run(struct peerdraft *d)
{
    return check_slices(d) && check_members(d) && check_gateways(d)
           && check_routes(d) && check_domains(d);
}

/* No slice overlaps another one, and each is within a subnet: both found in
 * one pass over them in the order of their addresses. */
static bool
check_slices(struct peerdraft *d)
{
    const struct prefix *outer = NULL;
    size_t j = 0;

    sort_claims(&d->slices, compare_claims);
    sort_claims(&d->subnets, compare_claims);
    for (size_t i = 0; i < d->slices.n; i++) {
        const struct peerdraft_claim *slice = &d->slices.a[i];

        /* If any two overlap, then also two neighbours. */
        if (i && prefix_overlaps(&slice[-1].prefix, &slice->prefix)) {
            return slice[-1].source.line < slice->source.line
                   ? refuse_slice(d, slice, &slice[-1])
                   : refuse_slice(d, &slice[-1], slice);
        }

        /* Of the subnets that begin not after the slice, and are within no
         * other, the last one: if it does not contain the slice, none does. */
        for (; j < d->subnets.n; j++) {
            const struct prefix *subnet = &d->subnets.a[j].prefix;

            if (compare_prefixes(subnet, &slice->prefix) > 0) {
                break;
            }
            if (!outer || !prefix_within(subnet, outer)) {
                outer = subnet;
            }
        }
        if (!outer || !prefix_within(&slice->prefix, outer)) {
            return refuse_slice(d, slice, NULL);
        }
    }
    return true;
}

/* Because of 'other', or because it is within no subnet. */
static bool
refuse_slice(struct peerdraft *d, const struct peerdraft_claim *slice,
             const struct peerdraft_claim *other)
{
    struct ds ds = DS_EMPTY_INITIALIZER;

    prefix_format(&slice->prefix, &ds);
    d->here = slice->source;
    if (other) {
        peerdraft_refuse(d, "slice %s overlaps that of %s%s: choose another",
                         ds_cstr(&ds), other->source.name,
                         peerdraft_line(d, other->source.line).text);
    } else {
        peerdraft_refuse(d, "slice %s is within no network's subnet: choose "
                         "a part of one", ds_cstr(&ds));
    }
    ds_destroy(&ds);
    return false;
}

/* Joins routers and networks. */
static bool
check_members(struct peerdraft *d)
{
    for (size_t i = 0; i < d->n_members; i++) {
        const struct peerdraft_member *m = &d->members[i];
        struct network *net = shash_find_data(&d->list->networks, m->name);

        if (!net || net->router) {
            return refuse_member(d, m, net);
        }
        net->router = xstrdup(m->router->name);
    }
    set_domains(d->list);
    return true;
}

/* Because there is no such network, or because 'net' has a router already. */
static bool
refuse_member(struct peerdraft *d, const struct peerdraft_member *m,
              const struct network *net)
{
    const struct peerdraft_member *other = d->members;

    d->here = m->source;
    if (!net) {
        return d->lines
               ? peerdraft_refuse(d, "there is no [network %s] section: add "
                                  "one, or remove %s here", m->name, m->name)
               : peerdraft_refuse(d, "there is no network %s: add it, or take "
                                  "it out of the router's networks", m->name);
    }
    while (strcmp(other->name, m->name)) {
        other++;
    }
    return peerdraft_refuse(d, "network %s is already in router %s%s: remove "
                            "it from one", m->name, other->router->name,
                            peerdraft_line(d, other->source.line).text);
}

static void
set_domains(struct peerlist *list)
{
    struct shash_node *node;

    SHASH_FOR_EACH (node, &list->networks) {
        struct network *net = node->data;

        net->domain = net->vni;
    }
    SHASH_FOR_EACH (node, &list->routers) {
        const struct router *router = node->data;
        uint32_t domain = UINT32_MAX;
        const char *name;

        SSET_FOR_EACH (name, &router->networks) {
            domain = MIN(domain, peerlist_network(list, name)->vni);
        }
        SSET_FOR_EACH (name, &router->networks) {
            struct network *net = shash_find_data(&list->networks, name);

            net->domain = domain;
        }
    }
}

static bool
check_gateways(struct peerdraft *d)
{
    struct shash_node *node;

    for (size_t i = 0; i < d->gateways.n; i++) {
        if (!take_gateway(d, &d->gateways.a[i])) {
            return false;
        }
    }
    SHASH_FOR_EACH (node, &d->list->networks) {
        add_gateways(node->data);
    }
    return true;
}

/* Those before 'claim' are taken. */
static bool
take_gateway(struct peerdraft *d, const struct peerdraft_claim *claim)
{
    const struct in6_addr *addr = &claim->prefix.addr;
    const struct peerdraft_claim *other = claim;
    const struct in6_addr *old;
    const struct prefix *subnet = network_subnet(claim->network, addr, &old);
    const char *reason = subnet ? prefix_refuse_host(subnet, addr) : NULL;
    struct ds ds = DS_EMPTY_INITIALIZER;

    d->here = claim->source;
    address_format(addr, &ds);
    if (!subnet) {
        peerdraft_refuse(d, "gateway %s is in no subnet of the network: write "
                         "an address of one", ds_cstr(&ds));
    } else if (reason) {
        peerdraft_refuse(d, "gateway %s %s: write a host's", ds_cstr(&ds),
                         reason);
    } else if (old) {
        do {
            other--;
        } while (other->network != claim->network
                 || !ipv6_addr_equals(&other->prefix.addr, old));
        ds_put_cstr(&ds, ": subnet ");
        prefix_format(subnet, &ds);
        peerdraft_refuse(d, "gateway %s has one already%s%s: remove one",
                         ds_cstr(&ds), d->lines ? "," : "",
                         peerdraft_line(d, other->source.line).text);
    } else {
        claim->network->gateways[subnet - claim->network->subnets] = *addr;
    }
    ds_destroy(&ds);
    return !d->error;
}

/* What is routed, or answered by DHCP, has a gateway in each subnet. */
static void
add_gateways(struct network *net)
{
    bool needed = net->router || net->dhcp || net->external != EXTERNAL_NONE;

    for (size_t i = 0; needed && i < net->n_subnets; i++) {
        if (!ipv6_addr_is_set(&net->gateways[i])) {
            net->gateways[i] = prefix_first_host(&net->subnets[i]);
        }
    }
}

static bool
check_routes(struct peerdraft *d)
{
    for (size_t i = 0; i < d->routes.n; i++) {
        if (!check_route(d, &d->routes.a[i])) {
            return false;
        }
    }
    return true;
}

static bool
check_route(struct peerdraft *d, const struct peerdraft_claim *route)
{
    const struct in6_addr *gateway;
    const struct prefix *subnet = network_subnet(route->network, &route->via,
                                                 &gateway);
    const char *reason = subnet ? prefix_refuse_host(subnet, &route->via)
                                : NULL;
    struct ds ds = DS_EMPTY_INITIALIZER;

    d->here = route->source;
    format_claim(route, &ds);
    if (!subnet) {
        peerdraft_refuse(d, "route %s, which is in no subnet of the network: "
                         "write an address of one", ds_cstr(&ds));
    } else if (reason) {
        peerdraft_refuse(d, "route %s, which %s: write a host's", ds_cstr(&ds),
                         reason);
    } else if (gateway && ipv6_addr_equals(gateway, &route->via)) {
        peerdraft_refuse(d, "route %s, which is the network's own gateway: "
                         "write the address of an endpoint", ds_cstr(&ds));
    }
    ds_destroy(&ds);
    return !d->error;
}

/* Where one packet might go two ways: subnets of a domain that overlap, routes
 * of a domain to the same prefix, or to a subnet.  Found as slices are. */
static bool
check_domains(struct peerdraft *d)
{
    const struct peerdraft_claims *subnets = &d->subnets;
    size_t j = 0;

    sort_claims(&d->subnets, compare_in_domains);
    sort_claims(&d->routes, compare_in_domains);
    for (size_t i = 1; i < subnets->n; i++) {
        const struct peerdraft_claim *a = &subnets->a[i - 1], *b = a + 1;

        /* Those of one network do not overlap, and have one domain. */
        if (a->network->domain == b->network->domain
            && prefix_overlaps(&a->prefix, &b->prefix)) {
            return a->source.line < b->source.line ? refuse_subnet(d, b, a)
                                                   : refuse_subnet(d, a, b);
        }
    }
    for (size_t i = 0; i < d->routes.n; i++) {
        const struct peerdraft_claim *route = &d->routes.a[i];

        if (i && !compare_domains(route - 1, route)) {
            return refuse_dst(d, route, route - 1, "route");
        }
        while (j < subnets->n && compare_domains(&subnets->a[j], route) < 0) {
            j++;
        }
        if (j < subnets->n && !compare_domains(&subnets->a[j], route)) {
            return refuse_dst(d, route, &subnets->a[j], "subnet");
        }
    }
    return true;
}

/* Because of 'other', of another network of the same router. */
static bool
refuse_subnet(struct peerdraft *d, const struct peerdraft_claim *subnet,
              const struct peerdraft_claim *other)
{
    struct ds ds = DS_EMPTY_INITIALIZER;

    d->here = subnet->source;
    format_claim(subnet, &ds);
    peerdraft_refuse(d, "subnet %s overlaps that of %s%s, and both networks "
                     "are in router %s: choose another, or take one out of "
                     "the router", ds_cstr(&ds), other->source.name,
                     peerdraft_line(d, other->source.line).text,
                     subnet->network->router);
    ds_destroy(&ds);
    return false;
}

/* Because 'other', a 'what' of its network or of one of its router, has the
 * same prefix. */
static bool
refuse_dst(struct peerdraft *d, const struct peerdraft_claim *route,
           const struct peerdraft_claim *other, const char *what)
{
    const struct peerdraft_line in = peerdraft_line(d, other->source.line);
    struct ds ds = DS_EMPTY_INITIALIZER;

    d->here = route->source;
    format_claim(route, &ds);
    if (route->network == other->network) {
        peerdraft_refuse(d, "route %s leads where %s %s%s does: remove one",
                         ds_cstr(&ds), d->lines ? "the" : "another", what,
                         in.text);
    } else {
        peerdraft_refuse(d, "route %s leads where the %s of %s%s does, and "
                         "both networks are in router %s: remove one",
                         ds_cstr(&ds), what, other->source.name, in.text,
                         route->network->router);
    }
    ds_destroy(&ds);
    return false;
}

static void
format_claim(const struct peerdraft_claim *claim, struct ds *ds)
{
    prefix_format(&claim->prefix, ds);
    if (ipv6_addr_is_set(&claim->via)) {
        ds_put_cstr(ds, " via ");
        address_format(&claim->via, ds);
    }
}

static void
sort_claims(struct peerdraft_claims *claims, compare_func *compare)
{
    if (claims->n) {
        qsort(claims->a, claims->n, sizeof *claims->a, compare);
    }
}

static int
compare_claims(const void *a_, const void *b_)
{
    const struct peerdraft_claim *a = a_;
    const struct peerdraft_claim *b = b_;
    int cmp = compare_prefixes(&a->prefix, &b->prefix);

    return cmp ? cmp : a->source.line - b->source.line;
}

/* By domain, then as above. */
static int
compare_in_domains(const void *a_, const void *b_)
{
    const struct peerdraft_claim *a = a_;
    const struct peerdraft_claim *b = b_;
    int cmp = compare_domains(a, b);

    return cmp ? cmp : a->source.line - b->source.line;
}

static int
compare_domains(const struct peerdraft_claim *a,
                const struct peerdraft_claim *b)
{
    uint32_t p = a->network->domain, q = b->network->domain;

    return p < q ? -1 : p > q ? 1 : compare_prefixes(&a->prefix, &b->prefix);
}

/* By family, address, length: a prefix comes before those within it. */
static int
compare_prefixes(const struct prefix *a, const struct prefix *b)
{
    int family = prefix_is_v4(a) - prefix_is_v4(b);
    int addr = memcmp(&a->addr, &b->addr, sizeof a->addr);

    return family ? family : addr ? addr : a->len - b->len;
}
