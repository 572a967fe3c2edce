/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "agent/directory.h"

#include <stdlib.h>
#include <string.h>
#include "openvswitch/vlog.h"
#include "overlay/peerlist.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(directory);

struct directory {
    char *name;
    bool attached;                  /* As given to directory_create(). */
    struct peerlist *list;          /* In force, or NULL. */
    const struct peer *self;        /* In 'list'. */
    struct peerlist *held;          /* Good, but held back; or NULL. */
    const struct peer *held_self;   /* In 'held'. */
    char *refusal;
    const struct directory_ops *ops;
    void *aux;
};

static void put_in_force(struct directory *, struct peerlist *,
                         const struct peer *self);
static char *removes_much(const struct directory *, const struct peerlist *);
static void forget_held(struct directory *);
static void set_refusal(struct directory *, char *reason);

struct directory *
directory_create(const char *name, bool attached,
                 const struct directory_ops *ops, void *aux)
{
    struct directory *d = xzalloc(sizeof *d);
    d->name = xstrdup(name);
    d->attached = attached;
    d->ops = ops;
    d->aux = aux;
    return d;
}

void
directory_destroy(struct directory *d)
{
    if (d) {
        peerlist_destroy(d->list);
        peerlist_destroy(d->held);
        free(d->name);
        free(d->refusal);
        free(d);
    }
}

void
directory_offer(struct directory *d, struct peerlist *list,
                const struct peer *self)
{
    forget_held(d);
    char *mass = removes_much(d, list);
    if (mass) {
        d->held = list;
        d->held_self = self;
        set_refusal(d, xasprintf("%s: held back: %s; if that is meant, "
                                 "\"weft directory accept\"", d->name, mass));
        free(mass);
    } else {
        put_in_force(d, list, self);
    }
}

void
directory_refuse(struct directory *d, char *reason)
{
    forget_held(d);
    set_refusal(d, reason);
}

/* Takes over 'reason'. */
static void
set_refusal(struct directory *d, char *reason)
{
    if (!d->refusal || strcmp(d->refusal, reason)) {
        VLOG_WARN("refused: %s%s", reason,
                  d->list ? "; the list before stays in force" : "");
    }
    free(d->refusal);
    d->refusal = reason;
}

void
directory_put_peer(struct directory *d, const char *name,
                   const struct peer *peer)
{
    struct peerlist *lists[2] = { d->list, d->held };
    for (size_t i = 0; i < 2; i++) {
        if (!lists[i]) {
            continue;
        }
        struct peer *p = shash_find_data(&lists[i]->peers, name);
        if (p && peer) {
            p->address = peer->address;
            p->port = peer->port;
        } else if (peer) {
            peerlist_add_peer(lists[i], name, peer);
        } else if (p && p != d->self && p != d->held_self) {
            peerlist_remove_peer(lists[i], name);
        }
    }
}

char *
directory_accept(struct directory *d)
{
    if (!d->held) {
        return xstrdup("nothing is held back");
    }
    struct peerlist *list = d->held;
    const struct peer *self = d->held_self;
    d->held = NULL;
    d->held_self = NULL;
    put_in_force(d, list, self);
    return NULL;
}

const char *
directory_name(const struct directory *d)
{
    return d->name;
}

const struct peerlist *
directory_list(const struct directory *d)
{
    return d->list;
}

const struct peer *
directory_self(const struct directory *d)
{
    return d->self;
}

const char *
directory_refusal(const struct directory *d)
{
    return d->refusal;
}

static void
forget_held(struct directory *d)
{
    peerlist_destroy(d->held);
    d->held = NULL;
    d->held_self = NULL;
}

/* NULL, or which networks with endpoints of this host are not in 'list'. */
static char *
removes_attached(const struct directory *d, const struct peerlist *list)
{
    struct sset names = SSET_INITIALIZER(&names);
    d->ops->attached(&names, d->aux);
    char *error = NULL;
    const char *name;
    SSET_FOR_EACH (name, &names) {
        if (!error && !peerlist_network(list, name)
            && (!d->list || peerlist_network(d->list, name))) {
            error = xasprintf("network %s, which endpoints of this host are "
                              "on, is gone", name);
        }
    }
    sset_destroy(&names);
    return error;
}

/* NULL, or what 'list' would remove that looks like too much to be meant. */
static char *
removes_much(const struct directory *d, const struct peerlist *list)
{
    char *much = NULL;
    if (d->attached) {
        much = removes_attached(d, list);
    }
    if (much) {
        return much;
    } else if (d->list) {
        return peerlist_mass_removal(d->list, list);
    }
    struct shash served = SHASH_INITIALIZER(&served);
    d->ops->served(&served, d->aux);
    much = peerlist_peers_removal(&served, list);
    shash_destroy(&served);
    return much;
}

static void
put_in_force(struct directory *d, struct peerlist *list,
             const struct peer *self)
{
    if (d->refusal || !d->list) {
        VLOG_INFO("%s: in force: %"PRIuSIZE" networks, %"PRIuSIZE" peers, "
                  "this host is %s", d->name, shash_count(&list->networks),
                  shash_count(&list->peers), self->name);
    }
    free(d->refusal);
    d->refusal = NULL;

    struct peerlist *old = d->list;
    d->list = list;
    d->self = self;
    d->ops->changed(old, list, self, d->aux);
    peerlist_destroy(old);
}
