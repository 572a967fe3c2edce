/* SPDX-License-Identifier: Apache-2.0 */

/* What a host makes of a valid list: who it is itself, the tunnels' ports,
 * and whether a new list looks like a damaged one. */

#include <config.h>
#include "overlay/peerlist.h"

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
#include "util.h"

enum { OWNED_MAX = 32 };

static struct peerlist *
parse(const char *text)
{
    struct peerlist *list;
    char *error = peerlist_parse("peers.conf", text, strlen(text), &list);

    if (error) {
        fail_msg("%s", error);
    }
    return list;
}

/* Addresses, separated by blanks. */
static size_t
parse_owned(const char *s, struct in6_addr owned[OWNED_MAX])
{
    char *copy = xstrdup(s);
    char *save = NULL;
    size_t n = 0;

    for (char *word = strtok_r(copy, " ", &save); word;
         word = strtok_r(NULL, " ", &save)) {
        assert_true(n < OWNED_MAX);
        assert_true(address_parse(word, &owned[n++]));
    }
    free(copy);
    return n;
}

static const char lab[] =
    "[peer hosta]\n"                                /* Line 1. */
    "address = 192.168.50.11\n"
    "port = 4790\n"
    "[peer hostb]\n"                                /* Line 4. */
    "address = 192.168.50.12\n"
    "[peer hostc]\n"                                /* Line 6. */
    "address = fd00::13\n"
    "port = 4790\n"
    "[peer nated]\n"                                /* Line 9. */
    "address = 203.0.113.1\n"
    "[network blue]\n"
    "vni = 1\n"
    "subnet = 10.1.0.0/16\n";

/* All machines of Vagrant's own the address of 'trap'. */
static const char vagrant[] =
    "[peer trap]\n"                                 /* Line 1. */
    "address = 10.0.2.15\n"
    "[peer hosta]\n"                                /* Line 3. */
    "address = 192.168.50.11\n"
    "port = 4789\n"
    "[peer hostb]\n"                                /* Line 6. */
    "address = 192.168.50.12\n"
    "port = 4790\n"
    "[peer hostc]\n"                                /* Line 9. */
    "address = 192.168.50.13\n";

static void
test_find_self(void **state OVS_UNUSED)
{
    static const struct {
        const char *text, *name, *hostname, *owned;
        const char *self;           /* Its name, or the message. */
    } cases[] = {
        /* By address. */
        { lab, NULL, "x", "192.168.50.11", "hosta" },
        { lab, NULL, "x", "127.0.0.1 ::1 fe80::1 10.0.2.15 192.168.50.12",
          "hostb" },
        { lab, NULL, "x", "10.0.2.15 fd00::13 192.168.1.1", "hostc" },
        { lab, NULL, NULL, "192.168.50.12", "hostb" },
        /* Clones of one machine are all called the same. */
        { lab, NULL, "hosta", "192.168.50.12", "hostb" },
        { vagrant, NULL, "x", "10.0.2.15", "trap" },

        /* By name. */
        { lab, "nated", "hosta", "10.0.2.15", "nated" },
        { lab, "hosta", "hostb", "192.168.50.11", "hosta" },
        { lab, "hosta", "hostb", "", "hosta" },
        { lab, "hostx", "hosta", "192.168.50.11",
          "peers.conf: no [peer hostx] section: add one, or start weftd with "
          "another --name" },
        { lab, "blue", "hosta", "192.168.50.11",
          "peers.conf: no [peer blue] section: add one, or start weftd with "
          "another --name" },

        /* Nobody.  The hostname alone proves nothing. */
        { lab, NULL, "hosta", "192.168.50.14 127.0.0.1 10.0.2.15",
          "peers.conf: no [peer] section has an address of this host (looked "
          "for 10.0.2.15, 192.168.50.14): add one, or start weftd with "
          "--name" },
        { lab, NULL, "hosta", "127.0.0.1 ::1 169.254.1.1 fe80::1",
          "peers.conf: no [peer] section has an address of this host (looked "
          "for none: it has only loopback and link-local ones): add one, or "
          "start weftd with --name" },
        { lab, NULL, "hosta", "1.0.0.1 1.0.0.2 1.0.0.3 1.0.0.4 1.0.0.5 "
          "1.0.0.6 1.0.0.7 1.0.0.8 1.0.0.9 1.0.0.10 1.0.0.11 1.0.0.12 "
          "1.0.0.13 1.0.0.14 1.0.0.15 1.0.0.16 1.0.0.18 1.0.0.17",
          "peers.conf: no [peer] section has an address of this host (looked "
          "for 1.0.0.1, 1.0.0.2, 1.0.0.3, 1.0.0.4, 1.0.0.5, 1.0.0.6, "
          "1.0.0.7, 1.0.0.8, 1.0.0.9, 1.0.0.10, 1.0.0.11, 1.0.0.12, "
          "1.0.0.13, 1.0.0.14, 1.0.0.15, 1.0.0.16 and 2 more): add one, or "
          "start weftd with --name" },

        /* Oneself as a remote peer. */
        { vagrant, NULL, "hosta", "10.0.2.15 192.168.50.11",
          "peers.conf:1: peer trap: its address 10.0.2.15 is also owned by "
          "this host, which is hosta in line 3, and a tunnel to oneself is a "
          "loop: write an address that only trap has" },
        { vagrant, "hostb", "hosta", "10.0.2.15 192.168.50.12",
          "peers.conf:1: peer trap: its address 10.0.2.15 is also owned by "
          "this host, which is hostb in line 6, and a tunnel to oneself is a "
          "loop: write an address that only trap has" },
        { lab, "nated", "x", "192.168.50.12",
          "peers.conf:4: peer hostb: its address 192.168.50.12 is also owned "
          "by this host, which is nated in line 9, and a tunnel to oneself "
          "is a loop: write an address that only hostb has" },
        { vagrant, NULL, "x", "10.0.2.15 192.168.50.13",
          "peers.conf:9: peer hostc: its address is this host's, as is that "
          "of trap in line 1: give one of them another, or start weftd with "
          "--name" },
        /* Called like one, but that one's address is not here. */
        { vagrant, NULL, "hosta", "10.0.2.15 192.168.50.13",
          "peers.conf:9: peer hostc: its address is this host's, as is that "
          "of trap in line 1: give one of them another, or start weftd with "
          "--name" },

        /* Two ports. */
        { vagrant, NULL, "x", "192.168.50.11",
          "peers.conf:6: peer hostb: port 4790 differs from port 4789 of "
          "hosta in line 3, which is this host, and a tunnel has one for "
          "both ends: give both the same" },
        { vagrant, NULL, "x", "192.168.50.12",
          "peers.conf:3: peer hosta: port 4789 differs from port 4790 of "
          "hostb in line 6, which is this host, and a tunnel has one for "
          "both ends: give both the same" },
        { vagrant, NULL, "x", "192.168.50.13", "hostc" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct peerlist *list = parse(cases[i].text);
        struct in6_addr owned[OWNED_MAX];
        size_t n = parse_owned(cases[i].owned, owned);
        const struct peer *self;
        char *error = peerlist_find_self("peers.conf", list, cases[i].name,
                                         cases[i].hostname, owned, n, &self);
        const char *result = error ? error : self->name;

        assert_int_equal(error == NULL, self != NULL);
        if (strcmp(result, cases[i].self)) {
            fail_msg("%s %s %s\nexpected: %s\nreturned: %s", cases[i].name,
                     cases[i].hostname, cases[i].owned, cases[i].self,
                     result);
        }
        free(error);
        peerlist_destroy(list);
    }
}

/* Sections in another order, addresses in another order: the same host. */
static void
test_order_never_matters(void **state OVS_UNUSED)
{
    static const char *const sections[] = {
        "[peer a]\naddress=10.0.0.1\n", "[peer b]\naddress=10.0.0.2\n",
        "[peer c]\naddress=10.0.0.3\n", "[peer d]\naddress=10.0.0.4\n",
    };
    enum { N = ARRAY_SIZE(sections) };

    for (int first = 0; first < N; first++) {
        struct ds ds = DS_EMPTY_INITIALIZER;
        struct in6_addr owned[2];
        const struct peer *self;

        for (int i = 0; i < N; i++) {
            ds_put_cstr(&ds, sections[(first + i) % N]);
        }

        struct peerlist *list = parse(ds_cstr(&ds));
        for (int i = 0; i < 2; i++) {
            assert_true(address_parse("10.0.0.3", &owned[i]));
            assert_true(address_parse("10.0.0.9", &owned[!i]));
            assert_null(peerlist_find_self("f", list, NULL, "a", owned, 2,
                                           &self));
            assert_string_equal(self->name, "c");
        }
        peerlist_destroy(list);
        ds_destroy(&ds);
    }
}

static void
test_port(void **state OVS_UNUSED)
{
    static const struct {
        uint16_t a, b, port;
    } cases[] = {
        { 0, 0, VXLAN_PORT },
        { 4790, 0, 4790 },
        { 0, 4790, 4790 },
        { 4790, 4790, 4790 },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct peer a = { .port = cases[i].a };
        struct peer b = { .port = cases[i].b };

        assert_int_equal(peerlist_port(&a, &b), cases[i].port);
        assert_int_equal(peerlist_port(&b, &a), cases[i].port);
    }
}

/* A list of 'n_peers' peers and 'n_networks' networks, from number 'first'. */
static struct peerlist *
make_list(int first, int n_peers, int n_networks)
{
    struct ds ds = DS_EMPTY_INITIALIZER;

    for (int i = first; i < first + n_peers; i++) {
        ds_put_format(&ds, "[peer p%d]\naddress=192.168.50.%d\n", i, i + 1);
    }
    for (int i = first; i < first + n_networks; i++) {
        ds_put_format(&ds, "[network n%d]\nvni=%d\nsubnet=10.%d.0.0/16\n", i,
                      i + 1, i);
    }

    struct peerlist *list = parse(ds_cstr(&ds));
    ds_destroy(&ds);
    return list;
}

static void
test_mass_removal(void **state OVS_UNUSED)
{
    static const struct {
        int peers, networks;                    /* Of the old list. */
        int new_first, new_peers, new_networks;
        const char *error;
    } cases[] = {
        { 4, 4, 0, 4, 4, NULL },
        { 4, 4, 0, 8, 8, NULL },
        { 4, 4, 0, 2, 2, NULL },
        { 4, 4, 0, 1, 4, "3 of 4 peers are gone, as in a file cut short" },
        { 4, 4, 0, 4, 1, "3 of 4 networks are gone, as in a file cut short" },
        { 4, 4, 0, 1, 0, "3 of 4 peers are gone, as in a file cut short" },
        { 4, 4, 0, 0, 1, "4 of 4 peers are gone, as in a file cut short" },
        { 3, 1, 0, 1, 1, "2 of 3 peers are gone, as in a file cut short" },
        { 2, 1, 0, 1, 1, NULL },
        { 1, 1, 0, 0, 1, NULL },
        { 1, 1, 0, 1, 0, NULL },
        { 0, 1, 0, 1, 1, NULL },
        /* As many as before, but others. */
        { 4, 0, 2, 4, 0, NULL },
        { 4, 0, 3, 4, 0, "3 of 4 peers are gone, as in a file cut short" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct peerlist *old = make_list(0, cases[i].peers,
                                         cases[i].networks);
        struct peerlist *new = make_list(cases[i].new_first,
                                         cases[i].new_peers,
                                         cases[i].new_networks);
        char *error = peerlist_mass_removal(old, new);

        if (!nullable_string_is_equal(error, cases[i].error)) {
            fail_msg("case %"PRIuSIZE": %s", i, error);
        }
        assert_null(peerlist_mass_removal(old, old));
        free(error);
        peerlist_destroy(old);
        peerlist_destroy(new);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_find_self),
        cmocka_unit_test(test_order_never_matters),
        cmocka_unit_test(test_port),
        cmocka_unit_test(test_mass_removal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
