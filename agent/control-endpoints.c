/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "agent/control-commands.h"

#include <stdlib.h>
#include "agent/agent.h"
#include "agent/netns.h"
#include "agent/reply.h"
#include "agent/ticket.h"
#include "openvswitch/poll-loop.h"
#include "overlay/publish.h"
#include "timeval.h"
#include "util.h"

/* How long an attach waits for the directory to tell who is on its network. */
enum { DEFER_MAX_MS = 2000 };

/* Lines of one `attach --file`. */
enum { ATTACH_LINES_MAX = 65536 };

static bool
is_other(uint32_t vni, const struct in6_addr *ip, struct eth_addr mac,
         struct admit_other *other, const void *remotes)
{
    struct remote_info info;
    bool found = (ip ? remotes_by_ip(remotes, vni, ip, &info)
                  : remotes_by_mac(remotes, vni, mac, &info));
    if (found) {
        *other = (struct admit_other) { info.name, info.host };
    }
    return found;
}

/* NULL, or why nothing can be attached now. */
static char *
get_host(const struct control *c, struct admit_host *host)
{
    const struct directory *d = c->agent->directory;
    *host = (struct admit_host) {
        .list = directory_list(d),
        .self = directory_self(d),
        .file = directory_name(d),
        .mtu = c->agent->mtu,
        .is_other = c->agent->remotes ? is_other : NULL,
        .other_aux = c->agent->remotes,
    };
    return (c->cleanup ? xstrdup("weftd is being cleaned up")
            : host->list ? NULL
            : xasprintf("no list of networks is in force: %s",
                        directory_refusal(d) ? directory_refusal(d)
                        : c->agent->shared
                        && !shared_connected(c->agent->shared)
                        ? "the directory does not answer"
                        : "it is not read yet"));
}

struct deferred {
    struct ovs_list node;           /* In struct control's 'deferred'. */
    struct attach_request *req;     /* Owned. */
    struct endpoints_waiter waiter;
    long long int since;
};

/* Has the directory not been heard of yet, after a start? */
static bool
is_starting(const struct control *c)
{
    const struct directory *d = c->agent->directory;
    return c->agent->shared && !directory_list(d) && !directory_refusal(d);
}

/* Is it known who else is on the network that is asked for? */
static bool
is_network_known(const struct control *c, const struct attach_request *req)
{
    const struct peerlist *list = directory_list(c->agent->directory);
    if (!c->agent->shared || !list) {
        return !is_starting(c);
    }
    const char *name = req->network;
    if (!name && shash_count(&list->networks) == 1) {
        name = shash_first(&list->networks)->name;
    }
    return (!name || !peerlist_network(list, name)
            || shared_is_watched(c->agent->shared, name));
}

static void
attach_now(struct control *c, const struct attach_request *req,
           const struct endpoints_waiter *w)
{
    struct admit_host host;
    char *error = get_host(c, &host);
    if (error) {
        w->done(w->aux, w->item, error);
        free(error);
    } else {
        endpoints_attach(c->agent->endpoints, req, &host, w);
    }
}

static void
free_request(struct attach_request *req)
{
    attach_request_finish(req);
    free(req);
}

void
control_run_deferred(struct control *c, bool stop)
{
    struct deferred *d;
    LIST_FOR_EACH_SAFE (d, node, &c->deferred) {
        if (stop) {
            d->waiter.done(d->waiter.aux, d->waiter.item,
                           "weftd is stopping");
        } else if (is_network_known(c, d->req)
                   || time_msec() >= d->since + DEFER_MAX_MS) {
            attach_now(c, d->req, &d->waiter);
        } else {
            continue;
        }
        ovs_list_remove(&d->node);
        free_request(d->req);
        free(d);
    }
}

void
control_wait_deferred(struct control *c)
{
    const struct deferred *d;
    LIST_FOR_EACH (d, node, &c->deferred) {
        poll_timer_wait_until(d->since + DEFER_MAX_MS);
    }
}

static void
attach_words(struct control *c, struct ticket *t, int argc,
             const char *const argv[], int item, request_parse_func *parse)
{
    struct attach_request req;
    struct admit_host host;
    /* Only whether it would do. */
    char *error = is_starting(c) ? NULL : get_host(c, &host);
    if (!error) {
        error = parse(argc, argv, &req);
    }
    if (error) {
        ticket_fail(t, item, error);
        free(error);
        return;
    }
    if (!t->many) {
        t->name = (req.name ? xstrdup(req.name)
                   : request_default_name(req.netns));
        t->print_qemu = req.print_qemu;
    }
    struct endpoints_waiter w = ticket_item(t, item);
    if (is_network_known(c, &req)) {
        attach_now(c, &req, &w);
    } else {
        struct deferred *d = xmalloc(sizeof *d);
        d->req = attach_request_clone(&req);
        d->waiter = w;
        d->since = time_msec();
        ovs_list_push_back(&c->deferred, &d->node);
    }
    attach_request_finish(&req);
}

static void
attach_one(struct unixctl_conn *conn, int argc, const char *argv[],
           struct control *c, request_parse_func *parse)
{
    bool json = reply_take_json(&argc, argv);
    struct ticket *t = ticket_create(c->agent, conn, "attached", false, json);
    attach_words(c, t, argc - 1, argv + 1, 0, parse);
    ticket_close(t);
}

void
control_attach(struct unixctl_conn *conn, int argc, const char *argv[],
               void *c)
{
    attach_one(conn, argc, argv, c, attach_request_parse);
}

void
control_tap(struct unixctl_conn *conn, int argc, const char *argv[], void *c)
{
    attach_one(conn, argc, argv, c, tap_request_parse);
}

static void
attach_line(struct control *c, struct ticket *t, const char *text, int line)
{
    char **words = NULL;
    int n = 0;
    char *error = request_split(text, &n, &words);
    if (error) {
        ticket_fail(t, line, error);
        free(error);
        return;
    }
    if (n) {
        attach_words(c, t, n, (const char *const *) words, line,
                     attach_request_parse);
    }
    request_words_free(words);
}

/* Its one argument is the list's text. */
void
control_attach_many(struct unixctl_conn *conn, int argc, const char *argv[],
                    void *c_)
{
    struct control *c = c_;
    bool json = reply_take_json(&argc, argv);
    if (!reply_check_args(conn, argc, argv, 1, "LINES")) {
        return;
    }
    struct ticket *t = ticket_create(c->agent, conn, "attached", true, json);
    char *copy = xstrdup(argv[1]);
    char *rest = copy;
    for (int line = 1; rest && line <= ATTACH_LINES_MAX; line++) {
        attach_line(c, t, strsep(&rest, "\n"), line);
    }
    if (rest && *rest) {
        ticket_fail(t, ATTACH_LINES_MAX + 1, "and the lines after it are too "
                    "many for one list");
    }
    free(copy);
    ticket_close(t);
}

static void
detach_all(struct control *c, struct ticket *t, const struct sset *names)
{
    const char *name;
    SSET_FOR_EACH (name, names) {
        struct endpoints_waiter w = ticket_item(t, 0);
        endpoints_detach(c->agent->endpoints, name, &w);
    }
    ticket_close(t);
}

/* The names that the arguments of a detach tell, or an owned message. */
static char *
get_names(const struct control *c, int argc, const char *argv[], bool all,
          struct sset *names)
{
    if (argc < 2) {
        return xstrdup("detach: which endpoint? give names, or --all");
    }
    if (all) {
        endpoints_names(c->agent->endpoints, NULL, names);
        return NULL;
    }
    for (int i = 1; i < argc; i++) {
        if (argv[i][0] == '-') {
            return xasprintf("detach: unknown option \"%s\"", argv[i]);
        }
        sset_add(names, argv[i]);
    }
    return NULL;
}

void
control_detach(struct unixctl_conn *conn, int argc, const char *argv[],
               void *c_)
{
    struct control *c = c_;
    bool json = reply_take_json(&argc, argv);
    bool all = argc == 2 && !strcmp(argv[1], "--all");
    struct sset names = SSET_INITIALIZER(&names);
    char *error = get_names(c, argc, argv, all, &names);
    if (error) {
        reply_error(conn, error);
    } else {
        detach_all(c, ticket_create(c->agent, conn, "detached", all, json),
                   &names);
    }
    sset_destroy(&names);
}

/* What `weft netns del` asks before it removes the namespace. */
void
control_detach_netns(struct unixctl_conn *conn, int argc, const char *argv[],
                     void *c_)
{
    struct control *c = c_;
    if (!reply_check_args(conn, argc, argv, 1, "NETNS")) {
        return;
    }
    char *path = netns_path(argv[1]);
    struct sset names = SSET_INITIALIZER(&names);
    endpoints_names(c->agent->endpoints, path, &names);
    free(path);
    detach_all(c, ticket_create(c->agent, conn, "detached", false, false),
               &names);
    sset_destroy(&names);
}

/* Leads the port to endpoint 'name'; NULL: nowhere any more. */
static void
change_publish(struct control *c, struct ticket *t, const char *name,
               const struct publish *p)
{
    struct endpoints *endpoints = c->agent->endpoints;
    struct endpoints_waiter w = ticket_item(t, 0);
    if (!name) {
        endpoints_unpublish(endpoints, p, &w);
        return;
    }
    char *error = endpoints_publish(endpoints, name, p,
                                    directory_name(c->agent->directory), &w);
    if (error) {
        w.done(w.aux, w.item, error);
        free(error);
    }
}

/* Adds ('add') or removes the ports of each argument. */
static void
change_publishes(struct unixctl_conn *conn, int argc, const char *argv[],
                 struct control *c, bool add)
{
    bool json = reply_take_json(&argc, argv);
    if (argc < 2) {
        reply_error(conn, xasprintf("%s: which ports?", argv[0]));
        return;
    }
    struct ticket *t = ticket_create(c->agent, conn, add ? "published"
                                     : "unpublished", false, json);
    for (int i = 1; i < argc; i++) {
        struct publish p;
        char *name = NULL;
        char *error = (add ? publish_parse(argv[i], &name, &p)
                       : publish_parse_port(argv[i], &p));
        if (error) {
            ticket_fail(t, 0, error);
            free(error);
        } else {
            change_publish(c, t, name, &p);
        }
        free(name);
    }
    ticket_close(t);
}

void
control_publish(struct unixctl_conn *conn, int argc, const char *argv[],
                void *c)
{
    change_publishes(conn, argc, argv, c, true);
}

void
control_unpublish(struct unixctl_conn *conn, int argc, const char *argv[],
                  void *c)
{
    change_publishes(conn, argc, argv, c, false);
}
