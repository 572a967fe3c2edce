/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "ovsdb/directoryops.h"

#include <string.h>
#include "openvswitch/dynamic-string.h"
#include "openvswitch/shash.h"
#include "overlay/address.h"
#include "packets.h"
#include "util.h"
#include "uuid.h"

enum { BEAT_MIN_S = 30, BEATS_A_SECOND = 5 };

static struct json *
add_op(struct json *ops, const char *op, const char *table)
{
    struct json *o = json_object_create();
    json_object_put_string(o, "op", op);
    json_object_put_string(o, "table", table);
    json_array_add(ops, o);
    return o;
}

/* The one clause "COLUMN == VALUE", or with another function. */
static void
put_where(struct json *op, const char *column, const char *function,
          struct json *value)
{
    json_object_put(op, "where", json_array_create_1(
        json_array_create_3(json_string_create(column),
                            json_string_create(function), value)));
}

static void
put_mac(struct json *row, struct eth_addr mac)
{
    json_object_put_format(row, "mac", ETH_ADDR_FMT, ETH_ADDR_ARGS(mac));
}

void
directoryops_require_network(struct json *ops, uint32_t vni)
{
    struct json *op = add_op(ops, "wait", "Network");
    put_where(op, "vni", "==", json_integer_create(vni));
    json_object_put(op, "columns",
                    json_array_create_1(json_string_create("vni")));
    json_object_put_string(op, "until", "!=");
    json_object_put(op, "rows", json_array_create_empty());
    json_object_put(op, "timeout", json_integer_create(0));
}

void
directoryops_insert_endpoint(struct json *ops,
                             const struct directorydb_endpoint *ep)
{
    static const char *const columns[2] = { "ipv6", "ipv4" };
    struct json *row = json_object_create();
    json_object_put(row, "network", json_integer_create(ep->vni));
    put_mac(row, ep->mac);
    json_object_put(row, "part", json_integer_create(ep->part));
    for (size_t i = 0; i < 2; i++) {
        struct ds s = DS_EMPTY_INITIALIZER;
        if (ipv6_addr_is_set(&ep->ips[i])) {
            address_format(&ep->ips[i], &s);
        } else {
            /* So that the index is of something: weft(5). */
            ds_put_format(&s, "-"ETH_ADDR_FMT"-%d", ETH_ADDR_ARGS(ep->mac),
                          ep->part);
        }
        json_object_put(row, columns[i],
                        json_string_create_nocopy(ds_steal_cstr(&s)));
    }
    json_object_put_string(row, "name", ep->name);
    json_object_put_string(row, "host", ep->host);
    json_object_put(add_op(ops, "insert", "Endpoint"), "row", row);
}

void
directoryops_insert_claim(struct json *ops,
                          const struct directorydb_claim *claim)
{
    struct json *row = json_object_create();
    json_object_put(row, "network", json_integer_create(claim->vni));
    put_mac(row, claim->mac);
    json_object_put_string(row, "owner", claim->owner);
    json_object_put_string(row, "host", claim->host);
    json_object_put(add_op(ops, "insert", "Claim"), "row", row);
}

void
directoryops_delete(struct json *ops, const char *table,
                    const struct uuid *uuid)
{
    struct json *text = json_string_create_nocopy(
        xasprintf(UUID_FMT, UUID_ARGS(uuid)));
    put_where(add_op(ops, "delete", table), "_uuid", "==",
              json_array_create_2(json_string_create("uuid"), text));
}

void
directoryops_put_host(struct json *ops, const struct peer *peer, bool exists)
{
    struct json *row = json_object_create();
    struct ds s = DS_EMPTY_INITIALIZER;
    address_format(&peer->address, &s);
    json_object_put_string(row, "address", ds_cstr(&s));
    ds_destroy(&s);
    json_object_put_string(row, "version", WEFT_VERSION);
    json_object_put(row, "port", peer->port
                    ? json_integer_create(peer->port)
                    : json_array_create_2(json_string_create("set"),
                                          json_array_create_empty()));
    struct json *op = add_op(ops, exists ? "update" : "insert", "Host");
    if (exists) {
        put_where(op, "name", "==", json_string_create(peer->name));
    } else {
        json_object_put_string(row, "name", peer->name);
    }
    json_object_put(op, "row", row);
}

int
directoryops_beat_interval(size_t n_hosts)
{
    return MAX(BEAT_MIN_S, n_hosts / BEATS_A_SECOND);
}

int
directoryops_silent_after(size_t n_hosts)
{
    return 3 * directoryops_beat_interval(n_hosts);
}

void
directoryops_beat(struct json *ops, const char *host, long long int now,
                  long long int silent)
{
    struct json *op = add_op(ops, "update", "Heartbeat");
    put_where(op, "host", "==", json_string_create(host));
    struct json *row = json_object_create();
    json_object_put(row, "seen", json_integer_create(now));
    json_object_put(op, "row", row);

    op = add_op(ops, "select", "Heartbeat");
    put_where(op, "seen", "<", json_integer_create(silent));
    json_object_put(op, "columns", json_array_create_2(
        json_string_create("host"), json_string_create("seen")));
}

/* What an operation answered: a member of its object, or NULL. */
static const struct json *
get_answer(const struct json *results, size_t i, const char *member,
           enum json_type type)
{
    if (json_array(results)->n <= i
        || json_array(results)->elems[i]->type != JSON_OBJECT) {
        return NULL;
    }
    const struct json *value = shash_find_data(
        json_object(json_array(results)->elems[i]), member);
    return value && value->type == type ? value : NULL;
}

bool
directoryops_beat_is_new(const struct json *results)
{
    const struct json *count = get_answer(results, 0, "count", JSON_INTEGER);
    return count && !json_integer(count);
}

void
directoryops_insert_beat(struct json *ops, const char *host,
                         long long int now)
{
    struct json *row = json_object_create();
    json_object_put_string(row, "host", host);
    json_object_put(row, "seen", json_integer_create(now));
    json_object_put(add_op(ops, "insert", "Heartbeat"), "row", row);
}

void
directoryops_silent(const struct json *results,
                    void (*cb)(const char *host, long long int seen,
                               void *aux), void *aux)
{
    const struct json *rows = get_answer(results, 1, "rows", JSON_ARRAY);
    for (size_t i = 0; rows && i < json_array(rows)->n; i++) {
        const struct json *row = json_array(rows)->elems[i];
        if (row->type != JSON_OBJECT) {
            continue;
        }
        const struct json *host = shash_find_data(json_object(row), "host");
        const struct json *seen = shash_find_data(json_object(row), "seen");
        if (host && host->type == JSON_STRING && seen
            && seen->type == JSON_INTEGER
            && name_is_valid(json_string(host))) {
            cb(json_string(host), json_integer(seen), aux);
        }
    }
}

void
directoryops_remove_host(struct json *ops, const char *host)
{
    static const char *const tables[][2] = {
        { "Endpoint", "host" }, { "Claim", "host" }, { "Heartbeat", "host" },
        { "Host", "name" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
        put_where(add_op(ops, "delete", tables[i][0]), tables[i][1], "==",
                  json_string_create(host));
    }
}

static const char *
get_text(const struct json *object, const char *name)
{
    const struct json *value = shash_find_data(json_object(object), name);
    return value && value->type == JSON_STRING ? json_string(value) : "";
}

enum directoryops_result
directoryops_result(const struct json *results, char **detailp)
{
    *detailp = NULL;
    if (!results) {
        return DIRECTORYOPS_RETRY;
    }
    for (size_t i = 0; i < json_array(results)->n; i++) {
        const struct json *r = json_array(results)->elems[i];
        if (r->type != JSON_OBJECT
            || !shash_find(json_object(r), "error")) {
            continue;
        }
        const char *error = get_text(r, "error");
        const char *details = get_text(r, "details");
        *detailp = xasprintf("%s%s%s", error, details[0] ? ": " : "",
                             details);
        return (!strcmp(error, "constraint violation")
                ? DIRECTORYOPS_DUPLICATE
                : !strcmp(error, "timed out") ? DIRECTORYOPS_NO_NETWORK
                : !strcmp(error, "try again")
                || !strcmp(error, "canceled")
                || !strcmp(error, "cluster error")
                || !strcmp(error, "not leader") ? DIRECTORYOPS_RETRY
                : DIRECTORYOPS_REFUSED);
    }
    return DIRECTORYOPS_DONE;
}
