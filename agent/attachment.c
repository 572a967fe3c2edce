/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "agent/attachment.h"

#include <stdlib.h>
#include <unistd.h>
#include "agent/checksums.h"
#include "agent/links.h"
#include "agent/netns.h"
#include "flow.h"
#include "hash.h"
#include "openvswitch/vlog.h"
#include "overlay/address.h"
#include "overlay/announce.h"
#include "overlay/compile.h"
#include "packets.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(attachment);

enum {
    WRITING_DELAY_MS = 50,
    ROUTES_DELAY_MS = 20,
    ROUTES_RETRY_MS = 1000,         /* Then twice as long each time. */
    ROUTES_RETRIES_MAX = 6,         /* Doublings. */
    ANNOUNCE_INTERVAL_MS = 1000,    /* Between the first and the second. */
};

struct waiter {
    struct ovs_list node;
    struct endpoints_waiter w;
};

static int open_netns(const struct attachment *, char **errorp);
static bool netns_is_there(const struct attachment *);
static void send_announcements(struct endpoints *, const struct attachment *);

static void
count_network(struct endpoints *e, const char *network, int n)
{
    unsigned int was = simap_get(&e->networks, network);
    if (was + n) {
        simap_put(&e->networks, network, was + n);
    } else {
        simap_find_and_delete(&e->networks, network);
    }
    if (!was || !(was + n)) {
        e->ops->networks_changed(e->aux);
    }
}

struct attachment *
attachment_create(struct endpoints *e, struct endpoint *ep, enum state state)
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
    if (a->ep.n_publishes) {
        e->ops->publishes_changed(e->aux);
    }
    count_network(e, a->ep.network, 1);
    return a;
}

struct attachment *
attachment_find(const struct endpoints *e, const char *name)
{
    return shash_find_data(&e->by_name, name);
}

void
attachment_destroy(struct endpoints *e, struct attachment *a)
{
    attachment_set_ofport(e, a, 0);
    attachment_unregister(e, a);
    count_network(e, a->ep.network, -1);
    claims_remove(&e->claims, &a->ep);
    shash_find_and_delete(&e->by_name, a->ep.name);
    if (a->ep.n_publishes) {
        e->ops->publishes_changed(e->aux);
    }
    endpoints_opened(e, a);
    hmapx_find_and_delete(&e->todo, a);
    hmapx_find_and_delete(&e->written, a);
    hmapx_find_and_delete(&e->inflight, a);
    hmapx_find_and_delete(&e->unsent, a);
    hmapx_find_and_delete(&e->unacked, a);
    hmapx_find_and_delete(&e->checks, a);
    hmapx_find_and_delete(&e->announcing, a);
    hmapx_find_and_delete(&e->conflicting, a);
    attachment_tell(&a->attachers,
                    a->failure ? a->failure : "weftd is stopping");
    attachment_tell(&a->detachers, NULL);
    if (a->netns >= 0) {
        close(a->netns);
    }
    plan_finish(&a->share);
    endpoint_finish(&a->ep);
    attachment_forget_request(a);
    free(a->standing_text);
    free(a->conflict);
    free(a->problem);
    free(a->failure);
    free(a);
}

void
attachment_add_waiter(struct ovs_list *waiters,
                      const struct endpoints_waiter *w)
{
    struct waiter *waiter = xmalloc(sizeof *waiter);
    waiter->w = *w;
    ovs_list_push_back(waiters, &waiter->node);
}

void
attachment_tell(struct ovs_list *waiters, const char *error)
{
    struct waiter *waiter;
    LIST_FOR_EACH_POP (waiter, node, waiters) {
        waiter->w.done(waiter->w.aux, waiter->w.item, error);
        free(waiter);
    }
}

void
attachment_set_problem(struct attachment *a, char *problem)
{
    free(a->problem);
    a->problem = problem;
}

const struct network *
attachment_network(const struct endpoints *e, const struct attachment *a)
{
    return e->list ? peerlist_network(e->list, a->ep.network) : NULL;
}

/* Of what decides on the routes of a namespace; never 0. */
static uint32_t
hash_routes(const struct network *net)
{
    uint32_t routes = hash_bytes(net->gateways, sizeof net->gateways, 0);
    for (size_t i = 0; i < net->n_routes; i++) {
        /* Not the whole struct, which has gaps. */
        routes = hash_bytes(&net->routes[i].dst.addr, 16, routes);
        routes = hash_bytes(&net->routes[i].via, 16,
                            routes + net->routes[i].dst.len);
    }
    return routes ? routes : 1;
}

static bool
routes_are_due(const struct endpoints *e, const struct attachment *a)
{
    const struct network *net = attachment_network(e, a);
    return (net && a->ifindex && !a->ep.tap && !a->ep.dhcp
            && (a->renew || a->routes != hash_routes(net)));
}

int
attachment_mtu(const struct endpoints *e, const struct attachment *a)
{
    return a->ep.mtu ? a->ep.mtu : e->mtu;
}

void
attachment_renew(struct endpoints *e, struct attachment *a)
{
    a->renew = true;
    a->routes_failed = 0;
    attachment_check_link(e, a);
}

/* Not at once: a new gateway is not asked for before the switch has its flows,
 * since who asks in vain waits a second. */
void
attachment_routes_changed(struct endpoints *e, struct attachment *a)
{
    if (routes_are_due(e, a)) {
        a->routes_failed = 0;
        attachment_check_soon(e, a, ROUTES_DELAY_MS);
    }
}

static void
update_routes(struct endpoints *e, struct attachment *a)
{
    const struct network *net = attachment_network(e, a);
    char *error = NULL;
    int netns = net ? open_netns(a, &error) : -1;
    if (netns < 0) {
        free(error);                /* Its link goes with it: we hear. */
        return;
    }
    struct rtnl *rtnl = kernel_rtnl(e->kernel);
    error = (a->renew
             ? links_renew(rtnl, &a->ep, net, netns, a->ifindex,
                           attachment_mtu(e, a), e->netdev)
             : links_update_routes(rtnl, &a->ep, net, netns, a->ifindex));
    close(netns);
    if (!error) {
        a->renew = false;
        a->routes = hash_routes(net);
        a->routes_failed = 0;
        return;
    }
    /* When the link inside comes up we hear; of its addresses we do not. */
    attachment_check_soon(e, a, ROUTES_RETRY_MS
                          << MIN(a->routes_failed, ROUTES_RETRIES_MAX));
    if (!a->routes_failed++) {
        e->ops->report(e->aux, "endpoint %s: %s", a->ep.name, error);
    }
    free(error);
}

void
attachment_set_ofport(struct endpoints *e, struct attachment *a,
                      ofp_port_t ofport)
{
    if (a->ofport) {
        hmap_remove(&e->by_ofport, &a->ofport_node);
    }
    a->ofport = ofport;
    if (ofport) {
        hmap_insert(&e->by_ofport, &a->ofport_node, hash_ofp_port(ofport));
    }
}

/* The list has changed, or somebody has written into rows: an address that was
 * its own alone may be none any more. */
static void
update_conflict(struct endpoints *e, struct attachment *a,
                const struct network *net)
{
    char *conflict = (net && a->state != S_LEAVING
                      ? admit_conflict(&a->ep, net, &e->claims) : NULL);
    if (conflict && !nullable_string_is_equal(conflict, a->conflict)) {
        e->ops->report(e->aux, "endpoint %s: out of service: %s", a->ep.name,
                       conflict);
        attachment_tell(&a->attachers, conflict);
    }
    free(a->conflict);
    a->conflict = conflict;
    if (conflict) {
        hmapx_add(&e->conflicting, a);
    } else {
        hmapx_find_and_delete(&e->conflicting, a);
    }
}

void
attachment_update_share(struct endpoints *e, struct attachment *a)
{
    const struct network *net = attachment_network(e, a);
    struct plan now = PLAN_INITIALIZER(&now);
    a->vni = net ? net->vni : 0;
    update_conflict(e, a, net);
    uint32_t vni = a->conflict ? 0 : a->vni;
    if (e->registrar && a->state != S_LEAVING && a->state != S_CLAIM
        && !a->ep.moved_to && a->registered != vni) {
        attachment_unregister(e, a);
        if (vni) {
            attachment_register(e, a, vni, false);
        }
    }
    if (net && a->ofport && a->state != S_LEAVING && !a->displaced
        && !a->conflict) {
        const struct compile_place place = {
            .mode.kernel = !e->netdev,
            .slot = simap_get(e->slots, net->name),
        };
        compile_endpoint(&a->ep, net, &place, a->ofport, &now);
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

/* Its row is not what was written, or is to be another: from here on it is
 * written again.  False if that is so already, or if one is on its way, which
 * is compared when it is there. */
static bool
write_again(struct endpoints *e, struct attachment *a)
{
    bool on_its_way = (hmapx_contains(&e->written, a)
                       || hmapx_contains(&e->inflight, a));
    switch (a->state) {
    case S_PORT:
    case S_FLOWS:
    case S_UP:
        a->state = S_NEW;
        break;
    case S_WRITING:
    case S_CLOSING:
        if (on_its_way) {
            return false;
        }
        a->state = a->state == S_WRITING ? S_NEW : S_CLOSE;
        break;
    case S_CLAIM:
    case S_NEW:
    case S_CLOSE:
    case S_OPEN:
    case S_LEAVING:
        return false;
    }
    hmapx_add(&e->todo, a);
    return true;
}

/* What is attached is what was asked for, so the row is put right. */
void
attachment_rewrite(struct endpoints *e, struct attachment *a)
{
    if (write_again(e, a)) {
        e->ops->report(e->aux, "endpoint %s: port %s was changed: put right",
                       a->ep.name, a->ep.port);
    }
}

void
attachment_write(struct endpoints *e, struct attachment *a)
{
    (void) write_again(e, a);
}

void
attachment_row_gone(struct endpoints *e, struct attachment *a)
{
    e->ops->report(e->aux, "endpoint %s: port %s was deleted: made again",
                   a->ep.name, a->ep.port);
    a->state = (a->state == S_CLOSE || a->state == S_CLOSING ? S_CLOSE
                : S_NEW);
    hmapx_add(&e->todo, a);
}

/* From S_PORT on when all is there. */
void
attachment_advance(struct endpoints *e, struct attachment *a)
{
    if (a->state == S_PORT && a->ifindex && a->ofport && a->vni
        && !a->displaced && !a->conflict) {
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

void
attachment_leave(struct endpoints *e, struct attachment *a)
{
    endpoints_opened(e, a);
    a->state = S_LEAVING;
    attachment_unregister(e, a);
    hmapx_find_and_delete(&e->checks, a);
    attachment_update_share(e, a);
    if (!hmapx_contains(&e->unsent, a) && !hmapx_contains(&e->unacked, a)) {
        hmapx_add(&e->todo, a);     /* Else endpoints_flows_acked() does. */
    }
}

/* One has gone that others may have waited for. */
static void
settle_conflicts(struct endpoints *e)
{
    struct hmapx_node *node;
    HMAPX_FOR_EACH_SAFE (node, &e->conflicting) {
        struct attachment *a = node->data;
        claims_add(&e->claims, &a->ep);
        attachment_update_share(e, a);
        attachment_advance(e, a);
    }
}

/* Flows and row are both gone, or one of them still is not. */
void
attachment_finish_leaving(struct endpoints *e, struct attachment *a)
{
    if (a->row || hmapx_contains(&e->unsent, a)
        || hmapx_contains(&e->unacked, a)
        || hmapx_contains(&e->written, a)
        || hmapx_contains(&e->inflight, a)) {
        return;
    }
    if (a->ifindex || a->announced) {
        int64_t cfg = switchdb_cfg(e->db);
        bool open = cfg > switchdb_cfg_done(e->db);
        retired_add(&e->retired, a->ep.port, a->ifindex,
                    open ? cfg : INT64_MIN);
    }
    if (!ofswitch_connected(e->sw)) {
        retired_hurry(&e->retired); /* It may never look. */
    }
    attachment_destroy(e, a);
    settle_conflicts(e);
}

/* A pid is used again, by a process that nobody asked to attach; and whoever
 * owns the directory of a symbolic link can have it lead elsewhere.  A name of
 * NETNS_DIR is root's alone to give: the namespace that has it is the one that
 * was asked for. */
bool
attachment_is_netns(const struct attachment *a, int netns)
{
    if (netns_is_name(a->ep.netns)) {
        return true;
    }
    struct netns_id id;
    return (!netns_id(netns, &id)
            && (!a->ep.netns_ino || id.ino == a->ep.netns_ino)
            && (!a->netns_id.ino || netns_id_equal(&id, &a->netns_id)));
}

/* The path may lead elsewhere since; then it is never followed again. */
void
attachment_find_netns(struct endpoints *e, struct attachment *a)
{
    if (!a->ifindex || a->ep.tap || netns_is_name(a->ep.netns)) {
        return;
    }
    char *error = NULL;
    int netns = netns_open(a->ep.netns, &error);
    free(error);
    if (netns < 0) {
        return;
    }
    if (!links_is_inside(kernel_rtnl(e->kernel), a->ifindex, netns)
        || netns_id(netns, &a->netns_id)) {
        a->netns_id = (struct netns_id) { .ino = 1 };   /* Nobody's. */
    }
    close(netns);
}

static int
open_netns(const struct attachment *a, char **errorp)
{
    int fd = netns_open(a->ep.netns, errorp);
    if (fd >= 0 && !attachment_is_netns(a, fd)) {
        *errorp = xasprintf("%s is another namespace now", a->ep.netns);
        close(fd);
        fd = -1;
    }
    return fd;
}

static bool
netns_is_there(const struct attachment *a)
{
    char *error = NULL;
    int netns = open_netns(a, &error);
    free(error);
    if (netns >= 0) {
        close(netns);
    }
    return netns >= 0;
}

void
attachment_make_link(struct endpoints *e, struct attachment *a)
{
    char *error = NULL;
    if (a->netns < 0 && !a->ep.tap) {
        a->netns = open_netns(a, &error);
        if (a->netns >= 0 && netns_id(a->netns, &a->netns_id)) {
            a->netns_id.ino = 0;
        }
    }
    if (!error) {
        error = links_make(kernel_rtnl(e->kernel), e->reaper, e->bridge,
                           &a->ep, attachment_network(e, a), a->netns,
                           e->mtu, e->netdev, &a->ifindex);
    }
    if (a->netns >= 0) {
        close(a->netns);
        a->netns = -1;
    }
    if (!error) {
        const struct network *net = attachment_network(e, a);
        a->routes = net ? hash_routes(net) : 0;
        return;
    }
    VLOG_WARN("endpoint %s: %s", a->ep.name, error);
    if (ovs_list_is_empty(&a->attachers)) {
        e->ops->report(e->aux, "endpoint %s: %s: detached", a->ep.name, error);
    }
    free(a->failure);
    a->failure = error;
    attachment_leave(e, a);
}

static void
remove_rest(struct endpoints *e, const struct attachment *a)
{
    char *error = NULL;
    int netns = a->ep.tap ? -1 : open_netns(a, &error);
    free(error);
    if (netns >= 0) {
        links_remove_rest(kernel_rtnl(e->kernel), e->bridge, &a->ep, netns,
                          a->ifindex);
        close(netns);
    }
}

/* Something happened to the host's end of the link, or its routes are due. */
void
attachment_check_link(struct endpoints *e, struct attachment *a)
{
    a->check_at = LLONG_MAX;
    if (a->state == S_LEAVING) {
        return;
    }
    int ifindex = links_find(kernel_rtnl(e->kernel), e->bridge, &a->ep);
    if (ifindex && ifindex == a->ifindex) {
        (void) rtnl_veth_up(kernel_rtnl(e->kernel), ifindex);
        int mtu = attachment_mtu(e, a);
        if (mtu) {
            links_set_mtu(kernel_rtnl(e->kernel), &a->ep, ifindex, mtu);
        }
        if (routes_are_due(e, a)) {
            update_routes(e, a);
        }
        return;                     /* If that fails, it has gone: we hear. */
    }

    if (a->state == S_WRITING) {
        attachment_check_soon(e, a, WRITING_DELAY_MS);
        return;                     /* When its row is there. */
    }
    remove_rest(e, a);
    a->ifindex = 0;
    if (!a->ep.tap && !netns_is_there(a)) {
        e->ops->report(e->aux, "endpoint %s: its namespace %s has gone: "
                       "detached", a->ep.name, a->ep.netns);
        attachment_leave(e, a);
        return;
    }
    e->ops->report(e->aux, "endpoint %s: link %s was deleted or replaced: "
                   "made again", a->ep.name, a->ep.port);
    a->state = S_CLOSE;
    hmapx_add(&e->todo, a);
}

void
attachment_check_soon(struct endpoints *e, struct attachment *a, int delay_ms)
{
    a->check_at = MIN(a->check_at, time_msec() + delay_ms);
    hmapx_add(&e->checks, a);
}

/* Who knew this MAC elsewhere hears the truth: the peers' switches.  Who knew
 * this address with another MAC, which only a MAC of the user's choice can
 * be, hears it as well: every endpoint.  Twice (RFC 5227, section 2.3): the
 * first one may meet a moment in which the switch has no routes for its
 * tunnels. */
void
attachment_announce(struct endpoints *e, struct attachment *a)
{
    if (!a->announced) {
        a->announced = true;
        send_announcements(e, a);
        a->announce_at = time_msec() + ANNOUNCE_INTERVAL_MS;
        hmapx_add(&e->announcing, a);
    }
}

void
attachment_announce_again(struct endpoints *e, struct attachment *a)
{
    if (a->state == S_UP) {
        send_announcements(e, a);
    }
}

static void
send_announcements(struct endpoints *e, const struct attachment *a)
{
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

static const char *
state_name(enum state state)
{
    switch (state) {
    case S_CLAIM: return "waiting for the directory";
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

struct json *
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
    json_object_put_string(o, "kind", ep->tap ? "tap" : "netns");
    json_object_put_string(o, "netns", ep->tap ? "(tap)" : ep->netns);
    json_object_put_string(o, "ifname", ep->ifname);
    if (ep->owner != UINT32_MAX) {
        json_object_put(o, "owner", json_integer_create(ep->owner));
    }
    json_object_put_string(o, "port", ep->port);
    json_object_put(o, "ofport", json_integer_create(ofp_to_u16(a->ofport)));
    json_object_put_string(o, "state", a->state == S_UP ? "up" : "down");
    if (a->state != S_UP) {
        char *why = attachment_displaced(a);
        json_object_put_string(o, "reason",
                               (a->problem ? a->problem : why ? why
                                : a->conflict ? a->conflict
                                : a->row && !a->vni
                                ? "its network is not listed"
                                : state_name(a->state)));
        free(why);
    }
    if (a->registered || a->ep.moved_to) {
        attachment_put_standing(a, o);
    }
    return o;
}

struct json *
attachment_show(const struct attachment *a)
{
    struct json *o = attachment_to_json(a);
    char *error = NULL;
    int netns = a->ep.tap ? -1 : open_netns(a, &error);
    uint64_t wrong = netns >= 0 ? checksums_wrong(netns) : 0;
    if (wrong) {
        json_object_put(o, "wrong_checksums", json_integer_create(wrong));
        json_object_put_string(o, "advice", "if a NIC made them so: \"ethtool "
                               "-K NIC tx off\" on the sending host");
    }
    if (netns >= 0) {
        close(netns);
    }
    free(error);
    return o;
}
