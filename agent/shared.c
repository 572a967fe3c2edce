/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "agent/shared.h"

#include <limits.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "overlay/address.h"
#include "overlay/peerlist.h"
#include "packets.h"
#include "socket-util.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(shared);

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(1, 5);

enum {
    ADDRESS_RETRY_MS = 1000,
    /* A host whose row has gone has it back soon, if it lives: when it is
     * connected again, for which it waits at most 8 s. */
    GONE_MAX_MS = 10000,
    /* What nobody is on any more may be asked for again soon. */
    UNWATCH_MS = 60000,
};

/* Another host, as its row says. */
struct host_entry {
    struct peer peer;
    bool leaving;                   /* Gone in the update that is read. */
    long long int gone_at;          /* To be forgotten then; LLONG_MAX: held in
                                     * force; 0: its row is there. */
};

struct shared {
    struct directorydb *db;
    struct directory *directory;
    struct remotes *remotes;
    struct registrar *registrar;
    struct heartbeat *heartbeat;
    char *database;                 /* As --directory has it. */
    char *name;                     /* This host's. */
    struct peer self;               /* Its 'name' is 'name'. */
    bool self_known;                /* Its address is. */
    bool address_given;             /* By --address: never another. */
    bool self_moved;                /* The first one has gone. */
    long long int address_at;       /* When to look for it again; LLONG_MAX:
                                     * not before something changes. */
    struct shash hosts;             /* Contains struct host_entry. */
    size_t n_leaving, n_gone;       /* Of them. */
    size_t n_back;                  /* Have gone and come back in the update
                                     * that is read. */
    bool clear;                     /* It tells of all there is. */
    unsigned int sections_seqno;    /* What was read. */
    bool sections_read;
    struct peerlist *candidate;     /* The first list, while what is on its
                                     * networks is not known yet. */
    struct sset watched;            /* Names of networks. */
    bool watch_unknown;             /* 'watched' may be another set. */
    long long int unwatch_at;       /* When to drop what is not used. */
    bool leaving;                   /* See shared_leave(). */
    struct sset requested;          /* Names: somebody wants to attach. */
    const struct shared_ops *ops;
    void *aux;
};

static void begin_update(bool clear, void *);
static void endpoint_row(const struct directorydb_endpoint *, void *);
static void endpoint_gone(const struct uuid *, void *);
static void claim_row(const struct directorydb_claim *, void *);
static void claim_gone(const struct uuid *, void *);
static void host_row(const char *name, const struct peer *, void *);
static void end_update(void *);
static void reply(uint64_t seqno, const struct json *results, void *);
static bool find_address(const struct shared *, struct in6_addr *);
static void look_for_address(struct shared *);
static void read_sections(struct shared *);
static void update_watch(struct shared *);
static void forget_gone(struct shared *);
static void set_leaving(struct shared *, struct host_entry *, bool leaving);
static void set_gone(struct shared *, struct host_entry *,
                     long long int gone_at);

static const struct directorydb_events db_events = {
    .begin = begin_update,
    .endpoint = endpoint_row,
    .endpoint_gone = endpoint_gone,
    .claim = claim_row,
    .claim_gone = claim_gone,
    .host = host_row,
    .end = end_update,
    .reply = reply,
};

/* The machine's name, up to the first dot. */
static char *
machine_name(void)
{
    char name[HOST_NAME_MAX + 1] = "";
    if (gethostname(name, sizeof name - 1)) {
        name[0] = '\0';
    }
    name[strcspn(name, ".")] = '\0';
    return xstrdup(name_is_valid(name) ? name : "host");
}

struct shared *
shared_create(const char *database, const char *name, const char *address,
              struct directory *directory, struct remotes *remotes,
              const struct shared_ops *ops, void *aux)
{
    struct shared *s = xzalloc(sizeof *s);
    s->database = xstrdup(database);
    s->name = name ? xstrdup(name) : machine_name();
    s->self.name = s->name;
    s->address_given = address != NULL;
    s->self_known = address && address_parse(address, &s->self.address);
    s->address_at = address ? LLONG_MAX : 0;
    s->directory = directory;
    s->remotes = remotes;
    shash_init(&s->hosts);
    sset_init(&s->watched);
    sset_init(&s->requested);
    s->unwatch_at = LLONG_MAX;
    s->ops = ops;
    s->aux = aux;
    s->db = directorydb_create(database, s->name, &db_events, s);
    s->registrar = registrar_create(s->db, remotes, s->name, &ops->registrar,
                                    aux);
    s->heartbeat = heartbeat_create(s->db, s->name);
    heartbeat_set_janitor(s->heartbeat, !strncmp(database, "unix:", 5));
    if (s->self_known) {
        registrar_set_self(s->registrar, &s->self);
    }
    return s;
}

void
shared_destroy(struct shared *s)
{
    if (s) {
        heartbeat_destroy(s->heartbeat);
        registrar_destroy(s->registrar);
        directorydb_destroy(s->db);
        peerlist_destroy(s->candidate);
        shash_destroy_free_data(&s->hosts);
        sset_destroy(&s->watched);
        sset_destroy(&s->requested);
        free(s->database);
        free(s->name);
        free(s);
    }
}

void
shared_run(struct shared *s)
{
    if (time_msec() >= s->address_at) {
        look_for_address(s);
    }
    directorydb_run(s->db);
    if (directorydb_loaded(s->db) && s->self_known
        && (!s->sections_read
            || s->sections_seqno != directorydb_sections_seqno(s->db))) {
        read_sections(s);
    }
    if (s->watch_unknown || time_msec() >= s->unwatch_at) {
        update_watch(s);
    }
    if (s->candidate && directorydb_watching(s->db)) {
        struct peerlist *list = s->candidate;
        s->candidate = NULL;
        directory_offer(s->directory, list,
                        peerlist_peer(list, s->name));
    }
    forget_gone(s);
    if (directory_list(s->directory)) {
        registrar_run(s->registrar);
    } else {
        /* Others may wait for this host's row, as this one for theirs. */
        registrar_run_self(s->registrar);
    }
    if (!s->leaving) {
        heartbeat_run(s->heartbeat);
    }
}

void
shared_wait(struct shared *s)
{
    directorydb_wait(s->db);
    registrar_wait(s->registrar);
    if (!s->leaving) {
        heartbeat_wait(s->heartbeat);
    }
    if (s->address_at != LLONG_MAX) {
        poll_timer_wait_until(s->address_at);
    }
    if (s->unwatch_at != LLONG_MAX) {
        poll_timer_wait_until(s->unwatch_at);
    }
    if (s->watch_unknown) {
        poll_immediate_wake();
    }
    if (s->n_gone) {
        struct shash_node *node;
        SHASH_FOR_EACH (node, &s->hosts) {
            const struct host_entry *h = node->data;
            if (h->gone_at && h->gone_at != LLONG_MAX) {
                poll_timer_wait_until(h->gone_at);
            }
        }
    }
}

void
shared_list_changed(struct shared *s)
{
    s->watch_unknown = true;
}

/* The first address stays as long as the host has it, whatever its routes say
 * later.  When it has gone, the host's others may come and go until all is
 * configured, so it is asked each time; and only when that is over. */
void
shared_addresses_changed(struct shared *s, const struct in6_addr *owned,
                         size_t n)
{
    if (s->address_given || !s->self_known) {
        return;
    }
    for (size_t i = 0; i < n && !s->self_moved; i++) {
        if (ipv6_addr_equals(&owned[i], &s->self.address)) {
            return;
        }
    }
    s->self_moved = true;
    s->address_at = time_msec() + ADDRESS_RETRY_MS;
}

void
shared_attached_changed(struct shared *s)
{
    s->watch_unknown = true;
}

bool
shared_is_watched(struct shared *s, const char *network)
{
    if (!directorydb_connected(s->db)
        || (sset_contains(&s->watched, network)
            && directorydb_watching(s->db))) {
        return true;
    }
    if (sset_add(&s->requested, network)) {
        s->watch_unknown = true;
        poll_immediate_wake();
    }
    return false;
}

struct registrar *
shared_registrar(struct shared *s)
{
    return s->registrar;
}

const struct heartbeat *
shared_heartbeat(const struct shared *s)
{
    return s->heartbeat;
}

size_t
shared_held_peers(const struct shared *s)
{
    size_t n = 0;
    struct shash_node *node;
    SHASH_FOR_EACH (node, &s->hosts) {
        const struct host_entry *h = node->data;
        n += h->gone_at == LLONG_MAX;
    }
    return n;
}

void
shared_accept(struct shared *s)
{
    struct shash_node *node;
    SHASH_FOR_EACH (node, &s->hosts) {
        struct host_entry *h = node->data;
        if (h->gone_at == LLONG_MAX) {
            set_gone(s, h, time_msec());
        }
    }
    remotes_accept(s->remotes);
}

void
shared_leave(struct shared *s)
{
    s->leaving = true;
    registrar_leave(s->registrar);
}

bool
shared_has_left(const struct shared *s)
{
    return registrar_has_left(s->registrar) || !shared_connected(s);
}

bool
shared_connected(const struct shared *s)
{
    return directorydb_connected(s->db);
}

const char *
shared_problem(const struct shared *s)
{
    return (!s->self_known
            ? "this host's address in the underlay is not known: give "
              "--address"
            : registrar_problem(s->registrar));
}

const char *
shared_host(const struct shared *s)
{
    return s->name;
}

/* Which address does this host speak to the database with? */
static bool
find_address(const struct shared *s, struct in6_addr *addr)
{
    char *copy = xstrdup(s->database);
    char *save = NULL;
    bool found = false;
    for (char *remote = strtok_r(copy, ",", &save); remote && !found;
         remote = strtok_r(NULL, ",", &save)) {
        struct sockaddr_storage ss;
        char *target = strchr(remote, ':');
        if (!strncmp(remote, "unix:", 5) || !target
            || !inet_parse_active(target + 1, 0, &ss, false, NULL)) {
            continue;
        }
        int fd = socket(ss.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        struct sockaddr_storage own;
        socklen_t size = sizeof own;
        if (fd >= 0 && !connect(fd, (struct sockaddr *) &ss, sizeof ss)
            && !getsockname(fd, (struct sockaddr *) &own, &size)) {
            *addr = ss_get_address(&own);
            found = !address_refuse_unicast(addr);
        }
        if (fd >= 0) {
            close(fd);
        }
    }
    free(copy);
    return found;
}

static void
look_for_address(struct shared *s)
{
    struct in6_addr found;
    if (!find_address(s, &found)) {
        s->address_at = time_msec() + ADDRESS_RETRY_MS;
        return;
    }
    s->address_at = LLONG_MAX;
    if (s->self_known && ipv6_addr_equals(&found, &s->self.address)) {
        return;
    }
    struct ds text = DS_EMPTY_INITIALIZER;
    address_format(&found, &text);
    VLOG_INFO("this host is %s, address %s", s->name, ds_cstr(&text));
    ds_destroy(&text);
    s->self.address = found;
    s->self_known = true;
    s->sections_read = false;       /* The list has this host, too. */
    registrar_set_self(s->registrar, &s->self);
}

/* A host whose address is ours is ourselves under another name. */
static bool
is_usable(const struct shared *s, const struct peer *peer)
{
    return !ipv6_addr_equals(&peer->address, &s->self.address);
}

static void
read_sections(struct shared *s)
{
    s->sections_read = true;
    s->sections_seqno = directorydb_sections_seqno(s->db);
    peerlist_destroy(s->candidate);
    s->candidate = NULL;

    struct sections sections = SECTIONS_INITIALIZER;
    struct peerlist *list = NULL;
    char *error = directorydb_sections(s->db, &sections);
    if (!error) {
        error = peerlist_from_sections(directory_name(s->directory),
                                       sections.a, sections.n, &list);
    }
    sections_finish(&sections);
    if (error) {
        directory_refuse(s->directory, error);
        return;
    }
    peerlist_add_peer(list, s->name, &s->self);
    struct shash_node *node;
    SHASH_FOR_EACH (node, &s->hosts) {
        const struct host_entry *h = node->data;
        if (is_usable(s, &h->peer)) {
            peerlist_add_peer(list, node->name, &h->peer);
        }
    }
    if (directory_list(s->directory)) {
        directory_offer(s->directory, list, peerlist_peer(list, s->name));
    } else {
        s->candidate = list;
        s->watch_unknown = true;
    }
}

/* Adds the network, and those that it routes to. */
static void
add_domain(const struct peerlist *list, const char *name, struct sset *names)
{
    const struct network *net = peerlist_network(list, name);
    if (!net) {
        return;
    }
    sset_add(names, name);
    const struct router *router
        = net->router ? shash_find_data(&list->routers, net->router) : NULL;
    const char *member;
    if (router) {
        SSET_FOR_EACH (member, &router->networks) {
            if (peerlist_network(list, member)) {
                sset_add(names, member);
            }
        }
    }
}

/* The networks that endpoints of this host reach, of 'list'. */
static void
get_used(const struct shared *s, const struct peerlist *list,
         struct sset *names)
{
    struct sset attached = SSET_INITIALIZER(&attached);
    s->ops->attached(&attached, s->aux);
    const char *name;
    SSET_FOR_EACH (name, &attached) {
        add_domain(list, name, names);
    }
    sset_destroy(&attached);
}

static void
set_watch(struct shared *s, const struct peerlist *list,
          const struct sset *used)
{
    size_t n = 0;
    uint32_t *vnis = xmalloc((sset_count(&s->watched) + 1) * sizeof *vnis);
    const char *name;
    SSET_FOR_EACH (name, &s->watched) {
        vnis[n++] = peerlist_network(list, name)->vni;
    }
    remotes_watch(s->remotes, list, &s->watched, used);
    directorydb_watch(s->db, vnis, n);
    free(vnis);
}

static void
update_watch(struct shared *s)
{
    const struct peerlist *list = directory_list(s->directory);
    list = list ? list : s->candidate;
    bool shrink = time_msec() >= s->unwatch_at;
    s->watch_unknown = false;
    if (!list) {
        return;
    }
    if (shrink) {
        s->unwatch_at = LLONG_MAX;
        sset_clear(&s->requested);
    }
    struct sset used = SSET_INITIALIZER(&used);
    get_used(s, list, &used);
    struct sset wanted;
    sset_clone(&wanted, &used);
    const char *name;
    SSET_FOR_EACH (name, &s->requested) {
        add_domain(list, name, &wanted);
    }
    SSET_FOR_EACH (name, &s->watched) {
        if (!shrink && !sset_contains(&wanted, name)
            && peerlist_network(list, name)) {
            sset_add(&wanted, name);
            s->unwatch_at = MIN(s->unwatch_at, time_msec() + UNWATCH_MS);
        }
    }
    if (!sset_is_empty(&s->requested)) {
        s->unwatch_at = MIN(s->unwatch_at, time_msec() + UNWATCH_MS);
    }
    sset_swap(&s->watched, &wanted);
    sset_destroy(&wanted);
    set_watch(s, list, &used);
    sset_destroy(&used);
}

/* Has it gone in the update that is read? */
static void
set_leaving(struct shared *s, struct host_entry *h, bool leaving)
{
    leaving = leaving && !h->gone_at;
    s->n_leaving += leaving - h->leaving;
    h->leaving = leaving;
}

static void
set_gone(struct shared *s, struct host_entry *h, long long int gone_at)
{
    s->n_gone += (gone_at != 0) - (h->gone_at != 0);
    h->gone_at = gone_at;
}

static void
begin_update(bool clear, void *s_)
{
    struct shared *s = s_;
    s->n_back = 0;
    s->clear = clear;
    if (clear) {
        struct shash_node *node;
        SHASH_FOR_EACH (node, &s->hosts) {
            set_leaving(s, node->data, true);
        }
    }
    remotes_begin(s->remotes, clear);
    registrar_begin(s->registrar, clear);
}

static void
endpoint_row(const struct directorydb_endpoint *row, void *s_)
{
    struct shared *s = s_;
    if (!strcmp(row->host, s->name)) {
        registrar_row(s->registrar, row);
    } else {
        remotes_row(s->remotes, row);
    }
}

static void
endpoint_gone(const struct uuid *uuid, void *s_)
{
    struct shared *s = s_;
    registrar_row_gone(s->registrar, uuid);
    remotes_row_gone(s->remotes, uuid);
}

static void
claim_row(const struct directorydb_claim *claim, void *s_)
{
    struct shared *s = s_;
    registrar_claim(s->registrar, claim);
}

static void
claim_gone(const struct uuid *uuid, void *s_)
{
    struct shared *s = s_;
    registrar_claim_gone(s->registrar, uuid);
}

static void
host_row(const char *name, const struct peer *peer, void *s_)
{
    struct shared *s = s_;
    if (!strcmp(name, s->name)) {
        registrar_host_row(s->registrar, peer);
        return;
    }
    struct host_entry *h = shash_find_data(&s->hosts, name);
    if (!peer) {
        if (h) {
            set_leaving(s, h, true);
        }
        return;
    }
    if (!h && shash_count(&s->hosts) >= PEERS_MAX) {
        VLOG_WARN_RL(&rl, "more than %d hosts: %s is passed over", PEERS_MAX,
                     name);
        return;
    } else if (!h) {
        h = xzalloc(sizeof *h);
        shash_add(&s->hosts, name, h);
    }
    s->n_back += h->leaving && !s->clear;
    set_leaving(s, h, false);
    set_gone(s, h, 0);
    if (!directory_list(s->directory)) {
        s->sections_read = false;   /* A list that is held back for want of
                                     * hosts may be good now. */
    }
    if (!ipv6_addr_equals(&h->peer.address, &peer->address)
        || h->peer.port != peer->port) {
        h->peer.address = peer->address;
        h->peer.port = peer->port;
        if (is_usable(s, peer)) {
            directory_put_peer(s->directory, name, peer);
            s->ops->peer_changed(name, peer, s->aux);
        }
    }
}

/* Hosts that have gone; if they are so many at once that it looks like a
 * mistake, with those that have put themselves back already, or if rows of this
 * one have gone with them ('own_lost'), they stay, and the result is true. */
static bool
end_hosts(struct shared *s, bool own_lost)
{
    size_t n = s->n_leaving;
    if (!n) {
        return false;
    }
    size_t lost = n + s->n_back;
    bool hold = own_lost || (lost >= 2 && lost * 2 > shash_count(&s->hosts));
    if (hold) {
        VLOG_WARN("%"PRIuSIZE" of %"PRIuSIZE" hosts are gone from the "
                  "directory at once: held in force", n,
                  shash_count(&s->hosts));
    }
    struct shash_node *node;
    SHASH_FOR_EACH (node, &s->hosts) {
        struct host_entry *h = node->data;
        if (h->leaving) {
            set_leaving(s, h, false);
            set_gone(s, h, hold ? LLONG_MAX : time_msec() + GONE_MAX_MS);
        }
    }
    return hold;
}

static void
end_update(void *s_)
{
    struct shared *s = s_;
    bool lost = registrar_end(s->registrar);
    lost = end_hosts(s, lost) || lost;
    size_t n_hosts = shash_count(&s->hosts) + 1;
    heartbeat_set_hosts(s->heartbeat, n_hosts);
    directorydb_set_hosts(s->db, n_hosts);
    remotes_end(s->remotes, lost);
}

static void
reply(uint64_t seqno, const struct json *results, void *s_)
{
    struct shared *s = s_;
    registrar_reply(s->registrar, seqno, results);
    if (!s->leaving) {
        heartbeat_reply(s->heartbeat, seqno, results);
    }
}

static void
forget_gone(struct shared *s)
{
    if (!s->n_gone) {
        return;
    }
    long long int now = time_msec();
    struct shash_node *node;
    SHASH_FOR_EACH_SAFE (node, &s->hosts) {
        struct host_entry *h = node->data;
        if (h->gone_at && now >= h->gone_at) {
            directory_put_peer(s->directory, node->name, NULL);
            s->ops->peer_changed(node->name, NULL, s->aux);
            set_gone(s, h, 0);
            free(h);
            shash_delete(&s->hosts, node);
        }
    }
}
