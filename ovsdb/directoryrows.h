/* SPDX-License-Identifier: Apache-2.0 */

#ifndef OVSDB_DIRECTORYROWS_H
#define OVSDB_DIRECTORYROWS_H 1

/* Rows of the shared directory (ovsdb/weft.ovsschema) as sections of a peer
 * list, and back: a Network, Router or Host row is a section "network",
 * "router" or "peer", its columns are the keys, with _ for -.
 *
 * A row is JSON as in RFC 7047, an object with a column's value behind its
 * name.  Nothing is known of it but that: whoever makes a list of the sections
 * (peerlist_from_sections()) learns whether they are good.  Called by the
 * command `weft` and by the agent's client of the directory. */

#include "overlay/sections.h"

struct json;

/* "Network" of "network". */
const char *directoryrows_table(const char *kind);

/* An array with the names of the columns that make the section. */
struct json *directoryrows_columns(const char *kind);

/* Adds the section that 'row' is.  Returns NULL, or an owned message "network
 * blue: ..." if it is no row of that kind; then nothing is added. */
char *directoryrows_to_section(const char *kind, const struct json *row,
                               struct sections *);

/* The row of a section of a good list, normalized, all its columns: those of
 * keys that are not given are empty.  Keys that have no column are left out. */
struct json *directoryrows_of_section(const struct section *);

#endif /* ovsdb/directoryrows.h */
