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
        complete = (strcmp(operation_string(operations->elems[i], "op"),
                           "select")
                    || operation_member(results->elems[i], "rows",
                                        JSON_ARRAY));
    }
    return complete;
}

/* Of one operation, or of their commit.  What follows a failed one is null. */
static enum weft_db_result
check_result(const struct weft_db *db, const struct json *result)
{
    const struct json *error
        = result ? operation_member(result, "error", JSON_STRING) : NULL;

    if (error && !strcmp(json_string(error), "timed out")) {
        return WEFT_DB_CONFLICT;
    }
    if (error || !result || result->type != JSON_OBJECT) {
        return fail(db, error ? json_string(error) : "gave an odd answer",
                    result ? operation_string(result, "details") : "");
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
