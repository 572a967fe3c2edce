/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "overlay/address.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "openvswitch/util.h"
#include "packets.h"
#include "util.h"

static struct in6_addr
addr(const char *s)
{
    struct in6_addr a;

    assert_true(address_parse(s, &a));
    return a;
}

static struct prefix
pfx(const char *s)
{
    struct prefix p;
    char *error = prefix_parse(s, &p);

    assert_null(error);
    return p;
}

static void
assert_address(const struct in6_addr *a, const char *expected)
{
    struct ds ds = DS_EMPTY_INITIALIZER;

    address_format(a, &ds);
    assert_string_equal(ds_cstr(&ds), expected);
    ds_destroy(&ds);
}

static void
assert_prefix(const struct prefix *p, const char *expected)
{
    struct ds ds = DS_EMPTY_INITIALIZER;

    prefix_format(p, &ds);
    assert_string_equal(ds_cstr(&ds), expected);
    ds_destroy(&ds);
}

/* 'expected' NULL: no error. */
static void
assert_error(char *error, const char *expected)
{
    if (expected) {
        assert_non_null(error);
        assert_string_equal(error, expected);
    } else if (error) {
        fail_msg("unexpected: %s", error);
    }
    free(error);
}

static void
test_address_parse(void **state OVS_UNUSED)
{
    static const struct {
        const char *in, *out;       /* 'out' NULL: refused. */
    } cases[] = {
        { "10.1.0.0", "10.1.0.0" },
        { "0.0.0.0", "0.0.0.0" },
        { "255.255.255.255", "255.255.255.255" },
        { "fd00::1", "fd00::1" },
        { "FD00:0:0::0001", "fd00::1" },
        { "::", "::" },
        { "64:ff9b::10.1.0.1", "64:ff9b::a01:1" },
        { "", NULL },
        { "10.1", NULL },
        { "10.1.0.256", NULL },
        { "10.1.0.010", NULL },
        { "10.1.0.1 ", NULL },
        { " 10.1.0.1", NULL },
        { "10.1.0.1/16", NULL },
        { "0x0a.1.0.1", NULL },
        { "::ffff:10.1.0.1", NULL },
        { "::ffff:a01:1", NULL },
        { "fe80::1%eth0", NULL },
        { "[fd00::1]", NULL },
        { "fd00::1::2", NULL },
        { "hosta", NULL },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct in6_addr a;
        bool ok = address_parse(cases[i].in, &a);

        if (ok != (cases[i].out != NULL)) {
            fail_msg("%s: parsed %d", cases[i].in, ok);
        }
        if (ok) {
            assert_address(&a, cases[i].out);
            assert_int_equal(address_is_v4(&a), !strchr(cases[i].out, ':'));
        }
    }
}

static void
test_refuse_unicast(void **state OVS_UNUSED)
{
    static const struct {
        const char *addr, *reason;
    } cases[] = {
        { "10.0.0.1", NULL },
        { "192.168.50.11", NULL },
        { "100.64.0.1", NULL },
        { "fd00::1", NULL },
        { "2001:db8::1", NULL },
        { "0.0.0.0", "is unspecified" },
        { "0.1.2.3", "is unspecified" },
        { "::", "is unspecified" },
        { "::1.2.3.4", "is unspecified" },
        { "127.0.0.1", "is a loopback address" },
        { "127.255.0.1", "is a loopback address" },
        { "::1", "is a loopback address" },
        { "169.254.1.1", "is a link-local address" },
        { "169.253.255.255", NULL },
        { "fe80::1", "is a link-local address" },
        { "febf::1", "is a link-local address" },
        { "fec0::1", NULL },
        { "224.0.0.1", "is a multicast address" },
        { "239.255.255.255", "is a multicast address" },
        { "ff02::1", "is a multicast address" },
        { "255.255.255.255", "is the broadcast address" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct in6_addr a = addr(cases[i].addr);
        const char *reason = address_refuse_unicast(&a);

        if (!nullable_string_is_equal(reason, cases[i].reason)) {
            fail_msg("%s %s", cases[i].addr, reason);
        }
    }
}

static void
test_prefix_parse(void **state OVS_UNUSED)
{
    static const struct {
        const char *in, *error;
    } cases[] = {
        { "10.1.0.7/16", NULL },
        { "0.0.0.0/0", NULL },
        { "10.1.0.7/32", NULL },
        { "fd00::7/128", NULL },
        { "::/0", NULL },
        { "10.1/16", "10.1/16: not an address: write ADDRESS/LENGTH, like "
          "10.1.0.5/16" },
        { "", ": not an address: write ADDRESS/LENGTH, like 10.1.0.5/16" },
        { "/16", "/16: not an address: write ADDRESS/LENGTH, like "
          "10.1.0.5/16" },
        { "1111:2222:3333:4444:5555:6666:777:88888888888888888888/64",
          "1111:2222:3333:4444:5555:6666:777:88888888888888888888/64: not an "
          "address: write ADDRESS/LENGTH, like 10.1.0.5/16" },
        { "10.1.0.7", "10.1.0.7: no prefix length: write ADDRESS/LENGTH, "
          "like 10.1.0.7/24" },
        { "fd00::7", "fd00::7: no prefix length: write ADDRESS/LENGTH, like "
          "fd00::7/64" },
        { "10.1.0.7/", "10.1.0.7/: prefix length not within 0..32" },
        { "10.1.0.7/33", "10.1.0.7/33: prefix length not within 0..32" },
        { "10.1.0.7/-1", "10.1.0.7/-1: prefix length not within 0..32" },
        { "10.1.0.7/+8", "10.1.0.7/+8: prefix length not within 0..32" },
        { "10.1.0.7/08", "10.1.0.7/08: prefix length not within 0..32" },
        { "10.1.0.7/8/8", "10.1.0.7/8/8: prefix length not within 0..32" },
        { "10.1.0.7/255.255.0.0",
          "10.1.0.7/255.255.0.0: prefix length not within 0..32" },
        { "10.1.0.7/4294967312",
          "10.1.0.7/4294967312: prefix length not within 0..32" },
        { "fd00::7/129", "fd00::7/129: prefix length not within 0..128" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct prefix p;

        assert_error(prefix_parse(cases[i].in, &p), cases[i].error);
        if (!cases[i].error) {
            assert_prefix(&p, cases[i].in);
        }
    }
}

static void
test_prefix_parse_subnet(void **state OVS_UNUSED)
{
    static const struct {
        const char *in, *error;
    } cases[] = {
        { "10.1.0.0/16", NULL },
        { "10.0.0.0/8", NULL },
        { "10.1.0.4/30", NULL },
        { "fd00:1::/64", NULL },
        { "fd00::4/126", NULL },
        { "10.1.0.7/16",
          "10.1.0.7/16 has bits beyond its prefix: write 10.1.0.0/16" },
        { "fd00::7/64",
          "fd00::7/64 has bits beyond its prefix: write fd00::/64" },
        { "0.0.0.0/0", "0.0.0.0/0: prefix length not within 1..30" },
        { "::/0", "::/0: prefix length not within 1..126" },
        { "10.1.0.4/31", "10.1.0.4/31: prefix length not within 1..30" },
        { "10.1.0.4/32", "10.1.0.4/32: prefix length not within 1..30" },
        { "fd00::/127", "fd00::/127: prefix length not within 1..126" },
        { "224.1.0.0/16", "224.1.0.0/16: an address of it is a multicast "
          "address: choose another, like 10.1.0.0/16" },
        { "192.0.0.0/2", "192.0.0.0/2: an address of it is a multicast "
          "address: choose another, like 10.1.0.0/16" },
        { "127.0.0.0/8", "127.0.0.0/8: an address of it is a loopback "
          "address: choose another, like 10.1.0.0/16" },
        { "255.255.255.0/24", "255.255.255.0/24: an address of it is the "
          "broadcast address: choose another, like 10.1.0.0/16" },
        { "ff00::/8", "ff00::/8: an address of it is a multicast address: "
          "choose another, like fd00:1::/64" },
        { "fe80::/64", "fe80::/64: an address of it is a link-local address: "
          "choose another, like fd00:1::/64" },
        { "0:0:0:0:0:8000::/81", "0:0:0:0:0:8000::/81: an address of it is "
          "unspecified: choose another, like fd00:1::/64" },
        { "10.1/16", "10.1/16: not an address: write ADDRESS/LENGTH, like "
          "10.1.0.5/16" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct prefix p;

        assert_error(prefix_parse_subnet(cases[i].in, &p), cases[i].error);
    }
}

static void
test_prefix_relations(void **state OVS_UNUSED)
{
    static const struct {
        const char *a, *b;
        bool within, overlaps;      /* Is 'b' within 'a'? */
    } cases[] = {
        { "10.1.0.0/16", "10.1.0.0/16", true, true },
        { "10.1.0.0/16", "10.1.2.0/24", true, true },
        { "10.1.2.0/24", "10.1.0.0/16", false, true },
        { "10.1.0.0/16", "10.2.0.0/16", false, false },
        { "10.1.0.0/17", "10.1.128.0/17", false, false },
        { "10.1.0.7/16", "10.1.9.9/24", true, true },
        { "0.0.0.0/0", "10.1.0.0/16", true, true },
        { "::/0", "fd00::/8", true, true },
        { "::/0", "10.1.0.0/16", false, false },
        { "0.0.0.0/0", "fd00::/8", false, false },
        { "fd00:1::/64", "fd00:1:0:1::/64", false, false },
        { "fd00:1::/63", "fd00:1:0:1::/64", true, true },
        { "fd00:1::/128", "fd00:1::/128", true, true },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct prefix a = pfx(cases[i].a);
        struct prefix b = pfx(cases[i].b);

        assert_int_equal(prefix_within(&b, &a), cases[i].within);
        assert_int_equal(prefix_overlaps(&a, &b), cases[i].overlaps);
        assert_int_equal(prefix_overlaps(&b, &a), cases[i].overlaps);
        assert_int_equal(prefix_contains(&a, &b.addr)
                         && b.len >= a.len, cases[i].within);
        assert_int_equal(prefix_equal(&a, &b),
                         !strcmp(cases[i].a, cases[i].b));
        assert_int_equal(prefix_is_v4(&a), !strchr(cases[i].a, ':'));
    }
}

static void
test_refuse_host(void **state OVS_UNUSED)
{
    static const struct {
        const char *subnet, *addr, *reason;
    } cases[] = {
        { "10.1.0.0/16", "10.1.0.1", NULL },
        { "10.1.0.0/16", "10.1.1.0", NULL },
        { "10.1.0.0/16", "10.1.0.255", NULL },
        { "10.1.0.7/16", "10.1.255.254", NULL },
        { "10.1.0.7/16", "10.1.0.0", "is the network address of its subnet" },
        { "10.1.0.0/16", "10.1.255.255",
          "is the broadcast address of its subnet" },
        { "10.1.0.0/16", "10.2.0.1", "is not within its subnet" },
        { "10.1.0.0/16", "fd00::1", "is not within its subnet" },
        { "10.1.0.4/31", "10.1.0.4", NULL },
        { "10.1.0.4/31", "10.1.0.5", NULL },
        { "10.1.0.4/32", "10.1.0.4", NULL },
        { "fd00::/64", "fd00::",
          "is the routers' anycast address of its subnet" },
        { "fd00::/64", "fd00::ffff:ffff:ffff:ffff", NULL },
        { "fd00::/127", "fd00::", NULL },
        { "fd00::/128", "fd00::", NULL },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct prefix subnet = pfx(cases[i].subnet);
        struct in6_addr a = addr(cases[i].addr);
        const char *reason = prefix_refuse_host(&subnet, &a);

        if (!nullable_string_is_equal(reason, cases[i].reason)) {
            fail_msg("%s in %s %s", cases[i].addr, cases[i].subnet, reason);
        }
    }
}

static void
test_mac_prefix(void **state OVS_UNUSED)
{
    static const char form[] = " is not the first 2 or 3 octets of a MAC "
                               "address: write it like 0a:57 or 0a:57:01";
    static const char *const malformed[] = {
        "", "0a", "0a:", "0a:5", "0a57", "0a:57:", "0a:57:1", ":0a57",
        "0a:57:01:02", "0x:57", "0a-57", "0a: 7", "+a:57", "0a:57-01",
    };
    struct mac_prefix p;

    for (size_t i = 0; i < ARRAY_SIZE(malformed); i++) {
        char *expected = xasprintf("%s%s", malformed[i], form);

        assert_error(mac_prefix_parse(malformed[i], &p), expected);
        free(expected);
    }
    assert_error(mac_prefix_parse("0b:57", &p),
                 "0b:57 is not of unicast, locally administered MAC "
                 "addresses: write 0a:57");
    assert_error(mac_prefix_parse("00:16:3E", &p),
                 "00:16:3E is not of unicast, locally administered MAC "
                 "addresses: write 02:16:3E");

    assert_error(mac_prefix_parse("0a:57", &p), NULL);
    assert_int_equal(p.len, 2);
    assert_error(mac_prefix_parse("FE:01:ab", &p), NULL);
    assert_int_equal(p.len, 3);
    assert_memory_equal(p.octets, "\xfe\x01\xab", 3);
}

static void
test_link_local(void **state OVS_UNUSED)
{
    struct eth_addr mac = ETH_ADDR_C(0a,57,0a,01,00,05);
    struct in6_addr a = address_link_local(mac);

    assert_address(&a, "fe80::857:aff:fe01:5");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_address_parse),
        cmocka_unit_test(test_refuse_unicast),
        cmocka_unit_test(test_prefix_parse),
        cmocka_unit_test(test_prefix_parse_subnet),
        cmocka_unit_test(test_prefix_relations),
        cmocka_unit_test(test_refuse_host),
        cmocka_unit_test(test_mac_prefix),
        cmocka_unit_test(test_link_local),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
