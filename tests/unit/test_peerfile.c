/* SPDX-License-Identifier: Apache-2.0 */

/* Whole peer files: one with everything in it, cut short ones, large ones. */

#include <config.h>
#include "overlay/peerlist.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include "openvswitch/dynamic-string.h"
#include "openvswitch/util.h"
#include "overlay/address.h"
#include "util.h"

/* Everything that may be in a file. */
static const char good[] =
    "\xef\xbb\xbf; the overlay of the lab, f\xc3\xbcr alle\r\n"
    "[network blue]\r\n"
    "vni = 100                    ; 1..16777215\r\n"
    "subnet = 10.1.0.0/16\r\n"
    "  subnet = fd00:1::/64  # indented, no continuation\n"
    "mac-prefix = 0a:57\n"
    "\n"
    "# comment [network green]\n"
    "[ network\tred ]      ; comment\n"
    "vni: 16777215\n"
    "subnet=10.1.0.0/16\n"
    "mac-prefix = 0A:57:01\n"
    "\n"
    "[peer hosta]# comment\n"
    "address = 192.168.50.11\n"
    "port = 4790\n"
    "slice = 10.1.11.0/24\n"
    "slice: fd00:1::b:0:0/96\n"
    "   \t \n"
    "[peer blue]\n"
    "address = fd00::12\n";

#define NETWORK "[network blue]\nvni=100\nsubnet=10.1.0.0/16\n"
#define PEER "[peer hosta]\naddress=192.168.50.11\n"

/* Parses a copy that ends where the sanitizer looks. */
static char *
parse(const char *text, size_t size, struct peerlist **listp)
{
    char *copy = xmemdup(text, MAX(size, 1));
    char *error = peerlist_parse("peers.conf", copy, size, listp);

    assert_int_equal(error == NULL, *listp != NULL);
    assert_null(error ? strchr(error, '\n') : NULL);
    free(copy);
    return error;
}

static struct peerlist *
parse_good(const char *text, size_t size)
{
    struct peerlist *list;
    char *error = parse(text, size, &list);

    if (error) {
        fail_msg("%s", error);
    }
    return list;
}

static void
assert_refused(const char *text, size_t size, const char *expected)
{
    struct peerlist *list;
    char *error = parse(text, size, &list);

    peerlist_destroy(list);
    if (!error || strcmp(error, expected)) {
        fail_msg("for:\n%.400s\nexpected: %s\nreturned: %s", text, expected,
                 error);
    }
    free(error);
}

static void
assert_prefix(const struct prefix *p, const char *expected)
{
    struct ds ds = DS_EMPTY_INITIALIZER;

    prefix_format(p, &ds);
    assert_string_equal(ds_cstr(&ds), expected);
    ds_destroy(&ds);
}

static void
test_good(void **state OVS_UNUSED)
{
    struct peerlist *list = parse_good(good, sizeof good - 1);
    const struct network *blue = peerlist_network(list, "blue");
    const struct network *red = peerlist_network(list, "red");
    const struct peer *hosta = peerlist_peer(list, "hosta");
    const struct peer *other = peerlist_peer(list, "blue");
    struct in6_addr a;

    assert_int_equal(shash_count(&list->networks), 2);
    assert_int_equal(shash_count(&list->peers), 2);
    assert_null(peerlist_network(list, "green"));
    assert_null(peerlist_peer(list, "red"));

    assert_string_equal(blue->name, "blue");
    assert_int_equal(blue->vni, 100);
    assert_int_equal(blue->n_subnets, 2);
    assert_prefix(&blue->subnets[0], "10.1.0.0/16");
    assert_prefix(&blue->subnets[1], "fd00:1::/64");
    assert_int_equal(blue->mac_prefix.len, 2);
    assert_memory_equal(blue->mac_prefix.octets, "\x0a\x57", 2);
    assert_int_equal(blue->line, 2);

    assert_string_equal(red->name, "red");
    assert_int_equal(red->vni, VNI_MAX);
    assert_int_equal(red->n_subnets, 1);
    assert_int_equal(red->mac_prefix.len, 3);
    assert_int_equal(red->line, 9);

    assert_true(address_parse("192.168.50.11", &a));
    assert_memory_equal(&hosta->address, &a, sizeof a);
    assert_int_equal(hosta->port, 4790);
    assert_int_equal(hosta->n_slices, 2);
    assert_prefix(&hosta->slices[0], "10.1.11.0/24");
    assert_prefix(&hosta->slices[1], "fd00:1::b:0:0/96");
    assert_int_equal(hosta->line, 14);

    assert_true(address_parse("fd00::12", &a));
    assert_memory_equal(&other->address, &a, sizeof a);
    assert_int_equal(other->port, 0);
    assert_int_equal(other->n_slices, 0);
    assert_int_equal(other->line, 20);
    peerlist_destroy(list);
    peerlist_destroy(NULL);
}

/* A file being copied may be seen at any length. */
static void
test_prefixes(void **state OVS_UNUSED)
{
    for (size_t i = 0; i < sizeof good - 1; i++) {
        struct peerlist *list;
        char *error = parse(good, i, &list);

        if (!error && i && good[i - 1] != '\n') {
            fail_msg("a file that ends within a line, at %"PRIuSIZE", is "
                     "accepted", i);
        }
        peerlist_destroy(list);
        free(error);
    }
}

enum shape { NETWORKS, PEERS, SUBNETS, SLICES };

/* A file with 'n' of something. */
static void
put_many(struct ds *ds, enum shape shape, unsigned int n)
{
    ds_clear(ds);
    ds_put_cstr(ds, shape == SUBNETS ? "[network n]\nvni=1\n"
                : shape == SLICES ? NETWORK PEER : "");
    for (unsigned int i = 1; i <= n; i++) {
        switch (shape) {
        case NETWORKS:
            ds_put_format(ds, "[network n%u]\nvni=%u\n", i, i);
            for (int j = 0; j < SUBNETS_MAX; j++) {
                ds_put_format(ds, "subnet=10.%u.%u.%d/28\n", i / 256, i % 256,
                              j * 16);
            }
            break;
        case PEERS:
            ds_put_format(ds, "[peer n%u]\naddress=172.%u.%u.%u\n"
                          "slice=10.%u.%u.%u/30\nslice=10.%u.%u.%u/30\n",
                          i, i / 65536, i / 256 % 256, i % 256,
                          i / 16384, i / 64 % 256, i % 64 * 4,
                          1 + i / 16384, i / 64 % 256, i % 64 * 4);
            break;
        case SUBNETS:
            ds_put_format(ds, "subnet=10.%u.0.0/16\n", i);
            break;
        case SLICES:
            ds_put_format(ds, "slice=10.1.%u.0/24\n", i);
            break;
        }
    }
    ds_put_cstr(ds, shape == PEERS ? "[network n]\nvni=1\nsubnet=10.0.0.0/8\n"
                    : "");
}

static void
test_maxima(void **state OVS_UNUSED)
{
    static const struct {
        enum shape shape;
        unsigned int max;
        const char *error;
    } cases[] = {
        { NETWORKS, NETWORKS_MAX, "73729: network n4097: more than 4096 "
          "networks: remove some" },
        { PEERS, PEERS_MAX,
          "65537: peer n16385: more than 16384 peers: remove some" },
        { SUBNETS, SUBNETS_MAX,
          "19: network n: more than 16 subnets: remove some" },
        { SLICES, SLICES_MAX,
          "22: peer hosta: more than 16 slices: remove some" },
    };
    struct ds ds = DS_EMPTY_INITIALIZER;

    /* Far more than needed, and far less than a quadratic step would. */
    alarm(60);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char *expected = xasprintf("peers.conf:%s", cases[i].error);

        put_many(&ds, cases[i].shape, cases[i].max);
        peerlist_destroy(parse_good(ds.string, ds.length));
        put_many(&ds, cases[i].shape, cases[i].max + 1);
        assert_refused(ds.string, ds.length, expected);
        free(expected);
    }

    put_many(&ds, NETWORKS, 1);
    while (ds.length < PEERLIST_SIZE_MAX) {
        ds_put_char(&ds, '\n');
    }
    peerlist_destroy(parse_good(ds.string, ds.length));
    ds_put_char(&ds, '\n');
    assert_refused(ds.string, ds.length, "peers.conf:4193976: the file goes "
                   "on after 4194304 bytes: shorten it");
    alarm(0);
    ds_destroy(&ds);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_prefixes),
        cmocka_unit_test(test_maxima),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
