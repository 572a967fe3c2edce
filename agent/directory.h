/* SPDX-License-Identifier: Apache-2.0 */

#ifndef AGENT_DIRECTORY_H
#define AGENT_DIRECTORY_H 1

/* The shared list, from a file.  Watches it by inotify and, because a file may
 * be a symbolic link or lie on a share that sends no events, by looking at its
 * stamp twice a second.  What it reads is put in force whole or refused whole;
 * the last good list stays in force until then. */

#include <event2/event.h>
#include "overlay/model.h"

struct directory;

/* 'name' is --name or NULL.  'owned' stores the host's addresses. */
struct directory_ops {
    void (*owned)(const struct in6_addr **addrs, size_t *n, void *aux);
    /* Adds the names of the peers that are served although no list has been in
     * force yet: those of before a restart. */
    void (*served)(struct shash *peers, void *aux);
    /* The list in force is about to be replaced; both are valid during the
     * call, 'old' may be NULL. */
    void (*changed)(const struct peerlist *old, const struct peerlist *new,
                    const struct peer *self, void *aux);
};
struct directory *directory_create(const char *path, const char *name,
                                   struct event_base *,
                                   const struct directory_ops *, void *aux);
void directory_destroy(struct directory *);
void directory_run(struct directory *);
void directory_wait(struct directory *);

/* Read again even if the file looks the same: this host's addresses are other
 * ones now, or the user asked for it. */
void directory_reread(struct directory *);

/* Puts in force what was held back because it removes so much. */
char *directory_accept(struct directory *);     /* NULL or a message. */

const char *directory_path(const struct directory *);
const struct peerlist *directory_list(const struct directory *); /* or NULL */
const struct peer *directory_self(const struct directory *);     /* or NULL */
/* Why the file as it is now is not in force, or NULL. */
const char *directory_refusal(const struct directory *);

#endif /* agent/directory.h */
