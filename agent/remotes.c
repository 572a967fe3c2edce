/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "agent/remotes.h"

#include <limits.h>
#include <malloc.h>
#include <stdlib.h>
#include "agent/remotes-store.h"
#include "hash.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "timeval.h"
#include "util.h"
#include "uuid.h"

VLOG_DEFINE_THIS_MODULE(remotes);

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(1, 5);

enum {
    FLOWS_A_TURN = 2000,            /* Sent in one turn of the loop. */
    LOOK_MS = 1000,                 /* From one look at what is held to the
                                     * next, while it may have become less. */
};

static void look_at_stale(struct remotes *);
static void release_held(struct remotes *);

struct remotes *
remotes_create(struct ofswitch *sw, struct tunnels *tunnels)
{
    struct remotes *rs = xzalloc(sizeof *rs);
    rs->sw = sw;
    rs->tunnels = tunnels;
    rs->neighbours = neighbours_create(sw);
    hmap_init(&rs->segments);
    hmap_init(&rs->by_uuid);
    hmap_init(&rs->by_mac);
    hmap_init(&rs->by_name);
    hmap_init(&rs->by_ip);
    shash_init(&rs->hosts);
    ovs_list_init(&rs->dirty);
    ovs_list_init(&rs->gone);
    ovs_list_init(&rs->changed);
    plan_init(&rs->stale);
    rs->look_at = LLONG_MAX;
    return rs;
}

void
remotes_destroy(struct remotes *rs)
{
    if (!rs) {
        return;
    }
    struct remote *r;
    HMAP_FOR_EACH_SAFE (r, mac_node, &rs->by_mac) {
        remotes_store_retire(rs, r);
    }
    remotes_flows_forget_gone(rs);
    struct segment *segment;
    HMAP_FOR_EACH_POP (segment, node, &rs->segments) {
        free(segment);
    }
    hmap_destroy(&rs->segments);
    hmap_destroy(&rs->by_uuid);
    hmap_destroy(&rs->by_mac);
    hmap_destroy(&rs->by_name);
    hmap_destroy(&rs->by_ip);
    shash_destroy(&rs->hosts);
    plan_finish(&rs->stale);
    neighbours_destroy(rs->neighbours);
    free(rs->leaving);
    free(rs);
}

struct neighbours *
remotes_neighbours(const struct remotes *rs)
{
    return rs->neighbours;
}

void
remotes_run(struct remotes *rs)
{
    size_t n = 0;
    if (rs->n_briefly && time_msec() >= rs->release_at) {
        release_held(rs);
    }
    remotes_flows_update_members(rs);
    if (!ofswitch_connected(rs->sw)) {
        /* It will be read when it is back. */
        remotes_flows_forget_gone(rs);
        return;
    } else if (!ofswitch_takes_flows(rs->sw)) {
        return;
    }
    /* What is new goes in before what is old goes out. */
    while (!ovs_list_is_empty(&rs->dirty) && n < FLOWS_A_TURN) {
        struct remote *r = CONTAINER_OF(ovs_list_pop_front(&rs->dirty),
                                        struct remote, node);
        ovs_list_init(&r->node);
        n += remotes_flows_send(rs, r);
    }
    while (ovs_list_is_empty(&rs->dirty) && !ovs_list_is_empty(&rs->gone)
           && n < FLOWS_A_TURN) {
        struct remote *r = CONTAINER_OF(ovs_list_front(&rs->gone),
                                        struct remote, node);
        n += remotes_flows_send(rs, r);
        remotes_store_destroy(rs, r);
    }
    if (ovs_list_is_empty(&rs->dirty)) {
        look_at_stale(rs);
        remotes_flows_drop_stale(rs);
    }
    if (rs->trim && remotes_sent(rs) && ofswitch_synced(rs->sw)) {
        rs->trim = false;
        malloc_trim(0);
    }
}

void
remotes_wait(struct remotes *rs)
{
    if ((!remotes_sent(rs) && ofswitch_takes_flows(rs->sw))
        || !ovs_list_is_empty(&rs->changed)) {
        poll_immediate_wake();
    }
    if (rs->n_briefly) {
        poll_timer_wait_until(rs->release_at);
    }
    if (!hmap_is_empty(&rs->stale.flows) && ofswitch_takes_flows(rs->sw)) {
        poll_timer_wait_until(rs->stale_at);
    }
    if (rs->look_at != LLONG_MAX && ofswitch_synced(rs->sw)) {
        poll_timer_wait_until(rs->look_at);
    }
}

bool
remotes_sent(const struct remotes *rs)
{
    return ovs_list_is_empty(&rs->dirty) && ovs_list_is_empty(&rs->gone);
}

void
remotes_set_list(struct remotes *rs, const struct peerlist *list)
{
    struct segment *segment;
    HMAP_FOR_EACH (segment, node, &rs->segments) {
        segment->net = NULL;
    }
    struct shash_node *node;
    SHASH_FOR_EACH (node, &list->networks) {
        const struct network *net = node->data;
        segment = remotes_store_segment(rs, net->vni);
        if (segment) {
            segment->net = net;
        }
    }
    struct remote *r;
    HMAP_FOR_EACH (r, mac_node, &rs->by_mac) {
        if (remotes_flows_wanted(rs, r) != r->sent) {
            remotes_store_touch(rs, r);
        }
    }
    SHASH_FOR_EACH (node, &rs->hosts) {
        remotes_flows_touch_members(rs, node->data);
    }
}

void
remotes_watch(struct remotes *rs, const struct peerlist *list,
              const struct sset *names, const struct sset *used)
{
    struct segment *segment;
    HMAP_FOR_EACH (segment, node, &rs->segments) {
        segment->watched = segment->used = false;
    }
    const char *name;
    SSET_FOR_EACH (name, names) {
        const struct network *net = peerlist_network(list, name);
        segment = remotes_store_segment(rs, net->vni);
        if (!segment) {
            segment = xzalloc(sizeof *segment);
            segment->vni = net->vni;
            hmap_insert(&rs->segments, &segment->node, hash_int(net->vni, 0));
        }
        segment->net = net;
        segment->watched = true;
        segment->used = sset_contains(used, name);
    }
    struct shash_node *node;
    SHASH_FOR_EACH (node, &rs->hosts) {
        remotes_flows_update_need(rs, node->data);
    }
    struct remote *r;
    HMAP_FOR_EACH_SAFE (r, mac_node, &rs->by_mac) {
        if (!r->segment->watched) {
            remotes_store_retire(rs, r);
        }
    }
}

static void
mark_leaving(struct remotes *rs, struct remote *r)
{
    if (rs->n_leaving >= rs->allocated_leaving) {
        rs->leaving = x2nrealloc(rs->leaving, &rs->allocated_leaving,
                                 sizeof *rs->leaving);
    }
    rs->leaving[rs->n_leaving++] = r;
    r->leaving = true;
}

void
remotes_begin(struct remotes *rs, bool clear)
{
    rs->n_leaving = 0;
    rs->n_update = 0;
    rs->other_content = clear;
    if (clear) {
        struct remote *r;
        HMAP_FOR_EACH (r, uuid_node, &rs->by_uuid) {
            mark_leaving(rs, r);
        }
    }
}

static bool
says_the_same(const struct remote *r, const struct directorydb_endpoint *row)
{
    return (r->part == row->part && !strcmp(r->host->name, row->host)
            && !strcmp(r->name, row->name)
            && ipv6_addr_equals(&r->ips[false], &row->ips[false])
            && ipv6_addr_equals(&r->ips[true], &row->ips[true]));
}

static struct host *
get_host(struct remotes *rs, const char *name)
{
    struct host *host = shash_find_data(&rs->hosts, name);
    if (!host) {
        host = xzalloc(sizeof *host);
        host->name = xstrdup(name);
        host->id = tunnels_hold(rs->tunnels, name);
        host->ofport = tunnels_port(rs->tunnels, name);
        ovs_list_init(&host->members);
        shash_add(&rs->hosts, name, host);
    }
    return host;
}

/* Whoever else has one of its addresses has it no longer: the directory's
 * indexes say so, whose word on that may come later in the same update. */
static void
displace(struct remotes *rs, const struct directorydb_endpoint *row)
{
    struct remote *old = remotes_store_by_mac(rs, row->vni, row->mac,
                                              row->part);
    if (old) {
        remotes_store_retire(rs, old);
    }
    for (size_t i = 0; i < 2; i++) {
        while (ipv6_addr_is_set(&row->ips[i])
               && (old = remotes_store_by_ip(rs, row->vni, &row->ips[i]))) {
            remotes_store_retire(rs, old);
        }
    }
}

void
remotes_row(struct remotes *rs, const struct directorydb_endpoint *row)
{
    rs->n_update++;
    struct segment *segment = remotes_store_segment(rs, row->vni);
    if (!segment || !segment->watched) {
        return;
    } else if (hmap_count(&rs->by_mac) >= REMOTES_MAX) {
        VLOG_WARN_RL(&rl, "more than %d endpoints of other hosts: endpoint %s "
                     "of %s is passed over", REMOTES_MAX, row->name,
                     row->host);
        return;
    }
    struct remote *old = remotes_store_by_mac(rs, row->vni, row->mac,
                                              row->part);
    if (old && says_the_same(old, row)) {
        /* No owner writes it again that still has it. */
        rs->other_content = (rs->other_content
                             || !uuid_equals(&old->uuid, &row->uuid));
        remotes_store_forget_uuid(rs, old);
        old->leaving = false;
        old->uuid = row->uuid;
        hmap_insert(&rs->by_uuid, &old->uuid_node, uuid_hash(&old->uuid));
        return;
    }
    displace(rs, row);
    struct remote *r = xzalloc(sizeof *r + strlen(row->name) + 1);
    ovs_list_init(&r->node);
    r->uuid = row->uuid;
    r->ips[false] = row->ips[false];
    r->ips[true] = row->ips[true];
    r->host = get_host(rs, row->host);
    r->segment = segment;
    r->mac = row->mac;
    r->part = row->part;
    strcpy(r->name, row->name);
    remotes_store_insert(rs, r);
}

void
remotes_row_gone(struct remotes *rs, const struct uuid *uuid)
{
    struct remote *r = remotes_store_by_uuid(rs, uuid);
    rs->n_update++;
    if (r && !r->leaving) {
        mark_leaving(rs, r);
    }
}

/* Those that are leaving, of those that were marked: some were named again, or
 * displaced, later. */
static size_t
count_leaving(const struct remotes *rs, bool *one_host)
{
    const struct host *host = NULL;
    size_t n = 0;
    *one_host = true;
    for (size_t i = 0; i < rs->n_leaving; i++) {
        const struct remote *r = rs->leaving[i];
        if (r->live && r->leaving) {
            n++;
            *one_host = *one_host && (!host || host == r->host);
            host = r->host;
        }
    }
    return n;
}

void
remotes_end(struct remotes *rs, bool own_lost)
{
    /* What a host takes away is its own; nobody but a mistake takes away
     * several hosts' at once, or ours.  What a database lacks that was away,
     * or has other contents now, its owner may just not have put back yet. */
    size_t total = hmap_count(&rs->by_uuid);
    bool one_host;
    size_t n = count_leaving(rs, &one_host);
    bool mass = n && (own_lost || (n >= 2 && n * 2 > total && !one_host));
    if (mass) {
        VLOG_WARN("%"PRIuSIZE" of %"PRIuSIZE" endpoints of other hosts are "
                  "gone from the directory at once: held in force", n, total);
    }
    for (size_t i = 0; i < rs->n_leaving; i++) {
        struct remote *r = rs->leaving[i];
        if (!r->live || !r->leaving) {
            continue;
        } else if (mass || rs->other_content) {
            remotes_store_hold(rs, r, !mass);
            rs->release_at = time_msec() + REMOTES_PUT_BACK_MS;
        } else {
            remotes_store_retire(rs, r);
        }
    }
    rs->n_leaving = 0;
    if (rs->stale_held && rs->n_update && rs->look_at == LLONG_MAX) {
        rs->look_at = time_msec() + LOOK_MS;
    }
    if (rs->n_update >= REMOTES_TRIM_MIN) {
        rs->trim = true;
        free(rs->leaving);
        rs->leaving = NULL;
        rs->allocated_leaving = 0;
    }
}

size_t
remotes_held(const struct remotes *rs)
{
    return rs->n_held + rs->stale_held;
}

void
remotes_accept(struct remotes *rs)
{
    struct remote *r;
    HMAP_FOR_EACH_SAFE (r, mac_node, &rs->by_mac) {
        if (r->held) {
            remotes_store_retire(rs, r);
        }
    }
    rs->trusted = true;
    if (rs->stale_held) {
        rs->stale_held = 0;
        ofswitch_compare(rs->sw);
    }
}

void
remotes_tunnel_changed(struct remotes *rs, const char *name,
                       ofp_port_t ofport)
{
    struct host *host = shash_find_data(&rs->hosts, name);
    if (host) {
        host->ofport = ofport;
        remotes_flows_touch_members(rs, host);
    }
}

/* Of the flows of nobody that were left in force, the owners may have put back
 * what they had lost. */
static void
look_at_stale(struct remotes *rs)
{
    if (time_msec() >= rs->look_at && ofswitch_synced(rs->sw)) {
        rs->look_at = LLONG_MAX;
        if (rs->stale_held) {
            ofswitch_compare(rs->sw);
        }
    }
}

/* Those whose owners have not put them back. */
static void
release_held(struct remotes *rs)
{
    struct remote *r;
    HMAP_FOR_EACH_SAFE (r, mac_node, &rs->by_mac) {
        if (r->briefly) {
            remotes_store_retire(rs, r);
        }
    }
}
