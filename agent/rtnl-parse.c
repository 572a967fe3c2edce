/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "agent/rtnl-parse.h"

#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include "packets.h"
#include "unaligned.h"
#include "util.h"

static void parse_linkinfo(const struct nlattr *, struct rtnl_link *);
static void parse_lifetimes(const struct nlattr *, struct rtnl_addr *);
static bool parse_gateway(const struct nlattr *, struct rtnl_route *);
static void parse_metrics(const struct nlattr *, struct rtnl_route *);
static void parse_expires(const struct nlattr *, struct rtnl_route *);
static uint8_t parse_u8(const struct nlattr *);
static void parse_string(const struct nlattr *, char *, size_t size);
static bool is_prefix(const struct prefix *, int family);
static bool parse_in6(const void *, size_t size, int family,
                      struct in6_addr *);

bool
rtnl_parse_link(const struct nlmsghdr *nlh, void *item)
{
    struct rtnl_link *link = item;
    const struct ifinfomsg *ifi = mnl_nlmsg_get_payload(nlh);

    /* AF_BRIDGE tells of a bridge's ports in the same messages: there
     * RTM_DELLINK is a port that leaves, not a link that dies. */
    if ((nlh->nlmsg_type != RTM_NEWLINK && nlh->nlmsg_type != RTM_DELLINK)
        || mnl_nlmsg_get_payload_len(nlh) < sizeof *ifi
        || ifi->ifi_family != AF_UNSPEC) {
        return false;
    }

    memset(link, 0, sizeof *link);
    link->ifindex = ifi->ifi_index;
    link->flags = ifi->ifi_flags;
    link->peer_nsid = -1;

    const struct nlattr *attr;
    mnl_attr_for_each (attr, nlh, sizeof *ifi) {
        uint16_t type = mnl_attr_get_type(attr);
        if (type == IFLA_IFNAME) {
            parse_string(attr, link->name, sizeof link->name);
        } else if (type == IFLA_IFALIAS) {
            parse_string(attr, link->alias, sizeof link->alias);
        } else if (type == IFLA_LINKINFO) {
            parse_linkinfo(attr, link);
        } else if (type == IFLA_ADDRESS
                   && mnl_attr_get_payload_len(attr) == sizeof link->mac) {
            memcpy(&link->mac, mnl_attr_get_payload(attr), sizeof link->mac);
        } else if (type == IFLA_MTU) {
            link->mtu = rtnl_parse_u32(attr);
        } else if (type == IFLA_GROUP) {
            link->group = rtnl_parse_u32(attr);
        } else if (type == IFLA_LINK) {
            link->peer_ifindex = rtnl_parse_u32(attr);
        } else if (type == IFLA_LINK_NETNSID) {
            link->peer_nsid = rtnl_parse_u32(attr);
        } else if (type == IFLA_WIRELESS) {
            return false;           /* A scan's result, not the link. */
        }
    }
    return link->name[0] != '\0';
}

bool
rtnl_parse_addr(const struct nlmsghdr *nlh, void *item)
{
    struct rtnl_addr *addr = item;
    const struct ifaddrmsg *ifa = mnl_nlmsg_get_payload(nlh);
    if ((nlh->nlmsg_type != RTM_NEWADDR && nlh->nlmsg_type != RTM_DELADDR)
        || mnl_nlmsg_get_payload_len(nlh) < sizeof *ifa
        || (ifa->ifa_family != AF_INET && ifa->ifa_family != AF_INET6)) {
        return false;
    }

    memset(addr, 0, sizeof *addr);
    addr->ifindex = ifa->ifa_index;
    addr->ip.len = ifa->ifa_prefixlen;
    addr->scope = ifa->ifa_scope;
    addr->flags = ifa->ifa_flags;
    addr->valid_lft = addr->preferred_lft = UINT32_MAX;

    /* IFA_ADDRESS is the other end's if there is one; IFA_LOCAL is always
     * ours, and left out for IPv6 without another end. */
    bool has_local = false, has_address = false;
    const struct nlattr *attr;
    mnl_attr_for_each (attr, nlh, sizeof *ifa) {
        uint16_t type = mnl_attr_get_type(attr);
        if (type == IFA_LOCAL) {
            has_local = rtnl_parse_ip(attr, ifa->ifa_family, &addr->ip.addr);
        } else if (type == IFA_ADDRESS) {
            has_address = rtnl_parse_ip(attr, ifa->ifa_family, &addr->peer);
        } else if (type == IFA_BROADCAST) {
            addr->has_broadcast = rtnl_parse_ip(attr, ifa->ifa_family,
                                           &addr->broadcast);
        } else if (type == IFA_LABEL) {
            parse_string(attr, addr->label, sizeof addr->label);
        } else if (type == IFA_FLAGS) {
            addr->flags = rtnl_parse_u32(attr);
        } else if (type == IFA_RT_PRIORITY) {
            addr->metric = rtnl_parse_u32(attr);
        } else if (type == IFA_PROTO) {
            addr->protocol = parse_u8(attr);
        } else if (type == IFA_CACHEINFO) {
            parse_lifetimes(attr, addr);
        }
    }
    if (!has_local) {
        addr->ip.addr = addr->peer;
    }
    if (!is_prefix(&addr->ip, ifa->ifa_family)) {
        return false;
    }
    addr->has_peer = (has_local && has_address
                      && !ipv6_addr_equals(&addr->ip.addr, &addr->peer));
    return has_local || has_address;
}

bool
rtnl_parse_route(const struct nlmsghdr *nlh, void *item)
{
    struct rtnl_route *route = item;
    const struct rtmsg *rtm = mnl_nlmsg_get_payload(nlh);
    if ((nlh->nlmsg_type != RTM_NEWROUTE && nlh->nlmsg_type != RTM_DELROUTE)
        || mnl_nlmsg_get_payload_len(nlh) < sizeof *rtm
        || (rtm->rtm_family != AF_INET && rtm->rtm_family != AF_INET6)
        || rtm->rtm_type == RTN_UNSPEC || rtm->rtm_type > RTN_MULTICAST
        || rtm->rtm_flags & RTM_F_CLONED
        || rtm->rtm_src_len || rtm->rtm_tos) {
        return false;
    }

    memset(route, 0, sizeof *route);
    route->dst.len = rtm->rtm_dst_len;
    if (rtm->rtm_family == AF_INET) {
        in6_addr_set_mapped_ipv4(&route->dst.addr, 0);
    }
    route->onlink = (rtm->rtm_flags & RTNH_F_ONLINK) != 0;
    route->type = rtm->rtm_type;
    route->protocol = rtm->rtm_protocol;
    route->scope = rtm->rtm_scope;

    uint32_t table = rtm->rtm_table;
    bool ok = true;
    const struct nlattr *attr;
    mnl_attr_for_each (attr, nlh, sizeof *rtm) {
        uint16_t type = mnl_attr_get_type(attr);
        if (type == RTA_DST) {
            ok &= rtnl_parse_ip(attr, rtm->rtm_family, &route->dst.addr);
        } else if (type == RTA_GATEWAY) {
            ok &= rtnl_parse_ip(attr, rtm->rtm_family, &route->gateway);
            route->has_gateway = true;
        } else if (type == RTA_VIA) {
            ok &= parse_gateway(attr, route);
        } else if (type == RTA_PREFSRC) {
            ok &= rtnl_parse_ip(attr, rtm->rtm_family, &route->src);
            route->has_src = true;
        } else if (type == RTA_OIF) {
            route->oif = rtnl_parse_u32(attr);
        } else if (type == RTA_PRIORITY) {
            route->metric = rtnl_parse_u32(attr);
        } else if (type == RTA_METRICS) {
            parse_metrics(attr, route);
        } else if (type == RTA_PREF) {
            route->pref = parse_u8(attr);
        } else if (type == RTA_CACHEINFO) {
            parse_expires(attr, route);
        } else if (type == RTA_ENCAP) {
            ok = false;
        } else if (type == RTA_TABLE) {
            table = rtnl_parse_u32(attr);
        }
    }
    return (ok && is_prefix(&route->dst, rtm->rtm_family)
            && table == RT_TABLE_MAIN && route->oif);
}

uint32_t
rtnl_parse_u32(const struct nlattr *attr)
{
    return (mnl_attr_get_payload_len(attr) >= sizeof(uint32_t)
            ? mnl_attr_get_u32(attr) : 0);
}

static void
parse_linkinfo(const struct nlattr *linkinfo, struct rtnl_link *link)
{
    const struct nlattr *attr;
    mnl_attr_for_each_nested (attr, linkinfo) {
        if (mnl_attr_get_type(attr) == IFLA_INFO_KIND) {
            parse_string(attr, link->kind, sizeof link->kind);
        }
    }
}

static uint8_t
parse_u8(const struct nlattr *attr)
{
    return mnl_attr_get_payload_len(attr) ? mnl_attr_get_u8(attr) : 0;
}

static void
parse_lifetimes(const struct nlattr *attr, struct rtnl_addr *addr)
{
    const struct ifa_cacheinfo *info = mnl_attr_get_payload(attr);
    if (mnl_attr_get_payload_len(attr) >= sizeof *info) {
        /* Less than a whole second is one: the kernel takes no 0. */
        addr->valid_lft = MAX(info->ifa_valid, 1);
        addr->preferred_lft = info->ifa_prefered;
    }
}

static void
parse_metrics(const struct nlattr *metrics, struct rtnl_route *route)
{
    const struct nlattr *attr;
    mnl_attr_for_each_nested (attr, metrics) {
        uint16_t type = mnl_attr_get_type(attr);
        if (type == RTAX_CC_ALGO) {
            parse_string(attr, route->congctl, sizeof route->congctl);
        } else if (type <= RTAX_MAX) {
            route->metrics[type] = rtnl_parse_u32(attr);
        }
    }
}

/* In hundredths of a second (USER_HZ) for every reader; less than a whole one
 * is one, because 0 is never. */
static void
parse_expires(const struct nlattr *attr, struct rtnl_route *route)
{
    const struct rta_cacheinfo *info = mnl_attr_get_payload(attr);
    if (mnl_attr_get_payload_len(attr) >= sizeof *info
        && info->rta_expires > 0) {
        route->expires = MAX(info->rta_expires / 100, 1);
    }
}

/* RTA_VIA: a gateway of the other family (RFC 8950: IPv4 by way of IPv6). */
static bool
parse_gateway(const struct nlattr *attr, struct rtnl_route *route)
{
    const struct rtvia *via = mnl_attr_get_payload(attr);
    size_t len = mnl_attr_get_payload_len(attr);
    route->has_gateway = true;
    return (len > sizeof *via
            && parse_in6(via->rtvia_addr, len - sizeof *via,
                         via->rtvia_family, &route->gateway));
}

/* Copies the string of 'attr', cut short to 'size' - 1 bytes. */
static void
parse_string(const struct nlattr *attr, char *dst, size_t size)
{
    size_t len = MIN(mnl_attr_get_payload_len(attr), size - 1);
    memcpy(dst, mnl_attr_get_payload(attr), len);
    dst[len] = '\0';
}

/* Not one that is longer than its address, nor an IPv6 address that stands for
 * one of IPv4, which would be taken for that. */
static bool
is_prefix(const struct prefix *p, int family)
{
    bool v4 = IN6_IS_ADDR_V4MAPPED(&p->addr);
    return v4 == (family == AF_INET) && p->len <= (v4 ? 32 : 128);
}

static bool
parse_in6(const void *data, size_t size, int family, struct in6_addr *ip)
{
    if (family == AF_INET && size == sizeof(ovs_be32)) {
        in6_addr_set_mapped_ipv4(ip, get_unaligned_be32(data));
        return true;
    } else if (family == AF_INET6 && size == sizeof *ip) {
        memcpy(ip, data, sizeof *ip);
        return true;
    }
    return false;
}

bool
rtnl_parse_ip(const struct nlattr *attr, int family, struct in6_addr *ip)
{
    return parse_in6(mnl_attr_get_payload(attr),
                     mnl_attr_get_payload_len(attr), family, ip);
}
