/* SPDX-License-Identifier: Apache-2.0 */

/* Published ports, as users write them and as a row has them. */

#include <config.h>
#include "overlay/publish.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include "openvswitch/util.h"
#include "util.h"

static void
test_rows(void **state OVS_UNUSED)
{
    static const struct {
        const char *row, *again;    /* NULL: it is refused. */
    } cases[] = {
        { "", "" },
        { "8080:80/tcp", "8080:80/tcp" },
        { " 8080:80  5353:53/udp", "8080:80/tcp 5353:53/udp" },
        /* Two flows for one port would be a mistake of ours. */
        { "8080:80/tcp 8080:81/tcp 8080:80/udp", "8080:80/tcp 8080:80/udp" },
        { "8080", NULL },
        { "0:80/tcp", NULL },
        { "8080:65536/tcp", NULL },
        { "8080:080/tcp", NULL },
        { "8080:80/sctp", NULL },
        { "8080:80/tcp/udp", NULL },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct publish publishes[PUBLISHES_MAX];
        size_t n;
        bool ok = publish_parse_row(cases[i].row, publishes, &n);

        assert_int_equal(ok, cases[i].again != NULL);
        if (ok) {
            char *again = publish_format(publishes, n);

            assert_string_equal(again, cases[i].again);
            free(again);
        }
    }
}

static void
test_words(void **state OVS_UNUSED)
{
    struct publish p;
    char *name;

    assert_null(publish_parse("5353:web.1:53/udp", &name, &p));
    assert_string_equal(name, "web.1");
    assert_int_equal(p.host_port, 5353);
    assert_int_equal(p.port, 53);
    assert_string_equal(publish_protocol(&p), "udp");
    free(name);

    static const char *const refused[] = {
        "", "8080", "8080:web", "8080::80", "8080:a/b:80", "8080:web:80/icmp",
        "8080:web:web:80", "-1:web:80", "8080:web:0",
    };
    for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
        char *error = publish_parse(refused[i], &name, &p);

        assert_non_null(error);
        assert_null(name);
        free(error);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
