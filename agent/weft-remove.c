/* SPDX-License-Identifier: Apache-2.0 */

/* Hosts that died: who removes their rows, and when. */

#include <config.h>
#include "agent/weft.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "agent/weft-admin.h"
#include "openvswitch/json.h"
#include "overlay/model.h"
#include "ovsdb/directoryops.h"
#include "timeval.h"
#include "util.h"

enum {
    DEAD_AFTER_MAX = 31536000,      /* As in the schema. */
};

struct removal {
    const char *host;
    bool yes;
    size_t n_endpoints;
    struct json *results;           /* Owned.  Of delete_host(). */
};

static admin_try_func remove_host, set_dead_after;
static struct json *heartbeat_columns(void);
static size_t count_endpoints(const struct json *rows);
static char *refuse_alive(const char *host, const struct json *heartbeats,
                          size_t n_hosts);
static enum weft_db_result delete_host(struct weft_db *, struct removal *,
                                       const struct json *heartbeats);
static int report_removal(const struct removal *, bool json);

int
weft_peer_remove(const struct weft_target *target, int argc, char *argv[])
{
    struct admin_options options;

    if (!admin_take_options(&argc, argv, ADMIN_YES, &options) || argc != 1) {
        return weft_misuse("usage: weft peer remove HOST [--yes]");
    }

    struct removal r = { argv[0], options.flags & ADMIN_YES, 0, NULL };
    int status = admin_run(target, &options, remove_host, &r);
    if (!status) {
        status = report_removal(&r, options.json);
    }
    json_destroy(r.results);
    return status;
}

int
weft_directory_set(const struct weft_target *target, int argc, char *argv[])
{
    static const char key[] = "dead-after=";
    struct admin_options options;
    unsigned int seconds;

    if (!admin_take_options(&argc, argv, 0, &options) || argc != 1
        || strncmp(argv[0], key, strlen(key))) {
        return weft_misuse("usage: weft directory set dead-after=SECONDS");
    }
    if (!number_parse(&argv[0][strlen(key)], &seconds)
        || seconds > DEAD_AFTER_MAX) {
        return weft_misuse("dead-after is a number of seconds, at most "
                           "31536000; 0: never");
    }

    int status = admin_run(target, &options, set_dead_after, &seconds);
    if (!status && options.json) {
        struct json *report = json_object_create();

        json_object_put(report, "dead-after", json_integer_create(seconds));
        status = admin_print(report);
    } else if (!status) {
        printf(seconds ? "dead-after: %u s\n" : "dead-after: never\n",
               seconds);
    }
    return status;
}

/* A heartbeat that comes between looking and deleting is seen next time. */
static enum weft_db_result
remove_host(struct weft_db *db, void *r_)
{
    struct removal *r = r_;
    struct json *results;
    enum weft_db_result result = weft_db_transact(
        db, json_array_create_3(
            operation_select("Heartbeat", "host", json_string_create(r->host),
                           heartbeat_columns()),
            operation_select("Endpoint", "host", json_string_create(r->host),
                           json_array_create_1(json_string_create("part"))),
            operation_select("Host", NULL, NULL,
                           json_array_create_1(json_string_create("name")))),
        &results);

    if (result == WEFT_DB_DONE) {
        const struct json *rows = operation_rows(results, 0);
        size_t n_hosts = json_array(operation_rows(results, 2))->n;
        char *error = r->yes ? NULL : refuse_alive(r->host, rows, n_hosts);

        r->n_endpoints = count_endpoints(operation_rows(results, 1));
        if (error) {
            admin_fail(error);
            result = WEFT_DB_FAILED;
        } else {
            result = delete_host(db, r, rows);
        }
    }
    json_destroy(results);
    return result;
}

/* An endpoint's further addresses have rows of their own. */
static size_t
count_endpoints(const struct json *rows)
{
    size_t n = 0;

    for (size_t i = 0; i < json_array(rows)->n; i++) {
        n += !operation_integer(json_array(rows)->elems[i], "part");
    }
    return n;
}

static struct json *
heartbeat_columns(void)
{
    return json_array_create_2(json_string_create("host"),
                               json_string_create("seen"));
}

/* A clock that is ahead of this one makes it no older. */
static char *
refuse_alive(const char *host, const struct json *heartbeats, size_t n_hosts)
{
    int alive = directoryops_silent_after(n_hosts);
    for (size_t i = 0; i < json_array(heartbeats)->n; i++) {
        long long int age = time_wall() - operation_integer(
            json_array(heartbeats)->elems[i], "seen");

        if (age < alive) {
            return xasprintf("peer %s: is alive, its last heartbeat was %lld "
                             "s ago: stop weftd there and wait until that is "
                             "%d s, or say --yes", host, MAX(age, 0), alive);
        }
    }
    return NULL;
}

static enum weft_db_result
delete_host(struct weft_db *db, struct removal *r,
            const struct json *heartbeats)
{
    struct json *operations = json_array_create_empty();

    if (!r->yes) {
        json_array_add(operations,
                       operation_wait("Heartbeat", "host",
                                      json_string_create(r->host),
                                      heartbeat_columns(), true,
                                      json_clone(heartbeats)));
    }
    directoryops_remove_host(operations, r->host);
    return weft_db_transact(db, operations, &r->results);
}

static int
report_removal(const struct removal *r, bool json)
{
    struct json *report = json_object_create();
    long long int deleted = 0;

    for (size_t i = 0; i < json_array(r->results)->n; i++) {
        deleted += operation_count(r->results, i);
    }
    if (json) {
        json_object_put_string(report, "peer", r->host);
        json_object_put(report, "removed", json_boolean_create(deleted));
        json_object_put(report, "endpoints",
                        json_integer_create(r->n_endpoints));
        return admin_print(report);
    }
    json_destroy(report);
    if (deleted) {
        printf("peer %s: removed, with %"PRIuSIZE" endpoint%s\n", r->host,
               r->n_endpoints, r->n_endpoints == 1 ? "" : "s");
    } else {
        printf("peer %s: is not there\n", r->host);
    }
    return fflush(stdout) ? EXIT_FAILURE : EXIT_SUCCESS;
}

static enum weft_db_result
set_dead_after(struct weft_db *db, void *seconds_)
{
    const unsigned int *seconds = seconds_;
    struct json *row = json_object_create();
    struct json *columns = json_array_create_1(
        json_string_create("dead_after"));
    struct json *results;
    enum weft_db_result result = weft_db_transact(
        db, json_array_create_1(operation_select("Directory", NULL, NULL,
                                               json_clone(columns))),
        &results);

    json_object_put(row, "dead_after", json_integer_create(*seconds));
    if (result == WEFT_DB_DONE) {
        struct json *rows = json_clone(operation_rows(results, 0));
        bool there = json_array(rows)->n > 0;

        json_destroy(results);
        result = weft_db_transact(
            db, json_array_create_2(
                operation_wait("Directory", NULL, NULL, json_clone(columns),
                               true, rows),
                there ? operation_update("Directory", NULL, NULL,
                                         json_clone(row))
                : operation_insert("Directory", json_clone(row))),
            &results);
    }
    json_destroy(results);
    json_destroy(columns);
    json_destroy(row);
    return result;
}
