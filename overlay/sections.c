/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "overlay/sections.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include "openvswitch/dynamic-string.h"
#include "openvswitch/util.h"
#include "overlay/address.h"
#include "overlay/peerkey.h"
#include "util.h"

static void split_networks(struct section *);
static char *spell(const char *name, const char *value);
static void spell_word(const char *word, struct ds *);
static size_t kind_rank(const char *kind);
static size_t key_rank(const char *name);
static int compare_keys(const void *, const void *);
static int compare_sections(const void *, const void *);

void
section_init(struct section *s, const char *kind, const char *name)
{
    *s = (struct section) { .kind = xstrdup(kind), .name = xstrdup(name) };
}

void
section_finish(struct section *s)
{
    for (size_t i = 0; i < s->n; i++) {
        free(s->keys[i].name);
        free(s->keys[i].value);
    }
    free(s->keys);
    free(s->kind);
    free(s->name);
}

void
section_add(struct section *s, const char *name, const char *value)
{
    if (s->n == s->allocated) {
        s->keys = x2nrealloc(s->keys, &s->allocated, sizeof *s->keys);
    }
    s->keys[s->n++] = (struct section_key) { xstrdup(name), xstrdup(value) };
}

void
section_remove(struct section *s, const char *name)
{
    size_t n = 0;

    for (size_t i = 0; i < s->n; i++) {
        struct section_key key = s->keys[i];

        if (!strcmp(key.name, name)) {
            free(key.name);
            free(key.value);
        } else {
            s->keys[n++] = key;
        }
    }
    s->n = n;
}

const char *
section_get(const struct section *s, const char *name)
{
    for (size_t i = 0; i < s->n; i++) {
        if (!strcmp(s->keys[i].name, name)) {
            return s->keys[i].value;
        }
    }
    return NULL;
}

bool
section_has_key(const char *kind, const char *name)
{
    for (size_t i = 0; i < PEERDRAFT_KEYS; i++) {
        if (!strcmp(peerkeys[i].kind, kind)
            && !strcmp(peerkeys[i].name, name)) {
            return true;
        }
    }
    return false;
}

bool
section_equal(const struct section *a, const struct section *b)
{
    bool equal = (a->n == b->n && !strcmp(a->kind, b->kind)
                  && !strcmp(a->name, b->name));

    for (size_t i = 0; equal && i < a->n; i++) {
        equal = (!strcmp(a->keys[i].name, b->keys[i].name)
                 && !strcmp(a->keys[i].value, b->keys[i].value));
    }
    return equal;
}

int
section_compare(const struct section *a, const struct section *b)
{
    size_t p = kind_rank(a->kind), q = kind_rank(b->kind);

    return p < q ? -1 : p > q ? 1 : strcmp(a->name, b->name);
}

void
sections_finish(struct sections *all)
{
    for (size_t i = 0; i < all->n; i++) {
        section_finish(&all->a[i]);
    }
    free(all->a);
}

struct section *
sections_add(struct sections *all, const char *kind, const char *name)
{
    if (all->n == all->allocated) {
        all->a = x2nrealloc(all->a, &all->allocated, sizeof *all->a);
    }

    struct section *s = &all->a[all->n++];
    section_init(s, kind, name);
    return s;
}

void
sections_append(struct sections *all, const struct section *s)
{
    struct section *copy = sections_add(all, s->kind, s->name);

    for (size_t i = 0; i < s->n; i++) {
        section_add(copy, s->keys[i].name, s->keys[i].value);
    }
}

void
sections_clone(struct sections *all, const struct sections *src)
{
    *all = (struct sections) SECTIONS_INITIALIZER;
    for (size_t i = 0; i < src->n; i++) {
        sections_append(all, &src->a[i]);
    }
}

size_t
sections_find(const struct sections *all, const char *kind, const char *name)
{
    for (size_t i = 0; i < all->n; i++) {
        if (!strcmp(all->a[i].kind, kind) && !strcmp(all->a[i].name, name)) {
            return i;
        }
    }
    return SIZE_MAX;
}

void
sections_remove(struct sections *all, size_t i)
{
    section_finish(&all->a[i]);
    memmove(&all->a[i], &all->a[i + 1], (all->n - i - 1) * sizeof *all->a);
    all->n--;
}

void
sections_normalize(struct sections *all)
{
    for (size_t i = 0; i < all->n; i++) {
        section_normalize(&all->a[i]);
    }
    if (all->n) {
        qsort(all->a, all->n, sizeof *all->a, compare_sections);
    }
}

void
section_normalize(struct section *s)
{
    size_t n = 0;

    split_networks(s);
    for (size_t i = 0; i < s->n; i++) {
        char *value = spell(s->keys[i].name, s->keys[i].value);

        free(s->keys[i].value);
        s->keys[i].value = value;
    }
    if (s->n) {
        qsort(s->keys, s->n, sizeof *s->keys, compare_keys);
    }
    for (size_t i = 0; i < s->n; i++) {
        if (n && !compare_keys(&s->keys[n - 1], &s->keys[i])) {
            free(s->keys[i].name);
            free(s->keys[i].value);
        } else {
            s->keys[n++] = s->keys[i];
        }
    }
    s->n = n;
}

char *
sections_format(const struct sections *all)
{
    struct ds ds = DS_EMPTY_INITIALIZER;

    for (size_t i = 0; i < all->n; i++) {
        const struct section *s = &all->a[i];

        ds_put_format(&ds, "%s[%s %s]\n", i ? "\n" : "", s->kind, s->name);
        for (size_t j = 0; j < s->n; j++) {
            ds_put_format(&ds, "%s = %s\n", s->keys[j].name, s->keys[j].value);
        }
    }
    return ds_steal_cstr(&ds);
}

/* "blue, green" becomes two keys. */
static void
split_networks(struct section *s)
{
    struct section split = { .n = 0 };

    for (size_t i = 0; i < s->n; i++) {
        char *words = s->keys[i].value;
        char *save = NULL;

        if (strcmp(s->keys[i].name, "networks")) {
            continue;
        }
        for (char *name = strtok_r(words, ", ", &save); name;
             name = strtok_r(NULL, ", ", &save)) {
            section_add(&split, "networks", name);
        }
    }
    section_remove(s, "networks");
    for (size_t i = 0; i < split.n; i++) {
        section_add(s, "networks", split.keys[i].value);
    }
    section_finish(&split);
}

/* Owned: 'value' of the key 'name' in its one spelling. */
static char *
spell(const char *name, const char *value)
{
    struct ds ds = DS_EMPTY_INITIALIZER;
    char *words = xstrdup(value);
    char *save = NULL;

    for (char *word = strtok_r(words, " ", &save); word;
         word = strtok_r(NULL, " ", &save)) {
        ds_put_cstr(&ds, ds.length ? " " : "");
        spell_word(word, &ds);
    }
    free(words);
    if (!strcmp(name, "mac-prefix")) {
        for (size_t i = 0; i < ds.length; i++) {
            ds.string[i] = tolower((unsigned char) ds.string[i]);
        }
    }
    return ds_steal_cstr(&ds);
}

/* A name that could be an IPv4 address has one spelling, too. */
static void
spell_word(const char *word, struct ds *ds)
{
    struct in6_addr addr;
    struct prefix prefix;

    if (address_parse(word, &addr)) {
        address_format(&addr, ds);
        return;
    }

    char *error = prefix_parse(word, &prefix);
    if (error) {
        ds_put_cstr(ds, word);
        free(error);
    } else {
        prefix_format(&prefix, ds);
    }
}

/* Where peerkey.c has the first key of a kind, so that networks come before
 * routers, and these before peers. */
static size_t
kind_rank(const char *kind)
{
    size_t i = 0;

    while (i < PEERDRAFT_KEYS && strcmp(peerkeys[i].kind, kind)) {
        i++;
    }
    return i;
}

/* Where peerkey.c has the key; names of several kinds are in order, too. */
static size_t
key_rank(const char *name)
{
    size_t i = 0;

    while (i < PEERDRAFT_KEYS && strcmp(peerkeys[i].name, name)) {
        i++;
    }
    return i;
}

static int
compare_keys(const void *a_, const void *b_)
{
    const struct section_key *a = a_;
    const struct section_key *b = b_;
    size_t p = key_rank(a->name), q = key_rank(b->name);
    int name = p < q ? -1 : p > q ? 1 : strcmp(a->name, b->name);

    return name ? name : strcmp(a->value, b->value);
}

static int
compare_sections(const void *a, const void *b)
{
    return section_compare(a, b);
}
