/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "overlay/admit.h"

#include <stdlib.h>
#include <string.h>
#include "hash.h"
#include "openvswitch/util.h"
#include "overlay/address.h"
#include "overlay/ifname.h"
#include "packets.h"
#include "svec.h"
#include "util.h"

/* How many names or MACs to try before giving up. */
enum { ATTEMPTS_MAX = 256 };
/* Of a subnet's host part, within which the search for an automatic address
 * begins. */
enum { NUMBER_BITS = 24 };

static char *choose_network(const struct attach_request *,
                            const struct admit_host *,
                            const struct network **);
static char *choose_name(const struct attach_request *, char **namep);
static char *check_existing(const struct attach_request *,
                            const struct endpoint *, const char *netns);
static char *choose_addresses(const struct attach_request *,
                              const struct network *,
                              const struct admit_host *,
                              struct claims *, struct endpoint *);
static char *choose_mac(const struct attach_request *, const struct network *,
                        const struct admit_host *, struct claims *,
                        struct endpoint *);
static char *choose_port(const struct admit_host *, const struct claims *,
                         struct endpoint *);

char *
admit_endpoint(const struct attach_request *req, const char *netns,
               const struct admit_host *host,
               struct claims *claims, struct endpoint *ep,
               const struct endpoint **existing)
{
    const struct network *net;
    *existing = NULL;
    *ep = (struct endpoint) { .owner = UINT32_MAX };

    char *error = choose_name(req, &ep->name);
    if (error) {
        return error;
    }
    const struct endpoint *other = claims_by_name(claims, ep->name);
    if (other) {
        error = check_existing(req, other, netns);
        *existing = error ? NULL : other;
        endpoint_finish(ep);
        return error;
    }
    error = choose_network(req, host, &net);
    if (error) {
        endpoint_finish(ep);
        return error;
    }
    ovs_assert(net);
    other = (req->tap ? NULL
             : claims_by_inside(claims, netns, req->ifname));
    if (other) {
        error = xasprintf("interface %s in %s is endpoint %s already: detach "
                          "that, or give another --ifname", req->ifname,
                          netns, other->name);
    } else if (req->mtu && host->mtu && req->mtu > host->mtu) {
        error = xasprintf("--mtu %d is more than the %d that the underlay "
                          "leaves", req->mtu, host->mtu);
    }
    ep->network = xstrdup(net->name);
    ep->netns = xstrdup(netns);
    ep->tap = req->tap;
    ep->dhcp = req->ip_dhcp;
    ep->owner = req->owner;
    ep->ifname = nullable_xstrdup(req->ifname);
    ep->mtu = req->mtu;
    if (!error && req->move && !req->n_ips) {
        error = xstrdup("--move takes over addresses that are given: give "
                        "--ip");
    }
    if (!error && req->ip_dhcp && !net->dhcp) {
        error = xasprintf("network %s has no DHCP: set \"dhcp = on\" in %s",
                          net->name, host->file);
    }
    if (!error) {
        error = choose_addresses(req, net, host, claims, ep);
    }
    if (!error) {
        error = choose_mac(req, net, host, claims, ep);
    }
    if (!error) {
        error = choose_port(host, claims, ep);
    }
    if (!error && ep->tap) {
        ep->ifname = xstrdup(ep->port);
    }
    if (error) {
        endpoint_finish(ep);
    }
    return error;
}

static char *
choose_network(const struct attach_request *req, const struct admit_host *host,
               const struct network **netp)
{
    const struct shash *networks = &host->list->networks;
    *netp = NULL;
    if (req->network) {
        *netp = shash_find_data(networks, req->network);
    } else if (shash_count(networks) == 1) {
        *netp = shash_first(networks)->data;
    }
    if (*netp) {
        return NULL;
    }

    struct svec names = SVEC_EMPTY_INITIALIZER;
    struct shash_node *node;
    SHASH_FOR_EACH (node, networks) {
        svec_add(&names, node->name);
    }
    svec_sort(&names);
    char *all = svec_join(&names, ", ", "");
    svec_destroy(&names);
    char *error = (req->network
                   ? xasprintf("network %s is not in %s, which has: %s",
                               req->network, host->file,
                               all[0] ? all : "none")
                   : xasprintf("which network? give --network: %s",
                               all[0] ? all : "none is listed"));
    free(all);
    return error;
}

static char *
choose_name(const struct attach_request *req, char **namep)
{
    *namep = (req->name ? xstrdup(req->name)
              : request_default_name(req->netns));
    return (*namep ? NULL
            : xasprintf("%s gives no valid endpoint name: give --name (%s)",
                        req->netns, NAME_RULE));
}

/* "--ip auto" beside others asks for more than those. */
static bool
same_ips(const struct attach_request *req, const struct endpoint *ep)
{
    for (size_t i = 0; i < req->n_ips; i++) {
        if (!endpoint_has_ip(ep, &req->ips[i].addr)) {
            return false;
        }
    }
    return (req->ip_auto ? !req->n_ips || req->n_ips < ep->n_ips
            : req->n_ips == ep->n_ips);
}

/* Is 'ep' what is asked for?  What was not said may be anything. */
static char *
check_existing(const struct attach_request *req, const struct endpoint *ep,
               const char *netns)
{
    const char *what
        = (req->tap != ep->tap
           ? (ep->tap ? "as a tap" : "as an interface of a namespace")
           : strcmp(ep->netns, netns) ? "in another namespace"
           : req->network && strcmp(ep->network, req->network)
           ? "on another network"
           : req->ifname && strcmp(ep->ifname, req->ifname)
           ? "under another interface name"
           : req->owner != UINT32_MAX && req->owner != ep->owner
           ? "with another owner"
           : !same_ips(req, ep) ? "with other addresses"
           : req->ip_dhcp && !ep->dhcp ? "without DHCP"
           : !eth_addr_is_zero(req->mac) && !eth_addr_equals(req->mac, ep->mac)
           ? "with another MAC"
           : req->mtu && req->mtu != ep->mtu ? "with another MTU"
           : NULL);
    return (what
            ? xasprintf("endpoint %s exists already, %s (%s, %s, %s): detach "
                        "it first, or give another %s", ep->name, what,
                        ep->tap ? "(tap)" : ep->netns, ep->network,
                        ep->ifname, req->tap ? "NAME" : "--name")
            : NULL);
}

/* NULL, or that another host has the address, or the MAC if 'ip' is NULL. */
static char *
check_others(const struct admit_host *host, const struct network *net,
             const struct in6_addr *ip, struct eth_addr mac, bool move)
{
    struct admit_other other;
    if (move || !host->is_other
        || !host->is_other(net->vni, ip, mac, &other, host->other_aux)) {
        return NULL;
    }
    struct ds s = DS_EMPTY_INITIALIZER;
    if (ip) {
        ds_put_cstr(&s, "address ");
        address_format(ip, &s);
    } else {
        ds_put_format(&s, "MAC "ETH_ADDR_FMT, ETH_ADDR_ARGS(mac));
    }
    ds_put_format(&s, " is taken by endpoint %s of host %s: give another, or "
                  "--move to take it over", other.name, other.host);
    return ds_steal_cstr(&s);
}

static char *
check_ip(const struct prefix *ip, const struct network *net,
         struct claims *claims)
{
    const struct in6_addr *gateway;
    const struct prefix *subnet = network_subnet(net, &ip->addr, &gateway);
    struct ds s = DS_EMPTY_INITIALIZER;
    prefix_format(ip, &s);
    const struct endpoint *other = claims_by_ip(claims, net->name, &ip->addr);
    char *error = NULL;
    if (!subnet) {
        error = xasprintf("address %s is in no subnet of network %s",
                          ds_cstr(&s), net->name);
    } else if (prefix_refuse_host(subnet, &ip->addr)) {
        error = xasprintf("address %s %s, in network %s", ds_cstr(&s),
                          prefix_refuse_host(subnet, &ip->addr), net->name);
    } else if (ip->len < subnet->len) {
        error = xasprintf("address %s: the subnet of network %s has /%d",
                          ds_cstr(&s), net->name, subnet->len);
    } else if (gateway && ipv6_addr_equals(gateway, &ip->addr)) {
        ds_clear(&s);
        address_format(gateway, &s);
        error = xasprintf("address %s is the gateway of network %s",
                          ds_cstr(&s), net->name);
    } else if (other) {
        error = xasprintf("address %s is taken by endpoint %s", ds_cstr(&s),
                          other->name);
    }
    ds_destroy(&s);
    return error;
}

static bool
is_gateway(const struct network *net, const struct in6_addr *addr)
{
    const struct in6_addr *gateway;
    (void) network_subnet(net, addr, &gateway); /* Only the gateway. */
    return gateway && ipv6_addr_equals(gateway, addr);
}

struct taken_aux {
    const struct network *net;
    const struct admit_host *host;
    struct claims *claims;
    const struct endpoint *ep;      /* With its network and its addresses so
                                     * far. */
};

static bool
is_taken(const struct in6_addr *addr, const void *aux_)
{
    const struct taken_aux *aux = aux_;
    struct admit_other other;
    return is_gateway(aux->net, addr)
           || (aux->host->is_other
               && aux->host->is_other(aux->net->vni, addr, eth_addr_zero,
                                      &other, aux->host->other_aux))
           || endpoint_has_ip(aux->ep, addr)
           || claims_by_ip(aux->claims, aux->ep->network, addr);
}

/* Where a directory tells who has what, any of the subnet.  Hosts and
 * endpoints begin to look at different places, so that they seldom meet; an
 * endpoint that comes back has the same one again, if it is free. */
static char *
choose_in_subnet(const struct prefix *subnet, const struct taken_aux *aux,
                 struct in6_addr *addr)
{
    int bits = (prefix_is_v4(subnet) ? 32 : 128) - subnet->len;
    uint32_t number = hash_string(aux->ep->name,
                                  hash_string(aux->host->self->name,
                                              aux->host->attempt));
    number &= (UINT32_C(1) << MIN(bits, NUMBER_BITS)) - 1;
    if (address_allocate(subnet, subnet, is_taken, aux, &number, addr)) {
        return NULL;
    }
    number = 0;
    if (address_allocate(subnet, subnet, is_taken, aux, &number, addr)) {
        return NULL;
    }
    struct ds s = DS_EMPTY_INITIALIZER;
    prefix_format(subnet, &s);
    char *error = xasprintf("no free address in subnet %s of network %s: "
                            "every one is taken", ds_cstr(&s),
                            aux->net->name);
    ds_destroy(&s);
    return error;
}

/* Of this host's own slice. */
static char *
choose_in_slice(const struct prefix *subnet, const struct taken_aux *aux,
                struct in6_addr *addr)
{
    struct prefix slice;
    char *error = address_slice(aux->host->list, aux->host->self, subnet,
                                &slice);
    if (error
        || address_allocate(subnet, &slice, is_taken, aux,
                            claims_cursor(aux->claims, aux->net->name,
                                          prefix_is_v4(subnet)), addr)) {
        return error;
    }
    struct ds s = DS_EMPTY_INITIALIZER;
    prefix_format(&slice, &s);
    error = xasprintf("no free address in %s, this host's slice of "
                      "network %s: give it another \"slice = ...\" in "
                      "%s", ds_cstr(&s), aux->net->name, aux->host->file);
    ds_destroy(&s);
    return error;
}

/* The first subnet of each family gives one. */
static char *
choose_automatic(const struct network *net, const struct admit_host *host,
                 struct claims *claims, struct endpoint *ep)
{
    struct taken_aux aux = { net, host, claims, ep };
    bool done[2] = { false, false };

    for (size_t i = 0; i < net->n_subnets; i++) {
        const struct prefix *subnet = &net->subnets[i];
        bool v4 = prefix_is_v4(subnet);
        if (done[v4]) {
            continue;
        } else if (ep->n_ips >= ENDPOINT_IPS_MAX) {
            return xasprintf("more than %d addresses with the automatic "
                             "ones: remove some", ENDPOINT_IPS_MAX);
        }
        done[v4] = true;
        struct prefix *ip = &ep->ips[ep->n_ips];
        char *error = (host->is_other
                       ? choose_in_subnet(subnet, &aux, &ip->addr)
                       : choose_in_slice(subnet, &aux, &ip->addr));
        if (error) {
            return error;
        }
        ip->len = subnet->len;
        ep->n_ips++;
    }
    return NULL;
}

static char *
choose_addresses(const struct attach_request *req, const struct network *net,
                 const struct admit_host *host,
                 struct claims *claims, struct endpoint *ep)
{
    for (size_t i = 0; i < req->n_ips; i++) {
        char *error = (endpoint_has_ip(ep, &req->ips[i].addr)
                       ? xasprintf("an address is given twice")
                       : check_ip(&req->ips[i], net, claims));
        if (!error) {
            error = check_others(host, net, &req->ips[i].addr, eth_addr_zero,
                                 req->move);
        }
        if (error) {
            return error;
        }
        ep->ips[ep->n_ips++] = req->ips[i];
    }
    return req->ip_auto ? choose_automatic(net, host, claims, ep) : NULL;
}

/* May 'mac' be that of an endpoint, 'self' if it has it already? */
static char *
check_mac(struct eth_addr mac, const struct network *net,
          const struct claims *claims, const struct endpoint *self)
{
    static const struct eth_addr gateway = GATEWAY_MAC;
    const struct endpoint *other = claims_by_mac(claims, net->name, mac);
    const char *reason
        = (eth_addr_equals(mac, gateway) ? "is the gateway's"
           : mac_is_gateways(mac)
           ? "is no endpoint's: 0e:57:00 belongs to Weft's gateways"
           : NULL);
    if (reason) {
        return xasprintf("MAC "ETH_ADDR_FMT" %s", ETH_ADDR_ARGS(mac), reason);
    }
    return (other && other != self
            ? xasprintf("MAC "ETH_ADDR_FMT" is taken by endpoint %s",
                        ETH_ADDR_ARGS(mac), other->name)
            : NULL);
}

static char *
choose_mac(const struct attach_request *req, const struct network *net,
           const struct admit_host *host, struct claims *claims,
           struct endpoint *ep)
{
    static const struct eth_addr gateway = GATEWAY_MAC;
    struct admit_other other;
    if (!eth_addr_is_zero(req->mac)) {
        ep->mac = req->mac;
        char *error = check_mac(req->mac, net, claims, NULL);
        return error ? error : check_others(host, net, NULL, req->mac,
                                            req->move);
    }
    for (unsigned int i = 0; i < ATTEMPTS_MAX; i++) {
        ep->mac = mac_derive(&net->mac_prefix, &ep->ips[0].addr, i);
        if (!eth_addr_equals(ep->mac, gateway)
            && !claims_by_mac(claims, net->name, ep->mac)
            && (req->move || !host->is_other
                || !host->is_other(net->vni, NULL, ep->mac, &other,
                                   host->other_aux))) {
            return NULL;
        }
    }
    return xasprintf("no free MAC address: give --mac");
}

static char *
choose_port(const struct admit_host *host, const struct claims *claims,
            struct endpoint *ep)
{
    for (unsigned int i = 0; i < ATTEMPTS_MAX; i++) {
        ep->port = ifname_make(IFNAME_ENDPOINT_PREFIX, ep->name, i);
        if (!claims_by_port(claims, ep->port)
            && !host->port_taken(ep->port, host->aux)) {
            return NULL;
        }
        free(ep->port);
        ep->port = NULL;
    }
    return xasprintf("no free interface name for endpoint %s: give another "
                     "%s", ep->name, ep->tap ? "NAME" : "--name");
}

/* The one of 'addr' in 'net', with what admission never gives anybody. */
static char *
conflict_of_ip(const struct endpoint *ep, const struct in6_addr *addr,
               const struct network *net, const struct claims *claims)
{
    const struct endpoint *other = claims_by_ip(claims, net->name, addr);
    bool gateway = is_gateway(net, addr);
    bool link_local = IN6_IS_ADDR_LINKLOCAL(addr);
    if (!gateway && !link_local && (!other || other == ep)) {
        return NULL;
    }

    struct ds s = DS_EMPTY_INITIALIZER;
    ds_put_cstr(&s, "address ");
    address_format(addr, &s);
    if (gateway) {
        ds_put_format(&s, " is the gateway of network %s", net->name);
    } else if (link_local) {
        ds_put_cstr(&s, " is link-local");
    } else {
        ds_put_format(&s, " is taken by endpoint %s", other->name);
    }
    return ds_steal_cstr(&s);
}

char *
admit_conflict(const struct endpoint *ep, const struct network *net,
               const struct claims *claims)
{
    char *error = check_mac(ep->mac, net, claims, ep);
    for (size_t i = 0; i < ep->n_ips && !error; i++) {
        error = conflict_of_ip(ep, &ep->ips[i].addr, net, claims);
    }
    return error;
}
