/* SPDX-License-Identifier: Apache-2.0 */

#ifndef OVERLAY_SECTIONS_H
#define OVERLAY_SECTIONS_H 1

/* The peer list as it is written, not as it is meant: sections with keys and
 * the words behind them, and nothing that is only a default.  What stands
 * between a peer file, the rows of the shared directory and the arguments of
 * `weft network set`.
 *
 * Made by ovsdb/directoryrows.c of rows, by peerlist.c of files, by the
 * command `weft` of arguments.  Nothing of it is checked before
 * peerlist_from_sections() has said that it is good: it may come from a
 * database that others write. */

#include "overlay/model.h"

struct section_key {
    char *name, *value;             /* Owned. */
};

struct section {
    char *kind, *name;              /* Owned.  Kind: "network", "router" or
                                     * "peer". */
    struct section_key *keys;       /* Owned.  A key that is given twice is
                                     * here twice. */
    size_t n, allocated;
};

struct sections {
    struct section *a;              /* Owned. */
    size_t n, allocated;
};

void section_init(struct section *, const char *kind, const char *name);
void section_finish(struct section *);
void section_add(struct section *, const char *name, const char *value);
/* Takes all of the key 'name' away. */
void section_remove(struct section *, const char *name);
/* The first value of the key, or NULL. */
const char *section_get(const struct section *, const char *name);
/* Is there such a key in sections of that kind? */
bool section_has_key(const char *kind, const char *name);
/* The same keys and values, in the same order: see sections_normalize(). */
bool section_equal(const struct section *, const struct section *);
/* By kind (networks, routers, peers) and name. */
int section_compare(const struct section *, const struct section *);

#define SECTIONS_INITIALIZER { NULL, 0, 0 }
void sections_finish(struct sections *);
/* Adds an empty section, valid until the next one is added. */
struct section *sections_add(struct sections *, const char *kind,
                             const char *name);
void sections_append(struct sections *, const struct section *);
void sections_clone(struct sections *, const struct sections *);
/* The place of a section, or SIZE_MAX. */
size_t sections_find(const struct sections *, const char *kind,
                     const char *name);
void sections_remove(struct sections *, size_t i);

/* Gives sections that are good the one spelling that is compared, kept in rows
 * and written to files: sections by kind and name, keys in the order of
 * peerkey.c, the values of a key sorted, each once; addresses and prefixes as
 * they are shown elsewhere; each network of a router as a key of its own. */
void sections_normalize(struct sections *);
void section_normalize(struct section *);

/* Owned: the text of a peer file. */
char *sections_format(const struct sections *);

#endif /* overlay/sections.h */
