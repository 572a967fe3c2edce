/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "agent/control-commands.h"

#include <stdlib.h>
#include <string.h>
#include "agent/agent.h"
#include "agent/reply.h"
#include "agent/show.h"
#include "openvswitch/poll-loop.h"
#include "overlay/view.h"
#include "timeval.h"
#include "unixctl.h"
#include "util.h"

/* How long `endpoint show` waits for what the switch has counted. */
enum { COUNTERS_MAX_MS = 2000 };

/* An endpoint to be shown. */
struct shown {
    struct ovs_list node;           /* In struct control's 'shown'. */
    struct unixctl_conn *conn;
    char *name;                     /* Owned. */
    bool json;
    struct ofswitch_question question;
    long long int since;
};

static void shown_reply(struct control *, struct shown *);

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

/* Takes over 'row'; NULL: there is none. */
static void
reply_one(struct unixctl_conn *conn, const char *what, const char *name,
          struct json *row, bool json)
{
    if (row) {
        reply_view(conn, row, json, view_object);
    } else {
        reply_error(conn, xasprintf("no %s \"%s\": see \"weft %s list\"",
                                    what, name, what));
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
    struct shown *shown = xzalloc(sizeof *shown);
    if (!strcmp(what, "endpoint")
        && show_ask_refused(c->agent, argv[1], &shown->question)) {
        shown->conn = conn;
        shown->name = xstrdup(argv[1]);
        shown->json = json;
        shown->since = time_msec();
        ovs_list_push_back(&c->shown, &shown->node);
    } else {
        reply_one(conn, what, argv[1], show_one(c->agent, what, argv[1]),
                  json);
        free(shown);
    }
    free(what);
}

void
control_run_shown(struct control *c, bool stop)
{
    struct shown *s;
    LIST_FOR_EACH_SAFE (s, node, &c->shown) {
        if (s->question.answer != ANSWER_AWAITED || stop
            || time_msec() >= s->since + COUNTERS_MAX_MS) {
            shown_reply(c, s);
            ovs_list_remove(&s->node);
            ofswitch_question_finish(&s->question);
            free(s->name);
            free(s);
        }
    }
}

void
control_wait_shown(struct control *c)
{
    const struct shown *s;
    LIST_FOR_EACH (s, node, &c->shown) {
        poll_timer_wait_until(s->since + COUNTERS_MAX_MS);
    }
}

/* Also without the counters, and then with the reason. */
static void
shown_reply(struct control *c, struct shown *s)
{
    struct json *row = show_one(c->agent, "endpoint", s->name);
    if (row) {
        show_put_refused(&s->question, row);
    }
    reply_one(s->conn, "endpoint", s->name, row, s->json);
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
