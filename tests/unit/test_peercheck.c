/* SPDX-License-Identifier: Apache-2.0 */

/* What leads out of networks, in a peer file: gateways, routes, routers. */

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

#define BLUE "[network blue]\nvni=100\nsubnet=10.1.0.0/16\n"
#define GREEN "[network green]\nvni=200\nsubnet=10.2.0.0/16\n"
#define BOTH BLUE GREEN "[router core]\nnetworks=blue,green\n"

/* Parses a copy that ends where the sanitizer looks. */
static char *
parse(const char *text, size_t size, struct peerlist **listp)
{
    char *copy = xmemdup(text, MAX(size, 1));
    char *error = peerlist_parse("peers.conf", copy, size, listp);

    assert_int_equal(error == NULL, *listp != NULL);
    free(copy);
    return error;
}

static struct peerlist *
parse_good(const char *text)
{
    struct peerlist *list;
    char *error = parse(text, strlen(text), &list);

    if (error) {
        fail_msg("for:\n%.400s\n%s", text, error);
    }
    return list;
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
assert_route(const struct route *route, const char *expected)
{
    struct ds ds = DS_EMPTY_INITIALIZER;

    prefix_format(&route->dst, &ds);
    ds_put_cstr(&ds, " via ");
    address_format(&route->via, &ds);
    assert_string_equal(ds_cstr(&ds), expected);
    ds_destroy(&ds);
}

/* Keys before those that they are about, and a router before its networks. */
static void
test_everything(void **state OVS_UNUSED)
{
    static const char text[] =
        "[router core]\n"
        "networks = green ,\tblue,,\n"
        "networks = red\n"
        "[network blue]\n"
        "route = 0.0.0.0/0  via\t10.1.0.7 ; the way out\n"
        "route = ::/0 via fd00:1::7\n"
        "route = 10.9.0.5/32 via 10.1.0.8\n"
        "gateway = fd00:1::fe\n"
        "gateway = 10.1.0.254\n"
        "dns = 10.1.0.1\n"
        "dns = fd00:53::1\n"
        "external = nat\n"
        "dhcp = on\n"
        "vni = 300\n"
        "subnet = 10.1.0.0/16\n"
        "subnet = fd00:1::/64\n"
        "[network green]\n"
        "vni = 200\n"
        "subnet = 10.2.0.0/16\n"
        "[network red]\n"
        "vni = 400\n"
        "subnet = 10.3.0.0/16\n"
        "external = none\n"
        "dhcp = off\n";
    struct peerlist *list = parse_good(text);
    const struct network *blue = peerlist_network(list, "blue");
    const struct network *green = peerlist_network(list, "green");
    const struct network *red = peerlist_network(list, "red");
    const struct router *core = shash_find_data(&list->routers, "core");

    assert_int_equal(shash_count(&list->routers), 1);
    assert_string_equal(core->name, "core");
    assert_int_equal(core->line, 1);
    assert_int_equal(sset_count(&core->networks), 3);
    assert_true(sset_contains(&core->networks, "blue"));
    assert_true(sset_contains(&core->networks, "green"));
    assert_true(sset_contains(&core->networks, "red"));

    assert_address(&blue->gateways[0], "10.1.0.254");
    assert_address(&blue->gateways[1], "fd00:1::fe");
    assert_int_equal(blue->external, EXTERNAL_NAT);
    assert_true(blue->dhcp);
    assert_int_equal(blue->n_dns, 2);
    assert_address(&blue->dns[0], "10.1.0.1");
    assert_address(&blue->dns[1], "fd00:53::1");
    assert_int_equal(blue->n_routes, 3);
    assert_route(&blue->routes[0], "0.0.0.0/0 via 10.1.0.7");
    assert_route(&blue->routes[1], "::/0 via fd00:1::7");
    assert_route(&blue->routes[2], "10.9.0.5/32 via 10.1.0.8");
    assert_string_equal(blue->router, "core");
    assert_int_equal(blue->domain, 200);

    assert_address(&green->gateways[0], "10.2.0.1");
    assert_string_equal(green->router, "core");
    assert_int_equal(green->domain, 200);
    assert_int_equal(red->external, EXTERNAL_NONE);
    assert_false(red->dhcp);
    assert_int_equal(red->domain, 200);
    peerlist_destroy(list);
}

/* A gateway is there because it is listed, or because something needs it. */
static void
test_gateways(void **state OVS_UNUSED)
{
    static const struct {
        const char *text;
        const char *gateways[3];    /* NULL: none. */
    } cases[] = {
        { "", { NULL, NULL, NULL } },
        { "external=none\ndhcp=off\ndns=9.9.9.9\n", { NULL, NULL, NULL } },
        { "gateway=10.1.0.9\n", { "10.1.0.9", NULL, NULL } },
        { "gateway=10.3.0.6\ngateway=fd00:1::1\n",
          { NULL, "fd00:1::1", "10.3.0.6" } },
        { "external=nat\n", { "10.1.0.1", "fd00:1::1", "10.3.0.5" } },
        { "dhcp=on\n", { "10.1.0.1", "fd00:1::1", "10.3.0.5" } },
        { "[router core]\nnetworks=blue\n",
          { "10.1.0.1", "fd00:1::1", "10.3.0.5" } },
        { "gateway=fd00:1::ffff\ndhcp=on\n",
          { "10.1.0.1", "fd00:1::ffff", "10.3.0.5" } },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char *text = xasprintf(BLUE "subnet=fd00:1::/64\nsubnet=10.3.0.4/30\n"
                               "%s", cases[i].text);
        struct peerlist *list = parse_good(text);
        const struct network *blue = peerlist_network(list, "blue");

        for (size_t j = 0; j < 3; j++) {
            if (cases[i].gateways[j]) {
                assert_address(&blue->gateways[j], cases[i].gateways[j]);
            } else {
                assert_false(ipv6_addr_is_set(&blue->gateways[j]));
            }
        }
        if (!blue->router) {
            assert_int_equal(blue->domain, 100);
        }
        peerlist_destroy(list);
        free(text);
    }
}

static void
test_accepted(void **state OVS_UNUSED)
{
    static const char *const texts[] = {
        /* The same in networks that have no router in common. */
        BLUE "route=10.9.0.0/16 via 10.1.0.7\n"
        "[network b]\nvni=2\nsubnet=10.1.0.0/16\n"
        "route=10.9.0.0/16 via 10.1.0.7\n"
        "[network c]\nvni=3\nsubnet=10.9.0.0/16\n"
        "[router x]\nnetworks=blue\n[router y]\nnetworks=b\n",
        /* A router may be called like a network and a peer. */
        BLUE "[router blue]\nnetworks=blue\n[peer blue]\naddress=1.2.3.4\n",
        BOTH,
        /* Longer than another's, and half of everything. */
        BOTH "[network red]\nvni=3\nsubnet=10.3.0.0/16\n"
        "route=10.1.5.0/24 via 10.3.0.2\nroute=0.0.0.0/1 via 10.3.0.2\n"
        "route=128.0.0.0/1 via 10.3.0.2\n",
    };

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        peerlist_destroy(parse_good(texts[i]));
    }
}

static const struct refusal {
    const char *text;
    const char *error;              /* After "peers.conf:". */
} refusals[] = {
    /* Values. */
    { BLUE "gateway=10.1.0\n", "4: network blue: gateway 10.1.0 is not an IP "
      "address: write it like 10.1.0.1 or fd00:1::1" },
    { BLUE "gateway=10.1.0.1/16\n", "4: network blue: gateway 10.1.0.1/16 is "
      "not an IP address: write it like 10.1.0.1 or fd00:1::1" },
    { BLUE "external=NAT\n", "4: network blue: external NAT is neither none "
      "nor nat: write one of these" },
    { BLUE "external=nat\nexternal=nat\n", "5: network blue: external is "
      "given again, first in line 4: remove one" },
    { BLUE "dhcp=yes\n", "4: network blue: dhcp yes is neither on nor off: "
      "write one of these" },
    { BLUE "dhcp=on\ndhcp=off\n", "5: network blue: dhcp is given again, "
      "first in line 4: remove one" },
    { BLUE "dns=ns.example\n", "4: network blue: dns ns.example is not an IP "
      "address: write it like 10.1.0.1 or fd00:1::1" },
    { BLUE "dns=127.0.0.53\n", "4: network blue: dns 127.0.0.53 is a loopback "
      "address: write the address of a server that endpoints reach" },
    { BLUE "dns=ff02::1\n", "4: network blue: dns ff02::1 is a multicast "
      "address: write the address of a server that endpoints reach" },
    { BLUE "route=10.9.0.0/16\n", "4: network blue: route 10.9.0.0/16 is not "
      "PREFIX via ADDRESS: write it like 10.9.0.0/16 via 10.1.0.7" },
    { BLUE "route=10.9.0.0/16 to 10.1.0.7\n", "4: network blue: route "
      "10.9.0.0/16 to 10.1.0.7 is not PREFIX via ADDRESS: write it like "
      "10.9.0.0/16 via 10.1.0.7" },
    { BLUE "route=10.9.0.0/16 via\n", "4: network blue: route 10.9.0.0/16 via "
      "is not PREFIX via ADDRESS: write it like 10.9.0.0/16 via 10.1.0.7" },
    { BLUE "route=10.9.0.0/16 via 10.1\n", "4: network blue: route "
      "10.9.0.0/16 via 10.1 is not PREFIX via ADDRESS: write it like "
      "10.9.0.0/16 via 10.1.0.7" },
    { BLUE "route=10.9.0.0/16 via 10.1.0.7 x\n", "4: network blue: route "
      "10.9.0.0/16 via 10.1.0.7 x is not PREFIX via ADDRESS: write it like "
      "10.9.0.0/16 via 10.1.0.7" },
    { BLUE "route=10.9.0.1/16 via 10.1.0.7\n", "4: network blue: route "
      "10.9.0.1/16 has bits beyond its prefix: write 10.9.0.0/16" },
    { BLUE "route=10.9.0.0 via 10.1.0.7\n", "4: network blue: route "
      "10.9.0.0: no prefix length: write ADDRESS/LENGTH, like 10.9.0.0/24" },
    { BLUE "route=224.0.0.0/4 via 10.1.0.7\n", "4: network blue: route "
      "224.0.0.0/4: each address of it is a multicast address: choose "
      "another, like 10.9.0.0/16" },
    { BLUE "route=fe80::/64 via fd00::1\n", "4: network blue: route "
      "fe80::/64: each address of it is a link-local address: choose "
      "another, like fd00:9::/64" },
    { BLUE "route=::/0 via 10.1.0.7\n", "4: network blue: route ::/0 via "
      "10.1.0.7 is of IPv4 and of IPv6: write both of one" },

    /* Within the network. */
    { BLUE "gateway=10.2.0.1\n", "4: network blue: gateway 10.2.0.1 is in no "
      "subnet of the network: write an address of one" },
    { BLUE "gateway=10.1.0.0\n", "4: network blue: gateway 10.1.0.0 is the "
      "network address of its subnet: write a host's" },
    { BLUE "gateway=10.1.255.255\n", "4: network blue: gateway 10.1.255.255 "
      "is the broadcast address of its subnet: write a host's" },
    { BLUE "subnet=fd00:1::/64\ngateway=fd00:1::\n", "5: network blue: "
      "gateway fd00:1:: is the routers' anycast address of its subnet: write "
      "a host's" },
    { BLUE "gateway=10.1.0.1\ngateway=10.1.0.2\n", "5: network blue: gateway "
      "10.1.0.2: subnet 10.1.0.0/16 has one already, in line 4: remove one" },
    { BLUE "gateway=10.1.0.1\n[network b]\nvni=2\nsubnet=10.1.0.0/16\n"
      "gateway=10.1.0.1\n;\ngateway=10.1.0.1\n", "10: network b: gateway "
      "10.1.0.1: subnet 10.1.0.0/16 has one already, in line 8: remove one" },
    { BLUE "route=10.9.0.0/16 via 10.2.0.7\n", "4: network blue: route "
      "10.9.0.0/16 via 10.2.0.7, which is in no subnet of the network: write "
      "an address of one" },
    { BLUE "route=10.9.0.0/16 via 10.1.0.0\n", "4: network blue: route "
      "10.9.0.0/16 via 10.1.0.0, which is the network address of its subnet: "
      "write a host's" },
    { BLUE "route=10.9.0.0/16 via 10.1.0.7\ngateway=10.1.0.7\n", "4: network "
      "blue: route 10.9.0.0/16 via 10.1.0.7, which is the network's own "
      "gateway: write the address of an endpoint" },
    { BLUE "route=10.9.0.0/16 via 10.1.0.1\nexternal=nat\n", "4: network "
      "blue: route 10.9.0.0/16 via 10.1.0.1, which is the network's own "
      "gateway: write the address of an endpoint" },
    { BLUE "route=10.9.0.0/16 via 10.1.0.7\nroute=10.9.0.0/16 via 10.1.0.8\n",
      "5: network blue: route 10.9.0.0/16 via 10.1.0.8 leads where the route "
      "in line 4 does: remove one" },
    { "[network blue]\nroute=10.1.0.0/16 via 10.1.0.7\nvni=1\n"
      "subnet=10.1.0.0/16\n", "2: network blue: route 10.1.0.0/16 via "
      "10.1.0.7 leads where the subnet in line 4 does: remove one" },

    /* Routers. */
    { "[router]\n", "1: a router has one name: write [router NAME]" },
    { "[router a/b]\n", "1: router a/b: bad name: write " NAME_RULE },
    { "[router a]\n", "1: router a: no networks: add one, like \"networks = "
      "blue, green\"" },
    { "[router a]\nnetworks=\n", "2: router a: networks has no value: write "
      "one, like \"networks = blue, green\"" },
    { "[router a]\nnetworks=, ,\n", "2: router a: networks , , names none: "
      "write it like blue, green" },
    { "[router a]\nvni=1\n", "2: router a: unknown key vni: a router has "
      "networks" },
    { "[router a]\nnetworks=b\n", "2: router a: there is no [network b] "
      "section: add one, or remove b here" },
    { BLUE "[router a]\nnetworks=blue, blue\n", "5: router a: network blue is "
      "named twice: remove one" },
    { BLUE "[router a]\nnetworks=blue\nnetworks=blue\n", "6: router a: "
      "network blue is named twice: remove one" },
    { BOTH "[router core]\n", "9: router core: already in line 7: rename "
      "one, or make one section of both" },
    { BOTH "[router edge]\nnetworks=green\n", "10: router edge: network green "
      "is already in router core in line 8: remove it from one" },

    /* Networks of one router. */
    { BOTH "[router edge]\nnetworks=red\n[network red]\nvni=3\n"
      "subnet=10.1.0.0/24\nsubnet=10.1.0.128/25\n", "14: network red: subnet "
      "10.1.0.128/25 overlaps the one in line 13: remove one" },
    { BOTH "networks=red\n[network red]\nvni=3\nsubnet=10.1.4.0/24\n",
      "12: network red: subnet 10.1.4.0/24 overlaps that of blue in line 3, "
      "and both networks are in router core: choose another, or take one out "
      "of the router" },
    { BOTH "networks=red\n[network red]\nvni=3\nsubnet=10.0.0.0/8\n",
      "12: network red: subnet 10.0.0.0/8 overlaps that of blue in line 3, "
      "and both networks are in router core: choose another, or take one out "
      "of the router" },
    { BLUE "route=10.2.0.0/16 via 10.1.0.7\n" GREEN
      "[router core]\nnetworks=blue green\n", "4: network blue: route "
      "10.2.0.0/16 via 10.1.0.7 leads where the subnet of green in line 7 "
      "does, and both networks are in router core: remove one" },
    { BLUE "route=10.9.0.0/16 via 10.1.0.7\n" GREEN
      "route=10.9.0.0/16 via 10.2.0.7\n[router core]\nnetworks=blue green\n",
      "8: network green: route 10.9.0.0/16 via 10.2.0.7 leads where the route "
      "of blue in line 4 does, and both networks are in router core: remove "
      "one" },
};

static void
test_refused(void **state OVS_UNUSED)
{
    for (size_t i = 0; i < ARRAY_SIZE(refusals); i++) {
        const struct refusal *r = &refusals[i];
        char *expected = xasprintf("peers.conf:%s", r->error);
        struct peerlist *list;
        char *error = parse(r->text, strlen(r->text), &list);

        peerlist_destroy(list);
        if (!error || strcmp(error, expected)) {
            fail_msg("for:\n%s\nexpected: %s\nreturned: %s", r->text, expected,
                     error);
        }
        free(error);
        free(expected);
    }
}

enum shape { GATEWAYS, DNS, ROUTES, ROUTERS, MEMBERS, MEMBERS_IN_LINE };

/* A file with 'n' of something. */
static void
put_many(struct ds *ds, enum shape shape, unsigned int n)
{
    ds_clear(ds);
    ds_put_cstr(ds, shape < ROUTERS ? BLUE : "");
    for (unsigned int i = 0; shape == GATEWAYS && i < SUBNETS_MAX - 1; i++) {
        ds_put_format(ds, "subnet=10.2.%u.0/24\n", i);
    }
    for (unsigned int i = 0; shape >= ROUTERS && i < n; i++) {
        ds_put_format(ds, "[network n%u]\nvni=%u\nsubnet=10.%u.%u.0/24\n",
                      i, i + 1, i / 256, i % 256);
    }
    ds_put_cstr(ds, shape >= MEMBERS ? "[router r]\n" : "");
    ds_put_cstr(ds, shape == MEMBERS_IN_LINE ? "networks=" : "");
    for (unsigned int i = 0; i < n; i++) {
        switch (shape) {
        case GATEWAYS:
            ds_put_format(ds, "gateway=10.%d.%u.1\n", i ? 2 : 1,
                          i ? i - 1 : 0);
            break;
        case DNS:
            ds_put_format(ds, "dns=10.0.0.%u\n", i + 1);
            break;
        case ROUTES:
            ds_put_format(ds, "route=10.9.%u.0/24 via 10.1.0.2\n", i);
            break;
        case ROUTERS:
            ds_put_format(ds, "[router r%u]\nnetworks=n%u\n", i, i);
            break;
        case MEMBERS:
            ds_put_format(ds, "networks=n%u\n", i);
            break;
        case MEMBERS_IN_LINE:
            ds_put_format(ds, "%sn%u", !i ? "" : i % 32 ? "," : "\nnetworks=",
                          i);
            break;
        }
    }
    ds_put_cstr(ds, shape == MEMBERS_IN_LINE ? "\n" : "");
}

static void
test_maxima(void **state OVS_UNUSED)
{
    static const struct {
        enum shape shape;
        unsigned int max;
        const char *error;
    } cases[] = {
        { GATEWAYS, SUBNETS_MAX,
          "35: network blue: more than 16 gateways: remove some" },
        { DNS, DNS_MAX,
          "12: network blue: more than 8 DNS servers: remove some" },
        { ROUTES, NETWORK_ROUTES_MAX,
          "20: network blue: more than 16 routes: remove some" },
        { ROUTERS, ROUTERS_MAX,
          "5124: router r1024: more than 1024 routers: remove some" },
        { MEMBERS, ROUTER_NETWORKS_MAX,
          "1029: router r: more than 256 networks: remove some" },
        { MEMBERS_IN_LINE, ROUTER_NETWORKS_MAX,
          "781: router r: more than 256 networks: remove some" },
    };
    struct ds ds = DS_EMPTY_INITIALIZER;

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char *expected = xasprintf("peers.conf:%s", cases[i].error);
        struct peerlist *list;

        put_many(&ds, cases[i].shape, cases[i].max);
        peerlist_destroy(parse_good(ds_cstr(&ds)));
        put_many(&ds, cases[i].shape, cases[i].max + 1);
        char *error = parse(ds.string, ds.length, &list);
        assert_non_null(error);
        assert_string_equal(error, expected);
        free(error);
        free(expected);
    }
    ds_destroy(&ds);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_everything),
        cmocka_unit_test(test_gateways),
        cmocka_unit_test(test_accepted),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_maxima),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
