/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "overlay/peerlist.h"

#include <stdlib.h>
#include <string.h>
#include "openvswitch/dynamic-string.h"
#include "openvswitch/util.h"
#include "overlay/address.h"
#include "overlay/peercheck.h"
#include "overlay/peerdraft.h"
#include "overlay/peerfile.h"
#include "packets.h"
#include "util.h"

enum { OWNED_SHOWN_MAX = 16 };

/* Those of the host's addresses that may be in a list, sorted. */
struct owned {
    struct in6_addr *addrs;         /* Owned. */
    size_t n;
};

static bool take_section(struct peerdraft *, const struct section *);
static bool check_text(struct peerdraft *, const char *what, const char *text);
static char *finish(struct peerdraft *, bool ok, struct peerlist **listp);
static void owned_init(struct owned *, const struct in6_addr[], size_t n);
static bool owns(const struct owned *, const struct peer *);
static int compare_addrs(const void *, const void *);
static char *find_owned(const char *file, const struct peerlist *,
                        const char *hostname, const struct owned *,
                        const struct peer **selfp);
static char *refuse_stranger(const char *file, const struct owned *);
static char *check_others(const char *file, const struct peerlist *,
                          const struct owned *, const struct peer *self);
static char *check_removal(const struct shash *old, const struct shash *new,
                           const char *what);

char *
peerlist_parse(const char *file, const char *text, size_t size,
               struct peerlist **listp)
{
    return peerlist_parse_sections(file, text, size, listp, NULL);
}

char *
peerlist_parse_sections(const char *file, const char *text, size_t size,
                        struct peerlist **listp, struct sections *sections)
{
    struct peerdraft d;

    peerdraft_init(&d, file, true);
    d.sections = sections;
    return finish(&d, peerfile_read(text, size, &d) && peercheck_run(&d),
                  listp);
}

char *
peerlist_from_sections(const char *what, const struct section a[], size_t n,
                       struct peerlist **listp)
{
    struct peerdraft d;
    bool ok = true;

    peerdraft_init(&d, what, false);
    for (size_t i = 0; ok && i < n; i++) {
        ok = take_section(&d, &a[i]);
    }
    return finish(&d, ok && peerdraft_end(&d) && peercheck_run(&d), listp);
}

char *
peerlist_find_self(const char *file, const struct peerlist *list,
                   const char *name, const char *hostname,
                   const struct in6_addr *owned, size_t n_owned,
                   const struct peer **selfp)
{
    const struct peer *self = NULL;
    char *error = NULL;
    struct owned o;

    owned_init(&o, owned, n_owned);
    if (!name) {
        error = find_owned(file, list, hostname, &o, &self);
    } else {
        self = peerlist_peer(list, name);
        if (!self) {
            error = xasprintf("%s: no [peer %s] section: add one, or start "
                              "weftd with another --name", file, name);
        }
    }
    if (!error) {
        ovs_assert(self);
        error = check_others(file, list, &o, self);
    }
    free(o.addrs);
    *selfp = error ? NULL : self;
    return error;
}

uint16_t
peerlist_port(const struct peer *self, const struct peer *peer)
{
    return self->port ? self->port : peer->port ? peer->port : VXLAN_PORT;
}

char *
peerlist_mass_removal(const struct peerlist *old, const struct peerlist *new)
{
    char *error = check_removal(&old->peers, &new->peers, "peers");

    return error ? error
           : check_removal(&old->networks, &new->networks, "networks");
}

char *
peerlist_peers_removal(const struct shash *old_peers,
                       const struct peerlist *new)
{
    return check_removal(old_peers, &new->peers, "peers");
}

/* What a file's lines cannot hold is refused before anything shows it. */
static bool
take_section(struct peerdraft *d, const struct section *s)
{
    d->here.line++;
    if (!check_text(d, s->kind, s->name)
        || !peerdraft_open(d, s->kind, s->name)) {
        return false;
    }
    for (size_t i = 0; i < s->n; i++) {
        const struct section_key *key = &s->keys[i];

        d->here.line++;
        if (!check_text(d, "key", key->name)
            || !check_text(d, key->name, key->value)
            || !peerdraft_key(d, key->name, key->value)) {
            return false;
        }
    }
    return true;
}

static bool
check_text(struct peerdraft *d, const char *what, const char *text)
{
    char *error = strlen(text) > PEERLIST_LINE_MAX
                  ? xasprintf("more than %d bytes: shorten it",
                              PEERLIST_LINE_MAX)
                  : text_refuse(text);

    if (error) {
        peerdraft_refuse(d, "%s: %s", what, error);
        free(error);
    }
    return !d->error;
}

/* Ends the work on '*d', which was all good if 'ok'. */
static char *
finish(struct peerdraft *d, bool ok, struct peerlist **listp)
{
    char *error = ok ? NULL : d->error;

    *listp = ok ? d->list : NULL;
    if (ok) {
        d->list = NULL;
    } else {
        d->error = NULL;
    }
    peerdraft_finish(d);
    return error;
}

/* Loopback and link-local addresses are every host's, and in no list. */
static void
owned_init(struct owned *o, const struct in6_addr addrs[], size_t n)
{
    o->addrs = xmalloc(MAX(n, 1) * sizeof *o->addrs);
    o->n = 0;
    for (size_t i = 0; i < n; i++) {
        if (!address_refuse_unicast(&addrs[i])) {
            o->addrs[o->n++] = addrs[i];
        }
    }
    qsort(o->addrs, o->n, sizeof *o->addrs, compare_addrs);
}

static bool
owns(const struct owned *o, const struct peer *peer)
{
    return bsearch(&peer->address, o->addrs, o->n, sizeof *o->addrs,
                   compare_addrs) != NULL;
}

static int
compare_addrs(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct in6_addr));
}

/* Finds the peer whose address the host owns. */
static char *
find_owned(const char *file, const struct peerlist *list,
           const char *hostname, const struct owned *o,
           const struct peer **selfp)
{
    const struct peer *named = hostname ? peerlist_peer(list, hostname) : NULL;
    const struct peer *first = NULL;
    const struct peer *second = NULL;
    struct shash_node *node;

    SHASH_FOR_EACH (node, &list->peers) {
        const struct peer *peer = node->data;

        if (!owns(o, peer)) {
            /* Nothing. */
        } else if (!first || peer->line < first->line) {
            second = first;
            first = peer;
        } else if (!second || peer->line < second->line) {
            second = peer;
        }
    }
    if (!first) {
        return refuse_stranger(file, o);
    }
    if (!second) {
        *selfp = first;
        return NULL;
    }
    if (named && owns(o, named)) {
        *selfp = named;
        return NULL;
    }
    return xasprintf("%s:%d: peer %s: its address is this host's, as is that "
                     "of %s in line %d: give one of them another, or start "
                     "weftd with --name", file, second->line, second->name,
                     first->name, first->line);
}

static char *
refuse_stranger(const char *file, const struct owned *o)
{
    struct ds ds = DS_EMPTY_INITIALIZER;

    ds_put_format(&ds, "%s: no [peer] section has an address of this host "
                  "(looked for ", file);
    for (size_t i = 0; i < MIN(o->n, OWNED_SHOWN_MAX); i++) {
        ds_put_cstr(&ds, i ? ", " : "");
        address_format(&o->addrs[i], &ds);
    }
    if (o->n > OWNED_SHOWN_MAX) {
        ds_put_format(&ds, " and %"PRIuSIZE" more", o->n - OWNED_SHOWN_MAX);
    }
    ds_put_format(&ds, "%s): add one, or start weftd with --name",
                  o->n ? "" : "none: it has only loopback and link-local "
                              "ones");
    return ds_steal_cstr(&ds);
}

/* Of several errors, the one that comes first in the file. */
static char *
check_others(const char *file, const struct peerlist *list,
             const struct owned *o, const struct peer *self)
{
    const struct peer *bad = NULL;
    struct shash_node *node;

    SHASH_FOR_EACH (node, &list->peers) {
        const struct peer *peer = node->data;
        bool conflict = self->port && peer->port && self->port != peer->port;

        if (peer != self && (conflict || owns(o, peer))
            && (!bad || peer->line < bad->line)) {
            bad = peer;
        }
    }
    if (!bad) {
        return NULL;
    }
    if (!owns(o, bad)) {
        return xasprintf("%s:%d: peer %s: port %d differs from port %d of %s "
                         "in line %d, which is this host, and a tunnel has "
                         "one for both ends: give both the same", file,
                         bad->line, bad->name, bad->port, self->port,
                         self->name, self->line);
    }

    struct ds ds = DS_EMPTY_INITIALIZER;
    ds_put_format(&ds, "%s:%d: peer %s: its address ", file, bad->line,
                  bad->name);
    address_format(&bad->address, &ds);
    ds_put_format(&ds, " is also owned by this host, which is %s in line %d, "
                  "and a tunnel to oneself is a loop: write an address that "
                  "only %s has", self->name, self->line, bad->name);
    return ds_steal_cstr(&ds);
}

/* 'what' of 'old' and 'new' is compared by name. */
static char *
check_removal(const struct shash *old, const struct shash *new,
              const char *what)
{
    size_t n_gone = 0;
    struct shash_node *node;

    SHASH_FOR_EACH (node, old) {
        n_gone += !shash_find(new, node->name);
    }
    if (n_gone < 2 || n_gone * 2 <= shash_count(old)) {
        return NULL;
    }
    return xasprintf("%"PRIuSIZE" of %"PRIuSIZE" %s are gone, as in a file "
                     "cut short", n_gone, shash_count(old), what);
}
