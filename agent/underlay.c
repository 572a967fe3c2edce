/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "agent/underlay.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include "agent/firewall.h"
#include "agent/underlay-text.h"
#include "openvswitch/vlog.h"
#include "overlay/address.h"
#include "packets.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(underlay);

enum { ADDRESSES_MAX = 64, ROUTES_MAX = 256 };

struct underlay {
    char *nic, *bridge;
    /* What the NIC had, in the order in which it is to be added.  The links
     * ('ifindex', 'oif') are not meant. */
    struct rtnl_addr addresses[ADDRESSES_MAX];
    size_t n_addresses;
    struct rtnl_route routes[ROUTES_MAX];
    size_t n_routes;
    bool tx_checksum;               /* The offload was on. */
    bool known;                     /* The above has been found out. */
    bool renewed;                   /* It is not what the row says. */
    int guarded;                    /* Ifindex of the NIC whose ingress drops;
                                     * 0: none. */
    bool restored;                  /* Nothing is to be done any more. */
    bool dirty;
    unsigned int composed;          /* switchdb_seqno() when the row was as it
                                     * should be. */
    char *problem;
    struct switchdb *db;
    struct kernel *kernel;
};

static void read_row(struct underlay *, const struct switchdb_underlay *);
static void read_nic(struct underlay *);
static void remember(const struct underlay *, struct rtnl_addr *,
                     const struct rtnl_addr *);
static void warn_not_understood(const struct underlay *, const char *item,
                                char *error);
static char *apply(struct underlay *);
static int move_addresses(struct underlay *, int nic, int phy);
static void del_route_of_address(struct rtnl *, const struct rtnl_addr *);
static void on_bridge(struct rtnl_addr *);
static int move_routes(struct underlay *, int from, int to, bool for_ever);
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
    if (u->composed == switchdb_seqno(u->db) && !u->renewed) {
        return;                     /* Its row is as it was. */
    }
    struct switchdb_underlay row;
    enum switchdb_bridge state = switchdb_underlay_state(u->db, u->bridge,
                                                         &row);
    if (state == BRIDGE_OURS) {
        u->composed = switchdb_seqno(u->db);
    }
    if (!u->known || (state == BRIDGE_OURS && !u->renewed)
        || state == BRIDGE_FOREIGN) {
        return;
    }
    u->renewed = false;
    struct rtnl_link nic;
    if (rtnl_link_get(kernel_rtnl(u->kernel), u->nic, &nic)) {
        return;                     /* Gone: its link event comes. */
    }
    /* The addresses keep their MAC on both ways, or the neighbours would send
     * to nobody until they ask again. */
    char *mac = xasprintf(ETH_ADDR_FMT, ETH_ADDR_ARGS(nic.mac));
    char *addresses = format_addresses(u);
    char *routes = format_routes(u);
    VLOG_INFO("bridge %s: %s, with %s, for %s", u->bridge,
              state == BRIDGE_OURS ? "updating" : "installing", u->nic,
              addresses);
    switchdb_put_underlay(u->db, &(struct switchdb_underlay) {
        .bridge = u->bridge,
        .nic = u->nic,
        .mac = mac,
        .addresses = addresses,
        .routes = routes,
        .tx_checksum = u->tx_checksum,
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
        addrs[i] = u->addresses[i].ip.addr;
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
    int phy_ifindex = (rtnl_link_get(rtnl, u->bridge, &phy)
                       ? 0 : phy.ifindex);
    char *problem = guard(u, false);
    if (u->tx_checksum) {
        (void) rtnl_tx_checksum(rtnl, u->nic, true);  /* As good as it gets. */
    }
    int error = 0;
    for (size_t i = 0; i < u->n_addresses; i++) {
        struct rtnl_addr a = u->addresses[i];
        if (phy_ifindex) {
            a.ifindex = phy_ifindex;
            (void) rtnl_address_del(rtnl, &a);  /* Goes with the bridge. */
        }
        a.ifindex = nic.ifindex;
        int e = rtnl_address_set(rtnl, &a);
        error = error ? error : e;
    }
    int e = move_routes(u, phy_ifindex, nic.ifindex, false);
    error = error ? error : e;
    if (error && !problem) {
        problem = xasprintf("could not give all addresses and routes back to "
                            "%s: %s", u->nic, ovs_strerror(-error));
    }
    u->restored = true;
    return problem;
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
        remember(u, &u->addresses[u->n_addresses++], a);
    }
}

/* The label that every address has by itself is not remembered: on the bridge
 * it is another. */
static void
remember(const struct underlay *u, struct rtnl_addr *to,
         const struct rtnl_addr *a)
{
    *to = *a;
    if (!strcmp(to->label, u->nic)) {
        to->label[0] = '\0';
    }
}

/* Is 'r' one that the kernel makes of an address, and takes away with it?  All
 * others are somebody's, even if they look the same: who adds an address with
 * IFA_F_NOPREFIXROUTE, as NetworkManager does, adds its route. */
static bool
is_of_address(const struct underlay *u, const struct rtnl_route *r)
{
    if (r->protocol != RTPROT_KERNEL || r->has_gateway) {
        return false;
    }
    for (size_t i = 0; i < u->n_addresses; i++) {
        const struct rtnl_addr *a = &u->addresses[i];
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
    struct underlay *u = aux->u;
    if (r->oif == aux->ifindex && !is_of_address(u, r)
        && u->n_routes < ROUTES_MAX) {
        u->routes[u->n_routes++] = *r;
    }
}

/* The kernel tells of those of IPv6, which it tells of last, the newest first.
 */
static void
sort_addresses(struct underlay *u)
{
    size_t i = 0;
    while (i < u->n_addresses && prefix_is_v4(&u->addresses[i].ip)) {
        i++;
    }
    for (size_t j = u->n_addresses; i + 1 < j; i++) {
        struct rtnl_addr a = u->addresses[i];
        u->addresses[i] = u->addresses[--j];
        u->addresses[j] = a;
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
    /* The addresses first: see is_of_address(). */
    if (!rtnl_addrs_dump(rtnl, add_address, &aux)
        && !rtnl_routes_dump(rtnl, add_route, &aux) && u->n_addresses) {
        sort_addresses(u);
        /* A NIC without the offload refuses: then it is off. */
        (void) rtnl_tx_checksum_get(rtnl, u->nic, &u->tx_checksum);
        u->known = true;
    }
}

static void
read_row(struct underlay *u, const struct switchdb_underlay *row)
{
    char *save = NULL;
    char *copy = xstrdup(row->addresses);
    u->n_addresses = u->n_routes = 0;
    for (char *item = strtok_r(copy, ",", &save);
         item && u->n_addresses < ADDRESSES_MAX;
         item = strtok_r(NULL, ",", &save)) {
        char *error = underlay_parse_address(item,
                                             &u->addresses[u->n_addresses]);
        u->n_addresses += !error;
        warn_not_understood(u, item, error);
    }
    free(copy);

    copy = xstrdup(row->routes);
    for (char *item = strtok_r(copy, ",", &save);
         item && u->n_routes < ROUTES_MAX;
         item = strtok_r(NULL, ",", &save)) {
        char *error = underlay_parse_route(item, &u->routes[u->n_routes]);
        u->n_routes += !error;
        warn_not_understood(u, item, error);
    }
    free(copy);
    u->tx_checksum = row->tx_checksum;
    u->known = u->n_addresses > 0;
}

/* Frees 'error'; NULL is none. */
static void
warn_not_understood(const struct underlay *u, const char *item, char *error)
{
    if (error) {
        VLOG_WARN("bridge %s: external_ids: passing over \"%s\": %s",
                  u->bridge, item, error);
        free(error);
    }
}

static char *
format_addresses(const struct underlay *u)
{
    struct ds s = DS_EMPTY_INITIALIZER;
    for (size_t i = 0; i < u->n_addresses; i++) {
        ds_put_cstr(&s, i ? ", " : "");
        underlay_format_address(&u->addresses[i], &s);
    }
    return ds_steal_cstr(&s);
}

static char *
format_routes(const struct underlay *u)
{
    struct ds s = DS_EMPTY_INITIALIZER;
    for (size_t i = 0; i < u->n_routes; i++) {
        ds_put_cstr(&s, i ? ", " : "");
        underlay_format_route(&u->routes[i], &s);
    }
    return ds_steal_cstr(&s);
}

/* Where the addresses that were moved are. */
struct held_aux {
    struct underlay *u;
    int nic, phy;                   /* Ifindexes. */
    bool on_nic[ADDRESSES_MAX], on_phy[ADDRESSES_MAX];
};

static void
note_held(const struct rtnl_addr *a, void *aux_)
{
    struct held_aux *aux = aux_;
    for (size_t i = 0; i < aux->u->n_addresses; i++) {
        struct rtnl_addr *known = &aux->u->addresses[i];
        if (!prefix_equal(&known->ip, &a->ip)) {
            continue;
        }
        aux->on_nic[i] = aux->on_nic[i] || a->ifindex == aux->nic;
        aux->on_phy[i] = aux->on_phy[i] || a->ifindex == aux->phy;
        if (a->ifindex == aux->nic && a->valid_lft > known->valid_lft) {
            remember(aux->u, known, a);     /* A lease was renewed. */
            aux->u->renewed = true;
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

    int error = 0;
    if (!(phy.flags & IFF_UP)) {
        error = rtnl_link_up(rtnl, phy.ifindex, true);
    }
    if (phy.mtu != nic.mtu) {
        /* vswitchd does so as well, unless it comes to believe that somebody
         * wants 1500.  If it cannot be, the tunnels have what there is. */
        (void) rtnl_link_set_mtu(rtnl, phy.ifindex, nic.mtu);
    }
    if (!error) {
        error = move_addresses(u, nic.ifindex, phy.ifindex);
    }
    if (!error) {
        error = move_routes(u, nic.ifindex, phy.ifindex, true);
    }
    return (error ? xasprintf("could not move the addresses of %s to %s: %s",
                              u->nic, u->bridge, ovs_strerror(-error))
            : NULL);
}

/* Only what differs: each change is an event that brings us here again. */
static int
move_addresses(struct underlay *u, int nic, int phy)
{
    struct rtnl *rtnl = kernel_rtnl(u->kernel);
    struct held_aux aux = { .u = u, .nic = nic, .phy = phy };
    int error = rtnl_addrs_dump(rtnl, note_held, &aux);
    for (size_t i = 0; i < u->n_addresses && !error; i++) {
        struct rtnl_addr a = u->addresses[i];
        if (!aux.on_phy[i]) {
            on_bridge(&a);
            a.ifindex = phy;
            error = rtnl_address_set(rtnl, &a);
        }
        if (!error && aux.on_nic[i]) {
            a.ifindex = nic;
            error = rtnl_address_del(rtnl, &a);
            /* Secondary ones go with the first. */
            error = error == -EADDRNOTAVAIL ? 0 : error;
        }
        a.ifindex = nic;
        del_route_of_address(rtnl, &a);
    }
    return error;
}

/* An IPv6 address that would have ended leaves its route behind, which goes
 * before that of the same metric on the bridge. */
static void
del_route_of_address(struct rtnl *rtnl, const struct rtnl_addr *a)
{
    if (!prefix_is_v4(&a->ip)) {
        struct in6_addr mask = ipv6_create_mask(a->ip.len);
        struct rtnl_route r = {
            .dst = { ipv6_addr_bitand(&a->ip.addr, &mask), a->ip.len },
            .oif = a->ifindex,
            .protocol = RTPROT_KERNEL,
        };
        (void) rtnl_route_del(rtnl, &r);        /* Most have none. */
    }
}

/* What 'a' is on the bridge.  There nobody renews it, so it stays. */
static void
on_bridge(struct rtnl_addr *a)
{
    a->label[0] = '\0';
    a->flags &= IFA_F_NOPREFIXROUTE;
    a->flags |= prefix_is_v4(&a->ip) ? 0 : IFA_F_NODAD;
    a->valid_lft = UINT32_MAX;
    a->preferred_lft = a->preferred_lft ? UINT32_MAX : 0;
}

/* From one link (0: it has gone) to another; 'for_ever' leaves out when they
 * end.  Returns the first error, but goes on. */
static int
move_routes(struct underlay *u, int from, int to, bool for_ever)
{
    struct rtnl *rtnl = kernel_rtnl(u->kernel);
    int error = 0;
    /* First those by which gateways are reached. */
    for (int gateways = 0; gateways <= 1; gateways++) {
        for (size_t i = 0; i < u->n_routes; i++) {
            struct rtnl_route r = u->routes[i];
            if (r.has_gateway != gateways) {
                continue;
            }
            if (from) {
                /* Those of IPv6 outlive the addresses that they came with. */
                r.oif = from;
                (void) rtnl_route_del(rtnl, &r);
            }
            r.oif = to;
            r.expires = for_ever ? 0 : r.expires;
            int e = rtnl_route_append(rtnl, &r);
            error = error || e == -EEXIST ? error : e;
        }
    }
    return error;
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
