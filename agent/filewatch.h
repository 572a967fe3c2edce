/* SPDX-License-Identifier: Apache-2.0 */

#ifndef AGENT_FILEWATCH_H
#define AGENT_FILEWATCH_H 1

/* The shared list in a file: reads it and offers what it says to the
 * directory.  Watches it by inotify and, because a file may be a symbolic link
 * or lie on a share that sends no events, by looking at its stamp twice a
 * second. */

#include <event2/event.h>
#include "agent/directory.h"

struct filewatch;

/* 'name' is --name or NULL.  'owned' stores the host's addresses. */
struct filewatch_ops {
    void (*owned)(const struct in6_addr **addrs, size_t *n, void *aux);
};
struct filewatch *filewatch_create(const char *path, const char *name,
                                   struct event_base *, struct directory *,
                                   const struct filewatch_ops *, void *aux);
void filewatch_destroy(struct filewatch *);
void filewatch_run(struct filewatch *);
void filewatch_wait(struct filewatch *);

/* Read again even if the file looks the same: this host's addresses are other
 * ones now, or the user asked for it. */
void filewatch_reread(struct filewatch *);

#endif /* agent/filewatch.h */
