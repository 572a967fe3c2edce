/* SPDX-License-Identifier: Apache-2.0 */

/* What a prefix promises (model.h) is kept by those that the kernel tells. */

#include <config.h>
#include "agent/rtnl-parse.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "openvswitch/util.h"

static const struct {
    uint8_t family;
    const char *ip;
    uint8_t len;
    bool good;
} cases[] = {
    { AF_INET, "10.1.0.7", 0, true },
    { AF_INET, "10.1.0.7", 32, true },
    { AF_INET, "10.1.0.7", 33, false },
    { AF_INET, "10.1.0.7", 255, false },
    { AF_INET6, "fd00::7", 128, true },
    { AF_INET6, "fd00::7", 129, false },
    /* Would pass for 10.1.0.7, whose length is at most 32. */
    { AF_INET6, "::ffff:10.1.0.7", 128, false },
    { AF_INET6, "::ffff:10.1.0.7", 32, false },
};

/* Puts the address as an attribute; returns the message. */
static struct nlmsghdr *
put(char *buf, uint16_t type, size_t extra, uint16_t attr, size_t i)
{
    struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
    uint8_t ip[16];

    nlh->nlmsg_type = type;
    mnl_nlmsg_put_extra_header(nlh, extra);
    assert_int_equal(inet_pton(cases[i].family, cases[i].ip, ip), 1);
    mnl_attr_put(nlh, attr, cases[i].family == AF_INET ? 4 : 16, ip);
    return nlh;
}

static void
test_addresses(void **state OVS_UNUSED)
{
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char buf[256];
        struct rtnl_addr addr;
        struct nlmsghdr *nlh = put(buf, RTM_NEWADDR, sizeof(struct ifaddrmsg),
                                   IFA_ADDRESS, i);
        struct ifaddrmsg *ifa = mnl_nlmsg_get_payload(nlh);

        ifa->ifa_family = cases[i].family;
        ifa->ifa_prefixlen = cases[i].len;
        assert_int_equal(rtnl_parse_addr(nlh, &addr), cases[i].good);
    }
}

static void
test_routes(void **state OVS_UNUSED)
{
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char buf[256];
        struct rtnl_route route;
        struct nlmsghdr *nlh = put(buf, RTM_NEWROUTE, sizeof(struct rtmsg),
                                   RTA_DST, i);
        struct rtmsg *rtm = mnl_nlmsg_get_payload(nlh);

        rtm->rtm_family = cases[i].family;
        rtm->rtm_dst_len = cases[i].len;
        rtm->rtm_type = RTN_UNICAST;
        rtm->rtm_table = RT_TABLE_MAIN;
        mnl_attr_put_u32(nlh, RTA_OIF, 5);
        assert_int_equal(rtnl_parse_route(nlh, &route), cases[i].good);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_routes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
