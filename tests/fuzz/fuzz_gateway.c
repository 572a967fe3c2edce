/* SPDX-License-Identifier: Apache-2.0 */

/* A gateway of any network that may be configured, asked several things for
 * any reason: each reply is a frame that packet_check() takes and that fits
 * the network, is the same however often it is asked, and is answered by
 * nobody.
 *
 * Eight bytes say what the network is like; then, for each frame, the reason,
 * how it is wrapped, its size in two bytes, and that many bytes. */

#include <config.h>
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>
#include "openvswitch/util.h"
#include "overlay/address.h"
#include "overlay/frame.h"
#include "tests/packet.h"
#include "util.h"

enum { CONFIG_LEN = 8, HEADER_LEN = 4, FRAMES_MAX = 8, WRAPPED_MAX = 32768 };

/* Of subnets, and their gateways, as bits of 'config' have them. */
static void
choose_subnets(const uint8_t config[], struct network *net)
{
    const struct network all = *net;

    net->n_subnets = 0;
    for (size_t i = 0; i < all.n_subnets; i++) {
        size_t from = (i + config[0] / 16) % all.n_subnets;
        struct prefix subnet = all.subnets[from];

        if (!(config[0] & 1 << from)) {
            net->gateways[net->n_subnets]
                = (config[1] & 1 << from ? prefix_first_host(&subnet)
                   : config[1] & 16 << from ? all.gateways[from]
                   : in6addr_any);
            net->subnets[net->n_subnets++] = subnet;
        }
    }
    if (!net->n_subnets) {
        net->subnets[net->n_subnets++] = all.subnets[1];
        net->gateways[0] = in6addr_any;
    }
}

static void
choose_services(const uint8_t config[], struct network *net)
{
    net->dhcp = config[4] & 1;
    net->n_dns = config[2] % (DNS_MAX + 1);
    for (size_t i = 0; i < net->n_dns; i++) {
        net->dns[i] = packet_addr(config[2] & 16 << i % 4 ? "fd00:1::53"
                                  : "10.1.0.53");
    }
    net->n_routes = config[3] % (NETWORK_ROUTES_MAX + 1);
    for (size_t i = 0; i < net->n_routes; i++) {
        const struct prefix *subnet = &net->subnets[i % net->n_subnets];
        struct route *route = &net->routes[i];
        bool v4 = prefix_is_v4(subnet);

        *route = (struct route) {
            .dst.addr = v4 ? in6_addr_mapped_ipv4(0) : in6addr_any,
            .dst.len = (config[3] + i) % (v4 ? 33 : 129),
            .via = subnet->addr,
        };
        route->via.s6_addr[15] = 2 + i;
    }
}

static void
choose_endpoint(const uint8_t config[], struct endpoint *ep)
{
    const struct endpoint all = *ep;

    ep->dhcp = config[4] & 2;
    ep->n_ips = 0;
    for (size_t i = 0; i < all.n_ips; i++) {
        if (!(config[5] & 1 << i)) {
            ep->ips[ep->n_ips++] = all.ips[i];
        }
    }
}

/* The frame that 'n' bytes at 'data' are, as 'wrap' says: all of it, or what a
 * header is put before that has been seen to come for that reason. */
static size_t
compose(enum answer_why why, uint8_t wrap, const uint8_t *data, size_t n,
        uint8_t *buf)
{
    static const struct packet around[] = {
        [0] = { .dst = "10.1.0.1", .proto = IPPROTO_ICMP },
        [WHY_DHCP4] = { .src = "0.0.0.0", .dst = "255.255.255.255",
                        .src_port = 68, .dst_port = 67 },
        [WHY_DHCP6] = { .src = "fe80::857:aff:fe01:5", .dst = "ff02::1:2",
                        .src_port = 546, .dst_port = 547 },
        [WHY_SOLICIT] = { .src = "fe80::857:aff:fe01:5", .dst = "ff02::2",
                          .proto = IPPROTO_ICMPV6, .hop_limit = 255 },
        [WHY_DNS] = { .dst = "10.1.0.1", .src_port = 999, .dst_port = 53 },
        [WHY_TTL] = { .dst = "192.0.2.1", .src_port = 9, .dst_port = 9,
                      .hop_limit = 1 },
        [WHY_TOO_BIG] = { .dst = "2001:db8::1", .src_port = 9,
                          .dst_port = 9 },
        [WHY_UNREACHABLE] = { .dst = "2001:db8::1", .proto = IPPROTO_TCP },
        [WHY_PORT] = { .dst = "10.1.0.1", .proto = IPPROTO_TCP },
        [WHY_DNS_PEER] = { .dst = "fd00:1::1", .src_port = 9,
                           .dst_port = 53 },
        [WHY_NEIGHBOUR] = { .dst = "ff02::1:ff00:1", .v6 = true,
                            .proto = IPPROTO_ICMPV6, .hop_limit = 255 },
    };

    if (wrap & 1) {
        memcpy(buf, data, n);
        return n;
    }
    struct packet p = around[wrap & 2 ? 0 : why];

    p.data = data;
    p.size = n;
    return packet_compose(&p, buf);
}

/* Of a block of its own size, so that a sanitizer sees what reads on. */
static bool
ask(enum answer_why why, const struct answer_context *ctx, const void *data,
    size_t size, struct dp_packet *reply)
{
    void *frame = size ? xmemdup(data, size) : NULL;
    bool answered = answer_compose(why, ctx, frame, size, reply);

    ovs_assert(answered == (dp_packet_size(reply) > 0));
    free(frame);
    return answered;
}

/* Who the reply is for: a peer's switch has seen to it that whoever asks by it
 * is who it says. */
static struct endpoint
asker_of(enum answer_why why, const struct answer_context *ctx,
         const void *data, size_t size)
{
    struct endpoint asker = *ctx->endpoint;
    struct frame frame;

    if (why == WHY_DNS_PEER && frame_parse(&frame, data, size)) {
        asker.mac = frame.eth_src;
        asker.ips[0].addr = frame.src;
        asker.n_ips = 1;
    }
    return asker;
}

static void
check_frame(enum answer_why why, const struct answer_context *ctx,
            const void *frame, size_t size)
{
    struct dp_packet reply, again, none;

    dp_packet_init(&reply, 0);
    dp_packet_init(&again, 0);
    dp_packet_init(&none, 0);
    if (ask(why, ctx, frame, size, &reply)) {
        size_t n = dp_packet_size(&reply);

        struct endpoint asker = asker_of(why, ctx, frame, size);
        packet_check(&reply, &asker);
        ovs_assert(n - 14 <= ctx->mtu);
        ovs_assert(ask(why, ctx, frame, size, &again));

        const void *a = dp_packet_data(&reply), *b = dp_packet_data(&again);
        ovs_assert(a && b && dp_packet_size(&again) == n);
        ovs_assert(!memcmp(a, b, n));
        for (int other = WHY_DHCP4; other <= WHY_NEIGHBOUR; other++) {
            ovs_assert(!ask(other, ctx, a, n, &none));
        }
    }
    dp_packet_uninit(&reply);
    dp_packet_uninit(&again);
    dp_packet_uninit(&none);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int mtus[] = { MTU_MIN, 1400, 1450, 9000 };
    static uint8_t buf[PACKET_MAX];
    struct packet_fixture f;
    bool unknown = false;

    if (size < CONFIG_LEN) {
        return 0;
    }
    packet_fixture_init(&f);
    choose_subnets(data, &f.network);
    choose_services(data, &f.network);
    choose_endpoint(data, &f.endpoint);
    f.ctx.mtu = mtus[data[6] % ARRAY_SIZE(mtus)];
    f.ctx.unknown = data[7] & 1 ? &unknown : NULL;
    data += CONFIG_LEN;
    size -= CONFIG_LEN;
    for (int i = 0; i < FRAMES_MAX && size >= HEADER_LEN; i++) {
        enum answer_why why = WHY_DHCP4 + data[0] % WHY_NEIGHBOUR;
        size_t n = data[2] << 8 | data[3];
        uint8_t wrap = data[1];

        data += HEADER_LEN;
        size -= HEADER_LEN;
        n = MIN(MIN(n, size), WRAPPED_MAX);
        check_frame(why, &f.ctx, buf, compose(why, wrap, data, n, buf));
        data += n;
        size -= n;
    }
    return 0;
}
