/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "tests/packet.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>
#include "openvswitch/util.h"
#include "overlay/address.h"
#include "packets.h"
#include "util.h"

struct in6_addr
packet_addr(const char *s)
{
    struct in6_addr addr;

    ovs_assert(strchr(s, ':') ? ipv6_parse(s, &addr)
               : address_parse(s, &addr));
    return addr;
}

static struct prefix
prefix_of(const char *s)
{
    struct prefix p;
    char *error = prefix_parse(s, &p);

    ovs_assert(!error);
    return p;
}

/* web1 and a.b are on blue, db on green; one with the longest name and the
 * most addresses that there can be is on every network. */
static const struct endpoint *
find(const char *name, const char *network, const void *aux OVS_UNUSED)
{
    static struct endpoint found;
    bool blue = !strcasecmp(network, "blue");
    bool green = !strcasecmp(network, "green");

    ovs_assert(name_is_valid(name) && name_is_valid(network));
    found = (struct endpoint) {
        .name = CONST_CAST(char *, name),
        .network = CONST_CAST(char *, network),
    };
    if (blue && !strcasecmp(name, "web1")) {
        found.ips[found.n_ips++] = prefix_of("10.1.0.5/16");
        found.ips[found.n_ips++] = prefix_of("fd00:1::5/64");
    } else if (blue && !strcasecmp(name, "a.b")) {
        found.ips[found.n_ips++] = prefix_of("10.1.0.6/16");
    } else if (green && !strcasecmp(name, "db")) {
        found.ips[found.n_ips++] = prefix_of("fd00:2::7/64");
    } else if (!strcasecmp(name, "many-a23456789a123456789a123456")) {
        while (found.n_ips < ENDPOINT_IPS_MAX) {
            found.ips[found.n_ips] = prefix_of("fd00:1::100/64");
            found.ips[found.n_ips].addr.s6_addr[15] = found.n_ips;
            found.n_ips++;
        }
    } else {
        return NULL;
    }
    return &found;
}

void
packet_fixture_init(struct packet_fixture *f)
{
    static char blue[] = "blue", web1[] = "web1";

    memset(f, 0, sizeof *f);
    f->network = (struct network) {
        .name = blue,
        .vni = 100,
        .subnets = { prefix_of("10.2.0.0/24"), prefix_of("10.1.0.0/16"),
                     prefix_of("fd00:1::/64"), prefix_of("fd00:2::/64") },
        .gateways = { in6addr_any, packet_addr("10.1.0.1"),
                      packet_addr("fd00:1::1"), in6addr_any },
        .n_subnets = 4,
        .dhcp = true,
        .dns = { packet_addr("10.1.0.53"), packet_addr("fd00:1::53"),
                 packet_addr("9.9.9.9") },
        .n_dns = 3,
        .routes = {
            { prefix_of("10.9.0.0/16"), packet_addr("10.1.0.7") },
            { prefix_of("10.8.1.128/25"), packet_addr("10.1.0.8") },
            { prefix_of("10.7.0.0/16"), packet_addr("10.2.0.9") },
            { prefix_of("10.6.0.0/16"), packet_addr("10.1.0.5") },
            { prefix_of("0.0.0.0/0"), packet_addr("10.1.0.7") },
            { prefix_of("fd00:9::/64"), packet_addr("fd00:1::7") },
        },
        .n_routes = 6,
    };
    f->endpoint = (struct endpoint) {
        .name = web1,
        .network = blue,
        .mac = ETH_ADDR_C(0a,57,0a,01,00,05),
        .ips = { prefix_of("10.2.0.5/24"), prefix_of("10.1.0.5/16"),
                 prefix_of("fd00:1::5/64") },
        .n_ips = 3,
    };
    f->ctx = (struct answer_context) {
        .network = &f->network,
        .endpoint = &f->endpoint,
        .mtu = 1400,
        .find = find,
    };
}

/* --- in big endian, byte by byte ----------------------------------------- */

static void
put16(uint8_t *p, uint16_t n)
{
    p[0] = n >> 8;
    p[1] = n & 0xff;
}

static uint16_t
get16(const uint8_t *p)
{
    /* cppcheck takes &l4[2], in a frame, for a place beside l4 itself. */
    /* cppcheck-suppress objectIndex */
    return p[0] << 8 | p[1];
}

/* RFC 1071, in the plainest way. */
static uint16_t
add(uint32_t sum, const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        sum += i % 2 ? p[i] : p[i] << 8;
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return sum;
}

/* Of layer 4 with the addresses' 'n_addrs' bytes; 0 if a checksum is in there
 * and right. */
static uint16_t
l4_sum(const uint8_t *addrs, size_t n_addrs, uint8_t proto, const uint8_t *l4,
       size_t n)
{
    const uint8_t pseudo[] = { 0, proto, n >> 8, n & 0xff };
    uint32_t sum = 0;

    if (proto != IPPROTO_ICMP) {
        sum = add(add(0, addrs, n_addrs), pseudo, sizeof pseudo);
    }
    return ~add(sum, l4, n);
}

/* --- frames -------------------------------------------------------------- */

size_t
packet_hex(const char *s, uint8_t *buf)
{
    size_t n = 0;

    while (s && *s) {
        if (isxdigit((unsigned char) *s)) {
            bool ok;

            buf[n++] = hexits_value(s, 2, &ok);
            ovs_assert(ok);
            s++;
        }
        s++;
    }
    return n;
}

/* Writes layer 4 but for its checksum.  Returns its size. */
static size_t
compose_l4(const struct packet *p, uint8_t *l4)
{
    size_t header = p->dst_port ? 8 : 0;
    size_t n = p->size;

    memset(l4, 0, header + n);
    if (p->data) {
        memcpy(&l4[header], p->data, n);
    } else {
        n = MAX(n, packet_hex(p->payload, &l4[header]));
    }
    if (header) {
        put16(&l4[0], p->src_port);
        put16(&l4[2], p->dst_port);
        put16(&l4[4], header + n);
    }
    return header + n;
}

size_t
packet_compose(const struct packet *p, uint8_t *buf)
{
    static const struct eth_addr gateway = GATEWAY_MAC, web1 = WEB1_MAC;
    bool v6 = p->v6 || (p->dst && strchr(p->dst, ':'));
    struct in6_addr src = packet_addr(p->src ? p->src
                                      : v6 ? "fd00:1::5" : "10.1.0.5");
    struct in6_addr dst = packet_addr(p->dst ? p->dst
                                      : v6 ? "fd00:1::1" : "10.1.0.1");
    size_t fixed = v6 ? 40 : 20, n_addr = v6 ? 16 : 4;
    uint8_t *ip = &buf[14], *addrs = &ip[fixed - 2 * n_addr];
    size_t between = packet_hex(p->between, &ip[fixed]);
    size_t header = fixed + between;
    uint8_t *l4 = &ip[header];
    size_t n = compose_l4(p, l4);
    uint8_t proto = p->dst_port ? IPPROTO_UDP : p->proto;
    uint8_t hop_limit = p->hop_limit ? p->hop_limit : 64;

    ovs_assert(14 + header + n <= PACKET_MAX);
    memcpy(buf, &gateway, 6);
    memcpy(&buf[6], &web1, 6);
    put16(&buf[12], v6 ? 0x86dd : 0x0800);
    memset(ip, 0, fixed);
    memcpy(addrs, &src.s6_addr[16 - n_addr], n_addr);
    memcpy(addrs + n_addr, &dst.s6_addr[16 - n_addr], n_addr);
    if (v6) {
        ip[0] = 0x60;
        put16(&ip[4], between + n);
        ip[6] = between ? p->next : proto;
        ip[7] = hop_limit;
    } else {
        ip[0] = 0x40 | header / 4;
        put16(&ip[2], header + n);
        put16(&ip[6], p->fragment);
        ip[8] = hop_limit;
        ip[9] = proto;
        put16(&ip[10], ~add(0, ip, header));
    }

    size_t sum_at = (proto == IPPROTO_UDP ? 6 : proto == IPPROTO_TCP ? 16
                     : proto == IPPROTO_ICMP || proto == IPPROTO_ICMPV6 ? 2
                     : n);

    if (sum_at + 2 <= n) {
        put16(&l4[sum_at], 0);
        put16(&l4[sum_at], l4_sum(addrs, 2 * n_addr, proto, l4, n));
    }
    return 14 + header + n;
}

/* Of an IP header for 'n' bytes of layer 4. */
static void
check_ip(const uint8_t *ip, bool v4, uint8_t tos, uint8_t hop_limit, size_t n)
{
    if (v4) {
        ovs_assert(get16(ip) == (0x4500 | tos));
        ovs_assert(get16(&ip[2]) == 20 + n);
        ovs_assert(get16(&ip[6]) == 0x4000);
        ovs_assert(ip[8] == hop_limit);
        ovs_assert(add(0, ip, 20) == 0xffff);
    } else {
        ovs_assert(get16(ip) == (0x6000 | tos << 4) && !get16(&ip[2]));
        ovs_assert(get16(&ip[4]) == n);
        ovs_assert(ip[7] == hop_limit);
    }
}

/* From nobody's address but the gateway's, to who asked or to all. */
static void
check_addresses(const uint8_t *eth, const struct packet_reply *r,
                const struct endpoint *asker)
{
    static const struct eth_addr gateway = GATEWAY_MAC;
    static const struct in6_addr broadcast = {
        .s6_addr = { [10] = 0xff, 0xff, 0xff, 0xff, 0xff, 0xff }
    };
    ovs_assert(!memcmp(&eth[6], &gateway, 6));
    ovs_assert(!endpoint_has_ip(asker, &r->src));
    if (eth[0] & 1) {
        ovs_assert(ipv6_addr_equals(&r->dst, &broadcast)
                   || IN6_IS_ADDR_MC_LINKLOCAL(&r->dst));
    } else {
        ovs_assert(!memcmp(eth, &asker->mac, 6));
        ovs_assert(endpoint_has_ip(asker, &r->dst)
                   || IN6_IS_ADDR_LINKLOCAL(&r->dst));
    }
}

struct packet_reply
packet_check(const struct dp_packet *reply, const struct endpoint *asker)
{
    const uint8_t *eth = dp_packet_data(reply), *ip = &eth[14];
    size_t size = dp_packet_size(reply);
    struct packet_fixture f;

    ovs_assert(eth && size >= 14 + 20 + 8 && size <= 14 + 1450);

    bool v4 = get16(&eth[12]) == 0x0800;
    size_t header = v4 ? 20 : 40, n_addr = v4 ? 4 : 16;
    const uint8_t *addrs = &ip[header - 2 * n_addr];
    struct packet_reply r = {
        .src = in6_addr_mapped_ipv4(0),
        .dst = in6_addr_mapped_ipv4(0),
        .proto = v4 ? ip[9] : ip[6],
        .l4 = &ip[header],
        .n = size - 14 - header,
    };

    ovs_assert(v4 || (get16(&eth[12]) == 0x86dd && size >= 14 + 40 + 8));
    memcpy(&r.src.s6_addr[16 - n_addr], addrs, n_addr);
    memcpy(&r.dst.s6_addr[16 - n_addr], addrs + n_addr, n_addr);
    if (!asker) {
        packet_fixture_init(&f);
        asker = &f.endpoint;
    }
    check_addresses(eth, &r, asker);

    /* Errors are internetwork control; neighbor discovery is for one link. */
    bool icmp = r.proto == (v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6);
    bool error = icmp && (v4 || r.l4[0] < 128);

    check_ip(ip, v4, error ? 0xc0 : 0, icmp && !error ? 255 : 64, r.n);
    ovs_assert(!l4_sum(addrs, 2 * n_addr, r.proto, r.l4, r.n));
    if (r.proto == IPPROTO_UDP) {
        ovs_assert(get16(&r.l4[4]) == r.n && get16(&r.l4[6]));
    } else {
        ovs_assert(icmp || (r.proto == IPPROTO_TCP && r.n == 20));
    }
    return r;
}
