/* SPDX-License-Identifier: Apache-2.0 */

/* scale_load: the least that a client of the shared directory can do.  It
 * monitors what weftd monitors, through the same layer of Open vSwitch's
 * library that its IDL stands on, and keeps nothing.  scale.py takes its time
 * for that of the database alone.
 *
 *     scale_load REMOTES VNI N     until N endpoints of the network came
 *                                  -> loaded ROWS TIME CPU PEAK
 *     then it goes on reading, and at the end of standard input:
 *                                  -> read ROWS UPDATES
 *
 * VNI 0 is every network.  The time is from the start of main(), both in
 * nanoseconds; the peak of its memory is in KB. */

#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "openvswitch/json.h"
#include "openvswitch/list.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "ovsdb-cs.h"
#include "ovsdb-error.h"
#include "util.h"

enum { PROBE_MS = 120 * 1000 };

static const char *const columns[][8] = {
    { "Network", "name", "vni", "subnet" },
    { "Router", "name", "networks" },
    { "Host", "name", "address", "port" },
    { "Endpoint", "network", "mac", "part", "ipv4", "ipv6", "host" },
};

static unsigned long long n_rows, n_endpoints, n_updates;

static long long int
now_ns(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static struct json *
compose_requests(const struct json *schema OVS_UNUSED, void *aux OVS_UNUSED)
{
    struct json *requests = json_object_create();
    for (size_t i = 0; i < ARRAY_SIZE(columns); i++) {
        struct json *names = json_array_create_empty();
        for (size_t j = 1; j < ARRAY_SIZE(columns[i]) && columns[i][j]; j++) {
            json_array_add(names, json_string_create(columns[i][j]));
        }
        struct json *request = json_object_create();
        json_object_put(request, "columns", names);
        json_object_put(requests, columns[i][0],
                        json_array_create_1(request));
    }
    return requests;
}

static void
count(const struct ovsdb_cs_update_event *update)
{
    struct ovsdb_cs_db_update *parsed;
    struct ovsdb_error *error = ovsdb_cs_parse_db_update(
        update->table_updates, update->version, &parsed);
    if (error) {
        ovs_fatal(0, "%s", ovsdb_error_to_string_free(error));
    }
    if (update->clear) {
        n_rows = n_endpoints = 0;
    }
    n_updates++;
    for (size_t i = 0; i < parsed->n; i++) {
        const struct ovsdb_cs_table_update *t = &parsed->table_updates[i];
        n_rows += t->n;
        n_endpoints += strcmp(t->table_name, "Endpoint") ? 0 : t->n;
    }
    ovsdb_cs_db_update_destroy(parsed);
}

static void
run(struct ovsdb_cs *cs)
{
    struct ovs_list events;
    ovsdb_cs_run(cs, &events);
    struct ovsdb_cs_event *event;
    LIST_FOR_EACH_POP (event, list_node, &events) {
        if (event->type == OVSDB_CS_EVENT_TYPE_UPDATE) {
            count(&event->update);
        }
        ovsdb_cs_event_destroy(event);
    }
}

static void
print_loaded(long long int ns)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    printf("loaded %llu %lld %lld %ld\n", n_rows, ns,
           now_ns(CLOCK_PROCESS_CPUTIME_ID), usage.ru_maxrss);
}

static struct ovsdb_cs *
connect_to(const char *remotes, const char *vni)
{
    static const struct ovsdb_cs_ops ops = { compose_requests };
    struct ovsdb_cs *cs = ovsdb_cs_create("Weft", 3, &ops, NULL);
    ovsdb_cs_set_leader_only(cs, false);
    if (strcmp(vni, "0")) {
        struct json *condition = json_array_create_1(json_array_create_3(
            json_string_create("network"), json_string_create("=="),
            json_integer_create(atoi(vni))));
        ovsdb_cs_set_condition(cs, "Endpoint", condition);
        json_destroy(condition);
    }
    ovsdb_cs_set_remote(cs, remotes, true);
    /* A server that loads many clients at once answers none of them for
     * longer than the usual 5 s; clients that then come again, and load again,
     * would keep it from ever being done. */
    ovsdb_cs_set_probe_interval(cs, PROBE_MS);
    return cs;
}

int
main(int argc, char *argv[])
{
    long long int begun = now_ns(CLOCK_MONOTONIC);
    set_program_name(argv[0]);
    if (argc != 4) {
        fprintf(stderr, "usage: scale_load REMOTES VNI N\n");
        return 2;
    }
    vlog_set_levels(NULL, VLF_ANY_DESTINATION, VLL_WARN);
    setvbuf(stdout, NULL, _IOLBF, 0);
    unsigned long long wanted = strtoull(argv[3], NULL, 10);
    struct ovsdb_cs *cs = connect_to(argv[1], argv[2]);
    int input = dup(STDIN_FILENO);      /* The poll loop refuses 0. */

    for (bool loaded = false;;) {
        run(cs);
        if (!loaded && n_endpoints >= wanted) {
            loaded = true;
            print_loaded(now_ns(CLOCK_MONOTONIC) - begun);
        }
        ovsdb_cs_wait(cs);
        poll_fd_wait(input, POLLIN);
        poll_block();
        struct pollfd end = { .fd = input, .events = POLLIN };
        if (poll(&end, 1, 0) > 0) {
            break;
        }
    }
    printf("read %llu %llu\n", n_rows, n_updates);
    ovsdb_cs_destroy(cs);
    return 0;
}
