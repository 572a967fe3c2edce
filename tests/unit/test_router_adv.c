/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "overlay/router-adv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "openvswitch/util.h"
#include "packets.h"
#include "tests/packet.h"
#include "util.h"

/* Of the endpoint's and the gateway's MAC. */
#define CLIENT "fe80::857:aff:fe01:5"
#define GATEWAY "fe80::c57:ff:fe00:1"

#define HEADER "86 00 0000 40 c0 2328 00000000 00000000 "
#define LINK "01 01 0e5700000001 05 01 0000 00000578 "
#define PREFIX1 "03 04 40 80 00278d00 00093a80 00000000 " \
                "fd000001000000000000000000000000 "
#define PREFIX2 "03 04 40 80 00278d00 00093a80 00000000 " \
                "fd000002000000000000000000000000 "
#define RDNSS "19 03 0000 00002328 fd000001000000000000000000000053 "
#define DNSSL "1f 02 0000 00002328 04626c756500 0000"

/* Is 'reply' an advertisement to 'dst' that is, but for its checksum, 'hex'?
 * It is emptied. */
static void
expect(struct dp_packet *reply, const char *dst, const char *hex)
{
    static const struct eth_addr mac = WEB1_MAC;
    static const struct eth_addr all = ETH_ADDR_C(33,33,00,00,00,01);
    uint8_t expected[1500];
    size_t n_expected = packet_hex(hex, expected);
    struct in6_addr addr = packet_addr(dst), gateway = packet_addr(GATEWAY);
    struct packet_reply r = packet_check(reply, NULL);

    assert_memory_equal(dp_packet_data(reply),
                        ipv6_addr_is_multicast(&addr) ? &all : &mac, 6);
    assert_memory_equal(&r.src, &gateway, 16);
    assert_memory_equal(&r.dst, &addr, 16);
    assert_int_equal(r.n, n_expected);
    memcpy(&expected[2], &r.l4[2], 2);
    assert_memory_equal(r.l4, expected, r.n);
    dp_packet_clear(reply);
}

static void
test_compose(void **state OVS_UNUSED)
{
    struct dp_packet packet;
    struct packet_fixture f;
    char dotted[] = "a.bc.example_of_31_characters_x";
    char dots[] = "a..b";

    dp_packet_init(&packet, 0);
    packet_fixture_init(&f);
    assert_true(router_adv_compose(&f.network, 1400, &packet));
    expect(&packet, "ff02::1", HEADER LINK PREFIX1 PREFIX2 RDNSS DNSSL);

    f.network.dhcp = false;
    f.network.n_dns = 1;
    f.network.name = dots;
    assert_true(router_adv_compose(&f.network, 1280, &packet));
    expect(&packet, "ff02::1", "86 00 0000 40 00 2328 00000000 00000000 "
           "01 01 0e5700000001 05 01 0000 00000500 " PREFIX1 PREFIX2);

    f.network.name = dotted;
    assert_true(router_adv_compose(&f.network, 1400, &packet));
    expect(&packet, "ff02::1", "86 00 0000 40 00 2328 00000000 00000000 "
           LINK PREFIX1 PREFIX2 "1f 06 0000 00002328 01 61 02 6263 1a "
           "6578616d706c655f6f665f33315f636861726163746572735f78 00 "
           "00000000 000000");

    f.network.gateways[2] = in6addr_any;
    assert_false(router_adv_compose(&f.network, 1400, &packet));
    assert_int_equal(dp_packet_size(&packet), 0);
    dp_packet_uninit(&packet);
}

static void
test_compose_last(void **state OVS_UNUSED)
{
    struct dp_packet packet;

    dp_packet_init(&packet, 0);
    router_adv_compose_last(&packet);
    expect(&packet, "ff02::1", "86 00 0000 40 00 0000 00000000 00000000 "
           "01 01 0e5700000001");
    dp_packet_uninit(&packet);
}

/* As much as a network may have still fits the smallest MTU. */
static void
test_maxima(void **state OVS_UNUSED)
{
    struct dp_packet packet;
    struct packet_fixture f;

    packet_fixture_init(&f);
    for (int i = 0; i < SUBNETS_MAX; i++) {
        f.network.subnets[i] = f.network.subnets[2];
        f.network.gateways[i] = f.network.gateways[2];
    }
    f.network.n_subnets = SUBNETS_MAX;
    for (int i = 0; i < DNS_MAX; i++) {
        f.network.dns[i] = f.network.dns[1];
    }
    f.network.n_dns = DNS_MAX;
    dp_packet_init(&packet, 0);
    assert_true(router_adv_compose(&f.network, MTU_MIN, &packet));
    assert_int_equal(packet_check(&packet, NULL).n,
                     16 + 8 + 8 + 16 * 32 + 8 + 8 * 16 + 16);
    assert_true(dp_packet_size(&packet) <= 14 + MTU_MIN);
    dp_packet_uninit(&packet);
}

/* A frame of ICMPv6 'hex' at 'buf'; a hop limit of 0 is the right one. */
static size_t
solicit(const char *src, const char *dst, const char *hex, uint8_t hop_limit,
        uint8_t *buf)
{
    const struct packet packet = {
        .src = src, .dst = dst, .proto = IPPROTO_ICMPV6, .payload = hex,
        .hop_limit = hop_limit ? hop_limit : 255,
    };

    return packet_compose(&packet, buf);
}

static void
test_answer(void **state OVS_UNUSED)
{
    static const struct {
        const char *src, *dst;
        const char *hex;            /* Of ICMPv6. */
        const char *to;             /* NULL: silence. */
        uint8_t hop_limit;          /* Not 255. */
        int at;                     /* Byte of the frame that is made wrong. */
    } cases[] = {
        { CLIENT, "ff02::2", "85 00 0000 00000000 01 01 0a570a010005",
          CLIENT },
        { CLIENT, "ff02::2", "85 00 0000 00000000", CLIENT },
        { CLIENT, GATEWAY, "85 00 0000 00000000", CLIENT },
        { CLIENT, "ff02::2", "85 00 0000 ffffffff fd 02 000000000000 "
          "0000000000000000 01 01 0a570a010005", CLIENT },
        { "fe80::1234", "ff02::2", "85 00 0000 00000000", "fe80::1234" },
        { "fd00:1::5", "ff02::2", "85 00 0000 00000000", "ff02::1" },
        { "::", "ff02::2", "85 00 0000 00000000", "ff02::1" },
        { "::", "ff02::2", "85 00 0000 00000000 0e 01 000000000000",
          "ff02::1" },

        /* A link-layer address of nobody's; a sender that is all. */
        { "::", "ff02::2", "85 00 0000 00000000 01 01 0a570a010005", NULL },
        { "ff02::1", "ff02::2", "85 00 0000 00000000", NULL },
        { CLIENT, "ff02::1", "85 00 0000 00000000", NULL },
        { CLIENT, "fd00:1::1", "85 00 0000 00000000", NULL },

        /* Type, code, hop limit, lengths. */
        { CLIENT, "ff02::2", "86 00 0000 00000000", NULL },
        { CLIENT, "ff02::2", "85 01 0000 00000000", NULL },
        { CLIENT, "ff02::2", "85 00 0000 00000000", NULL, 254 },
        { CLIENT, "ff02::2", "85 00 0000 000000", NULL },
        { CLIENT, "ff02::2", "85 00 0000", NULL },
        { CLIENT, "ff02::2", "85 00", NULL },
        { CLIENT, "ff02::2", "", NULL },
        { CLIENT, "ff02::2", "85 00 0000 00000000 01", NULL },
        { CLIENT, "ff02::2", "85 00 0000 00000000 01 00 000000000000", NULL },
        { CLIENT, "ff02::2", "85 00 0000 00000000 01 02 000000000000", NULL },
        { CLIENT, "ff02::2", "85 00 0000 00000000 01 01 0a570a0100", NULL },
        { "10.1.0.5", "10.1.0.1", "85 00 0000 00000000", NULL },

        /* Ethernet's source and type, version, length, next header, checksum
         * of ICMPv6. */
        { CLIENT, "ff02::2", "85 00 0000 00000000", NULL, .at = 11 },
        { CLIENT, "ff02::2", "85 00 0000 00000000", NULL, .at = 13 },
        { CLIENT, "ff02::2", "85 00 0000 00000000", NULL, .at = 14 },
        { CLIENT, "ff02::2", "85 00 0000 00000000", NULL, .at = 18 },
        { CLIENT, "ff02::2", "85 00 0000 00000000", NULL, .at = 20 },
        { CLIENT, "ff02::2", "85 00 0000 00000000", NULL, .at = 56 },
    };
    struct packet_fixture f;
    struct dp_packet reply;

    packet_fixture_init(&f);
    dp_packet_init(&reply, 0);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        uint8_t buf[256];
        size_t size = solicit(cases[i].src, cases[i].dst, cases[i].hex,
                              cases[i].hop_limit, buf);

        buf[cases[i].at] ^= 0x41;

        uint8_t *frame = xmemdup(buf, size);

        if (router_adv_answer(&f.ctx, frame, size, &reply)
            != (cases[i].to != NULL)) {
            fail_msg("%s from %s at %d", cases[i].hex, cases[i].src,
                     cases[i].at);
        }
        if (cases[i].to) {
            expect(&reply, cases[i].to,
                   HEADER LINK PREFIX1 PREFIX2 RDNSS DNSSL);
        }
        assert_int_equal(dp_packet_size(&reply), 0);
        for (size_t j = 0; j < size; j++) {
            uint8_t *cut = xmemdup(buf, j ? j : 1);

            assert_false(router_adv_answer(&f.ctx, cut, j, &reply));
            free(cut);
        }
        free(frame);
    }
    dp_packet_uninit(&reply);
}

static void
test_neighbour(void **state OVS_UNUSED)
{
#define TARGET1 "fd000001000000000000000000000001 "
#define TARGET_LL "fe800000000000000c5700fffe000001 "
    static const struct {
        const char *src;
        const char *hex;            /* Of ICMPv6. */
        const char *target;         /* NULL: silence. */
        uint8_t hop_limit;          /* Not 255. */
    } cases[] = {
        { "fd00:1::5", "87 00 0000 00000000 "TARGET1"01 01 0a570a010005",
          TARGET1 },
        { CLIENT, "87 00 0000 00000000 "TARGET_LL"01 01 0a570a010005",
          TARGET_LL },
        { "fe80::1234", "87 00 0000 00000000 "TARGET1, TARGET1 },

        /* Another's address; from nobody's, another's, all; type, code, hop
         * limit, lengths. */
        { CLIENT, "87 00 0000 00000000 fd000001000000000000000000000009",
          NULL },
        { "::", "87 00 0000 00000000 "TARGET1, NULL },
        { "fd00:1::6", "87 00 0000 00000000 "TARGET1, NULL },
        { "ff02::1", "87 00 0000 00000000 "TARGET1, NULL },
        { CLIENT, "88 00 0000 00000000 "TARGET1, NULL },
        { CLIENT, "87 01 0000 00000000 "TARGET1, NULL },
        { CLIENT, "87 00 0000 00000000 "TARGET1, NULL, 254 },
        { CLIENT, "87 00 0000 00000000 fd000001000000000000000000000000",
          NULL },
        { CLIENT, "87 00 0000 00000000 fd0000010000000000000000000000",
          NULL },
        { CLIENT, "87 00 0000 00000000 "TARGET1"01 00 0a570a010005", NULL },
        { CLIENT, "87 00 0000 00000000 "TARGET1"01 01 0a57", NULL },
    };
    struct packet_fixture f;
    struct dp_packet reply;

    packet_fixture_init(&f);
    dp_packet_init(&reply, 0);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        static const struct eth_addr mac = WEB1_MAC;
        uint8_t buf[256], expected[64];
        size_t size = solicit(cases[i].src, "ff02::1:ff00:1", cases[i].hex,
                              cases[i].hop_limit, buf);
        uint8_t *frame = xmemdup(buf, size);

        if (neighbour_adv_answer(&f.ctx, frame, size, &reply)
            != (cases[i].target != NULL)) {
            fail_msg("%s from %s", cases[i].hex, cases[i].src);
        }
        if (cases[i].target) {
            char *hex = xasprintf("88 00 0000 e0000000 %s02 01 0e5700000001",
                                  cases[i].target);
            size_t n = packet_hex(hex, expected);
            struct in6_addr src = packet_addr(cases[i].src);
            struct packet_reply r = packet_check(&reply, NULL);

            assert_memory_equal(dp_packet_data(&reply), &mac, 6);
            assert_memory_equal(&r.src, &expected[8], 16);
            assert_memory_equal(&r.dst, &src, 16);
            assert_int_equal(r.n, n);
            memcpy(&expected[2], &r.l4[2], 2);
            assert_memory_equal(r.l4, expected, n);
            dp_packet_clear(&reply);
            free(hex);
        }
        assert_int_equal(dp_packet_size(&reply), 0);
        free(frame);
    }
    dp_packet_uninit(&reply);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_compose),
        cmocka_unit_test(test_compose_last),
        cmocka_unit_test(test_maxima),
        cmocka_unit_test(test_answer),
        cmocka_unit_test(test_neighbour),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
