/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>
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
        cmocka_unit_test(test_status),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
