/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "overlay/model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "openvswitch/util.h"
#include "overlay/address.h"
#include "packets.h"
#include "util.h"

static void
test_name_is_valid(void **state OVS_UNUSED)
{
    static const struct {
        const char *name;
        bool valid;
    } cases[] = {
        { "a", true },
        { "9", true },
        { "Web-1.example_x", true },
        { "0123456789012345678901234567890", true },
        { "01234567890123456789012345678901", false },
        { "", false },
        { NULL, false },
        { ".", false },
        { "..", false },
        { "-a", false },
        { "_a", false },
        { "a b", false },
        { "a/b", false },
        { "a\n", false },
        { "caf\xc3\xa9", false },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        if (name_is_valid(cases[i].name) != cases[i].valid) {
            fail_msg("%s", cases[i].name);
        }
    }
}

static void
test_number_parse(void **state OVS_UNUSED)
{
    static const struct {
        const char *s;
        long long number;           /* -1: refused. */
    } cases[] = {
        { "0", 0 },
        { "4789", 4789 },
        { "4294967295", 4294967295 },
        { "4294967296", -1 },
        { "18446744073709551617", -1 },
        { "", -1 },
        { "-1", -1 },
        { "-0", -1 },
        { "+1", -1 },
        { " 1", -1 },
        { "1 ", -1 },
        { "01", -1 },
        { "00", -1 },
        { "0x1", -1 },
        { "1e3", -1 },
        { "1.0", -1 },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        unsigned int number;
        bool ok = number_parse(cases[i].s, &number);

        if ((ok ? (long long) number : -1) != cases[i].number) {
            fail_msg("\"%s\": %u", cases[i].s, number);
        }
    }
}

static void
test_text_refuse(void **state OVS_UNUSED)
{
    static const struct {
        const char *text, *error;
    } cases[] = {
        { "", NULL },
        { "a ~ \xc2\xa0 \xc3\xbc \xe2\x82\xac \xf0\x9f\x98\x80", NULL },
        { "\n", "control byte 0x0a: remove it" },
        { "a\tb", "control byte 0x09: remove it" },
        { "a\x1b[31m", "control byte 0x1b: remove it" },
        { "\x7f", "control byte 0x7f: remove it" },
        { "\xc2\x80", "control character U+0080: remove it" },
        { "\xc2\x9f", "control character U+009F: remove it" },
        { "\xe9", "bytes that are not UTF-8: write them as UTF-8" },
        { "\xc2", "bytes that are not UTF-8: write them as UTF-8" },
        { "\xc0\x80", "bytes that are not UTF-8: write them as UTF-8" },
        { "\xed\xa0\x80", "bytes that are not UTF-8: write them as UTF-8" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char *error = text_refuse(cases[i].text);

        if (!nullable_string_is_equal(error, cases[i].error)) {
            fail_msg("case %"PRIuSIZE": %s", i, error);
        }
        free(error);
    }
}

static void
make_endpoint(struct endpoint *ep)
{
    memset(ep, 0, sizeof *ep);
    ep->name = xstrdup("web1");
    ep->network = xstrdup("blue");
    ep->netns = xstrdup("/run/netns/red");
    ep->ifname = xstrdup("eth0");
    ep->port = xstrdup("wf-web1");
    ep->mac = (struct eth_addr) ETH_ADDR_C(0a,57,0a,01,00,05);
    assert_null(prefix_parse("10.1.0.5/16", &ep->ips[0]));
    assert_null(prefix_parse("fd00:1::5/64", &ep->ips[1]));
    ep->n_ips = 2;
    ep->mtu = 1400;
}

static void
test_endpoint_clone(void **state OVS_UNUSED)
{
    struct endpoint a, b;
    struct in6_addr addr;

    make_endpoint(&a);
    endpoint_clone(&b, &a);
    assert_true(endpoint_equal(&a, &b));
    assert_ptr_not_equal(a.name, b.name);
    endpoint_finish(&a);

    /* The clone lives on its own. */
    assert_string_equal(b.netns, "/run/netns/red");
    assert_true(address_parse("fd00:1::5", &addr));
    assert_true(endpoint_has_ip(&b, &addr));
    assert_true(address_parse("10.1.0.6", &addr));
    assert_false(endpoint_has_ip(&b, &addr));
    endpoint_finish(&b);

    /* Half-built, finished twice, absent. */
    b.name = xstrdup("x");
    endpoint_clone(&a, &b);
    assert_true(endpoint_equal(&a, &b));
    endpoint_finish(&a);
    endpoint_finish(&b);
    endpoint_finish(&b);
    endpoint_finish(NULL);
}

static void
replace(char **s)
{
    free(*s);
    *s = xstrdup("other");
}

static void
test_endpoint_equal(void **state OVS_UNUSED)
{
    enum { N_CHANGES = 11 };

    for (int i = 0; i < N_CHANGES; i++) {
        struct endpoint a, b;

        make_endpoint(&a);
        make_endpoint(&b);
        assert_true(endpoint_equal(&a, &b));
        switch (i) {
        case 0: replace(&b.name); break;
        case 1: replace(&b.network); break;
        case 2: replace(&b.netns); break;
        case 3: replace(&b.ifname); break;
        case 4: replace(&b.port); break;
        case 5: b.mac.ea[5]++; break;
        case 6: b.ips[1].addr.s6_addr[15]++; break;
        case 7: b.ips[0].len++; break;
        case 8: b.n_ips--; break;
        case 9: b.mtu = 0; break;
        case 10: free(b.port); b.port = NULL; break;
        }
        assert_false(endpoint_equal(&a, &b));
        assert_false(endpoint_equal(&b, &a));
        endpoint_finish(&a);
        endpoint_finish(&b);
    }
}

static void
test_tunnel_finish(void **state OVS_UNUSED)
{
    struct tunnel tunnel = { .port = xstrdup("vx-a"), .peer = xstrdup("a") };

    tunnel_finish(&tunnel);
    assert_null(tunnel.port);
    tunnel_finish(&tunnel);
    tunnel_finish(NULL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_name_is_valid),
        cmocka_unit_test(test_number_parse),
        cmocka_unit_test(test_text_refuse),
        cmocka_unit_test(test_endpoint_clone),
        cmocka_unit_test(test_endpoint_equal),
        cmocka_unit_test(test_tunnel_finish),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
