/* SPDX-License-Identifier: Apache-2.0 */

/* A message of rtnetlink of any bytes is passed over, or is a link, an address
 * or a route that the rest can be trusted with: what the bridge of the
 * underlay would remember of it reads as the same. */

#include <config.h>
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>
#include "agent/rtnl-parse.h"
#include "agent/underlay-text.h"
#include "openvswitch/util.h"
#include "overlay/address.h"
#include "packets.h"
#include "util.h"

#define CHECK_STRING(S) ovs_assert(memchr(S, '\0', sizeof S))

static void
check_prefix(const struct prefix *p)
{
    ovs_assert(p->len <= (address_is_v4(&p->addr) ? 32 : 128));
}

static void
check_link(const struct rtnl_link *link)
{
    ovs_assert(link->name[0]);
    CHECK_STRING(link->name);
    CHECK_STRING(link->alias);
    CHECK_STRING(link->kind);
}

static void
check_address(const struct rtnl_addr *a)
{
    struct ds s = DS_EMPTY_INITIALIZER;
    struct rtnl_addr b;

    check_prefix(&a->ip);
    CHECK_STRING(a->label);
    underlay_format_address(a, &s);
    ovs_assert(!underlay_parse_address(ds_cstr(&s), &b));
    ovs_assert(ipv6_addr_equals(&a->ip.addr, &b.ip.addr));
    ovs_assert(a->ip.len == b.ip.len && a->scope == b.scope);
    ovs_assert((a->flags & RTNL_ADDR_FLAGS) == b.flags);
    ovs_assert(a->has_peer == b.has_peer && a->metric == b.metric);
    ovs_assert(!a->has_peer || ipv6_addr_equals(&a->peer, &b.peer));
    ovs_assert(a->has_broadcast == b.has_broadcast);
    ovs_assert(a->protocol == b.protocol);
    ovs_assert(a->valid_lft == b.valid_lft);
    ovs_assert(a->preferred_lft == b.preferred_lft);
    ds_destroy(&s);
}

static void
check_route(const struct rtnl_route *r)
{
    struct ds s = DS_EMPTY_INITIALIZER;
    struct rtnl_route q;

    check_prefix(&r->dst);
    CHECK_STRING(r->congctl);
    ovs_assert(r->oif);
    underlay_format_route(r, &s);
    ovs_assert(!underlay_parse_route(ds_cstr(&s), &q));
    ovs_assert(ipv6_addr_equals(&r->dst.addr, &q.dst.addr));
    ovs_assert(r->dst.len == q.dst.len && r->type == q.type);
    ovs_assert(r->protocol == q.protocol && r->scope == q.scope);
    ovs_assert(r->has_gateway == q.has_gateway && r->has_src == q.has_src);
    ovs_assert(ipv6_addr_equals(&r->gateway, &q.gateway));
    ovs_assert(ipv6_addr_equals(&r->src, &q.src));
    ovs_assert(r->metric == q.metric && r->onlink == q.onlink);
    ovs_assert(r->pref == q.pref && r->expires == q.expires);
    ds_destroy(&s);
}

/* The first byte chooses the type; the rest follows the header. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint16_t types[] = {
        RTM_NEWLINK, RTM_DELLINK, RTM_NEWADDR, RTM_DELADDR, RTM_NEWROUTE,
        RTM_DELROUTE, RTM_NEWNEIGH, NLMSG_DONE,
    };
    struct rtnl_link link;
    struct rtnl_addr addr;
    struct rtnl_route route;

    if (!size) {
        return 0;
    }

    /* As mnl_nlmsg_ok() lets them pass: the kernel pads its messages. */
    size_t len = MNL_NLMSG_HDRLEN + size - 1;
    struct nlmsghdr *nlh = xzalloc(MNL_ALIGN(len));
    nlh->nlmsg_len = len;
    nlh->nlmsg_type = types[data[0] % ARRAY_SIZE(types)];
    memcpy(mnl_nlmsg_get_payload(nlh), &data[1], size - 1);
    if (rtnl_parse_link(nlh, &link)) {
        check_link(&link);
    }
    if (rtnl_parse_addr(nlh, &addr)) {
        check_address(&addr);
    }
    if (rtnl_parse_route(nlh, &route)) {
        check_route(&route);
    }
    free(nlh);
    return 0;
}
