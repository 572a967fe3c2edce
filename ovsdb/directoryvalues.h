/* SPDX-License-Identifier: Apache-2.0 */

#ifndef OVSDB_DIRECTORYVALUES_H
#define OVSDB_DIRECTORYVALUES_H 1

/* What rows of the shared directory say, without a connection to it: their
 * columns, by name, are JSON as in RFC 7047.  Who has a role there, or none,
 * may write any row, so each value is looked at.  Called by directorydb.c. */

#include "ovsdb/directorydb.h"

/* The name in a row of table Host, borrowed from 'columns'; NULL: no valid
 * one.  If there is a valid address as well, '*peer' is that host, and borrows
 * the name; else its 'name' is NULL. */
const char *directoryvalues_host(const struct shash *columns,
                                 struct peer *peer);

/* Fills in all but 'uuid', strings borrowed.  False if the row is not to be
 * used. */
bool directoryvalues_endpoint(const struct shash *columns,
                              struct directorydb_endpoint *);
bool directoryvalues_claim(const struct shash *columns,
                           struct directorydb_claim *);

/* Changes the object 'columns' by a <row-update2> "modify" of ovsdb-server(7):
 * of columns that may have several values, it names those that come and those
 * that go. */
void directoryvalues_modify(struct json *columns,
                            const struct shash *changes);

#endif /* ovsdb/directoryvalues.h */
