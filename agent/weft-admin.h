/* SPDX-License-Identifier: Apache-2.0 */

#ifndef AGENT_WEFT_ADMIN_H
#define AGENT_WEFT_ADMIN_H 1

/* How the networks and routers of the shared directory are changed: all of
 * them are read, changed as sections, checked as a peer file is, and what
 * differs is written in one transaction that nobody else's can come between.
 * Called by weft-network.c and weft-export.c, which say what to change, and by
 * weft-remove.c for what the commands share. */

#include "agent/weft.h"
#include "agent/weft-db.h"
#include "overlay/sections.h"

/* What an option that is not one of all these commands is. */
enum {
    ADMIN_CHECK = 1 << 0,           /* --check: write nothing. */
    ADMIN_REPLACE = 1 << 1,         /* --replace. */
    ADMIN_YES = 1 << 2,             /* --yes. */
};

struct admin_options {
    const char *db;                 /* --db; NULL: this host's. */
    bool json;
    unsigned int flags;             /* ADMIN_*. */
};

/* Takes the options out of the arguments, of flags those in 'allowed'.  False
 * if there is another one. */
bool admin_take_options(int *argc, char *argv[], unsigned int allowed,
                        struct admin_options *);

/* Reads and writes, as often as it returns WEFT_DB_CONFLICT. */
typedef enum weft_db_result admin_try_func(struct weft_db *, void *aux);

/* Connects, tries, and returns the exit code. */
int admin_run(const struct weft_target *target,
              const struct admin_options *options, admin_try_func *try,
              void *aux);

/* Changes '*wanted', which is what the directory has, normalized.  Returns
 * NULL, or an owned message.  Called again with what the directory has then,
 * if somebody else changes it meanwhile. */
typedef char *admin_change_func(struct sections *wanted, const void *aux);

/* Makes the change, tells of it, and returns the exit code.  'touched' are the
 * sections that are told of also if nothing had to change; it may be empty. */
int admin_change(const struct weft_target *target,
                 const struct admin_options *options,
                 const struct sections *touched, admin_change_func *func,
                 const void *aux);

/* Adds the sections of selected 'rows'.  NULL or an owned message. */
char *admin_add_rows(const char *kind, const struct json *rows,
                     struct sections *);

/* Says why it failed, takes the message, and returns EXIT_FAILURE. */
int admin_fail(char *error);

/* Prints 'json' for people's tools, takes it, and returns EXIT_SUCCESS. */
int admin_print(struct json *);

#endif /* agent/weft-admin.h */
