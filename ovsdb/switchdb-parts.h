/* SPDX-License-Identifier: Apache-2.0 */

#ifndef OVSDB_SWITCHDB_PARTS_H
#define OVSDB_SWITCHDB_PARTS_H 1

/* switchdb's own, between its two files: switchdb.c reads the database and has
 * the transaction, switchdb-write.c fills it.  Nobody else includes this. */

#include "lib/vswitch-idl.h"
#include "ovsdb-idl.h"
#include "ovsdb/switchdb.h"

struct switchdb {
    struct ovsdb_idl *idl;
    char *remote;
    long long int look_at;          /* When to look for a lost database. */
    struct ovsdb_idl_loop loop;
    struct ovsdb_idl_index *ports_by_name, *interfaces_by_name;
    char *bridge;
    struct hmap by_uuid, by_name;   /* Contain struct switchdb_port. */
    struct ovsdb_idl_txn *txn;      /* Open now, or NULL. */
    bool txn_wrote;                 /* Is there anything in it? */
    bool txn_deletes;               /* Does it delete ports? */
    uint64_t seqno;                 /* Of the last transaction sent. */
    uint64_t done;                  /* Of the last one that ended. */
    bool read_once;
    int64_t cfg_done;               /* What the last event told. */
    struct uuid root;               /* Of the database's one row. */
    char *error;                    /* See switchdb_error(). */
    const struct switchdb_events *events;
    void *aux;
};

/* What our bridge speaks: the agent the last one, people any. */
enum { SWITCHDB_N_PROTOCOLS = 4 };
extern const char *const switchdb_protocols[SWITCHDB_N_PROTOCOLS];

/* The row of that name, or NULL. */
const struct ovsrec_bridge *switchdb_find_bridge(const struct switchdb *,
                                                 const char *name);
const struct ovsrec_interface *switchdb_find_interface(
    const struct switchdb *, const char *name);

#endif /* ovsdb/switchdb-parts.h */
