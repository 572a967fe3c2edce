/* SPDX-License-Identifier: Apache-2.0 */

#ifndef AGENT_NOTIFY_H
#define AGENT_NOTIFY_H 1

/* What the service manager is told: ready, one line of state, reload, stop,
 * and the watchdog's sign of life.  Called by weftd.c alone.  Without a
 * manager (NOTIFY_SOCKET is unset) nothing is done, and nothing is cost. */

#include <event2/event.h>

struct agent;
struct notify;

/* The sign of life is a timer of 'base', so it comes only while the main loop
 * goes round. */
struct notify *notify_create(struct event_base *, const struct agent *);
void notify_destroy(struct notify *);

/* Tells what is to be told now; after the agent's turn in the loop. */
void notify_run(struct notify *);
void notify_wait(struct notify *);

/* What was asked for by SIGHUP is done by the next notify_run(). */
void notify_reloading(struct notify *);
void notify_stopping(struct notify *);

#endif /* agent/notify.h */
