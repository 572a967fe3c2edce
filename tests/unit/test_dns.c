/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "overlay/dns.h"

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

#define WEB1_BLUE "04 77656231 04 626c7565 00"
#define MANY "many-a23456789a123456789a123456"
#define OPT "00 0029 1000 00000000 0000"

enum { A = 1, PTR = 12, TXT = 16, AAAA = 28, ANY = 255 };
enum { UDP_AT4 = 14 + 20, UDP_AT6 = 14 + 40 };

static uint16_t
get16(const uint8_t *p)
{
    return p[0] << 8 | p[1];
}

/* A frame with the message 'dns', hexadecimal.  Returns its size. */
static size_t
compose(const char *dns, bool v6, uint8_t *data)
{
    const struct packet packet = {
        .v6 = v6, .src_port = 4096, .dst_port = 53, .payload = dns,
    };

    return packet_compose(&packet, data);
}

/* One record at 'p' of the answer, its size in '*len'. */
static void
format_record(const uint8_t *p, struct ds *ds, size_t *len)
{
    if (p[0] == 0) {
        assert_int_equal(get16(p + 1), 41);
        ds_put_format(ds, " opt %u", get16(p + 3));
        if (p[5]) {
            ds_put_format(ds, " rcode+%u", p[5] << 4);
        }
        assert_int_equal(p[6], 0);                  /* Version. */
        assert_int_equal(get16(p + 7), 0);          /* Flags. */
        assert_int_equal(get16(p + 9), 0);          /* Length. */
        *len = 11;
        return;
    }

    struct in6_addr addr = in6_addr_mapped_ipv4(0);
    size_t n = get16(p + 10);

    assert_int_equal(get16(p), 0xc00c);
    assert_int_equal(get16(p + 2), n == 4 ? A : AAAA);
    assert_int_equal(get16(p + 4), 1);              /* IN. */
    assert_int_equal(get16(p + 6), 0);
    assert_int_equal(get16(p + 8), DNS_TTL_S);
    assert_true(n == 4 || n == 16);
    memcpy(&addr.s6_addr[16 - n], p + 12, n);
    ds_put_char(ds, ' ');
    address_format(&addr, ds);
    *len = 12 + n;
}

/* The response to the message at 'query', of which the question is
 * repeated. */
static void
format_message(const uint8_t *p, size_t n, const uint8_t *query,
               struct ds *ds)
{
    static const char *const rcodes[] = {
        "NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED",
    };
    int n_records = get16(p + 6) + get16(p + 10);
    size_t at = 12;

    assert_true(n >= 12);
    assert_memory_equal(p, query, 2);               /* Its id. */
    assert_true(p[2] & 0x80);                       /* A response. */
    assert_int_equal(p[2] & 0x79, query[2] & 0x79); /* Opcode, RD. */
    assert_int_equal(p[3] & 0xf0, 0);               /* RA, Z, AD, CD. */
    assert_true(p[3] < ARRAY_SIZE(rcodes));
    assert_int_equal(get16(p + 8), 0);
    ds_put_format(ds, "%s%s%s", rcodes[p[3]], p[2] & 4 ? " aa" : "",
                  p[2] & 2 ? " tc" : "");
    if (get16(p + 4)) {
        assert_int_equal(get16(p + 4), 1);
        while (p[at]) {
            at += 1 + p[at];
        }
        at += 1 + 4;
        assert_memory_equal(p + 12, query + 12, at - 12);
        ds_put_cstr(ds, " q");
    }
    for (int i = 0; i < n_records; i++) {
        size_t len;

        format_record(p + at, ds, &len);
        at += len;
    }
    assert_int_equal(at, n);
}

/* The answer to a frame, "-" if there is none. */
static char *
answer(const struct answer_context *ctx, const uint8_t *data, size_t size)
{
    struct ds ds = DS_EMPTY_INITIALIZER;
    uint8_t *exact = xmemdup(data, size ? size : 1);
    struct dp_packet reply;

    dp_packet_init(&reply, 0);
    if (!dns_answer(ctx, exact, size, &reply)) {
        assert_int_equal(dp_packet_size(&reply), 0);
        ds_put_char(&ds, '-');
    } else {
        bool v4 = data[12] == 0x08;
        const uint8_t *udp = data + (v4 ? UDP_AT4 : UDP_AT6);
        struct packet_reply r = packet_check(&reply, NULL);

        assert_int_equal(r.proto, 17);
        assert_true(endpoint_has_ip(ctx->endpoint, &r.dst));
        assert_memory_equal(&r.src.s6_addr[v4 ? 12 : 0], udp - (v4 ? 4 : 16),
                            v4 ? 4 : 16);
        assert_int_equal(get16(r.l4), 53);
        assert_int_equal(get16(r.l4 + 2), 4096);
        format_message(r.l4 + 8, r.n - 8, udp + 8, &ds);
    }
    dp_packet_uninit(&reply);
    free(exact);
    return ds_steal_cstr(&ds);
}

static void
check(const char *dns, bool v6, const char *expected)
{
    struct packet_fixture f;
    uint8_t *data = xmalloc(PACKET_MAX);
    char *s;

    packet_fixture_init(&f);
    s = answer(&f.ctx, data, compose(dns, v6, data));
    if (strcmp(s, expected)) {
        fail_msg("%s: %s, not %s", dns, s, expected);
    }
    free(s);
    free(data);
}

/* A query for 'name', "web1.blue", of which a '~' stands for a dot within a
 * label.  Its hexadecimal digits: the caller frees them. */
static char *
query(const char *name, uint16_t type, bool opt)
{
    struct ds ds = DS_EMPTY_INITIALIZER;

    ds_put_format(&ds, "1234 0100 0001 0000 0000 %04x ", opt);
    while (*name) {
        size_t len = strcspn(name, ".");

        ds_put_format(&ds, "%02"PRIxSIZE, len);
        for (size_t i = 0; i < len; i++) {
            ds_put_format(&ds, "%02x", name[i] == '~' ? '.' : name[i]);
        }
        name += len + (name[len] == '.');
    }
    ds_put_format(&ds, "00 %04x 0001", type);
    if (opt) {
        ds_put_cstr(&ds, OPT);
    }
    return ds_steal_cstr(&ds);
}

static void
test_names(void **state OVS_UNUSED)
{
    static const struct {
        const char *name;
        uint16_t type;
        const char *answer;
    } cases[] = {
        { "web1.blue", A, "NOERROR aa q 10.1.0.5" },
        { "web1.blue", AAAA, "NOERROR aa q fd00:1::5" },
        { "web1.blue", ANY, "NOERROR aa q 10.1.0.5 fd00:1::5" },
        { "web1.blue", TXT, "NOERROR aa q" },
        { "web1", A, "NOERROR aa q 10.1.0.5" },
        { "WEB1.Blue", A, "NOERROR aa q 10.1.0.5" },
        { "wEb1", AAAA, "NOERROR aa q fd00:1::5" },
        { "a.b.blue", A, "NOERROR aa q 10.1.0.6" },
        { "a.b", A, "NOERROR aa q 10.1.0.6" },
        { "a.b", AAAA, "NOERROR aa q" },
        { "db.green", AAAA, "NOERROR aa q fd00:2::7" },
        { "db.green", A, "NOERROR aa q" },
        /* Nobody's. */
        { "blue", A, "NOERROR aa q" },
        { "BLUE", TXT, "NOERROR aa q" },
        { "web2.blue", A, "NXDOMAIN aa q" },
        { "web2.blue", TXT, "NXDOMAIN aa q" },
        { "db.blue", A, "NXDOMAIN aa q" },
        { "web1.web1.blue", A, "NXDOMAIN aa q" },
        { "_x._udp.blue", TXT, "NXDOMAIN aa q" },
        { "-.blue", A, "NXDOMAIN aa q" },
        { "a~b.blue", A, "NXDOMAIN aa q" },
        { "web2", A, "NXDOMAIN aa q" },
        { "db", A, "NXDOMAIN aa q" },
        { "com", TXT, "REFUSED q" },
        { "web1~blue", TXT, "REFUSED q" },
        /* Outside. */
        { "", A, "REFUSED q" },
        { "green", TXT, "REFUSED q" },
        { "web2.green", A, "REFUSED q" },
        { "www.example.com", A, "REFUSED q" },
        { "web1.blue.com", A, "REFUSED q" },
        { "web1.skyblue", A, "REFUSED q" },
        { "5.0.1.10.in-addr.arpa", PTR, "REFUSED q" },
        { MANY, A, "NOERROR aa q" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        for (int opt = 0; opt < 2; opt++) {
            char *dns = query(cases[i].name, cases[i].type, opt);
            char *expected = xasprintf("%s%s", cases[i].answer,
                                       opt ? " opt 1232" : "");

            check(dns, false, expected);
            check(dns, true, expected);
            free(expected);
            free(dns);
        }
    }
}

/* The most addresses and the longest names there can be, into 512 bytes and
 * into more. */
static void
test_truncated(void **state OVS_UNUSED)
{
    static const struct {
        const char *name;
        uint16_t type;
        bool opt;
        int n;                      /* Of the 16 addresses. */
    } cases[] = {
        { MANY ".green", AAAA, false, 16 },
        { MANY ".green", ANY, false, 16 },
        { MANY "." MANY, AAAA, false, 15 },
        { MANY "." MANY, ANY, false, 15 },
        { MANY "." MANY, AAAA, true, 16 },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct ds ds = DS_EMPTY_INITIALIZER;
        char *dns = query(cases[i].name, cases[i].type, cases[i].opt);

        ds_put_format(&ds, "NOERROR aa%s q", cases[i].n < 16 ? " tc" : "");
        for (int j = 0; j < cases[i].n; j++) {
            ds_put_format(&ds, " fd00:1::1%02x", j);
        }
        if (cases[i].opt) {
            ds_put_cstr(&ds, " opt 1232");
        }
        check(dns, false, ds_cstr(&ds));
        check(dns, true, ds_cstr(&ds));
        free(dns);
        ds_destroy(&ds);
    }
}

static void
test_messages(void **state OVS_UNUSED)
{
    static const struct {
        const char *dns, *answer;
    } cases[] = {
        /* RD as it was; AD, CD and the reserved bit are not repeated. */
        { "0001 0000 0001 0000 0000 0000" WEB1_BLUE "0001 0001",
          "NOERROR aa q 10.1.0.5" },
        { "0001 0170 0001 0000 0000 0000" WEB1_BLUE "0001 0001",
          "NOERROR aa q 10.1.0.5" },
        /* A response; no header. */
        { "0001 8000 0001 0000 0000 0000" WEB1_BLUE "0001 0001", "-" },
        { "0001 8000 0000 0000 0000 0000", "-" },
        { "0001 0000 0001 0000 0000 00", "-" },
        { "", "-" },
        /* Other operations: IQUERY, NOTIFY, UPDATE. */
        { "0001 0800 0001 0000 0000 0000" WEB1_BLUE "0001 0001", "NOTIMP" },
        { "0001 2000 0001 0000 0000 0000" WEB1_BLUE "0001 0001", "NOTIMP" },
        { "0001 2900 0000 0000 0000 0000", "NOTIMP" },
        /* Other classes: CHAOS, ANY. */
        { "0001 0000 0001 0000 0000 0000" WEB1_BLUE "0001 0003", "REFUSED q" },
        { "0001 0000 0001 0000 0000 0000" WEB1_BLUE "0001 00ff", "REFUSED q" },
        /* Counts. */
        { "0001 0000 0000 0000 0000 0000", "FORMERR" },
        { "0001 0000 0002 0000 0000 0000" WEB1_BLUE "0001 0001" WEB1_BLUE
          "0001 0001", "FORMERR" },
        { "0001 0000 0001 0001 0000 0000" WEB1_BLUE "0001 0001", "FORMERR" },
        { "0001 0000 0001 0000 0001 0000" WEB1_BLUE "0001 0001", "FORMERR" },
        { "0001 0000 0001 0000 0000 0001" WEB1_BLUE "0001 0001",
          "FORMERR q" },
        { "0001 0000 0001 0000 0000 ffff" WEB1_BLUE "0001 0001" OPT,
          "FORMERR q opt 1232" },
        { "0001 0000 0001 0000 0000 0000" WEB1_BLUE "0001 0001 00",
          "FORMERR q" },
        /* Questions: cut, pointers, the two other kinds of labels. */
        { "0001 0000 0001 0000 0000 0000", "FORMERR" },
        { "0001 0000 0001 0000 0000 0000" "04 776562", "FORMERR" },
        { "0001 0000 0001 0000 0000 0000" "04 77656231", "FORMERR" },
        { "0001 0000 0001 0000 0000 0000" WEB1_BLUE, "FORMERR" },
        { "0001 0000 0001 0000 0000 0000" WEB1_BLUE "0001 00", "FORMERR" },
        { "0001 0000 0001 0000 0000 0000" "c00c 0001 0001", "FORMERR" },
        { "0001 0000 0001 0000 0000 0000" "04 77656231 c00c 0001 0001",
          "FORMERR" },
        { "0001 0000 0001 0000 0000 0000" "40 0001 0001", "FORMERR" },
        { "0001 0000 0001 0000 0000 0000" "80 0001 0001", "FORMERR" },
        /* Zero bytes in a label do not end the name. */
        { "0001 0000 0001 0000 0000 0000" "05 7765623100 04 626c7565 00"
          "0001 0001", "NXDOMAIN aa q" },
        /* EDNS: with options, of another version, twice, cut, not at the
         * root; a size below 512. */
        { "0001 0000 0001 0000 0000 0001" WEB1_BLUE "0001 0001"
          "00 0029 0000 00000000 0006 000a 0002 abcd",
          "NOERROR aa q 10.1.0.5 opt 1232" },
        { "0001 0000 0001 0000 0000 0001" WEB1_BLUE "0001 0001"
          "00 0029 1000 00010000 0000", "NOERROR q opt 1232 rcode+16" },
        { "0001 0000 0001 0000 0000 0002" WEB1_BLUE "0001 0001" OPT OPT,
          "FORMERR q opt 1232" },
        { "0001 0000 0001 0000 0000 0001" WEB1_BLUE "0001 0001"
          "00 0029 1000 00000000 0001", "FORMERR q" },
        { "0001 0000 0001 0000 0000 0001" WEB1_BLUE "0001 0001"
          "00 0029 1000 00000000 00", "FORMERR q" },
        { "0001 0000 0001 0000 0000 0001" WEB1_BLUE "0001 0001"
          "c00c 0029 1000 00000000 0000", "FORMERR q" },
        /* Another record (here a signature's) is passed over. */
        { "0001 0000 0001 0000 0000 0002" WEB1_BLUE "0001 0001"
          "01 6b c00c 00fa 00ff 00000000 0003 010203" OPT,
          "NOERROR aa q 10.1.0.5 opt 1232" },
        { "0001 0000 0001 0000 0000 0001" WEB1_BLUE "0001 0001" "01 6b c0",
          "FORMERR q" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        check(cases[i].dns, false, cases[i].answer);
        check(cases[i].dns, true, cases[i].answer);
    }
}

/* A name of 255 bytes is one, of 256 is not: RFC 1035, section 2.3.4. */
static void
test_long_names(void **state OVS_UNUSED)
{
    for (int last = 61; last <= 62; last++) {
        char *name = xasprintf("%063d.%063d.%063d.%0*d", 0, 0, 0, last, 0);
        char *dns = query(name, A, false);

        check(dns, false, last == 61 ? "REFUSED q" : "FORMERR");
        free(dns);
        free(name);
    }
}

/* Of a good frame over IPv4, 'byte' at offset 'at'. */
static void
test_bytes(void **state OVS_UNUSED)
{
    static const char good[] = "NOERROR aa q 10.1.0.5";
    static const struct {
        size_t at;
        uint8_t byte;
        const char *answer;
    } cases[] = {
        { 0, 0x01, "-" },                   /* To a group. */
        { 11, 0x06, "-" },                  /* From another MAC. */
        { 20, 0x20, "-" },                  /* A fragment. */
        { 23, 6, "-" },                     /* TCP. */
        { 29, 6, "-" },                     /* From another address. */
        { 30, 224, "-" },                   /* To another, a group. */
        { 33, 5, "-" },                     /* To itself. */
        { 34, 0, "-" },                     /* From port 0. */
        { 37, 54, "-" },                    /* To another port. */
        { 38, 1, "-" },                     /* Longer than the packet. */
        { 39, 7, "-" },
        { 39, 19, "-" },                    /* Shorter than the headers. */
        { 39, 20, "FORMERR" },
        { 23, 17, good },
    };
    struct packet_fixture f;
    uint8_t *data = xzalloc(PACKET_MAX);
    char *dns = query("web1.blue", A, false);
    size_t size;
    char *s;

    packet_fixture_init(&f);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        size = compose(dns, false, data);
        data[cases[i].at] = cases[i].byte;
        s = answer(&f.ctx, data, size);
        if (strcmp(s, cases[i].answer)) {
            fail_msg("case %"PRIuSIZE": %s, not %s", i, s, cases[i].answer);
        }
        free(s);
    }

    /* Cut at each byte; padded. */
    size = compose(dns, false, data);
    for (size_t n = 0; n < size; n++) {
        s = answer(&f.ctx, data, n);
        assert_string_equal(s, "-");
        free(s);
    }
    s = answer(&f.ctx, data, size + 18);
    assert_string_equal(s, good);
    free(s);
    f.ctx.endpoint = NULL;
    s = answer(&f.ctx, data, size);
    assert_string_equal(s, "-");
    free(s);
    free(dns);
    free(data);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_messages),
        cmocka_unit_test(test_long_names),
        cmocka_unit_test(test_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
