/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "overlay/model.h"

#include <stdlib.h>
#include <string.h>
#include "openvswitch/util.h"
#include "overlay/address.h"
#include "packets.h"
#include "unicode.h"
#include "util.h"

/* Not isalnum(): what a name may be must not depend on a locale. */
#define ALPHANUM "abcdefghijklmnopqrstuvwxyz" \
                 "ABCDEFGHIJKLMNOPQRSTUVWXYZ" \
                 "0123456789"

static bool ips_equal(const struct endpoint *, const struct endpoint *);
static bool publishes_equal(const struct endpoint *, const struct endpoint *);

void
tunnel_finish(struct tunnel *tunnel)
{
    if (tunnel) {
        free(tunnel->port);
        free(tunnel->peer);
        memset(tunnel, 0, sizeof *tunnel);
    }
}

void
peerlist_destroy(struct peerlist *list)
{
    struct shash_node *node;

    if (!list) {
        return;
    }
    SHASH_FOR_EACH (node, &list->networks) {
        struct network *network = node->data;

        free(network->name);
        free(network->router);
    }
    SHASH_FOR_EACH (node, &list->routers) {
        struct router *router = node->data;

        free(router->name);
        sset_destroy(&router->networks);
    }
    SHASH_FOR_EACH (node, &list->peers) {
        struct peer *peer = node->data;

        free(peer->name);
    }
    shash_destroy_free_data(&list->networks);
    shash_destroy_free_data(&list->routers);
    shash_destroy_free_data(&list->peers);
    free(list);
}

const struct network *
peerlist_network(const struct peerlist *list, const char *name)
{
    return shash_find_data(&list->networks, name);
}

const struct network *
peerlist_network_by_vni(const struct peerlist *list, uint32_t vni)
{
    struct shash_node *node;
    SHASH_FOR_EACH (node, &list->networks) {
        const struct network *net = node->data;
        if (net->vni == vni) {
            return net;
        }
    }
    return NULL;
}

void
peerlist_add_peer(struct peerlist *list, const char *name,
                  const struct peer *peer)
{
    struct peer *copy = xmemdup(peer, sizeof *peer);
    copy->name = xstrdup(name);
    shash_add(&list->peers, name, copy);
}

void
peerlist_remove_peer(struct peerlist *list, const char *name)
{
    struct peer *peer = shash_find_and_delete(&list->peers, name);
    free(peer->name);
    free(peer);
}

const struct peer *
peerlist_peer(const struct peerlist *list, const char *name)
{
    return shash_find_data(&list->peers, name);
}

const struct in6_addr *
network_gateway(const struct network *net, bool v4)
{
    for (size_t i = 0; i < net->n_subnets; i++) {
        if (IN6_IS_ADDR_V4MAPPED(&net->subnets[i].addr) == v4) {
            return (ipv6_addr_is_set(&net->gateways[i])
                    ? &net->gateways[i] : NULL);
        }
    }
    return NULL;
}

const struct prefix *
network_subnet(const struct network *net, const struct in6_addr *addr,
               const struct in6_addr **gateway)
{
    *gateway = NULL;
    for (size_t i = 0; i < net->n_subnets; i++) {
        if (prefix_contains(&net->subnets[i], addr)) {
            *gateway = (ipv6_addr_is_set(&net->gateways[i])
                        ? &net->gateways[i] : NULL);
            return &net->subnets[i];
        }
    }
    return NULL;
}

void
endpoint_finish(struct endpoint *ep)
{
    if (ep) {
        free(ep->name);
        free(ep->network);
        free(ep->netns);
        free(ep->ifname);
        free(ep->port);
        free(ep->moved_to);
        memset(ep, 0, sizeof *ep);
    }
}

void
endpoint_clone(struct endpoint *dst, const struct endpoint *src)
{
    *dst = *src;
    dst->name = nullable_xstrdup(src->name);
    dst->network = nullable_xstrdup(src->network);
    dst->netns = nullable_xstrdup(src->netns);
    dst->ifname = nullable_xstrdup(src->ifname);
    dst->port = nullable_xstrdup(src->port);
    dst->moved_to = nullable_xstrdup(src->moved_to);
}

bool
endpoint_equal(const struct endpoint *a, const struct endpoint *b)
{
    return nullable_string_is_equal(a->name, b->name)
           && nullable_string_is_equal(a->network, b->network)
           && nullable_string_is_equal(a->netns, b->netns)
           && nullable_string_is_equal(a->ifname, b->ifname)
           && nullable_string_is_equal(a->port, b->port)
           && nullable_string_is_equal(a->moved_to, b->moved_to)
           && eth_addr_equals(a->mac, b->mac)
           && ips_equal(a, b)
           && a->mtu == b->mtu && a->netns_ino == b->netns_ino
           && a->tap == b->tap && a->owner == b->owner && a->dhcp == b->dhcp
           && publishes_equal(a, b);
}

bool
endpoint_has_ip(const struct endpoint *ep, const struct in6_addr *addr)
{
    for (size_t i = 0; i < ep->n_ips; i++) {
        if (ipv6_addr_equals(&ep->ips[i].addr, addr)) {
            return true;
        }
    }
    return false;
}

bool
name_is_valid(const char *s)
{
    size_t len = s ? strlen(s) : 0;

    return len >= 1 && len <= NAME_LEN_MAX
           && strchr(ALPHANUM, s[0])
           && strspn(s, ALPHANUM "._-") == len;
}

char *
text_refuse(const char *s)
{
    char *invalid = utf8_validate(s, NULL);

    if (invalid) {
        free(invalid);          /* Counts the end of 's' as one of them. */
        return xstrdup("bytes that are not UTF-8: write them as UTF-8");
    }
    for (; *s; s++) {
        unsigned char c = *s;

        if (c < 0x20 || c == 0x7f) {
            return xasprintf("control byte 0x%02x: remove it", c);
        }

        /* U+0080 to U+009F: some terminals obey these, too. */
        if (c == 0xc2 && (uint8_t) s[1] < 0xa0) {
            return xasprintf("control character U+00%02X: remove it",
                             (uint8_t) s[1]);
        }
    }
    return NULL;
}

bool
number_parse(const char *s, unsigned int *number)
{
    char canonical[sizeof "4294967295"];

    if (!str_to_uint(s, 10, number)) {
        return false;
    }

    /* strtoll() also takes blanks, signs and leading zeros. */
    snprintf(canonical, sizeof canonical, "%u", *number);
    return !strcmp(s, canonical);
}

/* The order counts: the first address names the MAC and is the source that
 * the guest prefers.  Not memcmp(): struct prefix might get padding. */
static bool
publishes_equal(const struct endpoint *a, const struct endpoint *b)
{
    bool equal = a->n_publishes == b->n_publishes;
    for (size_t i = 0; equal && i < a->n_publishes; i++) {
        const struct publish *p = &a->publishes[i];
        const struct publish *q = &b->publishes[i];
        equal = (p->host_port == q->host_port && p->port == q->port
                 && p->protocol == q->protocol);
    }
    return equal;
}

static bool
ips_equal(const struct endpoint *a, const struct endpoint *b)
{
    if (a->n_ips != b->n_ips) {
        return false;
    }
    for (size_t i = 0; i < a->n_ips; i++) {
        if (!ipv6_addr_equals(&a->ips[i].addr, &b->ips[i].addr)
            || a->ips[i].len != b->ips[i].len) {
            return false;
        }
    }
    return true;
}
