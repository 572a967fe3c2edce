/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <linux/if_addr.h>
#include "agent/underlay-text.h"
#include "openvswitch/util.h"
#include "overlay/address.h"
#include "util.h"

/* Text becomes a value and that the same text again. */
static void
test_addresses(void **state OVS_UNUSED)
{
    static const char *const cases[] = {
        "192.168.50.11/24",
        "192.168.50.11/24 brd 192.168.50.255",
        ("192.168.50.11/24 brd 192.168.50.255 scope site label eth0:one "
         "metric 50 noprefixroute valid_lft 600sec preferred_lft 300sec"),
        "10.78.0.1 peer 10.78.0.2/32 scope link",
        "169.254.9.9/16 scope host",
        "10.1.0.1/24 scope 77",
        "fd00::5/64",
        "fd00::5/64 nodad home mngtmpaddr noprefixroute autojoin",
        "fd00::5/64 proto 2 valid_lft 4294967294sec preferred_lft 0sec",
        "fd00::5 peer fd00::6/128",
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct rtnl_addr a;
        char *error = underlay_parse_address(cases[i], &a);
        if (error) {
            fail_msg("%s: %s", cases[i], error);
        }
        struct ds s = DS_EMPTY_INITIALIZER;
        underlay_format_address(&a, &s);
        assert_string_equal(ds_cstr(&s), cases[i]);
        ds_destroy(&s);
    }
}

static void
test_routes(void **state OVS_UNUSED)
{
    static const char *const cases[] = {
        "0.0.0.0/0 via 192.168.50.1",
        "0.0.0.0/0 via 192.168.50.1 proto dhcp src 192.168.50.11 metric 100",
        ("::/0 via fe80::1 proto ra metric 1024 hoplimit 64 pref high "
         "expires 1798sec"),
        ("10.99.0.0/16 via 192.168.50.2 proto static onlink mtu 1400 "
         "advmss 1360"),
        ("10.99.0.0/16 via 192.168.50.2 mtu lock 1400 window 4000 rtt 8 "
         "rttvar 4 ssthresh 2 cwnd 3 advmss 5 reordering 6 hoplimit 7 "
         "initcwnd 9 features 1 rto_min 10 initrwnd 11 quickack 1 "
         "fastopen_no_cookie 1 congctl cubic"),
        "10.97.0.0/16 via inet6 fd00::1 proto 186",
        "10.96.0.0/16 proto kernel scope link src 10.96.0.1 metric 4294967295",
        "multicast 224.0.0.0/4 scope link",
        "broadcast 10.1.0.255/32 scope link",
        "local 10.1.0.9/32 scope host",
        "anycast fd00::/128 pref low",
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct rtnl_route r;
        char *error = underlay_parse_route(cases[i], &r);
        if (error) {
            fail_msg("%s: %s", cases[i], error);
        }
        struct ds s = DS_EMPTY_INITIALIZER;
        underlay_format_route(&r, &s);
        assert_string_equal(ds_cstr(&s), cases[i]);
        ds_destroy(&s);
    }
}

static void
test_values(void **state OVS_UNUSED)
{
    struct rtnl_addr a;
    assert_null(underlay_parse_address(" 10.1.0.5/24  preferred_lft 7sec",
                                       &a));
    assert_int_equal(a.ip.len, 24);
    assert_int_equal(a.scope, RT_SCOPE_UNIVERSE);
    assert_int_equal(a.preferred_lft, 7);
    assert_int_equal(a.valid_lft, UINT32_MAX);
    assert_int_equal(a.ifindex, 0);
    assert_string_equal(a.label, "");

    struct rtnl_route r;
    assert_null(underlay_parse_route("10.1.0.0/16 via 10.2.0.1 mtu lock 1400",
                                     &r));
    assert_int_equal(r.type, RTN_UNICAST);
    assert_int_equal(r.protocol, RTPROT_BOOT);
    assert_int_equal(r.metrics[RTAX_MTU], 1400);
    assert_int_equal(r.metrics[RTAX_LOCK], 1 << RTAX_MTU);
    assert_true(r.has_gateway);
    assert_false(r.has_src || r.onlink || r.expires || r.metric);

    /* A label that would be two words is not remembered. */
    struct ds s = DS_EMPTY_INITIALIZER;
    ovs_strzcpy(a.label, "eth0:a b", sizeof a.label);
    underlay_format_address(&a, &s);
    assert_string_equal(ds_cstr(&s), "10.1.0.5/24 preferred_lft 7sec");
    ds_destroy(&s);
}

static void
test_wrong(void **state OVS_UNUSED)
{
    static const struct {
        const char *text, *part;
    } addresses[] = {
        { "", "lacks" },
        { "10.1.0.5", "lacks" },
        { "10.1.0.5/33", "10.1.0.5/33" },
        { "10.1.0.5 pear 10.1.0.6/32", "pear" },
        { "10.1.0.5 peer fd00::1/128", "fd00::1/128" },
        { "10.1.0.5/24 10.1.0.6/24", "10.1.0.6/24" },
        { "10.1.0.5/24 label", "lacks" },
        { "10.1.0.5/24 label sixteen-bytes-xx", "sixteen-bytes-xx" },
        { "10.1.0.5/24 scope 256", "256" },
        { "10.1.0.5/24 metric -1", "-1" },
        { "10.1.0.5/24 valid_lft sec", "sec" },
    }, routes[] = {
        { " ", "lacks" },
        { "multicast", "lacks" },
        { "default via 10.1.0.1", "default" },
        { "10.1.0.0/16 via", "lacks" },
        { "10.1.0.0/16 via inet6", "lacks" },
        { "10.1.0.0/16 via x", "x" },
        { "10.1.0.0/16 dev eth0", "dev" },
        { "10.1.0.0/16 mtu", "lacks" },
        { "10.1.0.0/16 mtu lock", "lacks" },
        { "10.1.0.0/16 mtu lock x", "x" },
        { "10.1.0.0/16 congctl sixteen-bytes-xx", "sixteen-bytes-xx" },
        { "10.1.0.0/16 expires 4294967296sec", "4294967296sec" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(addresses); i++) {
        struct rtnl_addr a;
        char *error = underlay_parse_address(addresses[i].text, &a);
        if (!error || !strstr(error, addresses[i].part)) {
            fail_msg("%s: %s", addresses[i].text, error ? error : "taken");
        }
        free(error);
    }
    for (size_t i = 0; i < ARRAY_SIZE(routes); i++) {
        struct rtnl_route r;
        char *error = underlay_parse_route(routes[i].text, &r);
        if (!error || !strstr(error, routes[i].part)) {
            fail_msg("%s: %s", routes[i].text, error ? error : "taken");
        }
        free(error);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_routes),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
