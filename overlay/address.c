/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "overlay/address.h"

#include <string.h>
#include "openvswitch/util.h"
#include "packets.h"
#include "sha1.h"
#include "util.h"

enum { ALLOCATE_TRIES_MAX = 65536 };
#define V4(A, B, C, D) \
    { .s6_addr = { [10] = 0xff, [11] = 0xff, A, B, C, D } }
#define V6(FIRST, LAST) \
    { .s6_addr = { (FIRST) >> 8, (FIRST) & 0xff, [15] = LAST } }

/* No host's own (RFC 6890, sections 2.2.2 and 2.2.3). */
static const struct special {
    struct prefix block;
    const char *reason;
} specials[] = {
    { { V4(0, 0, 0, 0), 8 }, "is unspecified" },
    { { V4(127, 0, 0, 0), 8 }, "is a loopback address" },
    { { V4(169, 254, 0, 0), 16 }, "is a link-local address" },
    { { V4(224, 0, 0, 0), 4 }, "is a multicast address" },
    { { V4(255, 255, 255, 255), 32 }, "is the broadcast address" },
    { { V6(0, 1), 128 }, "is a loopback address" },
    { { V6(0, 0), 16 }, "is unspecified" },     /* And IPv4 in disguise. */
    { { V6(0xfe80, 0), 10 }, "is a link-local address" },
    { { V6(0xff00, 0), 8 }, "is a multicast address" },
};

static char *refuse_host_bits(const char *s, const struct prefix *);
static int prefix_width(const struct prefix *);
static struct in6_addr prefix_mask(const struct prefix *);
static struct in6_addr prefix_base(const struct prefix *);
static void put_host_bits(struct in6_addr *, uint32_t number, int shift,
                          int n_bits);
static bool choose_slice(const struct peer *, const struct prefix *subnet,
                         struct prefix *slice);
static bool may_give(const struct peer *, const struct prefix *subnet,
                     const struct prefix *slice);

bool
address_is_v4(const struct in6_addr *addr)
{
    return IN6_IS_ADDR_V4MAPPED(addr);
}

bool
address_parse(const char *s, struct in6_addr *addr)
{
    ovs_be32 ip;

    if (ip_parse(s, &ip)) {
        in6_addr_set_mapped_ipv4(addr, ip);
        return true;
    }

    /* "::ffff:10.1.0.1" would be an IPv4 address in disguise. */
    return ipv6_parse(s, addr) && !address_is_v4(addr);
}

void
address_format(const struct in6_addr *addr, struct ds *ds)
{
    ipv6_format_mapped(addr, ds);
}

const char *
address_refuse_unicast(const struct in6_addr *addr)
{
    for (size_t i = 0; i < ARRAY_SIZE(specials); i++) {
        if (prefix_contains(&specials[i].block, addr)) {
            return specials[i].reason;
        }
    }
    return NULL;
}

char *
prefix_parse(const char *s, struct prefix *p)
{
    char host[INET6_ADDRSTRLEN];
    size_t n = strcspn(s, "/");
    unsigned int len;

    memset(p, 0, sizeof *p);
    ovs_strlcpy(host, s, MIN(n + 1, sizeof host));
    if (n >= sizeof host || !address_parse(host, &p->addr)) {
        return xasprintf("%s: not an address: write ADDRESS/LENGTH, like "
                         "10.1.0.5/16", s);
    }
    if (!s[n]) {
        return xasprintf("%s: no prefix length: write ADDRESS/LENGTH, like "
                         "%s/%d", s, s, prefix_is_v4(p) ? 24 : 64);
    }
    if (!number_parse(&s[n + 1], &len) || len > prefix_width(p)) {
        return xasprintf("%s: prefix length not within 0..%d", s,
                         prefix_width(p));
    }
    p->len = len;
    return NULL;
}

char *
prefix_parse_subnet(const char *s, struct prefix *p)
{
    char *error = prefix_parse(s, p);

    error = error ? error : refuse_host_bits(s, p);
    if (error) {
        return error;
    }
    if (!p->len || p->len > prefix_width(p) - 2) {
        return xasprintf("%s: prefix length not within 1..%d", s,
                         prefix_width(p) - 2);
    }
    for (size_t i = 0; i < ARRAY_SIZE(specials); i++) {
        if (prefix_overlaps(&specials[i].block, p)) {
            return xasprintf("%s: an address of it %s: choose another, like "
                             "%s", s, specials[i].reason,
                             prefix_is_v4(p) ? "10.1.0.0/16" : "fd00:1::/64");
        }
    }
    return NULL;
}

char *
prefix_parse_route(const char *s, struct prefix *p)
{
    char *error = prefix_parse(s, p);

    error = error ? error : refuse_host_bits(s, p);
    for (size_t i = 0; !error && i < ARRAY_SIZE(specials); i++) {
        if (prefix_within(p, &specials[i].block)) {
            error = xasprintf("%s: each address of it %s: choose another, "
                              "like %s", s, specials[i].reason,
                              prefix_is_v4(p) ? "10.9.0.0/16"
                                              : "fd00:9::/64");
        }
    }
    return error;
}

void
prefix_format(const struct prefix *p, struct ds *ds)
{
    address_format(&p->addr, ds);
    ds_put_format(ds, "/%d", p->len);
}

bool
prefix_is_v4(const struct prefix *p)
{
    return address_is_v4(&p->addr);
}

bool
prefix_equal(const struct prefix *a, const struct prefix *b)
{
    return a->len == b->len && ipv6_addr_equals(&a->addr, &b->addr);
}

bool
prefix_contains(const struct prefix *p, const struct in6_addr *addr)
{
    /* A mapped address is within ::/0 by its bits, but not by its family. */
    if (prefix_is_v4(p) != address_is_v4(addr)) {
        return false;
    }

    /* Not by masks: with many peers this is where the time goes. */
    const uint8_t *a = p->addr.s6_addr, *b = addr->s6_addr;
    int bits = 128 - prefix_width(p) + p->len;
    int n = bits / 8, rest = bits % 8;
    return !memcmp(a, b, n) && (!rest || !((a[n] ^ b[n]) >> (8 - rest)));
}

bool
prefix_overlaps(const struct prefix *a, const struct prefix *b)
{
    return prefix_within(a, b) || prefix_within(b, a);
}

bool
prefix_within(const struct prefix *inner, const struct prefix *outer)
{
    return inner->len >= outer->len && prefix_contains(outer, &inner->addr);
}

struct in6_addr
prefix_first_host(const struct prefix *subnet)
{
    struct in6_addr addr = prefix_base(subnet);

    put_host_bits(&addr, 1, 0, 1);
    return addr;
}

const char *
prefix_refuse_host(const struct prefix *subnet, const struct in6_addr *addr)
{
    struct in6_addr mask = prefix_mask(subnet);
    struct in6_addr wild = ipv6_addr_bitxor(&mask, &in6addr_exact);
    struct in6_addr host = ipv6_addr_bitand(addr, &wild);

    if (!prefix_contains(subnet, addr)) {
        return "is not within its subnet";
    }
    if (subnet->len >= prefix_width(subnet) - 1) {
        return NULL;            /* RFC 3021, RFC 6164: both are hosts. */
    }
    if (ipv6_is_zero(&host)) {
        return prefix_is_v4(subnet)
               ? "is the network address of its subnet"
               : "is the routers' anycast address of its subnet";
    }
    if (prefix_is_v4(subnet) && ipv6_addr_equals(&host, &wild)) {
        return "is the broadcast address of its subnet";
    }
    return NULL;
}

char *
address_slice(const struct peerlist *list, const struct peer *self,
              const struct prefix *subnet, struct prefix *slice)
{
    const struct peer *rival = NULL;
    struct prefix theirs;
    struct shash_node *node;
    bool own = choose_slice(self, subnet, slice);

    /* Of several, the one whose name comes first: the hash's order would
     * blame another one each time the list changes. */
    SHASH_FOR_EACH (node, &list->peers) {
        const struct peer *peer = node->data;

        if (strcmp(peer->name, self->name)
            && (!rival || strcmp(peer->name, rival->name) < 0)
            && may_give(peer, subnet, slice)) {
            rival = peer;
        }
    }
    if (!rival) {
        return NULL;
    }

    bool rival_own = choose_slice(rival, subnet, &theirs);
    struct ds ds = DS_EMPTY_INITIALIZER;
    ds_put_format(&ds, "the %sslice ", own ? "" : "default ");
    prefix_format(slice, &ds);
    ds_put_format(&ds, " of %s %s that of %s: give %s a \"slice = ...\"",
                  self->name, own || rival_own ? "overlaps" : "is also",
                  rival->name,
                  own ? rival->name : rival_own ? self->name : "each");
    return ds_steal_cstr(&ds);
}

bool
address_allocate(const struct prefix *subnet, const struct prefix *slice,
                 bool (*taken)(const struct in6_addr *, const void *aux),
                 const void *aux, uint32_t *number, struct in6_addr *addr)
{
    int host_bits = MIN(prefix_width(slice) - slice->len, 31);
    uint32_t n = UINT32_C(1) << host_bits;
    struct in6_addr gateway = prefix_first_host(subnet);
    uint32_t first = MAX(*number, 1);
    for (uint32_t i = first; i < n && i - first < ALLOCATE_TRIES_MAX; i++) {
        struct in6_addr candidate = prefix_base(slice);

        put_host_bits(&candidate, i, 0, host_bits);
        if (!prefix_refuse_host(subnet, &candidate)
            && !ipv6_addr_equals(&candidate, &gateway)
            && !taken(&candidate, aux)) {
            *addr = candidate;
            *number = i;
            return true;
        }
    }
    return false;
}

char *
mac_prefix_parse(const char *s, struct mac_prefix *p)
{
    static const struct eth_addr gateway = GATEWAY_MAC;
    size_t n = strlen(s);
    bool ok = n == 5 || n == 8;

    memset(p, 0, sizeof *p);
    for (size_t i = 0; ok && i < n; i += 3) {
        p->octets[i / 3] = hexits_value(&s[i], 2, &ok);
        ok = ok && (!s[i + 2] || s[i + 2] == ':');
    }
    if (!ok) {
        return xasprintf("%s is not the first 2 or 3 octets of a MAC "
                         "address: write it like 0a:57 or 0a:57:01", s);
    }
    if ((p->octets[0] & 3) != 2) {
        return xasprintf("%s is not of unicast, locally administered MAC "
                         "addresses: write %02x%s", s,
                         (p->octets[0] & 0xfc) | 2, &s[2]);
    }
    if (p->octets[0] == gateway.ea[0] && p->octets[1] == gateway.ea[1]
        && (n == 5 || p->octets[2] == gateway.ea[2])) {
        return xasprintf("%s: 0e:57:00 belongs to Weft's gateways: write "
                         "0a:57", s);
    }
    p->len = (n + 1) / 3;
    return NULL;
}

struct eth_addr
mac_derive(const struct mac_prefix *p, const struct in6_addr *addr,
           unsigned int attempt)
{
    struct eth_addr mac = { .ea = { 0x0a, 0x57 } };
    size_t len = p->len ? p->len : 2;
    uint8_t digest[SHA1_DIGEST_SIZE];
    ovs_be32 tail = in6_addr_get_mapped_ipv4(addr);

    memcpy(mac.ea, p->octets, p->len);
    if (!address_is_v4(addr)) {
        /* Not hash_bytes(): its value depends on the CPU it was built for,
         * and a MAC must outlive an upgrade. */
        sha1_bytes(addr, sizeof *addr, digest);
        memcpy(&tail, digest, sizeof tail);
    }

    /* Times an odd number, so that no two attempts up to 2^24 give the same,
     * and a large one, so that attempt 1 is not the neighbour's attempt 0. */
    uint32_t number = ntohl(tail) + attempt * UINT32_C(0x9e3779b1);
    for (size_t i = ETH_ADDR_LEN; i-- > len; number >>= 8) {
        mac.ea[i] = number;
    }
    return mac;
}

bool
mac_is_gateways(struct eth_addr mac)
{
    static const struct eth_addr gateway = GATEWAY_MAC;
    return !memcmp(mac.ea, gateway.ea, 3);
}

struct in6_addr
address_link_local(struct eth_addr mac)
{
    struct in6_addr addr;

    in6_generate_lla(mac, &addr);
    return addr;
}

/* Are there bits beyond the prefix 's', which is 'p'?  Returns NULL or an
 * owned message. */
static char *
refuse_host_bits(const char *s, const struct prefix *p)
{
    struct prefix proper = { prefix_base(p), p->len };

    if (prefix_equal(&proper, p)) {
        return NULL;
    }

    struct ds ds = DS_EMPTY_INITIALIZER;
    prefix_format(&proper, &ds);
    char *error = xasprintf("%s has bits beyond its prefix: write %s", s,
                            ds_cstr(&ds));
    ds_destroy(&ds);
    return error;
}

static int
prefix_width(const struct prefix *p)
{
    return prefix_is_v4(p) ? 32 : 128;
}

static struct in6_addr
prefix_mask(const struct prefix *p)
{
    return ipv6_create_mask(128 - prefix_width(p) + p->len);
}

static struct in6_addr
prefix_base(const struct prefix *p)
{
    struct in6_addr mask = prefix_mask(p);

    return ipv6_addr_bitand(&p->addr, &mask);
}

/* Sets those of the 'n_bits' bits above the last 'shift' ones of 'addr' that
 * 'number' has. */
static void
put_host_bits(struct in6_addr *addr, uint32_t number, int shift, int n_bits)
{
    for (int i = 0; i < n_bits; i++) {
        if (number & (UINT32_C(1) << i)) {
            int bit = shift + i;

            addr->s6_addr[15 - bit / 8] |= 1u << (bit % 8);
        }
    }
}

/* True: it is the peer's own; false: the default one. */
static bool
choose_slice(const struct peer *peer, const struct prefix *subnet,
             struct prefix *slice)
{
    for (size_t i = 0; i < peer->n_slices; i++) {
        if (prefix_within(&peer->slices[i], subnet)) {
            *slice = peer->slices[i];
            return true;
        }
    }

    int width = prefix_width(subnet);
    int n_bits = MIN((width - subnet->len) / 2, width == 32 ? 8 : 16);
    uint32_t number = (peer->address.s6_addr[14] << 8)
                      | peer->address.s6_addr[15];

    slice->addr = prefix_base(subnet);
    slice->len = subnet->len + n_bits;
    put_host_bits(&slice->addr, number, width - slice->len, n_bits);
    return false;
}

/* Could 'peer' give an address of 'slice', too?  All its slices count, not
 * only the first: the others are there for a reason. */
static bool
may_give(const struct peer *peer, const struct prefix *subnet,
         const struct prefix *slice)
{
    struct prefix theirs;

    for (size_t i = 0; i < peer->n_slices; i++) {
        if (prefix_overlaps(&peer->slices[i], slice)) {
            return true;
        }
    }
    return !choose_slice(peer, subnet, &theirs)
           && prefix_overlaps(&theirs, slice);
}
