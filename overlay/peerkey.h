/* SPDX-License-Identifier: Apache-2.0 */

#ifndef OVERLAY_PEERKEY_H
#define OVERLAY_PEERKEY_H 1

/* The keys of a peer file, told once: to which sections they belong, how often
 * they may be given, and what their values mean.  Called by peerdraft.c, which
 * knows the section that a key is in, and by sections.c for their order. */

#include "overlay/peerdraft.h"

struct peerkey {
    const char *kind;               /* Of its sections: "network". */
    const char *name;
    bool needed;
    size_t max;                     /* How often it may be given. */
    const char *many;               /* What more than one is called. */
    const char *example;            /* A value. */
    /* Takes a 'value' that is not empty.  False if it was refused. */
    bool (*take)(struct peerdraft *, const char *value);
};

extern const struct peerkey peerkeys[PEERDRAFT_KEYS];

#endif /* overlay/peerkey.h */
