/* SPDX-License-Identifier: Apache-2.0 */

#ifndef AGENT_REAPER_H
#define AGENT_REAPER_H 1

/* Deletes links of detached endpoints, many at once and not in anybody's way.
 *
 * The kernel waits 16 to 20 ms for each deletion, however it is asked, so a
 * thread of its own does it; links that come within GATHER_MS of each other
 * go as one group, which costs one wait. */

#include <stdbool.h>

struct reaper;

struct reaper *reaper_create(void);
void reaper_destroy(struct reaper *);           /* After a flush. */

/* The link 'ifindex' of this namespace is to go, soon. */
void reaper_add(struct reaper *, int ifindex);

/* Returns when all that was added is gone.  For when its name is needed
 * again. */
void reaper_flush(struct reaper *);

#endif /* agent/reaper.h */
