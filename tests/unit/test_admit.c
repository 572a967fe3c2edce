/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "overlay/address.h"
#include "overlay/admit.h"
#include "overlay/ifname.h"
#include "overlay/peerlist.h"
#include "packets.h"
#include "util.h"

static const char list_text[] =
    "[network blue]\nvni = 100\nsubnet = 10.1.0.0/16\n"
    "subnet = fd00:1::/64\n"
    "[network small]\nvni = 101\nsubnet = 10.2.0.0/29\n"
    "[network routed]\nvni = 102\nsubnet = 10.3.0.0/16\n"
    "subnet = fd00:3::/64\ngateway = 10.3.11.1\nexternal = nat\n"
    "[peer hosta]\naddress = 192.168.50.11\nslice = 10.2.0.4/30\n"
    "[peer hostb]\naddress = 192.168.50.12\n";

/* Endpoints that are there already. */
struct world {
    struct peerlist *list;
    struct claims claims;
    struct endpoint endpoints[8];
    size_t n;
    const char *port_taken;
    bool known;                     /* A directory tells of 'others'. */
    struct in6_addr others[8];      /* Addresses of other hosts' endpoints,
                                     * all in network 'small'. */
    size_t n_others;
    struct eth_addr other_mac;
};

static bool
port_taken(const char *port, const void *w_)
{
    const struct world *w = w_;
    return w->port_taken && !strcmp(port, w->port_taken);
}

static bool
is_other(uint32_t vni, const struct in6_addr *ip, struct eth_addr mac,
         struct admit_other *other, const void *w_)
{
    const struct world *w = w_;
    *other = (struct admit_other) { "web", "hostb" };
    for (size_t i = 0; ip && i < w->n_others; i++) {
        if (vni == 101 && ipv6_addr_equals(ip, &w->others[i])) {
            return true;
        }
    }
    return !ip && eth_addr_equals(mac, w->other_mac);
}

/* Asks for 'line'; on success the endpoint joins the world.  Returns the
 * message or NULL. */
static char *
ask(struct world *w, const char *line, const struct endpoint **existing)
{
    struct admit_host host = {
        .list = w->list,
        .self = peerlist_peer(w->list, "hosta"),
        .file = "peers.conf",
        .mtu = 1450,
        .port_taken = port_taken,
        .aux = w,
        .is_other = w->known ? is_other : NULL,
        .other_aux = w,
    };
    struct attach_request req;
    char **words;
    int n;
    assert_null(request_split(line, &n, &words));
    char *misuse = attach_request_parse(n, (const char *const *) words, &req);
    if (misuse) {
        fail_msg("%s: %s", line, misuse);
    }
    request_words_free(words);

    char *path = xasprintf("/run/netns/%s", req.netns);
    char *error = admit_endpoint(&req, path, &host, &w->claims,
                                 &w->endpoints[w->n], existing);
    free(path);
    attach_request_finish(&req);
    if (!error && !*existing) {
        claims_add(&w->claims, &w->endpoints[w->n++]);
    }
    return error;
}

static void
expect_ok(struct world *w, const char *line)
{
    const struct endpoint *existing;
    char *error = ask(w, line, &existing);
    if (error) {
        fail_msg("%s: %s", line, error);
    }
    assert_null(existing);
}

static void
expect_error(struct world *w, const char *line, const char *part)
{
    const struct endpoint *existing;
    char *error = ask(w, line, &existing);
    if (!error || !strstr(error, part)) {
        fail_msg("%s: \"%s\" lacks \"%s\"", line, error ? error : "(none)",
                 part);
    }
    free(error);
}

static int
setup(void **state)
{
    struct world *w = xzalloc(sizeof *w);
    assert_null(peerlist_parse("peers.conf", list_text, strlen(list_text),
                               &w->list));
    claims_init(&w->claims);
    *state = w;
    return 0;
}

static int
teardown(void **state)
{
    struct world *w = *state;
    for (size_t i = 0; i < w->n; i++) {
        claims_remove(&w->claims, &w->endpoints[i]);
        endpoint_finish(&w->endpoints[i]);
    }
    claims_destroy(&w->claims);
    peerlist_destroy(w->list);
    free(w);
    return 0;
}

static void
test_defaults(void **state)
{
    struct world *w = *state;
    expect_ok(w, "red --network blue");
    const struct endpoint *ep = &w->endpoints[0];
    assert_string_equal(ep->name, "red");
    assert_string_equal(ep->ifname, "eth0");
    assert_string_equal(ep->port, "wf-red");
    assert_int_equal(ep->n_ips, 2);

    struct ds s = DS_EMPTY_INITIALIZER;
    prefix_format(&ep->ips[0], &s);
    assert_string_equal(ds_cstr(&s), "10.1.11.1/16");
    ds_destroy(&s);

    /* The next one gets other addresses and another MAC. */
    expect_ok(w, "green --network blue");
    assert_false(prefix_equal(&w->endpoints[1].ips[0], &ep->ips[0]));
    assert_false(eth_addr_equals(w->endpoints[1].mac, ep->mac));
}

static void
test_repeating(void **state)
{
    struct world *w = *state;
    const struct endpoint *existing;
    expect_ok(w, "red --network blue --ip 10.1.0.5/16");
    assert_null(ask(w, "red --network blue", &existing));
    assert_ptr_equal(existing, &w->endpoints[0]);
    assert_null(ask(w, "red --network blue --ip 10.1.0.5/16", &existing));
    assert_ptr_equal(existing, &w->endpoints[0]);
    assert_int_equal(w->n, 1);
}

/* Automatic addresses beside chosen ones are more, never instead. */
static void
test_automatic_beside_chosen(void **state)
{
    struct world *w = *state;
    const struct endpoint *existing;
    expect_ok(w, "red --network blue --ip 10.1.0.5/16 --ip auto");
    assert_int_equal(w->endpoints[0].n_ips, 3);
    assert_true(prefix_is_v4(&w->endpoints[0].ips[1]));
    assert_false(prefix_is_v4(&w->endpoints[0].ips[2]));
    assert_null(ask(w, "red --network blue --ip auto --ip 10.1.0.5/16",
                    &existing));
    assert_ptr_equal(existing, &w->endpoints[0]);
    expect_error(w, "red --network blue --ip 10.1.0.5/16", "other addresses");

    expect_ok(w, "green --network blue --ip 10.1.0.6/16");
    expect_error(w, "green --network blue --ip 10.1.0.6/16 --ip auto",
                 "other addresses");

    struct ds line = DS_EMPTY_INITIALIZER;
    ds_put_cstr(&line, "many --network blue --ip auto");
    for (int i = 0; i < ENDPOINT_IPS_MAX - 1; i++) {
        ds_put_format(&line, " --ip 10.1.1.%d/16", i + 1);
    }
    expect_error(w, ds_cstr(&line), "more than 16 addresses");
    ds_destroy(&line);
}

static void
test_conflicts(void **state)
{
    struct world *w = *state;
    expect_ok(w, "red --network blue --ip 10.1.0.5/16 "
              "--mac 02:00:00:00:00:05");
    expect_error(w, "red --network small", "on another network");
    expect_error(w, "green --name red --network blue", "another namespace");
    expect_error(w, "red --network blue --ip 10.1.0.6/16", "other addresses");
    expect_error(w, "red --network blue --mac 02:00:00:00:00:06",
                 "another MAC");
    expect_error(w, "red --network blue --name x", "is endpoint red already");
    expect_error(w, "green --network blue --ip 10.1.0.5/16",
                 "taken by endpoint red");
    expect_error(w, "green --network blue --mac 02:00:00:00:00:05",
                 "taken by endpoint red");
    expect_error(w, "green", "which network?");
    expect_error(w, "green --network pink", "blue, routed, small");
    expect_error(w, "green --network blue --ip 10.9.0.5/16", "no subnet");
    expect_error(w, "green --network blue --ip 10.1.0.7/8", "/16");
    expect_error(w, "green --network blue --mtu 1451", "1450");
    assert_int_equal(w->n, 1);
    /* The same address on another network is another address. */
    expect_ok(w, "green --network small --ip 10.2.0.5/29 "
              "--mac 02:00:00:00:00:05");
}

/* Whatever a network's gateway is, no endpoint is that. */
static void
test_gateways(void **state)
{
    struct world *w = *state;
    expect_error(w, "a --network routed --ip 10.3.11.1/16",
                 "address 10.3.11.1 is the gateway of network routed");
    expect_error(w, "a --network routed --ip fd00:3::1/64",
                 "address fd00:3::1 is the gateway of network routed");
    expect_error(w, "a --network routed --mac 0e:57:00:00:00:01",
                 "MAC 0e:57:00:00:00:01 is the gateway's");
    expect_error(w, "a --network blue --mac 0e:57:00:00:00:02",
                 "MAC 0e:57:00:00:00:02 is no endpoint's: 0e:57:00 belongs to "
                 "Weft's gateways");
    expect_ok(w, "b --network routed --ip 10.3.0.1/16 "
              "--mac 0e:57:01:00:00:01");

    /* The first of the slice is the gateway. */
    expect_ok(w, "a --network routed");
    struct ds s = DS_EMPTY_INITIALIZER;
    prefix_format(&w->endpoints[1].ips[0], &s);
    assert_string_equal(ds_cstr(&s), "10.3.11.2/16");
    ds_destroy(&s);
    /* Elsewhere it is anybody's. */
    expect_ok(w, "c --network blue --ip 10.1.0.1/16");
}

static void
expect_conflict(struct world *w, const char *ip, const char *mac,
                const char *expected)
{
    struct endpoint *ep = &w->endpoints[0];
    struct prefix was = ep->ips[0];
    struct eth_addr mac_was = ep->mac;
    assert_true(address_parse(ip, &ep->ips[0].addr));
    if (mac) {
        assert_true(eth_addr_from_string(mac, &ep->mac));
    }
    char *error = admit_conflict(ep, peerlist_network(w->list, "routed"),
                                 &w->claims);
    ep->ips[0] = was;
    ep->mac = mac_was;
    if (expected) {
        assert_string_equal(error, expected);
    } else {
        assert_null(error);
    }
    free(error);
}

/* What is there may become wrong: by a new gateway, by who writes into
 * rows. */
static void
test_conflicts_later(void **state)
{
    struct world *w = *state;
    expect_ok(w, "a --network routed --ip 10.3.0.5/16");
    expect_ok(w, "b --network routed --ip 10.3.0.6/16 "
              "--mac 02:00:00:00:00:06");
    expect_conflict(w, "10.3.0.5", NULL, NULL);
    expect_conflict(w, "10.3.11.1", NULL,
                    "address 10.3.11.1 is the gateway of network routed");
    expect_conflict(w, "fd00:3::1", NULL,
                    "address fd00:3::1 is the gateway of network routed");
    expect_conflict(w, "10.3.0.6", NULL,
                    "address 10.3.0.6 is taken by endpoint b");
    expect_conflict(w, "fe80::1", NULL, "address fe80::1 is link-local");
    expect_conflict(w, "10.3.0.5", "02:00:00:00:00:06",
                    "MAC 02:00:00:00:00:06 is taken by endpoint b");
    expect_conflict(w, "10.3.0.5", "0e:57:00:00:00:01",
                    "MAC 0e:57:00:00:00:01 is the gateway's");
}

static void
test_full_slice(void **state)
{
    struct world *w = *state;
    expect_ok(w, "a --network small");
    expect_ok(w, "b --network small");
    expect_error(w, "c --network small", "no free address in 10.2.0.4/30");
}

static void
test_port_names(void **state)
{
    struct world *w = *state;
    w->port_taken = "wf-red";
    expect_ok(w, "red --network blue");
    assert_string_not_equal(w->endpoints[0].port, "wf-red");
    assert_true(strlen(w->endpoints[0].port) <= 15);

    char *a = ifname_make("wf-", "a-name-beyond-15-bytes", 0);
    char *b = ifname_make("wf-", "a-name-beyond-15-bytez", 0);
    assert_true(strlen(a) == 15 && strlen(b) == 15);
    assert_string_not_equal(a, b);
    free(a);
    free(b);
}

/* What is given back is given again; in between, none is given twice. */
static void
test_addresses_come_back(void **state)
{
    struct world *w = *state;
    expect_ok(w, "a --network blue");
    expect_ok(w, "b --network blue");
    struct prefix first = w->endpoints[0].ips[0];
    claims_remove(&w->claims, &w->endpoints[0]);
    expect_ok(w, "c --network blue");
    assert_true(prefix_equal(&w->endpoints[2].ips[0], &first));
    expect_ok(w, "d --network blue");
    assert_false(prefix_equal(&w->endpoints[3].ips[0],
                              &w->endpoints[1].ips[0]));
}

static void
add_other(struct world *w, const char *ip)
{
    assert_true(address_parse(ip, &w->others[w->n_others++]));
}

/* With a directory, automatic addresses are of the whole subnet, and what
 * other hosts have is theirs. */
static void
test_directory(void **state)
{
    struct world *w = *state;
    w->known = true;
    assert_true(eth_addr_from_string("0a:57:aa:aa:aa:aa", &w->other_mac));
    add_other(w, "10.2.0.2");
    add_other(w, "10.2.0.3");

    expect_error(w, "a --network small --ip 10.2.0.2/29",
                 "address 10.2.0.2 is taken by endpoint web of host hostb: "
                 "give another, or --move to take it over");
    expect_error(w, "a --network small --mac 0a:57:aa:aa:aa:aa",
                 "MAC 0a:57:aa:aa:aa:aa is taken by endpoint web of host "
                 "hostb");
    expect_ok(w, "moved --network small --ip 10.2.0.2/29 --move");

    /* 10.2.0.1 is nobody's: a gateway's by default.  Of 2 to 6 three are
     * left, none of which is in this host's slice alone. */
    expect_ok(w, "b --network small");
    expect_ok(w, "c --network small");
    expect_ok(w, "d --network small");
    for (size_t i = 1; i < w->n; i++) {
        struct admit_other other;
        assert_false(is_other(101, &w->endpoints[i].ips[0].addr,
                              eth_addr_zero, &other, w));
    }
    expect_error(w, "e --network small",
                 "no free address in subnet 10.2.0.0/29 of network small");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_directory, setup, teardown),
        cmocka_unit_test_setup_teardown(test_defaults, setup, teardown),
        cmocka_unit_test_setup_teardown(test_repeating, setup, teardown),
        cmocka_unit_test_setup_teardown(test_automatic_beside_chosen, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_conflicts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_gateways, setup, teardown),
        cmocka_unit_test_setup_teardown(test_conflicts_later, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_full_slice, setup, teardown),
        cmocka_unit_test_setup_teardown(test_port_names, setup, teardown),
        cmocka_unit_test_setup_teardown(test_addresses_come_back, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
