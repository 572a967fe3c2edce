/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "agent/tunnels.h"

#include <stdlib.h>
#include "flow.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "overlay/address.h"
#include "overlay/compile.h"
#include "overlay/ifname.h"
#include "overlay/peerlist.h"
#include "packets.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(tunnels);

/* On demand, after a start: who has lost his rows in the directory has put
 * them back by then, and his tunnel is needed again. */
enum { KEEP_MS = 10000 };

/* While a tunnel is not up its packets are counted: so often, and what is
 * still 0 after so long is 0. */
enum { COUNT_MS = 3000, COUNT_FIRST_MS = 500, COUNT_SURE_MS = 5000 };

/* A peer that is listed or needed, a port that is there, or several of these.
 * A port is wanted if the peer is both. */
struct entry {
    bool listed;
    bool held;                      /* Somebody calls it by its id. */
    bool needed;                    /* Always, if not on demand. */
    bool kept;                      /* Its port is of before the start, and
                                     * stays until 'keep_until'. */
    struct in6_addr remote;         /* If listed. */
    uint16_t dst_port;              /* Likewise. */
    char *port;                     /* There: its name; else NULL. */
    struct tunnel there;            /* Likewise; 'port' and 'peer' unused. */
    bool drifted;                   /* Somebody changed its row. */
    ofp_port_t ofport;              /* 0: none. */
    enum switchdb_bfd bfd;
    char *reason;
    bool broken;                    /* 'reason' is vswitchd's. */
    long long int up_until;         /* 0: it was never up. */
    long long int counted_from;     /* When the counts began; 0: not yet. */
    bool counted;                   /* As in struct tunnel_status. */
    uint64_t sent_before, received_before;      /* When they began. */
    uint64_t sent, received;        /* Since then. */
    enum verdict_reach reach;       /* While it is down. */
    struct plan share;              /* What the switch has of it. */
};

struct tunnels {
    struct shash entries;           /* Contains struct entry, by peer. */
    struct switchdb *db;
    struct ofswitch *sw;
    const struct tunnels_ops *ops;
    void *aux;
    bool known, on_demand;          /* As given to tunnels_create(). */
    bool dirty;                     /* Wanted and there may differ. */
    bool listed;                    /* It is known what is wanted. */
    struct in6_addr own;            /* What the list has for this host. */
    bool owned;                     /* The host has, or had, this address: it
                                     * is the source of all tunnels. */
    long long int keep_until;       /* For entries that are 'kept'; 0: there
                                     * are none. */
    long long int count_at;         /* LLONG_MAX: all are up. */
    uint32_t next_id;
};

static void tell_changed(struct tunnels *, const char *peer, struct entry *);
static struct entry *find_entry(const struct tunnels *, const char *peer);
static struct entry *get_entry(struct tunnels *, const char *peer);
static bool is_wanted(const struct entry *);
static void set_own(struct tunnels *, const struct peer *self);
static struct in6_addr local_of(const struct tunnels *, const struct entry *);
static bool is_as_wanted(const struct tunnels *, const struct entry *);
static void list_peer(struct entry *, const struct peer *,
                      const struct peer *self);
static void set_ofport(struct tunnels *, const char *peer, struct entry *,
                       ofp_port_t);
static void drop_entry(struct tunnels *, struct shash_node *);
static void drop_if_idle(struct tunnels *, struct shash_node *);
static void update_share(struct tunnels *, struct entry *);
static void compose_entry(struct tunnels *, const char *peer, struct entry *);

struct tunnels *
tunnels_create(struct switchdb *db, struct ofswitch *sw, bool known,
               bool on_demand, const struct tunnels_ops *ops, void *aux)
{
    struct tunnels *t = xzalloc(sizeof *t);
    shash_init(&t->entries);
    t->db = db;
    t->sw = sw;
    t->known = known;
    t->on_demand = on_demand;
    t->ops = ops;
    t->aux = aux;
    t->next_id = 1;
    t->count_at = LLONG_MAX;
    return t;
}

void
tunnels_destroy(struct tunnels *t)
{
    if (t) {
        struct shash_node *node;
        SHASH_FOR_EACH_SAFE (node, &t->entries) {
            drop_entry(t, node);
        }
        shash_destroy(&t->entries);
        free(t);
    }
}

void
tunnels_set_list(struct tunnels *t, const struct peerlist *list,
                 const struct peer *self)
{
    tunnels_clear(t);
    set_own(t, self);
    struct shash_node *node;
    SHASH_FOR_EACH (node, &list->peers) {
        const struct peer *peer = node->data;
        if (peer != self) {
            list_peer(get_entry(t, peer->name), peer, self);
        }
    }
}

void
tunnels_set_peer(struct tunnels *t, const char *name, const struct peer *peer,
                 const struct peer *self)
{
    struct entry *e = peer ? get_entry(t, name) : find_entry(t, name);
    if (peer) {
        list_peer(e, peer, self);
    } else if (e) {
        e->listed = false;
    }
    set_own(t, self);
    t->dirty = true;
}

void
tunnels_addresses_changed(struct tunnels *t)
{
    if (t->listed && !t->owned && t->ops->owns(&t->own, t->aux)) {
        t->owned = true;
        t->dirty = true;
    }
}

uint32_t
tunnels_hold(struct tunnels *t, const char *name)
{
    struct entry *e = get_entry(t, name);
    if (!e->there.id) {
        e->there.id = t->next_id++;
    }
    e->held = true;
    return e->there.id;
}

void
tunnels_release(struct tunnels *t, const char *name)
{
    struct entry *e = find_entry(t, name);
    e->held = false;
    t->dirty = true;
}

void
tunnels_need(struct tunnels *t, const char *name, bool needed)
{
    struct entry *e = find_entry(t, name);
    if (t->on_demand && e->needed != needed) {
        e->needed = needed;
        e->kept = false;
        t->dirty = true;
    }
}

ofp_port_t
tunnels_port(const struct tunnels *t, const char *name)
{
    const struct entry *e = find_entry(t, name);
    return e ? e->ofport : 0;
}

bool
tunnels_port_changed(struct tunnels *t, const struct switchdb_port *port)
{
    struct entry *e = find_entry(t, port->tunnel.peer);
    bool is_its = e && e->port && !strcmp(e->port, port->name);
    if (!is_its && t->listed && tunnels_port_broken(t, port->name)) {
        return false;               /* Its row names another peer now. */
    } else if (!is_its && e && e->port) {
        return false;               /* A second one: compose removes it. */
    }
    e = get_entry(t, port->tunnel.peer);
    free(e->port);
    e->port = xstrdup(port->name);
    e->there.id = port->tunnel.id;
    e->there.remote = port->tunnel.remote;
    e->there.local = port->tunnel.local;
    e->there.dst_port = port->tunnel.dst_port;
    t->next_id = MAX(t->next_id, port->tunnel.id + 1);

    if (e->ofport != port->ofport || (e->bfd == BFD_UP
                                      && port->bfd != BFD_UP)) {
        e->counted_from = 0;
        e->counted = false;
        e->reach = REACH_UNKNOWN;
    }
    if (port->bfd != BFD_UP) {
        e->up_until = e->bfd == BFD_UP ? time_msec() : e->up_until;
        t->count_at = MIN(t->count_at, time_msec() + COUNT_FIRST_MS);
    }
    set_ofport(t, port->tunnel.peer, e, port->ofport);
    if (e->bfd != port->bfd && (e->bfd == BFD_UP || port->bfd == BFD_UP)) {
        VLOG_INFO("peer %s: BFD is %s", port->tunnel.peer,
                  port->bfd == BFD_UP ? "up" : "down");
    }
    bool came_up = e->bfd != BFD_UP && port->bfd == BFD_UP;
    e->bfd = port->bfd;
    free(e->reason);
    e->reason = nullable_xstrdup(port->error ? port->error : port->bfd_diag);
    e->broken = port->error != NULL;
    update_share(t, e);

    /* Somebody may have changed it. */
    if (port->drifted && is_wanted(e)) {
        tell_changed(t, port->tunnel.peer, e);
    }
    e->drifted = port->drifted;
    t->dirty = t->dirty || !is_wanted(e) || !is_as_wanted(t, e);
    return came_up;
}

/* Whatever there was in the row, it is written again. */
static void
tell_changed(struct tunnels *t, const char *peer, struct entry *e)
{
    if (!e->drifted) {
        t->ops->report(t->aux, "peer %s: port %s was changed: put right",
                       peer, e->port);
    }
    e->drifted = true;
    t->dirty = true;
}

bool
tunnels_port_broken(struct tunnels *t, const char *port)
{
    struct shash_node *node;
    SHASH_FOR_EACH (node, &t->entries) {
        struct entry *e = node->data;
        if (e->port && !strcmp(e->port, port) && is_wanted(e)) {
            tell_changed(t, node->name, e);
            return true;
        }
    }
    return false;
}

void
tunnels_port_gone(struct tunnels *t, const struct switchdb_port *port)
{
    struct shash_node *node = shash_find(&t->entries, port->tunnel.peer);
    struct entry *e = node ? node->data : NULL;
    if (!e || !e->port || strcmp(e->port, port->name)) {
        return;
    } else if (is_wanted(e) && switchdb_is_untagged(t->db, port)) {
        tell_changed(t, node->name, e);
        return;
    }
    if (is_wanted(e)) {
        t->ops->report(t->aux, "peer %s: port %s was deleted: made again",
                       port->tunnel.peer, port->name);
        t->dirty = true;
    }
    free(e->port);
    e->port = NULL;
    set_ofport(t, port->tunnel.peer, e, 0);
    e->bfd = BFD_NONE;
    update_share(t, e);
    drop_if_idle(t, node);
}

/* What there is at a start is not removed at once. */
static void
keep_for_a_while(struct tunnels *t)
{
    struct shash_node *node;
    SHASH_FOR_EACH (node, &t->entries) {
        struct entry *e = node->data;
        e->kept = e->port && !e->needed;
    }
    t->keep_until = time_msec() + KEEP_MS;
}

static void
keep_no_longer(struct tunnels *t)
{
    struct shash_node *node;
    SHASH_FOR_EACH (node, &t->entries) {
        struct entry *e = node->data;
        e->kept = false;
    }
    t->keep_until = 0;
    t->dirty = true;
}

void
tunnels_counters(struct tunnels *t, ofp_port_t port, uint64_t sent,
                 uint64_t received)
{
    struct shash_node *node;
    SHASH_FOR_EACH (node, &t->entries) {
        struct entry *e = node->data;
        if (e->ofport != port || e->bfd == BFD_UP) {
            continue;
        }
        if (!e->counted_from) {
            /* A tunnel through which nothing ever came counts from 0. */
            bool all = !e->up_until && !received;
            e->counted_from = time_msec();
            e->sent_before = all ? 0 : sent;
            e->received_before = all ? 0 : received;
        }
        e->sent = sent - e->sent_before;
        e->received = received - e->received_before;
        e->counted = (e->sent || e->received
                      || time_msec() >= e->counted_from + COUNT_SURE_MS);
    }
}

/* Asks for the counters of what is down, and whether its other end is there;
 * of no others. */
static void
count(struct tunnels *t)
{
    t->count_at = LLONG_MAX;
    struct shash_node *node;
    SHASH_FOR_EACH (node, &t->entries) {
        struct entry *e = node->data;
        if (e->ofport && e->bfd != BFD_UP) {
            e->reach = t->ops->probe(&e->there.remote, e->reach, t->aux);
            ofswitch_ask_counters(t->sw, e->ofport);
            t->count_at = time_msec() + COUNT_MS;
        }
    }
}

void
tunnels_run(struct tunnels *t)
{
    if (time_msec() >= t->count_at) {
        count(t);
    }
    if (t->keep_until && time_msec() >= t->keep_until) {
        keep_no_longer(t);
    }
}

void
tunnels_compose(struct tunnels *t)
{
    if (!t->dirty || !t->listed) {
        return;
    }
    t->dirty = false;
    struct shash_node *node;
    SHASH_FOR_EACH_SAFE (node, &t->entries) {
        compose_entry(t, node->name, node->data);
        drop_if_idle(t, node);
    }
}

void
tunnels_wait(const struct tunnels *t)
{
    if (t->keep_until) {
        poll_timer_wait_until(t->keep_until);
    }
    if (t->count_at != LLONG_MAX) {
        poll_timer_wait_until(t->count_at);
    }
}

void
tunnels_retry(struct tunnels *t)
{
    t->dirty = true;
}

void
tunnels_clear(struct tunnels *t)
{
    struct shash_node *node;
    SHASH_FOR_EACH (node, &t->entries) {
        struct entry *e = node->data;
        e->listed = false;
    }
    t->dirty = true;
    if (!t->listed && t->on_demand) {
        keep_for_a_while(t);
    }
    t->listed = true;
}

void
tunnels_wanted(const struct tunnels *t, struct plan *plan)
{
    struct shash_node *node;
    SHASH_FOR_EACH (node, &t->entries) {
        const struct entry *e = node->data;
        plan_merge(plan, &e->share);
    }
}

void
tunnels_peers(const struct tunnels *t, struct shash *peers)
{
    struct shash_node *node;
    SHASH_FOR_EACH (node, &t->entries) {
        const struct entry *e = node->data;
        if (e->port) {
            shash_add(peers, node->name, NULL);
        }
    }
}

void
tunnels_status(const struct tunnels *t, const char *peer,
               struct tunnel_status *status)
{
    const struct entry *e = find_entry(t, peer);
    *status = (struct tunnel_status) {
        .wanted = e && is_wanted(e),
        .port = e ? e->port : NULL,
        .bfd = e ? e->bfd : BFD_NONE,
        .reason = e ? e->reason : NULL,
        .broken = e && e->broken,
        .dst_port = e ? e->there.dst_port : 0,
        .up_until = e ? e->up_until : 0,
        .counted = e && e->counted,
        .sent = e ? e->sent : 0,
        .received = e ? e->received : 0,
        .reach = e ? e->reach : REACH_UNKNOWN,
    };
}

static struct entry *
find_entry(const struct tunnels *t, const char *peer)
{
    return shash_find_data(&t->entries, peer);
}

static struct entry *
get_entry(struct tunnels *t, const char *peer)
{
    struct entry *e = find_entry(t, peer);
    if (!e) {
        e = xzalloc(sizeof *e);
        e->needed = !t->on_demand;
        plan_init(&e->share);
        shash_add(&t->entries, peer, e);
    }
    return e;
}

static bool
is_wanted(const struct entry *e)
{
    return e->listed && e->needed;
}

/* Behind a NAT the list has an address that the host itself has not, and the
 * routes say which it has.  An address that goes may come back, and is not
 * taken out of the tunnels. */
static void
set_own(struct tunnels *t, const struct peer *self)
{
    if (!ipv6_addr_equals(&t->own, &self->address)) {
        t->own = self->address;
        t->owned = false;
    }
    t->owned = t->owned || t->ops->owns(&t->own, t->aux);
}

static struct in6_addr
local_of(const struct tunnels *t, const struct entry *e)
{
    return (t->owned && address_is_v4(&t->own) == address_is_v4(&e->remote)
            ? t->own : in6addr_any);
}

/* Is the row of the entry's port what it should be? */
static bool
is_as_wanted(const struct tunnels *t, const struct entry *e)
{
    struct in6_addr local = local_of(t, e);
    return (!e->drifted && ipv6_addr_equals(&e->there.remote, &e->remote)
            && ipv6_addr_equals(&e->there.local, &local)
            && e->there.dst_port == e->dst_port);
}

static void
list_peer(struct entry *e, const struct peer *peer, const struct peer *self)
{
    e->listed = true;
    e->remote = peer->address;
    e->dst_port = peerlist_port(self, peer);
}

static void
set_ofport(struct tunnels *t, const char *peer, struct entry *e,
           ofp_port_t ofport)
{
    if (e->ofport != ofport) {
        e->ofport = ofport;
        t->ops->port_changed(peer, ofport, t->aux);
    }
}

/* Forgets it, if nothing is to be remembered of it. */
static void
drop_if_idle(struct tunnels *t, struct shash_node *node)
{
    const struct entry *e = node->data;
    if (!e->listed && !e->port && !e->held) {
        drop_entry(t, node);
    }
}

static void
drop_entry(struct tunnels *t, struct shash_node *node)
{
    struct entry *e = node->data;
    plan_finish(&e->share);
    free(e->port);
    free(e->reason);
    free(e);
    shash_delete(&t->entries, node);
}

static void
update_share(struct tunnels *t, struct entry *e)
{
    struct plan now = PLAN_INITIALIZER(&now);
    if (e->ofport) {
        const struct compile_mode mode = { .known = t->known };
        compile_peer(e->there.id, e->ofport, &mode, &now);
    }
    ofswitch_change(t->sw, &e->share, &now);
    plan_swap(&e->share, &now);
    plan_finish(&now);
}

/* A name for the port to 'peer' that nobody in the database has. */
static char *
choose_port(const struct tunnels *t, const char *peer)
{
    for (unsigned int attempt = 0;; attempt++) {
        char *name = ifname_make(IFNAME_TUNNEL_PREFIX, peer, attempt);
        if (!switchdb_name_taken(t->db, name)) {
            return name;
        }
        free(name);
    }
}

static void
compose_entry(struct tunnels *t, const char *peer, struct entry *e)
{
    if (!is_wanted(e)) {
        if (e->port && !e->kept) {
            VLOG_INFO("peer %s: removing tunnel %s", peer, e->port);
            switchdb_del_port(t->db, e->port);
        }
        return;
    }
    if (e->port && is_as_wanted(t, e)) {
        return;
    }
    VLOG_INFO("peer %s: %s tunnel", peer, e->port ? "updating" : "installing");
    struct tunnel tunnel = {
        .port = e->port ? xstrdup(e->port) : choose_port(t, peer),
        .peer = xstrdup(peer),
        .id = e->there.id ? e->there.id : t->next_id++,
        .remote = e->remote,
        .local = local_of(t, e),
        .dst_port = e->dst_port,
    };
    e->there.id = tunnel.id;
    switchdb_put_tunnel(t->db, &tunnel);
    tunnel_finish(&tunnel);
}
