/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "overlay/peerkey.h"

#include <stdlib.h>
#include <string.h>
#include "openvswitch/dynamic-string.h"
#include "openvswitch/util.h"
#include "overlay/address.h"
#include "packets.h"
#include "util.h"

typedef bool take_func(struct peerdraft *, const char *value);
static take_func take_vni, take_subnet, take_mac_prefix, take_gateway;
static take_func take_external, take_dhcp, take_dns, take_route;
static take_func take_networks;
static take_func take_address, take_port, take_slice;

static bool add_member(struct peerdraft *, const char *name);
static bool take_number(struct peerdraft *, const char *what,
                        const char *value, unsigned int max,
                        unsigned int *number);
static bool claim_unique(struct peerdraft *, const char *what);
static bool claim_prefix(struct peerdraft *, const char *what,
                         const char *value, struct peerdraft_claims *,
                         struct prefix prefixes[], size_t *n_prefixes);
static void add_claim(struct peerdraft *, struct peerdraft_claims *,
                      const struct prefix *, const struct in6_addr *via);

/* In the order in which messages list them. */
const struct peerkey peerkeys[PEERDRAFT_KEYS] = {
    { "network", "vni", true, 1, NULL, "100", take_vni },
    { "network", "subnet", true, SUBNETS_MAX, "subnets", "10.1.0.0/16",
      take_subnet },
    { "network", "mac-prefix", false, 1, NULL, "0a:57", take_mac_prefix },
    { "network", "gateway", false, SUBNETS_MAX, "gateways", "10.1.0.1",
      take_gateway },
    { "network", "external", false, 1, NULL, "nat", take_external },
    { "network", "dhcp", false, 1, NULL, "on", take_dhcp },
    { "network", "dns", false, DNS_MAX, "DNS servers", "10.1.0.1", take_dns },
    { "network", "route", false, NETWORK_ROUTES_MAX, "routes",
      "10.9.0.0/16 via 10.1.0.7", take_route },

    { "router", "networks", true, ROUTER_NETWORKS_MAX, "networks",
      "blue, green", take_networks },

    { "peer", "address", true, 1, NULL, "192.168.50.11", take_address },
    { "peer", "port", false, 1, NULL, "4789", take_port },
    { "peer", "slice", false, SLICES_MAX, "slices", "10.1.11.0/24",
      take_slice },
};

static bool
take_vni(struct peerdraft *d, const char *value)
{
    char what[sizeof "vni 4294967295"];

    if (!take_number(d, "vni", value, VNI_MAX, &d->network->vni)) {
        return false;
    }
    snprintf(what, sizeof what, "vni %u", d->network->vni);
    return claim_unique(d, what);
}

static bool
take_subnet(struct peerdraft *d, const char *value)
{
    return claim_prefix(d, "subnet", value, &d->subnets, d->network->subnets,
                        &d->network->n_subnets);
}

static bool
take_mac_prefix(struct peerdraft *d, const char *value)
{
    char *error = mac_prefix_parse(value, &d->network->mac_prefix);

    if (error) {
        peerdraft_refuse(d, "mac-prefix %s", error);
        free(error);
    }
    return !d->error;
}

static bool
take_gateway(struct peerdraft *d, const char *value)
{
    struct prefix gateway;

    if (!address_parse(value, &gateway.addr)) {
        return peerdraft_refuse(d, "gateway %s is not an IP address: write it "
                                "like 10.1.0.1 or fd00:1::1", value);
    }
    gateway.len = address_is_v4(&gateway.addr) ? 32 : 128;
    add_claim(d, &d->gateways, &gateway, &in6addr_any);
    return true;
}

static bool
take_external(struct peerdraft *d, const char *value)
{
    bool nat = !strcmp(value, "nat");

    if (!nat && strcmp(value, "none")) {
        return peerdraft_refuse(d, "external %s is neither none nor nat: "
                                "write one of these", value);
    }
    d->network->external = nat ? EXTERNAL_NAT : EXTERNAL_NONE;
    return true;
}

static bool
take_dhcp(struct peerdraft *d, const char *value)
{
    d->network->dhcp = !strcmp(value, "on");
    return d->network->dhcp || !strcmp(value, "off")
           || peerdraft_refuse(d, "dhcp %s is neither on nor off: write one "
                               "of these", value);
}

static bool
take_dns(struct peerdraft *d, const char *value)
{
    struct in6_addr *addr = &d->network->dns[d->network->n_dns];

    if (!address_parse(value, addr)) {
        return peerdraft_refuse(d, "dns %s is not an IP address: write it "
                                "like 10.1.0.1 or fd00:1::1", value);
    }

    const char *reason = address_refuse_unicast(addr);
    if (reason) {
        return peerdraft_refuse(d, "dns %s %s: write the address of a server "
                                "that endpoints reach", value, reason);
    }
    d->network->n_dns++;
    return true;
}

/* "10.9.0.0/16 via 10.1.0.7". */
static bool
take_route(struct peerdraft *d, const char *value)
{
    char *words = xstrdup(value);
    char *save = NULL;
    const char *dst = strtok_r(words, " ", &save);
    const char *word = strtok_r(NULL, " ", &save);
    const char *via = strtok_r(NULL, " ", &save);
    const char *more = via ? strtok_r(NULL, " ", &save) : NULL;
    struct route route;
    char *error = NULL;

    if (!dst || !word || strcmp(word, "via") || !via || more
        || !address_parse(via, &route.via)) {
        peerdraft_refuse(d, "route %s is not PREFIX via ADDRESS: write it "
                         "like 10.9.0.0/16 via 10.1.0.7", value);
    } else if ((error = prefix_parse_route(dst, &route.dst))) {
        peerdraft_refuse(d, "route %s", error);
    } else if (prefix_is_v4(&route.dst) != address_is_v4(&route.via)) {
        peerdraft_refuse(d, "route %s is of IPv4 and of IPv6: write both of "
                         "one", value);
    } else {
        d->network->routes[d->network->n_routes++] = route;
        add_claim(d, &d->routes, &route.dst, &route.via);
    }
    free(error);
    free(words);
    return !d->error;
}

static bool
take_networks(struct peerdraft *d, const char *value)
{
    char *words = xstrdup(value);
    char *save = NULL;
    const char *name = strtok_r(words, ", ", &save);

    if (!name) {
        peerdraft_refuse(d, "networks %s names none: write it like blue, "
                         "green", value);
    }
    for (; name && add_member(d, name); name = strtok_r(NULL, ", ", &save)) {
        continue;
    }
    free(words);
    return !d->error;
}

/* Whether there is a network of that name is seen at the end of the file. */
static bool
add_member(struct peerdraft *d, const char *name)
{
    if (sset_count(&d->router->networks) >= ROUTER_NETWORKS_MAX) {
        return peerdraft_refuse(d, "more than %d networks: remove some",
                                ROUTER_NETWORKS_MAX);
    }
    if (!sset_add(&d->router->networks, name)) {
        return peerdraft_refuse(d, "network %s is named twice: remove one",
                                name);
    }
    if (d->n_members == d->allocated_members) {
        d->members = x2nrealloc(d->members, &d->allocated_members,
                                sizeof *d->members);
    }
    d->members[d->n_members++] = (struct peerdraft_member) {
        xstrdup(name), d->router, d->here
    };
    return true;
}

static bool
take_address(struct peerdraft *d, const char *value)
{
    struct in6_addr *addr = &d->peer->address;
    struct ds what = DS_EMPTY_INITIALIZER;

    if (!address_parse(value, addr)) {
        return peerdraft_refuse(d, "address %s is not an IP address: write it "
                                "like 192.168.50.11 or fd00::11", value);
    }

    const char *reason = address_refuse_unicast(addr);
    if (reason) {
        return peerdraft_refuse(d, "address %s %s: write one by which the "
                                "other hosts reach this one", value, reason);
    }

    /* Not 'value': an IPv6 address can be spelled in several ways. */
    ds_put_cstr(&what, "address ");
    address_format(addr, &what);
    claim_unique(d, ds_cstr(&what));
    ds_destroy(&what);
    return !d->error;
}

static bool
take_port(struct peerdraft *d, const char *value)
{
    unsigned int port;

    if (!take_number(d, "port", value, UINT16_MAX, &port)) {
        return false;
    }
    d->peer->port = port;
    return true;
}

static bool
take_slice(struct peerdraft *d, const char *value)
{
    return claim_prefix(d, "slice", value, &d->slices, d->peer->slices,
                        &d->peer->n_slices);
}

static bool
take_number(struct peerdraft *d, const char *what, const char *value,
            unsigned int max, unsigned int *number)
{
    if (!number_parse(value, number) || *number < 1 || *number > max) {
        return peerdraft_refuse(d, "%s %s is not within 1..%u", what, value,
                                max);
    }
    return true;
}

static bool
claim_unique(struct peerdraft *d, const char *what)
{
    const struct peerdraft_source *other = shash_find_data(&d->unique, what);

    if (other) {
        return peerdraft_refuse(d, "%s is already that of %s%s: choose "
                                "another", what, other->name,
                                peerdraft_line(d, other->line).text);
    }
    shash_add(&d->unique, what, xmemdup(&d->here, sizeof d->here));
    return true;
}

/* Adds the prefix 'value' to those of the section and to those of all. */
static bool
claim_prefix(struct peerdraft *d, const char *what, const char *value,
             struct peerdraft_claims *claims, struct prefix prefixes[],
             size_t *n_prefixes)
{
    struct prefix prefix;
    char *error = prefix_parse_subnet(value, &prefix);

    if (error) {
        peerdraft_refuse(d, "%s %s", what, error);
        free(error);
        return false;
    }

    /* The section's own are the last of all. */
    for (size_t i = claims->n - *n_prefixes; i < claims->n; i++) {
        if (prefix_overlaps(&prefix, &claims->a[i].prefix)) {
            return peerdraft_refuse(
                d, "%s %s overlaps %s%s: remove one", what, value,
                d->lines ? "the one" : "another",
                peerdraft_line(d, claims->a[i].source.line).text);
        }
    }

    add_claim(d, claims, &prefix, &in6addr_any);
    prefixes[(*n_prefixes)++] = prefix;
    return true;
}

static void
add_claim(struct peerdraft *d, struct peerdraft_claims *claims,
          const struct prefix *prefix, const struct in6_addr *via)
{
    if (claims->n == claims->allocated) {
        claims->a = x2nrealloc(claims->a, &claims->allocated,
                               sizeof *claims->a);
    }
    claims->a[claims->n++] = (struct peerdraft_claim) {
        *prefix, *via, d->network, d->here
    };
}
