/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "agent/external-rules.h"

#include "openvswitch/dynamic-string.h"
#include "overlay/address.h"
#include "overlay/transit.h"
#include "util.h"

const struct external_setting *
external_setting(size_t i)
{
    static const struct external_setting settings[] = {
        { "ipv4/conf/%s/rp_filter", 0, false, false },
        { "ipv4/conf/%s/send_redirects", 0, false, false },
        /* Published ports are reached by 127.0.0.1, too. */
        { "ipv4/conf/%s/route_localnet", 1, false, false },
        { SYSCTL_FORWARD4, 1, false, true },
        { SYSCTL_FORWARD6, 1, true, true },
    };
    return i < ARRAY_SIZE(settings) ? &settings[i] : NULL;
}

static void
put_publishes(struct ds *s, const struct external_publish *p, size_t n)
{
    for (; n--; p++) {
        for (int v4 = 0; v4 < 2; v4++) {
            if (v4 ? p->v4 : p->v6) {
                struct in6_addr to = transit_address(p->slot, v4);
                ds_put_format(s, "    meta nfproto %s fib daddr type local "
                              "%s dport %d dnat %s to ",
                              v4 ? "ipv4" : "ipv6",
                              p->protocol == IPPROTO_TCP ? "tcp" : "udp",
                              p->host_port, v4 ? "ip" : "ip6");
                address_format(&to, s);
                ds_put_char(s, '\n');
            }
        }
    }
}

/* What no workload may say to the host, nor by it to others. */
static void
put_guard(struct ds *s, const char *link, const uint16_t tunnels[],
          size_t n_tunnels)
{
    ds_put_cstr(s, "  chain guard {\n"
                "    type filter hook prerouting priority -300;\n");
    /* A switch whose zone is full sends new connections on untranslated.
     * Published ports want route_localnet; no workload is to reach what
     * listens on 127.0.0.1 for the host alone. */
    ds_put_format(s, "    iifname \"%s\" ip saddr != "TRANSIT_SUBNET4" drop\n"
                  "    iifname \"%s\" ip6 saddr != "TRANSIT_SUBNET6" drop\n"
                  "    iifname \"%s\" ip daddr 127.0.0.0/8 drop\n",
                  link, link, link);
    /* It would arrive from this host's address, as if this host's switch had
     * sent it: any frame, into any network. */
    ds_put_format(s, "    iifname \"%s\" udp dport { ", link);
    for (size_t i = 0; i < n_tunnels; i++) {
        ds_put_format(s, "%s%d", i ? ", " : "", tunnels[i]);
    }
    ds_put_cstr(s, " } drop\n  }\n");
}

char *
external_rules(const char *link, bool drop4, bool drop6,
               const struct external_publish *publishes, size_t n,
               const uint16_t tunnels[], size_t n_tunnels)
{
    struct ds s = DS_EMPTY_INITIALIZER;
    ds_put_cstr(&s, EXTERNAL_RULES_NONE"table inet weft {\n");
    put_guard(&s, link, tunnels, n_tunnels);
    ds_put_cstr(&s, "  chain prerouting {\n"
                "    type nat hook prerouting priority -100;\n");
    put_publishes(&s, publishes, n);
    ds_put_cstr(&s, "  }\n"
                "  chain output {\n"
                "    type nat hook output priority -100;\n");
    put_publishes(&s, publishes, n);
    ds_put_format(&s, "  }\n"
                  "  chain postrouting {\n"
                  "    type nat hook postrouting priority 100;\n"
                  "    ip saddr "TRANSIT_SUBNET4" oifname != \"%s\" "
                  "masquerade\n"
                  "    ip6 saddr "TRANSIT_SUBNET6" oifname != \"%s\" "
                  "masquerade\n"
                  "    ip saddr 127.0.0.0/8 oifname \"%s\" masquerade\n"
                  "  }\n", link, link, link);
    /* What is invalid nothing translates. */
    ds_put_format(&s, "  chain forward {\n"
                  "    type filter hook forward priority 0;\n"
                  "    iifname \"%s\" ct state invalid drop\n"
                  "    iifname \"%s\" tcp flags syn tcp option maxseg size "
                  "set rt mtu\n"
                  "    oifname \"%s\" tcp flags syn tcp option maxseg size "
                  "set rt mtu\n"
                  "    iifname \"%s\" accept\n"
                  "    oifname \"%s\" accept\n", link, link, link, link, link);
    if (drop4) {
        ds_put_cstr(&s, "    meta nfproto ipv4 drop\n");
    }
    if (drop6) {
        ds_put_cstr(&s, "    meta nfproto ipv6 drop\n");
    }
    ds_put_cstr(&s, "  }\n}\n");
    return ds_steal_cstr(&s);
}
