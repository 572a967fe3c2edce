/* SPDX-License-Identifier: Apache-2.0 */

#ifndef AGENT_WEFT_DB_H
#define AGENT_WEFT_DB_H 1

/* `weft`'s talk with the shared directory, straight to its ovsdb-server and
 * without a daemon: one transaction at a time, and nothing is done meanwhile.
 * RFC 7047 says what operations and results are.  Called by the weft-*.c whose
 * commands change the directory; knows nothing of what is in it but its
 * name. */

#include <stddef.h>
#include "agent/weft.h"

struct json;
struct weft_db;

enum weft_db_result {
    WEFT_DB_DONE,
    WEFT_DB_CONFLICT,               /* Somebody else was there first: read
                                     * again, and try again. */
    WEFT_DB_FAILED,                 /* And it has been said why. */
};

/* Connects to 'remote', "unix:PATH" or "tcp:IP:PORT"; NULL: the socket of this
 * host's own server.  From here on no longer than the target's timeout may
 * pass.  NULL if it failed, and then it has been said why. */
struct weft_db *weft_db_open(const struct weft_target *, const char *remote);
void weft_db_close(struct weft_db *);

/* Does the array 'operations' in one transaction.  Takes it.  '*resultsp' is
 * an owned array of as many results, or NULL if not all were done. */
enum weft_db_result weft_db_transact(struct weft_db *,
                                     struct json *operations,
                                     struct json **resultsp);

/* Operations on the rows of 'table' where 'column' is 'value'; NULL: on all of
 * them.  'columns' is an array, which is taken; NULL: all. */
struct json *weft_db_select(const char *table, const char *column,
                            struct json *value, struct json *columns);
struct json *weft_db_delete(const char *table, const char *column,
                            struct json *value);
struct json *weft_db_insert(const char *table, struct json *row);
struct json *weft_db_update(const char *table, const char *column,
                            struct json *value, struct json *row);
/* What was selected is still what 'rows' says, or the transaction ends in
 * WEFT_DB_CONFLICT.  Takes 'columns' and 'rows'. */
struct json *weft_db_wait(const char *table, const char *column,
                          struct json *value, struct json *columns,
                          struct json *rows);

/* The rows of result 'i', that of a select. */
const struct json *weft_db_rows(const struct json *results, size_t i);
/* How many rows result 'i' is about. */
long long int weft_db_count(const struct json *results, size_t i);
/* The column of the row, or "" or 0 if it has no such value. */
const char *weft_db_string(const struct json *row, const char *column);
long long int weft_db_integer(const struct json *row, const char *column);

#endif /* agent/weft-db.h */
