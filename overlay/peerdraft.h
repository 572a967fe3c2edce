/* SPDX-License-Identifier: Apache-2.0 */

#ifndef OVERLAY_PEERDRAFT_H
#define OVERLAY_PEERDRAFT_H 1

/* A peer list in the making: takes sections and keys one by one, as
 * peerfile.c finds them in a file, and refuses those that are wrong.  What
 * only the whole list can show is left to peerlist.c. */

#include "openvswitch/compiler.h"
#include "overlay/model.h"

enum { PEERDRAFT_KEYS = 6 };

/* What a message is about. */
struct peerdraft_source {
    const char *kind;               /* "network", "peer"; NULL: neither. */
    const char *name;               /* Borrowed from the list. */
    int line;                       /* From 1. */
};

/* A subnet or a slice, and where it stands. */
struct peerdraft_claim {
    struct prefix prefix;
    struct peerdraft_source source;
};

struct peerdraft_claims {
    struct peerdraft_claim *a;      /* Owned.  In the order of the file. */
    size_t n, allocated;
};

struct peerdraft {
    const char *file;               /* Borrowed.  Its name, for messages. */
    struct peerlist *list;          /* Owned; the caller may steal it. */
    char *error;                    /* Owned; the caller may steal it.  The
                                     * first one: it ends the work. */
    struct peerdraft_source here;   /* The section, and the line, which the
                                     * caller counts. */
    struct peerdraft_claims subnets; /* Of all networks. */
    struct peerdraft_claims slices; /* Of all peers. */

    /* Private. */
    struct network *network;        /* The section's, or NULL. */
    struct peer *peer;              /* The section's, or NULL. */
    int section_line;
    int key_lines[PEERDRAFT_KEYS];  /* Where a key first stands, or 0. */
    struct shash unique;            /* "vni 100" -> its peerdraft_source. */
};

void peerdraft_init(struct peerdraft *, const char *file);
void peerdraft_finish(struct peerdraft *);

/* "FILE:LINE: network blue: ..." becomes the error, if there is none yet.
 * Returns false always, as all of these do after a refusal. */
bool peerdraft_refuse(struct peerdraft *, const char *format, ...)
    OVS_PRINTF_FORMAT(2, 3);

bool peerdraft_section(struct peerdraft *, const char *line);
bool peerdraft_key(struct peerdraft *, const char *name, const char *value);
bool peerdraft_end(struct peerdraft *);

#endif /* overlay/peerdraft.h */
