/* SPDX-License-Identifier: Apache-2.0 */

#ifndef AGENT_REPLY_H
#define AGENT_REPLY_H 1

/* How a control command takes its arguments and answers, with --json or
 * without: called by the control files and ticket.c.  Knows nothing of what is
 * answered.  Each reply ends its connection's command. */

#include <stdbool.h>
#include "openvswitch/json.h"
#include "overlay/view.h"

struct unixctl_conn;

/* Takes --json out of the arguments.  Was it there? */
bool reply_take_json(int *argc, const char *argv[]);
/* "weft COMMAND" takes 'n' words, or the reply says so. */
bool reply_check_args(struct unixctl_conn *, int argc, const char *argv[],
                      int n, const char *usage);

/* Each takes over what it prints. */
void reply_json(struct unixctl_conn *, struct json *);
void reply_rows(struct unixctl_conn *, struct json *rows, bool json,
                const struct view_column *);
/* 'view' is view_object() or view_status(). */
void reply_view(struct unixctl_conn *, struct json *, bool json,
                void (*view)(const struct json *, struct ds *));
void reply_error(struct unixctl_conn *, char *error);

#endif /* agent/reply.h */
