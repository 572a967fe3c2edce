/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "agent/control.h"

#include <limits.h>
#include <stdlib.h>
#include "agent/agent.h"
#include "agent/control-commands.h"
#include "agent/reply.h"
#include "openvswitch/poll-loop.h"
#include "unixctl.h"
#include "util.h"

static unixctl_cb_func handle_exit;

static void
register_command(struct control *c, const char *words, const char *args,
                 unixctl_cb_func *cb)
{
    char *name = xstrdup(words);
    for (char *p = name; (p = strchr(p, ' ')); ) {
        *p = '/';
    }
    unixctl_command_register(name, args, 0, INT_MAX, cb, c);
    free(name);
}

struct control *
control_create(struct agent *agent)
{
    struct control *c = xzalloc(sizeof *c);
    c->agent = agent;
    ovs_list_init(&c->deferred);
    ovs_list_init(&c->shown);
#define COMMAND(HANDLER, WORDS, ARGS, HELP) \
    register_command(c, WORDS, ARGS, control_##HANDLER);
#define LOCAL_COMMAND(HANDLER, WORDS, ARGS, HELP)
#include "agent/commands.def"
    register_command(c, "attach many", "LINES", control_attach_many);
    register_command(c, "detach netns", "NETNS", control_detach_netns);
    register_command(c, "exit", "", handle_exit);
    return c;
}

void
control_destroy(struct control *c)
{
    control_run_deferred(c, true);
    control_run_shown(c, true);
    free(c);
}

/* A cleanup ends the daemon. */
void
control_run(struct control *c)
{
    char *error = NULL;
    control_run_deferred(c, false);
    control_run_shown(c, false);
    if (!c->cleanup || !agent_is_clean(c->agent, &error)) {
        return;
    }
    if (error) {
        unixctl_command_reply_error(c->cleanup, error);
        free(error);
    } else {
        unixctl_command_reply(c->cleanup, "every trace is removed; weftd "
                              "stops");
    }
    c->cleanup = NULL;
    c->exiting = true;
}

void
control_wait(struct control *c)
{
    control_wait_deferred(c);
    control_wait_shown(c);
}

bool
control_exiting(const struct control *c)
{
    return c->exiting;
}

void
control_directory_reload(struct unixctl_conn *conn, int argc,
                         const char *argv[], void *c_)
{
    struct control *c = c_;
    (void) reply_take_json(&argc, argv);
    if (!reply_check_args(conn, argc, argv, 0, "")) {
        return;
    }
    agent_reread(c->agent);
    if (!c->agent->adopted) {
        reply_error(conn, xstrdup("the database has not been read yet: see "
                                  "\"weft status\""));
        return;
    }
    if (c->agent->filewatch) {
        filewatch_run(c->agent->filewatch);
    }
    const char *refusal = directory_refusal(c->agent->directory);
    if (refusal) {
        unixctl_command_reply_error(conn, refusal);
    } else {
        unixctl_command_reply(conn, NULL);
    }
}

void
control_directory_accept(struct unixctl_conn *conn, int argc,
                         const char *argv[], void *c_)
{
    struct control *c = c_;
    (void) reply_take_json(&argc, argv);
    if (!reply_check_args(conn, argc, argv, 0, "")) {
        return;
    }
    char *error = agent_accept(c->agent);
    if (error) {
        reply_error(conn, error);
    } else {
        unixctl_command_reply(conn, NULL);
    }
}

void
control_cleanup(struct unixctl_conn *conn, int argc, const char *argv[],
                void *c_)
{
    struct control *c = c_;
    (void) reply_take_json(&argc, argv);
    if (argc != 2 || strcmp(argv[1], "--yes")) {
        reply_error(conn, xasprintf("cleanup: this detaches every endpoint "
                                    "of this host: \"weft cleanup --yes\""));
        return;
    }
    if (c->cleanup) {
        reply_error(conn, xstrdup("cleanup: is under way"));
        return;
    }
    c->cleanup = conn;
    agent_clean(c->agent);
}

static void
handle_exit(struct unixctl_conn *conn, int argc OVS_UNUSED,
            const char *argv[] OVS_UNUSED, void *c_)
{
    struct control *c = c_;
    unixctl_command_reply(conn, NULL);
    c->exiting = true;
    poll_immediate_wake();
}
