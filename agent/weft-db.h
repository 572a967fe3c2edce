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
#include "ovsdb/operation.h"

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

/* Does the array 'operations', of ovsdb/operation.h, in one transaction.  Takes
 * it.  '*resultsp' is an owned array of as many results, or NULL if not all
 * were done. */
enum weft_db_result weft_db_transact(struct weft_db *,
                                     struct json *operations,
                                     struct json **resultsp);

#endif /* agent/weft-db.h */
