/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <limits.h>
#include <stdlib.h>
#include <cmocka.h>
#include "agent/gather.h"
#include "openvswitch/util.h"

static int objects[20];

/* The first 'n' objects go at 'now' and are up 'took' later, when
 * 'n_new' others wait. */
static void
go(struct gather *g, int n, size_t n_new, long long int now, int took)
{
    for (int i = 0; i < n; i++) {
        gather_opening(g, &objects[i], now);
    }
    for (int i = 0; i < n; i++) {
        bool last = gather_done(g, &objects[i], now + took);
        assert_true(last == (i == n - 1));
    }
    gather_expect(g, n_new);
    assert_false(gather_done(g, &objects[0], now + took + 1000));
}

static void
test_alone_waits_for_nobody(void **state OVS_UNUSED)
{
    struct gather g;
    gather_init(&g);
    assert_false(gather_holds(&g, 1, 1000));
    go(&g, 1, 0, 1000, 80);
    assert_false(gather_holds(&g, 1, 1081));    /* Even right behind it. */
    gather_destroy(&g);
}

static void
test_waits_for_those_before(void **state OVS_UNUSED)
{
    struct gather g;
    gather_init(&g);
    gather_opening(&g, &objects[0], 1000);
    assert_true(gather_holds(&g, 1, 1010));
    assert_true(gather_holds(&g, 1, 1999));
    assert_true(gather_wake_at(&g) == 2000);
    assert_false(gather_holds(&g, 1, 2000));    /* It never came. */
    gather_destroy(&g);
}

static void
test_waits_for_as_many(void **state OVS_UNUSED)
{
    struct gather g;
    gather_init(&g);
    go(&g, 10, 6, 1000, 40);
    assert_true(gather_holds(&g, 6, 1041));
    assert_true(gather_wake_at(&g) == 1061);
    assert_true(gather_holds(&g, 15, 1050));
    assert_false(gather_holds(&g, 16, 1051));   /* All are back. */

    go(&g, 10, 6, 2000, 40);
    assert_true(gather_holds(&g, 6, 2041));
    assert_false(gather_holds(&g, 7, 2061));    /* Long enough. */
    gather_destroy(&g);
}

static void
test_a_burst_is_forgotten(void **state OVS_UNUSED)
{
    struct gather g;
    gather_init(&g);
    go(&g, 16, 0, 1000, 40);
    assert_false(gather_holds(&g, 1, 1100));
    assert_true(gather_wake_at(&g) == LLONG_MAX);
    gather_destroy(&g);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alone_waits_for_nobody),
        cmocka_unit_test(test_waits_for_those_before),
        cmocka_unit_test(test_waits_for_as_many),
        cmocka_unit_test(test_a_burst_is_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
