/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "overlay/request.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "openvswitch/dynamic-string.h"
#include "openvswitch/util.h"
#include "overlay/address.h"
#include "packets.h"
#include "util.h"

/* Splits and parses 'line'. */
static char *
parse(const char *line, struct attach_request *req)
{
    int argc;
    char **argv;
    char *error = request_split(line, &argc, &argv);

    if (!error) {
        error = attach_request_parse(argc, (const char *const *) argv, req);
        request_words_free(argv);
    }
    return error;
}

/* All of a request on one line. */
static char *
format(const struct attach_request *req)
{
    struct ds ds = DS_EMPTY_INITIALIZER;

    ds_put_format(&ds, "%s %s %s %s %s", req->netns,
                  req->network ? req->network : "-",
                  req->name ? req->name : "-", req->ifname,
                  req->ip_auto ? "auto" : "fixed");
    for (size_t i = 0; i < req->n_ips; i++) {
        ds_put_char(&ds, ' ');
        prefix_format(&req->ips[i], &ds);
    }
    if (!eth_addr_is_zero(req->mac)) {
        ds_put_format(&ds, " "ETH_ADDR_FMT, ETH_ADDR_ARGS(req->mac));
    }
    if (req->mtu) {
        ds_put_format(&ds, " %d", req->mtu);
    }
    return ds_steal_cstr(&ds);
}

static void
test_accepted(void **state OVS_UNUSED)
{
    static const struct {
        const char *line, *request;
    } cases[] = {
        { "red", "red - - eth0 auto" },
        { "pid:1", "pid:1 - - eth0 auto" },
        { "/run/netns/red", "/run/netns/red - - eth0 auto" },
        { "red --ip auto", "red - - eth0 auto" },
        { "red --ip=auto --ip auto", "red - - eth0 auto" },
        { "red --ip 10.1.0.5/16", "red - - eth0 fixed 10.1.0.5/16" },
        { "red --ip 10.1.0.5/16 --ip auto --ip=fd00::5/64",
          "red - - eth0 auto 10.1.0.5/16 fd00::5/64" },
        { "--ip auto red", "red - - eth0 auto" },
        { "--network blue red --name=web1 --ifname net0 --mtu 1400 "
          "--mac 0A:57:0a:01:00:05",
          "red blue web1 net0 auto 0a:57:0a:01:00:05 1400" },
        { "--network blue -- red", "red blue - eth0 auto" },
        { "--name web1 -- --name", "--name - web1 eth0 auto" },
        { "-- red", "red - - eth0 auto" },
        { "red --", "red - - eth0 auto" },
        { "'my ns' --name web1", "my ns - web1 eth0 auto" },
        { "/proc/1/ns/net", "/proc/1/ns/net - - eth0 auto" },
        { "red --mtu 1280 --ifname 012345678901234",
          "red - - 012345678901234 auto 1280" },
        { "red --mtu=65535", "red - - eth0 auto 65535" },
        { "red --ip 10.1.0.5/32 --ip 10.1.0.4/31",
          "red - - eth0 fixed 10.1.0.5/32 10.1.0.4/31" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct attach_request req = { .netns = NULL };
        char *error = parse(cases[i].line, &req);

        if (error) {
            fail_msg("%s: %s", cases[i].line, error);
        }

        char *s = format(&req);
        assert_string_equal(s, cases[i].request);
        free(s);
        attach_request_finish(&req);
        assert_null(req.netns);
    }
    attach_request_finish(NULL);
}

static void
test_refused(void **state OVS_UNUSED)
{
    static const char ifname_rule[] = "must be 1 to 15 bytes, none of them / "
                                      ": % blank or control";
    static const struct {
        const char *line;
        const char *error;          /* After "attach: ". */
    } cases[] = {
        { "", "no NETNS: write a name, pid:N or a path" },
        { "--", "no NETNS: write a name, pid:N or a path" },
        { "--name web1", "no NETNS: write a name, pid:N or a path" },
        { "''", "\"\" is no NETNS: write a name, pid:N or a path" },
        { "..", "\"..\" is no NETNS: write a name, pid:N or a path" },
        { "red blue", "blue: NETNS is already red: write one of them" },
        { "red -- --name", "--name: NETNS is already red: write one of them" },
        { "pid:0", "pid:0: not a process's id: write pid:N" },
        { "pid:", "pid:: not a process's id: write pid:N" },
        { "pid:1x", "pid:1x: not a process's id: write pid:N" },
        { "pid:2147483648",
          "pid:2147483648: not a process's id: write pid:N" },
        { "netns/red", "netns/red: not an absolute path: write one that "
          "begins with /" },
        { "my@ns", "my@ns gives no endpoint's name: add --name, " NAME_RULE },
        { "/run/netns/", "/run/netns/ gives no endpoint's name: add --name, "
          NAME_RULE },
        { "red -n web1", "unknown option -n: write one of --network, --name, "
          "--ip, --mac, --ifname, --mtu, --move" },
        { "red --nam web1", "unknown option --nam: write one of --network, "
          "--name, --ip, --mac, --ifname, --mtu, --move" },
        { "red --names=web1", "unknown option --names=web1: write one of "
          "--network, --name, --ip, --mac, --ifname, --mtu, --move" },
        { "red --name", "--name has no value: write one" },
        { "red --name=", "--name : not an endpoint's name: write "
          NAME_RULE },
        { "red --name web1 --name web2",
          "--name is given twice: remove one" },
        { "red --mac 0a:57:0a:01:00:05 --mac=0a:57:0a:01:00:05",
          "--mac is given twice: remove one" },
        { "red --name a/b", "--name a/b: not an endpoint's name: write "
          NAME_RULE },
        { "red --network --name", "--network --name: not a network's name: "
          "write " NAME_RULE },
        { "red --ip 10.1/16", "--ip 10.1/16: not an address: write "
          "ADDRESS/LENGTH, like 10.1.0.5/16" },
        { "red --ip 10.1.0.5", "--ip 10.1.0.5: no prefix length: write "
          "ADDRESS/LENGTH, like 10.1.0.5/24" },
        { "red --ip 10.1.0.5/33",
          "--ip 10.1.0.5/33: prefix length not within 0..32" },
        { "red --ip 127.0.0.1/8",
          "--ip 127.0.0.1/8 is a loopback address: write another" },
        { "red --ip fe80::1/64",
          "--ip fe80::1/64 is a link-local address: write another" },
        { "red --ip 10.1.0.0/16", "--ip 10.1.0.0/16 is the network address "
          "of its subnet: write another" },
        { "red --ip 10.1.255.255/16", "--ip 10.1.255.255/16 is the broadcast "
          "address of its subnet: write another" },
        { "red --ip 10.1.0.5/16 --ip 10.1.0.5/24",
          "--ip 10.1.0.5/24 is given twice: remove one" },
        { "red --mac 0a:57:0a:01:00", "--mac 0a:57:0a:01:00: not a unicast "
          "MAC address: write one like 0a:57:0a:01:00:05" },
        { "red --mac a:57:0a:01:00:005", "--mac a:57:0a:01:00:005: not a "
          "unicast MAC address: write one like 0a:57:0a:01:00:05" },
        { "red --mac 00:00:00:00:00:00", "--mac 00:00:00:00:00:00: not a "
          "unicast MAC address: write one like 0a:57:0a:01:00:05" },
        { "red --mac ff:ff:ff:ff:ff:ff", "--mac ff:ff:ff:ff:ff:ff: not a "
          "unicast MAC address: write one like 0a:57:0a:01:00:05" },
        { "red --mtu 1279", "--mtu 1279 is not within 1280..65535" },
        { "red --mtu 65536", "--mtu 65536 is not within 1280..65535" },
        { "red --mtu 0", "--mtu 0 is not within 1280..65535" },
        { "red --mtu 1400b", "--mtu 1400b is not within 1280..65535" },
        { "red --ifname eth/0", "--ifname eth/0: IFNAME" },
        { "red --ifname=", "--ifname : IFNAME" },
        { "'a\nb'", "word 1: control byte 0x0a: remove it" },
        { "red --name \xe9", "word 3: bytes that are not UTF-8: write them "
          "as UTF-8" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct attach_request req;
        char *error = parse(cases[i].line, &req);
        const char *rule = strstr(cases[i].error, "IFNAME");
        char *expected = xasprintf("attach: %.*s%s", rule
                                   ? (int) (rule - cases[i].error) : INT_MAX,
                                   cases[i].error, rule ? ifname_rule : "");

        if (!error || strcmp(error, expected)) {
            fail_msg("%s\nexpected: %s\nreturned: %s", cases[i].line,
                     expected, error);
        }
        free(expected);
        free(error);
    }
}

static void
test_maxima(void **state OVS_UNUSED)
{
    struct ds ds = DS_EMPTY_INITIALIZER;
    const char *argv[REQUEST_ARGS_MAX + 1];
    struct attach_request req;
    char *error;

    ds_put_cstr(&ds, "red");
    for (int i = 0; i < ENDPOINT_IPS_MAX; i++) {
        ds_put_format(&ds, " --ip 10.1.0.%d/16", i + 1);
    }
    assert_null(parse(ds_cstr(&ds), &req));
    assert_int_equal(req.n_ips, ENDPOINT_IPS_MAX);
    attach_request_finish(&req);
    ds_put_cstr(&ds, " --ip 10.1.1.1/16");
    error = parse(ds_cstr(&ds), &req);
    assert_string_equal(error, "attach: --ip 10.1.1.1/16: more than 16 "
                               "addresses: remove some");
    free(error);

    for (int i = 0; i < ARRAY_SIZE(argv); i++) {
        argv[i] = "--ip=auto";
    }
    argv[0] = "red";
    assert_null(attach_request_parse(REQUEST_ARGS_MAX, argv, &req));
    attach_request_finish(&req);
    error = attach_request_parse(REQUEST_ARGS_MAX + 1, argv, &req);
    assert_string_equal(error, "attach: more than 64 words: remove some");
    free(error);

    ds_clear(&ds);
    ds_put_char_multiple(&ds, 'x', REQUEST_LINE_MAX + 1);
    argv[0] = ds_cstr(&ds);
    error = attach_request_parse(1, argv, &req);
    assert_string_equal(error, "attach: word 1: more than 4096 bytes: "
                               "shorten it");
    free(error);
    ds_destroy(&ds);
}

static void
test_split(void **state OVS_UNUSED)
{
    static const struct {
        const char *line;
        const char *words;          /* Each followed by "|", or ... */
        const char *error;
    } cases[] = {
        { "", "", NULL },
        { " \t\r\n", "", NULL },
        { "# comment", "", NULL },
        { "a b\tc\n", "a|b|c|", NULL },
        { "  a # b", "a|", NULL },
        { "a#b", "a#b|", NULL },
        { "\\# '#'", "#|#|", NULL },
        { "''#b", "#b|", NULL },
        { "'a b' \"c d\"", "a b|c d|", NULL },
        { "'' \"\"", "||", NULL },
        { "a'b'\"c\"d", "abcd|", NULL },
        { "'a\\' \"b\\\"c\" d\\ e", "a\\|b\"c|d e|", NULL },
        { "'\"' \"'\"", "\"|'|", NULL },
        { "a\\\\b", "a\\b|", NULL },
        { "'a", NULL, "a word is not ended: add a '" },
        { "a\"b c", NULL, "a word is not ended: add a \"" },
        { "a b\\", NULL, "a \\ at the end escapes nothing: remove it" },
        { "\"a\\", NULL, "a \\ at the end escapes nothing: remove it" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct ds ds = DS_EMPTY_INITIALIZER;
        int argc;
        char **argv;
        char *error = request_split(cases[i].line, &argc, &argv);

        assert_int_equal(error != NULL, argv == NULL);
        for (int j = 0; argv && j < argc; j++) {
            ds_put_format(&ds, "%s|", argv[j]);
        }
        assert_null(argv ? argv[argc] : NULL);
        if (!nullable_string_is_equal(error, cases[i].error)
            || (!error && strcmp(ds_cstr(&ds), cases[i].words))) {
            fail_msg("%s: %s, %s", cases[i].line, ds_cstr(&ds), error);
        }
        ds_destroy(&ds);
        request_words_free(argv);
        free(error);
    }
}

static void
test_split_maxima(void **state OVS_UNUSED)
{
    struct ds ds = DS_EMPTY_INITIALIZER;
    char **argv;
    int argc;
    char *error;

    ds_put_char_multiple(&ds, ' ', REQUEST_LINE_MAX - 2 * REQUEST_ARGS_MAX);
    for (int i = 0; i < REQUEST_ARGS_MAX; i++) {
        ds_put_cstr(&ds, " a");
    }
    assert_null(request_split(ds_cstr(&ds), &argc, &argv));
    assert_int_equal(argc, REQUEST_ARGS_MAX);
    request_words_free(argv);

    error = request_split(ds_cstr(&ds) + 2, &argc, &argv);
    assert_null(error);
    request_words_free(argv);
    ds_put_cstr(&ds, " a");
    error = request_split(ds_cstr(&ds) + 2, &argc, &argv);
    assert_string_equal(error, "more than 64 words: remove some");
    free(error);
    error = request_split(ds_cstr(&ds), &argc, &argv);
    assert_string_equal(error, "more than 4096 bytes: shorten the line");
    assert_int_equal(argc, 0);
    free(error);
    ds_destroy(&ds);
}

static void
test_ifname(void **state OVS_UNUSED)
{
    static const char *const good[] = {
        "eth0", "a", "012345678901234", "eth0.100", "...", "e@1", "wf-web1",
    };
    static const char *const bad[] = {
        "", "0123456789012345", ".", "..", "a/b", "eth0:1", "a b", "a\tb",
        "a\n", "\x7f", "eth%d", "\xc3\xa0",
    };

    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        assert_null(ifname_refuse(good[i]));
    }
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        char *error = ifname_refuse(bad[i]);

        assert_non_null(error);
        free(error);
    }
}

static void
test_default_name(void **state OVS_UNUSED)
{
    static const struct {
        const char *netns, *name;
    } cases[] = {
        { "red", "red" },
        { "pid:12", "pid-12" },
        { "/run/netns/red", "red" },
        { "/proc/12/ns/net", "net" },
        { "/run/netns/", NULL },
        { "pid:", "pid-" },
        { "my ns", NULL },
        { "", NULL },
        { "a23456789012345678901234567890123", NULL },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char *name = request_default_name(cases[i].netns);

        if (!nullable_string_is_equal(name, cases[i].name)) {
            fail_msg("%s: %s", cases[i].netns, name);
        }
        free(name);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepted),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_maxima),
        cmocka_unit_test(test_split),
        cmocka_unit_test(test_split_maxima),
        cmocka_unit_test(test_ifname),
        cmocka_unit_test(test_default_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
