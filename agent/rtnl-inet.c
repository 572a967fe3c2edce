/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "agent/rtnl.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include "agent/rtnl-parse.h"
#include "agent/rtnl-socket.h"
#include "packets.h"

static void put_up(struct rtnl *, int ifindex, const char *ifname);
static void put_plain_address(struct rtnl *, int ifindex,
                              const struct prefix *);
static void put_address(struct rtnl *, uint16_t type,
                        const struct rtnl_addr *);
static void set_broadcast(struct rtnl_addr *);
static void put_metrics(struct nlmsghdr *, const struct rtnl_route *);
static void put_gateway(struct nlmsghdr *, const struct rtnl_route *);
static void put_ip(struct nlmsghdr *, uint16_t type, const struct in6_addr *);
static void put_dump(struct rtnl *, uint16_t type, size_t header_size);
static int dump_link_routes(struct rtnl *, int family, int oif,
                            uint8_t protocol, struct ofpbuf *items);
static int ip_family(const struct in6_addr *);
static const void *ip_bytes(const struct in6_addr *, size_t *size);
static void way_reply(const struct nlmsghdr *, void *way);

static int route_change(struct rtnl *, const struct rtnl_route *, uint16_t type,
                        uint16_t flags);

int
rtnl_inside_up(struct rtnl *rtnl, int ifindex, const struct prefix *ips,
               size_t n)
{
    put_up(rtnl, 0, "lo");
    put_up(rtnl, ifindex, NULL);
    for (size_t i = 0; i < n; i++) {
        put_plain_address(rtnl, ifindex, &ips[i]);
    }
    return rtnl_transact(rtnl, NULL, NULL, NULL);
}

int
rtnl_address_add(struct rtnl *rtnl, int ifindex, const struct prefix *ip)
{
    put_plain_address(rtnl, ifindex, ip);
    return rtnl_transact(rtnl, NULL, NULL, NULL);
}

int
rtnl_address_set(struct rtnl *rtnl, const struct rtnl_addr *addr)
{
    struct rtnl_addr plain = *addr;
    plain.flags &= RTNL_ADDR_FLAGS;
    if (ip_family(&addr->ip.addr) == AF_INET6
        && !(plain.flags & IFA_F_NODAD)) {
        /* The flag is forgotten again by the second message, which detects
         * nothing any more. */
        struct rtnl_addr first = plain;
        first.flags |= IFA_F_NODAD;
        put_address(rtnl, RTM_NEWADDR, &first);
    }
    put_address(rtnl, RTM_NEWADDR, &plain);
    return rtnl_transact(rtnl, NULL, NULL, NULL);
}

int
rtnl_address_del(struct rtnl *rtnl, const struct rtnl_addr *addr)
{
    put_address(rtnl, RTM_DELADDR, addr);
    return rtnl_transact(rtnl, NULL, NULL, NULL);
}

int
rtnl_addrs_dump(struct rtnl *rtnl,
                void (*cb)(const struct rtnl_addr *, void *aux), void *aux)
{
    struct ofpbuf items;
    ofpbuf_init(&items, 0);
    put_dump(rtnl, RTM_GETADDR, sizeof(struct ifaddrmsg));
    int error = rtnl_dump(rtnl, sizeof(struct rtnl_addr), rtnl_parse_addr,
                          &items);
    const struct rtnl_addr *addrs = items.data;
    for (size_t i = 0; !error && i < items.size / sizeof *addrs; i++) {
        cb(&addrs[i], aux);
    }
    ofpbuf_uninit(&items);
    return error;
}

int
rtnl_routes_dump(struct rtnl *rtnl,
                 void (*cb)(const struct rtnl_route *, void *aux), void *aux)
{
    struct ofpbuf items;
    ofpbuf_init(&items, 0);
    put_dump(rtnl, RTM_GETROUTE, sizeof(struct rtmsg));
    int error = rtnl_dump(rtnl, sizeof(struct rtnl_route), rtnl_parse_route,
                          &items);
    const struct rtnl_route *routes = items.data;
    for (size_t i = 0; !error && i < items.size / sizeof *routes; i++) {
        cb(&routes[i], aux);
    }
    ofpbuf_uninit(&items);
    return error;
}

int
rtnl_link_routes_dump(struct rtnl *rtnl, int oif, uint8_t protocol,
                      void (*cb)(const struct rtnl_route *, void *aux),
                      void *aux)
{
    struct ofpbuf items;
    ofpbuf_init(&items, 0);
    rtnl_set_strict(rtnl, true);
    int error = dump_link_routes(rtnl, AF_INET, oif, protocol, &items);
    if (!error) {
        error = dump_link_routes(rtnl, AF_INET6, oif, protocol, &items);
    }
    rtnl_set_strict(rtnl, false);
    const struct rtnl_route *routes = items.data;
    for (size_t i = 0; !error && i < items.size / sizeof *routes; i++) {
        if (routes[i].oif == oif && routes[i].protocol == protocol) {
            cb(&routes[i], aux);
        }
    }
    ofpbuf_uninit(&items);
    return error;
}

int
rtnl_route_add(struct rtnl *rtnl, const struct rtnl_route *route)
{
    return route_change(rtnl, route, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL);
}

int
rtnl_route_append(struct rtnl *rtnl, const struct rtnl_route *route)
{
    return route_change(rtnl, route, RTM_NEWROUTE,
                        NLM_F_CREATE | NLM_F_APPEND);
}

int
rtnl_route_del(struct rtnl *rtnl, const struct rtnl_route *route)
{
    return route_change(rtnl, route, RTM_DELROUTE, 0);
}

static int
route_change(struct rtnl *rtnl, const struct rtnl_route *route, uint16_t type,
             uint16_t flags)
{
    struct nlmsghdr *nlh = rtnl_put(rtnl, type, flags);
    struct rtmsg *rtm = mnl_nlmsg_put_extra_header(nlh, sizeof *rtm);
    rtm->rtm_family = ip_family(&route->dst.addr);
    rtm->rtm_dst_len = route->dst.len;
    rtm->rtm_table = RT_TABLE_MAIN;
    rtm->rtm_protocol = route->protocol;
    rtm->rtm_scope = route->scope;
    rtm->rtm_type = route->type ? route->type : RTN_UNICAST;
    rtm->rtm_flags = route->onlink ? RTNH_F_ONLINK : 0;

    if (route->dst.len) {
        put_ip(nlh, RTA_DST, &route->dst.addr);
    }
    if (route->has_gateway) {
        put_gateway(nlh, route);
    }
    if (route->has_src) {
        put_ip(nlh, RTA_PREFSRC, &route->src);
    }
    mnl_attr_put_u32(nlh, RTA_OIF, route->oif);
    if (route->metric) {
        mnl_attr_put_u32(nlh, RTA_PRIORITY, route->metric);
    }
    if (type == RTM_NEWROUTE) {
        put_metrics(nlh, route);
    }
    return rtnl_transact(rtnl, NULL, NULL, NULL);
}

/* What a route lookup says. */
struct way {
    int oif;
    struct in6_addr hop;
};

int
rtnl_route_get(struct rtnl *rtnl, const struct in6_addr *dst, int *oif,
               struct in6_addr *hop)
{
    struct way way = { .hop = *dst };

    struct nlmsghdr *nlh = rtnl_put(rtnl, RTM_GETROUTE, 0);
    struct rtmsg *rtm = mnl_nlmsg_put_extra_header(nlh, sizeof *rtm);
    size_t size;
    (void) ip_bytes(dst, &size);    /* Only how many there are. */
    rtm->rtm_family = ip_family(dst);
    rtm->rtm_dst_len = 8 * size;
    put_ip(nlh, RTA_DST, dst);
    int error = rtnl_transact(rtnl, NULL, way_reply, &way);
    *oif = way.oif;
    if (hop) {
        *hop = way.hop;
    }
    return error ? error : *oif ? 0 : -ENETUNREACH;
}

static void
put_up(struct rtnl *rtnl, int ifindex, const char *ifname)
{
    struct nlmsghdr *nlh = rtnl_put(rtnl, RTM_SETLINK, 0);
    struct ifinfomsg *ifi = mnl_nlmsg_put_extra_header(nlh, sizeof *ifi);
    ifi->ifi_family = AF_UNSPEC;
    ifi->ifi_flags = IFF_UP;
    ifi->ifi_change = IFF_UP;
    ifi->ifi_index = ifindex;
    if (ifname) {
        mnl_attr_put_strz(nlh, IFLA_IFNAME, ifname);
    }
}

/* One that is there for ever, with nothing special about it. */
static void
put_plain_address(struct rtnl *rtnl, int ifindex, const struct prefix *ip)
{
    struct rtnl_addr addr = {
        .ifindex = ifindex,
        .ip = *ip,
        .scope = RT_SCOPE_UNIVERSE,
        .flags = ip_family(&ip->addr) == AF_INET6 ? IFA_F_NODAD : 0,
        .valid_lft = UINT32_MAX,
        .preferred_lft = UINT32_MAX,
    };
    set_broadcast(&addr);
    put_address(rtnl, RTM_NEWADDR, &addr);
}

static void
put_address(struct rtnl *rtnl, uint16_t type, const struct rtnl_addr *addr)
{
    uint16_t how = type == RTM_NEWADDR ? NLM_F_CREATE | NLM_F_REPLACE : 0;
    struct nlmsghdr *nlh = rtnl_put(rtnl, type, how);
    struct ifaddrmsg *ifa = mnl_nlmsg_put_extra_header(nlh, sizeof *ifa);
    ifa->ifa_family = ip_family(&addr->ip.addr);
    ifa->ifa_prefixlen = addr->ip.len;
    ifa->ifa_index = addr->ifindex;
    ifa->ifa_scope = addr->scope;
    put_ip(nlh, IFA_LOCAL, &addr->ip.addr);
    put_ip(nlh, IFA_ADDRESS, addr->has_peer ? &addr->peer : &addr->ip.addr);
    if (type == RTM_DELADDR) {
        return;
    }

    mnl_attr_put_u32(nlh, IFA_FLAGS, addr->flags);
    if (addr->has_broadcast) {
        put_ip(nlh, IFA_BROADCAST, &addr->broadcast);
    }
    if (addr->label[0]) {
        mnl_attr_put_strz(nlh, IFA_LABEL, addr->label);
    }
    if (addr->metric) {
        mnl_attr_put_u32(nlh, IFA_RT_PRIORITY, addr->metric);
    }
    if (addr->protocol) {
        mnl_attr_put_u8(nlh, IFA_PROTO, addr->protocol);
    }
    struct ifa_cacheinfo lifetimes = {
        .ifa_prefered = addr->preferred_lft,
        .ifa_valid = addr->valid_lft,
    };
    mnl_attr_put(nlh, IFA_CACHEINFO, sizeof lifetimes, &lifetimes);
}

/* The kernel routes to the broadcast address unasked, but shows it to those
 * who look for one (SIOCGIFBRDADDR) only if it was told. */
static void
set_broadcast(struct rtnl_addr *addr)
{
    int len = addr->ip.len;
    if (ip_family(&addr->ip.addr) == AF_INET && len > 0 && len < 31) {
        ovs_be32 ip = in6_addr_get_mapped_ipv4(&addr->ip.addr);
        in6_addr_set_mapped_ipv4(&addr->broadcast,
                                 ip | ~be32_prefix_mask(len));
        addr->has_broadcast = true;
    }
}

/* What a route has besides where it leads. */
static void
put_metrics(struct nlmsghdr *nlh, const struct rtnl_route *route)
{
    if (route->pref) {
        mnl_attr_put_u8(nlh, RTA_PREF, route->pref);
    }
    if (route->expires) {
        mnl_attr_put_u32(nlh, RTA_EXPIRES, route->expires);
    }
    struct nlattr *nest = mnl_attr_nest_start(nlh, RTA_METRICS);
    uint32_t empty = nlh->nlmsg_len;
    for (int i = 1; i <= RTAX_MAX; i++) {
        if (route->metrics[i]) {
            mnl_attr_put_u32(nlh, i, route->metrics[i]);
        }
    }
    if (route->congctl[0]) {
        mnl_attr_put_strz(nlh, RTAX_CC_ALGO, route->congctl);
    }
    if (nlh->nlmsg_len > empty) {
        mnl_attr_nest_end(nlh, nest);
    } else {
        mnl_attr_nest_cancel(nlh, nest);
    }
}

/* RTA_GATEWAY, or RTA_VIA if the gateway is of the other family. */
static void
put_gateway(struct nlmsghdr *nlh, const struct rtnl_route *route)
{
    int family = ip_family(&route->gateway);
    if (family == ip_family(&route->dst.addr)) {
        put_ip(nlh, RTA_GATEWAY, &route->gateway);
        return;
    }

    struct {
        uint16_t family;            /* As in struct rtvia. */
        uint8_t addr[sizeof(struct in6_addr)];
    } via = { .family = family };
    size_t size;
    const void *bytes = ip_bytes(&route->gateway, &size);
    memcpy(via.addr, bytes, size);
    mnl_attr_put(nlh, RTA_VIA, sizeof via.family + size, &via);
}

static void
put_ip(struct nlmsghdr *nlh, uint16_t type, const struct in6_addr *ip)
{
    size_t size;
    const void *bytes = ip_bytes(ip, &size);
    mnl_attr_put(nlh, type, size, bytes);
}

/* A dump of both families. */
static void
put_dump(struct rtnl *rtnl, uint16_t type, size_t header_size)
{
    /* All such headers begin with the family; zero is AF_UNSPEC. */
    struct nlmsghdr *nlh = rtnl_put(rtnl, type, NLM_F_DUMP);
    mnl_nlmsg_put_extra_header(nlh, header_size);
}

/* An old kernel takes no notice of what is asked for, and tells of all. */
static int
dump_link_routes(struct rtnl *rtnl, int family, int oif, uint8_t protocol,
                 struct ofpbuf *items)
{
    struct nlmsghdr *nlh = rtnl_put(rtnl, RTM_GETROUTE, NLM_F_DUMP);
    struct rtmsg *rtm = mnl_nlmsg_put_extra_header(nlh, sizeof *rtm);
    rtm->rtm_family = family;
    rtm->rtm_protocol = protocol;
    mnl_attr_put_u32(nlh, RTA_OIF, oif);
    return rtnl_dump(rtnl, sizeof(struct rtnl_route), rtnl_parse_route,
                     items);
}

static int
ip_family(const struct in6_addr *ip)
{
    return IN6_IS_ADDR_V4MAPPED(ip) ? AF_INET : AF_INET6;
}

/* The bytes of 'ip' as the kernel takes them: the last four of a v4-mapped
 * one. */
static const void *
ip_bytes(const struct in6_addr *ip, size_t *size)
{
    *size = IN6_IS_ADDR_V4MAPPED(ip) ? 4 : sizeof *ip;
    return &ip->s6_addr[sizeof *ip - *size];
}

static void
way_reply(const struct nlmsghdr *nlh, void *way_)
{
    struct way *way = way_;
    const struct rtmsg *rtm = mnl_nlmsg_get_payload(nlh);
    if (nlh->nlmsg_type != RTM_NEWROUTE
        || mnl_nlmsg_get_payload_len(nlh) < sizeof *rtm
        || rtm->rtm_type == RTN_BLACKHOLE || rtm->rtm_type == RTN_UNREACHABLE
        || rtm->rtm_type == RTN_PROHIBIT || rtm->rtm_type == RTN_THROW) {
        return;
    }

    const struct nlattr *attr;
    mnl_attr_for_each (attr, nlh, sizeof *rtm) {
        if (mnl_attr_get_type(attr) == RTA_OIF) {
            way->oif = rtnl_parse_u32(attr);
        } else if (mnl_attr_get_type(attr) == RTA_VIA
                   || (mnl_attr_get_type(attr) == RTA_GATEWAY
                       && !rtnl_parse_ip(attr, rtm->rtm_family, &way->hop))) {
            way->hop = in6addr_any;
        }
    }
}
