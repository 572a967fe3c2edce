/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "agent/registrar.h"

#include <stdlib.h>
#include "hash.h"
#include "hmapx.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "overlay/address.h"
#include "ovsdb/directoryops.h"
#include "packets.h"
#include "timeval.h"
#include "util.h"
#include "uuid.h"

VLOG_DEFINE_THIS_MODULE(registrar);

enum {
    ANSWER_MAX_MS = 2000,           /* A user waits no longer than that. */
    RETRY_MS = 5000,                /* After a refusal. */
    CLAIM_MAX_MS = 5000,            /* For the owner to let go. */
    PARTS_MAX = ENDPOINT_IPS_MAX,
};

/* An endpoint of this host that should be published.
 *
 *           sent           done
 *   NEW ----------> SENT ---------> QUIET   its rows stand there
 *    ^ ^             |  |             |
 *    | |    lost     |  |  duplicate, |  a row has gone
 *    | +-------------+  |  other      |
 *    |                  v             |
 *    +------- (time) RETRY, or, if it may move, CLAIMING: until the owner's
 *    |               rows have gone, or CLAIM_MAX_MS
 *    +--------------------------------+
 */
enum phase { NEW, SENT, QUIET, RETRY, CLAIMING };

struct registration {
    char *name;
    uint32_t vni;
    struct eth_addr mac;
    struct directorydb_endpoint parts[PARTS_MAX];   /* Without uuid and texts. */
    size_t n_parts;
    uint32_t present;               /* Bits: which parts stand there. */
    enum phase phase;
    enum registrar_state state;     /* As it was told last. */
    bool move;
    bool alone;                     /* Something in a transaction with others
                                     * was a duplicate. */
    long long int since;            /* Of the phase, or when it was put. */
    bool late;                      /* It was told that it waits. */
    bool lost;                      /* A row has gone in this update, and was
                                     * to stay. */
};

/* A row of ours as it stands in the directory. */
struct own_row {
    struct hmap_node node;          /* By uuid. */
    struct directorydb_endpoint row;    /* 'name' owned, 'host' NULL. */
    struct registration *registration;  /* Whose part it is; NULL: stale. */
    bool deleting;                  /* We have asked for that. */
    bool unseen;
};

struct own_claim {
    struct hmap_node node;          /* By uuid. */
    struct uuid uuid;
    uint32_t vni;
    struct eth_addr mac;
    bool deleting;
};

struct registrar {
    struct directorydb *db;
    const struct remotes *remotes;
    char *host;
    struct peer self;               /* Name and address; 'name' is 'host'. */
    bool self_known;
    struct peer self_row;           /* What stands there. */
    bool self_exists, self_dirty;
    bool self_existed;              /* Before this update. */
    uint64_t self_txn;              /* On its way, or 0. */
    char *self_problem;
    long long int self_retry;       /* After a refusal. */
    struct shash registrations;     /* By endpoint. */
    struct hmap rows;               /* Contains struct own_row. */
    struct hmap claims;             /* Contains struct own_claim: ours. */
    struct hmapx todo;              /* Registrations in NEW, RETRY, CLAIMING,
                                     * or SENT and not told yet. */
    struct hmapx stale;             /* Rows to be deleted. */
    uint64_t txn;                   /* On its way, or 0. */
    struct hmapx in_txn;            /* Registrations. */
    bool leaving, left;             /* All rows are to go; have gone. */
    uint64_t leave_txn;             /* On its way, or 0. */
    bool clear;                     /* The update is all that there is. */
    size_t n_lost;                  /* Registrations that are 'lost'. */
    const struct registrar_ops *ops;
    void *aux;
};

static void send_rows(struct registrar *);
static void send_self(struct registrar *);
static void send_leave(struct registrar *);
static void finish_rows(struct registrar *, const struct json *results);
static void finish_self(struct registrar *, const struct json *results);
static void tell(struct registrar *, struct registration *,
                 enum registrar_state, const char *text);
static void set_phase(struct registrar *, struct registration *, enum phase);
static void set_lost(struct registrar *, struct registration *, bool lost);
static void drop_registration(struct registrar *, struct registration *);
static void drop_row(struct registrar *, struct own_row *);
static void match_row(struct registrar *, struct own_row *);
static void match_rows(struct registrar *, const struct registration *);
static void tell_neighbours(const struct registrar *,
                            const struct registration *,
                            void (*)(struct neighbours *, uint32_t vni,
                                     const struct in6_addr *,
                                     struct eth_addr));
static void look_at_claims(struct registrar *);
static void refuse_duplicate(struct registrar *, struct registration *);
static bool is_held_by_others(const struct registrar *,
                              const struct registration *,
                              struct remote_info *);

struct registrar *
registrar_create(struct directorydb *db, const struct remotes *remotes,
                 const char *host, const struct registrar_ops *ops, void *aux)
{
    struct registrar *r = xzalloc(sizeof *r);
    r->db = db;
    r->remotes = remotes;
    r->host = xstrdup(host);
    shash_init(&r->registrations);
    hmap_init(&r->rows);
    hmap_init(&r->claims);
    hmapx_init(&r->todo);
    hmapx_init(&r->stale);
    hmapx_init(&r->in_txn);
    r->ops = ops;
    r->aux = aux;
    return r;
}

void
registrar_destroy(struct registrar *r)
{
    if (!r) {
        return;
    }
    struct shash_node *node;
    SHASH_FOR_EACH_SAFE (node, &r->registrations) {
        drop_registration(r, node->data);
    }
    struct own_row *row;
    HMAP_FOR_EACH_SAFE (row, node, &r->rows) {
        drop_row(r, row);
    }
    struct own_claim *claim;
    HMAP_FOR_EACH_POP (claim, node, &r->claims) {
        free(claim);
    }
    shash_destroy(&r->registrations);
    hmap_destroy(&r->rows);
    hmap_destroy(&r->claims);
    hmapx_destroy(&r->todo);
    hmapx_destroy(&r->stale);
    hmapx_destroy(&r->in_txn);
    free(r->self_problem);
    free(r->host);
    free(r);
}

/* What time does to one that is not QUIET. */
static void
advance(struct registrar *r, struct registration *reg, long long int now)
{
    struct remote_info owner;
    if (reg->phase == RETRY && now >= reg->since + RETRY_MS) {
        set_phase(r, reg, NEW);
    } else if (reg->phase == NEW && !reg->move
               && is_held_by_others(r, reg, &owner)) {
        refuse_duplicate(r, reg);
    } else if (reg->phase == CLAIMING
               && !is_held_by_others(r, reg, &owner)) {
        set_phase(r, reg, NEW);
    } else if (reg->phase == CLAIMING && now >= reg->since + CLAIM_MAX_MS) {
        char *text = xasprintf("host %s has not let go of %s in %d s: is its "
                               "weftd running?  If it is dead: \"weft peer "
                               "remove %s\"", owner.host, owner.name,
                               CLAIM_MAX_MS / 1000, owner.host);
        reg->move = false;
        set_phase(r, reg, RETRY);
        tell(r, reg, REGISTRAR_TAKEN, text);
        free(text);
    } else if (!reg->late && reg->state == REGISTRAR_WAITING
               && reg->phase != CLAIMING
               && (now >= reg->since + ANSWER_MAX_MS
                   || !directorydb_connected(r->db))) {
        reg->late = true;
        r->ops->changed(reg->name, REGISTRAR_WAITING, NULL, r->aux);
    }
}

void
registrar_run(struct registrar *r)
{
    long long int now = time_msec();
    struct hmapx_node *node;
    HMAPX_FOR_EACH_SAFE (node, &r->todo) {
        advance(r, node->data, now);
    }
    if (!directorydb_connected(r->db) || !directorydb_loaded(r->db)) {
        return;
    } else if (r->leaving) {
        send_leave(r);
    } else {
        send_self(r);
        send_rows(r);
        look_at_claims(r);
    }
}

void
registrar_wait(struct registrar *r)
{
    struct hmapx_node *node;
    HMAPX_FOR_EACH (node, &r->todo) {
        const struct registration *reg = node->data;
        if (reg->phase == RETRY) {
            poll_timer_wait_until(reg->since + RETRY_MS);
        } else if (reg->phase == CLAIMING) {
            poll_timer_wait_until(reg->since + CLAIM_MAX_MS);
        } else if (!reg->late) {
            poll_timer_wait_until(reg->since + ANSWER_MAX_MS);
        }
    }
    if (r->self_dirty && r->self_problem) {
        poll_timer_wait_until(r->self_retry);
    }
}

void
registrar_leave(struct registrar *r)
{
    r->leaving = true;
}

bool
registrar_has_left(const struct registrar *r)
{
    return r->left;
}

static bool
same_host(const struct peer *a, const struct peer *b)
{
    return ipv6_addr_equals(&a->address, &b->address) && a->port == b->port;
}

static void
compare_self(struct registrar *r)
{
    r->self_dirty = (r->self_known
                     && (!r->self_exists
                         || !same_host(&r->self, &r->self_row)));
}

void
registrar_set_self(struct registrar *r, const struct peer *self)
{
    r->self.name = r->host;
    r->self.address = self->address;
    r->self.port = self->port;
    r->self_known = true;
    compare_self(r);
}

void
registrar_host_row(struct registrar *r, const struct peer *row)
{
    r->self_exists = row != NULL;
    if (row) {
        r->self_row = *row;
        r->self_row.name = r->host;
    }
    compare_self(r);
}

/* Which row carries which of its addresses. */
static void
fill_parts(struct registration *reg, const struct endpoint *ep)
{
    size_t n[2] = { 0, 0 };
    for (size_t i = 0; i < ep->n_ips; i++) {
        bool v4 = prefix_is_v4(&ep->ips[i]);
        reg->parts[n[v4]++].ips[v4] = ep->ips[i].addr;
    }
    reg->n_parts = MAX(MAX(n[false], n[true]), 1);
    for (size_t i = 0; i < reg->n_parts; i++) {
        reg->parts[i].vni = reg->vni;
        reg->parts[i].mac = reg->mac;
        reg->parts[i].part = i;
    }
}

void
registrar_put(struct registrar *r, const struct endpoint *ep, uint32_t vni,
              bool move)
{
    registrar_remove(r, ep->name);
    struct registration *reg = xzalloc(sizeof *reg);
    reg->name = xstrdup(ep->name);
    reg->vni = vni;
    reg->mac = ep->mac;
    reg->move = move;
    fill_parts(reg, ep);
    shash_add(&r->registrations, reg->name, reg);
    set_phase(r, reg, NEW);
    match_rows(r, reg);
}

void
registrar_remove(struct registrar *r, const char *name)
{
    struct registration *reg = shash_find_data(&r->registrations, name);
    if (reg) {
        drop_registration(r, reg);
    }
}

void
registrar_begin(struct registrar *r, bool clear)
{
    r->self_existed = r->self_exists;
    r->clear = clear;
    if (clear) {
        registrar_host_row(r, NULL);
        struct own_row *row;
        HMAP_FOR_EACH (row, node, &r->rows) {
            row->unseen = true;
        }
        struct own_claim *claim;
        HMAP_FOR_EACH_SAFE (claim, node, &r->claims) {
            hmap_remove(&r->claims, &claim->node);
            free(claim);
        }
    }
}

static struct own_row *
find_row(const struct registrar *r, const struct uuid *uuid)
{
    struct own_row *row;
    HMAP_FOR_EACH_WITH_HASH (row, node, uuid_hash(uuid), &r->rows) {
        if (uuid_equals(&row->row.uuid, uuid)) {
            return row;
        }
    }
    return NULL;
}

void
registrar_row(struct registrar *r, const struct directorydb_endpoint *ep)
{
    struct own_row *row = find_row(r, &ep->uuid);
    if (row) {
        row->unseen = false;
        return;
    }
    row = xzalloc(sizeof *row);
    row->row = *ep;
    row->row.name = xstrdup(ep->name);
    row->row.host = NULL;
    hmap_insert(&r->rows, &row->node, uuid_hash(&ep->uuid));
    match_row(r, row);
}

static void
row_gone(struct registrar *r, struct own_row *row)
{
    struct registration *reg = row->registration;
    if (reg && reg->phase == QUIET) {
        set_lost(r, reg, true);     /* If no other comes in place of it. */
        set_phase(r, reg, NEW);
    }
    drop_row(r, row);
}

void
registrar_row_gone(struct registrar *r, const struct uuid *uuid)
{
    struct own_row *row = find_row(r, uuid);
    if (row) {
        row_gone(r, row);
    }
}

/* Somebody wants one of ours: it is theirs, from the moment our rows are
 * gone. */
static void
yield(struct registrar *r, struct registration *reg, const char *host)
{
    VLOG_INFO("endpoint %s: taken over by host %s", reg->name, host);
    char *name = xstrdup(reg->name);
    drop_registration(r, reg);
    r->ops->changed(name, REGISTRAR_MOVED, host, r->aux);
    free(name);
}

void
registrar_claim(struct registrar *r, const struct directorydb_claim *claim)
{
    if (!strcmp(claim->host, r->host)) {
        struct own_claim *own = xzalloc(sizeof *own);
        own->uuid = claim->uuid;
        own->vni = claim->vni;
        own->mac = claim->mac;
        hmap_insert(&r->claims, &own->node, uuid_hash(&own->uuid));
        return;
    }
    struct shash_node *node;
    SHASH_FOR_EACH_SAFE (node, &r->registrations) {
        struct registration *reg = node->data;
        if (reg->vni == claim->vni && eth_addr_equals(reg->mac, claim->mac)
            && !strcmp(claim->owner, r->host)) {
            yield(r, reg, claim->host);
        }
    }
}

void
registrar_claim_gone(struct registrar *r, const struct uuid *uuid)
{
    struct own_claim *claim;
    HMAP_FOR_EACH_WITH_HASH (claim, node, uuid_hash(uuid), &r->claims) {
        if (uuid_equals(&claim->uuid, uuid)) {
            hmap_remove(&r->claims, &claim->node);
            free(claim);
            return;
        }
    }
}

static void
drop_unseen(struct registrar *r)
{
    struct own_row *row;
    HMAP_FOR_EACH_SAFE (row, node, &r->rows) {
        if (row->unseen) {
            row_gone(r, row);
        }
    }
}

/* Says which have lost a row, and no other has come in place of it. */
static void
report_lost(struct registrar *r)
{
    struct hmapx_node *node;
    HMAPX_FOR_EACH (node, &r->todo) {
        struct registration *reg = node->data;
        if (reg->lost) {
            VLOG_WARN("endpoint %s: its row has gone from the directory: put "
                      "back", reg->name);
            reg->lost = false;
        }
    }
    r->n_lost = 0;
}

bool
registrar_end(struct registrar *r)
{
    if (r->clear) {
        drop_unseen(r);
    }
    bool lost = r->n_lost || (r->self_existed && !r->self_exists);
    if (r->n_lost) {
        report_lost(r);
    }
    return lost;
}

void
registrar_reply(struct registrar *r, uint64_t seqno,
                const struct json *results)
{
    if (seqno == r->txn) {
        r->txn = 0;
        finish_rows(r, results);
    } else if (seqno == r->self_txn) {
        r->self_txn = 0;
        finish_self(r, results);
    } else if (seqno == r->leave_txn) {
        char *detail;
        r->leave_txn = 0;
        r->left = directoryops_result(results, &detail) != DIRECTORYOPS_RETRY;
        free(detail);
    }
}

size_t
registrar_unpublished(const struct registrar *r)
{
    size_t n = 0;
    struct shash_node *node;
    SHASH_FOR_EACH (node, &r->registrations) {
        const struct registration *reg = node->data;
        n += reg->state == REGISTRAR_WAITING;
    }
    return n;
}

const char *
registrar_problem(const struct registrar *r)
{
    return r->self_problem;
}

static void
send_self(struct registrar *r)
{
    if (!r->self_dirty || r->self_txn
        || (r->self_problem && time_msec() < r->self_retry)) {
        return;
    }
    struct json *ops = json_array_create_empty();
    directoryops_put_host(ops, &r->self, r->self_exists);
    r->self_txn = directorydb_send(r->db, ops);
}

static void
finish_self(struct registrar *r, const struct json *results)
{
    char *detail;
    enum directoryops_result result = directoryops_result(results, &detail);
    if (result == DIRECTORYOPS_RETRY) {
        free(detail);
        return;
    }
    free(r->self_problem);
    r->self_problem = NULL;
    if (result == DIRECTORYOPS_DUPLICATE) {
        struct ds s = DS_EMPTY_INITIALIZER;
        address_format(&r->self.address, &s);
        r->self_problem = xasprintf("another host has the name %s or the "
                                    "address %s in the directory: give this "
                                    "one another --name or --address",
                                    r->host, ds_cstr(&s));
        ds_destroy(&s);
    } else if (result == DIRECTORYOPS_REFUSED) {
        r->self_problem = xasprintf("the directory does not let this host be "
                                    "%s: %s: --name has to be the name in its "
                                    "certificate", r->host, detail);
    }
    if (r->self_problem) {
        VLOG_WARN("%s", r->self_problem);
        r->self_retry = time_msec() + RETRY_MS;
    }
    free(detail);
}

/* After what is on its way. */
static void
send_leave(struct registrar *r)
{
    if (!r->txn && !r->self_txn && !r->leave_txn && !r->left) {
        struct json *ops = json_array_create_empty();
        directoryops_remove_host(ops, r->host);
        r->leave_txn = directorydb_send(r->db, ops);
    }
}

/* Puts the rows that lack into the transaction. */
static void
compose_registration(struct registrar *r, struct registration *reg,
                     struct json *ops)
{
    directoryops_require_network(ops, reg->vni);
    for (size_t i = 0; i < reg->n_parts; i++) {
        if (!(reg->present & 1u << i)) {
            struct directorydb_endpoint row = reg->parts[i];
            row.name = reg->name;
            row.host = r->host;
            directoryops_insert_endpoint(ops, &row);
        }
    }
    set_phase(r, reg, SENT);
    hmapx_add(&r->in_txn, reg);
}

static void
compose_deletions(struct registrar *r, struct json *ops)
{
    struct hmapx_node *node;
    HMAPX_FOR_EACH (node, &r->stale) {
        struct own_row *row = node->data;
        row->deleting = true;
        directoryops_delete(ops, "Endpoint", &row->row.uuid);
    }
    hmapx_clear(&r->stale);
}

/* One transaction is on its way at a time: what comes up meanwhile goes
 * together into the next one. */
static void
send_rows(struct registrar *r)
{
    if (r->txn) {
        return;
    }
    struct json *ops = json_array_create_empty();
    compose_deletions(r, ops);
    struct hmapx_node *node;
    HMAPX_FOR_EACH_SAFE (node, &r->todo) {
        struct registration *reg = node->data;
        if (reg->phase == NEW
            && (!reg->alone || hmapx_is_empty(&r->in_txn))) {
            bool alone = reg->alone;
            compose_registration(r, reg, ops);
            if (alone) {
                break;
            }
        }
    }
    if (!json_array(ops)->n) {
        json_destroy(ops);
        return;
    }
    r->txn = directorydb_send(r->db, ops);
    if (!r->txn) {
        finish_rows(r, NULL);
    }
}

/* Who has what this one wants, as far as is known here.  False if nobody. */
static bool
is_held_by_others(const struct registrar *r, const struct registration *reg,
                  struct remote_info *owner)
{
    if (remotes_by_mac(r->remotes, reg->vni, reg->mac, owner)) {
        return true;
    }
    for (size_t i = 0; i < reg->n_parts; i++) {
        for (size_t v4 = 0; v4 < 2; v4++) {
            const struct in6_addr *ip = &reg->parts[i].ips[v4];
            if (ipv6_addr_is_set(ip)
                && remotes_by_ip(r->remotes, reg->vni, ip, owner)) {
                owner->ip = ip;
                return true;
            }
        }
    }
    return false;
}

/* Asks those who have its MAC or addresses to let go. */
static void
claim_from_owners(struct registrar *r, struct registration *reg)
{
    struct json *ops = json_array_create_empty();
    struct remote_info owner;
    struct directorydb_claim claim = { .vni = reg->vni, .host = r->host };
    if (remotes_by_mac(r->remotes, reg->vni, reg->mac, &owner)) {
        claim.mac = owner.mac;
        claim.owner = owner.host;
        directoryops_insert_claim(ops, &claim);
    }
    for (size_t i = 0; i < reg->n_parts * 2; i++) {
        const struct in6_addr *ip = &reg->parts[i / 2].ips[i % 2];
        if (ipv6_addr_is_set(ip)
            && remotes_by_ip(r->remotes, reg->vni, ip, &owner)
            && !(claim.owner && eth_addr_equals(owner.mac, claim.mac))) {
            claim.mac = owner.mac;
            claim.owner = owner.host;
            directoryops_insert_claim(ops, &claim);
        }
    }
    /* If that fails, the owner does not hear of it, and time tells. */
    (void) directorydb_send(r->db, ops);
    set_phase(r, reg, CLAIMING);
}

static void
refuse(struct registrar *r, struct registration *reg,
       enum registrar_state state, const char *why)
{
    set_phase(r, reg, RETRY);
    tell(r, reg, state, why);
}

static void
refuse_duplicate(struct registrar *r, struct registration *reg)
{
    struct remote_info owner;
    if (!is_held_by_others(r, reg, &owner)) {
        refuse(r, reg, REGISTRAR_TAKEN, "its MAC or an address of it is another's in the "
               "directory: give others");
        return;
    } else if (reg->move) {
        claim_from_owners(r, reg);
        return;
    }
    struct ds s = DS_EMPTY_INITIALIZER;
    if (owner.ip) {
        ds_put_cstr(&s, "address ");
        address_format(owner.ip, &s);
    } else {
        ds_put_format(&s, "MAC "ETH_ADDR_FMT, ETH_ADDR_ARGS(reg->mac));
    }
    ds_put_format(&s, " is taken by endpoint %s of host %s: give another, or "
                  "--move to take it over", owner.name, owner.host);
    refuse(r, reg, REGISTRAR_TAKEN, ds_cstr(&s));
    ds_destroy(&s);
}

static void
finish_registration(struct registrar *r, struct registration *reg,
                    enum directoryops_result result, const char *detail,
                    bool shared)
{
    switch (result) {
    case DIRECTORYOPS_DONE:
        reg->alone = reg->move = false;
        set_phase(r, reg, QUIET);
        tell_neighbours(r, reg, neighbours_came);
        tell(r, reg, REGISTRAR_PUBLISHED, NULL);
        break;
    case DIRECTORYOPS_RETRY:
        set_phase(r, reg, NEW);
        break;
    case DIRECTORYOPS_DUPLICATE:
    case DIRECTORYOPS_NO_NETWORK:
    case DIRECTORYOPS_REFUSED:
        if (shared) {               /* Which of them was it? */
            reg->alone = true;
            set_phase(r, reg, NEW);
        } else if (result == DIRECTORYOPS_DUPLICATE) {
            refuse_duplicate(r, reg);
        } else if (result == DIRECTORYOPS_NO_NETWORK) {
            /* It is listed here, so somebody has just removed it, or by
             * mistake. */
            refuse(r, reg, REGISTRAR_WAITING,
                   "its network is not in the directory");
        } else {
            refuse(r, reg, REGISTRAR_REFUSED, detail);
        }
        break;
    }
}

static void
finish_rows(struct registrar *r, const struct json *results)
{
    char *detail;
    enum directoryops_result result = directoryops_result(results, &detail);
    if (result != DIRECTORYOPS_DONE) {
        /* Rows that were to go stand there still. */
        struct own_row *row;
        HMAP_FOR_EACH (row, node, &r->rows) {
            if (row->deleting) {
                row->deleting = false;
                hmapx_add(&r->stale, row);
            }
        }
    }
    if (result > DIRECTORYOPS_RETRY && hmapx_is_empty(&r->in_txn)) {
        VLOG_WARN("the directory does not delete rows of this host: %s",
                  detail);
    }
    struct hmapx batch = HMAPX_INITIALIZER(&batch);
    hmapx_swap(&batch, &r->in_txn);
    bool shared = hmapx_count(&batch) > 1;
    struct hmapx_node *node;
    HMAPX_FOR_EACH (node, &batch) {
        finish_registration(r, node->data, result, detail, shared);
    }
    hmapx_destroy(&batch);
    free(detail);
}

/* Claims that have brought what they were to, or that a run before this one
 * left. */
static void
look_at_claims(struct registrar *r)
{
    struct hmapx_node *node;
    HMAPX_FOR_EACH (node, &r->todo) {
        const struct registration *reg = node->data;
        if (reg->phase == CLAIMING || (reg->move && reg->phase == SENT)) {
            return;
        }
    }
    struct json *ops = json_array_create_empty();
    struct own_claim *claim;
    HMAP_FOR_EACH (claim, node, &r->claims) {
        if (!claim->deleting) {
            claim->deleting = true;
            directoryops_delete(ops, "Claim", &claim->uuid);
        }
    }
    if (json_array(ops)->n) {
        (void) directorydb_send(r->db, ops);    /* Else when it is back. */
    } else {
        json_destroy(ops);
    }
}

static void
tell(struct registrar *r, struct registration *reg,
     enum registrar_state state, const char *text)
{
    /* Who is told may remove it. */
    char *name = xstrdup(reg->name);
    reg->state = state;
    r->ops->changed(name, state, text, r->aux);
    free(name);
}

static void
set_phase(struct registrar *r, struct registration *reg, enum phase phase)
{
    if (phase == QUIET) {
        hmapx_find_and_delete(&r->todo, reg);
    } else if (!hmapx_contains(&r->todo, reg)) {
        hmapx_add(&r->todo, reg);
    }
    if (phase == RETRY || phase == CLAIMING
        || (phase == NEW && reg->phase != SENT)) {
        reg->since = time_msec();
    }
    reg->phase = phase;
}

/* Of its addresses. */
static void
tell_neighbours(const struct registrar *r, const struct registration *reg,
                void (*say)(struct neighbours *, uint32_t vni,
                            const struct in6_addr *, struct eth_addr))
{
    for (size_t i = 0; i < reg->n_parts * 2; i++) {
        const struct in6_addr *ip = &reg->parts[i / 2].ips[i % 2];
        if (ipv6_addr_is_set(ip)) {
            say(remotes_neighbours(r->remotes), reg->vni, ip, reg->mac);
        }
    }
}

static void
set_lost(struct registrar *r, struct registration *reg, bool lost)
{
    r->n_lost += lost - reg->lost;
    reg->lost = lost;
}

static void
drop_registration(struct registrar *r, struct registration *reg)
{
    struct own_row *row;
    HMAP_FOR_EACH (row, node, &r->rows) {
        if (row->registration == reg) {
            row->registration = NULL;
            hmapx_add(&r->stale, row);
        }
    }
    if (reg->state == REGISTRAR_PUBLISHED) {
        tell_neighbours(r, reg, neighbours_left);
    }
    set_lost(r, reg, false);
    hmapx_find_and_delete(&r->todo, reg);
    hmapx_find_and_delete(&r->in_txn, reg);
    shash_find_and_delete(&r->registrations, reg->name);
    free(reg->name);
    free(reg);
}

static void
drop_row(struct registrar *r, struct own_row *row)
{
    if (row->registration) {
        row->registration->present &= ~(1u << row->row.part);
    }
    hmapx_find_and_delete(&r->stale, row);
    hmap_remove(&r->rows, &row->node);
    free(CONST_CAST(char *, row->row.name));
    free(row);
}

static bool
is_part(const struct registration *reg, const struct directorydb_endpoint *row)
{
    const struct directorydb_endpoint *part = &reg->parts[row->part];
    return (!strcmp(reg->name, row->name)
            && row->part < reg->n_parts && row->vni == reg->vni
            && eth_addr_equals(row->mac, reg->mac)
            && ipv6_addr_equals(&row->ips[false], &part->ips[false])
            && ipv6_addr_equals(&row->ips[true], &part->ips[true]));
}

/* The row of a part that another has come in place of: by the directory's
 * indexes it has gone, which is told later in the same update. */
static void
forget_part(struct registrar *r, const struct registration *reg, uint8_t part)
{
    struct own_row *row;
    HMAP_FOR_EACH (row, node, &r->rows) {
        if (row->registration == reg && row->row.part == part) {
            row->registration = NULL;
        }
    }
}

/* Whose row is it?  One that is nobody's is to go. */
static void
match_row(struct registrar *r, struct own_row *row)
{
    struct registration *reg = shash_find_data(&r->registrations,
                                               row->row.name);
    if (!reg || !is_part(reg, &row->row)) {
        hmapx_add(&r->stale, row);
        return;
    } else if (reg->present & 1u << row->row.part) {
        forget_part(r, reg, row->row.part);
    }
    hmapx_find_and_delete(&r->stale, row);
    row->registration = reg;
    reg->present |= 1u << row->row.part;
    if (reg->phase != SENT && reg->present == (1u << reg->n_parts) - 1) {
        set_phase(r, reg, QUIET);
        set_lost(r, reg, false);
        tell(r, reg, REGISTRAR_PUBLISHED, NULL);
    }
}

/* Rows that stand there already. */
static void
match_rows(struct registrar *r, const struct registration *reg)
{
    struct own_row *row;
    HMAP_FOR_EACH (row, node, &r->rows) {
        if (!row->registration && !row->deleting
            && !strcmp(row->row.name, reg->name)) {
            match_row(r, row);
        }
    }
}
