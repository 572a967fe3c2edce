/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "agent/heartbeat.h"

#include <limits.h>
#include <stdlib.h>
#include "openvswitch/json.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "ovsdb/directoryops.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(heartbeat);

enum {
    MISSED_MIN = 2,                 /* The first may be a beat that came right
                                     * before an answer and right after the
                                     * next, or while there was no database. */
    MISSED_MIN_DEAD = 3,            /* So many for what cannot be undone. */
};

/* A host that said nothing new for a while, if its clock is right.  So what
 * counts is not how old that is, but how often it was the same again. */
struct silence {
    long long int seen;             /* When it said it, by its clock. */
    unsigned int missed;            /* Beats: answers that were the same. */
    bool asked;                     /* It was in the last answer. */
};

struct heartbeat {
    struct directorydb *db;
    char *host;
    struct shash silences;          /* Contains struct silence, by host. */
    size_t n_hosts;
    long long int next;             /* When to beat. */
    uint64_t txn;                   /* On its way, or 0. */
    bool janitor;
};

static bool is_certain(const struct silence *);
static void remove_dead(struct heartbeat *);

struct heartbeat *
heartbeat_create(struct directorydb *db, const char *host)
{
    struct heartbeat *h = xzalloc(sizeof *h);
    h->db = db;
    h->host = xstrdup(host);
    shash_init(&h->silences);
    return h;
}

void
heartbeat_destroy(struct heartbeat *h)
{
    if (h) {
        shash_destroy_free_data(&h->silences);
        free(h->host);
        free(h);
    }
}

void
heartbeat_set_hosts(struct heartbeat *h, size_t n)
{
    h->n_hosts = n;
}

void
heartbeat_run(struct heartbeat *h)
{
    if (time_msec() < h->next || !directorydb_connected(h->db)
        || !directorydb_loaded(h->db)) {
        return;
    }
    struct json *ops = json_array_create_empty();
    directoryops_beat(ops, h->host, time_wall(), time_wall()
                      - directoryops_silent_after(h->n_hosts));
    h->txn = directorydb_send(h->db, ops);
    h->next = (time_msec()
               + directoryops_beat_interval(h->n_hosts) * 1000LL);
}

void
heartbeat_wait(struct heartbeat *h)
{
    if (directorydb_connected(h->db)) {
        poll_timer_wait_until(h->next);
    }
}

static void
hear_of(const char *host, long long int seen, void *h_)
{
    struct heartbeat *h = h_;
    struct silence *s = shash_find_data(&h->silences, host);
    if (!s) {
        s = xzalloc(sizeof *s);
        s->seen = LLONG_MIN;
        shash_add(&h->silences, host, s);
    }
    bool was = is_certain(s);
    s->missed = s->seen == seen ? s->missed + 1 : 0;
    s->seen = seen;
    s->asked = true;
    if (is_certain(s) != was) {
        VLOG_WARN("host %s is silent%s", host, was ? " no longer" : "");
    }
}

void
heartbeat_reply(struct heartbeat *h, uint64_t seqno,
                const struct json *results)
{
    char *detail;
    if (seqno != h->txn) {
        return;
    }
    h->txn = 0;
    enum directoryops_result result = directoryops_result(results, &detail);
    free(detail);
    if (result != DIRECTORYOPS_DONE) {
        return;                     /* That says nothing of anybody. */
    }
    if (directoryops_beat_is_new(results)) {
        struct json *ops = json_array_create_empty();
        directoryops_insert_beat(ops, h->host, time_wall());
        (void) directorydb_send(h->db, ops);    /* Or the next time. */
    }
    struct shash_node *node;
    SHASH_FOR_EACH (node, &h->silences) {
        struct silence *s = node->data;
        s->asked = false;
    }
    directoryops_silent(results, hear_of, h);
    SHASH_FOR_EACH_SAFE (node, &h->silences) {
        struct silence *s = node->data;
        if (!s->asked) {
            if (is_certain(s)) {
                VLOG_WARN("host %s is silent no longer", node->name);
            }
            free(s);
            shash_delete(&h->silences, node);
        }
    }
    if (h->janitor) {
        remove_dead(h);
    }
}

void
heartbeat_set_janitor(struct heartbeat *h, bool janitor)
{
    h->janitor = janitor;
}

long long int
heartbeat_silent(const struct heartbeat *h, const char *host)
{
    const struct silence *s = shash_find_data(&h->silences, host);
    return s && is_certain(s) ? MAX(time_wall() - s->seen, 1) : 0;
}

static bool
is_certain(const struct silence *s)
{
    return s->missed >= MISSED_MIN;
}

static void
remove_dead(struct heartbeat *h)
{
    unsigned int after = directorydb_dead_after(h->db);
    struct shash_node *node;
    SHASH_FOR_EACH (node, &h->silences) {
        const struct silence *s = node->data;
        if (after && s->missed >= MISSED_MIN_DEAD
            && s->missed * directoryops_beat_interval(h->n_hosts) > after) {
            VLOG_WARN("host %s is removed from the directory: silent for "
                      "more than %u s", node->name, after);
            struct json *ops = json_array_create_empty();
            directoryops_remove_host(ops, node->name);
            (void) directorydb_send(h->db, ops);    /* Or the next time. */
        }
    }
}
