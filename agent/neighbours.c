/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "agent/neighbours.h"

#include <stdlib.h>
#include "dp-packet.h"
#include "hash.h"
#include "overlay/announce.h"
#include "overlay/compile.h"
#include "packets.h"
#include "util.h"

/* The last ones that are remembered. */
enum { LEFT_MAX = 256 };

struct left {
    uint32_t vni;                   /* 0: none. */
    struct eth_addr mac;
    struct in6_addr ip;
};

struct neighbours {
    struct ofswitch *sw;
    struct left left[LEFT_MAX];
    uint32_t hashes[LEFT_MAX];      /* Of each, to find it fast. */
    size_t next;                    /* In 'left'. */
    bool any;                       /* There is, or was, one. */
};

struct neighbours *
neighbours_create(struct ofswitch *sw)
{
    struct neighbours *n = xzalloc(sizeof *n);
    n->sw = sw;
    return n;
}

void
neighbours_destroy(struct neighbours *n)
{
    free(n);
}

static uint32_t
hash_key(uint32_t vni, const struct in6_addr *ip)
{
    return hash_bytes(ip, sizeof *ip, vni);
}

static struct left *
find(struct neighbours *n, uint32_t vni, const struct in6_addr *ip)
{
    uint32_t hash = hash_key(vni, ip);
    for (size_t i = 0; i < LEFT_MAX; i++) {
        struct left *left = &n->left[i];
        if (n->hashes[i] == hash && left->vni == vni
            && ipv6_addr_equals(&left->ip, ip)) {
            return left;
        }
    }
    return NULL;
}

void
neighbours_left(struct neighbours *n, uint32_t vni, const struct in6_addr *ip,
                struct eth_addr mac)
{
    struct left *left = find(n, vni, ip);
    if (!left) {
        left = &n->left[n->next];
        n->hashes[n->next] = hash_key(vni, ip);
        n->next = (n->next + 1) % LEFT_MAX;
    }
    n->any = true;
    *left = (struct left) { .vni = vni, .mac = mac, .ip = *ip };
}

void
neighbours_came(struct neighbours *n, uint32_t vni, const struct in6_addr *ip,
                struct eth_addr mac)
{
    struct left *left = n->any ? find(n, vni, ip) : NULL;
    if (!left) {
        return;
    }
    bool same = eth_addr_equals(left->mac, mac);
    left->vni = 0;
    if (!same) {
        struct dp_packet packet;
        dp_packet_init(&packet, 128);
        announce_compose(&packet, mac, ip, true);
        char *actions = xasprintf("group:%"PRIu32, GROUP_NETWORK(vni));
        ofswitch_packet_out(n->sw, &packet, actions);
        free(actions);
        dp_packet_uninit(&packet);
    }
}
