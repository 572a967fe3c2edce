/* SPDX-License-Identifier: Apache-2.0 */

#ifndef AGENT_SHOW_H
#define AGENT_SHOW_H 1

/* What the daemon knows, as JSON objects: the rows of the lists, the status,
 * both ends of an interface.  Called by control, which prints them. */

#include "agent/agent.h"
#include "openvswitch/json.h"
#include "overlay/view.h"

/* The rows of 'what' ("endpoint", "network" or "peer"), sorted by name, and
 * the columns of its table. */
struct json *show_list(const struct agent *, const char *what,
                       const struct view_column **columns);
/* The row called 'name', or NULL. */
struct json *show_one(const struct agent *, const char *what,
                      const char *name);

/* Asks the switch what it has counted of an endpoint.  False if it has no
 * port. */
bool show_ask_refused(const struct agent *, const char *name,
                      struct ofswitch_question *);
/* Adds to its row what the switch has counted, or why that is not known. */
void show_put_refused(const struct ofswitch_question *, struct json *row);

/* The options by which qemu uses an endpoint's tap.  Owned. */
char *show_qemu(const struct agent *, const struct endpoint *);

/* As view_status() takes it. */
struct json *show_status(const struct agent *);

/* NULL and an object, or an owned message. */
char *show_who(const struct agent *, const char *ifname, struct json **);

#endif /* agent/show.h */
