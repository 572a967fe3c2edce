/* SPDX-License-Identifier: Apache-2.0 */

/* Transit addresses and slots; published ports as text. */

#include <config.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>
#include "openvswitch/dynamic-string.h"
#include "overlay/address.h"
#include "overlay/publish.h"
#include "overlay/transit.h"
#include "util.h"

static void
test_address(void **state OVS_UNUSED)
{
    static const struct { uint16_t slot; bool v4; const char *text; } cases[]
        = { { 100, true, "198.19.0.100" },
            { TRANSIT_SLOTS, true, "198.19.127.237" },
            { 100, false, "fd57:6566:7400::64" } };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct in6_addr addr = transit_address(cases[i].slot, cases[i].v4);
        struct prefix all;
        struct ds s = DS_EMPTY_INITIALIZER;
        address_format(&addr, &s);
        assert_string_equal(ds_cstr(&s), cases[i].text);
        assert_null(prefix_parse(cases[i].v4 ? TRANSIT_SUBNET4
                                 : TRANSIT_SUBNET6, &all));
        assert_true(prefix_contains(&all, &addr));
        ds_destroy(&s);
    }
}

static void
test_assign(void **state OVS_UNUSED)
{
    struct network nets[] = {
        { .name = "a", .vni = 100, .external = EXTERNAL_NAT },
        { .name = "b", .vni = 100 + TRANSIT_SLOTS, .external = EXTERNAL_NAT },
        { .name = "c", .vni = 101, .external = EXTERNAL_NAT },
        { .name = "d", .vni = 7 },
        { .name = "e", .vni = TRANSIT_SLOTS, .external = EXTERNAL_NAT },
        { .name = "f", .vni = 2 * TRANSIT_SLOTS, .external = EXTERNAL_NAT },
    };
    struct peerlist list;
    struct simap slots = SIMAP_INITIALIZER(&slots);
    shash_init(&list.networks);
    for (size_t i = 0; i < ARRAY_SIZE(nets); i++) {
        shash_add(&list.networks, nets[i].name, &nets[i]);
    }
    transit_assign(&list, &slots);
    assert_int_equal(simap_count(&slots), 5);
    assert_int_equal(simap_get(&slots, "a"), 100);
    assert_int_equal(simap_get(&slots, "c"), 101);
    assert_int_equal(simap_get(&slots, "b"), 102);      /* The next free. */
    assert_int_equal(simap_get(&slots, "d"), 0);
    assert_int_equal(simap_get(&slots, "e"), TRANSIT_SLOTS);
    assert_int_equal(simap_get(&slots, "f"), 1);        /* Round the end. */
    simap_destroy(&slots);
    shash_destroy(&list.networks);
}

static void
test_publish_parse(void **state OVS_UNUSED)
{
    static const struct { const char *text, *name, *row; } cases[] = {
        { "8080:web:80", "web", "8080:80/tcp" },
        { "8080:web:80/tcp", "web", "8080:80/tcp" },
        { "53:a.b-c:5353/udp", "a.b-c", "53:5353/udp" },
        { "65535:x:1", "x", "65535:1/tcp" },
        { "0:web:80", NULL, NULL }, { "65536:web:80", NULL, NULL },
        { "8080:web:0", NULL, NULL }, { "8080:web", NULL, NULL },
        { "8080", NULL, NULL }, { "", NULL, NULL }, { "::", NULL, NULL },
        { "8080:web:80/sctp", NULL, NULL }, { "8080:web:80/", NULL, NULL },
        { "+1:web:80", NULL, NULL }, { "080:web:80", NULL, NULL },
        { "8080:we b:80", NULL, NULL }, { "8080:a:b:80", NULL, NULL },
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char *name;
        struct publish p;
        char *error = publish_parse(cases[i].text, &name, &p);
        assert_int_equal(!error, cases[i].name != NULL);
        if (error) {
            assert_null(name);
            assert_non_null(strstr(error, "write HOSTPORT:ENDPOINT:PORT"));
        } else {
            struct publish again[PUBLISHES_MAX];
            size_t n;
            char *row = publish_format(&p, 1);
            assert_string_equal(name, cases[i].name);
            assert_string_equal(row, cases[i].row);
            assert_true(publish_parse_row(row, again, &n));
            assert_int_equal(n, 1);
            assert_true(publish_same(&again[0], &p));
            assert_int_equal(again[0].port, p.port);
            free(row);
        }
        free(name);
        free(error);
    }
}

static void
test_publish_row(void **state OVS_UNUSED)
{
    struct publish p[PUBLISHES_MAX];
    size_t n;
    assert_true(publish_parse_row("", p, &n));
    assert_int_equal(n, 0);
    assert_true(publish_parse_row("1:2/tcp 3:4/udp", p, &n));
    assert_int_equal(n, 2);
    assert_int_equal(p[1].protocol, IPPROTO_UDP);
    assert_false(publish_parse_row("1:2/tcp x", p, &n));
    assert_false(publish_parse_row("1:2/tcp 3:0/udp", p, &n));
    assert_false(publish_parse_row(
        "1:1 2:1 3:1 4:1 5:1 6:1 7:1 8:1 9:1 10:1 11:1 12:1 13:1 14:1 15:1 "
        "16:1 17:1", p, &n));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_address),
        cmocka_unit_test(test_assign),
        cmocka_unit_test(test_publish_parse),
        cmocka_unit_test(test_publish_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
