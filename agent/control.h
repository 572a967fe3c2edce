/* SPDX-License-Identifier: Apache-2.0 */

#ifndef AGENT_CONTROL_H
#define AGENT_CONTROL_H 1

/* The control commands, over Open vSwitch's unixctl: what `weft` and
 * `ovs-appctl -t weftd` ask.  Each takes --json. */

#include <stdbool.h>

struct agent;
struct control;

struct control *control_create(struct agent *);
void control_destroy(struct control *);
/* Ends what several iterations take. */
void control_run(struct control *);
void control_wait(struct control *);
/* Has the daemon been asked to end? */
bool control_exiting(const struct control *);

#endif /* agent/control.h */
