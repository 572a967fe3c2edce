/* SPDX-License-Identifier: Apache-2.0 */

#ifndef AGENT_WEFT_ASK_H
#define AGENT_WEFT_ASK_H 1

/* `weft`'s talk with the daemon, over Open vSwitch's unixctl. */

#include "agent/weft.h"

/* Asks for 'method', prints the answer or why there is none, and returns the
 * exit code. */
int weft_ask(const struct weft_target *, const char *method, int argc,
             char *argv[]);

#endif /* agent/weft-ask.h */
