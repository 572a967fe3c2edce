/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "agent/remotes.h"

#include <ctype.h>
#include <malloc.h>
#include <stdlib.h>
#include "hash.h"
#include "openvswitch/list.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "overlay/address.h"
#include "overlay/compile.h"
#include "packets.h"
#include "timeval.h"
#include "util.h"
#include "uuid.h"

VLOG_DEFINE_THIS_MODULE(remotes);

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(1, 5);

enum {
    FLOWS_A_TURN = 2000,            /* Sent in one turn of the loop. */
    PUT_BACK_MAX_MS = 10000,        /* Owners are connected again by then. */
    TRIM_MIN = 1000,                /* Rows of one update, or flows read, that
                                     * are worth giving memory back for. */
};

/* The flows of one: of its MAC and of its addresses. */
enum remote_flow { FLOW_IPV6, FLOW_IPV4, FLOW_MAC, N_FLOWS };

/* A network that is watched. */
struct segment {
    struct hmap_node node;          /* By VNI. */
    uint32_t vni;
    const struct network *net;      /* Borrowed; NULL: it is not listed. */
    size_t n;                       /* Endpoints in it. */
    bool watched;
    bool used;                      /* Endpoints of this host reach it. */
};

struct host {
    char *name;
    uint32_t id;                    /* What flows call it. */
    ofp_port_t ofport;              /* Of its tunnel; 0: none. */
    size_t n;                       /* Rows of it. */
    bool needed;                    /* A tunnel to it is. */
    struct ovs_list members;        /* Contains struct member. */
};

/* How many of a host's are in a network; the bucket of its tunnel in the
 * network's group. */
struct member {
    struct ovs_list node;
    struct ovs_list changed_node;   /* In 'changed', or alone. */
    const struct host *host;
    struct segment *segment;
    size_t n;
    ofp_port_t bucket;              /* 0: none. */
};

/* A row.  Of several rows of one MAC, part 0 speaks for it; the others count
 * only beside it, if they are of the same host. */
struct remote {
    struct hmap_node uuid_node;
    struct hmap_node mac_node;      /* By VNI and MAC. */
    struct hmap_node name_node;     /* By VNI and name, in lower case. */
    struct hmap_node ip_nodes[2];   /* By VNI and address: FLOW_IPV6, _IPV4. */
    struct ovs_list node;           /* In 'dirty' or 'gone', or alone. */
    struct uuid uuid;
    struct in6_addr ips[2];         /* in6addr_any: none. */
    struct host *host;
    struct segment *segment;
    struct eth_addr mac;
    uint8_t part;
    uint8_t sent;                   /* Bits of remote_flow: the switch should
                                     * have it. */
    uint8_t have;                   /* Likewise: was found in it. */
    bool live;                      /* In the maps; else in 'gone'. */
    bool leaving;                   /* Not in the directory any more, as the
                                     * update that is read says. */
    bool held;                      /* Not in the directory any more, held in
                                     * force: not in 'by_uuid'. */
    bool briefly;                   /* Held until 'release_at'. */
    char name[];
};

struct remotes {
    struct ofswitch *sw;
    struct tunnels *tunnels;
    struct neighbours *neighbours;
    struct hmap segments;           /* Contains struct segment. */
    struct hmap by_uuid, by_mac, by_name, by_ip;    /* Of struct remote. */
    struct shash hosts;             /* Contains struct host. */
    struct ovs_list dirty;          /* Have flows to be sent. */
    struct ovs_list gone;           /* Have flows to be taken away. */
    struct ovs_list changed;        /* Contains struct member: may have another
                                     * bucket. */
    struct remote **leaving;        /* Those that were marked so, in an
                                     * update. */
    size_t n_leaving, allocated_leaving;
    size_t n_update;                /* Rows of the update. */
    bool trim;                      /* Much was read or sent, whose memory is
                                     * to be given back. */
    bool other_content;             /* The update is of a database that was
                                     * away, or of one that was restored. */
    size_t n_held, n_briefly;       /* 'n_held' is without 'n_briefly'. */
    long long int release_at;       /* When those go. */
    struct plan stale;              /* Found in the switch, of nobody. */
    size_t n_observed;
    size_t stale_held;              /* Of so many endpoints were they that they
                                     * are left. */
    bool trusted;                   /* What lacks in the directory is meant. */
};

static void insert(struct remotes *, struct remote *);
static void retire(struct remotes *, struct remote *);
static void destroy(struct remotes *, struct remote *);
static void forget_uuid(struct remotes *, struct remote *);
static void hold(struct remotes *, struct remote *, bool briefly);
static void release_held(struct remotes *);
static void forget_gone(struct remotes *);
static void touch(struct remotes *, struct remote *);
static void touch_parts(struct remotes *, const struct remote *);
static struct remote *find_uuid(const struct remotes *, const struct uuid *);
static struct segment *find_segment(const struct remotes *, uint32_t vni);
static struct remote *find_mac(const struct remotes *, uint32_t vni,
                               struct eth_addr, uint8_t part);
static struct remote *find_ip(const struct remotes *, uint32_t vni,
                              const struct in6_addr *);
static uint8_t wanted_flows(const struct remotes *, const struct remote *);
static void make_flow(const struct remote *, enum remote_flow,
                      struct plan_flow *);
static struct remote *find_flow(const struct remotes *,
                                const struct plan_flow *, enum remote_flow *);
static void touch_members(struct remotes *, const struct host *);
static void update_members(struct remotes *);
static void count_member(struct remotes *, const struct remote *, int n);
static void update_need(struct remotes *, struct host *);

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
        retire(rs, r);
    }
    forget_gone(rs);
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

/* Does another one, or the same again, have the flow's key by now? */
static bool
is_taken_over(const struct remotes *rs, const struct remote *r,
              enum remote_flow i)
{
    uint32_t vni = r->segment->vni;
    return (i == FLOW_MAC ? find_mac(rs, vni, r->mac, 0) != NULL
            : find_ip(rs, vni, &r->ips[i]) != NULL);
}

/* Sends what is wanted and was not sent, and takes away what was sent and is
 * not wanted.  Returns how many flows that is. */
static size_t
send_flows(struct remotes *rs, struct remote *r)
{
    uint8_t wanted = r->live ? wanted_flows(rs, r) : 0;
    size_t n = 0;
    for (enum remote_flow i = 0; i < N_FLOWS; i++) {
        uint8_t bit = 1u << i;
        if ((wanted ^ r->sent) & bit
            && (wanted & bit || r->live || !is_taken_over(rs, r, i))) {
            struct plan_flow flow;
            make_flow(r, i, &flow);
            ofswitch_flow(rs->sw, &flow, wanted & bit);
            plan_flow_finish(&flow);
            if (wanted & bit && i != FLOW_MAC) {
                neighbours_came(rs->neighbours, r->segment->vni, &r->ips[i],
                                r->mac);
            }
            n++;
        }
    }
    r->sent = wanted;
    return n;
}

static void
drop_stale(struct remotes *rs)
{
    const struct plan_flow *flow;
    HMAP_FOR_EACH (flow, node, &rs->stale.flows) {
        enum remote_flow which;
        if (!find_flow(rs, flow, &which)) {     /* Its row came meanwhile. */
            ofswitch_flow(rs->sw, flow, false);
        }
    }
    plan_clear(&rs->stale);
}

static void
forget_gone(struct remotes *rs)
{
    update_members(rs);
    struct remote *r;
    LIST_FOR_EACH_SAFE (r, node, &rs->gone) {
        destroy(rs, r);
    }
}

void
remotes_run(struct remotes *rs)
{
    size_t n = 0;
    if (rs->n_briefly && time_msec() >= rs->release_at) {
        release_held(rs);
    }
    update_members(rs);
    if (!ofswitch_connected(rs->sw)) {
        forget_gone(rs);            /* It will be read when it is back. */
        return;
    } else if (!ofswitch_takes_flows(rs->sw)) {
        return;
    }
    /* What is new goes in before what is old goes out. */
    while (!ovs_list_is_empty(&rs->dirty) && n < FLOWS_A_TURN) {
        struct remote *r = CONTAINER_OF(ovs_list_pop_front(&rs->dirty),
                                        struct remote, node);
        ovs_list_init(&r->node);
        n += send_flows(rs, r);
    }
    while (ovs_list_is_empty(&rs->dirty) && !ovs_list_is_empty(&rs->gone)
           && n < FLOWS_A_TURN) {
        struct remote *r = CONTAINER_OF(ovs_list_front(&rs->gone),
                                        struct remote, node);
        n += send_flows(rs, r);
        destroy(rs, r);
    }
    if (ovs_list_is_empty(&rs->dirty)) {
        drop_stale(rs);
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
        segment = find_segment(rs, net->vni);
        if (segment) {
            segment->net = net;
        }
    }
    struct remote *r;
    HMAP_FOR_EACH (r, mac_node, &rs->by_mac) {
        if (wanted_flows(rs, r) != r->sent) {
            touch(rs, r);
        }
    }
    SHASH_FOR_EACH (node, &rs->hosts) {
        touch_members(rs, node->data);
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
        segment = find_segment(rs, net->vni);
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
        update_need(rs, node->data);
    }
    struct remote *r;
    HMAP_FOR_EACH_SAFE (r, mac_node, &rs->by_mac) {
        if (!r->segment->watched) {
            retire(rs, r);
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
    struct remote *old = find_mac(rs, row->vni, row->mac, row->part);
    if (old) {
        retire(rs, old);
    }
    for (size_t i = 0; i < 2; i++) {
        while (ipv6_addr_is_set(&row->ips[i])
               && (old = find_ip(rs, row->vni, &row->ips[i]))) {
            retire(rs, old);
        }
    }
}

void
remotes_row(struct remotes *rs, const struct directorydb_endpoint *row)
{
    rs->n_update++;
    struct segment *segment = find_segment(rs, row->vni);
    if (!segment || !segment->watched) {
        return;
    } else if (hmap_count(&rs->by_mac) >= REMOTES_MAX) {
        VLOG_WARN_RL(&rl, "more than %d endpoints of other hosts: endpoint %s "
                     "of %s is passed over", REMOTES_MAX, row->name,
                     row->host);
        return;
    }
    struct remote *old = find_mac(rs, row->vni, row->mac, row->part);
    if (old && says_the_same(old, row)) {
        /* No owner writes it again that still has it. */
        rs->other_content = (rs->other_content
                             || !uuid_equals(&old->uuid, &row->uuid));
        forget_uuid(rs, old);
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
    insert(rs, r);
}

void
remotes_row_gone(struct remotes *rs, const struct uuid *uuid)
{
    struct remote *r = find_uuid(rs, uuid);
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
            hold(rs, r, !mass);
            rs->release_at = time_msec() + PUT_BACK_MAX_MS;
        } else {
            retire(rs, r);
        }
    }
    rs->n_leaving = 0;
    if (rs->n_update >= TRIM_MIN) {
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
            retire(rs, r);
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
        touch_members(rs, host);
    }
}

void
remotes_reading(struct remotes *rs)
{
    struct remote *r;
    HMAP_FOR_EACH (r, mac_node, &rs->by_mac) {
        r->have = 0;
    }
    forget_gone(rs);                /* Their flows are found, of nobody. */
    plan_clear(&rs->stale);
    rs->n_observed = 0;
}

/* The one whose flow that is, and which of its flows; or NULL. */
static struct remote *
find_flow(const struct remotes *rs, const struct plan_flow *flow,
          enum remote_flow *which)
{
    struct compile_remote key;
    struct in6_addr ip;
    if (!compile_remote_parse(flow, &key, &ip)) {
        return NULL;
    }
    *which = (!key.ip ? FLOW_MAC : address_is_v4(key.ip) ? FLOW_IPV4
              : FLOW_IPV6);
    struct remote *r = (key.ip ? find_ip(rs, key.vni, key.ip)
                        : find_mac(rs, key.vni, key.mac, 0));
    return r && wanted_flows(rs, r) & 1u << *which ? r : NULL;
}

bool
remotes_observed(struct remotes *rs, const struct plan_flow *flow)
{
    if (!pipeline_cookie_is_remote(flow->cookie)) {
        return false;
    }
    rs->n_observed++;
    enum remote_flow which;
    struct remote *r = find_flow(rs, flow, &which);
    if (!r) {
        struct plan_flow copy = plan_flow_clone(flow);
        plan_add_observed(&rs->stale, &copy);
        return true;
    }
    struct plan_flow wanted;
    make_flow(r, which, &wanted);
    if (plan_flow_same_body(flow, &wanted)) {
        r->have |= 1u << which;
    }                               /* Else it will be replaced. */
    plan_flow_finish(&wanted);
    return true;
}

/* Of how many endpoints are the flows? */
static size_t
count_macs(const struct plan *plan)
{
    size_t n = 0;
    const struct plan_flow *flow;
    HMAP_FOR_EACH (flow, node, &plan->flows) {
        n += flow->table == TABLE_LEARNED;
    }
    return n;
}

void
remotes_wanted(struct remotes *rs, struct plan *plan)
{
    size_t n_lacking = 0;
    update_members(rs);
    struct remote *r;
    HMAP_FOR_EACH (r, mac_node, &rs->by_mac) {
        r->sent = r->have;
        if (wanted_flows(rs, r) != r->sent) {
            touch(rs, r);
            n_lacking++;
        }
    }
    struct shash_node *node;
    SHASH_FOR_EACH (node, &rs->hosts) {
        const struct host *host = node->data;
        const struct member *m;
        LIST_FOR_EACH (m, node, &host->members) {
            if (m->bucket) {
                compile_member(m->segment->vni, m->bucket, plan);
            }
        }
    }

    /* The first reading after a start may show that the directory has lost
     * much of what was in force before. */
    size_t n = hmap_count(&rs->stale.flows);
    VLOG_INFO("%"PRIuSIZE" endpoints of other hosts: %"PRIuSIZE" flows read, "
              "%"PRIuSIZE" of nobody, %"PRIuSIZE" endpoints lack some",
              hmap_count(&rs->by_mac), rs->n_observed, n, n_lacking);
    rs->stale_held = 0;
    if (!rs->trusted && n >= 2 * N_FLOWS && n * 2 > rs->n_observed) {
        VLOG_WARN("%"PRIuSIZE" of %"PRIuSIZE" flows for endpoints of other "
                  "hosts are of none that the directory has: left in force",
                  n, rs->n_observed);
        rs->stale_held = MAX(count_macs(&rs->stale), 1);
        plan_clear(&rs->stale);
    } else {
        rs->trusted = true;
    }
    rs->trim = rs->trim || rs->n_observed >= TRIM_MIN;
}

static void
tell(const struct remote *r, struct remote_info *info)
{
    *info = (struct remote_info) {
        .name = r->name, .host = r->host->name, .mac = r->mac,
    };
}

bool
remotes_by_mac(const struct remotes *rs, uint32_t vni, struct eth_addr mac,
               struct remote_info *info)
{
    const struct remote *r = find_mac(rs, vni, mac, 0);
    if (r) {
        tell(r, info);
    }
    return r != NULL;
}

bool
remotes_by_ip(const struct remotes *rs, uint32_t vni,
              const struct in6_addr *ip, struct remote_info *info)
{
    const struct remote *r = find_ip(rs, vni, ip);
    if (r) {
        tell(r, info);
    }
    return r != NULL;
}

/* Names are compared in whatever case. */
static uint32_t
hash_name(uint32_t vni, const char *name)
{
    uint32_t hash = vni;
    for (; *name; name++) {
        hash = hash_add(hash, tolower((unsigned char) *name));
    }
    return hash_finish(hash, 0);
}

size_t
remotes_by_name(const struct remotes *rs, uint32_t vni, const char *name,
                struct in6_addr ips[], size_t max)
{
    size_t n = 0;
    const struct remote *r;
    HMAP_FOR_EACH_WITH_HASH (r, name_node, hash_name(vni, name),
                             &rs->by_name) {
        for (size_t i = 0; i < 2 && r->segment->vni == vni
             && !strcasecmp(r->name, name); i++) {
            if (wanted_flows(rs, r) & 1u << i && n < max) {
                ips[n++] = r->ips[i];
            }
        }
    }
    return n;
}

size_t
remotes_count(const struct remotes *rs)
{
    return hmap_count(&rs->by_mac);
}

size_t
remotes_count_host(const struct remotes *rs, const char *name)
{
    const struct host *host = shash_find_data(&rs->hosts, name);
    return host ? host->n : 0;
}

size_t
remotes_count_network(const struct remotes *rs, uint32_t vni)
{
    const struct segment *segment = find_segment(rs, vni);
    return segment ? segment->n : 0;
}

static uint32_t
hash_mac_key(uint32_t vni, struct eth_addr mac)
{
    return hash_mac(mac, 0, vni);
}

static uint32_t
hash_ip_key(uint32_t vni, const struct in6_addr *ip)
{
    return hash_bytes(ip, sizeof *ip, vni);
}

static void
insert(struct remotes *rs, struct remote *r)
{
    uint32_t vni = r->segment->vni;
    r->live = true;
    r->host->n++;
    hmap_insert(&rs->by_uuid, &r->uuid_node, uuid_hash(&r->uuid));
    hmap_insert(&rs->by_mac, &r->mac_node, hash_mac_key(vni, r->mac));
    hmap_insert(&rs->by_name, &r->name_node, hash_name(vni, r->name));
    for (size_t i = 0; i < 2; i++) {
        if (ipv6_addr_is_set(&r->ips[i])) {
            hmap_insert(&rs->by_ip, &r->ip_nodes[i],
                        hash_ip_key(vni, &r->ips[i]));
        }
    }
    touch(rs, r);
    touch_parts(rs, r);
    if (!r->part) {
        count_member(rs, r, 1);
    }
}

/* The directory has it no longer, or by another uuid. */
static void
forget_uuid(struct remotes *rs, struct remote *r)
{
    if (!r->held) {
        hmap_remove(&rs->by_uuid, &r->uuid_node);
    } else if (r->briefly) {
        rs->n_briefly--;
    } else {
        rs->n_held--;
    }
    r->held = r->briefly = false;
}

static void
hold(struct remotes *rs, struct remote *r, bool briefly)
{
    forget_uuid(rs, r);
    r->leaving = false;
    r->held = true;
    r->briefly = briefly;
    rs->n_held += !briefly;
    rs->n_briefly += briefly;
}

/* Those whose owners have not put them back. */
static void
release_held(struct remotes *rs)
{
    struct remote *r;
    HMAP_FOR_EACH_SAFE (r, mac_node, &rs->by_mac) {
        if (r->briefly) {
            retire(rs, r);
        }
    }
}

/* It is known no longer; what the switch has of it is still to go. */
static void
retire(struct remotes *rs, struct remote *r)
{
    forget_uuid(rs, r);
    hmap_remove(&rs->by_mac, &r->mac_node);
    hmap_remove(&rs->by_name, &r->name_node);
    for (size_t i = 0; i < 2; i++) {
        if (ipv6_addr_is_set(&r->ips[i])) {
            hmap_remove(&rs->by_ip, &r->ip_nodes[i]);
        }
        if (r->sent & 1u << i) {
            neighbours_left(rs->neighbours, r->segment->vni, &r->ips[i],
                            r->mac);
        }
    }
    r->live = false;
    touch_parts(rs, r);
    if (!r->part) {
        count_member(rs, r, -1);
    }
    ovs_list_remove(&r->node);
    ovs_list_push_back(&rs->gone, &r->node);
}

/* It is in 'gone', and the switch has nothing of it. */
static void
destroy(struct remotes *rs, struct remote *r)
{
    struct host *host = r->host;
    ovs_list_remove(&r->node);
    free(r);
    if (!--host->n) {
        tunnels_need(rs->tunnels, host->name, false);
        tunnels_release(rs->tunnels, host->name);
        shash_find_and_delete(&rs->hosts, host->name);
        free(host->name);
        free(host);
    }
}

static void
touch(struct remotes *rs, struct remote *r)
{
    if (ovs_list_is_empty(&r->node)) {
        ovs_list_push_back(&rs->dirty, &r->node);
    }
}

/* The other rows of its MAC count beside it, or no longer. */
static void
touch_parts(struct remotes *rs, const struct remote *r)
{
    struct remote *part;
    HMAP_FOR_EACH_WITH_HASH (part, mac_node,
                             hash_mac_key(r->segment->vni, r->mac),
                             &rs->by_mac) {
        if (!r->part && part != r && part->segment == r->segment
            && eth_addr_equals(part->mac, r->mac)) {
            touch(rs, part);
        }
    }
}

static struct remote *
find_uuid(const struct remotes *rs, const struct uuid *uuid)
{
    struct remote *r;
    HMAP_FOR_EACH_WITH_HASH (r, uuid_node, uuid_hash(uuid), &rs->by_uuid) {
        if (uuid_equals(&r->uuid, uuid)) {
            return r;
        }
    }
    return NULL;
}

static struct segment *
find_segment(const struct remotes *rs, uint32_t vni)
{
    struct segment *segment;
    HMAP_FOR_EACH_WITH_HASH (segment, node, hash_int(vni, 0),
                             &rs->segments) {
        if (segment->vni == vni) {
            return segment;
        }
    }
    return NULL;
}

static struct remote *
find_mac(const struct remotes *rs, uint32_t vni, struct eth_addr mac,
         uint8_t part)
{
    struct remote *r;
    HMAP_FOR_EACH_WITH_HASH (r, mac_node, hash_mac_key(vni, mac),
                             &rs->by_mac) {
        if (r->segment->vni == vni && r->part == part
            && eth_addr_equals(r->mac, mac)) {
            return r;
        }
    }
    return NULL;
}

static struct remote *
find_ip(const struct remotes *rs, uint32_t vni, const struct in6_addr *ip)
{
    int i = address_is_v4(ip);
    struct remote *r;
    HMAP_FOR_EACH_WITH_HASH (r, ip_nodes[i], hash_ip_key(vni, ip),
                             &rs->by_ip) {
        if (r->segment->vni == vni && ipv6_addr_equals(&r->ips[i], ip)) {
            return r;
        }
    }
    return NULL;
}

/* The directory's rows are other hosts' words: an address that cannot be an
 * endpoint's of the network is nobody's. */
static bool
address_is_good(const struct network *net, const struct in6_addr *ip)
{
    const struct in6_addr *gateway;
    const struct prefix *subnet = network_subnet(net, ip, &gateway);
    return (subnet && !prefix_refuse_host(subnet, ip)
            && !(gateway && ipv6_addr_equals(gateway, ip)));
}

static uint8_t
wanted_flows(const struct remotes *rs, const struct remote *r)
{
    const struct network *net = r->segment->net;
    const struct remote *first
        = r->part ? find_mac(rs, r->segment->vni, r->mac, 0) : r;
    if (!net || !first || first->host != r->host) {
        return 0;
    }
    uint8_t wanted = r->part ? 0 : 1u << FLOW_MAC;
    for (size_t i = 0; i < 2; i++) {
        if (ipv6_addr_is_set(&r->ips[i])
            && address_is_good(net, &r->ips[i])) {
            wanted |= 1u << i;
        }
    }
    return wanted;
}

static void
make_flow(const struct remote *r, enum remote_flow i, struct plan_flow *flow)
{
    const struct compile_remote share = {
        .vni = r->segment->vni,
        .peer = r->host->id,
        .mac = r->mac,
        .ip = i == FLOW_MAC ? NULL : &r->ips[i],
    };
    compile_remote(&share, flow);
}

static void
touch_member(struct remotes *rs, struct member *m)
{
    if (ovs_list_is_empty(&m->changed_node)) {
        ovs_list_push_back(&rs->changed, &m->changed_node);
    }
}

static void
touch_members(struct remotes *rs, const struct host *host)
{
    struct member *m;
    LIST_FOR_EACH (m, node, &host->members) {
        touch_member(rs, m);
    }
}

static void
update_member(struct remotes *rs, struct member *m)
{
    ofp_port_t bucket = m->n && m->segment->net ? m->host->ofport : 0;
    if (bucket == m->bucket) {
        return;
    }
    struct plan old = PLAN_INITIALIZER(&old);
    struct plan new = PLAN_INITIALIZER(&new);
    if (m->bucket) {
        compile_member(m->segment->vni, m->bucket, &old);
    }
    if (bucket) {
        compile_member(m->segment->vni, bucket, &new);
    }
    ofswitch_change(rs->sw, &old, &new);
    m->bucket = bucket;
    plan_finish(&old);
    plan_finish(&new);
}

/* Once for all that has happened in a turn of the loop: a bucket that goes and
 * comes back in one bundle is refused, because what comes is sent first. */
static void
update_members(struct remotes *rs)
{
    struct member *m;
    LIST_FOR_EACH_POP (m, changed_node, &rs->changed) {
        ovs_list_init(&m->changed_node);
        update_member(rs, m);
        if (!m->n) {
            ovs_list_remove(&m->node);
            free(m);
        }
    }
}

/* One more (1), or one less (-1), of the host of 'r' in its network. */
static void
count_member(struct remotes *rs, const struct remote *r, int n)
{
    struct member *m, *found = NULL;
    LIST_FOR_EACH (m, node, &r->host->members) {
        if (m->segment == r->segment) {
            found = m;
        }
    }
    if (!found) {
        found = xzalloc(sizeof *found);
        found->host = r->host;
        found->segment = r->segment;
        ovs_list_init(&found->changed_node);
        ovs_list_push_back(&r->host->members, &found->node);
    }
    found->n += n;
    r->segment->n += n;
    touch_member(rs, found);
    update_need(rs, r->host);
}

static void
update_need(struct remotes *rs, struct host *host)
{
    bool needed = false;
    const struct member *m;
    LIST_FOR_EACH (m, node, &host->members) {
        needed = needed || (m->n && m->segment->used);
    }
    if (needed != host->needed) {
        host->needed = needed;
        tunnels_need(rs->tunnels, host->name, needed);
    }
}
