/* SPDX-License-Identifier: Apache-2.0 */

#ifndef AGENT_DIRECTORY_H
#define AGENT_DIRECTORY_H 1

/* The shared list that is in force.  Whoever reads it, from a file (filewatch)
 * or a database (shared), offers it here; it is put in force whole or refused
 * whole, and the last good list stays in force until then.  One that removes
 * so much that it looks like a mistake is held back until somebody accepts
 * it. */

#include "overlay/model.h"
#include "sset.h"

struct directory;

struct directory_ops {
    /* Adds the names of the peers that are served although no list has been in
     * force yet: those of before a restart. */
    void (*served)(struct shash *peers, void *aux);
    /* Adds the names of the networks that endpoints of this host are on. */
    void (*attached)(struct sset *networks, void *aux);
    /* The list in force is about to be replaced; both are valid during the
     * call, 'old' may be NULL. */
    void (*changed)(const struct peerlist *old, const struct peerlist *new,
                    const struct peer *self, void *aux);
};

/* 'name' is what messages call it.  'attached': a list without a network that
 * endpoints of this host are on is held back, too. */
struct directory *directory_create(const char *name, bool attached,
                                   const struct directory_ops *, void *aux);
void directory_destroy(struct directory *);

/* Takes over 'list', in which 'self' is this host. */
void directory_offer(struct directory *, struct peerlist *,
                     const struct peer *self);
/* There is something that is no good list; takes over 'reason'. */
void directory_refuse(struct directory *, char *reason);

/* A peer of the list in force came, changed, or went (NULL). */
void directory_put_peer(struct directory *, const char *name,
                        const struct peer *);

/* Puts in force what was held back because it removes so much. */
char *directory_accept(struct directory *);     /* NULL or a message. */

const char *directory_name(const struct directory *);
const struct peerlist *directory_list(const struct directory *); /* or NULL */
const struct peer *directory_self(const struct directory *);     /* or NULL */
/* Why what there is now is not in force, or NULL. */
const char *directory_refusal(const struct directory *);

#endif /* agent/directory.h */
