/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "agent/underlay.h"

#include <errno.h>
#include <limits.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include "agent/firewall.h"
#include "agent/lent.h"
#include "agent/underlay-text.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "overlay/address.h"
#include "packets.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(underlay);

/* What comes to the NIC later is complete after so long: a DHCP client sets
 * the address first and its routes then. */
enum { SETTLE_MS = 1000 };

/* Who takes a NIC down to configure it anew (ifdown, ifup) is done by then. */
enum { ANEW_MS = 30000 };

struct underlay {
    char *nic, *bridge;
    struct lent lent;               /* To 'bridge'. */
    unsigned int merging;           /* RTNL_GRO and so on: were on. */
    bool known;                     /* The above has been found out. */
    bool renewed;                   /* It is not what the row says. */
    int guarded;                    /* Ifindex of the NIC whose ingress drops;
                                     * 0: none. */
    bool restored;                  /* Nothing is to be done any more. */
    bool dirty;
    long long int adopt_at;         /* When to take over what came to the NIC;
                                     * LLONG_MAX: nothing came. */
    long long int anew_until;       /* What comes until then replaces all. */
    struct in6_addr own;            /* The one that peers send to; :: if that
                                     * is not known. */
    unsigned int composed;          /* switchdb_seqno() when the row was as it
                                     * should be. */
    char *problem;
    struct switchdb *db;
    struct kernel *kernel;
};

static void read_row(struct underlay *, const struct switchdb_underlay *);
static void read_nic(struct underlay *);
static char *apply(struct underlay *);
static bool adopt(struct underlay *, int nic, int phy, bool settled);
static int move_addresses(struct underlay *, int nic, int phy);
static void del_route_of_address(struct rtnl *, const struct rtnl_addr *);
static void on_bridge(struct rtnl_addr *);
static int move_routes(struct underlay *, int from, int to, bool for_ever);
static char *guard(struct underlay *, bool on);
static char *stop_merging(const struct underlay *);

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
    u->adopt_at = LLONG_MAX;
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
underlay_link_changed(struct underlay *u, const struct rtnl_link *link)
{
    bool nic = !strcmp(link->name, u->nic);
    if (nic && !(link->flags & IFF_UP)) {
        u->anew_until = time_msec() + ANEW_MS;
    }
    u->dirty = u->dirty || nic || !strcmp(link->name, u->bridge);
}

void
underlay_set_own(struct underlay *u, const struct in6_addr *own)
{
    u->dirty = u->dirty || !ipv6_addr_equals(&u->own, own);
    u->own = *own;
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
    if ((!u->dirty && time_msec() < u->adopt_at) || u->restored
        || !switchdb_ready(u->db)) {
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
    }
    if (!problem && state == BRIDGE_OURS) {
        problem = apply(u);
    }
    if (problem && (!u->problem || strcmp(problem, u->problem))) {
        VLOG_WARN("%s", problem);
    }
    free(u->problem);
    u->problem = problem;
}

void
underlay_wait(const struct underlay *u)
{
    if (u->adopt_at != LLONG_MAX && !u->restored) {
        poll_timer_wait_until(u->adopt_at);
    }
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
    char *addresses = lent_format_addresses(&u->lent);
    char *routes = lent_format_routes(&u->lent);
    VLOG_INFO("bridge %s: %s, with %s, for %s", u->bridge,
              state == BRIDGE_ABSENT ? "installing" : "updating", u->nic,
              addresses);
    switchdb_put_underlay(u->db, &(struct switchdb_underlay) {
        .bridge = u->bridge,
        .nic = u->nic,
        .mac = mac,
        .addresses = addresses,
        .routes = routes,
        .offloads = underlay_format_offloads(u->merging),
    });
    free(mac);
    free(addresses);
    free(routes);
}

size_t
underlay_addresses(const struct underlay *u, struct in6_addr *addrs,
                   size_t max)
{
    size_t n = MIN(max, u->lent.n_addresses);
    for (size_t i = 0; i < n; i++) {
        addrs[i] = u->lent.addresses[i].ip.addr;
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
    if (u->merging) {
        /* As good as it gets. */
        (void) rtnl_rx_merging_set(rtnl, u->nic, u->merging);
    }
    int error = 0;
    for (size_t i = 0; i < u->lent.n_addresses; i++) {
        struct rtnl_addr a = u->lent.addresses[i];
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

static void
read_nic(struct underlay *u)
{
    struct rtnl *rtnl = kernel_rtnl(u->kernel);
    struct rtnl_link nic;
    if (rtnl_link_get(rtnl, u->nic, &nic)) {
        return;                     /* Not there yet: its link event comes. */
    }
    if (lent_read(rtnl, u->nic, nic.ifindex, &u->lent)
        && u->lent.n_addresses) {
        (void) rtnl_rx_merging_get(rtnl, u->nic, &u->merging);
        u->known = true;
    }
}

static void
read_row(struct underlay *u, const struct switchdb_underlay *row)
{
    lent_parse(row->addresses, row->routes, u->bridge, &u->lent);
    u->merging = underlay_parse_offloads(row->offloads);
    u->known = u->lent.n_addresses > 0;
}

/* Where the addresses that were moved are. */
struct held_aux {
    struct underlay *u;
    int nic, phy;                   /* Ifindexes. */
    bool on_nic[LENT_ADDRESSES_MAX], on_phy[LENT_ADDRESSES_MAX];
    bool came;                      /* One that is not known is on the NIC. */
    size_t own;                     /* Of the host's own address, if it is one
                                     * of IPv6; else SIZE_MAX. */
    bool seen;                      /* One of its subnet is on br-phy. */
    bool behind;                    /* And another one before it. */
};

static size_t
find_own(const struct underlay *u)
{
    for (size_t i = 0; i < u->lent.n_addresses; i++) {
        const struct prefix *ip = &u->lent.addresses[i].ip;
        if (!prefix_is_v4(ip) && ipv6_addr_equals(&ip->addr, &u->own)) {
            return i;
        }
    }
    return SIZE_MAX;
}

/* Is 'ip' of the subnet of the host's own address? */
static bool
is_beside_own(const struct held_aux *aux, const struct prefix *ip)
{
    if (aux->own == SIZE_MAX || prefix_is_v4(ip)) {
        return false;
    }
    const struct prefix *own = &aux->u->lent.addresses[aux->own].ip;
    return ip->len == own->len && prefix_contains(own, &ip->addr);
}

static void
note_held(const struct rtnl_addr *a, void *aux_)
{
    struct held_aux *aux = aux_;
    struct lent *l = &aux->u->lent;
    bool is_known = false;
    for (size_t i = 0; i < l->n_addresses; i++) {
        struct rtnl_addr *known = &l->addresses[i];
        if (!prefix_equal(&known->ip, &a->ip)) {
            continue;
        }
        is_known = true;
        aux->on_nic[i] = aux->on_nic[i] || a->ifindex == aux->nic;
        aux->on_phy[i] = aux->on_phy[i] || a->ifindex == aux->phy;
        if (a->ifindex == aux->nic && a->valid_lft > known->valid_lft) {
            /* A lease was renewed. */
            lent_remember(aux->u->nic, a, known);
            aux->u->renewed = true;
        }
    }
    aux->came = aux->came || (!is_known && a->ifindex == aux->nic
                              && a->scope != RT_SCOPE_LINK);
    if (a->ifindex == aux->phy && !aux->seen && is_beside_own(aux, &a->ip)) {
        aux->seen = true;
        aux->behind = !ipv6_addr_equals(&a->ip.addr, &aux->u->own);
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
        u->guarded = nic.ifindex;
    }

    if (time_msec() >= u->adopt_at) {
        u->adopt_at = (adopt(u, nic.ifindex, phy.ifindex, true)
                       ? LLONG_MAX : time_msec() + SETTLE_MS);
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
    if (!error && u->adopt_at == LLONG_MAX) {
        error = move_routes(u, nic.ifindex, phy.ifindex, true);
    }
    return (error ? xasprintf("could not move the addresses of %s to %s: %s",
                              u->nic, u->bridge, ovs_strerror(-error))
            : stop_merging(u));
}

/* vswitchd drops what is larger than the MTU ("Too big. GRO/TSO enabled?"):
 * every large TCP transfer to this host would stand still. */
static char *
stop_merging(const struct underlay *u)
{
    struct rtnl *rtnl = kernel_rtnl(u->kernel);
    unsigned int on;
    if (rtnl_rx_merging_get(rtnl, u->nic, &on) || !on) {
        return NULL;                /* It cannot merge, or does not. */
    }
    if (rtnl_rx_merging_set(rtnl, u->nic, 0)) {
        return xasprintf("interface %s merges the packets that it receives, "
                         "which ovs-vswitchd then drops, and does not let "
                         "itself be changed: see \"ethtool -k %s\"",
                         u->nic, u->nic);
    }
    VLOG_INFO("interface %s: turned off %s until \"weft cleanup\": "
              "ovs-vswitchd drops merged packets", u->nic,
              underlay_format_offloads(on));
    return NULL;
}

static int
move_address(struct held_aux *aux, size_t i)
{
    struct rtnl *rtnl = kernel_rtnl(aux->u->kernel);
    struct rtnl_addr a = aux->u->lent.addresses[i];
    int error = 0;
    if (!aux->on_phy[i]) {
        on_bridge(&a);
        a.ifindex = aux->phy;
        error = rtnl_address_set(rtnl, &a);
        aux->behind = aux->behind || is_beside_own(aux, &a.ip);
    }
    if (!error && aux->on_nic[i]) {
        a.ifindex = aux->nic;
        error = rtnl_address_del(rtnl, &a);
        /* Secondary ones go with the first. */
        error = error == -EADDRNOTAVAIL ? 0 : error;
    }
    a.ifindex = aux->nic;
    del_route_of_address(rtnl, &a);
    return error;
}

/* The host's own address of IPv6 comes last, and so is the first that the
 * kernel tells of in its subnet: from that Open vSwitch (3.1) sends its
 * tunnels, whatever options:local_ip says.  For IPv4 it minds that. */
static int
move_own(struct held_aux *aux)
{
    if (aux->own == SIZE_MAX) {
        return 0;
    }
    if (aux->on_phy[aux->own] && aux->behind) {
        struct rtnl_addr a = aux->u->lent.addresses[aux->own];
        a.ifindex = aux->phy;
        (void) rtnl_address_del(kernel_rtnl(aux->u->kernel), &a);
        aux->on_phy[aux->own] = false;
    }
    return move_address(aux, aux->own);
}

/* Only what differs: each change is an event that brings us here again. */
static int
move_addresses(struct underlay *u, int nic, int phy)
{
    struct held_aux aux = {
        .u = u, .nic = nic, .phy = phy, .own = find_own(u),
    };
    int error = rtnl_addrs_dump(kernel_rtnl(u->kernel), note_held, &aux);
    if (aux.came && u->adopt_at == LLONG_MAX) {
        u->adopt_at = time_msec() + SETTLE_MS;
        (void) adopt(u, nic, phy, false);
    }
    if (u->adopt_at != LLONG_MAX) {
        return error;
    }
    for (size_t i = 0; i < u->lent.n_addresses && !error; i++) {
        error = i == aux.own ? 0 : move_address(&aux, i);
    }
    return error ? error : move_own(&aux);
}

/* Does 'a' go, now that 'now' has come to the NIC?  It does not if what came
 * is of the other family or was here already. */
static bool
is_replaced(const struct underlay *u, const struct lent *now,
            const struct rtnl_addr *a)
{
    bool anew = time_msec() < u->anew_until;
    for (size_t i = 0; i < now->n_addresses; i++) {
        const struct rtnl_addr *b = &now->addresses[i];
        if (prefix_is_v4(&b->ip) == prefix_is_v4(&a->ip)
            && !lent_find(&u->lent, &b->ip)
            && (anew || (a->valid_lft != UINT32_MAX
                         && b->valid_lft != UINT32_MAX))) {
            return !lent_find(now, &a->ip);
        }
    }
    return false;
}

/* Is 'r' of address 'a', and of none of 'l'? */
static bool
goes_with(const struct rtnl_route *r, const struct rtnl_addr *a,
          const struct lent *l)
{
    if (r->has_src && ipv6_addr_equals(&r->src, &a->ip.addr)) {
        return true;
    }
    for (size_t i = 0; i < l->n_addresses; i++) {
        if (r->has_gateway
            && prefix_contains(&l->addresses[i].ip, &r->gateway)) {
            return false;
        }
    }
    return r->has_gateway && prefix_contains(&a->ip, &r->gateway);
}

/* Does 'r' go, because 'now' has one in its place, or with an address of
 * 'was' that 'next' does not have? */
static bool
route_is_replaced(const struct rtnl_route *r, const struct lent *now,
                  const struct lent *was, const struct lent *next)
{
    for (size_t i = 0; i < now->n_routes; i++) {
        const struct rtnl_route *n = &now->routes[i];
        if (prefix_equal(&n->dst, &r->dst) && n->metric == r->metric
            && n->protocol == r->protocol) {
            return true;
        }
    }
    for (size_t i = 0; i < was->n_addresses; i++) {
        const struct rtnl_addr *a = &was->addresses[i];
        if (!lent_find(next, &a->ip) && goes_with(r, a, next)) {
            return true;
        }
    }
    return false;
}

/* Those of the one family, first what stays, in 'next'; what does not goes
 * from link 'phy'. */
static void
adopt_addresses(struct underlay *u, const struct lent *now, int phy, bool v4,
                struct lent *next)
{
    for (size_t i = 0; i < u->lent.n_addresses; i++) {
        struct rtnl_addr a = u->lent.addresses[i];
        if (prefix_is_v4(&a.ip) != v4) {
            continue;
        } else if (is_replaced(u, now, &a)) {
            a.ifindex = phy;
            (void) rtnl_address_del(kernel_rtnl(u->kernel), &a);
        } else {
            next->addresses[next->n_addresses++] = a;
        }
    }
    for (size_t i = 0; i < now->n_addresses; i++) {
        const struct rtnl_addr *a = &now->addresses[i];
        if (prefix_is_v4(&a->ip) == v4 && !lent_find(next, &a->ip)
            && next->n_addresses < LENT_ADDRESSES_MAX) {
            next->addresses[next->n_addresses++] = *a;
        }
    }
}

static void
adopt_routes(struct underlay *u, const struct lent *now, int phy,
             struct lent *next)
{
    for (size_t i = 0; i < u->lent.n_routes; i++) {
        struct rtnl_route r = u->lent.routes[i];
        if (route_is_replaced(&r, now, &u->lent, next)) {
            r.oif = phy;
            (void) rtnl_route_del(kernel_rtnl(u->kernel), &r);
        } else {
            next->routes[next->n_routes++] = r;
        }
    }
    for (size_t i = 0; i < now->n_routes && next->n_routes < LENT_ROUTES_MAX;
         i++) {
        next->routes[next->n_routes++] = now->routes[i];
    }
}

/* Takes over what came to the NIC, by a DHCP client that has another lease or
 * by hand.  A lease goes when another of its family comes: its client looks
 * for it on the NIC only, and cannot take it away.  Its routes would be in the
 * way of the new ones, so all that goes does so at once, and what has come is
 * taken over when it is 'settled'.  Returns false if it is to be done once
 * more. */
static bool
adopt(struct underlay *u, int nic, int phy, bool settled)
{
    struct lent *now = xzalloc(sizeof *now);
    struct lent *next = xzalloc(sizeof *next);
    bool done = lent_read(kernel_rtnl(u->kernel), u->nic, nic, now);
    if (done && now->n_addresses) {
        adopt_addresses(u, now, phy, true, next);
        adopt_addresses(u, now, phy, false, next);
        adopt_routes(u, now, phy, next);
    }
    if (done && now->n_addresses && settled) {
        u->lent = *next;
        u->renewed = true;
        u->anew_until = 0;
        char *addresses = lent_format_addresses(&u->lent);
        VLOG_INFO("%s has other addresses: %s has %s", u->nic, u->bridge,
                  addresses);
        free(addresses);
    }
    free(now);
    free(next);
    return done;
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
        for (size_t i = 0; i < u->lent.n_routes; i++) {
            struct rtnl_route r = u->lent.routes[i];
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
