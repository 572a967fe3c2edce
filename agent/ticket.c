/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "agent/ticket.h"

#include <stdlib.h>
#include "agent/agent.h"
#include "agent/reply.h"
#include "agent/show.h"
#include "unixctl.h"
#include "util.h"

static void ticket_reply(struct ticket *);
static void ticket_unref(struct ticket *);
static void item_done(void *ticket, int item, const char *error);

struct ticket *
ticket_create(struct agent *agent, struct unixctl_conn *conn,
              const char *verb, bool many, bool json)
{
    struct ticket *t = xzalloc(sizeof *t);
    t->agent = agent;
    t->conn = conn;
    t->pending = 1;
    t->verb = verb;
    t->many = many;
    t->json = json;
    ds_init(&t->errors);
    return t;
}

void
ticket_close(struct ticket *t)
{
    ticket_unref(t);
}

struct endpoints_waiter
ticket_item(struct ticket *t, int item)
{
    t->pending++;
    t->n++;
    return (struct endpoints_waiter) { item_done, t, item };
}

void
ticket_fail(struct ticket *t, int item, const char *error)
{
    struct endpoints_waiter w = ticket_item(t, item);
    w.done(w.aux, w.item, error);
}

static void
item_done(void *t_, int item, const char *error)
{
    struct ticket *t = t_;
    if (error) {
        t->n_failed++;
        if (t->many && item) {
            ds_put_format(&t->errors, "line %d: ", item);
        }
        ds_put_format(&t->errors, "%s\n", error);
    }
    ticket_unref(t);
}

static void
ticket_unref(struct ticket *t)
{
    if (!--t->pending) {
        ticket_reply(t);
        ds_destroy(&t->errors);
        free(t->name);
        free(t);
    }
}

/* The endpoint, as the command wants to see it. */
static void
reply_endpoint(const struct ticket *t)
{
    const struct endpoint *ep = endpoints_find(t->agent->endpoints, t->name);
    struct json *row = endpoints_show(t->agent->endpoints, t->name);
    if (t->print_qemu && ep) {
        char *words = show_qemu(t->agent, ep);
        unixctl_command_reply(t->conn, words);
        free(words);
        json_destroy(row);
    } else if (row) {
        reply_view(t->conn, row, t->json, view_object);
    } else {
        unixctl_command_reply(t->conn, NULL);
    }
}

static void
ticket_reply(struct ticket *t)
{
    if (t->n_failed && t->many) {
        ds_put_format(&t->errors, "%"PRIuSIZE" %s, %"PRIuSIZE" failed",
                      t->n - t->n_failed, t->verb, t->n_failed);
    }
    if (t->n_failed) {
        unixctl_command_reply_error(t->conn, ds_cstr(&t->errors));
    } else if (t->name) {
        reply_endpoint(t);
    } else {
        char *text = (t->json ? xasprintf("{\"%s\":%"PRIuSIZE"}", t->verb,
                                          t->n)
                      : t->many ? xasprintf("%"PRIuSIZE" %s", t->n, t->verb)
                      : NULL);
        unixctl_command_reply(t->conn, text);
        free(text);
    }
}
