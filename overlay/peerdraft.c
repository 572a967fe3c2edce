/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "overlay/peerdraft.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include "openvswitch/dynamic-string.h"
#include "openvswitch/util.h"
#include "overlay/address.h"
#include "packets.h"
#include "util.h"

#define HEADERS "[network NAME] or [peer NAME]"

typedef bool take_func(struct peerdraft *, const char *value);
static take_func take_vni, take_subnet, take_mac_prefix;
static take_func take_address, take_port, take_slice;

static const struct key {
    const char *kind;
    const char *name;
    bool needed;
    bool many;                      /* May be given more than once. */
    const char *example;
    take_func *take;
} keys[PEERDRAFT_KEYS] = {
    { "network", "vni", true, false, "100", take_vni },
    { "network", "subnet", true, true, "10.1.0.0/16", take_subnet },
    { "network", "mac-prefix", false, false, "0a:57", take_mac_prefix },
    { "peer", "address", true, false, "192.168.50.11", take_address },
    { "peer", "port", false, false, "4789", take_port },
    { "peer", "slice", false, true, "10.1.11.0/24", take_slice },
};

static bool add_section(struct peerdraft *, const char *kind,
                        const char *name);
static bool close_section(struct peerdraft *);
static bool take_number(struct peerdraft *, const char *what,
                        const char *value, unsigned int max,
                        unsigned int *number);
static bool claim_unique(struct peerdraft *, const char *what);
static bool claim_prefix(struct peerdraft *, const char *what,
                         const char *value, struct peerdraft_claims *,
                         struct prefix prefixes[], size_t *n_prefixes,
                         size_t max);

void
peerdraft_init(struct peerdraft *d, const char *file)
{
    memset(d, 0, sizeof *d);
    d->file = file;
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
    free(d->slices.a);
    shash_destroy_free_data(&d->unique);
}

bool
peerdraft_refuse(struct peerdraft *d, const char *format, ...)
{
    if (!d->error) {
        struct ds ds = DS_EMPTY_INITIALIZER;
        va_list args;

        ds_put_format(&ds, "%s:%d: ", d->file, d->here.line);
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

    if (!kind || (strcmp(kind, "network") && strcmp(kind, "peer"))) {
        peerdraft_refuse(d, "unknown section [%s]: write "HEADERS,
                         kind ? kind : "");
    } else if (!name || strtok_r(NULL, " ", &save)) {
        peerdraft_refuse(d, "a %s has one name: write [%s NAME]", kind, kind);
    } else if (!name_is_valid(name)) {
        peerdraft_refuse(d, "%s %s: bad name: write "NAME_RULE, kind, name);
    } else {
        ok = add_section(d, kind, name);
    }
    free(words);
    return ok;
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
        const struct key *key = &keys[i];

        if (strcmp(key->kind, d->here.kind) || strcmp(key->name, name)) {
            continue;
        }
        if (!value[0]) {
            return peerdraft_refuse(d, "%s has no value: write one, like \"%s "
                                    "= %s\"", name, name, key->example);
        }
        if (!key->many && d->key_lines[i]) {
            return peerdraft_refuse(d, "%s is given again, first in line %d: "
                                    "remove one", name, d->key_lines[i]);
        }
        d->key_lines[i] = d->here.line;
        return key->take(d, value);
    }
    return peerdraft_refuse(d, "unknown key %s: a %s has %s", name,
                            d->here.kind, d->peer ? "address, port, slice"
                                          : "vni, subnet, mac-prefix");
}

bool
peerdraft_end(struct peerdraft *d)
{
    if (!close_section(d)) {
        return false;
    }
    if (shash_is_empty(&d->list->networks)
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
    bool is_peer = !strcmp(kind, "peer");
    struct shash *map = is_peer ? &d->list->peers : &d->list->networks;
    int max = is_peer ? PEERS_MAX : NETWORKS_MAX;

    if (shash_find(map, name)) {
        return peerdraft_refuse(
            d, "%s %s: already in line %d: rename one, or make one section "
            "of both", kind, name,
            is_peer ? peerlist_peer(d->list, name)->line
                    : peerlist_network(d->list, name)->line);
    }
    if (shash_count(map) >= max) {
        return peerdraft_refuse(d, "%s %s: more than %d %ss: remove some",
                                kind, name, max, kind);
    }

    d->section_line = d->here.line;
    if (is_peer) {
        d->peer = xzalloc(sizeof *d->peer);
        d->peer->name = xstrdup(name);
        d->peer->line = d->here.line;
        shash_add(map, name, d->peer);
        d->here.kind = "peer";
        d->here.name = d->peer->name;
    } else {
        d->network = xzalloc(sizeof *d->network);
        d->network->name = xstrdup(name);
        d->network->line = d->here.line;
        shash_add(map, name, d->network);
        d->here.kind = "network";
        d->here.name = d->network->name;
    }
    return true;
}

static bool
close_section(struct peerdraft *d)
{
    for (size_t i = 0; d->here.kind && i < PEERDRAFT_KEYS; i++) {
        const struct key *key = &keys[i];

        if (key->needed && !d->key_lines[i]
            && !strcmp(key->kind, d->here.kind)) {
            d->here.line = d->section_line;
            return peerdraft_refuse(d, "no %s: add one, like \"%s = %s\"",
                                    key->name, key->name, key->example);
        }
    }
    memset(d->key_lines, 0, sizeof d->key_lines);
    d->network = NULL;
    d->peer = NULL;
    d->here.kind = NULL;
    return true;
}

static bool
take_vni(struct peerdraft *d, const char *value)
{
    char what[sizeof "vni 4294967295"];

    if (!take_number(d, "vni", value, VNI_MAX, &d->network->vni)) {
        return false;
    }
    snprintf(what, sizeof what, "vni %u", d->network->vni);
    return claim_unique(d, what);
}

static bool
take_subnet(struct peerdraft *d, const char *value)
{
    return claim_prefix(d, "subnet", value, &d->subnets, d->network->subnets,
                        &d->network->n_subnets, SUBNETS_MAX);
}

static bool
take_mac_prefix(struct peerdraft *d, const char *value)
{
    char *error = mac_prefix_parse(value, &d->network->mac_prefix);

    if (error) {
        peerdraft_refuse(d, "mac-prefix %s", error);
        free(error);
    }
    return !d->error;
}

static bool
take_address(struct peerdraft *d, const char *value)
{
    struct in6_addr *addr = &d->peer->address;
    struct ds what = DS_EMPTY_INITIALIZER;

    if (!address_parse(value, addr)) {
        return peerdraft_refuse(d, "address %s is not an IP address: write it "
                                "like 192.168.50.11 or fd00::11", value);
    }

    const char *reason = address_refuse_unicast(addr);
    if (reason) {
        return peerdraft_refuse(d, "address %s %s: write one by which the "
                                "other hosts reach this one", value, reason);
    }

    /* Not 'value': an IPv6 address can be spelled in several ways. */
    ds_put_cstr(&what, "address ");
    address_format(addr, &what);
    claim_unique(d, ds_cstr(&what));
    ds_destroy(&what);
    return !d->error;
}

static bool
take_port(struct peerdraft *d, const char *value)
{
    unsigned int port;

    if (!take_number(d, "port", value, UINT16_MAX, &port)) {
        return false;
    }
    d->peer->port = port;
    return true;
}

static bool
take_slice(struct peerdraft *d, const char *value)
{
    return claim_prefix(d, "slice", value, &d->slices, d->peer->slices,
                        &d->peer->n_slices, SLICES_MAX);
}

static bool
take_number(struct peerdraft *d, const char *what, const char *value,
            unsigned int max, unsigned int *number)
{
    if (!number_parse(value, number) || *number < 1 || *number > max) {
        return peerdraft_refuse(d, "%s %s is not within 1..%u", what, value,
                                max);
    }
    return true;
}

static bool
claim_unique(struct peerdraft *d, const char *what)
{
    const struct peerdraft_source *other = shash_find_data(&d->unique, what);

    if (other) {
        return peerdraft_refuse(d, "%s is already that of %s in line %d: "
                                "choose another", what, other->name,
                                other->line);
    }
    shash_add(&d->unique, what, xmemdup(&d->here, sizeof d->here));
    return true;
}

/* Adds the prefix 'value' to those of the section and to those of all. */
static bool
claim_prefix(struct peerdraft *d, const char *what, const char *value,
             struct peerdraft_claims *claims, struct prefix prefixes[],
             size_t *n_prefixes, size_t max)
{
    struct prefix prefix;

    if (*n_prefixes >= max) {
        return peerdraft_refuse(d, "more than %"PRIuSIZE" %ss: remove some",
                                max, what);
    }

    char *error = prefix_parse_subnet(value, &prefix);
    if (error) {
        peerdraft_refuse(d, "%s %s", what, error);
        free(error);
        return false;
    }

    /* The section's own are the last of all. */
    for (size_t i = claims->n - *n_prefixes; i < claims->n; i++) {
        if (prefix_overlaps(&prefix, &claims->a[i].prefix)) {
            return peerdraft_refuse(d, "%s %s overlaps the one in line %d: "
                                    "remove one", what, value,
                                    claims->a[i].source.line);
        }
    }

    if (claims->n == claims->allocated) {
        claims->a = x2nrealloc(claims->a, &claims->allocated,
                               sizeof *claims->a);
    }
    claims->a[claims->n++] = (struct peerdraft_claim) { prefix, d->here };
    prefixes[(*n_prefixes)++] = prefix;
    return true;
}
