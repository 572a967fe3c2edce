/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "overlay/dhcp4.h"

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
#include "util.h"

#define COMMON "51=00015180 58=0000a8c0 59=00012750 "
#define NET "1=ffff0000 3=0a010001 "
#define ROUTES "121=100a090a010007190a0801800a010008000a010001 "
#define REST "26=0578 6=0a01003509090909 " ROUTES "12=77656231 15=626c7565"

/* A message of a client, and where in it something is set after that. */
struct message {
    const char *options;            /* Hexadecimal, after the cookie. */
    const char *ciaddr;
    uint16_t flags;
    int at;                         /* Of one byte of the frame ... */
    uint8_t byte;                   /* ... that becomes this. */
    const char *src, *dst;          /* Not 0.0.0.0 and 255.255.255.255. */
    const char *file, *sname;       /* Hexadecimal options. */
};

enum { FRAME_HEADERS = 14 + 20 + 8 };

/* Writes the frame and sets its checksums, after 'byte' if that is of the
 * DHCP message, else before.  Returns the size. */
static size_t
message_compose(const struct message *m, uint8_t *frame)
{
    static const struct eth_addr mac = WEB1_MAC;
    uint8_t dhcp[1500] = {
        1, 1, 6, 0, 0x12, 0x34, 0x56, 0x78, 0, 3, m->flags >> 8,
        [236] = 0x63, 0x82, 0x53, 0x63
    };
    size_t n = 240;

    memcpy(&dhcp[28], &mac, 6);
    if (m->ciaddr) {
        memcpy(&dhcp[12], &packet_addr(m->ciaddr).s6_addr[12], 4);
    }
    if (m->sname) {
        packet_hex(m->sname, &dhcp[44]);
    }
    if (m->file) {
        packet_hex(m->file, &dhcp[108]);
    }
    n += packet_hex(m->options, &dhcp[240]);
    if (m->at >= FRAME_HEADERS) {
        dhcp[m->at - FRAME_HEADERS] = m->byte;
    }

    const struct packet packet = {
        .src = m->src ? m->src : "0.0.0.0",
        .dst = m->dst ? m->dst : "255.255.255.255",
        .src_port = 68, .dst_port = 67, .data = dhcp, .size = n,
    };

    n = packet_compose(&packet, frame);
    if (m->at && m->at < FRAME_HEADERS) {
        frame[m->at] = m->byte;
    }
    return n;
}

/* "to MAC IP ciaddr IP yiaddr IP CODE=HEX ...", or "silence". */
static char *
answer(const struct answer_context *ctx, const uint8_t *frame, size_t size)
{
    uint8_t *copy = xmemdup(frame, size ? size : 1);
    struct ds ds = DS_EMPTY_INITIALIZER;
    struct dp_packet reply;

    dp_packet_init(&reply, 0);
    if (!dhcp4_answer(ctx, copy, size, &reply)) {
        assert_int_equal(dp_packet_size(&reply), 0);
        ds_put_cstr(&ds, "silence");
    } else {
        struct packet_reply r = packet_check(&reply, NULL);
        const uint8_t *p = r.l4, *ip = p - 20;
        static const uint8_t start[] = { 2, 1, 6, 0, 0x12, 0x34, 0x56, 0x78 };
        static const uint8_t gateway[] = { 10, 1, 0, 1 };
        static const uint8_t ports[] = { 0, 67, 0, 68 };
        static const uint8_t cookie[] = { 0x63, 0x82, 0x53, 0x63 };
        const uint8_t *dhcp = p + 8;

        assert_true(r.n >= 308);
        assert_memory_equal(p, ports, 4);
        assert_memory_equal(ip + 12, gateway, 4);
        assert_memory_equal(dhcp, start, sizeof start);
        assert_memory_equal(&dhcp[28], &ctx->endpoint->mac, 6);
        assert_memory_equal(&dhcp[236], cookie, 4);
        for (int i = 34; i < 236; i++) {
            assert_int_equal(dhcp[i], 0);
        }
        ds_put_format(&ds, "%s %d.%d.%d.%d ciaddr %d yiaddr %d.%d.%d.%d",
                      ip[-14] & 1 ? "all" : "one",
                      ip[16], ip[17], ip[18], ip[19], dhcp[15],
                      dhcp[16], dhcp[17], dhcp[18], dhcp[19]);
        for (p = &dhcp[240]; *p != 255; p += 2 + p[1]) {
            ds_put_format(&ds, " %d=", p[0]);
            for (int i = 0; i < p[1]; i++) {
                ds_put_format(&ds, "%02x", p[2 + i]);
            }
        }
        for (p++; p < dhcp + r.n - 8; p++) {
            assert_int_equal(*p, 0);
        }
    }
    dp_packet_uninit(&reply);
    free(copy);
    return ds_steal_cstr(&ds);
}

static void
expect(const struct answer_context *ctx, const struct message *m,
       const char *expected)
{
    uint8_t frame[2048];
    size_t size = message_compose(m, frame);
    char *s = answer(ctx, frame, size);

    if (strcmp(s, expected)) {
        fail_msg("%s at %d\nexpected: %s\nreturned: %s", m->options, m->at,
                 expected, s);
    }
    free(s);
}

static void
test_answered(void **state OVS_UNUSED)
{
    static const struct {
        struct message message;
        const char *answer;
    } cases[] = {
        /* Discover, and which options: all, or those that are asked for. */
        { { "35 01 01 ff" }, "one 10.1.0.5 ciaddr 0 yiaddr 10.1.0.5 53=02 "
          "54=0a010001 " COMMON NET REST },
        { { "00 00 35 01 01" }, "one 10.1.0.5 ciaddr 0 yiaddr 10.1.0.5 53=02 "
          "54=0a010001 " COMMON NET REST },
        { { "35 01 01 37 02 06 79 37 01 0c ff" }, "one 10.1.0.5 ciaddr 0 "
          "yiaddr 10.1.0.5 53=02 54=0a010001 " COMMON NET
          "6=0a01003509090909 " ROUTES "12=77656231" },
        { { "35 01 01 37 01 2a 3d 03 01 02 03 ff", .flags = 0x8000 },
          "all 255.255.255.255 ciaddr 0 yiaddr 10.1.0.5 53=02 54=0a010001 "
          "61=010203 " COMMON "1=ffff0000 3=0a010001" },

        /* Select, init-reboot, renew, rebind. */
        { { "35 01 03 32 04 0a010005 36 04 0a010001 37 01 01 ff" },
          "one 10.1.0.5 ciaddr 0 yiaddr 10.1.0.5 53=05 54=0a010001 "
          COMMON "1=ffff0000 3=0a010001" },
        { { "35 01 03 32 04 0a010005 37 01 01 ff", .flags = 0x8000 },
          "all 255.255.255.255 ciaddr 0 yiaddr 10.1.0.5 53=05 54=0a010001 "
          COMMON "1=ffff0000 3=0a010001" },
        { { "35 01 03 37 01 01 ff", .ciaddr = "10.1.0.5", .flags = 0x8000,
            .src = "10.1.0.5", .dst = "10.1.0.1" },
          "one 10.1.0.5 ciaddr 5 yiaddr 10.1.0.5 53=05 54=0a010001 "
          COMMON "1=ffff0000 3=0a010001" },
        { { "35 01 03 37 01 01 ff", .ciaddr = "10.1.0.5",
            .src = "10.1.0.5" },
          "one 10.1.0.5 ciaddr 5 yiaddr 10.1.0.5 53=05 54=0a010001 "
          COMMON "1=ffff0000 3=0a010001" },

        /* A foreign address. */
        { { "35 01 03 32 04 0a010006 36 04 0a010001 3d 02 aabb ff" },
          "all 255.255.255.255 ciaddr 0 yiaddr 0.0.0.0 53=06 54=0a010001 "
          "61=aabb" },
        { { "35 01 03 32 04 c0a80005 ff" },
          "all 255.255.255.255 ciaddr 0 yiaddr 0.0.0.0 53=06 54=0a010001" },
        { { "35 01 03 ff", .ciaddr = "10.1.0.6" },
          "all 255.255.255.255 ciaddr 0 yiaddr 0.0.0.0 53=06 54=0a010001" },
        { { "35 01 03 32 04 0a010005 ff", .ciaddr = "10.2.0.5" },
          "all 255.255.255.255 ciaddr 0 yiaddr 0.0.0.0 53=06 54=0a010001" },

        /* Inform: of any address that the endpoint has. */
        { { "35 01 08 37 01 0f ff", .ciaddr = "10.2.0.5" },
          "one 10.2.0.5 ciaddr 5 yiaddr 0.0.0.0 53=05 54=0a010001 " NET
          "15=626c7565" },

        /* Overload: 'file', 'sname', both. */
        { { "34 01 01 37 01 01 ff", .file = "35 01 01 ff 35" },
          "one 10.1.0.5 ciaddr 0 yiaddr 10.1.0.5 53=02 54=0a010001 "
          COMMON "1=ffff0000 3=0a010001" },
        { { "34 01 02 37 01 01 ff", .sname = "35 01 01 3d 02 aabb ff" },
          "one 10.1.0.5 ciaddr 0 yiaddr 10.1.0.5 53=02 54=0a010001 "
          "61=aabb " COMMON "1=ffff0000 3=0a010001" },
        { { "34 01 03 ff", .sname = "35 01 01 ff", .file = "37 01 01 ff" },
          "one 10.1.0.5 ciaddr 0 yiaddr 10.1.0.5 53=02 54=0a010001 "
          COMMON "1=ffff0000 3=0a010001" },
    };
    struct packet_fixture f;

    packet_fixture_init(&f);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        expect(&f.ctx, &cases[i].message, cases[i].answer);
    }
}

static void
test_silence(void **state OVS_UNUSED)
{
    static const struct message cases[] = {
        /* Types. */
        { "ff" }, { "" },
        { "35 01 02 ff" }, { "35 01 05 ff" }, { "35 01 06 ff" },
        { "35 01 00 ff" }, { "35 01 09 ff" }, { "35 01 ff ff" },
        { "35 01 04 32 04 0a010005 36 04 0a010001 ff" },
        { "35 01 07 36 04 0a010001 ff", .ciaddr = "10.1.0.5" },
        { "35 01 01 ff", .ciaddr = "10.1.0.5" },
        { "35 01 08 ff" }, { "35 01 08 ff", .ciaddr = "10.1.0.6" },

        /* Requests: another server's, and of no address. */
        { "35 01 03 32 04 0a010005 36 04 0a010002 ff" },
        { "35 01 03 36 04 0a010001 ff" }, { "35 01 03 ff" },
        { "35 01 01 ff", .dst = "10.1.0.2" },

        /* Options: cut short, of a wrong length, twice. */
        { "35" }, { "35 01" }, { "35 02 01 01 ff" }, { "35 00 ff" },
        { "35 01 01 37" }, { "35 01 01 37 05 01" }, { "35 01 01 37 00 ff" },
        { "35 01 01 35 01 01 ff" }, { "35 01 01 32 03 0a0100 ff" },
        { "35 01 01 36 05 0a01000100 ff" }, { "35 01 01 39 01 02 ff" },
        { "35 01 01 3d 01 02 ff" }, { "35 01 01 3d 02 0102 3d 02 0102 ff" },
        { "35 01 01 34 01 00 ff" }, { "35 01 01 34 01 04 ff" },
        { "35 01 01 34 01 01 ff", .file = "34 01 02 ff" },
        { "35 01 01 34 01 02 ff", .sname = "0c ff" },
        { "35 01 01 34 01 01 ff", .file = "35 01 01 ff" },

        /* Header: op, htype, hlen, giaddr, chaddr, cookie. */
        { "35 01 01 ff", .at = FRAME_HEADERS, .byte = 2 },
        { "35 01 01 ff", .at = FRAME_HEADERS + 1, .byte = 6 },
        { "35 01 01 ff", .at = FRAME_HEADERS + 2, .byte = 16 },
        { "35 01 01 ff", .at = FRAME_HEADERS + 27, .byte = 1 },
        { "35 01 01 ff", .at = FRAME_HEADERS + 33, .byte = 6 },
        { "35 01 01 ff", .at = FRAME_HEADERS + 239, .byte = 0x64 },

        /* Ethernet source and type; version, length, fragments, protocol,
         * checksum; ports, length and checksum of UDP. */
        { "35 01 01 ff", .at = 11, .byte = 6 },
        { "35 01 01 ff", .at = 12, .byte = 0x86 },
        { "35 01 01 ff", .at = 14, .byte = 0x55 },
        { "35 01 01 ff", .at = 14, .byte = 0x44 },
        { "35 01 01 ff", .at = 16, .byte = 0x02 },
        { "35 01 01 ff", .at = 20, .byte = 0x20 },
        { "35 01 01 ff", .at = 21, .byte = 0x01 },
        { "35 01 01 ff", .at = 23, .byte = 6 },
        { "35 01 01 ff", .at = 24, .byte = 0 },
        { "35 01 01 ff", .at = 35, .byte = 69 },
        { "35 01 01 ff", .at = 37, .byte = 69 },
        { "35 01 01 ff", .at = 39, .byte = 7 },
        { "35 01 01 ff", .at = 38, .byte = 2 },
        { "35 01 01 ff", .at = 41, .byte = 0x77 },
    };
    struct packet_fixture f;

    packet_fixture_init(&f);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        expect(&f.ctx, &cases[i], "silence");
    }
}

/* Every shorter frame is malformed, and none is read beyond its end. */
static void
test_cut_short(void **state OVS_UNUSED)
{
    static const struct message m = { "35 01 01 3d 03 010203 ff" };
    struct packet_fixture f;
    uint8_t frame[2048];

    packet_fixture_init(&f);

    size_t size = message_compose(&m, frame);

    for (size_t i = 0; i < size; i++) {
        char *s = answer(&f.ctx, frame, i);

        assert_string_equal(s, "silence");
        free(s);
    }

    /* Without a UDP checksum, and padded by Ethernet. */
    frame[40] = frame[41] = 0;
    char *s = answer(&f.ctx, frame, size + 9);

    assert_non_null(strstr(s, "53=02 54=0a010001 61=010203 51="));
    free(s);
}

static void
test_context(void **state OVS_UNUSED)
{
    static const struct message discover = { "35 01 01 ff" };
    struct packet_fixture f;

    /* No DNS server and no route of IPv4; the endpoint's own MTU. */
    packet_fixture_init(&f);
    f.network.dns[0] = f.network.dns[1];
    f.network.n_dns = 2;
    f.network.routes[0] = f.network.routes[5];
    f.network.n_routes = 1;
    f.endpoint.mtu = 1300;
    expect(&f.ctx, &discover, "one 10.1.0.5 ciaddr 0 yiaddr 10.1.0.5 53=02 "
           "54=0a010001 " COMMON NET "26=0514 12=77656231 15=626c7565");

    /* No address where a gateway is, no endpoint. */
    f.network.gateways[1] = in6addr_any;
    expect(&f.ctx, &discover, "silence");
    packet_fixture_init(&f);
    f.endpoint.n_ips = 1;
    expect(&f.ctx, &discover, "silence");

    uint8_t frame[2048];
    size_t size = message_compose(&discover, frame);
    char *s;

    f.ctx.endpoint = NULL;
    s = answer(&f.ctx, frame, size);
    assert_string_equal(s, "silence");
    free(s);
}

/* The reply's IP packet is at most what the client takes, at least 576. */
static void
test_max_size(void **state OVS_UNUSED)
{
    static const struct {
        const char *size;           /* Option 57. */
        size_t n;                   /* Bytes of the reply's frame. */
    } cases[] = {
        { "", 14 + 576 }, { "39 02 0000", 14 + 576 },
        { "39 02 023f", 14 + 576 }, { "39 02 0240", 14 + 576 },
        { "39 02 0241", 14 + 577 }, { "39 02 ffff", 700 },
    };
    struct packet_fixture f;

    packet_fixture_init(&f);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct ds ds = DS_EMPTY_INITIALIZER;
        struct dp_packet reply;
        uint8_t frame[2048];
        struct message m;
        size_t size;

        ds_put_format(&ds, "35 01 01 %s 3d f8", cases[i].size);
        for (int j = 0; j < 0xf8; j++) {
            ds_put_cstr(&ds, " 01");
        }
        m = (struct message) { ds_cstr(&ds) };
        size = message_compose(&m, frame);
        dp_packet_init(&reply, 0);
        assert_true(dhcp4_answer(&f.ctx, frame, size, &reply));
        (void) packet_check(&reply, NULL);    /* It aborts. */
        assert_true(dp_packet_size(&reply) <= cases[i].n);
        assert_true(dp_packet_size(&reply) >= 14 + 560);
        dp_packet_uninit(&reply);
        ds_destroy(&ds);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answered),
        cmocka_unit_test(test_silence),
        cmocka_unit_test(test_cut_short),
        cmocka_unit_test(test_context),
        cmocka_unit_test(test_max_size),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
