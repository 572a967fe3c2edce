/* SPDX-License-Identifier: Apache-2.0 */

#ifndef AGENT_CONTROL_COMMANDS_H
#define AGENT_CONTROL_COMMANDS_H 1

/* The handlers of the commands, and what they share: nobody but the control
 * files includes this.  control.c registers the handlers; it has those of the
 * daemon and its directory, control-endpoints.c those that change endpoints,
 * control-show.c those that only look.  Their 'aux' is a struct control. */

#include "agent/control.h"
#include "openvswitch/list.h"
#include "unixctl.h"

struct control {
    struct agent *agent;            /* Borrowed. */
    struct unixctl_conn *cleanup;   /* Waits for the end of it, or NULL. */
    struct ovs_list deferred;       /* Attaches that wait until it is known who
                                     * else is on their network. */
    struct ovs_list shown;          /* Endpoints to show that wait for what the
                                     * switch has counted. */
    bool exiting;
};

#define COMMAND(HANDLER, WORDS, ARGS, HELP) \
    unixctl_cb_func control_##HANDLER;
#define LOCAL_COMMAND(HANDLER, WORDS, ARGS, HELP)
#include "agent/commands.def"
/* Asked by `weft` for `attach --file` and `netns del`. */
unixctl_cb_func control_attach_many;
unixctl_cb_func control_detach_netns;

/* Goes on with those that are deferred; 'stop': tells them that it is over. */
void control_run_deferred(struct control *, bool stop);
void control_wait_deferred(struct control *);
/* Likewise with those of control-show.c. */
void control_run_shown(struct control *, bool stop);
void control_wait_shown(struct control *);

#endif /* agent/control-commands.h */
