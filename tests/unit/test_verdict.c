/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "openvswitch/util.h"
#include "overlay/verdict.h"

static const struct verdict_tunnel usual = {
    .address = "192.0.2.2",
    .udp_port = 4789,
    .port = "vx-b",
    .reach = REACH_ANSWERS,
    .counted = true,
    .sent = 12,
    .up_ago = -1,
};

static void
expect(const struct verdict_tunnel *t, const char *text)
{
    char *said = verdict_tunnel(t);
    assert_string_equal(said, text);
    free(said);
}

static void
test_a_firewall(void **state OVS_UNUSED)
{
    struct verdict_tunnel t = usual;
    expect(&t, "tunnel packets sent 12, received 0: is UDP 4789 open in the "
           "firewalls between?");
    t.udp_port = 4790;
    t.up_ago = 7999;
    expect(&t, "tunnel packets sent 12, received 0: is UDP 4790 open in the "
           "firewalls between? (it was up until 7 s ago)");
}

static void
test_one_way(void **state OVS_UNUSED)
{
    struct verdict_tunnel t = usual;
    t.hears = true;
    t.received = 10;
    expect(&t, "tunnel packets sent 12, received 10: it does not hear this "
           "host: is UDP 4789 open in the firewalls on the way there?");
    t.hears = false;
    expect(&t, "tunnel packets sent 12, received 10, but none of BFD: is it a "
           "switch of Weft's, with BFD on?");
}

static void
test_a_host_that_is_off(void **state OVS_UNUSED)
{
    struct verdict_tunnel t = usual;
    t.reach = REACH_SILENT;
    expect(&t, "tunnel packets sent 12, received 0: 192.0.2.2 does not answer "
           "ARP: is that host up, and on this network?");
    t.via = "192.0.2.254";
    expect(&t, "tunnel packets sent 12, received 0: the gateway 192.0.2.254 "
           "on the way to 192.0.2.2 does not answer ARP: is it up?");
    t.via = NULL;
    t.v6 = true;
    t.address = "fd00::2";
    expect(&t, "tunnel packets sent 12, received 0: fd00::2 does not answer "
           "neighbour discovery: is that host up, and on this network?");
    /* What is received proves that it is there. */
    t.received = 1;
    t.hears = true;
    expect(&t, "tunnel packets sent 12, received 1: it does not hear this "
           "host: is UDP 4789 open in the firewalls on the way there?");
}

static void
test_no_way(void **state OVS_UNUSED)
{
    struct verdict_tunnel t = usual;
    t.reach = REACH_NO_ROUTE;
    expect(&t, "no route to 192.0.2.2: see \"ip route get 192.0.2.2\"");
    t.reach = REACH_ELSEWHERE;
    t.via = "eth1";
    expect(&t, "the route to 192.0.2.2 leads by interface eth1, not by the "
           "underlay (Open vSwitch knows no metrics): see \"ip route show "
           "match 192.0.2.2\"");
    t.v6 = true;
    t.address = "fd00::2";
    t.reach = REACH_OTHER_SOURCE;
    t.via = "fe80::9";
    expect(&t, "Open vSwitch sends to fd00::2 from fe80::9, which the list "
           "does not have: see \"ovs-appctl ovs/route/show\"");
}

static void
test_two_families(void **state OVS_UNUSED)
{
    struct verdict_tunnel t = usual;
    t.other_family = true;
    expect(&t, "tunnel packets sent 12, received 0: it is listed by IPv4, this "
           "host by IPv6: list both by the same");
    t.v6 = true;
    t.address = "fd00::2";
    expect(&t, "tunnel packets sent 12, received 0: it is listed by IPv6, this "
           "host by IPv4: list both by the same");
    /* The lists of the two may differ. */
    t.reach = REACH_SILENT;
    expect(&t, "tunnel packets sent 12, received 0: fd00::2 does not answer "
           "neighbour discovery: is that host up, and on this network?");
    t.hears = true;
    t.received = 1;
    expect(&t, "tunnel packets sent 12, received 1: it does not hear this "
           "host: is UDP 4789 open in the firewalls on the way there?");
}

static void
test_the_switch_itself(void **state OVS_UNUSED)
{
    struct verdict_tunnel t = usual;
    t.sent = 0;
    expect(&t, "tunnel packets sent 0, received 0: this switch sends none: "
           "see \"ovs-vsctl show\" and the log of ovs-vswitchd");
    t.error = "could not add network device";
    expect(&t, "ovs-vswitchd says of port vx-b: could not add network device");
    t.error = NULL;
    t.port = NULL;
    expect(&t, "the switch has no tunnel port to it yet");
}

/* No question that may be the wrong one. */
static void
test_what_is_not_known_yet(void **state OVS_UNUSED)
{
    struct verdict_tunnel t = usual;
    t.reach = REACH_UNKNOWN;
    expect(&t, "tunnel packets sent 12, received 0: is that host up, and UDP "
           "4789 open in the firewalls between?");
    t.counted = false;
    expect(&t, "tunnel packets not yet counted");
    t.reach = REACH_ANSWERS;
    expect(&t, "tunnel packets not yet counted");
}

static void
expect_upcalls(const struct verdict_upcalls *u, long long int now,
               const char *text)
{
    char *said = verdict_upcalls(u, "ovs-system", now);
    if (text) {
        assert_non_null(said);
        assert_string_equal(said, text);
    } else {
        assert_null(said);
    }
    free(said);
}

#define LOSES "datapath ovs-system loses packets that it has no flow for: "
#define LOSES_ALL \
    "datapath ovs-system loses all packets that it has no flow for: "
#define RESTART "\"systemctl restart openvswitch-switch\" cures it"
#define DEAF "ovs-vswitchd does not listen, as happens when its first " \
    "bridge is made within 10 s of the boot: " RESTART
#define BUSY "is the host overloaded?  If it goes on, " RESTART

static void
test_steady_is_well(void **state OVS_UNUSED)
{
    struct verdict_upcalls u = { .known = false };
    expect_upcalls(&u, 1000, NULL);
    verdict_upcalls_note(&u, 70, 70, 1000);     /* Before we looked. */
    verdict_upcalls_note(&u, 70, 90, 6000);
    expect_upcalls(&u, 6000, NULL);
}

static void
test_rising_is_told_until_it_stands(void **state OVS_UNUSED)
{
    struct verdict_upcalls u = { .known = false };
    verdict_upcalls_note(&u, 70, 100, 1000);
    verdict_upcalls_note(&u, 75, 110, 6000);
    expect_upcalls(&u, 6000, LOSES "5, the last 0 s ago; " BUSY);
    verdict_upcalls_note(&u, 80, 120, 11000);
    expect_upcalls(&u, 13000, LOSES "10, the last 2 s ago; " BUSY);
    verdict_upcalls_note(&u, 80, 120, 40000);
    expect_upcalls(&u, 40000, LOSES "10, the last 29 s ago; " BUSY);
    verdict_upcalls_note(&u, 80, 120, 41000);
    expect_upcalls(&u, 41000, NULL);
    verdict_upcalls_note(&u, 81, 130, 99000);   /* Another time, from 0. */
    expect_upcalls(&u, 99000, LOSES "1, the last 0 s ago; " BUSY);
}

static void
test_a_switch_that_does_not_listen(void **state OVS_UNUSED)
{
    struct verdict_upcalls u = { .known = false };
    verdict_upcalls_note(&u, 0, 0, 1000);
    expect_upcalls(&u, 1000, NULL);
    verdict_upcalls_note(&u, 3, 3, 6000);
    expect_upcalls(&u, 7000, LOSES_ALL "3, the last 1 s ago; " DEAF);
    verdict_upcalls_note(&u, 9, 8, 11000);      /* One of an action's. */
    expect_upcalls(&u, 11000, LOSES_ALL "9, the last 0 s ago; " DEAF);
    verdict_upcalls_note(&u, 9, 10, 16000);     /* It does, now. */
    expect_upcalls(&u, 16000, LOSES "9, the last 5 s ago; " BUSY);
}

static void
test_another_datapath_counts_anew(void **state OVS_UNUSED)
{
    struct verdict_upcalls u = { .known = false };
    verdict_upcalls_note(&u, 70, 200, 1000);
    verdict_upcalls_note(&u, 80, 220, 2000);
    verdict_upcalls_note(&u, 2, 5, 3000);       /* It was made again. */
    expect_upcalls(&u, 3000, NULL);
    verdict_upcalls_note(&u, 2, 6, 8000);
    expect_upcalls(&u, 8000, NULL);
    verdict_upcalls_note(&u, 4, 9, 9000);
    expect_upcalls(&u, 9000, LOSES "2, the last 0 s ago; " BUSY);
    verdict_upcalls_gone(&u);
    expect_upcalls(&u, 9000, NULL);
    verdict_upcalls_note(&u, 9, 20, 10000);
    expect_upcalls(&u, 10000, NULL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_firewall),
        cmocka_unit_test(test_one_way),
        cmocka_unit_test(test_a_host_that_is_off),
        cmocka_unit_test(test_no_way),
        cmocka_unit_test(test_two_families),
        cmocka_unit_test(test_the_switch_itself),
        cmocka_unit_test(test_what_is_not_known_yet),
        cmocka_unit_test(test_steady_is_well),
        cmocka_unit_test(test_rising_is_told_until_it_stands),
        cmocka_unit_test(test_a_switch_that_does_not_listen),
        cmocka_unit_test(test_another_datapath_counts_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
