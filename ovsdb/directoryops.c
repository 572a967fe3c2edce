/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "ovsdb/directoryops.h"

#include <string.h>
#include "openvswitch/dynamic-string.h"
#include "openvswitch/shash.h"
#include "overlay/address.h"
#include "ovsdb/operation.h"
#include "packets.h"
#include "util.h"
#include "uuid.h"

enum { BEAT_MIN_S = 30, BEATS_A_SECOND = 5 };

static void
add_insert(struct json *ops, const char *table, struct json *row)
{
    json_array_add(ops, operation_insert(table, row));
}

static void
put_mac(struct json *row, struct eth_addr mac)
{
    json_object_put_format(row, "mac", ETH_ADDR_FMT, ETH_ADDR_ARGS(mac));
}

void
directoryops_require_network(struct json *ops, uint32_t vni)
{
    json_array_add(ops, operation_wait(
        "Network", "vni", json_integer_create(vni),
        json_array_create_1(json_string_create("vni")), false,
        json_array_create_empty()));
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
    add_insert(ops, "Endpoint", row);
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
    add_insert(ops, "Claim", row);
}

void
directoryops_delete(struct json *ops, const char *table,
                    const struct uuid *uuid)
{
    struct json *text = json_string_create_nocopy(
        xasprintf(UUID_FMT, UUID_ARGS(uuid)));
    json_array_add(ops, operation_delete(
        table, "_uuid", json_array_create_2(json_string_create("uuid"),
                                            text)));
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
    if (exists) {
        json_array_add(ops, operation_update(
            "Host", "name", json_string_create(peer->name), row));
    } else {
        json_object_put_string(row, "name", peer->name);
        add_insert(ops, "Host", row);
    }
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
    struct json *row = json_object_create();
    json_object_put(row, "seen", json_integer_create(now));
    json_array_add(ops, operation_update("Heartbeat", "host",
                                         json_string_create(host), row));

    struct json *op = operation_select(
        "Heartbeat", NULL, NULL, json_array_create_2(
            json_string_create("host"), json_string_create("seen")));
    json_object_put(op, "where", json_array_create_1(
        json_array_create_3(json_string_create("seen"),
                            json_string_create("<"),
                            json_integer_create(silent))));
    json_array_add(ops, op);
}

bool
directoryops_beat_is_new(const struct json *results)
{
    const struct json *count
        = (json_array(results)->n
           ? operation_member(json_array(results)->elems[0], "count",
                              JSON_INTEGER) : NULL);
    return count && !json_integer(count);
}

void
directoryops_insert_beat(struct json *ops, const char *host,
                         long long int now)
{
    struct json *row = json_object_create();
    json_object_put_string(row, "host", host);
    json_object_put(row, "seen", json_integer_create(now));
    add_insert(ops, "Heartbeat", row);
}

void
directoryops_silent(const struct json *results,
                    void (*cb)(const char *host, long long int seen,
                               void *aux), void *aux)
{
    const struct json *rows = (json_array(results)->n > 1
                               ? operation_rows(results, 1) : NULL);
    for (size_t i = 0; rows && i < json_array(rows)->n; i++) {
        const struct json *row = json_array(rows)->elems[i];
        const char *host = operation_string(row, "host");
        if (name_is_valid(host)) {
            cb(host, operation_integer(row, "seen"), aux);
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
        json_array_add(ops, operation_delete(tables[i][0], tables[i][1],
                                             json_string_create(host)));
    }
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
        const char *error = operation_string(r, "error");
        const char *details = operation_string(r, "details");
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
