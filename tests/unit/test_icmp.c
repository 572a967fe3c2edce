/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "overlay/icmp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "openvswitch/dynamic-string.h"
#include "openvswitch/util.h"
#include "overlay/address.h"
#include "packets.h"
#include "tests/packet.h"

#define UDP "1000 0035 0008 0000"
#define SYN "1000 0050 00000001 00000000 5002 ffff 0000 0000"
#define ACK "1000 0050 00000001 00000009 5010 ffff 0000 0000"
#define RST "1000 0050 00000001 00000009 5004 ffff 0000 0000"

static uint32_t
get32(const uint8_t *p)
{
    return (uint32_t) p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3];
}

/* The answer to the 'size' bytes at 'data' on one line: whose it is, what it
 * says, how much it quotes; "-" is none. */
static char *
answer(enum answer_why why, const struct answer_context *ctx,
       const uint8_t *data, size_t size)
{
    struct ds ds = DS_EMPTY_INITIALIZER;
    uint8_t *exact = xmemdup(data, size ? size : 1);
    struct dp_packet reply;

    dp_packet_init(&reply, 0);
    if (!icmp_answer(why, ctx, exact, size, &reply)) {
        assert_int_equal(dp_packet_size(&reply), 0);
        ds_put_char(&ds, '-');
    } else {
        struct packet_reply r = packet_check(&reply, NULL);
        const uint8_t *p = r.l4;

        assert_true(endpoint_has_ip(ctx->endpoint, &r.dst));
        address_format(&r.src, &ds);
        if (r.proto == IPPROTO_TCP) {
            assert_int_equal(r.n, 20);
            assert_int_equal(p[12], 0x50);
            assert_int_equal(get32(p + 14) >> 16, 0);       /* Window. */
            ds_put_format(&ds, " %x>%x seq %x ack %x flags %x",
                          p[0] << 8 | p[1], p[2] << 8 | p[3], get32(p + 4),
                          get32(p + 8), p[13]);
        } else {
            ds_put_format(&ds, " %u/%u %u quotes %"PRIuSIZE, p[0], p[1],
                          get32(p + 4), r.n - 8);
            assert_memory_equal(p + 8, data + 14, r.n - 8);
        }
    }
    dp_packet_uninit(&reply);
    free(exact);
    return ds_steal_cstr(&ds);
}

struct icmp_case {
    enum answer_why why;
    struct packet packet;
    const char *answer;
};

static void
check(const struct icmp_case *cases, size_t n)
{
    struct packet_fixture f;
    uint8_t *data = xmalloc(PACKET_MAX);

    packet_fixture_init(&f);
    for (size_t i = 0; i < n; i++) {
        size_t size = packet_compose(&cases[i].packet, data);
        char *s = answer(cases[i].why, &f.ctx, data, size);

        if (strcmp(s, cases[i].answer)) {
            fail_msg("case %"PRIuSIZE": %s, not %s", i, s, cases[i].answer);
        }
        free(s);
    }
    free(data);
}

static void
test_errors4(void **state OVS_UNUSED)
{
    static const struct icmp_case cases[] = {
        { WHY_TTL, { .dst = "10.9.0.1", .proto = 17, .payload = UDP },
          "10.1.0.1 11/0 0 quotes 28" },
        { WHY_TTL, { .dst = "10.9.0.1", .proto = 1, .payload = "0800" },
          "10.1.0.1 11/0 0 quotes 22" },
        { WHY_TTL, { .dst = "10.9.0.1", .proto = 6, .payload = SYN },
          "10.1.0.1 11/0 0 quotes 40" },
        { WHY_TTL, { .dst = "10.9.0.1", .proto = 47 },
          "10.1.0.1 11/0 0 quotes 20" },
        /* Options are quoted, and the payload found behind them. */
        { WHY_TTL, { .dst = "10.9.0.1", .proto = 1, .payload = "0800",
                     .between = "01010101 01010100" },
          "10.1.0.1 11/0 0 quotes 30" },
        { WHY_TTL, { .dst = "10.9.0.1", .proto = 1, .payload = "0300",
                     .between = "08000000 01010100" }, "-" },
        /* The first of several fragments. */
        { WHY_TTL, { .dst = "10.9.0.1", .proto = 17, .payload = UDP,
                     .fragment = 0x2000 }, "10.1.0.1 11/0 0 quotes 28" },
        { WHY_UNREACHABLE, { .dst = "192.0.2.1", .proto = 17,
                             .payload = UDP }, "10.1.0.1 3/0 0 quotes 28" },
        { WHY_UNREACHABLE, { .dst = "169.254.169.254", .proto = 6,
                             .payload = SYN }, "10.1.0.1 3/0 0 quotes 40" },
        /* 576 bytes at most. */
        { WHY_UNREACHABLE, { .dst = "192.0.2.1", .proto = 17, .payload = UDP,
                             .size = 528 }, "10.1.0.1 3/0 0 quotes 548" },
        { WHY_UNREACHABLE, { .dst = "192.0.2.1", .proto = 17, .payload = UDP,
                             .size = 527 }, "10.1.0.1 3/0 0 quotes 547" },
        { WHY_UNREACHABLE, { .dst = "192.0.2.1", .proto = 17, .payload = UDP,
                             .size = 65515 }, "10.1.0.1 3/0 0 quotes 548" },
        { WHY_TOO_BIG, { .dst = "10.9.0.1", .proto = 17, .payload = UDP,
                         .size = 1381, .fragment = 0x4000 },
          "10.1.0.1 3/4 1400 quotes 548" },
        { WHY_TOO_BIG, { .dst = "10.9.0.1", .proto = 17, .payload = UDP,
                         .size = 1381 }, "-" },
        { WHY_TOO_BIG, { .dst = "10.9.0.1", .proto = 17, .payload = UDP,
                         .size = 1380, .fragment = 0x4000 }, "-" },
        { WHY_PORT, { .proto = 17, .payload = UDP },
          "10.1.0.1 3/3 0 quotes 28" },
        { WHY_PORT, { .proto = 132, .payload = UDP },
          "10.1.0.1 3/2 0 quotes 28" },
        { WHY_PORT, { .dst = "10.9.0.1", .proto = 17, .payload = UDP },
          "10.1.0.1 3/3 0 quotes 28" },
        /* From where there is no gateway, unless it spoke to one. */
        { WHY_PORT, { .src = "10.2.0.5", .proto = 17, .payload = UDP },
          "10.1.0.1 3/3 0 quotes 28" },
        { WHY_TTL, { .src = "10.2.0.5", .dst = "10.9.0.1", .proto = 17,
                     .payload = UDP }, "-" },
    };

    check(cases, ARRAY_SIZE(cases));
}

static void
test_errors6(void **state OVS_UNUSED)
{
    static const struct icmp_case cases[] = {
        { WHY_TTL, { .v6 = true, .dst = "fd00:9::1", .proto = 17,
                     .payload = UDP }, "fd00:1::1 3/0 0 quotes 48" },
        { WHY_TTL, { .v6 = true, .dst = "fd00:9::1", .proto = 58,
                     .payload = "8000" }, "fd00:1::1 3/0 0 quotes 42" },
        { WHY_UNREACHABLE, { .v6 = true, .dst = "fd00:9::1", .proto = 6,
                             .payload = SYN }, "fd00:1::1 1/0 0 quotes 60" },
        { WHY_UNREACHABLE, { .v6 = true, .dst = "fd00:9::1", .proto = 17,
                             .payload = UDP, .size = 1192 },
          "fd00:1::1 1/0 0 quotes 1232" },
        { WHY_UNREACHABLE, { .v6 = true, .dst = "fd00:9::1", .proto = 17,
                             .payload = UDP, .size = 1193 },
          "fd00:1::1 1/0 0 quotes 1232" },
        { WHY_UNREACHABLE, { .v6 = true, .dst = "fd00:9::1", .proto = 17,
                             .payload = UDP, .size = 1191 },
          "fd00:1::1 1/0 0 quotes 1231" },
        { WHY_TOO_BIG, { .v6 = true, .dst = "fd00:9::1", .proto = 17,
                         .payload = UDP, .size = 1361 },
          "fd00:1::1 2/0 1400 quotes 1232" },
        { WHY_TOO_BIG, { .v6 = true, .dst = "fd00:9::1", .proto = 17,
                         .payload = UDP, .size = 1360 }, "-" },
        { WHY_PORT, { .v6 = true, .proto = 17, .payload = UDP },
          "fd00:1::1 1/4 0 quotes 48" },
        /* A next header that the gateway does not know, and where it is. */
        { WHY_PORT, { .v6 = true, .proto = 132, .payload = UDP },
          "fd00:1::1 4/1 6 quotes 48" },
        { WHY_PORT, { .v6 = true, .next = 0, .proto = 132, .payload = UDP,
                      .between = "3c00 0104 0000 0000  8400 0104 0000 0000" },
          "fd00:1::1 4/1 48 quotes 64" },
        { WHY_PORT, { .v6 = true, .proto = 59 }, "-" },
        /* Each extension header that may stand before an upper layer. */
        { WHY_PORT, { .v6 = true, .next = 43, .payload = UDP,
                      .between = "1101 0000 0000 0000 0000 0000 0000 0000" },
          "fd00:1::1 1/4 0 quotes 64" },
        { WHY_PORT, { .v6 = true, .next = 51, .payload = UDP,
                      .between = "1101 0000 0000 0000 0000 0000" },
          "fd00:1::1 1/4 0 quotes 60" },
        { WHY_TTL, { .v6 = true, .dst = "fd00:9::1", .next = 44,
                     .payload = UDP, .between = "1100 0001 0000 0001" },
          "fd00:1::1 3/0 0 quotes 56" },
        { WHY_TTL, { .v6 = true, .dst = "fd00:9::1", .next = 44,
                     .payload = UDP, .between = "1100 0008 0000 0001" }, "-" },
        { WHY_TTL, { .v6 = true, .dst = "fd00:9::1", .next = 0,
                     .payload = "0100", .between = "3a00 0104 0000 0000" },
          "-" },
        /* Longer than the packet. */
        { WHY_TTL, { .v6 = true, .dst = "fd00:9::1", .next = 0,
                     .payload = UDP, .between = "1102 0104 0000 0000" }, "-" },
        { WHY_TTL, { .v6 = true, .dst = "fd00:9::1", .next = 0,
                     .between = "1100" }, "-" },
    };

    check(cases, ARRAY_SIZE(cases));
}

/* RFC 9293, section 3.10.7.1. */
static void
test_resets(void **state OVS_UNUSED)
{
    static const struct icmp_case cases[] = {
        { WHY_PORT, { .proto = 6, .payload = SYN },
          "10.1.0.1 50>1000 seq 0 ack 2 flags 14" },
        { WHY_PORT, { .proto = 6, .payload = ACK },
          "10.1.0.1 50>1000 seq 9 ack 0 flags 4" },
        { WHY_PORT, { .proto = 6, .payload = RST }, "-" },
        /* SYN, FIN and 3 bytes behind 4 of options. */
        { WHY_PORT, { .proto = 6,
                      .payload = "1000 0050 fffffffe 00000000 6003 ffff 0000 "
                                 "0000 01010101 aabbcc" },
          "10.1.0.1 50>1000 seq 0 ack 3 flags 14" },
        { WHY_PORT, { .v6 = true, .proto = 6, .payload = SYN },
          "fd00:1::1 50>1000 seq 0 ack 2 flags 14" },
        { WHY_PORT, { .v6 = true, .dst = "fd00:2::1", .proto = 6,
                      .payload = ACK },
          "fd00:2::1 50>1000 seq 9 ack 0 flags 4" },
        /* Too short, or shorter than they say. */
        { WHY_PORT, { .proto = 6, .payload = "1000 0050 00000001 00000000 5002"
                                             "ffff 0000 00" }, "-" },
        { WHY_PORT, { .proto = 6, .payload = "1000 0050 00000001 00000000 6002"
                                             "ffff 0000 0000 0101 01" }, "-" },
        { WHY_PORT, { .proto = 6, .payload = "1000 0050 00000001 00000000 4002"
                                             "ffff 0000 0000" }, "-" },
        { WHY_PORT, { .proto = 6, .payload = SYN, .fragment = 0x2000 }, "-" },
    };

    check(cases, ARRAY_SIZE(cases));
}

static void
test_silence(void **state OVS_UNUSED)
{
    static const struct icmp_case cases[] = {
        /* Errors, what may be one, and what is too short to tell. */
        { WHY_TTL, { .dst = "10.9.0.1", .proto = 1, .payload = "0300" }, "-" },
        { WHY_TTL, { .dst = "10.9.0.1", .proto = 1, .payload = "0b00" }, "-" },
        { WHY_TTL, { .dst = "10.9.0.1", .proto = 1, .payload = "0500" }, "-" },
        { WHY_TTL, { .dst = "10.9.0.1", .proto = 1, .payload = "0c00" }, "-" },
        { WHY_TTL, { .dst = "10.9.0.1", .proto = 1, .payload = "ff00" }, "-" },
        { WHY_TTL, { .dst = "10.9.0.1", .proto = 1 }, "-" },
        { WHY_TTL, { .dst = "10.9.0.1", .proto = 6, .payload = RST }, "-" },
        { WHY_TTL, { .dst = "10.9.0.1", .proto = 17, .payload = "1000" },
          "-" },
        { WHY_TTL, { .v6 = true, .dst = "fd00:9::1", .proto = 58,
                     .payload = "01" }, "-" },
        { WHY_TTL, { .v6 = true, .dst = "fd00:9::1", .proto = 58,
                     .payload = "7f" }, "-" },
        { WHY_TTL, { .v6 = true, .dst = "fd00:9::1", .proto = 58,
                     .payload = "89" }, "-" },
        { WHY_TTL, { .v6 = true, .dst = "fd00:9::1", .proto = 58 }, "-" },
        { WHY_PORT, { .proto = 1, .payload = "0d00" }, "-" },
        { WHY_PORT, { .v6 = true, .proto = 58, .payload = "8000" }, "-" },
        /* Later fragments. */
        { WHY_TTL, { .dst = "10.9.0.1", .proto = 17, .payload = UDP,
                     .fragment = 0x2001 }, "-" },
        { WHY_TTL, { .dst = "10.9.0.1", .proto = 17, .payload = UDP,
                     .fragment = 0x1fff }, "-" },
        /* Destinations that are no host. */
        { WHY_TTL, { .dst = "224.0.0.251", .proto = 17, .payload = UDP },
          "-" },
        { WHY_TTL, { .dst = "255.255.255.255", .proto = 17, .payload = UDP },
          "-" },
        { WHY_TTL, { .dst = "10.1.255.255", .proto = 17, .payload = UDP },
          "-" },
        { WHY_TTL, { .dst = "10.2.0.255", .proto = 17, .payload = UDP }, "-" },
        { WHY_TTL, { .dst = "10.1.0.0", .proto = 17, .payload = UDP }, "-" },
        { WHY_TTL, { .dst = "0.0.0.0", .proto = 17, .payload = UDP }, "-" },
        { WHY_TTL, { .dst = "127.0.0.1", .proto = 17, .payload = UDP }, "-" },
        { WHY_TTL, { .v6 = true, .dst = "ff02::1", .proto = 17,
                     .payload = UDP }, "-" },
        { WHY_TTL, { .v6 = true, .dst = "::", .proto = 17, .payload = UDP },
          "-" },
        { WHY_TTL, { .v6 = true, .dst = "::ffff:10.9.0.1", .proto = 17,
                     .payload = UDP }, "-" },
        /* Sources that are not web1's. */
        { WHY_TTL, { .src = "10.1.0.6", .dst = "10.9.0.1", .proto = 17,
                     .payload = UDP }, "-" },
        { WHY_TTL, { .src = "0.0.0.0", .dst = "10.9.0.1", .proto = 17,
                     .payload = UDP }, "-" },
        { WHY_TTL, { .v6 = true, .src = "fe80::5", .dst = "fd00:9::1",
                     .proto = 17, .payload = UDP }, "-" },
        { WHY_TTL, { .v6 = true, .src = "::ffff:10.1.0.5", .proto = 17,
                     .payload = UDP }, "-" },
        /* To itself. */
        { WHY_PORT, { .dst = "10.1.0.5", .proto = 6, .payload = SYN }, "-" },
        { WHY_PORT, { .dst = "10.2.0.5", .proto = 6, .payload = SYN }, "-" },
        /* What is not icmp's to answer. */
        { WHY_DNS, { .proto = 17, .payload = UDP }, "-" },
        { WHY_DHCP4, { .proto = 17, .payload = UDP }, "-" },
        { WHY_DHCP6, { .v6 = true, .proto = 17, .payload = UDP }, "-" },
        { WHY_SOLICIT, { .v6 = true, .proto = 17, .payload = UDP }, "-" },
    };

    check(cases, ARRAY_SIZE(cases));
}

/* Of a good frame, 'byte' at offset 'at'. */
static void
test_bytes(void **state OVS_UNUSED)
{
    static const struct {
        bool v6;
        size_t at;
        uint8_t byte;
        const char *answer;
    } cases[] = {
        { false, 0, 0x02, "10.1.0.1 11/0 0 quotes 28" },
        { false, 0, 0x01, "-" },            /* To a group. */
        { false, 11, 0x06, "-" },           /* From another MAC. */
        { false, 12, 0x81, "-" },           /* No IP. */
        { false, 13, 0x06, "-" },           /* ARP. */
        { false, 14, 0x44, "-" },           /* A header of 16 bytes. */
        { false, 14, 0x48, "-" },           /* Longer than the packet. */
        { false, 14, 0x65, "-" },           /* Version 6. */
        { false, 16, 0x01, "-" },           /* Longer than the frame. */
        { false, 17, 29, "-" },
        { false, 17, 19, "-" },             /* Shorter than its header. */
        { true, 14, 0x40, "-" },            /* Version 4. */
        { true, 19, 9, "-" },               /* Longer than the frame. */
        { true, 19, 7, "-" },               /* Shorter than a UDP header. */
    };
    struct packet_fixture f;
    uint8_t *data = xmalloc(PACKET_MAX);

    packet_fixture_init(&f);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct packet packet = { .v6 = cases[i].v6, .proto = 17,
                                 .payload = UDP,
                                 .dst = cases[i].v6 ? "fd00:9::1"
                                        : "10.9.0.1" };
        size_t size = packet_compose(&packet, data);

        data[cases[i].at] = cases[i].byte;

        char *s = answer(WHY_TTL, &f.ctx, data, size);
        if (strcmp(s, cases[i].answer)) {
            fail_msg("case %"PRIuSIZE": %s, not %s", i, s, cases[i].answer);
        }
        free(s);
    }
    free(data);
}

/* Cut at each byte it is nothing; with Ethernet's padding it is what it
 * was. */
static void
test_sizes(void **state OVS_UNUSED)
{
    struct packet_fixture f;
    uint8_t *data = xzalloc(PACKET_MAX);

    packet_fixture_init(&f);
    for (int v6 = 0; v6 < 2; v6++) {
        struct packet packet = { .v6 = v6, .proto = 17, .payload = UDP };
        size_t size = packet_compose(&packet, data);
        char *s;

        for (size_t n = 0; n < size; n++) {
            s = answer(WHY_PORT, &f.ctx, data, n);
            assert_string_equal(s, "-");
            free(s);
        }
        s = answer(WHY_PORT, &f.ctx, data, size + 18);
        assert_string_equal(s, v6 ? "fd00:1::1 1/4 0 quotes 48"
                            : "10.1.0.1 3/3 0 quotes 28");
        free(s);
    }
    f.ctx.endpoint = NULL;

    struct packet packet = { .proto = 17, .payload = UDP };
    char *s = answer(WHY_PORT, &f.ctx, data, packet_compose(&packet, data));

    assert_string_equal(s, "-");
    free(s);
    free(data);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_errors4),
        cmocka_unit_test(test_errors6),
        cmocka_unit_test(test_resets),
        cmocka_unit_test(test_silence),
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_sizes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
