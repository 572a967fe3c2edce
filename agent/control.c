/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "agent/control.h"

#include <limits.h>
#include <stdlib.h>
#include "agent/agent.h"
#include "agent/netns.h"
#include "agent/show.h"
#include "overlay/publish.h"
#include "openvswitch/poll-loop.h"
#include "overlay/view.h"
#include "unixctl.h"
#include "util.h"

/* Lines of one `attach --file`. */
enum { ATTACH_LINES_MAX = 65536 };

/* A request on its way: one command, one or many items. */
struct ticket {
    struct control *control;
    struct unixctl_conn *conn;
    size_t pending;             /* Items without an end, and 1 while they are
                                 * being handed out. */
    size_t n, n_failed;
    bool many, json;
    bool print_qemu;            /* Answer with options for qemu. */
    char *name;                 /* Of one endpoint, to show; or NULL. */
    const char *verb;           /* "attached" */
    struct ds errors;
};

struct control {
    struct agent *agent;
    struct unixctl_conn *cleanup;   /* Waits for the end of it, or NULL. */
    bool exiting;
};

#define COMMAND(HANDLER, WORDS, ARGS, HELP) \
    static unixctl_cb_func handle_##HANDLER;
#define LOCAL_COMMAND(HANDLER, WORDS, ARGS, HELP)
#include "agent/commands.def"
static unixctl_cb_func handle_attach_many;
static unixctl_cb_func handle_detach_netns;
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
#define COMMAND(HANDLER, WORDS, ARGS, HELP) \
    register_command(c, WORDS, ARGS, handle_##HANDLER);
#define LOCAL_COMMAND(HANDLER, WORDS, ARGS, HELP)
#include "agent/commands.def"
    register_command(c, "attach many", "LINES", handle_attach_many);
    register_command(c, "detach netns", "NETNS", handle_detach_netns);
    register_command(c, "exit", "", handle_exit);
    return c;
}

void
control_destroy(struct control *c)
{
    free(c);
}

/* A cleanup ends the daemon. */
void
control_run(struct control *c)
{
    char *error = NULL;
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

bool
control_exiting(const struct control *c)
{
    return c->exiting;
}

/* Takes --json out of the arguments: moves it behind them, because the caller
 * frees each of them once. */
static bool
take_json(int *argc, const char *argv[])
{
    int all = *argc;
    int n = 0;
    for (int i = 0; i < all; i++) {
        const char *arg = argv[i];
        if (!i || strcmp(arg, "--json")) {
            argv[i] = argv[n];
            argv[n++] = arg;
        }
    }
    *argc = n;
    return n < all;
}

static void
reply_json(struct unixctl_conn *conn, struct json *json)
{
    char *text = json_to_string(json, JSSF_PRETTY | JSSF_SORT);
    unixctl_command_reply(conn, text);
    free(text);
    json_destroy(json);
}

static void
reply_rows(struct unixctl_conn *conn, struct json *rows, bool json,
           const struct view_column *columns)
{
    if (json) {
        reply_json(conn, rows);
        return;
    }
    struct ds s = DS_EMPTY_INITIALIZER;
    view_table(rows, columns, &s);
    unixctl_command_reply(conn, ds_cstr(&s));
    ds_destroy(&s);
    json_destroy(rows);
}

static void
reply_object(struct unixctl_conn *conn, struct json *object, bool json)
{
    if (json) {
        reply_json(conn, object);
        return;
    }
    struct ds s = DS_EMPTY_INITIALIZER;
    view_object(object, &s);
    unixctl_command_reply(conn, ds_cstr(&s));
    ds_destroy(&s);
    json_destroy(object);
}

static void
reply_error(struct unixctl_conn *conn, char *error)
{
    unixctl_command_reply_error(conn, error);
    free(error);
}

/* "weft COMMAND" takes 'n' words, or the reply says so. */
static bool
check_args(struct unixctl_conn *conn, int argc, const char *argv[], int n,
           const char *usage)
{
    if (argc == n + 1) {
        return true;
    }
    reply_error(conn, xasprintf("%s: usage: %s %s", argv[0], argv[0], usage));
    return false;
}

/* Tickets. */

static struct ticket *
ticket_create(struct control *c, struct unixctl_conn *conn, const char *verb,
              bool many, bool json)
{
    struct ticket *t = xzalloc(sizeof *t);
    t->control = c;
    t->conn = conn;
    t->pending = 1;
    t->verb = verb;
    t->many = many;
    t->json = json;
    ds_init(&t->errors);
    return t;
}

static void
ticket_reply(struct ticket *t)
{
    struct endpoints *endpoints = t->control->agent->endpoints;
    if (t->n_failed && t->many) {
        ds_put_format(&t->errors, "%"PRIuSIZE" %s, %"PRIuSIZE" failed",
                      t->n - t->n_failed, t->verb, t->n_failed);
    }
    if (t->n_failed) {
        unixctl_command_reply_error(t->conn, ds_cstr(&t->errors));
    } else if (t->name) {
        struct json *row = endpoints_show(endpoints, t->name);
        const struct endpoint *ep = endpoints_find(endpoints, t->name);
        if (t->print_qemu && ep) {
            char *words = show_qemu(t->control->agent, ep);
            unixctl_command_reply(t->conn, words);
            free(words);
            json_destroy(row);
        } else if (row) {
            reply_object(t->conn, row, t->json);
        } else {
            unixctl_command_reply(t->conn, NULL);
        }
    } else {
        char *text = (t->json ? xasprintf("{\"%s\":%"PRIuSIZE"}", t->verb,
                                          t->n)
                      : t->many ? xasprintf("%"PRIuSIZE" %s", t->n, t->verb)
                      : NULL);
        unixctl_command_reply(t->conn, text);
        free(text);
    }
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

static void
ticket_item_done(void *t_, int item, const char *error)
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

static struct endpoints_waiter
ticket_item(struct ticket *t, int item)
{
    t->pending++;
    t->n++;
    return (struct endpoints_waiter) { ticket_item_done, t, item };
}

/* Attach. */

/* NULL, or why nothing can be attached now. */
static char *
get_host(struct control *c, struct admit_host *host)
{
    const struct directory *d = c->agent->directory;
    *host = (struct admit_host) {
        .list = directory_list(d),
        .self = directory_self(d),
        .file = directory_path(d),
        .mtu = c->agent->mtu,
    };
    return (c->cleanup ? xstrdup("weftd is being cleaned up")
            : host->list ? NULL
            : xasprintf("no peer file is in force: %s",
                        directory_refusal(d) ? directory_refusal(d)
                        : "it is not read yet"));
}

typedef char *parse_func(int argc, const char *const argv[],
                         struct attach_request *);

static void
attach_words(struct ticket *t, int argc, const char *const argv[], int item,
             parse_func *parse)
{
    struct endpoints_waiter w = ticket_item(t, item);
    struct attach_request req;
    struct admit_host host;
    char *error = get_host(t->control, &host);
    if (!error) {
        error = parse(argc, argv, &req);
    }
    if (error) {
        ticket_item_done(t, item, error);
        free(error);
        return;
    }
    if (!t->many) {
        t->name = (req.name ? xstrdup(req.name)
                   : request_default_name(req.netns));
        t->print_qemu = req.print_qemu;
    }
    endpoints_attach(t->control->agent->endpoints, &req, &host, &w);
    attach_request_finish(&req);
}

static void
handle_attach(struct unixctl_conn *conn, int argc, const char *argv[],
              void *c)
{
    bool json = take_json(&argc, argv);
    struct ticket *t = ticket_create(c, conn, "attached", false, json);
    attach_words(t, argc - 1, argv + 1, 0, attach_request_parse);
    ticket_unref(t);
}

static void
handle_tap(struct unixctl_conn *conn, int argc, const char *argv[], void *c)
{
    bool json = take_json(&argc, argv);
    struct ticket *t = ticket_create(c, conn, "attached", false, json);
    attach_words(t, argc - 1, argv + 1, 0, tap_request_parse);
    ticket_unref(t);
}

/* Its one argument is the list's text. */
static void
handle_attach_many(struct unixctl_conn *conn, int argc, const char *argv[],
                   void *c)
{
    bool json = take_json(&argc, argv);
    if (!check_args(conn, argc, argv, 1, "LINES")) {
        return;
    }
    struct ticket *t = ticket_create(c, conn, "attached", true, json);
    char *copy = xstrdup(argv[1]);
    char *rest = copy;
    for (int line = 1; rest && line <= ATTACH_LINES_MAX; line++) {
        char *text = strsep(&rest, "\n");
        char **words = NULL;
        int n = 0;
        char *error = request_split(text, &n, &words);
        if (error) {
            t->n++;
            t->pending++;
            ticket_item_done(t, line, error);
            free(error);
        } else if (n) {
            attach_words(t, n, (const char *const *) words, line,
                         attach_request_parse);
        }
        if (!error) {
            request_words_free(words);
        }
    }
    if (rest) {
        t->n++;
        t->pending++;
        ticket_item_done(t, ATTACH_LINES_MAX + 1, "and the lines after it are "
                         "too many for one list");
    }
    free(copy);
    ticket_unref(t);
}

static void
handle_detach(struct unixctl_conn *conn, int argc, const char *argv[],
              void *c_)
{
    struct control *c = c_;
    bool json = take_json(&argc, argv);
    struct sset names = SSET_INITIALIZER(&names);
    bool all = argc == 2 && !strcmp(argv[1], "--all");
    if (all) {
        endpoints_names(c->agent->endpoints, NULL, &names);
    }
    for (int i = 1; i < argc && !all; i++) {
        if (argv[i][0] == '-') {
            reply_error(conn, xasprintf("detach: unknown option \"%s\"",
                                        argv[i]));
            sset_destroy(&names);
            return;
        }
        sset_add(&names, argv[i]);
    }
    if (argc < 2) {
        reply_error(conn, xasprintf("detach: which endpoint? give names, or "
                                    "--all"));
    } else {
        struct ticket *t = ticket_create(c, conn, "detached", all, json);
        const char *name;
        SSET_FOR_EACH (name, &names) {
            struct endpoints_waiter w = ticket_item(t, 0);
            endpoints_detach(c->agent->endpoints, name, &w);
        }
        ticket_unref(t);
    }
    sset_destroy(&names);
}

/* What `weft netns del` asks before it removes the namespace. */
static void
handle_detach_netns(struct unixctl_conn *conn, int argc, const char *argv[],
                    void *c_)
{
    struct control *c = c_;
    if (!check_args(conn, argc, argv, 1, "NETNS")) {
        return;
    }
    char *path = netns_path(argv[1]);
    struct sset names = SSET_INITIALIZER(&names);
    endpoints_names(c->agent->endpoints, path, &names);
    free(path);

    struct ticket *t = ticket_create(c, conn, "detached", false, false);
    const char *name;
    SSET_FOR_EACH (name, &names) {
        struct endpoints_waiter w = ticket_item(t, 0);
        endpoints_detach(c->agent->endpoints, name, &w);
    }
    ticket_unref(t);
    sset_destroy(&names);
}

/* Published ports. */

/* Adds ('add') or removes the ports of each argument. */
static void
change_publishes(struct unixctl_conn *conn, int argc, const char *argv[],
                 struct control *c, bool add)
{
    bool json = take_json(&argc, argv);
    if (argc < 2) {
        reply_error(conn, xasprintf("%s: which ports?", argv[0]));
        return;
    }
    struct endpoints *endpoints = c->agent->endpoints;
    struct ticket *t = ticket_create(c, conn, add ? "published"
                                     : "unpublished", false, json);
    for (int i = 1; i < argc; i++) {
        struct endpoints_waiter w = ticket_item(t, 0);
        struct publish p;
        char *name = NULL;
        char *error = (add ? publish_parse(argv[i], &name, &p)
                       : publish_parse_port(argv[i], &p));
        if (!error && add) {
            error = endpoints_publish(endpoints, name, &p,
                                      directory_path(c->agent->directory),
                                      &w);
        } else if (!error) {
            endpoints_unpublish(endpoints, &p, &w);
        }
        if (error) {
            ticket_item_done(t, 0, error);
            free(error);
        }
        free(name);
    }
    ticket_unref(t);
}

static void
handle_publish(struct unixctl_conn *conn, int argc, const char *argv[],
               void *c)
{
    change_publishes(conn, argc, argv, c, true);
}

static void
handle_unpublish(struct unixctl_conn *conn, int argc, const char *argv[],
                 void *c)
{
    change_publishes(conn, argc, argv, c, false);
}

/* Shows. */

/* "endpoint" of "endpoint/list".  Owned. */
static char *
listing_of(const char *command)
{
    return xmemdup0(command, strcspn(command, "/"));
}

static void
handle_list(struct unixctl_conn *conn, int argc, const char *argv[], void *c_)
{
    struct control *c = c_;
    bool json = take_json(&argc, argv);
    if (check_args(conn, argc, argv, 0, "")) {
        const struct view_column *columns;
        char *what = listing_of(argv[0]);
        struct json *rows = show_list(c->agent, what, &columns);
        reply_rows(conn, rows, json, columns);
        free(what);
    }
}

static void
handle_show(struct unixctl_conn *conn, int argc, const char *argv[], void *c_)
{
    struct control *c = c_;
    bool json = take_json(&argc, argv);
    if (!check_args(conn, argc, argv, 1, "NAME")) {
        return;
    }
    char *what = listing_of(argv[0]);
    struct json *row = show_one(c->agent, what, argv[1]);
    if (row) {
        reply_object(conn, row, json);
    } else {
        reply_error(conn, xasprintf("no %s \"%s\": see \"weft %s list\"",
                                    what, argv[1], what));
    }
    free(what);
}

static void
handle_status(struct unixctl_conn *conn, int argc, const char *argv[],
              void *c_)
{
    struct control *c = c_;
    bool json = take_json(&argc, argv);
    if (!check_args(conn, argc, argv, 0, "")) {
        return;
    }
    struct json *status = show_status(c->agent);
    if (json) {
        reply_json(conn, status);
        return;
    }
    struct ds s = DS_EMPTY_INITIALIZER;
    view_status(status, &s);
    unixctl_command_reply(conn, ds_cstr(&s));
    ds_destroy(&s);
    json_destroy(status);
}

static void
handle_who(struct unixctl_conn *conn, int argc, const char *argv[], void *c_)
{
    struct control *c = c_;
    bool json = take_json(&argc, argv);
    if (!check_args(conn, argc, argv, 1, "IFNAME")) {
        return;
    }
    struct json *object;
    char *error = show_who(c->agent, argv[1], &object);
    if (error) {
        reply_error(conn, error);
    } else {
        reply_object(conn, object, json);
    }
}

/* The rest. */

static void
handle_directory_reload(struct unixctl_conn *conn, int argc,
                        const char *argv[], void *c_)
{
    struct control *c = c_;
    (void) take_json(&argc, argv);
    if (!check_args(conn, argc, argv, 0, "")) {
        return;
    }
    directory_reread(c->agent->directory);
    if (!c->agent->adopted) {
        reply_error(conn, xstrdup("the database has not been read yet: see "
                                  "\"weft status\""));
        return;
    }
    directory_run(c->agent->directory);
    const char *refusal = directory_refusal(c->agent->directory);
    if (refusal) {
        unixctl_command_reply_error(conn, refusal);
    } else {
        unixctl_command_reply(conn, NULL);
    }
}

static void
handle_directory_accept(struct unixctl_conn *conn, int argc,
                        const char *argv[], void *c_)
{
    struct control *c = c_;
    (void) take_json(&argc, argv);
    if (!check_args(conn, argc, argv, 0, "")) {
        return;
    }
    char *error = directory_accept(c->agent->directory);
    if (error) {
        reply_error(conn, error);
    } else {
        unixctl_command_reply(conn, NULL);
    }
}

static void
handle_cleanup(struct unixctl_conn *conn, int argc, const char *argv[],
               void *c_)
{
    struct control *c = c_;
    (void) take_json(&argc, argv);
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
