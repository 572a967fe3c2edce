/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "agent/underlay.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include "agent/firewall.h"
#include "openvswitch/vlog.h"
#include "overlay/address.h"
#include "packets.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(underlay);

enum { ADDRESSES_MAX = 64, ROUTES_MAX = 256 };

struct underlay {
    char *nic, *bridge;
    struct prefix addresses[ADDRESSES_MAX];
    size_t n_addresses;
    struct rtnl_route routes[ROUTES_MAX];   /* 'oif' is not meant. */
    size_t n_routes;
    bool known;                     /* The above has been found out. */
    int guarded;                    /* Ifindex of the NIC whose ingress drops;
                                     * 0: none. */
    bool restored;                  /* Nothing is to be done any more. */
    bool dirty;
    char *problem;
    struct switchdb *db;
    struct kernel *kernel;
};

static void read_row(struct underlay *, const struct switchdb_underlay *);
static void read_nic(struct underlay *);
static char *apply(struct underlay *);
static char *guard(struct underlay *, bool on);
static char *format_addresses(const struct underlay *);
static char *format_routes(const struct underlay *);

struct underlay *
underlay_create(const char *nic, const char *bridge, struct switchdb *db,
                struct kernel *kernel)
{
    struct underlay *u = xzalloc(sizeof *u);
    u->nic = xstrdup(nic);
    u->bridge = xstrdup(bridge);
    u->db = db;
    u->kernel = kernel;
    u->dirty = true;
    return u;
}

void
underlay_destroy(struct underlay *u)
{
    if (u) {
        free(u->nic);
        free(u->bridge);
        free(u->problem);
        free(u);
    }
}

void
underlay_changed(struct underlay *u)
{
    u->dirty = true;
}

void
underlay_rules_changed(struct underlay *u)
{
    if (!u->guarded) {
        return;
    }
    char *chain = firewall_list("chain netdev weft underlay");
    if (!chain || !strstr(chain, "policy drop")) {
        u->guarded = 0;
        u->dirty = true;
    }
    free(chain);
}

void
underlay_run(struct underlay *u)
{
    struct switchdb_underlay row;
    if (!u->dirty || u->restored || !switchdb_ready(u->db)) {
        return;
    }
    u->dirty = false;

    enum switchdb_bridge state = switchdb_underlay_state(u->db, u->bridge,
                                                         &row);
    char *problem = NULL;
    if (state == BRIDGE_FOREIGN) {
        problem = xasprintf("bridge %s exists and is not Weft's: rename it, "
                            "or run without --underlay", u->bridge);
    } else if (!u->known && state == BRIDGE_ABSENT) {
        read_nic(u);
    } else if (!u->known) {
        read_row(u, &row);
    }
    if (!problem && row.nic && strcmp(row.nic, u->nic)) {
        problem = xasprintf("bridge %s holds interface %s already, not %s: "
                            "start with --underlay=%s and run \"weft cleanup\""
                            " first", u->bridge, row.nic, u->nic, row.nic);
        state = BRIDGE_FOREIGN;
    }
    if (state == BRIDGE_OURS) {
        problem = apply(u);
    }
    if (problem && (!u->problem || strcmp(problem, u->problem))) {
        VLOG_WARN("%s", problem);
    }
    free(u->problem);
    u->problem = problem;
}

void
underlay_compose(struct underlay *u)
{
    struct switchdb_underlay row;
    enum switchdb_bridge state = switchdb_underlay_state(u->db, u->bridge,
                                                         &row);
    if (!u->known || state == BRIDGE_OURS || state == BRIDGE_FOREIGN) {
        return;
    }
    struct rtnl_link nic;
    if (rtnl_link_get(kernel_rtnl(u->kernel), u->nic, &nic)) {
        return;                     /* Gone: its link event comes. */
    }
    /* The addresses keep their MAC on both ways, or the neighbours would send
     * to nobody until they ask again. */
    char *mac = xasprintf(ETH_ADDR_FMT, ETH_ADDR_ARGS(nic.mac));
    char *addresses = format_addresses(u);
    char *routes = format_routes(u);
    VLOG_INFO("bridge %s: installing, with %s, for %s", u->bridge, u->nic,
              addresses);
    switchdb_put_underlay(u->db, &(struct switchdb_underlay) {
        .bridge = u->bridge,
        .nic = u->nic,
        .mac = mac,
        .addresses = addresses,
        .routes = routes,
    });
    free(mac);
    free(addresses);
    free(routes);
}

size_t
underlay_addresses(const struct underlay *u, struct in6_addr *addrs,
                   size_t max)
{
    size_t n = MIN(max, u->n_addresses);
    for (size_t i = 0; i < n; i++) {
        addrs[i] = u->addresses[i].addr;
    }
    return n;
}

char *
underlay_restore(struct underlay *u)
{
    struct rtnl *rtnl = kernel_rtnl(u->kernel);
    struct rtnl_link nic, phy;
    if (!u->known) {
        return NULL;
    }
    if (rtnl_link_get(rtnl, u->nic, &nic)) {
        return xasprintf("interface %s has gone", u->nic);
    }
    if (!rtnl_link_get(rtnl, u->bridge, &phy)) {
        for (size_t i = 0; i < u->n_addresses; i++) {
            (void) rtnl_address_del(rtnl, phy.ifindex, &u->addresses[i]);
        }
    }
    char *error = guard(u, false);
    (void) rtnl_tx_checksum(rtnl, u->nic, true);  /* As good as it gets. */
    for (size_t i = 0; i < u->n_addresses; i++) {
        (void) rtnl_address_add(rtnl, nic.ifindex, &u->addresses[i]);
    }
    for (size_t i = 0; i < u->n_routes; i++) {
        u->routes[i].oif = nic.ifindex;
        (void) rtnl_route_add(rtnl, &u->routes[i]);
    }
    u->restored = true;
    return error;
}

const char *
underlay_problem(const struct underlay *u)
{
    return u->problem;
}

struct nic_aux {
    struct underlay *u;
    int ifindex;
};

static void
add_address(const struct rtnl_addr *a, void *aux_)
{
    struct nic_aux *aux = aux_;
    struct underlay *u = aux->u;
    if (a->ifindex == aux->ifindex && a->scope != RT_SCOPE_LINK
        && u->n_addresses < ADDRESSES_MAX) {
        u->addresses[u->n_addresses++] = a->ip;
    }
}

/* Routes that the addresses make by themselves have no gateway. */
static void
add_route(const struct rtnl_route *r, void *aux_)
{
    struct nic_aux *aux = aux_;
    struct underlay *u = aux->u;
    if (r->oif == aux->ifindex && r->has_gateway && u->n_routes < ROUTES_MAX) {
        u->routes[u->n_routes++] = *r;
    }
}

static void
read_nic(struct underlay *u)
{
    struct rtnl *rtnl = kernel_rtnl(u->kernel);
    struct rtnl_link nic;
    if (rtnl_link_get(rtnl, u->nic, &nic)) {
        return;                     /* Not there yet: its link event comes. */
    }
    struct nic_aux aux = { u, nic.ifindex };
    u->n_addresses = u->n_routes = 0;
    if (!rtnl_addrs_dump(rtnl, add_address, &aux)
        && !rtnl_routes_dump(rtnl, add_route, &aux) && u->n_addresses) {
        u->known = true;
    }
}

static void
read_row(struct underlay *u, const struct switchdb_underlay *row)
{
    char *save = NULL;
    char *copy = xstrdup(row->addresses);
    u->n_addresses = u->n_routes = 0;
    for (char *word = strtok_r(copy, " ", &save);
         word && u->n_addresses < ADDRESSES_MAX;
         word = strtok_r(NULL, " ", &save)) {
        char *error = prefix_parse(word, &u->addresses[u->n_addresses]);
        u->n_addresses += !error;
        free(error);
    }
    free(copy);

    copy = xstrdup(row->routes);
    for (char *word = strtok_r(copy, ",", &save);
         word && u->n_routes < ROUTES_MAX;
         word = strtok_r(NULL, ",", &save)) {
        struct rtnl_route *r = &u->routes[u->n_routes];
        char *via = strstr(word, " via ");
        if (via) {
            *via = '\0';
            char *error = prefix_parse(word, &r->dst);
            r->has_gateway = address_parse(via + 5, &r->gateway);
            r->protocol = RTPROT_STATIC;
            r->scope = RT_SCOPE_UNIVERSE;
            u->n_routes += !error && r->has_gateway;
            free(error);
        }
    }
    free(copy);
    u->known = u->n_addresses > 0;
}

static char *
format_addresses(const struct underlay *u)
{
    struct ds s = DS_EMPTY_INITIALIZER;
    for (size_t i = 0; i < u->n_addresses; i++) {
        ds_put_cstr(&s, i ? " " : "");
        prefix_format(&u->addresses[i], &s);
    }
    return ds_steal_cstr(&s);
}

static char *
format_routes(const struct underlay *u)
{
    struct ds s = DS_EMPTY_INITIALIZER;
    for (size_t i = 0; i < u->n_routes; i++) {
        ds_put_cstr(&s, i ? "," : "");
        prefix_format(&u->routes[i].dst, &s);
        ds_put_cstr(&s, " via ");
        address_format(&u->routes[i].gateway, &s);
    }
    return ds_steal_cstr(&s);
}

/* Where the addresses that were moved are. */
struct held_aux {
    const struct underlay *u;
    int nic, phy;                   /* Ifindexes. */
    bool on_nic[ADDRESSES_MAX], on_phy[ADDRESSES_MAX];
};

static void
note_held(const struct rtnl_addr *a, void *aux_)
{
    struct held_aux *aux = aux_;
    for (size_t i = 0; i < aux->u->n_addresses; i++) {
        if (prefix_equal(&aux->u->addresses[i], &a->ip)) {
            aux->on_nic[i] = aux->on_nic[i] || a->ifindex == aux->nic;
            aux->on_phy[i] = aux->on_phy[i] || a->ifindex == aux->phy;
        }
    }
}

/* Makes the kernel's side what it should be; every step may have been done. */
static char *
apply(struct underlay *u)
{
    struct rtnl *rtnl = kernel_rtnl(u->kernel);
    struct rtnl_link nic, phy;
    if (rtnl_link_get(rtnl, u->nic, &nic)) {
        return xasprintf("underlay interface %s is not there", u->nic);
    }
    if (rtnl_link_get(rtnl, u->bridge, &phy)) {
        return xasprintf("interface %s is not there: is ovs-vswitchd "
                         "running?", u->bridge);
    }
    if (u->guarded != nic.ifindex) {
        char *error = guard(u, true);
        if (error) {
            return error;
        }
        /* A NIC without the offload refuses; it needs none. */
        (void) rtnl_tx_checksum(rtnl, u->nic, false);
        u->guarded = nic.ifindex;
    }

    /* Only what differs: each change is an event that brings us here again. */
    struct held_aux aux = { .u = u, .nic = nic.ifindex, .phy = phy.ifindex };
    int error = rtnl_addrs_dump(rtnl, note_held, &aux);
    if (!error && !(phy.flags & IFF_UP)) {
        error = rtnl_link_up(rtnl, phy.ifindex, true);
    }
    if (phy.mtu != nic.mtu) {
        /* vswitchd does so as well, unless it comes to believe that somebody
         * wants 1500.  If it cannot be, the tunnels have what there is. */
        (void) rtnl_link_set_mtu(rtnl, phy.ifindex, nic.mtu);
    }
    for (size_t i = 0; i < u->n_addresses && !error; i++) {
        if (!aux.on_phy[i]) {
            error = rtnl_address_add(rtnl, phy.ifindex, &u->addresses[i]);
        }
        if (!error && aux.on_nic[i]) {
            error = rtnl_address_del(rtnl, nic.ifindex, &u->addresses[i]);
        }
    }
    for (size_t i = 0; i < u->n_routes && !error; i++) {
        /* Those of IPv6 outlive the addresses that they came with. */
        u->routes[i].oif = nic.ifindex;
        (void) rtnl_route_del(rtnl, &u->routes[i]);
        u->routes[i].oif = phy.ifindex;
        error = rtnl_route_add(rtnl, &u->routes[i]);
        error = error == -EEXIST ? 0 : error;
    }
    return (error ? xasprintf("could not move the addresses of %s to %s: %s",
                              u->nic, u->bridge, ovs_strerror(-error))
            : NULL);
}

/* The chain of our own table that drops what the kernel sees on the NIC. */
static char *
guard(struct underlay *u, bool on)
{
    /* "add" before "delete", so that it may or may not be there. */
    char *chain = (on ? xasprintf("table netdev weft {\n"
                                  "  chain underlay {\n"
                                  "    type filter hook ingress "
                                  "device \"%s\" priority 0;\n"
                                  "    policy drop;\n"
                                  "  }\n"
                                  "}\n", u->nic)
                   : xstrdup(""));
    char *commands = xasprintf("add table netdev weft\n"
                               "delete table netdev weft\n%s", chain);
    free(chain);
    char *error = firewall_run(commands);
    free(commands);
    return error;
}
