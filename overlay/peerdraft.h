/* SPDX-License-Identifier: Apache-2.0 */

#ifndef OVERLAY_PEERDRAFT_H
#define OVERLAY_PEERDRAFT_H 1

/* A peer list in the making: takes sections and keys one by one, as
 * peerfile.c finds them in a file and peerlist.c in sections that were never
 * in one, and refuses those that are wrong.  The keys are peerkey.c's; what
 * only the whole list can show is left to peercheck.c. */

#include "openvswitch/compiler.h"
#include "overlay/model.h"
#include "overlay/sections.h"

enum { PEERDRAFT_KEYS = 12 };

/* What a message is about. */
struct peerdraft_source {
    const char *kind;               /* "network", "router", "peer"; NULL:
                                     * none of them. */
    const char *name;               /* Borrowed from the list. */
    int line;                       /* From 1.  Where there are no lines, the
                                     * place of the section or key, which tells
                                     * their order alone. */
};

/* A subnet, slice, gateway (a prefix of full length) or route (where it leads
 * to), and where it stands. */
struct peerdraft_claim {
    struct prefix prefix;
    struct in6_addr via;            /* Of a route. */
    struct network *network;        /* Whose it is; NULL for a slice.  Borrowed
                                     * from the list. */
    struct peerdraft_source source;
};

struct peerdraft_claims {
    struct peerdraft_claim *a;      /* Owned.  In the order of the file. */
    size_t n, allocated;
};

/* What a router says is one of its networks. */
struct peerdraft_member {
    char *name;                     /* Owned. */
    struct router *router;          /* Borrowed from the list. */
    struct peerdraft_source source;
};

struct peerdraft {
    const char *file;               /* Borrowed.  Its name, for messages; NULL
                                     * if they name none. */
    bool lines;                     /* Messages name lines: it is a file. */
    struct sections *sections;      /* Borrowed.  Takes what was accepted, as
                                     * it is written; or NULL. */
    struct peerlist *list;          /* Owned; the caller may steal it. */
    char *error;                    /* Owned; the caller may steal it.  The
                                     * first one: it ends the work. */
    struct peerdraft_source here;   /* The section, and the line, which the
                                     * caller counts. */
    struct peerdraft_claims subnets, gateways, routes; /* Of all networks. */
    struct peerdraft_claims slices; /* Of all peers. */
    struct peerdraft_member *members; /* Owned.  Of all routers. */
    size_t n_members, allocated_members;

    /* For peerkey.c. */
    struct network *network;        /* The section's, or NULL. */
    struct router *router;          /* The section's, or NULL. */
    struct peer *peer;              /* The section's, or NULL. */
    struct shash unique;            /* "vni 100", "[peer hosta]" -> its
                                     * peerdraft_source. */

    /* Private. */
    int section_line;
    int key_lines[PEERDRAFT_KEYS];  /* Where a key stands, or 0. */
    size_t key_counts[PEERDRAFT_KEYS]; /* How often it was given. */
};

void peerdraft_init(struct peerdraft *, const char *file, bool lines);
void peerdraft_finish(struct peerdraft *);

/* "FILE:LINE: network blue: ..." becomes the error, if there is none yet.
 * Returns false always, as all of these do after a refusal. */
bool peerdraft_refuse(struct peerdraft *, const char *format, ...)
    OVS_PRINTF_FORMAT(2, 3);

/* For messages: " in line 7", or nothing where there are no lines. */
struct peerdraft_line {
    char text[sizeof " in line -2147483648"];
};
struct peerdraft_line peerdraft_line(const struct peerdraft *, int line);

/* '[kind name]' as in a file, or its two words. */
bool peerdraft_section(struct peerdraft *, const char *line);
bool peerdraft_open(struct peerdraft *, const char *kind, const char *name);
bool peerdraft_key(struct peerdraft *, const char *name, const char *value);
bool peerdraft_end(struct peerdraft *);

#endif /* overlay/peerdraft.h */
