/* SPDX-License-Identifier: Apache-2.0 */

/* Rows of the shared directory as sections, and back. */

#include <config.h>
#include "ovsdb/directoryrows.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "openvswitch/json.h"
#include "openvswitch/util.h"
#include "util.h"

static struct json *
parse(const char *text)
{
    struct json *json = json_from_string(text);

    if (json->type == JSON_STRING) {
        fail_msg("%s: %s", text, json_string(json));
    }
    return json;
}

static const struct {
    const char *kind, *row, *text;
} good[] = {
    { "network", "{\"name\":\"blue\",\"vni\":100,\"subnet\":\"10.1.0.0/16\","
      "\"_uuid\":[\"uuid\",\"x\"]}",
      "[network blue]\nvni = 100\nsubnet = 10.1.0.0/16\n" },
    { "network", "{\"name\":\"blue\",\"vni\":16777215,"
      "\"subnet\":[\"set\",[\"10.1.0.0/16\",\"fd00:1::/64\"]],"
      "\"gateway\":[\"set\",[]],\"mac_prefix\":\"0a:57\","
      "\"external\":\"nat\",\"dhcp\":true,\"dns\":[\"set\",[\"10.1.0.1\"]],"
      "\"route\":\"10.9.0.0/16 via 10.1.0.7\"}",
      "[network blue]\nvni = 16777215\nsubnet = 10.1.0.0/16\n"
      "subnet = fd00:1::/64\nmac-prefix = 0a:57\nexternal = nat\ndhcp = on\n"
      "dns = 10.1.0.1\nroute = 10.9.0.0/16 via 10.1.0.7\n" },
    { "network", "{\"name\":\"blue\",\"dhcp\":[\"set\",[false]]}",
      "[network blue]\ndhcp = off\n" },
    { "router", "{\"name\":\"core\",\"networks\":[\"set\",[\"a\",\"b\"]]}",
      "[router core]\nnetworks = a\nnetworks = b\n" },
    { "peer", "{\"name\":\"hosta\",\"address\":\"fd00::11\",\"port\":4790,"
      "\"version\":\"0.1\"}",
      "[peer hosta]\naddress = fd00::11\nport = 4790\n" },
    /* Nonsense, but a row: somebody else's to refuse. */
    { "network", "{\"name\":\"\",\"vni\":-1}", "[network ]\nvni = -1\n" },
};

static void
test_good(void **state OVS_UNUSED)
{
    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        struct sections all = SECTIONS_INITIALIZER, again = all;
        struct json *row = parse(good[i].row);
        char *error = directoryrows_to_section(good[i].kind, row, &all);

        assert_null(error);
        sections_normalize(&all);
        char *text = sections_format(&all);
        assert_string_equal(text, good[i].text);

        /* The row has a value for each column, and is the same section. */
        struct json *back = directoryrows_of_section(&all.a[0]);
        struct json *names = directoryrows_columns(good[i].kind);
        assert_int_equal(shash_count(json_object(back)), json_array(names)->n);
        if (!strstr(text, "-1")) {
            assert_null(directoryrows_to_section(good[i].kind, back, &again));
            sections_normalize(&again);
            assert_true(section_equal(&all.a[0], &again.a[0]));
        }
        json_destroy(names);
        json_destroy(back);
        json_destroy(row);
        free(text);
        sections_finish(&all);
        sections_finish(&again);
    }
}

static void
test_refused(void **state OVS_UNUSED)
{
    static const struct {
        const char *kind, *row, *error;
    } cases[] = {
        { "network", "[]", "a network without a name" },
        { "router", "{}", "a router without a name" },
        { "network", "{\"name\":[\"set\",[]]}", "a network without a name" },
        { "network", "{\"name\":\"a\",\"vni\":\"1\"}",
          "network a: column vni has no such value" },
        { "network", "{\"name\":\"a\",\"vni\":1.5}",
          "network a: column vni has no such value" },
        { "network", "{\"name\":\"a\",\"dhcp\":\"on\"}",
          "network a: column dhcp has no such value" },
        { "network", "{\"name\":\"a\",\"subnet\":[\"map\",[]]}",
          "network a: column subnet has no such value" },
        { "network", "{\"name\":\"a\",\"subnet\":[\"set\",[1]]}",
          "network a: column subnet has no such value" },
        { "network", "{\"name\":\"a\",\"subnet\":[]}",
          "network a: column subnet has no such value" },
        { "network", "{\"name\":\"a\",\"subnet\":[\"set\",{}]}",
          "network a: column subnet has no such value" },
        { "peer", "{\"name\":\"a\\nb\",\"address\":null}",
          "peer with a bad name: column address has no such value" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct sections all = SECTIONS_INITIALIZER;
        struct json *row = parse(cases[i].row);
        char *error = directoryrows_to_section(cases[i].kind, row, &all);

        assert_non_null(error);
        assert_string_equal(error, cases[i].error);
        assert_int_equal(all.n, 0);
        free(error);
        json_destroy(row);
        sections_finish(&all);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
