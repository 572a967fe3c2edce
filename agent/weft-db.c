/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "agent/weft-db.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "dirs.h"
#include "jsonrpc.h"
#include "openvswitch/json.h"
#include "openvswitch/shash.h"
#include "overlay/model.h"
#include "socket-util.h"
#include "stream.h"
#include "util.h"

#define DATABASE "Weft"

struct weft_db {
    char *remote;                   /* Owned. */
    struct jsonrpc *rpc;            /* Owned. */
};

static bool check_remote(const char *remote);
static void handle_alarm(int number);
static enum weft_db_result check_reply(const struct weft_db *,
                                       const struct jsonrpc_msg *,
                                       const struct json *operations);
static bool is_complete(const struct json_array *results,
                        const struct json_array *operations);
static enum weft_db_result check_result(const struct weft_db *,
                                        const struct json *result);
static enum weft_db_result fail(const struct weft_db *, const char *error,
                                const char *details);
static struct json *make_op(const char *op, const char *table,
                            const char *column, struct json *value);
static const struct json *member(const struct json *, const char *name,
                                 enum json_type);

struct weft_db *
weft_db_open(const struct weft_target *target, const char *remote)
{
    struct weft_db *db = xzalloc(sizeof *db);
    struct stream *stream = NULL;

    db->remote = remote ? xstrdup(remote)
                 : xasprintf("unix:%s/weft-directory.sock", ovs_rundir());
    if (!check_remote(db->remote)) {
        weft_db_close(db);
        return NULL;
    }
    signal(SIGALRM, handle_alarm);
    alarm(target->timeout);

    int error = stream_open_block(stream_open(db->remote, &stream,
                                              DSCP_DEFAULT), -1, &stream);
    if (error) {
        fprintf(stderr, "weft: %s: %s: is the directory's ovsdb-server "
                "running here?  Or give --db\n", db->remote,
                ovs_strerror(error));
        weft_db_close(db);
        return NULL;
    }
    db->rpc = jsonrpc_open(stream);
    return db;
}

void
weft_db_close(struct weft_db *db)
{
    if (db) {
        jsonrpc_close(db->rpc);
        free(db->remote);
        free(db);
    }
}

enum weft_db_result
weft_db_transact(struct weft_db *db, struct json *operations,
                 struct json **resultsp)
{
    struct json *params = json_array_create_1(json_string_create(DATABASE));
    struct jsonrpc_msg *reply;
    enum weft_db_result result;

    *resultsp = NULL;
    for (size_t i = 0; i < json_array(operations)->n; i++) {
        json_array_add(params, json_clone(json_array(operations)->elems[i]));
    }

    int error = jsonrpc_transact_block(
        db->rpc, jsonrpc_create_request("transact", params, NULL), &reply);
    if (error) {
        result = fail(db, "ended before it answered",
                      ovs_retval_to_string(error));
    } else {
        result = check_reply(db, reply, operations);
        if (result == WEFT_DB_DONE) {
            *resultsp = reply->result;
            reply->result = NULL;
        }
        jsonrpc_msg_destroy(reply);
    }
    json_destroy(operations);
    return result;
}

struct json *
weft_db_select(const char *table, const char *column, struct json *value,
               struct json *columns)
{
    struct json *op = make_op("select", table, column, value);

    if (columns) {
        json_object_put(op, "columns", columns);
    }
    return op;
}

struct json *
weft_db_delete(const char *table, const char *column, struct json *value)
{
    return make_op("delete", table, column, value);
}

struct json *
weft_db_insert(const char *table, struct json *row)
{
    struct json *op = json_object_create();

    json_object_put_string(op, "op", "insert");
    json_object_put_string(op, "table", table);
    json_object_put(op, "row", row);
    return op;
}

struct json *
weft_db_update(const char *table, const char *column, struct json *value,
               struct json *row)
{
    struct json *op = make_op("update", table, column, value);

    json_object_put(op, "row", row);
    return op;
}

struct json *
weft_db_wait(const char *table, const char *column, struct json *value,
             struct json *columns, struct json *rows)
{
    struct json *op = make_op("wait", table, column, value);

    json_object_put(op, "timeout", json_integer_create(0));
    json_object_put(op, "columns", columns);
    json_object_put_string(op, "until", "==");
    json_object_put(op, "rows", rows);
    return op;
}

const struct json *
weft_db_rows(const struct json *results, size_t i)
{
    return member(json_array(results)->elems[i], "rows", JSON_ARRAY);
}

long long int
weft_db_count(const struct json *results, size_t i)
{
    return weft_db_integer(json_array(results)->elems[i], "count");
}

const char *
weft_db_string(const struct json *row, const char *column)
{
    const struct json *value = member(row, column, JSON_STRING);

    return value ? json_string(value) : "";
}

long long int
weft_db_integer(const struct json *row, const char *column)
{
    const struct json *value = member(row, column, JSON_INTEGER);

    return value ? json_integer(value) : 0;
}

static bool
check_remote(const char *remote)
{
    if (!strncmp(remote, "unix:", 5) || !strncmp(remote, "tcp:", 4)) {
        return true;
    }
    if (!strncmp(remote, "ssl:", 4)) {
        fprintf(stderr, "weft: %s: this command has no TLS: run it on a "
                "directory server, over its unix socket\n", remote);
    } else {
        fprintf(stderr, "weft: %s: not a database: write unix:PATH or "
                "tcp:IP:PORT\n", remote);
    }
    return false;
}

static void
handle_alarm(int number OVS_UNUSED)
{
    static const char text[] = "weft: the directory has not answered in time, "
        "and may yet do what it was asked: look, or give a longer "
        "--timeout\n";
    ssize_t ignore OVS_UNUSED = write(STDERR_FILENO, text, sizeof text - 1);
    _exit(EXIT_FAILURE);
}

static enum weft_db_result
check_reply(const struct weft_db *db, const struct jsonrpc_msg *reply,
            const struct json *operations)
{
    if (reply->type == JSONRPC_ERROR) {
        /* The database was converted, or the like, meanwhile. */
        return reply->error && reply->error->type == JSON_STRING
               && !strcmp(json_string(reply->error), "canceled")
               ? WEFT_DB_CONFLICT : check_result(db, reply->error);
    }
    if (!reply->result || reply->result->type != JSON_ARRAY) {
        return fail(db, "gave an odd answer", "");
    }

    const struct json_array *results = json_array(reply->result);
    for (size_t i = 0; i < results->n; i++) {
        enum weft_db_result result = check_result(db, results->elems[i]);

        if (result != WEFT_DB_DONE) {
            return result;
        }
    }
    return is_complete(results, json_array(operations))
           ? WEFT_DB_DONE : fail(db, "gave an odd answer", "");
}

/* Has each operation a result, and each select rows? */
static bool
is_complete(const struct json_array *results,
            const struct json_array *operations)
{
    bool complete = results->n == operations->n;

    for (size_t i = 0; complete && i < results->n; i++) {
        complete = (strcmp(weft_db_string(operations->elems[i], "op"),
                           "select")
                    || member(results->elems[i], "rows", JSON_ARRAY));
    }
    return complete;
}

/* Of one operation, or of their commit.  What follows a failed one is null. */
static enum weft_db_result
check_result(const struct weft_db *db, const struct json *result)
{
    const struct json *error = (result ? member(result, "error", JSON_STRING)
                                : NULL);

    if (error && !strcmp(json_string(error), "timed out")) {
        return WEFT_DB_CONFLICT;
    }
    if (error || !result || result->type != JSON_OBJECT) {
        return fail(db, error ? json_string(error) : "gave an odd answer",
                    result ? weft_db_string(result, "details") : "");
    }
    return WEFT_DB_DONE;
}

/* The text may tell of a row that somebody else has written. */
static enum weft_db_result
fail(const struct weft_db *db, const char *error, const char *details)
{
    char *line = xasprintf("%s: %s%s%s", db->remote, error,
                           details[0] ? ": " : "", details);
    char *unsafe = text_refuse(line);

    fprintf(stderr, "weft: %s\n", unsafe ? error : line);
    free(unsafe);
    free(line);
    return WEFT_DB_FAILED;
}

static struct json *
make_op(const char *name, const char *table, const char *column,
        struct json *value)
{
    struct json *op = json_object_create();
    struct json *where = json_array_create_empty();

    if (column) {
        json_array_add(where, json_array_create_3(json_string_create(column),
                                                  json_string_create("=="),
                                                  value));
    }
    json_object_put_string(op, "op", name);
    json_object_put_string(op, "table", table);
    json_object_put(op, "where", where);
    return op;
}

static const struct json *
member(const struct json *object, const char *name, enum json_type type)
{
    const struct json *value = (object->type == JSON_OBJECT
                                ? shash_find_data(json_object(object), name)
                                : NULL);

    return value && value->type == type ? value : NULL;
}
