/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "overlay/peerdraft.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include "openvswitch/dynamic-string.h"
#include "openvswitch/util.h"
#include "overlay/peerkey.h"
#include "util.h"

#define HEADERS "[network NAME], [router NAME] or [peer NAME]"

static bool add_section(struct peerdraft *, const char *kind,
                        const char *name);
static void add_network(struct peerdraft *, const char *name);
static void add_router(struct peerdraft *, const char *name);
static void add_peer(struct peerdraft *, const char *name);
static bool check_room(struct peerdraft *, const struct shash *map,
                       const char *kind, const char *name, size_t max);
static bool close_section(struct peerdraft *);
static char *format_keys(const char *kind);

void
peerdraft_init(struct peerdraft *d, const char *file, bool lines)
{
    memset(d, 0, sizeof *d);
    d->file = file;
    d->lines = lines;
    d->list = xmalloc(sizeof *d->list);
    shash_init(&d->list->networks);
    shash_init(&d->list->routers);
    shash_init(&d->list->peers);
    shash_init(&d->unique);
}

void
peerdraft_finish(struct peerdraft *d)
{
    peerlist_destroy(d->list);
    free(d->error);
    free(d->subnets.a);
    free(d->gateways.a);
    free(d->routes.a);
    free(d->slices.a);
    for (size_t i = 0; i < d->n_members; i++) {
        free(d->members[i].name);
    }
    free(d->members);
    shash_destroy_free_data(&d->unique);
}

bool
peerdraft_refuse(struct peerdraft *d, const char *format, ...)
{
    if (!d->error) {
        struct ds ds = DS_EMPTY_INITIALIZER;
        va_list args;

        if (d->lines) {
            ds_put_format(&ds, "%s:%d: ", d->file, d->here.line);
        } else if (d->file) {
            ds_put_format(&ds, "%s: ", d->file);
        }
        if (d->here.kind) {
            ds_put_format(&ds, "%s %s: ", d->here.kind, d->here.name);
        }
        va_start(args, format);
        ds_put_format_valist(&ds, format, args);
        va_end(args);
        d->error = ds_steal_cstr(&ds);
    }
    return false;
}

struct peerdraft_line
peerdraft_line(const struct peerdraft *d, int line)
{
    struct peerdraft_line in = { "" };

    if (d->lines) {
        snprintf(in.text, sizeof in.text, " in line %d", line);
    }
    return in;
}

/* 'line' begins with "[". */
bool
peerdraft_section(struct peerdraft *d, const char *line)
{
    const char *end = strchr(line, ']');

    if (!close_section(d)) {
        return false;
    }

    /* What inih would pass over: "[peer hosta] address = 192.168.50.11". */
    const char *rest = end ? &end[1] + strspn(&end[1], " ") : NULL;
    if (!end || (*rest && !strchr(";#", *rest))) {
        return peerdraft_refuse(d, "a section's line is "HEADERS" and nothing "
                                "else: write it so");
    }

    char *words = xmemdup0(&line[1], end - &line[1]);
    char *save = NULL;
    const char *kind = strtok_r(words, " ", &save);
    const char *name = strtok_r(NULL, " ", &save);
    bool ok = false;

    if (!kind || (strcmp(kind, "network") && strcmp(kind, "router")
                  && strcmp(kind, "peer"))) {
        peerdraft_refuse(d, "unknown section [%s]: write "HEADERS,
                         kind ? kind : "");
    } else if (!name || strtok_r(NULL, " ", &save)) {
        peerdraft_refuse(d, "a %s has one name: write [%s NAME]", kind, kind);
    } else {
        ok = peerdraft_open(d, kind, name);
    }
    free(words);
    return ok;
}

/* 'kind' is valid. */
bool
peerdraft_open(struct peerdraft *d, const char *kind, const char *name)
{
    if (!close_section(d)) {
        return false;
    }
    return name_is_valid(name)
           ? add_section(d, kind, name)
           : peerdraft_refuse(d, "%s %s: bad name: write "NAME_RULE, kind,
                              name);
}

bool
peerdraft_key(struct peerdraft *d, const char *name, const char *value)
{
    if (d->error) {
        return false;
    }
    if (!d->here.kind) {
        return peerdraft_refuse(d, "key %s stands before any section: write "
                                HEADERS" above it", name);
    }
    for (size_t i = 0; i < PEERDRAFT_KEYS; i++) {
        const struct peerkey *key = &peerkeys[i];

        if (strcmp(key->kind, d->here.kind) || strcmp(key->name, name)) {
            continue;
        }
        if (!value[0]) {
            return peerdraft_refuse(d, "%s has no value: write one, like \"%s "
                                    "= %s\"", name, name, key->example);
        }
        if (key->max == 1 && d->key_lines[i]) {
            return peerdraft_refuse(d, "%s is given again%s%s: remove one",
                                    name, d->lines ? ", first" : "",
                                    peerdraft_line(d, d->key_lines[i]).text);
        }
        if (d->key_counts[i]++ >= key->max) {
            return peerdraft_refuse(d, "more than %"PRIuSIZE" %s: remove some",
                                    key->max, key->many);
        }
        d->key_lines[i] = d->here.line;
        if (d->sections) {
            section_add(&d->sections->a[d->sections->n - 1], name, value);
        }
        return key->take(d, value);
    }

    char *names = format_keys(d->here.kind);
    peerdraft_refuse(d, "unknown key %s: a %s has %s", name, d->here.kind,
                     names);
    free(names);
    return false;
}

bool
peerdraft_end(struct peerdraft *d)
{
    if (!close_section(d)) {
        return false;
    }
    if (d->lines && shash_is_empty(&d->list->networks)
        && shash_is_empty(&d->list->routers)
        && shash_is_empty(&d->list->peers)) {
        d->here.line = 1;
        return peerdraft_refuse(d, "no section: write a [network NAME], and "
                                "a [peer NAME] for each host");
    }
    return true;
}

/* 'kind' and 'name' are valid. */
static bool
add_section(struct peerdraft *d, const char *kind, const char *name)
{
    char *key = xasprintf("[%s %s]", kind, name);
    const struct peerdraft_source *other = shash_find_data(&d->unique, key);

    if (other) {
        peerdraft_refuse(d, "%s %s: already%s: rename one, or make one "
                         "section of both", kind, name,
                         d->lines ? peerdraft_line(d, other->line).text
                         : " there");
    } else if (!strcmp(kind, "network")) {
        add_network(d, name);
    } else if (!strcmp(kind, "router")) {
        add_router(d, name);
    } else {
        add_peer(d, name);
    }
    if (!d->error) {
        d->section_line = d->here.line;
        if (d->sections) {
            sections_add(d->sections, kind, name);
        }
        shash_add(&d->unique, key, xmemdup(&d->here, sizeof d->here));
    }
    free(key);
    return !d->error;
}

static void
add_network(struct peerdraft *d, const char *name)
{
    if (check_room(d, &d->list->networks, "network", name, NETWORKS_MAX)) {
        d->network = xzalloc(sizeof *d->network);
        d->network->name = xstrdup(name);
        d->network->line = d->here.line;
        shash_add(&d->list->networks, name, d->network);
        d->here.kind = "network";
        d->here.name = d->network->name;
    }
}

static void
add_router(struct peerdraft *d, const char *name)
{
    if (check_room(d, &d->list->routers, "router", name, ROUTERS_MAX)) {
        d->router = xzalloc(sizeof *d->router);
        d->router->name = xstrdup(name);
        sset_init(&d->router->networks);
        d->router->line = d->here.line;
        shash_add(&d->list->routers, name, d->router);
        d->here.kind = "router";
        d->here.name = d->router->name;
    }
}

static void
add_peer(struct peerdraft *d, const char *name)
{
    if (check_room(d, &d->list->peers, "peer", name, PEERS_MAX)) {
        d->peer = xzalloc(sizeof *d->peer);
        d->peer->name = xstrdup(name);
        d->peer->line = d->here.line;
        shash_add(&d->list->peers, name, d->peer);
        d->here.kind = "peer";
        d->here.name = d->peer->name;
    }
}

/* Has 'map' less than 'max'? */
static bool
check_room(struct peerdraft *d, const struct shash *map, const char *kind,
           const char *name, size_t max)
{
    return shash_count(map) < max
           || peerdraft_refuse(d, "%s %s: more than %"PRIuSIZE" %ss: remove "
                               "some", kind, name, max, kind);
}

static bool
close_section(struct peerdraft *d)
{
    for (size_t i = 0; d->here.kind && i < PEERDRAFT_KEYS; i++) {
        const struct peerkey *key = &peerkeys[i];

        if (key->needed && !d->key_lines[i]
            && !strcmp(key->kind, d->here.kind)) {
            d->here.line = d->section_line;
            return peerdraft_refuse(d, "no %s: add one, like \"%s = %s\"",
                                    key->name, key->name, key->example);
        }
    }
    memset(d->key_lines, 0, sizeof d->key_lines);
    memset(d->key_counts, 0, sizeof d->key_counts);
    d->network = NULL;
    d->router = NULL;
    d->peer = NULL;
    d->here.kind = NULL;
    return true;
}

/* Owned: "address, port, slice". */
static char *
format_keys(const char *kind)
{
    struct ds ds = DS_EMPTY_INITIALIZER;

    for (size_t i = 0; i < PEERDRAFT_KEYS; i++) {
        if (!strcmp(peerkeys[i].kind, kind)) {
            ds_put_format(&ds, "%s%s", ds.length ? ", " : "",
                          peerkeys[i].name);
        }
    }
    return ds_steal_cstr(&ds);
}
