/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "overlay/dhcp6.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "openvswitch/dynamic-string.h"
#include "openvswitch/util.h"
#include "packets.h"
#include "tests/packet.h"
#include "util.h"

/* Of the endpoint's and the gateway's MAC. */
#define LINK_LOCAL "fe80::857:aff:fe01:5"
#define GATEWAY "fe80::c57:ff:fe00:1"

/* Options, in hexadecimal. */
#define CLIENT "0001000a 0003 0001 0a570a010005 "
#define SERVER "0002000a 0003 0001 0e5700000001 "
#define OTHER  "0002000a 0003 0001 0e5700000002 "
#define BEST   "00070001 ff "
#define RAPID  "000e0000 "
#define ORO    "00060002 0052 "     /* Of nothing that there is. */
#define ORO2   "00060004 0018 0017 "
#define DNS    "00170010 fd000001000000000000000000000053 "
#define DOMAIN "00180006 04626c756500 "
#define TIMES  "0000a8c0 00010e00 "
#define LIVES  "00015180 0002a300 "
#define NA     "0003000c 11223344 00000000 00000000 "
#define TA     "00040004 11223355 "
#define PD     "0019000c 11223366 00000000 00000000 "
#define OWN    "fd000001000000000000000000000005 "
#define WRONG  "fd000001000000000000000000000006 "
#define FAR    "fd000007000000000000000000000006 "
#define ADDR   "00050018 "
#define NA_OF  "00030028 11223344 00000000 00000000 " ADDR
#define NONE   "00000000 00000000 "
#define STATUS "000d0002 "

/* What is given, and what is refused. */
#define GIVEN  "00030028 11223344 " TIMES ADDR OWN LIVES
#define NO_TA  "0004000a 11223355 " STATUS "0002 "
#define NO_PD  "00190012 11223366 " NONE STATUS "0006 "

struct test_case {
    const char *message;
    const char *reply;              /* NULL: silence. */
};

/* The reply to 'message' is 'expected', both without the transaction. */
static void
expect(const struct answer_context *ctx, const char *message,
       const char *expected)
{
    uint8_t buf[2048], want[1500];
    const struct packet packet = {
        .src = LINK_LOCAL, .dst = "ff02::1:2",
        .src_port = 546, .dst_port = 547, .payload = message,
    };
    size_t size = packet_compose(&packet, buf);
    uint8_t *frame = xmemdup(buf, size);
    struct dp_packet reply;

    dp_packet_init(&reply, 0);

    bool answered = dhcp6_answer(ctx, frame, size, &reply);

    if (answered != (expected != NULL)) {
        fail_msg("%s: %s", message, answered ? "answered" : "silence");
    }
    if (expected) {
        struct in6_addr src = packet_addr(GATEWAY);
        struct in6_addr dst = packet_addr(LINK_LOCAL);
        struct packet_reply r = packet_check(&reply, NULL);
        const uint8_t *p = r.l4;
        size_t n = r.n;
        size_t n_want = packet_hex(expected, want);
        static const uint8_t ports[] = { 547 >> 8, 547 & 0xff,
                                         546 >> 8, 546 & 0xff };

        assert_memory_equal(p, ports, sizeof ports);
        assert_memory_equal(&r.src, &src, 16);
        assert_memory_equal(&r.dst, &dst, 16);
        assert_memory_equal(p - 54, &ctx->endpoint->mac, 6);
        if (n - 8 != n_want || memcmp(&p[8], want, n_want)) {
            struct ds ds = DS_EMPTY_INITIALIZER;

            ds_put_hex(&ds, &p[8], n - 8);
            fail_msg("%s\nexpected: %s\nreturned: %s", message, expected,
                     ds_cstr(&ds));
        }
    } else {
        assert_int_equal(dp_packet_size(&reply), 0);
    }
    dp_packet_uninit(&reply);
    free(frame);
}

#define ADV "02abcdef " CLIENT SERVER BEST
#define REP "07abcdef " CLIENT SERVER

static void
test_answered(void **state OVS_UNUSED)
{
    static const struct test_case cases[] = {
        /* Solicit: with or without rapid commit, hints, other kinds. */
        { "01abcdef " CLIENT NA, ADV GIVEN DNS DOMAIN },
        { "01abcdef " CLIENT NA ORO, ADV GIVEN },
        { "01abcdef " CLIENT ORO2 NA, ADV GIVEN DNS DOMAIN },
        { "01abcdef " CLIENT NA RAPID ORO, REP RAPID GIVEN },
        { "01abcdef " CLIENT NA_OF FAR NONE ORO, ADV GIVEN },
        { "01abcdef " CLIENT ORO, ADV },
        { "01abcdef " CLIENT NA TA PD ORO, ADV GIVEN NO_TA NO_PD },
        { "01abcdef " CLIENT PD ORO "00080002 0000 ", ADV NO_PD },

        /* Request. */
        { "03abcdef " CLIENT SERVER NA_OF OWN LIVES ORO, REP GIVEN },
        { "03abcdef " CLIENT SERVER NA RAPID ORO, REP GIVEN },
        { "03abcdef " CLIENT SERVER NA_OF WRONG LIVES ORO, REP GIVEN },
        { "03abcdef " CLIENT SERVER NA_OF FAR LIVES ORO,
          REP "00030012 11223344 " NONE STATUS "0004 " },

        /* Renew and rebind: what is foreign ends. */
        { "05abcdef " CLIENT SERVER NA_OF OWN LIVES ORO, REP GIVEN },
        { "06abcdef " CLIENT NA_OF OWN LIVES ORO2, REP GIVEN DNS DOMAIN },
        { "05abcdef " CLIENT SERVER NA_OF WRONG LIVES ORO,
          REP "00030044 11223344 " TIMES ADDR OWN LIVES ADDR WRONG NONE },
        { "06abcdef " CLIENT NA_OF FAR LIVES ORO,
          REP "00030044 11223344 " TIMES ADDR OWN LIVES ADDR FAR NONE },

        /* Of two associations, the one that has the address. */
        { "05abcdef " CLIENT SERVER "0003000c 99999999 " NONE NA_OF OWN LIVES
          ORO, REP "00030012 99999999 " NONE STATUS "0002 " GIVEN },
        { "01abcdef " CLIENT NA "0003000c 99999999 " NONE ORO,
          ADV GIVEN "00030012 99999999 " NONE STATUS "0002 " },

        /* Confirm, release, decline. */
        { "04abcdef " CLIENT NA_OF OWN NONE ORO2, REP STATUS "0000" },
        { "04abcdef " CLIENT NA_OF WRONG NONE, REP STATUS "0004" },
        { "04abcdef " CLIENT NA_OF OWN NONE "0003002877777777" NONE ADDR FAR
          NONE, REP STATUS "0004" },
        { "08abcdef " CLIENT SERVER NA_OF OWN NONE, REP STATUS "0000" },
        { "09abcdef " CLIENT SERVER NA_OF OWN NONE, REP STATUS "0000" },

        /* Information. */
        { "0babcdef " CLIENT ORO2, REP DNS DOMAIN },
        { "0babcdef " SERVER ORO2, "07abcdef " SERVER DNS DOMAIN },
        { "0babcdef ", "07abcdef " SERVER DNS DOMAIN },
        { "0babcdef 00010003 aabbcc " ORO,
          "07abcdef 00010003 aabbcc " SERVER },
    };
    struct packet_fixture f;

    packet_fixture_init(&f);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        expect(&f.ctx, cases[i].message, cases[i].reply);
    }
}

static void
test_silence(void **state OVS_UNUSED)
{
    static const char *const cases[] = {
        /* Other messages: a server's, a relay's, nobody's. */
        "00abcdef " CLIENT NA, "02abcdef " CLIENT SERVER NA,
        "07abcdef " CLIENT SERVER NA, "0aabcdef " CLIENT SERVER,
        "0cabcdef " CLIENT NA, "0dabcdef " CLIENT NA, "ffabcdef " CLIENT NA,
        "", "01", "01abcd",

        /* Identifiers: not given, of another server, given where not. */
        "01abcdef " NA, "01abcdef " CLIENT SERVER NA,
        "03abcdef " CLIENT NA, "03abcdef " SERVER NA,
        "03abcdef " CLIENT OTHER NA, "05abcdef " CLIENT OTHER NA,
        "08abcdef " CLIENT OTHER NA, "09abcdef " CLIENT OTHER NA,
        "05abcdef " CLIENT NA, "08abcdef " CLIENT NA, "09abcdef " CLIENT NA,
        "04abcdef " NA_OF OWN NONE, "04abcdef " CLIENT SERVER NA_OF OWN NONE,
        "06abcdef " CLIENT SERVER NA, "06abcdef " NA,
        "0babcdef " OTHER, "0babcdef " CLIENT NA,
        "03abcdef " CLIENT "00020003 000300" NA,
        "04abcdef " CLIENT NA, "04abcdef " CLIENT,

        /* Options: cut short, too short, twice, too many. */
        "01abcdef " CLIENT "00", "01abcdef " CLIENT "000300",
        "01abcdef " CLIENT "0003000c 11223344 00000000 000000",
        "01abcdef " CLIENT "0003000b 11223344 00000000 000000",
        "01abcdef " CLIENT "00040003 112233",
        "01abcdef " CLIENT "0019000b 11223344 00000000 000000",
        "01abcdef " CLIENT "0003000d 11223344 " NONE "00",
        "01abcdef " CLIENT "00030027 11223344 " NONE "00050017" OWN
        "000000000000 00",
        "01abcdef " CLIENT "00030028 11223344 " NONE "00050019" OWN NONE,
        "01abcdef " CLIENT "00060001 00", "01abcdef " CLIENT ORO ORO,
        "01abcdef " CLIENT CLIENT NA, "01abcdef 00010002 0003 " NA,
        "01abcdef " CLIENT "000e0001 00",
        "01abcdef " CLIENT NA NA NA NA NA,
        "05abcdef " CLIENT SERVER "00030098 11223344 " NONE
        ADDR OWN NONE ADDR OWN NONE ADDR OWN NONE ADDR OWN NONE ADDR OWN NONE,
    };
    struct packet_fixture f;

    packet_fixture_init(&f);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        expect(&f.ctx, cases[i], NULL);
    }
}

/* What is around the message. */
static void
test_frame(void **state OVS_UNUSED)
{
    static const struct {
        const char *src, *dst;
        uint16_t src_port, dst_port;
        bool answered;
        int at;                     /* Byte of the frame that is made wrong. */
        const char *between;        /* An extension header. */
    } cases[] = {
        { LINK_LOCAL, "ff02::1:2", 546, 547, true },
        { LINK_LOCAL, "ff02::1:2", 547, 547, false },
        { LINK_LOCAL, "ff02::1:2", 546, 546, false },
        { LINK_LOCAL, GATEWAY, 546, 547, false },
        { "fe80::1234", "ff02::1:2", 546, 547, true },    /* Made up. */
        { "fd00:1::5", "ff02::1:2", 546, 547, false },
        { "::", "ff02::1:2", 546, 547, false },
        { LINK_LOCAL, "ff02::1:2", 546, 547, false, 11 },   /* Source. */
        { LINK_LOCAL, "ff02::1:2", 546, 547, false, 14 },   /* Version. */
        { LINK_LOCAL, "ff02::1:2", 546, 547, false, 18 },   /* Length. */
        { LINK_LOCAL, "ff02::1:2", 546, 547, false, 20 },   /* Next header. */
        { LINK_LOCAL, "ff02::1:2", 546, 547, false, 58 },   /* UDP's length. */
        { LINK_LOCAL, "ff02::1:2", 546, 547, false, 60 },   /* Checksum. */
        { LINK_LOCAL, "ff02::1:2", 546, 547, false,
          .between = "1100 0104 0000 0000" },
    };
    struct packet_fixture f;
    uint8_t buf[512];

    packet_fixture_init(&f);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const struct packet packet = {
            .src = cases[i].src, .dst = cases[i].dst,
            .src_port = cases[i].src_port, .dst_port = cases[i].dst_port,
            .next = IPPROTO_DSTOPTS, .between = cases[i].between,
            .payload = "01abcdef " CLIENT NA ORO2,
        };
        size_t size = packet_compose(&packet, buf);
        struct dp_packet reply;

        buf[cases[i].at] ^= 0x41;
        dp_packet_init(&reply, 0);
        if (dhcp6_answer(&f.ctx, buf, size, &reply) != cases[i].answered) {
            fail_msg("from %s to %s at %d", cases[i].src, cases[i].dst,
                     cases[i].at);
        }
        dp_packet_clear(&reply);
        for (size_t j = 0; j < size; j++) {
            uint8_t *cut = xmemdup(buf, j ? j : 1);

            assert_false(dhcp6_answer(&f.ctx, cut, j, &reply));
            assert_int_equal(dp_packet_size(&reply), 0);
            free(cut);
        }

        /* UDP over IPv6 has a checksum. */
        buf[cases[i].at] ^= 0x41;
        buf[60] = buf[61] = 0;
        assert_false(dhcp6_answer(&f.ctx, buf, size, &reply));
        dp_packet_uninit(&reply);
    }
}

static void
test_context(void **state OVS_UNUSED)
{
    struct packet_fixture f;
    char dots[] = "a..b";

    /* Nothing to configure. */
    packet_fixture_init(&f);
    f.network.n_dns = 1;
    f.network.name = dots;
    expect(&f.ctx, "01abcdef " CLIENT NA, ADV GIVEN);

    /* No address where a gateway is. */
    f.network.gateways[2] = in6addr_any;
    expect(&f.ctx, "01abcdef " CLIENT NA, NULL);
    packet_fixture_init(&f);
    f.endpoint.n_ips = 2;
    expect(&f.ctx, "01abcdef " CLIENT NA, NULL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answered),
        cmocka_unit_test(test_silence),
        cmocka_unit_test(test_frame),
        cmocka_unit_test(test_context),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
