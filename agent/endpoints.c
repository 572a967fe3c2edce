/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "agent/endpoints.h"

#include <stdlib.h>
#include "agent/attachment.h"
#include "agent/links.h"
#include "hmapx.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "sset.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(endpoints);

/* A link is gone at once, its namespace a little later. */
enum { LINK_CHECK_DELAY_MS = 50 };

static struct attachment *find_port(const struct endpoints *,
                                    const char *port);
static size_t count_new(const struct endpoints *);
static void adopt(struct endpoints *, const struct switchdb_port *);

struct endpoints *
endpoints_create(const char *bridge, struct switchdb *db, struct ofswitch *sw,
                 struct kernel *kernel, struct reaper *reaper,
                 const struct endpoints_ops *ops, void *aux)
{
    struct endpoints *e = xzalloc(sizeof *e);
    e->bridge = xstrdup(bridge);
    shash_init(&e->by_name);
    hmap_init(&e->by_ofport);
    simap_init(&e->networks);
    retired_init(&e->retired, reaper);
    claims_init(&e->claims);
    gather_init(&e->gather);
    hmapx_init(&e->todo);
    hmapx_init(&e->written);
    hmapx_init(&e->inflight);
    hmapx_init(&e->unsent);
    hmapx_init(&e->unacked);
    hmapx_init(&e->checks);
    hmapx_init(&e->announcing);
    hmapx_init(&e->conflicting);
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
            attachment_destroy(e, node->data);
        }
        shash_destroy(&e->by_name);
        hmap_destroy(&e->by_ofport);
        simap_destroy(&e->networks);
        retired_destroy(&e->retired);
        claims_destroy(&e->claims);
        gather_destroy(&e->gather);
        hmapx_destroy(&e->todo);
        hmapx_destroy(&e->written);
        hmapx_destroy(&e->inflight);
        hmapx_destroy(&e->unsent);
        hmapx_destroy(&e->unacked);
        hmapx_destroy(&e->checks);
        hmapx_destroy(&e->announcing);
        hmapx_destroy(&e->conflicting);
        free(e->bridge);
        free(e);
    }
}

void
endpoints_set_registrar(struct endpoints *e, struct registrar *registrar)
{
    e->registrar = registrar;
}

void
endpoints_set_list(struct endpoints *e, const struct peerlist *list,
                   const struct simap *slots)
{
    e->list = list;
    e->slots = slots;
    struct shash_node *node;
    SHASH_FOR_EACH (node, &e->by_name) {
        struct attachment *a = node->data;
        if (a->request && list) {   /* The list before is there still. */
            a->host.self = peerlist_peer(list, a->host.self->name);
            a->host.list = list;
        }
        attachment_update_share(e, node->data);
        attachment_routes_changed(e, node->data);
        attachment_advance(e, node->data);
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
    int64_t cfg = switchdb_cfg(e->db);
    if (cfg > switchdb_cfg_done(e->db)) {
        retired_add_all(&e->retired, cfg);
    }
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
    struct attachment *a = find_port(e, port->name);
    if (a && strcmp(a->ep.name, port->endpoint.name)) {
        attachment_rewrite(e, a);   /* Somebody gave it another name. */
        return;
    }
    a = attachment_find(e, port->endpoint.name);
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
    if (!endpoint_equal(&a->ep, &port->endpoint) || port->drifted
        || (a->state == S_CLOSING && !port->reopening)) {
        attachment_rewrite(e, a);
    }
    ofp_port_t ofport = port->reopening ? 0 : port->ofport;
    if (port->error) {
        endpoints_opened(e, a);
    }
    if (a->ofport != ofport) {
        attachment_set_ofport(e, a, ofport);
        attachment_update_share(e, a);
    }
    if (a->state != S_LEAVING) {
        attachment_set_problem(a, port->error && !port->reopening
                    ? xasprintf("the switch: %s", port->error) : NULL);
    }
    if (a->state == S_CLOSING && port->let_go) {
        attachment_make_link(e, a);
        if (a->state == S_CLOSING) {
            a->state = S_OPEN;
            hmapx_add(&e->todo, a);
        }
    }
    attachment_advance(e, a);
}

bool
endpoints_port_broken(struct endpoints *e, const char *port)
{
    struct attachment *a = find_port(e, port);
    if (a) {
        attachment_rewrite(e, a);
    }
    return a != NULL;
}

void
endpoints_port_gone(struct endpoints *e, const struct switchdb_port *port)
{
    struct attachment *a = find_port(e, port->name);
    if (!a) {
        return;
    }
    a->row = false;
    attachment_set_ofport(e, a, 0);
    attachment_update_share(e, a);
    if (a->state == S_LEAVING) {
        attachment_finish_leaving(e, a);
    } else {
        attachment_row_gone(e, a);
    }
}

void
endpoints_link_changed(struct endpoints *e, const struct rtnl_link *link,
                       bool deleted)
{
    struct attachment *a = find_port(e, link->name);
    const char *owner = a ? NULL : links_owner(link, e->bridge);
    bool renamed = false;
    if (owner) {
        a = attachment_find(e, owner);
        renamed = a && a->ifindex == link->ifindex;
    }
    if (!a || !a->ifindex || a->state == S_LEAVING || (owner && !renamed)) {
        return;
    }
    int mtu = attachment_mtu(e, a);
    if (renamed || deleted || link->ifindex != a->ifindex
        || !(link->flags & IFF_UP) || (mtu && link->mtu != mtu)) {
        attachment_check_soon(e, a, LINK_CHECK_DELAY_MS);
    }
    /* Set down and up again inside, it has lost most of what it had. */
    if (!(link->flags & IFF_RUNNING)) {
        a->carrier_lost = a->carrier_lost || a->state == S_UP;
    } else if (a->carrier_lost) {
        a->carrier_lost = false;
        a->renew = true;
        attachment_check_soon(e, a, LINK_CHECK_DELAY_MS);
    }
}

void
endpoints_links_unknown(struct endpoints *e)
{
    struct shash_node *node;
    SHASH_FOR_EACH (node, &e->by_name) {
        struct attachment *a = node->data;
        if (a->ifindex && a->state != S_LEAVING) {
            attachment_check_soon(e, a, LINK_CHECK_DELAY_MS);
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
            attachment_check_link(e, a);
        }
    }
    HMAPX_FOR_EACH_SAFE (node, &e->announcing) {
        struct attachment *a = node->data;
        if (now >= a->announce_at) {
            hmapx_delete(&e->announcing, node);
            attachment_announce_again(e, a);
        }
    }
}

/* The link comes before the row: vswitchd looks at once, and a link that it
 * finds half made it sets back to what it saw.  A crash in between leaves a
 * link with our alias and without a row, which the next start removes. */
static void
compose_new(struct endpoints *e, struct attachment *a, bool hold)
{
    bool retired = retired_contains(&e->retired, a->ep.port);
    attachment_set_problem(a, retired
                           ? xstrdup("the switch has not let go yet of what "
                                     "had this port") : NULL);
    if (hold || retired) {
        hmapx_add(&e->todo, a);     /* An event, or the gathering, wakes. */
        return;
    }
    if (!a->ifindex) {
        attachment_make_link(e, a);
    }
    if (a->state == S_LEAVING) {
        hmapx_find_and_delete(&e->todo, a);
        attachment_finish_leaving(e, a);
        return;
    }
    gather_opening(&e->gather, a, time_msec());
    switchdb_put_endpoint(e->db, &a->ep, true);
    hmapx_add(&e->written, a);
    a->state = S_WRITING;
}

void
endpoints_compose(struct endpoints *e)
{
    bool hold = gather_holds(&e->gather, count_new(e), time_msec());
    struct hmapx batch = HMAPX_INITIALIZER(&batch);
    hmapx_swap(&batch, &e->todo);   /* What comes up now is for next time. */

    struct hmapx_node *node;
    HMAPX_FOR_EACH_SAFE (node, &batch) {
        struct attachment *a = node->data;
        hmapx_delete(&batch, node);

        switch (a->state) {
        case S_NEW:
            compose_new(e, a, hold);
            break;
        case S_CLOSE:
            switchdb_put_endpoint(e->db, &a->ep, false);
            hmapx_add(&e->written, a);
            a->state = S_CLOSING;
            break;
        case S_OPEN:
            switchdb_put_endpoint(e->db, &a->ep, true);
            hmapx_add(&e->written, a);
            a->state = S_PORT;
            break;
        case S_LEAVING:
            if (a->row) {
                switchdb_del_port(e->db, a->ep.port);
                hmapx_add(&e->written, a);
            } else {
                attachment_finish_leaving(e, a);
            }
            break;
        case S_CLAIM:
        case S_WRITING:
        case S_PORT:
        case S_FLOWS:
        case S_UP:
        case S_CLOSING:
            break;                  /* Nothing to write. */
        }
    }
    hmapx_destroy(&batch);
}

void
endpoints_composed(struct endpoints *e, uint64_t txn_seqno)
{
    if (!hmapx_is_empty(&e->written)) {
        VLOG_DBG("%"PRIuSIZE" endpoints in one transaction, the ports before "
                 "took %lld ms", hmapx_count(&e->written), e->gather.took);
    }
    struct hmapx_node *node;
    HMAPX_FOR_EACH_SAFE (node, &e->written) {
        struct attachment *a = node->data;
        hmapx_delete(&e->written, node);
        if (txn_seqno) {
            hmapx_add(&e->inflight, a);
        }
    }
}

/* What the database refuses, a full one say, is told to who waits.  What was
 * never up is given up; all else is written again.  'port': what there is. */
static void
write_failed(struct endpoints *e, struct attachment *a,
             const struct switchdb_port *port, const char *error)
{
    endpoints_opened(e, a);
    a->state = (a->state == S_WRITING ? S_NEW
                : a->state == S_CLOSING ? S_CLOSE
                : a->state == S_PORT && port && port->reopening ? S_OPEN
                : a->state);
    hmapx_add(&e->todo, a);
    if (error && a->state == S_NEW && !a->row && !a->announced) {
        free(a->failure);
        a->failure = xasprintf("endpoint %s: the database refuses it: %s",
                               a->ep.name, error);
        attachment_leave(e, a);
    } else if (error) {
        char *text = xasprintf("endpoint %s: the database refuses the change: "
                               "%s; weftd tries again", a->ep.name, error);
        attachment_tell(&a->attachers, text);
        attachment_tell(&a->detachers, text);
        free(text);
    }
}

void
endpoints_txn_done(struct endpoints *e, bool success, const char *error)
{
    struct hmapx_node *node;
    HMAPX_FOR_EACH_SAFE (node, &e->inflight) {
        struct attachment *a = node->data;
        hmapx_delete(&e->inflight, node);
        const struct switchdb_port *port = switchdb_find_port(e->db,
                                                              a->ep.port);
        if (!success) {
            write_failed(e, a, port, error);
            continue;
        }
        /* Ordinarily the row's change has told already; not if the row was
         * what it should be: an agent that is gone may have written it.  Or
         * somebody has been at it since. */
        if (a->state == S_LEAVING) {
            a->row = port != NULL;
            attachment_finish_leaving(e, a);
        } else if (a->state == S_WRITING || a->state == S_CLOSING) {
            if (!port) {
                attachment_row_gone(e, a);
            } else if (port->kind != SWITCHDB_ENDPOINT) {
                attachment_rewrite(e, a);
            } else {
                endpoints_port_changed(e, port);
            }
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
                endpoints_opened(e, a);
                attachment_announce(e, a);
                attachment_tell(&a->attachers, NULL);
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
    retired_done(&e->retired, cfg);
}

void
endpoints_wait(struct endpoints *e)
{
    struct hmapx_node *node;
    HMAPX_FOR_EACH (node, &e->checks) {
        const struct attachment *a = node->data;
        poll_timer_wait_until(a->check_at);
    }
    HMAPX_FOR_EACH (node, &e->announcing) {
        const struct attachment *a = node->data;
        poll_timer_wait_until(a->announce_at);
    }
    if (!hmapx_is_empty(&e->todo)) {
        poll_timer_wait_until(gather_wake_at(&e->gather));
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
    const struct attachment *a = attachment_find(e, name);
    return a ? attachment_show(a) : NULL;
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
endpoints_find_port(const struct endpoints *e, const char *port)
{
    const struct attachment *a = find_port(e, port);
    return a ? &a->ep : NULL;
}

const struct endpoint *
endpoints_find_ofport(const struct endpoints *e, ofp_port_t ofport)
{
    const struct attachment *a;
    HMAP_FOR_EACH_WITH_HASH (a, ofport_node, hash_ofp_port(ofport),
                             &e->by_ofport) {
        if (a->ofport == ofport) {
            return &a->ep;
        }
    }
    return NULL;
}

const struct endpoint *
endpoints_find(const struct endpoints *e, const char *name)
{
    const struct attachment *a = attachment_find(e, name);
    return a && a->state != S_LEAVING ? &a->ep : NULL;
}

const struct endpoint *
endpoints_find_on(const struct endpoints *e, const char *name,
                  const char *network)
{
    const struct endpoint *exact = endpoints_find(e, name);
    if (exact && !strcmp(exact->network, network)) {
        return exact;
    }
    struct shash_node *node;
    SHASH_FOR_EACH (node, &e->by_name) {
        const struct attachment *a = node->data;
        if (!strcasecmp(a->ep.name, name) && a->state != S_LEAVING
            && !strcmp(a->ep.network, network)) {
            return &a->ep;
        }
    }
    return NULL;
}

void
endpoints_networks(const struct endpoints *e, struct sset *names)
{
    const struct simap_node *node;
    SIMAP_FOR_EACH (node, &e->networks) {
        sset_add(names, node->name);
    }
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

void
endpoints_opened(struct endpoints *e, struct attachment *a)
{
    if (gather_done(&e->gather, a, time_msec())) {
        gather_expect(&e->gather, count_new(e));
    }
}

/* How many are S_NEW and not written yet. */
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

static struct attachment *
find_port(const struct endpoints *e, const char *port)
{
    const struct endpoint *ep = claims_by_port(&e->claims, port);
    return ep ? attachment_find(e, ep->name) : NULL;
}

/* A row that an earlier run of the agent wrote. */
static void
adopt(struct endpoints *e, const struct switchdb_port *port)
{
    struct endpoint ep;
    endpoint_clone(&ep, &port->endpoint);
    struct attachment *a = attachment_create(e, &ep, S_PORT);
    a->row = true;
    a->announced = true;
    a->displaced = a->ep.moved_to != NULL;
    attachment_set_ofport(e, a, port->reopening ? 0 : port->ofport);
    a->ifindex = links_find(kernel_rtnl(e->kernel), e->bridge, &a->ep);
    attachment_find_netns(e, a);
    attachment_update_share(e, a);
    if (!a->ifindex) {
        /* So that attachment_check_link() takes its course. */
        attachment_check_soon(e, a, 0);
    } else if (port->reopening) {
        a->state = S_OPEN;
        hmapx_add(&e->todo, a);
    } else {
        if (port->error) {
            attachment_set_problem(a, xasprintf("the switch: %s",
                                                port->error));
        }
        attachment_advance(e, a);
    }
    attachment_routes_changed(e, a);
}
