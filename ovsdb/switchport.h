/* SPDX-License-Identifier: Apache-2.0 */

#ifndef OVSDB_SWITCHPORT_H
#define OVSDB_SWITCHPORT_H 1

/* A row of table Interface as a port of ours, and whether somebody has changed
 * it.  Called by switchdb alone. */

#include "ovsdb/switchdb.h"

struct ovsrec_interface;

/* The type of an interface that is to be closed: none that exists. */
#define SWITCHPORT_TYPE_CLOSED "weft-reopen"

/* False if the row is not of 'bridge', ours.  Else to be finished. */
bool switchport_read(const struct ovsrec_interface *, const char *bridge,
                     struct switchdb_port *);
void switchport_finish(struct switchdb_port *);

#endif /* ovsdb/switchport.h */
