/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "openvswitch/dynamic-string.h"
#include "openvswitch/util.h"
#include "overlay/jsontext.h"
#include "util.h"

/* Feeds 'text' in pieces of 'piece' bytes; returns how many it took. */
static size_t
feed(struct jsontext *t, const char *text, size_t piece)
{
    size_t n = strlen(text);
    size_t all = 0;
    *t = (struct jsontext) { .state = JSONTEXT_BLANK };
    while (all < n && t->state <= JSONTEXT_INSIDE) {
        size_t size = MIN(piece, n - all);
        size_t used = jsontext_feed(t, text + all, size);
        assert_true(used == size || t->state > JSONTEXT_INSIDE);
        all += used;
    }
    return all;
}

static void
test_ends(void **state OVS_UNUSED)
{
    static const struct {
        const char *text;
        size_t used;                /* 0: all of it, and that is no object. */
        enum jsontext_state state;
    } cases[] = {
        { "", 0, JSONTEXT_BLANK },
        { " \t\r\n", 0, JSONTEXT_BLANK },
        { "{}", 2, JSONTEXT_WHOLE },
        { "\n {} ", 4, JSONTEXT_WHOLE },
        { "{}{}", 2, JSONTEXT_WHOLE },
        { "{", 0, JSONTEXT_INSIDE },
        { "{\"a\":[{},{}]}x", 13, JSONTEXT_WHOLE },
        { "{\"}\":\"]\"}", 9, JSONTEXT_WHOLE },
        { "{\"\\\"}\":1}", 9, JSONTEXT_WHOLE },
        { "{\"\\\\\"}", 6, JSONTEXT_WHOLE },
        { "{\"}", 0, JSONTEXT_INSIDE },
        { "{\"\\", 0, JSONTEXT_INSIDE },
        /* Not JSON, which is not for it to say. */
        { "{]", 2, JSONTEXT_WHOLE },
        { "{\x01\xff}", 4, JSONTEXT_WHOLE },
        { "[]", 1, JSONTEXT_NO_OBJECT },
        { " x{}", 2, JSONTEXT_NO_OBJECT },
        { "\"{}\"", 1, JSONTEXT_NO_OBJECT },
        { "}", 1, JSONTEXT_NO_OBJECT },
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        for (size_t piece = 1; piece < 6; piece++) {
            struct jsontext t;
            size_t used = feed(&t, cases[i].text, piece);
            size_t expected = (cases[i].used ? cases[i].used
                               : strlen(cases[i].text));
            if (used != expected || t.state != cases[i].state) {
                fail_msg("%s: %"PRIuSIZE" bytes, state %d", cases[i].text,
                         used, t.state);
            }
        }
    }
}

static void
test_null_byte(void **state OVS_UNUSED)
{
    struct jsontext t = { .state = JSONTEXT_BLANK };
    assert_int_equal(jsontext_feed(&t, "\0{}", 3), 1);
    assert_int_equal(t.state, JSONTEXT_NO_OBJECT);
}

/* The state behind 'begin', 'n' times 'unit' and 'end'. */
static enum jsontext_state
repeat(const char *begin, const char *unit, int n, const char *end)
{
    struct ds s = DS_EMPTY_INITIALIZER;
    ds_put_cstr(&s, begin);
    for (int i = 0; i < n; i++) {
        ds_put_cstr(&s, unit);
    }
    ds_put_cstr(&s, end);
    struct jsontext t;
    feed(&t, ds_cstr(&s), 4096);
    ds_destroy(&s);
    return t.state;
}

static void
test_maxima(void **state OVS_UNUSED)
{
    static const struct {
        const char *begin, *unit, *end;
        int max;
    } cases[] = {
        { "{", "[", "", JSONTEXT_DEPTH_MAX - 1 },
        { "{", "{", "", JSONTEXT_DEPTH_MAX - 1 },
        { "{", "\"a\":1 ", "", JSONTEXT_MEMBERS_MAX },
        { "{", "1,", "", JSONTEXT_VALUES_MAX },
        { "{", "[]", "", JSONTEXT_VALUES_MAX },
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        assert_int_equal(repeat(cases[i].begin, cases[i].unit, cases[i].max,
                                cases[i].end), JSONTEXT_INSIDE);
        assert_int_equal(repeat(cases[i].begin, cases[i].unit,
                                cases[i].max + 1, cases[i].end),
                         JSONTEXT_TOO_MUCH);
    }
    /* Strings are counted by their bytes, elsewhere. */
    assert_int_equal(repeat("{\"", "[{,:]}", JSONTEXT_VALUES_MAX, "\"}"),
                     JSONTEXT_WHOLE);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ends),
        cmocka_unit_test(test_null_byte),
        cmocka_unit_test(test_maxima),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
