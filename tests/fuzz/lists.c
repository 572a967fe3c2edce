/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "lists.h"

#include <stdlib.h>
#include <string.h>
#include "openvswitch/dynamic-string.h"
#include "openvswitch/util.h"
#include "overlay/address.h"
#include "packets.h"
#include "text.h"
#include "util.h"

/* Pairs are compared with each other up to here. */
enum { CHECKED_MAX = 64 };

/* 'p' is what its own text would be parsed to. */
static void
check_subnet(const struct prefix *p)
{
    struct ds ds = DS_EMPTY_INITIALIZER;
    struct prefix again;

    prefix_format(p, &ds);
    ovs_assert(!prefix_parse_subnet(ds_cstr(&ds), &again));
    ovs_assert(prefix_equal(p, &again));
    ds_destroy(&ds);
}

static void check_ways(const struct network *);
static void check_pair(const struct network *, const struct network *);

static void
check_network(const struct peerlist *list, const struct network *network)
{
    const struct mac_prefix *mac = &network->mac_prefix;
    struct shash_node *node;
    int n = 0;

    ovs_assert(name_is_valid(network->name));
    ovs_assert(peerlist_network(list, network->name) == network);
    ovs_assert(network->vni >= 1 && network->vni <= VNI_MAX);
    ovs_assert(network->n_subnets >= 1 && network->n_subnets <= SUBNETS_MAX);
    ovs_assert(network->line >= 1);
    ovs_assert(!mac->len || mac->len == 2 || mac->len == 3);
    ovs_assert(!mac->len || (mac->octets[0] & 3) == 2);
    for (size_t i = 0; i < network->n_subnets; i++) {
        check_subnet(&network->subnets[i]);
        for (size_t j = 0; j < i; j++) {
            ovs_assert(!prefix_overlaps(&network->subnets[i],
                                        &network->subnets[j]));
        }
    }
    ovs_assert(network->router || network->domain == network->vni);
    check_ways(network);
    SHASH_FOR_EACH (node, &list->networks) {
        const struct network *other = node->data;

        ovs_assert(other == network || other->vni != network->vni);
        check_pair(network, other);
        if (++n > CHECKED_MAX) {
            break;
        }
    }
}

/* Where packets leave the network, within it. */
static void
check_ways(const struct network *network)
{
    bool needed = (network->router || network->dhcp
                   || network->external == EXTERNAL_NAT);

    ovs_assert(network->n_dns <= DNS_MAX);
    ovs_assert(network->n_routes <= NETWORK_ROUTES_MAX);
    for (size_t i = 0; i < network->n_dns; i++) {
        ovs_assert(!address_refuse_unicast(&network->dns[i]));
    }
    for (size_t i = 0; i < network->n_subnets; i++) {
        const struct in6_addr *gateway = &network->gateways[i];
        bool has = ipv6_addr_is_set(gateway);

        ovs_assert(has || !needed);
        ovs_assert(!has || !prefix_refuse_host(&network->subnets[i], gateway));
    }
    for (size_t i = 0; i < network->n_routes; i++) {
        const struct route *route = &network->routes[i];
        const struct in6_addr *gateway;
        const struct prefix *subnet = network_subnet(network, &route->via,
                                                     &gateway);

        ovs_assert(subnet && !prefix_refuse_host(subnet, &route->via));
        ovs_assert(!gateway || !ipv6_addr_equals(gateway, &route->via));
        ovs_assert(prefix_is_v4(&route->dst) == address_is_v4(&route->via));
    }
}

/* One domain, in which a packet has one way. */
static void
check_pair(const struct network *a, const struct network *b)
{
    bool together = (a == b || (a->router && b->router
                                && !strcmp(a->router, b->router)));

    ovs_assert(together == (a->domain == b->domain));
    for (size_t i = 0; together && i < a->n_subnets; i++) {
        for (size_t j = 0; a != b && j < b->n_subnets; j++) {
            ovs_assert(!prefix_overlaps(&a->subnets[i], &b->subnets[j]));
        }
    }
    for (size_t i = 0; together && i < a->n_routes; i++) {
        const struct prefix *dst = &a->routes[i].dst;

        for (size_t j = 0; j < b->n_routes; j++) {
            ovs_assert((a == b && i == j)
                       || !prefix_equal(dst, &b->routes[j].dst));
        }
        for (size_t j = 0; j < b->n_subnets; j++) {
            ovs_assert(!prefix_equal(dst, &b->subnets[j]));
        }
    }
}

static void
check_router(const struct peerlist *list, const struct router *router)
{
    uint32_t lowest = UINT32_MAX, domain = 0;
    const char *name;

    ovs_assert(name_is_valid(router->name));
    ovs_assert(router->line >= 1);
    ovs_assert(!sset_is_empty(&router->networks));
    ovs_assert(sset_count(&router->networks) <= ROUTER_NETWORKS_MAX);
    SSET_FOR_EACH (name, &router->networks) {
        const struct network *network = peerlist_network(list, name);

        ovs_assert(network && !strcmp(network->router, router->name));
        lowest = MIN(lowest, network->vni);
        domain = network->domain;
    }
    ovs_assert(domain == lowest);
}

static bool
is_within_some_subnet(const struct peerlist *list, const struct prefix *slice)
{
    struct shash_node *node;

    SHASH_FOR_EACH (node, &list->networks) {
        const struct network *network = node->data;

        for (size_t i = 0; i < network->n_subnets; i++) {
            if (prefix_within(slice, &network->subnets[i])) {
                return true;
            }
        }
    }
    return false;
}

static bool
slices_overlap(const struct peer *a, const struct peer *b)
{
    for (size_t i = 0; i < a->n_slices; i++) {
        for (size_t j = 0; j < b->n_slices; j++) {
            if ((a != b || i != j)
                && prefix_overlaps(&a->slices[i], &b->slices[j])) {
                return true;
            }
        }
    }
    return false;
}

static bool
none_taken(const struct in6_addr *addr OVS_UNUSED, const void *aux OVS_UNUSED)
{
    return false;
}

static void
check_allocation(const struct peerlist *list, const struct peer *peer)
{
    struct shash_node *node;
    int n = 0;

    SHASH_FOR_EACH (node, &list->networks) {
        const struct network *network = node->data;

        for (size_t i = 0; i < network->n_subnets; i++) {
            const struct prefix *subnet = &network->subnets[i];
            struct in6_addr addr = subnet->addr;
            struct prefix slice;

            free(address_slice(list, peer, subnet, &slice));
            ovs_assert(prefix_within(&slice, subnet));
            uint32_t number = 0;
            if (address_allocate(subnet, &slice, none_taken, NULL,
                                 &number, &addr)) {
                ovs_assert(prefix_contains(&slice, &addr));
                ovs_assert(!prefix_refuse_host(subnet, &addr));
                ovs_assert(!address_refuse_unicast(&addr));
            }

            struct eth_addr mac = mac_derive(&network->mac_prefix, &addr, n);
            ovs_assert(!eth_addr_is_multicast(mac) && eth_addr_is_local(mac));
        }
        if (++n > CHECKED_MAX) {
            break;
        }
    }
}

static void
check_find_self(const char *file, const struct peerlist *list,
                const struct peer *peer)
{
    const struct in6_addr owned[] = {
        in6addr_loopback, peer->address, in6_addr_mapped_ipv4(htonl(1)),
    };
    const struct peer *self;
    char *error;

    error = peerlist_find_self(file, list, NULL, peer->name, owned,
                               ARRAY_SIZE(owned), &self);
    ovs_assert(error ? !self : self == peer);
    text_check_refusal(error, file);

    error = peerlist_find_self(file, list, peer->name, NULL, NULL, 0,
                               &self);
    ovs_assert(error ? !self : self == peer);
    text_check_refusal(error, file);

    error = peerlist_find_self(file, list, NULL, peer->name, owned, 1,
                               &self);
    ovs_assert(error && !self);
    text_check_refusal(error, file);
}

static void
check_peer(const char *file, const struct peerlist *list,
           const struct peer *peer)
{
    struct shash_node *node;
    int n = 0;

    ovs_assert(name_is_valid(peer->name));
    ovs_assert(peerlist_peer(list, peer->name) == peer);
    ovs_assert(!address_refuse_unicast(&peer->address));
    ovs_assert(peer->n_slices <= SLICES_MAX);
    ovs_assert(peer->line >= 1);
    for (size_t i = 0; i < peer->n_slices; i++) {
        check_subnet(&peer->slices[i]);
        ovs_assert(is_within_some_subnet(list, &peer->slices[i]));
    }
    SHASH_FOR_EACH (node, &list->peers) {
        const struct peer *other = node->data;

        ovs_assert(other == peer
                   || !ipv6_addr_equals(&other->address, &peer->address));
        ovs_assert(!slices_overlap(peer, other));
        ovs_assert(peerlist_port(peer, other));
        if (++n > CHECKED_MAX) {
            break;
        }
    }
    check_find_self(file, list, peer);
    check_allocation(list, peer);
}

void
lists_check(const char *file, const struct peerlist *list)
{
    struct shash_node *node;
    int n = 0;

    ovs_assert(!peerlist_mass_removal(list, list));
    SHASH_FOR_EACH (node, &list->networks) {
        check_network(list, node->data);
    }
    SHASH_FOR_EACH (node, &list->routers) {
        check_router(list, node->data);
    }
    SHASH_FOR_EACH (node, &list->peers) {
        check_peer(file, list, node->data);
        if (++n > CHECKED_MAX) {
            break;
        }
    }
}
