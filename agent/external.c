/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "agent/external.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>
#include "agent/external-rules.h"
#include "agent/firewall.h"
#include "agent/links.h"
#include "agent/sysctl.h"
#include "bitmap.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "overlay/address.h"
#include "overlay/ifname.h"
#include "overlay/transit.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(external);

enum { RULES_DELAY_MS = 50, CHECK_MS = 2000 };

/*
 *  wanted, link made     row there
 *  S_ABSENT ------------> S_PORT <--------------------+
 *     ^                    | |  link lost or replaced | closed by vswitchd;
 *     +--- not wanted: ----+ +-----------------> S_CLOSE  link made
 *          row deleted
 *
 * In S_CLOSE the row's type is one that does not exist, until in S_PORT it is
 * put back.
 */
enum state { S_ABSENT, S_PORT, S_CLOSE };

struct external {
    char *bridge, *port, *link;     /* The switch's end, the host's end. */
    enum state state;
    bool known;                     /* external_want() has been called. */
    bool v4, v6;                    /* What is wanted. */
    bool netdev;
    int mtu;                        /* 0: not known. */
    int ifindex, host_ifindex;      /* Of the two ends; 0: none. */
    ofp_port_t ofport;
    bool opened;                    /* vswitchd has had the link open. */
    bool drifted;                   /* Somebody changed the row. */
    int64_t gone_cfg;               /* vswitchd must have come so far before
                                     * the link is touched again. */
    bool dirty;                     /* The host's side is to be looked at. */
    long long int check_at;         /* When to look again. */
    bool rules_changed;             /* By whomever. */
    char *rules;                    /* What is installed, as nft lists it. */
    struct external_publish *publishes;     /* Owned. */
    size_t n_publishes;
    uint16_t *tunnels;              /* Owned.  UDP ports, in order. */
    size_t n_tunnels;
    struct smap before;             /* Settings that we changed. */
    char *problem, *foreign;
    struct switchdb *db;
    struct kernel *kernel;
    const struct external_ops *ops;
    void *aux;
};

static bool is_wanted(const struct external *);
static bool is_free(const struct external *);
static char *alias(const struct external *);
static void find_link(struct external *);
static char *make_link(struct external *);
static void compose_reopening(struct external *);
static void remove_host_side(struct external *);
static char *apply(struct external *);
static char *apply_settings(struct external *);
static char *apply_rules(struct external *);
static void note_before(struct external *);
static void parse_settings(const char *text, struct smap *);
static char *format_settings(const struct smap *);
static void set_problem(struct external *, char *problem);
static void write_row(struct external *, bool open);

struct external *
external_create(const char *bridge, struct switchdb *db,
                struct kernel *kernel, const struct external_ops *ops,
                void *aux)
{
    struct external *x = xzalloc(sizeof *x);
    x->bridge = xstrdup(bridge);
    x->port = ifname_make(IFNAME_EXTERNAL_PREFIX, bridge, 0);
    x->link = ifname_make(IFNAME_HOST_PREFIX, bridge, 0);
    x->gone_cfg = INT64_MIN;
    x->check_at = LLONG_MAX;
    smap_init(&x->before);
    x->db = db;
    x->kernel = kernel;
    x->ops = ops;
    x->aux = aux;
    return x;
}

void
external_destroy(struct external *x)
{
    if (x) {
        free(x->bridge);
        free(x->port);
        free(x->link);
        free(x->rules);
        free(x->publishes);
        free(x->tunnels);
        smap_destroy(&x->before);
        free(x->problem);
        free(x->foreign);
        free(x);
    }
}

void
external_want(struct external *x, bool v4, bool v6)
{
    x->known = true;
    if (x->v4 != v4 || x->v6 != v6) {
        x->v4 = v4;
        x->v6 = v6;
        x->dirty = true;
    }
}

void
external_set_mtu(struct external *x, int mtu)
{
    if (x->mtu != mtu) {
        x->mtu = mtu;
        x->dirty = true;
    }
}

void
external_set_netdev(struct external *x, bool netdev)
{
    x->netdev = netdev;
}

void
external_set_publishes(struct external *x, const struct external_publish *p,
                       size_t n)
{
    if (n != x->n_publishes
        || (n && memcmp(p, x->publishes, n * sizeof *p))) {
        free(x->publishes);
        x->publishes = n ? xmemdup(p, n * sizeof *p) : NULL;
        x->n_publishes = n;
        free(x->rules);
        x->rules = NULL;
        x->dirty = true;
    }
}

void
external_set_list(struct external *x, const struct peerlist *list)
{
    unsigned long *is_tunnel = bitmap_allocate(UINT16_MAX + 1);
    bitmap_set1(is_tunnel, VXLAN_PORT);
    struct shash_node *node;
    SHASH_FOR_EACH (node, &list->peers) {
        const struct peer *peer = node->data;
        bitmap_set1(is_tunnel, peer->port ? peer->port : VXLAN_PORT);
    }
    size_t n = 0, port;
    uint16_t *ports = xmalloc(bitmap_count1(is_tunnel, UINT16_MAX + 1)
                              * sizeof *ports);
    BITMAP_FOR_EACH_1 (port, UINT16_MAX + 1, is_tunnel) {
        ports[n++] = port;
    }
    bitmap_free(is_tunnel);
    if (n == x->n_tunnels && !memcmp(ports, x->tunnels, n * sizeof *ports)) {
        free(ports);
        return;
    }
    free(x->tunnels);
    x->tunnels = ports;
    x->n_tunnels = n;
    free(x->rules);
    x->rules = NULL;
    x->dirty = true;
}

void
external_port_changed(struct external *x, const struct switchdb_port *port)
{
    if (strcmp(port->name, x->port)) {
        return;
    }
    if (x->state == S_ABSENT) {
        x->state = S_PORT;
        x->dirty = true;
        find_link(x);
    }
    parse_settings(port->settings, &x->before);
    if (port->drifted) {
        (void) external_port_broken(x, port->name);
    } else {
        x->drifted = false;
    }
    ofp_port_t ofport = port->reopening ? 0 : port->ofport;
    if (x->ofport != ofport) {
        x->ofport = ofport;
        x->ops->changed(x->aux);
    }
    x->opened = x->opened || ofport;
}

bool
external_port_broken(struct external *x, const char *port)
{
    bool ours = !strcmp(port, x->port) && x->state == S_PORT;
    if (ours && !x->drifted) {
        x->ops->report(x->aux, "port %s was changed: put right", x->port);
        x->drifted = true;
    }
    return ours;
}

void
external_port_gone(struct external *x, const struct switchdb_port *port)
{
    if (strcmp(port->name, x->port)) {
        return;
    }
    if (x->ofport) {
        x->ofport = 0;
        x->ops->changed(x->aux);
    }
    if (x->state != S_ABSENT && is_wanted(x)) {
        x->ops->report(x->aux, "port %s was deleted: made again", x->port);
    }
    if (x->state != S_CLOSE || !is_wanted(x)) {
        x->state = S_ABSENT;
    }
    x->gone_cfg = switchdb_cfg(x->db);
    x->dirty = true;
}

void
external_link_changed(struct external *x, const struct rtnl_link *link)
{
    if (!strcmp(link->name, x->port) || !strcmp(link->name, x->link)) {
        x->dirty = true;
    }
}

void
external_links_unknown(struct external *x)
{
    x->dirty = true;
}

void
external_rules_changed(struct external *x)
{
    if (x->state != S_ABSENT) {
        x->rules_changed = true;
        x->check_at = MIN(x->check_at, time_msec() + RULES_DELAY_MS);
    }
}

void
external_run(struct external *x)
{
    if (!x->known || (!x->dirty && time_msec() < x->check_at)) {
        return;
    }
    bool look = x->dirty;
    x->dirty = false;
    x->check_at = LLONG_MAX;
    if (!is_wanted(x)) {
        if (x->state == S_ABSENT && is_free(x)) {
            remove_host_side(x);
        }
        set_problem(x, NULL);
        return;
    }
    if (look) {
        find_link(x);
        if (x->state == S_PORT && !x->ifindex) {
            x->ops->report(x->aux, "link %s was deleted or replaced: made "
                           "again", x->port);
            x->state = S_CLOSE;
        }
    }
    if (x->state == S_PORT && x->mtu) {
        set_problem(x, apply(x));
        x->check_at = time_msec() + CHECK_MS;
    }
}

void
external_compose(struct external *x)
{
    if (!x->known) {
        return;
    } else if (!is_wanted(x)) {
        if (switchdb_find_port(x->db, x->port)) {
            switchdb_del_port(x->db, x->port);
        } else if (x->state != S_ABSENT) {
            x->state = S_ABSENT;
            x->dirty = true;
        }
        return;
    }
    switch (x->state) {
    case S_ABSENT:
        if (!x->mtu || !is_free(x)) {
            break;
        }
        find_link(x);
        if (!x->ifindex && x->opened) {
            x->state = S_CLOSE;
            compose_reopening(x);
            break;
        } else if (!x->ifindex) {
            char *error = make_link(x);
            set_problem(x, error);
            if (error) {
                x->check_at = time_msec() + CHECK_MS;
                break;
            }
        }
        note_before(x);
        write_row(x, true);
        break;
    case S_CLOSE:
        compose_reopening(x);
        break;
    case S_PORT:
        if (x->drifted) {
            write_row(x, true);
        } else if (x->ifindex) {
            compose_reopening(x);
        }
        break;
    }
}

/* What the row says counts, not what was written: a transaction may have
 * failed, and an earlier run of the agent may have ended half-way. */
static void
compose_reopening(struct external *x)
{
    const struct switchdb_port *port = switchdb_find_port(x->db, x->port);
    if (x->state == S_CLOSE && !(port && port->reopening)) {
        write_row(x, false);
        return;
    } else if (!port) {
        return;                     /* It has gone: external_port_gone(). */
    }
    if (x->state == S_CLOSE && port->let_go) {
        char *error = make_link(x);
        set_problem(x, error);
        if (error) {
            x->check_at = time_msec() + CHECK_MS;
            return;
        }
        x->state = S_PORT;
        x->dirty = true;
    }
    if (x->state == S_PORT && port->reopening) {
        write_row(x, true);
    }
}

void
external_wait(struct external *x)
{
    if (!x->known) {
        return;                     /* Nor does external_run() do anything. */
    }
    if (x->check_at != LLONG_MAX) {
        poll_timer_wait_until(x->check_at);
    }
    if (x->dirty) {
        poll_immediate_wake();
    }
}

ofp_port_t
external_ofport(const struct external *x)
{
    return x->ofport;
}

const char *
external_problem(const struct external *x)
{
    return x->problem ? x->problem : x->foreign;
}

void
external_cleanup(struct external *x)
{
    if (x->state != S_ABSENT || x->ifindex) {
        find_link(x);
        remove_host_side(x);
    }
    x->known = false;
}

static void
write_row(struct external *x, bool open)
{
    char *settings = format_settings(&x->before);
    switchdb_put_external(x->db, x->port, x->link, settings, open);
    free(settings);
}

static bool
is_wanted(const struct external *x)
{
    return x->known && (x->v4 || x->v6);
}

/* Has vswitchd let go of the link that there was? */
static bool
is_free(const struct external *x)
{
    /* Another database has not come so far, and need not. */
    return (switchdb_cfg_done(x->db) >= x->gone_cfg
            || switchdb_cfg(x->db) < x->gone_cfg);
}

/* Not "weft BRIDGE ...", which is an endpoint's.  Owned. */
static char *
alias(const struct external *x)
{
    return xasprintf("weft-external %s", x->bridge);
}

static void
find_link(struct external *x)
{
    struct rtnl *rtnl = kernel_rtnl(x->kernel);
    struct rtnl_link link, host;
    char *ours = alias(x);
    bool there = (!rtnl_link_get(rtnl, x->port, &link)
                  && !strcmp(link.alias, ours)
                  && !rtnl_link_get(rtnl, x->link, &host)
                  && host.ifindex == link.peer_ifindex);
    free(ours);
    if (there && x->ifindex && x->ifindex != link.ifindex) {
        there = false;              /* Another one, under the same name. */
    }
    x->ifindex = there ? link.ifindex : 0;
    x->host_ifindex = there ? host.ifindex : 0;
}

/* NULL or an owned message. */
static char *
make_link(struct external *x)
{
    struct rtnl *rtnl = kernel_rtnl(x->kernel);
    static const struct eth_addr mac = EXTERNAL_MAC;
    struct rtnl_link old;
    char *ours = alias(x);
    if (!rtnl_link_get(rtnl, x->port, &old) && !strcmp(old.alias, ours)) {
        (void) rtnl_link_del(rtnl, old.ifindex);    /* Or the next fails. */
    }
    int here = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    struct rtnl_veth veth = {
        .name = x->port,
        .alias = ours,
        .netns = here,
        .peer_name = x->link,
        .mac = mac,
        .mtu = x->mtu,
        .group = links_group(x->bridge),
    };
    bool peer_exists;
    int error = here < 0 ? -errno : rtnl_veth_add(rtnl, &veth, &x->ifindex,
                                                  &x->host_ifindex,
                                                  &peer_exists);
    free(ours);
    if (here >= 0) {
        close(here);
    }
    return (error ? xasprintf("could not make link %s with %s: %s", x->port,
                              x->link, ovs_strerror(-error))
            : NULL);
}

static void
remove_host_side(struct external *x)
{
    if (x->ifindex) {
        (void) rtnl_link_del(kernel_rtnl(x->kernel), x->ifindex);
        x->ifindex = x->host_ifindex = 0;
        x->opened = false;
        char *error = firewall_run(EXTERNAL_RULES_NONE);
        if (error) {
            VLOG_WARN("%s", error);
            free(error);
        }
        sysctl_restore(&x->before);
        smap_clear(&x->before);
        VLOG_INFO("way out: removed");
    }
    free(x->rules);
    x->rules = NULL;
    free(x->foreign);
    x->foreign = NULL;
}

/* Makes the host's side what it should be; every step may have been done. */
static char *
apply(struct external *x)
{
    struct rtnl *rtnl = kernel_rtnl(x->kernel);
    static const char *const texts[] = { TRANSIT_HOST4, TRANSIT_HOST6 };
    struct prefix ips[ARRAY_SIZE(texts)];
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        free(prefix_parse(texts[i], &ips[i]));      /* They are right. */
    }
    struct rtnl_link host;
    int error = rtnl_link_get_index(rtnl, x->host_ifindex, &host);
    if (!error && x->netdev) {
        error = rtnl_tx_checksum(rtnl, x->link, false);
    }
    if (!error && (!(host.flags & IFF_UP) || !(host.flags & IFF_NOARP))) {
        error = rtnl_veth_up(rtnl, x->host_ifindex);
    }
    for (size_t i = 0; i < ARRAY_SIZE(ips) && !error; i++) {
        if (!kernel_has_address(x->kernel, x->host_ifindex, &ips[i])) {
            error = rtnl_address_add(rtnl, x->host_ifindex, &ips[i]);
        }
        if (error && i) {
            error = 0;              /* A host without IPv6. */
        }
    }
    if (!error && host.mtu != x->mtu) {
        error = rtnl_link_set_mtu(rtnl, x->host_ifindex, x->mtu);
        (void) rtnl_link_set_mtu(rtnl, x->ifindex, x->mtu); /* As good. */
    }
    if (error) {
        return xasprintf("could not configure %s: %s", x->link,
                         ovs_strerror(-error));
    }
    char *problem = apply_settings(x);
    return problem ? problem : apply_rules(x);
}

static char *
apply_settings(struct external *x)
{
    bool drift = false;
    char *error = NULL;
    /* A host that forwards takes no router advertisements, unless it is told
     * to (accept_ra 2: ip-sysctl of the kernel's documentation). */
    const struct smap_node *node;
    SMAP_FOR_EACH (node, &x->before) {
        if (strstr(node->key, "/accept_ra")) {
            free(sysctl_set(node->key, 2, NULL)); /* Gone, perhaps. */
        }
    }
    const struct external_setting *s;
    for (size_t i = 0; (s = external_setting(i)) && !error; i++) {
        if (s->v6 ? x->v6 : x->v4) {
            char *name = xasprintf(s->name, x->link);
            error = sysctl_set(name, s->value, s->global ? &drift : NULL);
            free(name);
        }
    }
    if (drift && x->rules) {
        x->ops->report(x->aux, "forwarding was switched off: put right");
    }
    return error;
}

/* The rules, if they are not as they were when they were installed. */
static char *
apply_rules(struct external *x)
{
    if (x->rules && !x->rules_changed) {
        return NULL;
    }
    x->rules_changed = false;
    bool changed;
    char *rules = external_rules(
        x->link, smap_get(&x->before, SYSCTL_FORWARD4) != NULL,
        smap_get(&x->before, SYSCTL_FORWARD6) != NULL, x->publishes,
        x->n_publishes, x->tunnels, x->n_tunnels);
    char *error = firewall_keep("table inet weft", rules, &x->rules, &changed);
    free(rules);
    if (changed) {
        x->ops->report(x->aux, "somebody changed the table inet weft of "
                       "nftables: put right");
    }
    if (error) {
        return error;
    }
    free(x->foreign);
    x->foreign = firewall_foreign_drop(x->link);
    return NULL;
}

static void
note_interface(const struct rtnl_link *link, void *x_)
{
    struct external *x = x_;
    char *name = xasprintf(SYSCTL_ACCEPT_RA, link->name);
    int value;
    if (!sysctl_get(name, &value) && value == 1) {
        smap_replace(&x->before, name, "1");
    }
    free(name);
}

/* What the settings that concern more than our link are, before they are
 * touched: it goes into the row first. */
static void
note_before(struct external *x)
{
    const struct external_setting *s;
    for (size_t i = 0; (s = external_setting(i)); i++) {
        int value;
        if (s->global && (s->v6 ? x->v6 : x->v4)
            && !smap_get(&x->before, s->name)
            && !sysctl_get(s->name, &value) && value != s->value) {
            smap_add_format(&x->before, s->name, "%d", value);
        }
    }
    if (smap_get(&x->before, SYSCTL_FORWARD6)) {
        (void) rtnl_links_dump(kernel_rtnl(x->kernel), note_interface, x);
    }
}

/* "NAME=VALUE NAME=VALUE", sorted, so that the same is the same text. */
static void
parse_settings(const char *text, struct smap *settings)
{
    char *copy = xstrdup(text);
    char *save = NULL;
    smap_clear(settings);
    for (char *word = strtok_r(copy, " ", &save); word;
         word = strtok_r(NULL, " ", &save)) {
        char *equals = strrchr(word, '=');
        if (equals) {
            *equals = '\0';
            smap_replace(settings, word, equals + 1);
        }
    }
    free(copy);
}

static char *
format_settings(const struct smap *settings)
{
    struct ds s = DS_EMPTY_INITIALIZER;
    const struct smap_node **nodes = smap_sort(settings);
    for (size_t i = 0; i < smap_count(settings); i++) {
        ds_put_format(&s, "%s%s=%s", s.length ? " " : "", nodes[i]->key,
                      nodes[i]->value);
    }
    free(nodes);
    return ds_steal_cstr(&s);
}

/* Takes over 'problem'. */
static void
set_problem(struct external *x, char *problem)
{
    if (problem && (!x->problem || strcmp(problem, x->problem))) {
        VLOG_WARN("way out: %s", problem);
    }
    free(x->problem);
    x->problem = problem;
}
