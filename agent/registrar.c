/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "agent/registrar-parts.h"

#include <stdlib.h>
#include "agent/neighbours.h"
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
    CLAIM_MAX_MS = 5000,            /* For the owner to let go. */
};

static void set_lost(struct registrar *, struct registration *, bool lost);
static void drop_registration(struct registrar *, struct registration *);
static void drop_row(struct registrar *, struct own_row *);
static void match_row(struct registrar *, struct own_row *);
static void match_rows(struct registrar *, const struct registration *);

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
    if (reg->phase == RETRY && now >= reg->since + REGISTRAR_RETRY_MS) {
        registrar_set_phase(r, reg, NEW);
    } else if (reg->phase == NEW && !reg->move
               && registrar_send_is_held(r, reg, &owner)) {
        registrar_send_refuse(r, reg);
    } else if (reg->phase == CLAIMING
               && !registrar_send_is_held(r, reg, &owner)) {
        registrar_set_phase(r, reg, NEW);
    } else if (reg->phase == CLAIMING && now >= reg->since + CLAIM_MAX_MS) {
        char *text = xasprintf("host %s has not let go of %s in %d s: is its "
                               "weftd running?  If it is dead: \"weft peer "
                               "remove %s\"", owner.host, owner.name,
                               CLAIM_MAX_MS / 1000, owner.host);
        reg->move = false;
        registrar_set_phase(r, reg, RETRY);
        registrar_tell(r, reg, REGISTRAR_TAKEN, text);
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
        registrar_self_send_leave(r);
    } else {
        registrar_self_send(r);
        registrar_send_rows(r);
        registrar_send_claims(r);
    }
}

void
registrar_run_self(struct registrar *r)
{
    if (directorydb_connected(r->db) && directorydb_loaded(r->db)
        && !r->leaving) {
        registrar_self_send(r);
    }
}

void
registrar_wait(struct registrar *r)
{
    struct hmapx_node *node;
    HMAPX_FOR_EACH (node, &r->todo) {
        const struct registration *reg = node->data;
        if (reg->phase == RETRY) {
            poll_timer_wait_until(reg->since + REGISTRAR_RETRY_MS);
        } else if (reg->phase == CLAIMING) {
            poll_timer_wait_until(reg->since + CLAIM_MAX_MS);
        } else if (!reg->late && reg->state == REGISTRAR_WAITING) {
            poll_timer_wait_until(reg->since + ANSWER_MAX_MS);
        }
    }
    registrar_self_wait(r);
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
    registrar_set_phase(r, reg, NEW);
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
        registrar_set_phase(r, reg, NEW);
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
        registrar_send_finish(r, results);
    } else if (seqno == r->self_txn) {
        r->self_txn = 0;
        registrar_self_finish(r, results);
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

void
registrar_tell(struct registrar *r, struct registration *reg,
               enum registrar_state state, const char *text)
{
    /* Who is told may remove it. */
    char *name = xstrdup(reg->name);
    reg->state = state;
    r->ops->changed(name, state, text, r->aux);
    free(name);
}

void
registrar_set_phase(struct registrar *r, struct registration *reg,
                    enum phase phase)
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

void
registrar_tell_neighbours(const struct registrar *r,
                          const struct registration *reg,
                          registrar_neighbours_func *say)
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
        registrar_tell_neighbours(r, reg, neighbours_left);
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
        registrar_set_phase(r, reg, QUIET);
        set_lost(r, reg, false);
        registrar_tell(r, reg, REGISTRAR_PUBLISHED, NULL);
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
