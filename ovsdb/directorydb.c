/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "ovsdb/directorydb.h"

#include <stdlib.h>
#include "hash.h"
#include "jsonrpc.h"
#include "openvswitch/hmap.h"
#include "openvswitch/list.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "ovsdb-cs.h"
#include "ovsdb-error.h"
#include "ovsdb/directoryrows.h"
#include "ovsdb/directoryvalues.h"
#include "timeval.h"
#include "util.h"
#include "uuid.h"

VLOG_DEFINE_THIS_MODULE(directorydb);

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 20);

enum {
    MONITOR_COND_SINCE = 3,         /* ovsdb_cs_create()'s max_version. */
    /* A database that was restored from a backup counts its transactions from
     * the start again, and would be taken for a server that lags behind. */
    STALE_MAX_MS = 3000,
    /* A server that is not heard of for so long is asked whether it lives.  It
     * does nothing else while it sends somebody all that he watches; who gives
     * up too soon comes again, and has it do that again. */
    PROBE_LOADING_MS = 60000,
    PROBE_MIN_MS = 5000,
    PROBE_HOST_MS = 20,             /* For each host. */
};

/* What is asked for.  Rows of tables that are 'kept' stand in 'rows'; those of
 * the others are passed on. */
static const struct table {
    const char *name;
    bool kept;
    const char *kind;               /* Of the section that a row is, or
                                     * NULL. */
    const char *columns[12];
} tables[] = {
    { "Directory", true, NULL, { "dead_after" } },
    { "Network", true, "network", { "name", "vni", "subnet", "gateway",
                                    "mac_prefix", "external", "dhcp", "dns",
                                    "route" } },
    { "Router", true, "router", { "name", "networks" } },
    { "Host", true, NULL, { "name", "address", "port" } },
    { "Endpoint", false, NULL, { "network", "mac", "part", "ipv4", "ipv6",
                                 "name", "host" } },
    { "Claim", false, NULL, { "network", "mac", "owner", "host" } },
};

struct row {
    struct hmap_node node;          /* By uuid. */
    struct uuid uuid;
    const struct table *table;
    struct json *columns;           /* Owned: an object. */
    bool unseen;                    /* Not in the update that is all there
                                     * is. */
};

struct transaction {
    struct ovs_list node;
    struct json *id;
    uint64_t seqno;
};

struct directorydb {
    struct ovsdb_cs *cs;
    char *host;
    struct hmap rows;               /* Contains struct row. */
    struct ovs_list sent;           /* Contains struct transaction. */
    uint64_t seqno;
    bool loaded;
    unsigned int sections_seqno;
    unsigned int condition_seqno;   /* Of the last directorydb_watch(). */
    long long int down_since;       /* LLONG_MAX: connected. */
    const struct directorydb_events *events;
    void *aux;
};

static struct json *compose_requests(const struct json *schema, void *);
static void handle_update(struct directorydb *,
                          const struct ovsdb_cs_update_event *);
static void handle_reply(struct directorydb *, const struct jsonrpc_msg *);
static void lose_transactions(struct directorydb *);
static void set_condition(struct directorydb *, const char *table,
                          struct json *clauses);
static struct json *clause(const char *column, struct json *value);

static const struct ovsdb_cs_ops cs_ops = { compose_requests };

struct directorydb *
directorydb_create(const char *remotes, const char *host,
                   const struct directorydb_events *events, void *aux)
{
    struct directorydb *db = xzalloc(sizeof *db);
    db->host = xstrdup(host);
    hmap_init(&db->rows);
    ovs_list_init(&db->sent);
    db->down_since = time_msec();
    db->events = events;
    db->aux = aux;
    db->cs = ovsdb_cs_create("Weft", MONITOR_COND_SINCE, &cs_ops, db);
    ovsdb_cs_set_leader_only(db->cs, false);
    ovsdb_cs_set_shuffle_remotes(db->cs, true);
    ovsdb_cs_set_remote(db->cs, remotes, true);
    ovsdb_cs_set_probe_interval(db->cs, PROBE_LOADING_MS);
    set_condition(db, "Claim", json_array_create_2(
        clause("owner", json_string_create(host)),
        clause("host", json_string_create(host))));
    directorydb_watch(db, NULL, 0);
    return db;
}

static void
destroy_row(struct directorydb *db, struct row *row)
{
    hmap_remove(&db->rows, &row->node);
    json_destroy(row->columns);
    free(row);
}

void
directorydb_destroy(struct directorydb *db)
{
    if (db) {
        struct row *row;
        HMAP_FOR_EACH_SAFE (row, node, &db->rows) {
            destroy_row(db, row);
        }
        hmap_destroy(&db->rows);
        struct transaction *t;
        LIST_FOR_EACH_POP (t, node, &db->sent) {
            json_destroy(t->id);
            free(t);
        }
        ovsdb_cs_destroy(db->cs);
        free(db->host);
        free(db);
    }
}

void
directorydb_run(struct directorydb *db)
{
    struct ovs_list events;
    ovsdb_cs_run(db->cs, &events);
    struct ovsdb_cs_event *event;
    LIST_FOR_EACH_POP (event, list_node, &events) {
        switch (event->type) {
        case OVSDB_CS_EVENT_TYPE_RECONNECT:
            lose_transactions(db);
            break;
        case OVSDB_CS_EVENT_TYPE_LOCKED:
            break;
        case OVSDB_CS_EVENT_TYPE_UPDATE:
            handle_update(db, &event->update);
            break;
        case OVSDB_CS_EVENT_TYPE_TXN_REPLY:
            handle_reply(db, event->txn_reply);
            break;
        }
        ovsdb_cs_event_destroy(event);
    }

    if (directorydb_connected(db)) {
        db->down_since = LLONG_MAX;
    } else if (db->down_since == LLONG_MAX) {
        db->down_since = time_msec();
    } else if (time_msec() >= db->down_since + STALE_MAX_MS) {
        db->down_since = time_msec();
        ovsdb_cs_reset_min_index(db->cs);
    }
}

void
directorydb_wait(struct directorydb *db)
{
    ovsdb_cs_wait(db->cs);
    if (db->down_since != LLONG_MAX) {
        poll_timer_wait_until(db->down_since + STALE_MAX_MS);
    }
}

void
directorydb_set_hosts(struct directorydb *db, size_t n)
{
    ovsdb_cs_set_probe_interval(db->cs, MAX(PROBE_MIN_MS, n * PROBE_HOST_MS));
}

bool
directorydb_connected(const struct directorydb *db)
{
    return ovsdb_cs_may_send_transaction(db->cs);
}

bool
directorydb_loaded(const struct directorydb *db)
{
    return db->loaded;
}

void
directorydb_watch(struct directorydb *db, const uint32_t vnis[], size_t n)
{
    struct json *clauses = json_array_create_1(
        clause("host", json_string_create(db->host)));
    for (size_t i = 0; i < n; i++) {
        json_array_add(clauses, clause("network",
                                       json_integer_create(vnis[i])));
    }
    set_condition(db, "Endpoint", clauses);
}

bool
directorydb_watching(const struct directorydb *db)
{
    return (db->loaded
            && ovsdb_cs_get_condition_seqno(db->cs) >= db->condition_seqno);
}

unsigned int
directorydb_sections_seqno(const struct directorydb *db)
{
    return db->sections_seqno;
}

char *
directorydb_sections(const struct directorydb *db, struct sections *sections)
{
    char *error = NULL;
    const struct row *row;
    HMAP_FOR_EACH (row, node, &db->rows) {
        if (row->table->kind && !error) {
            error = directoryrows_to_section(row->table->kind, row->columns,
                                             sections);
        }
    }
    return error;
}

int
directorydb_dead_after(const struct directorydb *db)
{
    const struct row *row;
    HMAP_FOR_EACH (row, node, &db->rows) {
        const struct json *value = shash_find_data(json_object(row->columns),
                                                   "dead_after");
        if (value && value->type == JSON_INTEGER) {
            return json_integer(value);
        }
    }
    return 0;
}

uint64_t
directorydb_send(struct directorydb *db, struct json *ops)
{
    if (!directorydb_connected(db)) {
        json_destroy(ops);
        return 0;
    }
    struct json *params = json_array_create_1(json_string_create("Weft"));
    for (size_t i = 0; i < json_array(ops)->n; i++) {
        json_array_add(params, json_clone(json_array(ops)->elems[i]));
    }
    json_destroy(ops);
    struct json *id = ovsdb_cs_send_transaction(db->cs, params);
    if (!id) {
        return 0;
    }
    struct transaction *t = xmalloc(sizeof *t);
    t->id = id;
    t->seqno = ++db->seqno;
    ovs_list_push_back(&db->sent, &t->node);
    return t->seqno;
}

static struct json *
clause(const char *column, struct json *value)
{
    return json_array_create_3(json_string_create(column),
                               json_string_create("=="), value);
}

/* Takes over 'clauses', of which one is to hold. */
static void
set_condition(struct directorydb *db, const char *table, struct json *clauses)
{
    unsigned int seqno = ovsdb_cs_set_condition(db->cs, table, clauses);
    if (!strcmp(table, "Endpoint")) {
        db->condition_seqno = seqno;
    }
    json_destroy(clauses);
}

static struct json *
compose_requests(const struct json *schema OVS_UNUSED, void *aux OVS_UNUSED)
{
    struct json *requests = json_object_create();
    for (const struct table *t = tables; t < tables + ARRAY_SIZE(tables);
         t++) {
        struct json *columns = json_array_create_empty();
        for (const char *const *c = t->columns; *c; c++) {
            json_array_add(columns, json_string_create(*c));
        }
        struct json *request = json_object_create();
        json_object_put(request, "columns", columns);
        json_object_put(requests, t->name, json_array_create_1(request));
    }
    return requests;
}

static void
lose_transactions(struct directorydb *db)
{
    struct transaction *t;
    LIST_FOR_EACH_SAFE (t, node, &db->sent) {
        ovs_list_remove(&t->node);
        db->events->reply(t->seqno, NULL, db->aux);
        json_destroy(t->id);
        free(t);
    }
}

static void
handle_reply(struct directorydb *db, const struct jsonrpc_msg *reply)
{
    struct transaction *t;
    LIST_FOR_EACH_SAFE (t, node, &db->sent) {
        if (json_equal(t->id, reply->id)) {
            ovs_list_remove(&t->node);
            db->events->reply(t->seqno,
                              (reply->type == JSONRPC_REPLY
                               && reply->result->type == JSON_ARRAY
                               ? reply->result : NULL), db->aux);
            json_destroy(t->id);
            free(t);
            return;
        }
    }
}

static struct row *
find_row(const struct directorydb *db, const struct uuid *uuid)
{
    struct row *row;
    HMAP_FOR_EACH_WITH_HASH (row, node, uuid_hash(uuid), &db->rows) {
        if (uuid_equals(&row->uuid, uuid)) {
            return row;
        }
    }
    return NULL;
}

/* The host that a row of table Host tells of. */
static void
tell_host(struct directorydb *db, const struct json *columns, bool gone)
{
    struct peer peer;
    const char *name = directoryvalues_host(json_object(columns), &peer);
    if (!name) {
        VLOG_WARN_RL(&rl, "a host without a valid name: passed over");
    } else if (gone) {
        db->events->host(name, NULL, db->aux);
    } else if (!peer.name) {
        VLOG_WARN_RL(&rl, "host %s: no valid address: passed over", name);
        db->events->host(name, NULL, db->aux);
    } else {
        db->events->host(name, &peer, db->aux);
    }
}

static void
row_changed(struct directorydb *db, const struct row *row, bool gone)
{
    if (!strcmp(row->table->name, "Host")) {
        tell_host(db, row->columns, gone);
    } else {
        db->sections_seqno++;
    }
}

static void
keep_row(struct directorydb *db, const struct table *table,
         const struct ovsdb_cs_row_update *ru)
{
    struct row *row = find_row(db, &ru->row_uuid);
    if (ru->type == OVSDB_CS_ROW_DELETE) {
        if (row) {
            row_changed(db, row, true);
            destroy_row(db, row);
        }
        return;
    }
    if (!row) {
        row = xzalloc(sizeof *row);
        row->uuid = ru->row_uuid;
        row->table = table;
        row->columns = json_object_create();
        hmap_insert(&db->rows, &row->node, uuid_hash(&row->uuid));
    }
    row->unseen = false;
    if (ru->type == OVSDB_CS_ROW_XOR) {
        directoryvalues_modify(row->columns, ru->columns);
    } else {
        json_destroy(row->columns);
        row->columns = json_object_create();
        struct shash_node *node;
        SHASH_FOR_EACH (node, ru->columns) {
            json_object_put(row->columns, node->name,
                            json_clone(node->data));
        }
    }
    row_changed(db, row, false);
}

static void
pass_endpoint(struct directorydb *db, const struct ovsdb_cs_row_update *ru)
{
    if (ru->type == OVSDB_CS_ROW_DELETE) {
        db->events->endpoint_gone(&ru->row_uuid, db->aux);
        return;
    } else if (ru->type != OVSDB_CS_ROW_INSERT) {
        return;                     /* No column of it can change. */
    }
    struct directorydb_endpoint ep = { .uuid = ru->row_uuid };
    if (!directoryvalues_endpoint(ru->columns, &ep)) {
        VLOG_WARN_RL(&rl, "endpoint row "UUID_FMT" is not to be used: passed "
                     "over", UUID_ARGS(&ru->row_uuid));
        return;
    }
    db->events->endpoint(&ep, db->aux);
}

static void
pass_claim(struct directorydb *db, const struct ovsdb_cs_row_update *ru)
{
    if (ru->type == OVSDB_CS_ROW_DELETE) {
        db->events->claim_gone(&ru->row_uuid, db->aux);
        return;
    }
    struct directorydb_claim claim = { .uuid = ru->row_uuid };
    if (directoryvalues_claim(ru->columns, &claim)) {
        db->events->claim(&claim, db->aux);
    }
}

static const struct table *
find_table(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
        if (!strcmp(tables[i].name, name)) {
            return &tables[i];
        }
    }
    return NULL;
}

/* Those that have gone ('gone'), or the others. */
static void
handle_table(struct directorydb *db, const struct ovsdb_cs_table_update *tu,
             bool gone)
{
    const struct table *table = find_table(tu->table_name);
    for (size_t i = 0; table && i < tu->n; i++) {
        const struct ovsdb_cs_row_update *ru = &tu->row_updates[i];
        if ((ru->type == OVSDB_CS_ROW_DELETE) != gone) {
            continue;
        } else if (table->kept) {
            keep_row(db, table, ru);
        } else if (!strcmp(table->name, "Endpoint")) {
            pass_endpoint(db, ru);
        } else {
            pass_claim(db, ru);
        }
    }
}

/* Those that an update which is all there is has not named.  Hosts among them
 * need not be told of, and may have another row by now. */
static void
drop_unseen(struct directorydb *db)
{
    struct row *row;
    HMAP_FOR_EACH_SAFE (row, node, &db->rows) {
        if (row->unseen) {
            db->sections_seqno++;
            destroy_row(db, row);
        }
    }
}

static void
handle_update(struct directorydb *db,
              const struct ovsdb_cs_update_event *update)
{
    struct ovsdb_cs_db_update *du;
    struct ovsdb_error *error = ovsdb_cs_parse_db_update(
        update->table_updates, update->version, &du);
    if (error) {
        VLOG_WARN_RL(&rl, "an update that cannot be read: %s",
                     ovsdb_error_to_string_free(error));
        ovsdb_cs_flag_inconsistency(db->cs);
        return;
    }
    if (update->clear) {
        struct row *row;
        HMAP_FOR_EACH (row, node, &db->rows) {
            row->unseen = true;
        }
    }
    db->events->begin(update->clear, db->aux);
    /* A row that comes may have the name of one that goes. */
    for (int gone = 1; gone >= 0; gone--) {
        for (size_t i = 0; i < du->n; i++) {
            handle_table(db, &du->table_updates[i], gone);
        }
    }
    if (update->clear) {
        drop_unseen(db);
    }
    db->loaded = db->loaded || update->monitor_reply;
    db->events->end(db->aux);
    ovsdb_cs_db_update_destroy(du);
}
