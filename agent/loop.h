/* SPDX-License-Identifier: Apache-2.0 */

#ifndef AGENT_LOOP_H
#define AGENT_LOOP_H 1

/* libevent as a guest of Open vSwitch's poll loop: poll_block() is the loop,
 * and libevent's fds, timers and signals take part in it.  Used for what OVS's
 * library has no better way: signals, and the fds that are ours alone.
 *
 * A callback must not block, and no event may watch an fd that OVS owns. */

#include <event2/event.h>

struct event_base *loop_create(void);
void loop_destroy(struct event_base *);

/* Runs the callbacks of what has happened. */
void loop_run(struct event_base *);

/* Makes the next poll_block() wake up for what libevent waits for. */
void loop_wait(struct event_base *);

#endif /* agent/loop.h */
