/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "agent/endpoints.h"

#include <stdlib.h>
#include <unistd.h>
#include "agent/links.h"
#include "agent/netns.h"
#include "flow.h"
#include "hmapx.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "overlay/address.h"
#include "overlay/announce.h"
#include "overlay/claims.h"
#include "overlay/compile.h"
#include "packets.h"
#include "sset.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(endpoints);

enum {
    /* A link is gone at once, its namespace a little later. */
    LINK_CHECK_DELAY_MS = 50,

    /* vswitchd goes through all its ports for every change, so new endpoints
     * wait until the ones before them have their ports.  If several came at
     * once then, the next ones wait a little for as many: */
    GATHER_PART = 2,                /* this part of what the last ones took, */
    GATHER_MAX_MS = 50,             /* at most this. */
    HOLD_MAX_MS = 1000,             /* A port that never comes holds nobody. */
};

/*
 *  attach            row in a txn          row there        flows acknowledged
 * --------> S_NEW ---------------> S_WRITING -----> S_PORT -----> S_FLOWS --> S_UP
 *            ^  ^    (link made as     |              ^ ofport known           |
 *            |  |     it is sent)      | txn failed   |                        |
 *            |  +----------------------+              |      link lost, or its |
 *            |                                        |   place taken: S_CLOSE |
 *            +------- row deleted by somebody         |                        v
 *                                                 S_OPEN <---- S_CLOSING <-- S_CLOSE
 *                                      type put back   vswitchd has let go; link made
 *
 * Any of them goes to S_LEAVING by detach, by a failed attach, or when the
 * namespace has gone.  Flows go first, so that traffic stops at once; then the
 * row, and with it the attachment; the link and the port's name stay retired
 * until vswitchd says that it has let go of the port.
 *
 * S_NEW, S_CLOSE, S_OPEN and S_LEAVING have something to write: they are in
 * 'todo'.
 */
enum state {
    S_NEW,
    S_WRITING,
    S_PORT,
    S_FLOWS,
    S_UP,
    S_CLOSE,
    S_CLOSING,
    S_OPEN,
    S_LEAVING,
};

static const char *
state_name(enum state state)
{
    switch (state) {
    case S_NEW:
    case S_WRITING: return "waiting for the database";
    case S_PORT: return "waiting for the switch to open its port";
    case S_FLOWS: return "waiting for its flows";
    case S_UP: return "up";
    case S_CLOSE:
    case S_CLOSING:
    case S_OPEN: return "its link is being made again";
    case S_LEAVING: return "being detached";
    }
    OVS_NOT_REACHED();
}

struct waiter {
    struct ovs_list node;
    struct endpoints_waiter w;
};

/* The link of an endpoint that is gone, as long as vswitchd may have it open:
 * the port's name must not be used again yet. */
struct retired {
    int ifindex;                    /* 0: it is gone already. */
    int64_t cfg;                    /* vswitchd's configuration without it. */
};

struct attachment {
    struct endpoint ep;
    enum state state;
    int netns;                      /* fd, until the link is made; or -1. */
    int ifindex;                    /* Of the host's end; 0: none. */
    bool row;                       /* Is in the database. */
    bool announced;
    bool explicit_mac;
    ofp_port_t ofport;              /* 0: none. */
    uint32_t vni;                   /* 0: its network is not listed. */
    struct plan share;              /* What the switch has of it. */
    uint64_t flow_seqno;            /* Covers 'share'; 0: not sent yet. */
    long long int check_at;         /* Look at its link; LLONG_MAX: need not.*/
    char *problem;                  /* Why it is not up, or NULL. */
    char *failure;                  /* S_LEAVING: why the attach failed. */
    struct ovs_list attachers;      /* Contains struct waiter. */
    struct ovs_list detachers;
};

struct endpoints {
    char *bridge;
    struct shash by_name;           /* Contains struct attachment. */
    struct shash retired;           /* Contains struct retired, by port. */
    struct claims claims;
    struct hmapx opening;           /* Wait for their ports. */
    long long int opening_since;    /* time_msec() */
    long long int opening_took;     /* The last time, in ms. */
    long long int opened_at;        /* When the last ones had their ports. */
    size_t n_opening;               /* How many they were, */
    size_t n_expected;              /* and with those that waited meanwhile. */
    long long int gather_until;     /* 0: nobody waits. */
    struct hmapx todo;              /* Have something to write. */
    struct hmapx written;           /* Are in the transaction just composed. */
    struct hmapx inflight;          /* Are in the one on its way. */
    struct hmapx unsent;            /* Shares changed since the last commit. */
    struct hmapx unacked;           /* Flows sent, not acknowledged. */
    struct hmapx checks;            /* Have a 'check_at'. */
    const struct peerlist *list;    /* Borrowed, or NULL. */
    bool netdev;
    int mtu;
    struct switchdb *db;
    struct ofswitch *sw;
    struct kernel *kernel;
    struct reaper *reaper;
    const struct endpoints_ops *ops;
    void *aux;
};

static struct attachment *new_attachment(struct endpoints *,
                                         struct endpoint *, enum state);
static void free_attachment(struct endpoints *, struct attachment *);
static struct attachment *find(const struct endpoints *, const char *name);
static void add_waiter(struct ovs_list *, const struct endpoints_waiter *);
static void tell(struct ovs_list *waiters, const char *error);
static void set_problem(struct attachment *, char *);
static void update_share(struct endpoints *, struct attachment *);
static void rewrite(struct endpoints *, struct attachment *);
static void advance(struct endpoints *, struct attachment *);
static bool hold_new(struct endpoints *);
static size_t count_new(const struct endpoints *);
static void opened(struct endpoints *, struct attachment *);
static void leave(struct endpoints *, struct attachment *);
static void finish_leaving(struct endpoints *, struct attachment *);
static void retire_link(struct endpoints *, struct retired *);
static void retire_inside(struct endpoints *, int netns, const char *ifname);
static int open_netns(const struct attachment *, char **errorp);
static void make_link(struct endpoints *, struct attachment *);
static void check_link(struct endpoints *, struct attachment *);
static void check_soon(struct endpoints *, struct attachment *, int delay_ms);
static void adopt(struct endpoints *, const struct switchdb_port *);
static void announce(struct endpoints *, struct attachment *);
static struct attachment *find_port(const struct endpoints *,
                                    const char *port);
static bool port_taken(const char *port, const void *endpoints);
static struct json *attachment_to_json(const struct attachment *);

struct endpoints *
endpoints_create(const char *bridge, struct switchdb *db, struct ofswitch *sw,
                 struct kernel *kernel, struct reaper *reaper,
                 const struct endpoints_ops *ops, void *aux)
{
    struct endpoints *e = xzalloc(sizeof *e);
    e->bridge = xstrdup(bridge);
    shash_init(&e->by_name);
    shash_init(&e->retired);
    claims_init(&e->claims);
    hmapx_init(&e->opening);
    hmapx_init(&e->todo);
    hmapx_init(&e->written);
    hmapx_init(&e->inflight);
    hmapx_init(&e->unsent);
    hmapx_init(&e->unacked);
    hmapx_init(&e->checks);
    e->db = db;
    e->sw = sw;
    e->kernel = kernel;
    e->reaper = reaper;
    e->ops = ops;
    e->aux = aux;
    return e;
}

void
endpoints_destroy(struct endpoints *e)
{
    if (e) {
        struct shash_node *node;
        SHASH_FOR_EACH_SAFE (node, &e->by_name) {
            free_attachment(e, node->data);
        }
        shash_destroy(&e->by_name);
        SHASH_FOR_EACH (node, &e->retired) {
            retire_link(e, node->data);     /* Nobody else will. */
        }
        shash_destroy_free_data(&e->retired);
        claims_destroy(&e->claims);
        hmapx_destroy(&e->opening);
        hmapx_destroy(&e->todo);
        hmapx_destroy(&e->written);
        hmapx_destroy(&e->inflight);
        hmapx_destroy(&e->unsent);
        hmapx_destroy(&e->unacked);
        hmapx_destroy(&e->checks);
        free(e->bridge);
        free(e);
    }
}

/* The end of a request that has no attachment. */
static void
answer(const struct endpoints_waiter *w, char *error)
{
    w->done(w->aux, w->item, error);
    free(error);
}

void
endpoints_attach(struct endpoints *e, const struct attach_request *req,
                 const struct admit_host *host,
                 const struct endpoints_waiter *w)
{
    char *error = NULL;
    char *path = netns_path(req->netns);
    int netns = netns_open(path, &error);
    struct endpoint ep;
    const struct endpoint *existing = NULL;
    if (!error) {
        struct admit_host h = *host;
        h.port_taken = port_taken;
        h.aux = e;
        error = admit_endpoint(req, path, &h, &e->claims, &ep, &existing);
    }
    if (!error && !existing) {
        retire_inside(e, netns, req->ifname);
        error = links_refuse_inside(netns, path, req->ifname, e->reaper);
        if (error) {
            endpoint_finish(&ep);
        }
    }
    free(path);

    if (error || existing) {
        if (netns >= 0) {
            close(netns);
        }
        struct attachment *a = existing ? find(e, existing->name) : NULL;
        if (!a || a->state == S_UP) {
            answer(w, error);
        } else if (a->state == S_LEAVING) {
            answer(w, xasprintf("endpoint %s is being detached: try again",
                                a->ep.name));
        } else {
            add_waiter(&a->attachers, w);
        }
        return;
    }
    struct netns_id id;
    if (!strncmp(ep.netns, "/proc/", 6) && !netns_id(netns, &id)) {
        ep.netns_ino = id.ino;
    }
    struct attachment *a = new_attachment(e, &ep, S_NEW);
    a->netns = netns;
    a->explicit_mac = !eth_addr_is_zero(req->mac);
    add_waiter(&a->attachers, w);
    hmapx_add(&e->todo, a);
}

void
endpoints_detach(struct endpoints *e, const char *name,
                 const struct endpoints_waiter *w)
{
    struct attachment *a = find(e, name);
    if (!a) {
        answer(w, NULL);            /* Nothing is left: what was asked for. */
        return;
    }
    add_waiter(&a->detachers, w);
    if (a->state != S_LEAVING) {
        set_problem(a, NULL);
        free(a->failure);
        a->failure = xstrdup("it was detached meanwhile");
        leave(e, a);
    }
}

void
endpoints_set_list(struct endpoints *e, const struct peerlist *list)
{
    e->list = list;
    struct shash_node *node;
    SHASH_FOR_EACH (node, &e->by_name) {
        update_share(e, node->data);
        advance(e, node->data);
    }
}

void
endpoints_set_netdev(struct endpoints *e, bool netdev)
{
    e->netdev = netdev;
}

void
endpoints_set_mtu(struct endpoints *e, int mtu)
{
    if (mtu == e->mtu) {
        return;
    }
    e->mtu = mtu;
    struct shash_node *node;
    SHASH_FOR_EACH (node, &e->by_name) {
        const struct attachment *a = node->data;
        if (!a->ep.mtu && a->ifindex) {
            links_set_mtu(kernel_rtnl(e->kernel), &a->ep, a->ifindex, mtu);
        }
    }
}

void
endpoints_sweep(struct endpoints *e)
{
    struct sset ports = SSET_INITIALIZER(&ports);
    struct shash_node *node;
    SHASH_FOR_EACH (node, &e->by_name) {
        const struct attachment *a = node->data;
        sset_add(&ports, a->ep.port);
    }
    struct links_orphan *orphans;
    size_t n = links_find_orphans(kernel_rtnl(e->kernel), e->bridge, &ports,
                                  &orphans);
    for (size_t i = 0; i < n; i++) {
        e->ops->report(e->aux, "link %s belonged to an endpoint that is not "
                       "in the database any more: removed", orphans[i].name);
        reaper_add(e->reaper, orphans[i].ifindex);
    }
    free(orphans);
    sset_destroy(&ports);
}

void
endpoints_port_changed(struct endpoints *e, const struct switchdb_port *port)
{
    struct attachment *a = find(e, port->endpoint.name);
    if (!a) {
        adopt(e, port);
        return;
    }
    if (strcmp(a->ep.port, port->name)) {
        return;                     /* A second row of that name. */
    }
    a->row = true;
    if (a->state == S_WRITING) {
        a->state = S_PORT;
    }
    if (!endpoint_equal(&a->ep, &port->endpoint)) {
        rewrite(e, a);
    }
    ofp_port_t ofport = port->reopening ? 0 : port->ofport;
    if (port->ofport || port->error) {
        opened(e, a);
    }
    if (a->ofport != ofport) {
        a->ofport = ofport;
        update_share(e, a);
    }
    if (a->state != S_LEAVING) {
        set_problem(a, port->error && !port->reopening
                    ? xasprintf("the switch: %s", port->error) : NULL);
    }
    if (a->state == S_CLOSING && port->reopening && !port->ofport) {
        make_link(e, a);
        if (a->state == S_CLOSING) {
            a->state = S_OPEN;
            hmapx_add(&e->todo, a);
        }
    }
    advance(e, a);
}

bool
endpoints_port_broken(struct endpoints *e, const char *port)
{
    struct attachment *a = find_port(e, port);
    if (a) {
        rewrite(e, a);
    }
    return a != NULL;
}

void
endpoints_port_gone(struct endpoints *e, const struct switchdb_port *port)
{
    struct attachment *a = find(e, port->endpoint.name);
    if (!a || strcmp(a->ep.port, port->name)) {
        return;
    }
    a->row = false;
    a->ofport = 0;
    update_share(e, a);
    if (a->state == S_LEAVING) {
        finish_leaving(e, a);
    } else {
        e->ops->report(e->aux, "endpoint %s: port %s was deleted: made again",
                       a->ep.name, a->ep.port);
        a->state = S_NEW;
        hmapx_add(&e->todo, a);
    }
}

void
endpoints_link_changed(struct endpoints *e, const struct rtnl_link *link,
                       bool deleted)
{
    struct attachment *a = find_port(e, link->name);
    if (!a || !a->ifindex || a->state == S_LEAVING) {
        return;
    }
    if (deleted || link->ifindex != a->ifindex || !(link->flags & IFF_UP)) {
        check_soon(e, a, LINK_CHECK_DELAY_MS);
    }
}

void
endpoints_links_unknown(struct endpoints *e)
{
    struct shash_node *node;
    SHASH_FOR_EACH (node, &e->by_name) {
        struct attachment *a = node->data;
        if (a->ifindex && a->state != S_LEAVING) {
            check_soon(e, a, LINK_CHECK_DELAY_MS);
        }
    }
}

void
endpoints_run(struct endpoints *e)
{
    struct hmapx_node *node;
    long long int now = time_msec();
    HMAPX_FOR_EACH_SAFE (node, &e->checks) {
        struct attachment *a = node->data;
        if (now >= a->check_at) {
            hmapx_delete(&e->checks, node);
            check_link(e, a);
        }
    }
}

void
endpoints_compose(struct endpoints *e)
{
    struct hmapx waiting = HMAPX_INITIALIZER(&waiting);
    bool hold = !hmapx_is_empty(&e->todo) && hold_new(e);
    struct hmapx_node *node;
    HMAPX_FOR_EACH_SAFE (node, &e->todo) {
        struct attachment *a = node->data;
        hmapx_delete(&e->todo, node);

        switch (a->state) {
        case S_NEW:
            if (hold || shash_find(&e->retired, a->ep.port)) {
                hmapx_add(&waiting, a);     /* endpoints_cfg_done() wakes. */
                break;
            }
            if (hmapx_is_empty(&e->opening)) {
                e->opening_since = time_msec();
                e->n_opening = 0;
            }
            hmapx_add(&e->opening, a);
            e->n_opening++;
            switchdb_put_endpoint(e->db, &a->ep);
            hmapx_add(&e->written, a);
            a->state = S_WRITING;
            break;
        case S_CLOSE:
            switchdb_close_port(e->db, a->ep.port);
            hmapx_add(&e->written, a);
            a->state = S_CLOSING;
            break;
        case S_OPEN:
            switchdb_open_port(e->db, a->ep.port);
            hmapx_add(&e->written, a);
            a->state = S_PORT;
            break;
        case S_LEAVING:
            if (a->row) {
                switchdb_del_port(e->db, a->ep.port);
                hmapx_add(&e->written, a);
            } else {
                finish_leaving(e, a);
            }
            break;
        case S_WRITING:
        case S_PORT:
        case S_FLOWS:
        case S_UP:
        case S_CLOSING:
            break;                  /* Nothing to write. */
        }
    }
    hmapx_swap(&e->todo, &waiting);
    hmapx_destroy(&waiting);
}

/* The transaction is on its way to the server, so the kernel may be touched:
 * a crash from here on leaves a row that the next start finishes. */
void
endpoints_composed(struct endpoints *e, uint64_t txn_seqno)
{
    if (!hmapx_is_empty(&e->written)) {
        VLOG_DBG("%"PRIuSIZE" endpoints in one transaction, the ports before "
                 "took %lld ms", hmapx_count(&e->written), e->opening_took);
    }
    struct hmapx_node *node;
    HMAPX_FOR_EACH_SAFE (node, &e->written) {
        struct attachment *a = node->data;
        hmapx_delete(&e->written, node);
        if (txn_seqno) {
            hmapx_add(&e->inflight, a);
        }
        if (a->state == S_WRITING && !a->ifindex) {
            make_link(e, a);
        }
    }
}

void
endpoints_txn_done(struct endpoints *e, bool success)
{
    struct hmapx_node *node;
    HMAPX_FOR_EACH_SAFE (node, &e->inflight) {
        struct attachment *a = node->data;
        hmapx_delete(&e->inflight, node);
        if (!success) {
            a->state = (a->state == S_WRITING ? S_NEW
                        : a->state == S_CLOSING ? S_CLOSE
                        : a->state);
            hmapx_add(&e->todo, a);
            continue;
        }
        /* Ordinarily the row's change has told already; not if the row was
         * what it should be. */
        const struct switchdb_port *port = switchdb_find_port(e->db,
                                                              a->ep.port);
        if (port && a->state == S_WRITING) {
            endpoints_port_changed(e, port);
        } else if (a->state == S_LEAVING) {
            a->row = port != NULL;
            finish_leaving(e, a);
        }
    }
}

void
endpoints_flows_sent(struct endpoints *e, uint64_t seqno)
{
    struct hmapx_node *node;
    HMAPX_FOR_EACH_SAFE (node, &e->unsent) {
        struct attachment *a = node->data;
        a->flow_seqno = seqno;
        hmapx_delete(&e->unsent, node);
        hmapx_add(&e->unacked, a);
    }
}

void
endpoints_flows_acked(struct endpoints *e, uint64_t seqno)
{
    struct hmapx_node *node;
    HMAPX_FOR_EACH_SAFE (node, &e->unacked) {
        struct attachment *a = node->data;
        if (a->flow_seqno <= seqno) {
            hmapx_delete(&e->unacked, node);
            if (a->state == S_LEAVING) {
                hmapx_add(&e->todo, a);
            } else if (a->state == S_FLOWS) {
                a->state = S_UP;
                announce(e, a);
                tell(&a->attachers, NULL);
            }
        }
    }
}

void
endpoints_switch_lost(struct endpoints *e)
{
    struct hmapx_node *node;
    HMAPX_FOR_EACH_SAFE (node, &e->unacked) {
        struct attachment *a = node->data;
        if (a->state == S_LEAVING) {
            hmapx_delete(&e->unacked, node);
            hmapx_add(&e->todo, a);
        }
    }
}

void
endpoints_cfg_done(struct endpoints *e, int64_t cfg)
{
    struct shash_node *node;
    SHASH_FOR_EACH_SAFE (node, &e->retired) {
        struct retired *r = node->data;
        if (r->cfg <= cfg) {
            retire_link(e, r);
            free(r);
            shash_delete(&e->retired, node);
        }
    }
}

void
endpoints_wait(struct endpoints *e)
{
    struct hmapx_node *node;
    HMAPX_FOR_EACH (node, &e->checks) {
        const struct attachment *a = node->data;
        poll_timer_wait_until(a->check_at);
    }
    if (e->gather_until) {
        poll_timer_wait_until(e->gather_until);
    }
    if (!hmapx_is_empty(&e->opening) && !hmapx_is_empty(&e->todo)) {
        poll_timer_wait_until(e->opening_since + HOLD_MAX_MS);
    }
}

void
endpoints_wanted(const struct endpoints *e, struct plan *plan)
{
    struct shash_node *node;
    SHASH_FOR_EACH (node, &e->by_name) {
        const struct attachment *a = node->data;
        plan_merge(plan, &a->share);
    }
}

struct json *
endpoints_to_json(const struct endpoints *e)
{
    const struct shash_node **nodes = shash_sort(&e->by_name);
    struct json *array = json_array_create_empty();
    for (size_t i = 0; i < shash_count(&e->by_name); i++) {
        json_array_add(array, attachment_to_json(nodes[i]->data));
    }
    free(nodes);
    return array;
}

struct json *
endpoints_show(const struct endpoints *e, const char *name)
{
    const struct attachment *a = find(e, name);
    return a ? attachment_to_json(a) : NULL;
}

size_t
endpoints_count(const struct endpoints *e, size_t *n_up)
{
    *n_up = 0;
    struct shash_node *node;
    SHASH_FOR_EACH (node, &e->by_name) {
        const struct attachment *a = node->data;
        *n_up += a->state == S_UP;
    }
    return shash_count(&e->by_name);
}

const struct endpoint *
endpoints_find(const struct endpoints *e, const char *name)
{
    const struct attachment *a = find(e, name);
    return a ? &a->ep : NULL;
}

const struct endpoint *
endpoints_find_port(const struct endpoints *e, const char *port)
{
    const struct attachment *a = find_port(e, port);
    return a ? &a->ep : NULL;
}

void
endpoints_names(const struct endpoints *e, const char *netns,
                struct sset *names)
{
    struct shash_node *node;
    SHASH_FOR_EACH (node, &e->by_name) {
        const struct attachment *a = node->data;
        if (!netns || !strcmp(a->ep.netns, netns)) {
            sset_add(names, a->ep.name);
        }
    }
}

static struct attachment *
new_attachment(struct endpoints *e, struct endpoint *ep, enum state state)
{
    struct attachment *a = xzalloc(sizeof *a);
    a->ep = *ep;                    /* Taken over. */
    a->state = state;
    a->netns = -1;
    a->check_at = LLONG_MAX;
    plan_init(&a->share);
    ovs_list_init(&a->attachers);
    ovs_list_init(&a->detachers);
    shash_add(&e->by_name, a->ep.name, a);
    claims_add(&e->claims, &a->ep);
    return a;
}

static void
free_attachment(struct endpoints *e, struct attachment *a)
{
    claims_remove(&e->claims, &a->ep);
    shash_find_and_delete(&e->by_name, a->ep.name);
    opened(e, a);
    hmapx_find_and_delete(&e->todo, a);
    hmapx_find_and_delete(&e->written, a);
    hmapx_find_and_delete(&e->inflight, a);
    hmapx_find_and_delete(&e->unsent, a);
    hmapx_find_and_delete(&e->unacked, a);
    hmapx_find_and_delete(&e->checks, a);
    tell(&a->attachers, a->failure ? a->failure : "weftd is stopping");
    tell(&a->detachers, NULL);
    if (a->netns >= 0) {
        close(a->netns);
    }
    plan_finish(&a->share);
    endpoint_finish(&a->ep);
    free(a->problem);
    free(a->failure);
    free(a);
}

static struct attachment *
find(const struct endpoints *e, const char *name)
{
    return shash_find_data(&e->by_name, name);
}

static void
add_waiter(struct ovs_list *waiters, const struct endpoints_waiter *w)
{
    struct waiter *waiter = xmalloc(sizeof *waiter);
    waiter->w = *w;
    ovs_list_push_back(waiters, &waiter->node);
}

static void
tell(struct ovs_list *waiters, const char *error)
{
    struct waiter *waiter;
    LIST_FOR_EACH_POP (waiter, node, waiters) {
        waiter->w.done(waiter->w.aux, waiter->w.item, error);
        free(waiter);
    }
}

static void
set_problem(struct attachment *a, char *problem)
{
    free(a->problem);
    a->problem = problem;
}

static void
update_share(struct endpoints *e, struct attachment *a)
{
    const struct network *net = (e->list ? peerlist_network(e->list,
                                                            a->ep.network)
                                 : NULL);
    struct plan now = PLAN_INITIALIZER(&now);
    a->vni = net ? net->vni : 0;
    if (a->vni && a->ofport && a->state != S_LEAVING) {
        compile_endpoint(&a->ep, a->vni, a->ofport, &now);
    }
    if (!plan_equal(&a->share, &now)) {
        ofswitch_change(e->sw, &a->share, &now);
        plan_swap(&a->share, &now);
        hmapx_add(&e->unsent, a);
        if (a->state == S_UP || a->state == S_FLOWS) {
            a->state = S_PORT;
        }
    }
    plan_finish(&now);
}

/* Somebody changed what the row remembers.  What is attached is what was asked
 * for, so the row is put right. */
static void
rewrite(struct endpoints *e, struct attachment *a)
{
    if (a->state == S_PORT || a->state == S_FLOWS || a->state == S_UP) {
        e->ops->report(e->aux, "endpoint %s: the external_ids of port %s were "
                       "changed: put right", a->ep.name, a->ep.port);
        a->state = S_NEW;
        hmapx_add(&e->todo, a);
    }
}

/* From S_PORT on when all is there. */
static void
advance(struct endpoints *e, struct attachment *a)
{
    if (a->state == S_PORT && a->ifindex && a->ofport && a->vni) {
        /* A switch that opened the link while we were making it has read its
         * flags before it was up, and written them back after.  If this
         * fails, the link has gone: we hear. */
        (void) rtnl_veth_up(kernel_rtnl(e->kernel), a->ifindex);
        a->state = S_FLOWS;
        if (!hmapx_contains(&e->unacked, a)) {
            hmapx_add(&e->unsent, a);
        }
    }
}

/* Are new endpoints to wait for more of them? */
static bool
hold_new(struct endpoints *e)
{
    long long int now = time_msec();
    if (!hmapx_is_empty(&e->opening)
        && now < e->opening_since + HOLD_MAX_MS) {
        return true;
    }
    if (!e->gather_until) {
        bool lately = now - e->opened_at <= e->opening_took;
        e->gather_until = now + (lately ? MIN(e->opening_took / GATHER_PART,
                                              GATHER_MAX_MS) : 0);
    }
    if (now < e->gather_until && count_new(e) < e->n_expected) {
        return true;
    }
    e->gather_until = 0;
    return false;
}

static size_t
count_new(const struct endpoints *e)
{
    size_t n = 0;
    struct hmapx_node *node;
    HMAPX_FOR_EACH (node, &e->todo) {
        const struct attachment *a = node->data;
        n += a->state == S_NEW;
    }
    return n;
}

/* 'a' has its port, or will not get one. */
static void
opened(struct endpoints *e, struct attachment *a)
{
    if (hmapx_find_and_delete(&e->opening, a)
        && hmapx_is_empty(&e->opening)) {
        e->opened_at = time_msec();
        e->opening_took = e->opened_at - e->opening_since;
        e->n_expected = e->n_opening + count_new(e);
    }
}

static void
leave(struct endpoints *e, struct attachment *a)
{
    opened(e, a);
    a->state = S_LEAVING;
    hmapx_find_and_delete(&e->checks, a);
    update_share(e, a);
    if (!hmapx_contains(&e->unsent, a) && !hmapx_contains(&e->unacked, a)) {
        hmapx_add(&e->todo, a);     /* Else endpoints_flows_acked() does. */
    }
}

/* Flows and row are both gone, or one of them still is not. */
static void
finish_leaving(struct endpoints *e, struct attachment *a)
{
    if (a->row || hmapx_contains(&e->unsent, a)
        || hmapx_contains(&e->unacked, a)
        || hmapx_contains(&e->written, a)
        || hmapx_contains(&e->inflight, a)) {
        return;
    }
    if (a->ifindex) {
        struct retired *r = xmalloc(sizeof *r);
        r->ifindex = a->ifindex;
        r->cfg = switchdb_cfg(e->db);
        if (r->cfg <= switchdb_cfg_done(e->db)
            || !ofswitch_connected(e->sw)) {
            retire_link(e, r);      /* vswitchd has nothing open. */
            free(r);
        } else {
            free(shash_replace(&e->retired, a->ep.port, r));
        }
    }
    free_attachment(e, a);
}

static void
retire_link(struct endpoints *e, struct retired *r)
{
    if (r->ifindex) {
        reaper_add(e->reaper, r->ifindex);
        r->ifindex = 0;
    }
}

/* A new endpoint wants a name inside that a retired link may still have: then
 * that goes now. */
static void
retire_inside(struct endpoints *e, int netns, const char *ifname)
{
    if (!shash_is_empty(&e->retired) && links_inside_exists(netns, ifname)) {
        struct shash_node *node;
        SHASH_FOR_EACH (node, &e->retired) {
            retire_link(e, node->data);
        }
    }
}

/* A pid is used again, by a process that nobody asked to attach. */
static int
open_netns(const struct attachment *a, char **errorp)
{
    int fd = netns_open(a->ep.netns, errorp);
    struct netns_id id;
    if (fd >= 0 && a->ep.netns_ino
        && (netns_id(fd, &id) || id.ino != a->ep.netns_ino)) {
        *errorp = xasprintf("%s is another namespace now", a->ep.netns);
        close(fd);
        fd = -1;
    }
    return fd;
}

static void
make_link(struct endpoints *e, struct attachment *a)
{
    char *error = NULL;
    if (a->netns < 0) {
        a->netns = open_netns(a, &error);
    }
    if (!error) {
        error = links_make(kernel_rtnl(e->kernel), e->reaper, e->bridge,
                           &a->ep, a->netns, e->mtu, e->netdev, &a->ifindex);
    }
    if (a->netns >= 0) {
        close(a->netns);
        a->netns = -1;
    }
    if (!error) {
        return;
    }
    VLOG_WARN("endpoint %s: %s", a->ep.name, error);
    if (ovs_list_is_empty(&a->attachers)) {
        e->ops->report(e->aux, "endpoint %s: %s: detached", a->ep.name, error);
    }
    free(a->failure);
    a->failure = error;
    leave(e, a);
}

/* Something happened to the host's end of the link. */
static void
check_link(struct endpoints *e, struct attachment *a)
{
    a->check_at = LLONG_MAX;
    if (a->state == S_LEAVING || a->state == S_NEW || a->state == S_WRITING) {
        return;                     /* Made, or unmade, anyway. */
    }
    int ifindex = links_find(kernel_rtnl(e->kernel), e->bridge, &a->ep);
    if (ifindex && ifindex == a->ifindex) {
        (void) rtnl_veth_up(kernel_rtnl(e->kernel), ifindex);
        return;                     /* If that fails, it has gone: we hear. */
    }

    a->ifindex = 0;
    char *error = NULL;
    int netns = open_netns(a, &error);
    if (netns < 0) {
        e->ops->report(e->aux, "endpoint %s: its namespace %s has gone: "
                       "detached", a->ep.name, a->ep.netns);
        free(error);
        leave(e, a);
        return;
    }
    close(netns);
    e->ops->report(e->aux, "endpoint %s: link %s was deleted or replaced: "
                   "made again", a->ep.name, a->ep.port);
    a->state = S_CLOSE;
    hmapx_add(&e->todo, a);
}

static void
check_soon(struct endpoints *e, struct attachment *a, int delay_ms)
{
    if (a->check_at == LLONG_MAX) {
        a->check_at = time_msec() + delay_ms;
        hmapx_add(&e->checks, a);
    }
}

/* A row that an earlier run of the agent wrote. */
static void
adopt(struct endpoints *e, const struct switchdb_port *port)
{
    struct endpoint ep;
    endpoint_clone(&ep, &port->endpoint);
    struct attachment *a = new_attachment(e, &ep, S_PORT);
    a->row = true;
    a->announced = true;
    a->ofport = port->reopening ? 0 : port->ofport;
    a->ifindex = links_find(kernel_rtnl(e->kernel), e->bridge, &a->ep);
    update_share(e, a);
    if (!a->ifindex) {
        /* So that check_link() takes its course. */
        check_soon(e, a, 0);
    } else if (port->reopening) {
        a->state = S_OPEN;
        hmapx_add(&e->todo, a);
    } else {
        if (port->error) {
            set_problem(a, xasprintf("the switch: %s", port->error));
        }
        advance(e, a);
    }
}

/* Who knew this MAC elsewhere hears the truth: the peers' switches.  Who knew
 * this address with another MAC, which only a MAC of the user's choice can
 * be, hears it as well: every endpoint. */
static void
announce(struct endpoints *e, struct attachment *a)
{
    if (a->announced) {
        return;
    }
    a->announced = true;
    char *actions = xasprintf("set_field:%"PRIu32"->reg0,resubmit(,%d)",
                              a->vni, (a->explicit_mac ? TABLE_FLOOD
                                       : TABLE_REPLICATE));
    for (size_t i = 0; i < a->ep.n_ips; i++) {
        struct dp_packet packet;
        dp_packet_init(&packet, 128);
        announce_compose(&packet, a->ep.mac, &a->ep.ips[i].addr,
                         a->explicit_mac);
        ofswitch_packet_out(e->sw, &packet, actions);
        dp_packet_uninit(&packet);
    }
    free(actions);
}

static struct attachment *
find_port(const struct endpoints *e, const char *port)
{
    const struct endpoint *ep = claims_by_port(&e->claims, port);
    return ep ? find(e, ep->name) : NULL;
}

static bool
port_taken(const char *port, const void *e_)
{
    const struct endpoints *e = e_;
    return (switchdb_name_taken(e->db, port)
            || links_is_foreign(kernel_rtnl(e->kernel), e->bridge, port));
}

static struct json *
attachment_to_json(const struct attachment *a)
{
    const struct endpoint *ep = &a->ep;
    struct json *o = json_object_create();
    json_object_put_string(o, "name", ep->name);
    json_object_put_string(o, "network", ep->network);

    struct json *ips = json_array_create_empty();
    for (size_t i = 0; i < ep->n_ips; i++) {
        struct ds s = DS_EMPTY_INITIALIZER;
        prefix_format(&ep->ips[i], &s);
        json_array_add(ips, json_string_create_nocopy(ds_steal_cstr(&s)));
    }
    json_object_put(o, "ip", ips);
    json_object_put_format(o, "mac", ETH_ADDR_FMT, ETH_ADDR_ARGS(ep->mac));
    json_object_put_string(o, "netns", ep->netns);
    json_object_put_string(o, "ifname", ep->ifname);
    json_object_put_string(o, "port", ep->port);
    json_object_put(o, "ofport", json_integer_create(ofp_to_u16(a->ofport)));
    json_object_put_string(o, "state", a->state == S_UP ? "up" : "down");
    if (a->state != S_UP) {
        json_object_put_string(o, "reason",
                               (a->problem ? a->problem
                                : a->row && !a->vni
                                ? "its network is not in the peer file"
                                : state_name(a->state)));
    }
    return o;
}
