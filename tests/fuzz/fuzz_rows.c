/* SPDX-License-Identifier: Apache-2.0 */

/* The columns of an Interface row, whatever somebody wrote there, are not an
 * endpoint's or a tunnel's, or are written and read again the same.
 *
 * Lines "KEY=VALUE" are external_ids, those that begin with a blank are
 * options. */

#include <config.h>
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>
#include "openvswitch/util.h"
#include "ovsdb/rows.h"
#include "packets.h"
#include "rowtext.h"

static void
check_endpoint(const struct smap *ids)
{
    struct endpoint ep, again;

    if (!row_to_endpoint("wf-web1", ids, &ep)) {
        return;
    }
    ovs_assert(name_is_valid(ep.name) && !strcmp(ep.port, "wf-web1"));
    ovs_assert(ep.network && ep.netns && ep.ifname);
    ovs_assert(ep.n_ips <= ENDPOINT_IPS_MAX);
    ovs_assert(ep.n_publishes <= PUBLISHES_MAX);
    ovs_assert(!ep.moved_to || name_is_valid(ep.moved_to));
    for (size_t i = 0; i < ep.n_ips; i++) {
        ovs_assert(ep.ips[i].len <= 128);
    }

    struct smap row = SMAP_INITIALIZER(&row);
    row_of_endpoint(&ep, "br-weft", &row);
    ovs_assert(row_to_endpoint("wf-web1", &row, &again));
    ovs_assert(endpoint_equal(&ep, &again));
    smap_destroy(&row);
    endpoint_finish(&ep);
    endpoint_finish(&again);
}

static void
check_tunnel(const struct smap *ids, const struct smap *options)
{
    struct tunnel t, again;

    if (!row_to_tunnel("vx-hostb", ids, options, &t)) {
        return;
    }
    ovs_assert(t.id && t.peer && !strcmp(t.port, "vx-hostb"));

    struct smap row_ids = SMAP_INITIALIZER(&row_ids);
    struct smap row_options = SMAP_INITIALIZER(&row_options);
    row_of_tunnel(&t, "br-weft", &row_ids, &row_options);
    ovs_assert(row_to_tunnel("vx-hostb", &row_ids, &row_options, &again));
    ovs_assert(t.id == again.id && !strcmp(t.peer, again.peer));
    ovs_assert(ipv6_addr_equals(&t.remote, &again.remote));
    ovs_assert(ipv6_addr_equals(&t.local, &again.local));
    ovs_assert(t.dst_port == again.dst_port);
    smap_destroy(&row_ids);
    smap_destroy(&row_options);
    tunnel_finish(&t);
    tunnel_finish(&again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct smap ids = SMAP_INITIALIZER(&ids);
    struct smap options = SMAP_INITIALIZER(&options);

    rowtext_parse(data, size, &ids, &options);
    check_endpoint(&ids);
    check_tunnel(&ids, &options);
    smap_destroy(&ids);
    smap_destroy(&options);
    return 0;
}
