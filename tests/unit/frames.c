/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "tests/unit/frames.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>
#include "openvswitch/util.h"
#include "overlay/address.h"
#include "packets.h"

static const uint8_t web1_mac[] = { 0x0a, 0x57, 0x0a, 0x01, 0x00, 0x05 };
static const uint8_t gateway_mac[] = { 0x0e, 0x57, 0x00, 0x00, 0x00, 0x01 };

static void
set_prefix(struct prefix *prefix, const char *s)
{
    char *error = prefix_parse(s, prefix);

    ovs_assert(!error);
}

/* Mapped addresses as well, which address_parse() refuses. */
static void
set_address(struct in6_addr *addr, const char *s)
{
    ovs_assert(strchr(s, ':') ? ipv6_parse(s, addr) : address_parse(s, addr));
}

static void
set_endpoint(struct endpoint *endpoint, const char *name, const char *network)
{
    memset(endpoint, 0, sizeof *endpoint);
    endpoint->name = CONST_CAST(char *, name);
    endpoint->network = CONST_CAST(char *, network);
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
    set_endpoint(&found, name, network);
    if (blue && !strcasecmp(name, "web1")) {
        set_prefix(&found.ips[found.n_ips++], "10.1.0.5/16");
        set_prefix(&found.ips[found.n_ips++], "fd00:1::5/64");
    } else if (blue && !strcasecmp(name, "a.b")) {
        set_prefix(&found.ips[found.n_ips++], "10.1.0.6/16");
    } else if (green && !strcasecmp(name, "db")) {
        set_prefix(&found.ips[found.n_ips++], "fd00:2::7/64");
    } else if (!strcasecmp(name, "many-a23456789a123456789a123456")) {
        while (found.n_ips < ENDPOINT_IPS_MAX) {
            set_prefix(&found.ips[found.n_ips], "fd00:1::100/64");
            found.ips[found.n_ips].addr.s6_addr[15] = found.n_ips;
            found.n_ips++;
        }
    } else {
        return NULL;
    }
    return &found;
}

struct answer_context
frames_context(void)
{
    static char name[] = "blue";
    static struct network blue = { .name = name, .vni = 1 };
    static struct endpoint web1;

    blue.n_subnets = 3;
    set_prefix(&blue.subnets[0], "10.1.0.0/16");
    set_prefix(&blue.subnets[1], "fd00:1::/64");
    set_prefix(&blue.subnets[2], "10.2.0.0/24");
    set_address(&blue.gateways[0], "10.1.0.1");
    set_address(&blue.gateways[1], "fd00:1::1");

    set_endpoint(&web1, "web1", "blue");
    memcpy(&web1.mac, web1_mac, sizeof web1_mac);
    web1.n_ips = 3;
    set_prefix(&web1.ips[0], "10.1.0.5/16");
    set_prefix(&web1.ips[1], "fd00:1::5/64");
    set_prefix(&web1.ips[2], "10.2.0.5/24");

    return (struct answer_context) {
        .network = &blue, .endpoint = &web1, .mtu = 1400, .find = find,
    };
}

size_t
frames_hex(const char *hex, uint8_t *bytes)
{
    size_t n = 0;

    for (const char *p = hex ? hex : ""; *p; ) {
        if (isxdigit((unsigned char) *p)) {
            bool ok;

            bytes[n++] = hexits_value(p, 2, &ok);
            ovs_assert(ok);
            p += 2;
        } else {
            p++;
        }
    }
    return n;
}

/* RFC 1071, in the plainest way: not the code under test's. */
static uint16_t
sum(uint32_t partial, const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        partial += i % 2 ? p[i] : p[i] << 8;
        partial = (partial & 0xffff) + (partial >> 16);
    }
    return partial;
}

size_t
frames_compose(const struct frame *frame, uint8_t *data)
{
    uint8_t *packet = data + 14;
    size_t header = frame->v6 ? 40 : 20;
    size_t between = frames_hex(frame->between, packet + header);
    uint8_t *payload = packet + header + between;
    size_t given = frames_hex(frame->payload, payload);
    size_t n = MAX(given, frame->size);
    struct in6_addr src, dst;

    set_address(&src, frame->src ? frame->src
                : frame->v6 ? "fd00:1::5" : "10.1.0.5");
    set_address(&dst, frame->dst ? frame->dst
                : frame->v6 ? "fd00:1::1" : "10.1.0.1");
    memset(payload + given, 0, n - given);
    memcpy(data, gateway_mac, 6);
    memcpy(data + 6, web1_mac, 6);
    memset(packet, 0, header);
    if (frame->v6) {
        memcpy(data + 12, "\x86\xdd", 2);
        packet[0] = 0x60;
        packet[4] = (between + n) >> 8;
        packet[5] = between + n;
        packet[6] = between ? frame->next : frame->proto;
        packet[7] = 64;
        memcpy(packet + 8, &src, 16);
        memcpy(packet + 24, &dst, 16);
    } else {
        size_t size = header + between + n;

        memcpy(data + 12, "\x08\x00", 2);
        packet[0] = 0x40 | (header + between) / 4;
        packet[2] = size >> 8;
        packet[3] = size;
        packet[6] = frame->fragment >> 8;
        packet[7] = frame->fragment;
        packet[8] = 64;
        packet[9] = frame->proto;
        memcpy(packet + 12, &src.s6_addr[12], 4);
        memcpy(packet + 16, &dst.s6_addr[12], 4);
        uint16_t checksum = ~sum(0, packet, header + between);
        packet[10] = checksum >> 8;
        packet[11] = checksum;
    }
    return payload + n - data;
}

const uint8_t *
frames_payload(const struct dp_packet *reply, uint8_t *proto,
               struct in6_addr *src, size_t *n)
{
    const uint8_t *data = dp_packet_data(reply);
    bool v4 = data[12] == 0x08;
    size_t header = 14 + (v4 ? 20 : 40);

    if (v4) {
        memset(src, 0, sizeof *src);
        memset(&src->s6_addr[10], 0xff, 2);
        memcpy(&src->s6_addr[12], data + 14 + 12, 4);
    } else {
        memcpy(src, data + 14 + 8, sizeof *src);
    }
    *proto = data[14 + (v4 ? 9 : 6)];
    *n = dp_packet_size(reply) - header;
    return data + header;
}

void
frames_check(const struct dp_packet *reply)
{
    size_t size = dp_packet_size(reply);
    const uint8_t *data = dp_packet_data(reply);
    const uint8_t *packet = data + 14;
    struct answer_context ctx = frames_context();
    struct in6_addr src, dst;
    uint32_t pseudo = 0;
    uint8_t proto;
    size_t n;

    ovs_assert(size >= 14 + 20);
    ovs_assert(!memcmp(data, web1_mac, 6));
    ovs_assert(!memcmp(data + 6, gateway_mac, 6));
    if (data[12] == 0x08) {
        ovs_assert(data[13] == 0x00 && packet[0] == 0x45);
        ovs_assert((packet[2] << 8 | packet[3]) == size - 14);
        ovs_assert(packet[6] == 0x40 && !packet[7] && packet[8] == 64);
        ovs_assert(sum(0, packet, 20) == 0xffff);
        pseudo = sum(0, packet + 12, 8);
        memset(&dst, 0, sizeof dst);
        memset(&dst.s6_addr[10], 0xff, 2);
        memcpy(&dst.s6_addr[12], packet + 16, 4);
    } else {
        ovs_assert(data[12] == 0x86 && data[13] == 0xdd);
        ovs_assert(size >= 14 + 40 && packet[0] >> 4 == 6 && packet[7] == 64);
        ovs_assert((packet[4] << 8 | packet[5]) == size - 14 - 40);
        pseudo = sum(0, packet + 8, 32);
        memcpy(&dst, packet + 24, sizeof dst);
    }
    ovs_assert(endpoint_has_ip(ctx.endpoint, &dst));

    const uint8_t *payload = frames_payload(reply, &proto, &src, &n);

    ovs_assert(!endpoint_has_ip(ctx.endpoint, &src));
    ovs_assert(proto == IPPROTO_TCP || proto == IPPROTO_UDP
               || proto == (data[12] == 0x08 ? IPPROTO_ICMP : IPPROTO_ICMPV6));
    if (proto == IPPROTO_UDP) {
        ovs_assert(n >= 8 && (payload[4] << 8 | payload[5]) == n);
        ovs_assert(payload[6] || payload[7]);
    } else {
        ovs_assert(n >= (proto == IPPROTO_TCP ? 20 : 8));
    }
    pseudo += proto + n;
    ovs_assert(sum(proto == IPPROTO_ICMP ? 0 : pseudo, payload, n) == 0xffff);
}
