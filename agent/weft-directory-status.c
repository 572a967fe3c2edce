/* SPDX-License-Identifier: Apache-2.0 */

/* `weft directory status`: the cluster as this host's server sees it, and how
 * much is in it. */

#include <config.h>
#include "agent/weft-directory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "agent/cluster-status.h"
#include "agent/cluster.h"
#include "overlay/view.h"
#include "ovsdb/directoryops.h"
#include "util.h"

static const struct { const char *key, *table, *columns; } counted[] = {
    { "networks", "Network", "\"_uuid\"" },
    { "endpoints", "Endpoint", "\"_uuid\"" },
    { "hosts", "Host", "\"name\"" },
    { NULL, "Heartbeat", "\"host\", \"seen\"" },
};
enum { N_COUNTED = ARRAY_SIZE(counted), HOSTS = 2, HEARTBEATS = 3 };

static struct json *cluster_to_json(const struct cluster_status *);
static char *add_contents(struct json *status);
static void print_status(const struct json *);

int
weft_directory_status(const struct weft_target *target OVS_UNUSED, int argc,
                      char *argv[])
{
    bool json = argc && weft_is_json(argv[0]);
    struct cluster_status s;
    char *error = cluster_read_status(&s);
    bool quorum = s.quorum;
    struct json *status = error ? NULL : cluster_to_json(&s);
    if (!error && quorum) {
        error = add_contents(status);
    }
    if (!error && json) {
        char *text = json_to_string(status, JSSF_PRETTY | JSSF_SORT);
        puts(text);
        free(text);
    } else if (!error) {
        print_status(status);
    }
    json_destroy(status);
    cluster_status_finish(&s);
    return weft_directory_report(error) || !quorum ? EXIT_FAILURE
           : EXIT_SUCCESS;
}

static struct json *
cluster_to_json(const struct cluster_status *s)
{
    struct json *servers = json_array_create_empty();
    struct json *leader = json_null_create();
    for (size_t i = 0; i < s->n_servers; i++) {
        const struct cluster_server *server = &s->servers[i];
        bool leads = cluster_status_is_leader(s, server);
        char *ip = cluster_status_ip(server->address);
        struct json *o = json_object_create();
        json_object_put_string(o, "address", ip);
        json_object_put(o, "this_host", json_boolean_create(server->self));
        json_object_put(o, "leader", json_boolean_create(leads));
        json_object_put(o, "reachable",
                        json_boolean_create(server->reachable));
        json_array_add(servers, o);
        if (leads) {
            json_destroy(leader);
            leader = json_string_create(ip);
        }
        free(ip);
    }
    char *ip = cluster_status_ip(s->address);
    struct json *o = json_object_create();
    json_object_put_string(o, "cluster", s->cluster);
    json_object_put(o, "quorum", json_boolean_create(s->quorum));
    json_object_put_string(o, "address", ip);
    json_object_put_string(o, "status", s->status);
    json_object_put_string(o, "role", s->role);
    json_object_put(o, "term", json_integer_create(s->term));
    json_object_put(o, "leader", leader);
    json_object_put(o, "servers", servers);
    json_object_put(o, "socket", json_string_create_nocopy(cluster_socket()));
    free(ip);
    return o;
}

static struct json *
query(char **error)
{
    struct ds q = DS_EMPTY_INITIALIZER;
    ds_put_cstr(&q, "[\""CLUSTER_NAME"\"");
    for (size_t i = 0; i < N_COUNTED; i++) {
        ds_put_format(&q, ", {\"op\": \"select\", \"table\": \"%s\", "
                      "\"where\": [], \"columns\": [%s]}",
                      counted[i].table, counted[i].columns);
    }
    ds_put_char(&q, ']');
    char *socket = cluster_socket(), *text;
    struct svec argv = SVEC_EMPTY_INITIALIZER;
    tool_add(&argv, "ovsdb-client", "--no-leader-only", "--timeout=10",
             "query", socket, ds_cstr(&q));
    *error = tool_run(TOOL_QUIET, &argv, &text);
    ds_destroy(&q);
    free(socket);
    struct json *answer = *error ? NULL : json_from_string(text);
    free(text);
    return answer;
}

/* The rows that a select answered, or NULL. */
static const struct json_array *
rows_of(const struct json *answer, size_t i)
{
    if (answer->type != JSON_ARRAY || json_array(answer)->n <= i
        || json_array(answer)->elems[i]->type != JSON_OBJECT) {
        return NULL;
    }
    const struct json *rows = shash_find_data(
        json_object(json_array(answer)->elems[i]), "rows");
    return rows && rows->type == JSON_ARRAY ? json_array(rows) : NULL;
}

/* When the host was last heard of, in seconds since the epoch; 0: never. */
static long long int
last_seen(const struct json_array *heartbeats, const char *host)
{
    for (size_t i = 0; i < heartbeats->n; i++) {
        const struct shash *row = json_object(heartbeats->elems[i]);
        if (!strcmp(json_string(shash_find_data(row, "host")), host)) {
            return json_integer(shash_find_data(row, "seen"));
        }
    }
    return 0;
}

static char *
add_contents(struct json *status)
{
    char *error;
    struct json *answer = query(&error);
    if (error) {
        return error;
    }
    struct json *silent = json_array_create_empty();
    const struct json_array *tables[N_COUNTED] = { NULL };
    for (size_t i = 0; i < N_COUNTED && !error; i++) {
        const struct json_array *rows = tables[i] = rows_of(answer, i);
        if (!rows) {
            char *text = json_to_string(answer, 0);
            error = xasprintf("the directory does not answer a query: %.300s",
                              text);
            free(text);
        } else if (counted[i].key) {
            json_object_put(status, counted[i].key,
                            json_integer_create(rows->n));
        }
    }
    const struct json_array *hosts = tables[HOSTS];
    const struct json_array *heartbeats = tables[HEARTBEATS];
    for (size_t i = 0; hosts && heartbeats && i < hosts->n; i++) {
        const char *name = json_string(shash_find_data(
            json_object(hosts->elems[i]), "name"));
        long long int seen = last_seen(heartbeats, name);
        long long int age = time(NULL) - seen;
        if (age > directoryops_silent_after(hosts->n)) {
            struct json *o = json_object_create();
            json_object_put_string(o, "host", name);
            json_object_put(o, "seconds", (seen ? json_integer_create(age)
                                           : json_null_create()));
            json_array_add(silent, o);
        }
    }
    json_object_put(status, "silent", silent);
    json_destroy(answer);
    return error;
}

static const struct json *
get(const struct json *object, const char *key)
{
    return shash_find_data(json_object(object), key);
}

static const char *
get_string(const struct json *object, const char *key)
{
    return json_string(get(object, key));
}

static void
print_servers(const struct json *status, struct ds *s)
{
    static const struct view_column columns[] = {
        { "address", "SERVER" },
        { "state", "STATE" },
        { NULL, NULL },
    };
    const struct json_array *servers = json_array(get(status, "servers"));
    struct json *rows = json_array_create_empty();
    for (size_t i = 0; i < servers->n; i++) {
        const struct json *server = servers->elems[i];
        struct json *row = json_object_create();
        json_object_put_string(row, "address",
                               get_string(server, "address"));
        char *state = xasprintf(
            "%s%s%s",
            json_boolean(get(server, "reachable")) ? "reachable"
            : "NOT reachable",
            json_boolean(get(server, "leader")) ? ", leader" : "",
            json_boolean(get(server, "this_host")) ? ", this host" : "");
        json_object_put(row, "state", json_string_create_nocopy(state));
        json_array_add(rows, row);
    }
    view_table(rows, columns, s);
    json_destroy(rows);
}

static void
print_contents(const struct json *status, struct ds *s)
{
    if (!get(status, "hosts")) {
        return;
    }
    for (size_t i = 0; i < N_COUNTED; i++) {
        if (counted[i].key) {
            ds_put_format(s, "%-10s %"PRId64"\n", counted[i].key,
                          json_integer(get(status, counted[i].key)));
        }
    }
    const struct json_array *silent = json_array(get(status, "silent"));
    for (size_t i = 0; i < silent->n; i++) {
        const struct json *seconds = get(silent->elems[i], "seconds");
        ds_put_format(s, "%-10s %s, ", i ? "" : "silent",
                      get_string(silent->elems[i], "host"));
        if (seconds->type == JSON_INTEGER) {
            ds_put_format(s, "for %"PRId64" s\n", json_integer(seconds));
        } else {
            ds_put_cstr(s, "never heard of\n");
        }
    }
}

static void
print_status(const struct json *status)
{
    struct ds s = DS_EMPTY_INITIALIZER;
    bool quorum = json_boolean(get(status, "quorum"));
    ds_put_format(&s, "%-10s %s\n", "quorum", quorum ? "yes"
                  : "NO: nothing can be written until more servers run");
    ds_put_format(&s, "%-10s %s\n", "cluster",
                  get_string(status, "cluster"));
    ds_put_format(&s, "%-10s %s, %s, %s, term %"PRId64"\n\n",
                  "this host", get_string(status, "address"),
                  get_string(status, "status"), get_string(status, "role"),
                  json_integer(get(status, "term")));
    print_servers(status, &s);
    ds_put_char(&s, '\n');
    print_contents(status, &s);
    ds_put_format(&s, "%-10s ovsdb-client --no-leader-only transact \\\n"
                  "%-10s     %s '[\""CLUSTER_NAME"\", ...]'\n", "write",
                  "", get_string(status, "socket"));
    fputs(ds_cstr(&s), stdout);
    ds_destroy(&s);
}
