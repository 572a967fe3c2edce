/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>
#include "openvswitch/shash.h"
#include "overlay/refusal.h"
#include "overlay/view.h"

static void
check_table(const char *rows, const char *expected)
{
    static const struct view_column columns[] = {
        { "name", "NAME" }, { "ip", "ADDRESS" }, { "netns", "NETNS" },
        { NULL, NULL },
    };
    struct ds s = DS_EMPTY_INITIALIZER;
    struct json *json = json_from_string(rows);
    view_table(json, columns, &s);
    assert_string_equal(ds_cstr(&s), expected);
    json_destroy(json);
    ds_destroy(&s);
}

static void
test_table(void **state OVS_UNUSED)
{
    check_table("[]", "NAME  ADDRESS  NETNS\n");
    check_table("[{\"name\":\"longer\",\"ip\":[\"10.1.0.1/16\",\"fd00::1\"],"
                "\"netns\":\"/run/netns/red\"},{\"name\":\"x\"}]",
                "NAME    ADDRESS      NETNS\n"
                "longer  10.1.0.1/16  red\n"
                "        fd00::1\n"
                "x\n");
}

static void
test_object(void **state OVS_UNUSED)
{
    struct ds s = DS_EMPTY_INITIALIZER;
    struct json *json = json_from_string(
        "{\"b\":[1,2],\"aaa\":\"x\",\"c\":true}");
    view_object(json, &s);
    assert_string_equal(ds_cstr(&s), "aaa  x\nb    1\n     2\nc    true\n");
    json_destroy(json);
    ds_destroy(&s);
}

/* Counters by reason: in the order of the list, without those that are 0. */
static void
test_counters(void **state OVS_UNUSED)
{
    struct refusal_counts counts = { .n = {
        [REFUSAL_TAG] = 3, [REFUSAL_SOURCE_IPV4] = 12, [REFUSAL_RATE] = 1,
    } };
    struct json *o = json_object_create();
    json_object_put_string(o, "name", "red");
    json_object_put(o, "refused", refusal_counts_to_json(
        &counts, REFUSAL_KIND_REFUSED));
    json_object_put(o, "ignored", refusal_counts_to_json(
        &counts, REFUSAL_KIND_IGNORED));
    struct ds s = DS_EMPTY_INITIALIZER;
    view_object(o, &s);
    assert_string_equal(ds_cstr(&s), "name     red\nrefused  "
                        "802.1Q tag 3, source IPv4 12, rate limit 1\n");
    ds_destroy(&s);

    char *text = json_to_string(shash_find_data(json_object(o), "ignored"),
                                JSSF_SORT);
    assert_string_equal(text, "{\"dhcp-request\":0,"
                        "\"ipv6-autoconfiguration\":0,"
                        "\"link-local-address\":0,"
                        "\"multicast-membership\":0}");
    free(text);
    json_destroy(o);
}

static void
test_status(void **state OVS_UNUSED)
{
    struct ds s = DS_EMPTY_INITIALIZER;
    struct json *json = json_from_string(
        "{\"healthy\":false,\"problems\":[\"p1\"],\"host\":\"hosta\","
        "\"reports\":[{\"seconds_ago\":3,\"text\":\"t\"}]}");
    view_status(json, &s);
    assert_string_equal(ds_cstr(&s), "weft       NOT healthy\n  ! p1\n"
                        "host       hosta\nlately     3 s ago: t\n");
    json_destroy(json);
    ds_destroy(&s);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_object),
        cmocka_unit_test(test_counters),
        cmocka_unit_test(test_status),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
