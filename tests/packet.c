/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "tests/packet.h"

#include <stdlib.h>
#include <string.h>
#include "openvswitch/util.h"
#include "overlay/address.h"
#include "packets.h"
#include "util.h"

struct in6_addr
packet_addr(const char *s)
{
    struct in6_addr addr;

    ovs_assert(address_parse(s, &addr));
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
        .mtu = 1450,
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
    return p[0] << 8 | p[1];
}

static uint32_t
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
    uint32_t sum = add(0, addrs, n_addrs) + proto + n;

    sum = (sum & 0xffff) + (sum >> 16);
    sum = add(sum, l4, n);
    sum = (sum & 0xffff) + (sum >> 16);
    return ~sum & 0xffff;
}

size_t
packet_frame(uint8_t *buf, struct eth_addr mac, const char *src_,
             const char *dst_, uint8_t proto, uint8_t hop_limit,
             const void *l4_, size_t n)
{
    struct in6_addr src = packet_addr(src_), dst = packet_addr(dst_);
    bool v4 = address_is_v4(&dst);
    size_t header = v4 ? 20 : 40, n_addr = v4 ? 4 : 16;
    uint8_t *ip = &buf[14], *l4 = &ip[header];
    uint8_t *addrs = l4 - 2 * n_addr;

    ovs_assert(14 + header + n <= PACKET_MAX);
    memset(buf, 0, 14 + header);
    memset(buf, 0xff, 6);
    memcpy(&buf[6], &mac, 6);
    put16(&buf[12], v4 ? 0x0800 : 0x86dd);
    memcpy(addrs, &src.s6_addr[16 - n_addr], n_addr);
    memcpy(addrs + n_addr, &dst.s6_addr[16 - n_addr], n_addr);
    if (v4) {
        ip[0] = 0x45;
        put16(&ip[2], header + n);
        ip[8] = hop_limit;
        ip[9] = proto;
        put16(&ip[10], ~add(0, ip, header));
    } else {
        ip[0] = 0x60;
        put16(&ip[4], n);
        ip[6] = proto;
        ip[7] = hop_limit;
    }
    if (n) {
        memcpy(l4, l4_, n);
    }

    size_t sum_at = proto == IPPROTO_UDP ? 6 : 2;

    if (n >= sum_at + 2) {
        put16(&l4[sum_at], 0);
        put16(&l4[sum_at], l4_sum(addrs, 2 * n_addr, proto, l4, n));
    }
    return 14 + header + n;
}

size_t
packet_udp(uint8_t *buf, struct eth_addr mac, const char *src,
           const char *dst, uint16_t src_port, uint16_t dst_port,
           const void *payload, size_t n)
{
    uint8_t *l4 = xzalloc(8 + n);

    put16(&l4[0], src_port);
    put16(&l4[2], dst_port);
    put16(&l4[4], 8 + n);
    if (n) {
        memcpy(&l4[8], payload, n);
    }

    size_t size = packet_frame(buf, mac, src, dst, IPPROTO_UDP, 64, l4, 8 + n);

    free(l4);
    return size;
}

const uint8_t *
packet_check(const struct dp_packet *reply, struct eth_addr mac, size_t *n)
{
    static const struct eth_addr gateway = GATEWAY_MAC;
    const uint8_t *p = dp_packet_data(reply);
    size_t size = dp_packet_size(reply);
    const uint8_t *ip = &p[14];

    ovs_assert(size >= 14 + 40 && size <= 14 + 1450);
    ovs_assert(p[0] & 1 || !memcmp(p, &mac, 6));
    ovs_assert(!memcmp(&p[6], &gateway, 6));

    bool v4 = get16(&p[12]) == 0x0800;
    size_t header = v4 ? 20 : 40, n_addrs = v4 ? 8 : 32;
    const uint8_t *l4 = &ip[header];
    uint8_t proto = v4 ? ip[9] : ip[6];

    *n = size - 14 - header;
    ovs_assert(v4 || get16(&p[12]) == 0x86dd);
    ovs_assert(ip[0] == (v4 ? 0x45 : 0x60));
    ovs_assert(!v4 || (get16(&ip[2]) == 20 + *n && add(0, ip, 20) == 0xffff));
    ovs_assert(v4 || get16(&ip[4]) == *n);
    ovs_assert(proto == IPPROTO_UDP || proto == IPPROTO_ICMPV6);
    ovs_assert(!l4_sum(l4 - n_addrs, n_addrs, proto, l4, *n));
    if (proto == IPPROTO_UDP) {
        ovs_assert(*n >= 8 && get16(&l4[4]) == *n && get16(&l4[6]));
        ovs_assert((v4 ? ip[8] : ip[7]) == 64);
    } else {
        ovs_assert(*n >= 4 && !v4 && ip[7] == 255);
    }
    return l4;
}

size_t
packet_hex(const char *s, uint8_t *buf)
{
    size_t n = 0;

    for (; *s; s++) {
        if (*s != ' ') {
            bool ok;

            buf[n++] = hexits_value(s++, 2, &ok);
            ovs_assert(ok);
        }
    }
    return n;
}
