/* SPDX-License-Identifier: Apache-2.0 */

/* Sections that were never in a file: what is refused, and how they are
 * spelled and written. */

#include <config.h>
#include "overlay/sections.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "openvswitch/util.h"
#include "overlay/peerlist.h"
#include "util.h"

/* "KIND NAME KEY=VALUE;KEY=VALUE", of which there may be several, by "|". */
static void
build(struct sections *all, const char *text)
{
    char *copy = xstrdup(text);
    char *save = NULL;

    *all = (struct sections) SECTIONS_INITIALIZER;
    for (char *s = strtok_r(copy, "|", &save); s;
         s = strtok_r(NULL, "|", &save)) {
        char *rest = NULL;
        char *kind = strtok_r(s, " ", &rest);
        char *name = strtok_r(NULL, " ", &rest);
        struct section *section = sections_add(all, kind, name);
        char *key = strtok_r(NULL, ";", &rest);

        for (; key; key = strtok_r(NULL, ";", &rest)) {
            char *value = strchr(key, '=');

            ovs_assert(value);
            *value++ = '\0';
            section_add(section, key, value);
        }
    }
    free(copy);
}

#define BLUE "network blue vni=100;subnet=10.1.0.0/16"
#define GREEN "|network green vni=200;subnet=10.2.0.0/16"
#define CORE "|router core networks=blue,green"

static const struct refusal {
    const char *text;
    const char *error;              /* After "directory: "; NULL: good. */
} cases[] = {
    { "", NULL },
    { BLUE, NULL },
    { "router core networks=blue;networks=green|" BLUE GREEN, NULL },
    { "peer hosta address=192.168.50.11", NULL },
    { BLUE ";dns=", "network blue: dns has no value: write one, like \"dns = "
      "10.1.0.1\"" },
    { BLUE ";ttl=3", "network blue: unknown key ttl: a network has vni, "
      "subnet, mac-prefix, gateway, external, dhcp, dns, route" },
    { "network blue vni=100", "network blue: no subnet: add one, like "
      "\"subnet = 10.1.0.0/16\"" },
    { BLUE "|" BLUE, "network blue: already there: rename one, or make one "
      "section of both" },
    { BLUE ";vni=3", "network blue: vni is given again: remove one" },
    { "network a/b vni=1", "network a/b: bad name: write " NAME_RULE },
    { BLUE "|network red vni=100", "network red: vni 100 is already that of "
      "blue: choose another" },
    { BLUE ";subnet=10.1.4.0/24", "network blue: subnet 10.1.4.0/24 overlaps "
      "another: remove one" },
    { BLUE ";gateway=10.1.0.1;gateway=10.1.0.2", "network blue: gateway "
      "10.1.0.2: subnet 10.1.0.0/16 has one already: remove one" },
    { BLUE ";route=10.9.0.0/16 via 10.1.0.7;route=10.9.0.0/16 via 10.1.0.8",
      "network blue: route 10.9.0.0/16 via 10.1.0.8 leads where another "
      "route does: remove one" },
    { BLUE CORE, "router core: there is no network green: add it, or take it "
      "out of the router's networks" },
    { BLUE GREEN CORE "|router edge networks=blue", "router edge: network "
      "blue is already in router core: remove it from one" },
    { BLUE GREEN ";subnet=10.1.5.0/24" CORE, "network green: subnet "
      "10.1.5.0/24 overlaps that of blue, and both networks are in router "
      "core: choose another, or take one out of the router" },
    { BLUE ";route=10.2.0.0/16 via 10.1.0.7" GREEN CORE, "network blue: route "
      "10.2.0.0/16 via 10.1.0.7 leads where the subnet of green does, and "
      "both networks are in router core: remove one" },
    { BLUE "|peer a address=1.2.3.4;slice=10.1.1.0/24|peer b "
      "address=1.2.3.5;slice=10.1.1.0/25", "peer b: slice 10.1.1.0/25 "
      "overlaps that of a: choose another" },

    /* What no line of a file can have. */
    { "network bl\nue vni=1", "network: control byte 0x0a: remove it" },
    { BLUE ";dns=10.1.0.1\n[network evil]", "network blue: dns: control byte "
      "0x0a: remove it" },
    { BLUE ";dns\x1b[2J=1", "network blue: key: control byte 0x1b: remove "
      "it" },
    { BLUE ";route=\xff", "network blue: route: bytes that are not UTF-8: "
      "write them as UTF-8" },
};

static void
test_refused(void **state OVS_UNUSED)
{
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char *expected = cases[i].error ? xasprintf("directory: %s",
                                                    cases[i].error) : NULL;
        struct peerlist *list;
        struct sections all;

        build(&all, cases[i].text);
        char *error = peerlist_from_sections("directory", all.a, all.n, &list);
        assert_int_equal(error == NULL, list != NULL);
        if (!nullable_string_is_equal(error, expected)) {
            fail_msg("for: %s\nexpected: %s\nreturned: %s", cases[i].text,
                     expected, error);
        }
        peerlist_destroy(list);
        sections_finish(&all);
        free(error);
        free(expected);
    }
}

static void
test_too_long(void **state OVS_UNUSED)
{
    struct sections all = SECTIONS_INITIALIZER;
    struct section *blue = sections_add(&all, "network", "blue");
    char value[PEERLIST_LINE_MAX + 2];
    struct peerlist *list;

    memset(value, '1', sizeof value);
    value[sizeof value - 1] = '\0';
    section_add(blue, "vni", value);
    char *error = peerlist_from_sections("directory", all.a, all.n, &list);
    assert_string_equal(error, "directory: network blue: vni: more than 190 "
                        "bytes: shorten it");
    free(error);
    sections_finish(&all);
}

static void
test_spelling(void **state OVS_UNUSED)
{
    static const char expected[] =
        "[network blue]\n"
        "vni = 100\n"
        "subnet = 10.1.0.0/16\n"
        "subnet = fd00:1::/64\n"
        "mac-prefix = 0a:57\n"
        "dns = fd00:53::1\n"
        "route = 10.9.0.0/16 via 10.1.0.7\n"
        "\n"
        "[network red]\n"
        "vni = 7\n"
        "subnet = 10.3.0.0/16\n"
        "\n"
        "[router core]\n"
        "networks = blue\n"
        "networks = red\n"
        "\n"
        "[peer a]\n"
        "address = fd00::11\n";
    struct sections a, b;

    build(&a, "peer a address=FD00:0::11|router core networks=red ,,blue|"
          "network red subnet=10.3.0.0/16;vni=7|"
          "network blue route=10.9.0.0/16  via 10.1.0.7;mac-prefix=0A:57;"
          "subnet=fd00:1:0::/64;subnet=10.1.0.0/16;vni=100;"
          "dns=fd00:53::1;dns=FD00:53:0::1");
    sections_normalize(&a);
    char *text = sections_format(&a);
    assert_string_equal(text, expected);

    /* What is written is read as it was. */
    struct peerlist *list;
    b = (struct sections) SECTIONS_INITIALIZER;
    char *error = peerlist_parse_sections("f", text, strlen(text), &list, &b);
    assert_null(error);
    assert_int_equal(a.n, b.n);
    for (size_t i = 0; i < a.n; i++) {
        assert_true(section_equal(&a.a[i], &b.a[i]));
    }
    peerlist_destroy(list);
    sections_finish(&a);
    sections_finish(&b);
    free(text);
}

/* A file's sections are what is written in it, without what it means. */
static void
test_recorded(void **state OVS_UNUSED)
{
    static const char text[] = "[network blue]\nvni: 100 ; one\ndhcp = on\n"
        "subnet = 10.1.0.0/16\n";
    struct sections all = SECTIONS_INITIALIZER;
    struct peerlist *list;

    assert_null(peerlist_parse_sections("f", text, strlen(text), &list, &all));
    assert_int_equal(all.n, 1);
    assert_int_equal(all.a[0].n, 3);
    assert_string_equal(section_get(&all.a[0], "dhcp"), "on");
    assert_null(section_get(&all.a[0], "gateway"));
    section_remove(&all.a[0], "dhcp");
    assert_null(section_get(&all.a[0], "dhcp"));
    assert_string_equal(section_get(&all.a[0], "subnet"), "10.1.0.0/16");
    assert_int_equal(sections_find(&all, "network", "blue"), 0);
    assert_int_equal(sections_find(&all, "router", "blue"), SIZE_MAX);
    sections_remove(&all, 0);
    assert_int_equal(all.n, 0);
    peerlist_destroy(list);
    sections_finish(&all);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_too_long),
        cmocka_unit_test(test_spelling),
        cmocka_unit_test(test_recorded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
