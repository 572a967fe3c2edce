/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "agent/remotes-store.h"

#include <ctype.h>
#include <stdlib.h>
#include "hash.h"
#include "overlay/address.h"
#include "packets.h"
#include "util.h"
#include "uuid.h"

static void touch_parts(struct remotes *, const struct remote *);

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
            if (remotes_flows_wanted(rs, r) & 1u << i && n < max) {
                ips[n++] = r->ips[i];
            }
        }
    }
    return n;
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

void
remotes_store_insert(struct remotes *rs, struct remote *r)
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
    remotes_store_touch(rs, r);
    touch_parts(rs, r);
    if (!r->part) {
        remotes_flows_count_member(rs, r, 1);
    }
}

void
remotes_store_forget_uuid(struct remotes *rs, struct remote *r)
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

void
remotes_store_hold(struct remotes *rs, struct remote *r, bool briefly)
{
    remotes_store_forget_uuid(rs, r);
    r->leaving = false;
    r->held = true;
    r->briefly = briefly;
    rs->n_held += !briefly;
    rs->n_briefly += briefly;
}

void
remotes_store_retire(struct remotes *rs, struct remote *r)
{
    remotes_store_forget_uuid(rs, r);
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
        remotes_flows_count_member(rs, r, -1);
    }
    ovs_list_remove(&r->node);
    ovs_list_push_back(&rs->gone, &r->node);
}

void
remotes_store_destroy(struct remotes *rs, struct remote *r)
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

void
remotes_store_touch(struct remotes *rs, struct remote *r)
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
            remotes_store_touch(rs, part);
        }
    }
}

struct remote *
remotes_store_by_uuid(const struct remotes *rs, const struct uuid *uuid)
{
    struct remote *r;
    HMAP_FOR_EACH_WITH_HASH (r, uuid_node, uuid_hash(uuid), &rs->by_uuid) {
        if (uuid_equals(&r->uuid, uuid)) {
            return r;
        }
    }
    return NULL;
}

struct segment *
remotes_store_segment(const struct remotes *rs, uint32_t vni)
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

struct remote *
remotes_store_by_mac(const struct remotes *rs, uint32_t vni,
                     struct eth_addr mac, uint8_t part)
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

struct remote *
remotes_store_by_ip(const struct remotes *rs, uint32_t vni,
                    const struct in6_addr *ip)
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
    const struct remote *r = remotes_store_by_mac(rs, vni, mac, 0);
    if (r) {
        tell(r, info);
    }
    return r != NULL;
}

bool
remotes_by_ip(const struct remotes *rs, uint32_t vni,
              const struct in6_addr *ip, struct remote_info *info)
{
    const struct remote *r = remotes_store_by_ip(rs, vni, ip);
    if (r) {
        tell(r, info);
    }
    return r != NULL;
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
    const struct segment *segment = remotes_store_segment(rs, vni);
    return segment ? segment->n : 0;
}
