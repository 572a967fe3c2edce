/* SPDX-License-Identifier: Apache-2.0 */

#ifndef AGENT_TICKET_H
#define AGENT_TICKET_H 1

/* A control command on its way: one command, one or many items, each of which
 * ends at once or later.  When the last one has, the command is answered and
 * the ticket frees itself.  Called by control-endpoints.c. */

#include <stdbool.h>
#include "agent/endpoints.h"
#include "openvswitch/dynamic-string.h"

struct agent;
struct unixctl_conn;

struct ticket {
    struct agent *agent;            /* Borrowed; outlives control. */
    struct unixctl_conn *conn;
    size_t pending;                 /* Items without an end, and 1 while they
                                     * are being handed out. */
    size_t n, n_failed;
    bool many, json;
    bool print_qemu;                /* Answer with options for qemu. */
    char *name;                     /* Of one endpoint, to show; or NULL. */
    const char *verb;               /* "attached" */
    struct ds errors;
};

/* 'many': the answer counts the items, and tells a failure's line. */
struct ticket *ticket_create(struct agent *, struct unixctl_conn *,
                             const char *verb, bool many, bool json);
/* All items have been handed out. */
void ticket_close(struct ticket *);

/* One more item; 'item' is its line, or 0.  It ends by the waiter. */
struct endpoints_waiter ticket_item(struct ticket *, int item);
/* One more item, which has failed already.  'error' is copied. */
void ticket_fail(struct ticket *, int item, const char *error);

#endif /* agent/ticket.h */
