/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "ovsdb/rows.h"

#include <stdlib.h>
#include "openvswitch/dynamic-string.h"
#include "overlay/address.h"
#include "overlay/publish.h"
#include "packets.h"
#include "util.h"

void
row_of_endpoint(const struct endpoint *ep, const char *bridge,
                struct smap *ids)
{
    smap_add(ids, "weft-bridge", bridge);
    smap_add(ids, "weft-endpoint", ep->name);
    smap_add(ids, "weft-network", ep->network);
    if (ep->tap) {
        smap_add(ids, "weft-tap", "true");
        if (ep->owner != UINT32_MAX) {
            smap_add_format(ids, "weft-owner", "%"PRIu32, ep->owner);
        }
    } else {
        smap_add(ids, "weft-netns", ep->netns);
        smap_add(ids, "weft-ifname", ep->ifname);
    }
    smap_add_format(ids, "weft-mac", ETH_ADDR_FMT, ETH_ADDR_ARGS(ep->mac));
    if (ep->netns_ino) {
        smap_add_format(ids, "weft-netns-ino", "%"PRIu64, ep->netns_ino);
    }
    if (ep->mtu) {
        smap_add_format(ids, "weft-mtu", "%d", ep->mtu);
    }

    if (ep->dhcp) {
        smap_add(ids, "weft-dhcp", "true");
    }
    if (ep->n_publishes) {
        char *text = publish_format(ep->publishes, ep->n_publishes);
        smap_add_nocopy(ids, xstrdup("weft-publish"), text);
    }

    if (ep->moved_to) {
        smap_add(ids, "weft-moved-to", ep->moved_to);
    }

    struct ds s = DS_EMPTY_INITIALIZER;
    for (size_t i = 0; i < ep->n_ips; i++) {
        ds_put_cstr(&s, i ? " " : "");
        prefix_format(&ep->ips[i], &s);
    }
    smap_add(ids, "weft-ip", ds_cstr(&s));
    ds_destroy(&s);
}

static bool
parse_ips(const char *text, struct endpoint *ep)
{
    char *copy = xstrdup(text);
    char *save = NULL;
    bool ok = true;

    for (char *word = strtok_r(copy, " ", &save); word && ok;
         word = strtok_r(NULL, " ", &save)) {
        char *error = NULL;
        struct prefix ip;
        ok = ep->n_ips < ENDPOINT_IPS_MAX
             && !(error = prefix_parse(word, &ip))
             && !endpoint_has_ip(ep, &ip.addr);
        free(error);
        if (ok) {
            ep->ips[ep->n_ips++] = ip;
        }
    }
    free(copy);
    return ok;
}

bool
row_to_endpoint(const char *port, const struct smap *ids, struct endpoint *ep)
{
    const char *name = smap_get(ids, "weft-endpoint");
    const char *network = smap_get(ids, "weft-network");
    bool tap = smap_get_bool(ids, "weft-tap", false);
    const char *netns = tap ? "" : smap_get(ids, "weft-netns");
    const char *ifname = tap ? port : smap_get(ids, "weft-ifname");
    const char *mac = smap_get(ids, "weft-mac");
    const char *moved_to = smap_get(ids, "weft-moved-to");

    *ep = (struct endpoint) {
        .mtu = smap_get_int(ids, "weft-mtu", 0),
        .netns_ino = smap_get_ullong(ids, "weft-netns-ino", 0),
        .tap = tap,
        .dhcp = smap_get_bool(ids, "weft-dhcp", false),
        .owner = (tap ? smap_get_uint(ids, "weft-owner", UINT32_MAX)
                  : UINT32_MAX),
    };
    if (!name || !name_is_valid(name) || !network || !netns || !ifname || !mac
        || !eth_addr_from_string(mac, &ep->mac)
        || (moved_to && !name_is_valid(moved_to))
        || !parse_ips(smap_get_def(ids, "weft-ip", ""), ep)
        || !publish_parse_row(smap_get_def(ids, "weft-publish", ""),
                              ep->publishes, &ep->n_publishes)) {
        return false;
    }
    ep->name = xstrdup(name);
    ep->network = xstrdup(network);
    ep->netns = xstrdup(netns);
    ep->ifname = xstrdup(ifname);
    ep->port = xstrdup(port);
    ep->moved_to = nullable_xstrdup(moved_to);
    return true;
}

void
row_of_tunnel(const struct tunnel *t, const char *bridge, struct smap *ids,
              struct smap *options)
{
    smap_add(ids, "weft-bridge", bridge);
    smap_add(ids, "weft-peer", t->peer);
    smap_add_format(ids, "weft-peer-id", "%"PRIu32, t->id);

    struct ds s = DS_EMPTY_INITIALIZER;
    address_format(&t->remote, &s);
    smap_add(options, "remote_ip", ds_cstr(&s));
    if (ipv6_addr_is_set(&t->local)) {
        ds_clear(&s);
        address_format(&t->local, &s);
        smap_add(options, "local_ip", ds_cstr(&s));
    }
    ds_destroy(&s);

    smap_add(options, "key", "flow");
    if (t->dst_port != VXLAN_PORT) {
        smap_add_format(options, "dst_port", "%"PRIu16, t->dst_port);
    }
    /* UDP over IPv6 has a checksum; only tunnels that were told so may leave
     * it out (RFC 6936), and a foreign VTEP may not have been. */
    if (!address_is_v4(&t->remote)) {
        smap_add(options, "csum", "true");
    }
}

/* See docs/architecture.md, decision 31. */
void
row_of_bfd(struct smap *bfd)
{
    enum { FAST_MS = 90, SLOW_MS = 1000 };
    smap_add(bfd, "enable", "true");
    smap_add_format(bfd, "min_rx", "%d", FAST_MS);
    smap_add_format(bfd, "min_tx", "%d", FAST_MS);
    smap_add_format(bfd, "decay_min_rx", "%d", SLOW_MS);
    /* Open vSwitch takes UDP to port 3784 that comes from a tunnel for its
     * own, whoever it is for, unless it is told to look at the VNI: its own
     * has 0, a workload's never. */
    smap_add(bfd, "check_tnl_key", "true");
}

bool
row_to_tunnel(const char *port, const struct smap *ids,
              const struct smap *options, struct tunnel *t)
{
    const char *peer = smap_get(ids, "weft-peer");
    const char *remote = smap_get(options, "remote_ip");
    const char *local = smap_get(options, "local_ip");

    *t = (struct tunnel) {
        .id = smap_get_uint(ids, "weft-peer-id", 0),
        .dst_port = smap_get_uint(options, "dst_port", VXLAN_PORT),
    };
    if (!peer || !t->id || !remote || !address_parse(remote, &t->remote)) {
        return false;
    }
    if (local && !address_parse(local, &t->local)) {
        t->local = in6addr_any;     /* Then it differs from what is said. */
    }
    t->peer = xstrdup(peer);
    t->port = xstrdup(port);
    return true;
}
