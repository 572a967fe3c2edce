/* SPDX-License-Identifier: Apache-2.0 */

/* What a host gives to its endpoints: slices, addresses, MACs. */

#include <config.h>
#include "overlay/address.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "openvswitch/util.h"
#include "overlay/peerlist.h"
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

/* Two hosts with default slices, one with slices of its own, and more whose
 * addresses end like those of others. */
static const char text[] =
    "[network blue]\nvni=100\nsubnet=10.1.0.0/16\nsubnet=fd00:1::/64\n"
    "[network red]\nvni=101\nsubnet=10.2.0.0/24\nsubnet=10.3.0.0/30\n"
    "[network big]\nvni=102\nsubnet=20.0.0.0/8\nsubnet=fd00:2::/120\n"
    "[peer hosta]\naddress=192.168.50.11\n"
    "[peer hostb]\naddress=192.168.50.12\n"
    "[peer hostc]\naddress=fd00::ab:cdef\n"
    "slice=20.0.0.0/16\nslice=10.1.0.0/24\nslice=10.1.200.0/24\n"
    "[peer hostd]\naddress=192.168.51.12\nslice=10.1.60.0/24\n"
    "[peer hoste]\naddress=192.168.50.200\n"
    "[peer hostf]\naddress=192.168.1.239\n"
    "[peer hostg]\naddress=192.168.50.60\n";

static struct peerlist *
parse(const char *s)
{
    struct peerlist *list;
    char *error = peerlist_parse("test", s, strlen(s), &list);

    if (error) {
        fail_msg("%s", error);
    }
    return list;
}

static void
test_slice(void **state OVS_UNUSED)
{
    static const struct {
        const char *peer, *subnet, *slice, *error;
    } cases[] = {
        { "hosta", "10.1.0.0/16", "10.1.11.0/24", NULL },
        { "hostb", "10.1.0.0/16", "10.1.12.0/24", NULL },
        { "hostc", "10.1.0.0/16", "10.1.0.0/24", NULL },
        { "hosta", "fd00:1::/64", "fd00:1:0:0:320b::/80", NULL },
        { "hostc", "fd00:1::/64", "fd00:1:0:0:cdef::/80", NULL },
        { "hosta", "20.0.0.0/8", "20.11.0.0/16", NULL },
        { "hostc", "20.0.0.0/8", "20.0.0.0/16", NULL },
        { "hosta", "fd00:2::/120", "fd00:2::b0/124", NULL },
        { "hosta", "10.2.0.0/24", "10.2.0.176/28", NULL },
        { "hosta", "10.2.0.0/25", "10.2.0.48/28", NULL },
        { "hostd", "10.1.0.0/16", "10.1.60.0/24",
          "the slice 10.1.60.0/24 of hostd overlaps that of hostg: give "
          "hostg a \"slice = ...\"" },
        { "hostg", "10.1.0.0/16", "10.1.60.0/24",
          "the default slice 10.1.60.0/24 of hostg overlaps that of hostd: "
          "give hostg a \"slice = ...\"" },
        { "hoste", "10.1.0.0/16", "10.1.200.0/24",
          "the default slice 10.1.200.0/24 of hoste overlaps that of hostc: "
          "give hoste a \"slice = ...\"" },
        { "hostc", "10.2.0.0/24", "10.2.0.240/28",
          "the default slice 10.2.0.240/28 of hostc is also that of hostf: "
          "give each a \"slice = ...\"" },
        { "hosta", "10.3.0.0/30", "10.3.0.2/31",
          "the default slice 10.3.0.2/31 of hosta is also that of hostc: "
          "give each a \"slice = ...\"" },
        { "hostd", "20.0.0.0/8", "20.12.0.0/16",
          "the default slice 20.12.0.0/16 of hostd is also that of hostb: "
          "give each a \"slice = ...\"" },
    };
    struct peerlist *list = parse(text);

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const struct peer *peer = peerlist_peer(list, cases[i].peer);
        struct prefix subnet = pfx(cases[i].subnet);
        struct prefix slice;
        char *error = address_slice(list, peer, &subnet, &slice);

        if (!nullable_string_is_equal(error, cases[i].error)) {
            fail_msg("%s in %s: %s", cases[i].peer, cases[i].subnet, error);
        }
        assert_prefix(&slice, cases[i].slice);
        assert_true(prefix_within(&slice, &subnet));
        free(error);
    }
    peerlist_destroy(list);
}

/* Hosts whose addresses end in 0 to 255 each have a part, and all the parts
 * together are the subnet. */
static void
test_default_slices_are_a_partition(void **state OVS_UNUSED)
{
    struct prefix subnet = pfx("10.1.0.0/16");
    struct peerlist list;
    uint8_t seen[256] = { 0 };

    shash_init(&list.networks);
    shash_init(&list.routers);
    shash_init(&list.peers);
    for (int i = 0; i < 256; i++) {
        struct peer peer = { .name = "x", .address = addr("192.168.50.0") };
        struct prefix slice;

        peer.address.s6_addr[15] = i;
        assert_null(address_slice(&list, &peer, &subnet, &slice));
        assert_int_equal(slice.len, 24);
        assert_int_equal(slice.addr.s6_addr[15], 0);
        seen[slice.addr.s6_addr[14]]++;
    }
    for (int i = 0; i < 256; i++) {
        assert_int_equal(seen[i], 1);
    }
    shash_destroy(&list.networks);
    shash_destroy(&list.routers);
    shash_destroy(&list.peers);
}

/* Says that the first '*aux' addresses it is asked for are taken. */
struct count {
    unsigned int n_taken, n_asked;
};

static bool
taken(const struct in6_addr *a OVS_UNUSED, const void *count_)
{
    struct count *count = CONST_CAST(struct count *, count_);

    return count->n_asked++ < count->n_taken;
}

static void
test_allocate(void **state OVS_UNUSED)
{
    static const struct {
        const char *subnet, *slice;
        unsigned int n_taken;
        const char *addr;           /* NULL: none. */
        unsigned int n_asked;
    } cases[] = {
        { "10.1.0.0/16", "10.1.11.0/24", 0, "10.1.11.1", 1 },
        { "10.1.0.0/16", "10.1.11.0/24", 1, "10.1.11.2", 2 },
        { "10.1.0.0/16", "10.1.11.0/24", 254, "10.1.11.255", 255 },
        { "10.1.0.0/16", "10.1.11.0/24", 255, NULL, 255 },
        /* Neither the network's own address nor the gateway's. */
        { "10.1.0.0/16", "10.1.0.0/24", 0, "10.1.0.2", 1 },
        { "10.1.0.0/30", "10.1.0.0/30", 0, "10.1.0.2", 1 },
        { "10.1.0.0/30", "10.1.0.0/30", 1, NULL, 1 },
        { "10.1.0.0/30", "10.1.0.0/31", 0, NULL, 0 },
        /* 10.1.0.3 is the broadcast address. */
        { "10.1.0.0/30", "10.1.0.2/31", 0, NULL, 0 },
        { "10.1.0.0/16", "10.1.255.0/24", 253, "10.1.255.254", 254 },
        { "10.1.0.0/16", "10.1.255.0/24", 254, NULL, 254 },
        { "10.0.0.0/8", "10.1.0.0/16", 65534, "10.1.255.255", 65535 },
        { "10.0.0.0/8", "10.2.0.0/15", 65535, "10.3.0.0", 65536 },
        { "10.0.0.0/8", "10.2.0.0/15", 65536, NULL, 65536 },
        { "fd00:1::/64", "fd00:1:0:0:320b::/80", 0, "fd00:1::320b:0:0:1", 1 },
        { "fd00:1::/64", "fd00:1::/80", 0, "fd00:1::2", 1 },
        { "fd00:1::/64", "fd00:1::/80", 65534, "fd00:1::1:0", 65535 },
        { "fd00:1::/64", "fd00:1::/80", 65535, NULL, 65535 },
        { "fd00:1::/126", "fd00:1::/126", 1, "fd00:1::3", 2 },
        /* A slice of something else. */
        { "10.1.0.0/16", "10.2.0.0/24", 0, NULL, 0 },
        { "10.1.0.0/16", "fd00:1::/64", 0, NULL, 0 },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct prefix subnet = pfx(cases[i].subnet);
        struct prefix slice = pfx(cases[i].slice);
        struct count count = { cases[i].n_taken, 0 };
        struct in6_addr a;
        uint32_t number = 0;
        bool ok = address_allocate(&subnet, &slice, taken, &count, &number,
                                   &a);

        if (ok != (cases[i].addr != NULL)
            || count.n_asked != cases[i].n_asked) {
            fail_msg("%s of %s: %d after %u", cases[i].slice,
                     cases[i].subnet, ok, count.n_asked);
        }
        if (ok) {
            assert_address(&a, cases[i].addr);
        }
    }
}

static void
test_mac_derive(void **state OVS_UNUSED)
{
    static const struct {
        struct mac_prefix prefix;
        const char *addr;
        unsigned int attempt;
        const char *mac;
    } cases[] = {
        { { .len = 0 }, "10.1.0.5", 0, "0a:57:0a:01:00:05" },
        { { { 0xfe, 0x01 }, 2 }, "10.1.0.5", 0, "fe:01:0a:01:00:05" },
        { { { 0xfe, 0x01, 0xab }, 3 }, "10.1.0.5", 0, "fe:01:ab:01:00:05" },
        { { .len = 0 }, "10.1.0.5", 1, "0a:57:a8:38:79:b6" },
        { { { 0xfe, 0x01, 0xab }, 3 }, "10.1.0.5", 1, "fe:01:ab:38:79:b6" },
        /* As sha1sum(1) of the 16 bytes begins.  May never change. */
        { { .len = 0 }, "fd00::5", 0, "0a:57:d6:4f:8a:13" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct in6_addr a = addr(cases[i].addr);
        struct eth_addr mac = mac_derive(&cases[i].prefix, &a,
                                         cases[i].attempt);
        char *s = xasprintf(ETH_ADDR_FMT, ETH_ADDR_ARGS(mac));

        assert_string_equal(s, cases[i].mac);
        assert_false(eth_addr_is_multicast(mac));
        assert_true(eth_addr_is_local(mac));
        free(s);
    }
}

static void
test_mac_attempts_differ(void **state OVS_UNUSED)
{
    const struct mac_prefix p = { { 0x0a, 0x57, 0x01 }, 3 };
    struct in6_addr a = addr("10.1.0.5");
    uint8_t *seen = xzalloc(1 << 24);

    for (unsigned int i = 0; i < 1 << 24; i++) {
        struct eth_addr mac = mac_derive(&p, &a, i);
        uint8_t *m = &seen[mac.ea[3] << 16 | mac.ea[4] << 8 | mac.ea[5]];

        if (*m) {
            fail_msg("attempt %u gives a MAC again", i);
        }
        *m = 1;
    }
    free(seen);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slice),
        cmocka_unit_test(test_default_slices_are_a_partition),
        cmocka_unit_test(test_allocate),
        cmocka_unit_test(test_mac_derive),
        cmocka_unit_test(test_mac_attempts_differ),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
