/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "agent/control.h"

#include <limits.h>
#include <stdlib.h>
#include "agent/agent.h"
#include "agent/netns.h"
#include "agent/who.h"
#include "openvswitch/poll-loop.h"
#include "overlay/address.h"
#include "overlay/peerlist.h"
#include "overlay/view.h"
#include "packets.h"
#include "svec.h"
#include "timeval.h"
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

/* The member 'key' of the row whose "name" is 'name'; an owned clone. */
static struct json *
find_row(const struct json *rows, const char *name)
{
    for (size_t i = 0; i < json_array(rows)->n; i++) {
        struct json *row = json_array(rows)->elems[i];
        if (!strcmp(json_string(shash_find_data(json_object(row), "name")),
                    name)) {
            return json_clone(row);
        }
    }
    return NULL;
}

static void
reply_row(struct unixctl_conn *conn, struct json *rows, const char *what,
          const char *name, bool json)
{
    struct json *row = find_row(rows, name);
    json_destroy(rows);
    if (row) {
        reply_object(conn, row, json);
    } else {
        reply_error(conn, xasprintf("no %s \"%s\": see \"weft %s list\"",
                                    what, name, what));
    }
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
        if (row) {
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

static void
attach_words(struct ticket *t, int argc, const char *const argv[], int item)
{
    struct endpoints_waiter w = ticket_item(t, item);
    struct attach_request req;
    struct admit_host host;
    char *error = get_host(t->control, &host);
    if (!error) {
        error = attach_request_parse(argc, argv, &req);
    }
    if (error) {
        ticket_item_done(t, item, error);
        free(error);
        return;
    }
    if (!t->many) {
        t->name = (req.name ? xstrdup(req.name)
                   : request_default_name(req.netns));
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
    attach_words(t, argc - 1, argv + 1, 0);
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
            attach_words(t, n, (const char *const *) words, line);
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

/* Lists. */

static void
handle_endpoint_list(struct unixctl_conn *conn, int argc, const char *argv[],
                     void *c_)
{
    static const struct view_column columns[] = {
        { "name", "ENDPOINT" }, { "network", "NETWORK" }, { "ip", "ADDRESS" },
        { "netns", "NETNS" }, { "ifname", "IFNAME" }, { "state", "STATE" },
        { "reason", "" }, { NULL, NULL },
    };
    struct control *c = c_;
    bool json = take_json(&argc, argv);
    if (check_args(conn, argc, argv, 0, "")) {
        reply_rows(conn, endpoints_to_json(c->agent->endpoints), json,
                   columns);
    }
}

static void
handle_endpoint_show(struct unixctl_conn *conn, int argc, const char *argv[],
                     void *c_)
{
    struct control *c = c_;
    bool json = take_json(&argc, argv);
    if (check_args(conn, argc, argv, 1, "ENDPOINT")) {
        reply_row(conn, endpoints_to_json(c->agent->endpoints), "endpoint",
                  argv[1], json);
    }
}

static struct json *
prefixes_to_json(const struct prefix *prefixes, size_t n)
{
    struct json *array = json_array_create_empty();
    for (size_t i = 0; i < n; i++) {
        struct ds s = DS_EMPTY_INITIALIZER;
        prefix_format(&prefixes[i], &s);
        json_array_add(array, json_string_create_nocopy(ds_steal_cstr(&s)));
    }
    return array;
}

static struct json *
networks_to_json(struct control *c)
{
    const struct peerlist *list = directory_list(c->agent->directory);
    struct json *rows = json_array_create_empty();
    if (!list) {
        return rows;
    }
    const struct shash_node **nodes = shash_sort(&list->networks);
    for (size_t i = 0; i < shash_count(&list->networks); i++) {
        const struct network *net = nodes[i]->data;
        struct json *row = json_object_create();
        json_object_put_string(row, "name", net->name);
        json_object_put(row, "vni", json_integer_create(net->vni));
        json_object_put(row, "subnet", prefixes_to_json(net->subnets,
                                                        net->n_subnets));
        json_object_put(row, "mtu", json_integer_create(c->agent->mtu));

        struct json *slices = json_array_create_empty();
        for (size_t j = 0; j < net->n_subnets; j++) {
            struct prefix slice;
            char *error = address_slice(list,
                                        directory_self(c->agent->directory),
                                        &net->subnets[j], &slice);
            if (!error) {
                struct ds s = DS_EMPTY_INITIALIZER;
                prefix_format(&slice, &s);
                json_array_add(slices,
                               json_string_create_nocopy(ds_steal_cstr(&s)));
            }
            free(error);
        }
        json_object_put(row, "slice", slices);
        json_array_add(rows, row);
    }
    free(nodes);
    return rows;
}

static void
handle_network_list(struct unixctl_conn *conn, int argc, const char *argv[],
                    void *c)
{
    static const struct view_column columns[] = {
        { "name", "NETWORK" }, { "vni", "VNI" }, { "subnet", "SUBNET" },
        { "slice", "THIS HOST'S SLICE" }, { "mtu", "MTU" }, { NULL, NULL },
    };
    bool json = take_json(&argc, argv);
    if (check_args(conn, argc, argv, 0, "")) {
        reply_rows(conn, networks_to_json(c), json, columns);
    }
}

static void
handle_network_show(struct unixctl_conn *conn, int argc, const char *argv[],
                    void *c)
{
    bool json = take_json(&argc, argv);
    if (check_args(conn, argc, argv, 1, "NETWORK")) {
        reply_row(conn, networks_to_json(c), "network", argv[1], json);
    }
}

static const char *
bfd_name(enum switchdb_bfd bfd)
{
    switch (bfd) {
    case BFD_NONE: return "none";
    case BFD_DOWN: return "down";
    case BFD_INIT: return "init";
    case BFD_UP: return "up";
    }
    OVS_NOT_REACHED();
}

static struct json *
peer_to_json(struct control *c, const struct peer *peer)
{
    const struct peer *self = directory_self(c->agent->directory);
    struct json *row = json_object_create();
    json_object_put_string(row, "name", peer->name);
    struct ds s = DS_EMPTY_INITIALIZER;
    address_format(&peer->address, &s);
    json_object_put_string(row, "address", ds_cstr(&s));
    ds_destroy(&s);
    if (peer->n_slices) {
        json_object_put(row, "slice", prefixes_to_json(peer->slices,
                                                       peer->n_slices));
    }
    if (peer == self) {
        json_object_put_string(row, "tunnel", "(this host)");
        return row;
    }
    struct tunnel_status t;
    tunnels_status(c->agent->tunnels, peer->name, &t);
    json_object_put(row, "port",
                    json_integer_create(peerlist_port(self, peer)));
    json_object_put_string(row, "tunnel", t.port ? t.port : "");
    json_object_put_string(row, "bfd", bfd_name(t.bfd));
    if (t.bfd != BFD_UP && t.reason) {
        json_object_put_string(row, "reason", t.reason);
    }
    return row;
}

static struct json *
peers_to_json(struct control *c)
{
    const struct peerlist *list = directory_list(c->agent->directory);
    struct json *rows = json_array_create_empty();
    if (list) {
        const struct shash_node **nodes = shash_sort(&list->peers);
        for (size_t i = 0; i < shash_count(&list->peers); i++) {
            json_array_add(rows, peer_to_json(c, nodes[i]->data));
        }
        free(nodes);
    }
    return rows;
}

static void
handle_peer_list(struct unixctl_conn *conn, int argc, const char *argv[],
                 void *c)
{
    static const struct view_column columns[] = {
        { "name", "PEER" }, { "address", "ADDRESS" }, { "tunnel", "TUNNEL" },
        { "bfd", "BFD" }, { "reason", "" }, { NULL, NULL },
    };
    bool json = take_json(&argc, argv);
    if (check_args(conn, argc, argv, 0, "")) {
        reply_rows(conn, peers_to_json(c), json, columns);
    }
}

static void
handle_peer_show(struct unixctl_conn *conn, int argc, const char *argv[],
                 void *c)
{
    bool json = take_json(&argc, argv);
    if (check_args(conn, argc, argv, 1, "PEER")) {
        reply_row(conn, peers_to_json(c), "peer", argv[1], json);
    }
}

/* Status. */

static struct json *
reports_to_json(const struct agent *a)
{
    struct json *array = json_array_create_empty();
    for (size_t i = 0; i < a->n_reports; i++) {
        long long int age = (time_msec() - a->reports[i].when) / 1000;
        if (age <= REPORT_AGE_MAX_S) {
            struct json *o = json_object_create();
            json_object_put(o, "seconds_ago", json_integer_create(age));
            json_object_put_string(o, "text", a->reports[i].text);
            json_array_add(array, o);
        }
    }
    return array;
}

static void
put_summary(struct agent *a, struct json *o)
{
    const struct peerlist *list = directory_list(a->directory);
    const struct peer *self = directory_self(a->directory);
    if (self) {
        struct ds s = DS_EMPTY_INITIALIZER;
        address_format(&self->address, &s);
        json_object_put_format(o, "host", "%s, %s", self->name, ds_cstr(&s));
        ds_destroy(&s);
    }
    json_object_put_format(o, "bridge", "%s, datapath %s", a->settings->bridge,
                           a->datapath ? a->datapath : "not known yet");
    json_object_put_format(o, "directory",
                           "%s, %"PRIuSIZE" networks, %"PRIuSIZE" peers",
                           directory_path(a->directory),
                           list ? shash_count(&list->networks) : 0,
                           list ? shash_count(&list->peers) : 0);

    size_t n_tunnels = 0, tunnels_up = 0, endpoints_up;
    struct shash_node *node;
    if (list) {
        SHASH_FOR_EACH (node, &list->peers) {
            struct tunnel_status t;
            tunnels_status(a->tunnels, node->name, &t);
            n_tunnels += node->data != self;
            tunnels_up += node->data != self && t.bfd == BFD_UP;
        }
    }
    size_t n = endpoints_count(a->endpoints, &endpoints_up);
    json_object_put_format(o, "tunnels", "%"PRIuSIZE" of %"PRIuSIZE" up",
                           tunnels_up, n_tunnels);
    json_object_put_format(o, "endpoints", "%"PRIuSIZE" of %"PRIuSIZE" up",
                           endpoints_up, n);
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
    struct json *o = json_object_create();
    struct svec problems = SVEC_EMPTY_INITIALIZER;
    agent_problems(c->agent, &problems);
    json_object_put(o, "healthy", json_boolean_create(!problems.n));
    struct json *array = json_array_create_empty();
    const char *problem;
    size_t i;
    SVEC_FOR_EACH (i, problem, &problems) {
        json_array_add(array, json_string_create(problem));
    }
    svec_destroy(&problems);
    json_object_put(o, "problems", array);
    json_object_put(o, "reports", reports_to_json(c->agent));
    put_summary(c->agent, o);
    if (json) {
        reply_json(conn, o);
        return;
    }
    struct ds s = DS_EMPTY_INITIALIZER;
    view_status(o, &s);
    unixctl_command_reply(conn, ds_cstr(&s));
    ds_destroy(&s);
    json_destroy(o);
}

/* Who. */

static void
put_link(struct json *o, const struct rtnl_link *link)
{
    json_object_put_string(o, "name", link->name);
    json_object_put(o, "ifindex", json_integer_create(link->ifindex));
    json_object_put_string(o, "kind", link->kind[0] ? link->kind : "(device)");
    json_object_put_format(o, "mac", ETH_ADDR_FMT, ETH_ADDR_ARGS(link->mac));
    json_object_put(o, "mtu", json_integer_create(link->mtu));
    json_object_put_string(o, "link", link->flags & IFF_UP ? "up" : "down");
}

static void
put_peer_end(struct json *o, const struct who *who)
{
    switch (who->where) {
    case WHO_PEER_NONE:
        return;
    case WHO_PEER_HERE:
        json_object_put_string(o, "peer", who->peer.name);
        return;
    case WHO_PEER_HIDDEN:
        json_object_put_format(o, "peer", "ifindex %d, in a namespace that "
                               "has neither a name nor a process",
                               who->link.peer_ifindex);
        return;
    case WHO_PEER_INSIDE:
        json_object_put_string(o, "peer", who->peer.name);
        json_object_put_format(o, "peer-mac", ETH_ADDR_FMT,
                               ETH_ADDR_ARGS(who->peer.mac));
        json_object_put_string(o, "netns", who->netns);
        break;
    }
    struct json *processes = json_array_create_empty();
    for (size_t i = 0; i < who->n_processes; i++) {
        json_array_add(processes, json_string_create_nocopy(
            xasprintf("%ld (%s)", (long int) who->processes[i].pid,
                      who->processes[i].comm)));
    }
    json_object_put(o, "processes", processes);
}

static void
handle_who(struct unixctl_conn *conn, int argc, const char *argv[], void *c_)
{
    struct control *c = c_;
    bool json = take_json(&argc, argv);
    struct who who;
    if (!check_args(conn, argc, argv, 1, "IFNAME")) {
        return;
    }
    char *error = who_lookup(argv[1], &who);
    if (error) {
        reply_error(conn, error);
        return;
    }
    struct json *o = json_object_create();
    put_link(o, &who.link);
    put_peer_end(o, &who);
    const struct switchdb_port *port = switchdb_find_port(c->agent->db,
                                                          who.link.name);
    const struct endpoint *ep = endpoints_find_port(c->agent->endpoints,
                                                    who.link.name);
    if (port) {
        json_object_put(o, "ofport",
                        json_integer_create(ofp_to_u16(port->ofport)));
    }
    if (ep) {
        json_object_put_format(o, "endpoint", "%s on network %s", ep->name,
                               ep->network);
    }
    who_finish(&who);
    reply_object(conn, o, json);
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
