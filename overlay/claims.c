/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "overlay/claims.h"

#include <stdlib.h>
#include "hash.h"
#include "overlay/address.h"
#include "packets.h"
#include "util.h"

struct ip_claim {
    struct hmap_node node;          /* In struct claims's 'ips'. */
    const struct endpoint *ep;
    const struct in6_addr *addr;    /* In 'ep'. */
};

static struct ip_claim *find_ip(const struct claims *, const char *network,
                                const struct in6_addr *);
static void add_ip(struct claims *, const struct endpoint *,
                   const struct in6_addr *);
static void remove_ip(struct claims *, const struct endpoint *,
                      const struct in6_addr *);
static void add_text(struct shash *, const struct endpoint *, char *text);
static void remove_text(struct shash *, const struct endpoint *, char *text);
static const struct endpoint *find_text(const struct claims *, char *text);
static char *mac_text(const char *network, struct eth_addr);
static char *inside_text(const char *netns, const char *ifname);

void
claims_init(struct claims *c)
{
    hmap_init(&c->ips);
    shash_init(&c->names);
    shash_init(&c->texts);
    simap_init(&c->cursors);
}

void
claims_destroy(struct claims *c)
{
    struct ip_claim *claim;
    HMAP_FOR_EACH_POP (claim, node, &c->ips) {
        free(claim);
    }
    hmap_destroy(&c->ips);
    shash_destroy(&c->names);
    shash_destroy(&c->texts);
    simap_destroy(&c->cursors);
}

/* Names of interfaces have no blanks, so the kinds of text do not meet. */
void
claims_add(struct claims *c, const struct endpoint *ep)
{
    for (size_t i = 0; i < ep->n_ips; i++) {
        add_ip(c, ep, &ep->ips[i].addr);
    }
    add_text(&c->names, ep, xstrdup(ep->name));
    add_text(&c->texts, ep, mac_text(ep->network, ep->mac));
    add_text(&c->texts, ep, inside_text(ep->netns, ep->ifname));
    add_text(&c->texts, ep, xstrdup(ep->port));
}

void
claims_remove(struct claims *c, const struct endpoint *ep)
{
    for (size_t i = 0; i < ep->n_ips; i++) {
        remove_ip(c, ep, &ep->ips[i].addr);
    }
    remove_text(&c->names, ep, xstrdup(ep->name));
    remove_text(&c->texts, ep, mac_text(ep->network, ep->mac));
    remove_text(&c->texts, ep, inside_text(ep->netns, ep->ifname));
    remove_text(&c->texts, ep, xstrdup(ep->port));
}

const struct endpoint *
claims_by_name(const struct claims *c, const char *name)
{
    return shash_find_data(&c->names, name);
}

const struct endpoint *
claims_by_ip(const struct claims *c, const char *network,
             const struct in6_addr *addr)
{
    const struct ip_claim *claim = find_ip(c, network, addr);
    return claim ? claim->ep : NULL;
}

const struct endpoint *
claims_by_mac(const struct claims *c, const char *network,
              struct eth_addr mac)
{
    return find_text(c, mac_text(network, mac));
}

const struct endpoint *
claims_by_inside(const struct claims *c, const char *netns, const char *ifname)
{
    return find_text(c, inside_text(netns, ifname));
}

const struct endpoint *
claims_by_port(const struct claims *c, const char *port)
{
    return shash_find_data(&c->texts, port);
}

uint32_t *
claims_cursor(struct claims *c, const char *network, bool v4)
{
    char *key = xasprintf("%s %d", network, v4 ? 4 : 6);
    if (!simap_contains(&c->cursors, key)) {
        simap_put(&c->cursors, key, 0);
    }
    unsigned int *number = &simap_find(&c->cursors, key)->data;
    free(key);
    return number;
}

static uint32_t
hash_ip(const char *network, const struct in6_addr *addr)
{
    return hash_bytes(addr, sizeof *addr, hash_string(network, 0));
}

static struct ip_claim *
find_ip(const struct claims *c, const char *network,
        const struct in6_addr *addr)
{
    struct ip_claim *claim;
    HMAP_FOR_EACH_WITH_HASH (claim, node, hash_ip(network, addr), &c->ips) {
        if (ipv6_addr_equals(claim->addr, addr)
            && !strcmp(claim->ep->network, network)) {
            return claim;
        }
    }
    return NULL;
}

static void
add_ip(struct claims *c, const struct endpoint *ep,
       const struct in6_addr *addr)
{
    if (!find_ip(c, ep->network, addr)) {
        struct ip_claim *claim = xmalloc(sizeof *claim);
        claim->ep = ep;
        claim->addr = addr;
        hmap_insert(&c->ips, &claim->node, hash_ip(ep->network, addr));
    }
}

static void
remove_ip(struct claims *c, const struct endpoint *ep,
          const struct in6_addr *addr)
{
    struct ip_claim *claim = find_ip(c, ep->network, addr);
    if (claim && claim->ep == ep) {
        hmap_remove(&c->ips, &claim->node);
        free(claim);
        *claims_cursor(c, ep->network, address_is_v4(addr)) = 0;
    }
}

/* Both take over 'text'. */
static void
add_text(struct shash *texts, const struct endpoint *ep, char *text)
{
    shash_add_once(texts, text, ep);
    free(text);
}

static void
remove_text(struct shash *texts, const struct endpoint *ep, char *text)
{
    if (shash_find_data(texts, text) == ep) {
        shash_find_and_delete(texts, text);
    }
    free(text);
}

static const struct endpoint *
find_text(const struct claims *c, char *text)
{
    const struct endpoint *ep = shash_find_data(&c->texts, text);
    free(text);
    return ep;
}

static char *
mac_text(const char *network, struct eth_addr mac)
{
    return xasprintf("%s mac "ETH_ADDR_FMT, network, ETH_ADDR_ARGS(mac));
}

static char *
inside_text(const char *netns, const char *ifname)
{
    return xasprintf("%s %s", netns, ifname);
}
