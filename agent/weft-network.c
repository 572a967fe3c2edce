/* SPDX-License-Identifier: Apache-2.0 */

/* Networks and routers of the shared directory: add, set, del. */

#include <config.h>
#include "agent/weft.h"

#include <stdlib.h>
#include <string.h>
#include "agent/weft-admin.h"
#include "util.h"

/* What the arguments name: of add and set the one section, with their keys as
 * they are given; of del sections without keys. */
struct wish {
    struct sections sections;       /* Owned. */
    struct section *one;            /* The first of them. */
};

static const struct section *find_router(const struct sections *,
                                         const struct section *network);

static int
change(const struct weft_target *target, const char *kind, const char *verb,
       admin_change_func *func, int argc, char *argv[])
{
    bool del = !strcmp(verb, "del");
    struct wish wish = { .sections = SECTIONS_INITIALIZER };
    struct admin_options options;
    bool ok = admin_take_options(&argc, argv, 0, &options) && argc > !del;

    for (int i = 0; ok && i < argc; i++) {
        char *value = del || !i ? NULL : strchr(argv[i], '=');

        if (del || !i) {
            wish.one = sections_add(&wish.sections, kind, argv[i]);
        } else if (value) {
            *value++ = '\0';
            section_add(wish.one, argv[i], value);
        }
        ok = del || !i || value;
    }

    int status;
    if (ok) {
        status = admin_change(target, &options, &wish.sections, func, &wish);
    } else {
        char *usage = xasprintf("usage: weft %s %s NAME%s", kind, verb,
                                del ? "..." : " KEY=VALUE...");
        status = weft_misuse(usage);
        free(usage);
    }
    sections_finish(&wish.sections);
    return status;
}

static char *
add(struct sections *wanted, const void *wish_)
{
    const struct wish *wish = wish_;
    size_t i = sections_find(wanted, wish->one->kind, wish->one->name);

    if (i == SIZE_MAX) {
        sections_append(wanted, wish->one);
        return NULL;
    }

    struct sections copy;
    sections_clone(&copy, &wish->sections);
    sections_normalize(&copy);
    bool same = section_equal(&copy.a[0], &wanted->a[i]);
    sections_finish(&copy);
    return same ? NULL
           : xasprintf("%s %s: is there already, with other keys: see weft %s "
                       "set", wish->one->kind, wish->one->name,
                       wish->one->kind);
}

/* The values that are given replace those that the key has. */
static char *
set(struct sections *wanted, const void *wish_)
{
    const struct wish *wish = wish_;
    const struct section *one = wish->one;
    size_t i = sections_find(wanted, one->kind, one->name);

    if (i == SIZE_MAX) {
        return xasprintf("%s %s: is not there: see weft %s add", one->kind,
                         one->name, one->kind);
    }
    for (size_t j = 0; j < one->n; j++) {
        section_remove(&wanted->a[i], one->keys[j].name);
    }
    for (size_t j = 0; j < one->n; j++) {
        const struct section_key *key = &one->keys[j];

        /* "dns=" takes all away.  What is no key will be refused. */
        if (key->value[0] || !section_has_key(one->kind, key->name)) {
            section_add(&wanted->a[i], key->name, key->value);
        }
    }
    return NULL;
}

static char *
del(struct sections *wanted, const void *wish_)
{
    const struct wish *wish = wish_;

    for (size_t j = 0; j < wish->sections.n; j++) {
        const struct section *s = &wish->sections.a[j];
        size_t i = sections_find(wanted, s->kind, s->name);

        if (i != SIZE_MAX) {
            sections_remove(wanted, i);
        }
    }
    for (size_t j = 0; j < wish->sections.n; j++) {
        const struct section *s = &wish->sections.a[j];
        const struct section *router = find_router(wanted, s);

        if (router) {
            return xasprintf("network %s: router %s has it: take it out of "
                             "the router's networks first", s->name,
                             router->name);
        }
    }
    return NULL;
}

/* The router that the network would be missing in, or NULL. */
static const struct section *
find_router(const struct sections *all, const struct section *network)
{
    for (size_t i = 0; i < all->n; i++) {
        const struct section *s = &all->a[i];

        for (size_t j = 0; j < s->n; j++) {
            if (!strcmp(network->kind, "network")
                && !strcmp(s->keys[j].name, "networks")
                && !strcmp(s->keys[j].value, network->name)) {
                return s;
            }
        }
    }
    return NULL;
}

int
weft_network_add(const struct weft_target *target, int argc, char *argv[])
{
    return change(target, "network", "add", add, argc, argv);
}

int
weft_network_set(const struct weft_target *target, int argc, char *argv[])
{
    return change(target, "network", "set", set, argc, argv);
}

int
weft_network_del(const struct weft_target *target, int argc, char *argv[])
{
    return change(target, "network", "del", del, argc, argv);
}

int
weft_router_add(const struct weft_target *target, int argc, char *argv[])
{
    return change(target, "router", "add", add, argc, argv);
}

int
weft_router_set(const struct weft_target *target, int argc, char *argv[])
{
    return change(target, "router", "set", set, argc, argv);
}

int
weft_router_del(const struct weft_target *target, int argc, char *argv[])
{
    return change(target, "router", "del", del, argc, argv);
}
