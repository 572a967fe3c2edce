/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "agent/control-commands.h"

#include <stdlib.h>
#include <string.h>
#include "agent/agent.h"
#include "agent/reply.h"
#include "agent/show.h"
#include "overlay/view.h"
#include "unixctl.h"
#include "util.h"

/* "endpoint" of "endpoint/list".  Owned. */
static char *
listing_of(const char *command)
{
    return xmemdup0(command, strcspn(command, "/"));
}

void
control_list(struct unixctl_conn *conn, int argc, const char *argv[], void *c_)
{
    struct control *c = c_;
    bool json = reply_take_json(&argc, argv);
    if (reply_check_args(conn, argc, argv, 0, "")) {
        const struct view_column *columns;
        char *what = listing_of(argv[0]);
        struct json *rows = show_list(c->agent, what, &columns);
        reply_rows(conn, rows, json, columns);
        free(what);
    }
}

void
control_show(struct unixctl_conn *conn, int argc, const char *argv[], void *c_)
{
    struct control *c = c_;
    bool json = reply_take_json(&argc, argv);
    if (!reply_check_args(conn, argc, argv, 1, "NAME")) {
        return;
    }
    char *what = listing_of(argv[0]);
    struct json *row = show_one(c->agent, what, argv[1]);
    if (row) {
        reply_view(conn, row, json, view_object);
    } else {
        reply_error(conn, xasprintf("no %s \"%s\": see \"weft %s list\"",
                                    what, argv[1], what));
    }
    free(what);
}

void
control_status(struct unixctl_conn *conn, int argc, const char *argv[],
               void *c_)
{
    struct control *c = c_;
    bool json = reply_take_json(&argc, argv);
    if (reply_check_args(conn, argc, argv, 0, "")) {
        reply_view(conn, show_status(c->agent), json, view_status);
    }
}

void
control_who(struct unixctl_conn *conn, int argc, const char *argv[], void *c_)
{
    struct control *c = c_;
    bool json = reply_take_json(&argc, argv);
    if (!reply_check_args(conn, argc, argv, 1, "IFNAME")) {
        return;
    }
    struct json *object;
    char *error = show_who(c->agent, argv[1], &object);
    if (error) {
        reply_error(conn, error);
    } else {
        reply_view(conn, object, json, view_object);
    }
}
