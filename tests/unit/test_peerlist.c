/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "overlay/peerlist.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "openvswitch/dynamic-string.h"
#include "openvswitch/util.h"
#include "util.h"

#define NETWORK "[network blue]\nvni=100\nsubnet=10.1.0.0/16\n"
#define HEADERS "[network NAME], [router NAME] or [peer NAME]"
#define NETWORK_KEYS "vni, subnet, mac-prefix, gateway, external, dhcp, " \
                     "dns, route"
#define PEER "[peer hosta]\naddress=192.168.50.11\n"

/* Parses a copy that ends where the sanitizer looks. */
static char *
parse(const char *text, size_t size, struct peerlist **listp)
{
    char *copy = xmemdup(text, MAX(size, 1));
    char *error = peerlist_parse("peers.conf", copy, size, listp);

    assert_int_equal(error == NULL, *listp != NULL);
    assert_null(error ? strchr(error, '\n') : NULL);
    free(copy);
    return error;
}

static struct peerlist *
parse_good(const char *text, size_t size)
{
    struct peerlist *list;
    char *error = parse(text, size, &list);

    if (error) {
        fail_msg("%s", error);
    }
    return list;
}

static void
assert_refused(const char *text, size_t size, const char *expected)
{
    struct peerlist *list;
    char *error = parse(text, size, &list);

    peerlist_destroy(list);
    if (!error || strcmp(error, expected)) {
        fail_msg("for:\n%.400s\nexpected: %s\nreturned: %s", text, expected,
                 error);
    }
    free(error);
}

static void
test_accepted(void **state OVS_UNUSED)
{
    static const char *const texts[] = {
        "[peer a]\naddress=10.0.0.1\n",
        "[network a]\nvni=1\nsubnet=10.0.0.0/8\n",
        "[network a]\nvni=1\nsubnet=10.0.0.0/8\nmac-prefix=0e:57:01\n",
        /* Each alone in its network, so the same may be in both. */
        NETWORK "[network b]\nvni=2\nsubnet=10.1.0.0/16\n",
        NETWORK "[network b]\nvni=2\nsubnet=10.0.0.0/8\n"
        "[peer a]\naddress=1.2.3.4\nslice=10.1.3.0/24\nslice=10.2.3.0/24\n",
        /* The slice before its network, and as large as the subnet. */
        ("[peer a]\naddress=1.2.3.4\nslice=10.1.0.0/16\n" NETWORK),
        "[peer a]\naddress=1.2.3.4 ; x = [y\n;\n#\n ;[\n",
        "[peer a];\naddress=1.2.3.4\n",
        "[peer 0123456789012345678901234567.-_]\naddress=1.2.3.4\n",
    };

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        peerlist_destroy(parse_good(texts[i], strlen(texts[i])));
    }
}

static void
test_refused(void **state OVS_UNUSED)
{
    static const struct {
        const char *text;
        const char *error;          /* After "peers.conf:". */
    } cases[] = {
        /* Bytes and lines. */
        { "[peer a]\naddress=10.0.0.1",
          "2: the last line has no newline, as in a file cut short: copy the "
          "file again, or end the line" },
        { "[peer a]\naddress=10.0.0.1\n\a\n",
          "3: peer a: control byte 0x07: remove it" },
        { ";\x7f\n", "1: control byte 0x7f: remove it" },
        { "[peer a]\raddress=10.0.0.1\r",
          "1: the last line has no newline, as in a file cut short: copy the "
          "file again, or end the line" },
        { "[peer a]\r\naddress=10.0.0.1\r\r\n",
          "2: peer a: control byte 0x0d: remove it" },
        { "\n; caf\xe9\n",
          "2: bytes that are not UTF-8: write them as UTF-8" },
        { "; \xc2\x9b" "31m\n", "1: control character U+009B: remove it" },
        { "\xff\xfe[\n",
          "1: bytes that are not UTF-8: write them as UTF-8" },
        { "peer a\n", "1: not a [section], KEY = VALUE or ; comment: write "
          "one of these" },
        { PEER "slice\n[bad\n", "3: peer hosta: not a [section], KEY = VALUE "
          "or ; comment: write one of these" },
        { PEER "slice ; = 10.1.0.0/16\n", "3: peer hosta: not a [section], "
          "KEY = VALUE or ; comment: write one of these" },

        /* Sections. */
        { "", "1: no section: write a [network NAME], and a [peer NAME] for "
          "each host" },
        { "\n; nothing\n\n", "1: no section: write a [network NAME], and a "
          "[peer NAME] for each host" },
        { "[host a]\n",
          "1: unknown section [host]: write " HEADERS },
        { "[]\n",
          "1: unknown section []: write " HEADERS },
        { "[Peer a]\n",
          "1: unknown section [Peer]: write " HEADERS },
        { "[peer]\n", "1: a peer has one name: write [peer NAME]" },
        { "[network a b]\n",
          "1: a network has one name: write [network NAME]" },
        { "[peer a\n", "1: a section's line is " HEADERS " and nothing else: "
          "write it so" },
        { "[peer a] address = 1.2.3.4\n", "1: a section's line is " HEADERS
          " and nothing else: write it so" },
        { "[peer a ; b]\n", "1: a peer has one name: write [peer NAME]" },
        { "[peer _a]\n", "1: peer _a: bad name: write " NAME_RULE },
        { "[network a/b]\n", "1: network a/b: bad name: write " NAME_RULE },
        { "[peer 01234567890123456789012345678901]\n",
          "1: peer 01234567890123456789012345678901: bad name: write "
          NAME_RULE },
        { NETWORK "[network blue]\n", "4: network blue: already in line 1: "
          "rename one, or make one section of both" },
        { PEER NETWORK "[peer hosta]\n", "6: peer hosta: already in line 1: "
          "rename one, or make one section of both" },

        /* Keys. */
        { "vni = 100\n", "1: key vni stands before any section: write "
          HEADERS " above it" },
        { "[peer a]\nvni = 100\n",
          "2: peer a: unknown key vni: a peer has address, port, slice" },
        { "[network a]\nVNI = 100\n", "2: network a: unknown key VNI: a "
          "network has " NETWORK_KEYS },
        { PEER "[network a]\nport = 100\n", "4: network a: unknown key "
          "port: a network has " NETWORK_KEYS },
        { "[network a]\n = 100\n", "2: network a: unknown key : a network "
          "has " NETWORK_KEYS },
        { "[network a]\nvni =\n",
          "2: network a: vni has no value: write one, like \"vni = 100\"" },
        { "[network a]\nvni = ; 100\n",
          "2: network a: vni has no value: write one, like \"vni = 100\"" },
        { NETWORK "vni=101\n", "4: network blue: vni is given again, first "
          "in line 2: remove one" },
        { NETWORK "mac-prefix=0a:57\n;\nmac-prefix=0a:57\n", "6: network "
          "blue: mac-prefix is given again, first in line 4: remove one" },
        { PEER "address=192.168.50.12\n", "3: peer hosta: address is given "
          "again, first in line 2: remove one" },
        { PEER "port=1\nport=1\n", "4: peer hosta: port is given again, "
          "first in line 3: remove one" },
        { "[network a]\nsubnet=10.1.0.0/16\n" PEER,
          "1: network a: no vni: add one, like \"vni = 100\"" },
        { PEER "[network a]\nvni=1\n",
          "3: network a: no subnet: add one, like \"subnet = 10.1.0.0/16\"" },
        { "[peer a]\nport=1\n[peer b]\naddress=1.2.3.4\n", "1: peer a: no "
          "address: add one, like \"address = 192.168.50.11\"" },

        /* Values. */
        { "[network a]\nvni = 0\n",
          "2: network a: vni 0 is not within 1..16777215" },
        { "[network a]\nvni = 16777216\n",
          "2: network a: vni 16777216 is not within 1..16777215" },
        { "[network a]\nvni = 0x10\n",
          "2: network a: vni 0x10 is not within 1..16777215" },
        { "[network a]\nvni = 010\n",
          "2: network a: vni 010 is not within 1..16777215" },
        { "[network a]\nvni = +1\n",
          "2: network a: vni +1 is not within 1..16777215" },
        { "[network a]\nvni = 4294967297\n",
          "2: network a: vni 4294967297 is not within 1..16777215" },
        { "[network a]\nvni = 1;2\n",
          "2: network a: vni 1;2 is not within 1..16777215" },
        { "[network a]\nvni = 1#2\n",
          "2: network a: vni 1#2 is not within 1..16777215" },
        { "[network a]\nsubnet = 10.1.0.7/16\n", "2: network a: subnet "
          "10.1.0.7/16 has bits beyond its prefix: write 10.1.0.0/16" },
        { "[network a]\nsubnet = 10.1.0.0/31\n", "2: network a: subnet "
          "10.1.0.0/31: prefix length not within 1..30" },
        { "[network a]\nmac-prefix = 0b:57\n", "2: network a: mac-prefix "
          "0b:57 is not of unicast, locally administered MAC addresses: "
          "write 0a:57" },
        { "[network a]\nmac-prefix = 0e:57\n", "2: network a: mac-prefix "
          "0e:57: 0e:57:00 belongs to Weft's gateways: write 0a:57" },
        { "[network a]\nmac-prefix = 0E:57:00\n", "2: network a: mac-prefix "
          "0E:57:00: 0e:57:00 belongs to Weft's gateways: write 0a:57" },
        { "[network a]\nmac-prefix = 0a\n", "2: network a: mac-prefix 0a is "
          "not the first 2 or 3 octets of a MAC address: write it like 0a:57 "
          "or 0a:57:01" },
        { "[peer a]\naddress = hosta\n", "2: peer a: address hosta is not an "
          "IP address: write it like 192.168.50.11 or fd00::11" },
        { "[peer a]\naddress = ::ffff:1.2.3.4\n", "2: peer a: address "
          "::ffff:1.2.3.4 is not an IP address: write it like 192.168.50.11 "
          "or fd00::11" },
        { "[peer a]\naddress = fe80::1%eth0\n", "2: peer a: address "
          "fe80::1%eth0 is not an IP address: write it like 192.168.50.11 or "
          "fd00::11" },
        { "[peer a]\naddress = 127.0.0.1\n", "2: peer a: address 127.0.0.1 "
          "is a loopback address: write one by which the other hosts reach "
          "this one" },
        { "[peer a]\nport = 0\n", "2: peer a: port 0 is not within 1..65535" },
        { "[peer a]\nport = 65536\n",
          "2: peer a: port 65536 is not within 1..65535" },
        { "[peer a]\nslice = 10.1.0.1/24\n", "2: peer a: slice 10.1.0.1/24 "
          "has bits beyond its prefix: write 10.1.0.0/24" },

        /* One against the other. */
        { NETWORK "[network red]\nvni=100\n", "5: network red: vni 100 is "
          "already that of blue in line 2: choose another" },
        { PEER "[peer b]\naddress=192.168.50.11\n", "4: peer b: address "
          "192.168.50.11 is already that of hosta in line 2: choose "
          "another" },
        { "[peer a]\naddress=fd00::1\n[peer b]\naddress=FD00:0::0001\n",
          "4: peer b: address fd00::1 is already that of a in line 2: choose "
          "another" },
        { NETWORK "subnet=10.1.2.0/24\n", "4: network blue: subnet "
          "10.1.2.0/24 overlaps the one in line 3: remove one" },
        { NETWORK "subnet=fd00::/64\nsubnet=10.0.0.0/8\n", "5: network blue: "
          "subnet 10.0.0.0/8 overlaps the one in line 3: remove one" },
        { NETWORK PEER "slice=10.1.2.0/24\nslice=10.1.2.0/25\n", "7: peer "
          "hosta: slice 10.1.2.0/25 overlaps the one in line 6: remove one" },
        { NETWORK "[peer b]\naddress=1.2.3.4\nslice=10.1.2.0/25\n" PEER
          "slice=10.1.7.0/24\nslice=10.1.2.0/24\n", "10: peer hosta: slice "
          "10.1.2.0/24 overlaps that of b in line 6: choose another" },
        { NETWORK PEER "slice=10.2.2.0/24\n", "6: peer hosta: slice "
          "10.2.2.0/24 is within no network's subnet: choose a part of one" },
        { NETWORK PEER "slice=10.0.0.0/8\n", "6: peer hosta: slice "
          "10.0.0.0/8 is within no network's subnet: choose a part of one" },
        { PEER "slice=fd00::/80\n" NETWORK, "3: peer hosta: slice fd00::/80 "
          "is within no network's subnet: choose a part of one" },
        { PEER "slice=10.1.2.0/24\n", "3: peer hosta: slice 10.1.2.0/24 is "
          "within no network's subnet: choose a part of one" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char *expected = xasprintf("peers.conf:%s", cases[i].error);

        assert_refused(cases[i].text, strlen(cases[i].text), expected);
        free(expected);
    }
}

static void
test_null_bytes(void **state OVS_UNUSED)
{
    static const char null[] = "[peer a]\naddress=1.2.3.4\0\n";
    static const char indent[] = "[peer a]\n\0\0address=1.2.3.4\n";

    assert_refused(null, sizeof null - 1,
                   "peers.conf:2: peer a: control byte 0x00: remove it");
    assert_refused(indent, sizeof indent - 1,
                   "peers.conf:2: peer a: control byte 0x00: remove it");
}

static void
test_long_lines(void **state OVS_UNUSED)
{
    struct ds ds = DS_EMPTY_INITIALIZER;

    ds_put_cstr(&ds, PEER ";");
    ds_put_char_multiple(&ds, 'x', PEERLIST_LINE_MAX - 1);
    ds_put_cstr(&ds, "\r\n[peer b]\naddress=1.2.3.4");
    ds_put_char_multiple(&ds, ' ', PEERLIST_LINE_MAX - 15);
    ds_put_cstr(&ds, "\n");
    peerlist_destroy(parse_good(ds.string, ds.length));

    ds.length--;
    ds_put_cstr(&ds, " \n");
    assert_refused(ds.string, ds.length, "peers.conf:5: peer b: the line has "
                   "more than 190 bytes: shorten it");

    /* inih keeps 49 bytes of a section's name. */
    ds_clear(&ds);
    ds_put_cstr(&ds, "[peer ");
    ds_put_char_multiple(&ds, ' ', 100);
    ds_put_cstr(&ds, "a]\naddress=1.2.3.4\n");
    peerlist_destroy(parse_good(ds.string, ds.length));
    ds_destroy(&ds);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepted),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_null_bytes),
        cmocka_unit_test(test_long_lines),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
