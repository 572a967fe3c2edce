/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "agent/rtnl.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/net_namespace.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <linux/veth.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "agent/netns.h"
#include "agent/rtnl-parse.h"
#include "agent/rtnl-socket.h"
#include "util.h"

/* Of a host's end.  Without ARP, because the host's stack has nothing to
 * say there.  Promiscuous, as vswitchd makes it anyway: then it finds it so,
 * and does not go through all its ports once more for the change. */
#define VETH_FLAGS (IFF_UP | IFF_NOARP | IFF_PROMISC)

enum {
    ALIAS_MAX = 255,                /* IFALIASZ - 1 of <linux/if.h>, which
                                     * cannot meet <net/if.h>. */
    GROUP_BATCH = 128,              /* Errors of that many messages fit into
                                     * the socket's buffer. */
};

static int ethtool(struct rtnl *, const char *ifname, struct ethtool_value *);
static int ethtool_get(struct rtnl *, const char *ifname, uint32_t cmd,
                       uint32_t *);
static int ethtool_set(struct rtnl *, const char *ifname, uint32_t cmd,
                       uint32_t);
static bool ifname_fits(const char *);
static struct nlmsghdr *put_link(struct rtnl *, uint16_t type, uint16_t flags,
                                 int ifindex);
static struct nlmsghdr *put_link_flags(struct rtnl *, int ifindex,
                                       unsigned int flags,
                                       unsigned int change);
static void put_link_get(struct rtnl *, int ifindex, const char *name);
static void put_veth(struct rtnl *, const struct rtnl_veth *);
static void put_veth_end(struct nlmsghdr *, const char *name, int mtu);
static int veth_add(struct rtnl *, const struct rtnl_veth *, int *ifindex,
                    int *peer_ifindex, bool *peer_exists);
static int host_up(struct rtnl *, int ifindex, const char *alias, bool born);
static int link_get(struct rtnl *, struct rtnl_link *);
static void link_reply(const struct nlmsghdr *, void *link);
static void nsid_reply(const struct nlmsghdr *, void *nsid);
static int group_set(struct rtnl *, const int ifindexes[], size_t n,
                     uint32_t group);

/* Both ends are born down.  A veth's peer cannot be born up: it is registered
 * before the kernel has tied the two together (-ENOTCONN), and only a socket
 * in its namespace reaches it afterwards.  The host's end has no alias and no
 * mode of address generation at birth: the kernel passes over the one and
 * refuses the other.  It gets them by its index in a second sendmsg(); by its
 * name in the first one they would go to a link of somebody else's that has
 * the name already.  A crash between the two leaves one that only its group
 * tells from others'. */
int
rtnl_veth_add(struct rtnl *rtnl, const struct rtnl_veth *veth, int *ifindex,
              int *peer_ifindex, bool *peer_exists)
{
    int error = veth_add(rtnl, veth, ifindex, peer_ifindex, peer_exists);
    struct rtnl_link link;
    if (error == -EEXIST && veth->group
        && !rtnl_link_get(rtnl, veth->name, &link)
        && link.group == veth->group && !link.alias[0]) {
        (void) rtnl_link_del(rtnl, link.ifindex);   /* Or the next fails. */
        error = veth_add(rtnl, veth, ifindex, peer_ifindex, peer_exists);
    }
    return error;
}

static int
veth_add(struct rtnl *rtnl, const struct rtnl_veth *veth, int *ifindex,
         int *peer_ifindex, bool *peer_exists)
{
    *ifindex = *peer_ifindex = 0;
    *peer_exists = false;
    if (!ifname_fits(veth->name) || !ifname_fits(veth->peer_name)
        || strlen(veth->alias) > ALIAS_MAX) {
        return -EINVAL;
    }

    /* What then has the name is either the new link or what was in its way. */
    struct rtnl_link link = { .ifindex = 0 };
    int errors[2];
    put_veth(rtnl, veth);
    put_link_get(rtnl, 0, veth->name);
    (void) rtnl_transact(rtnl, errors, link_reply, &link); /* See 'errors'. */
    if (errors[0]) {
        *peer_exists = errors[0] == -EEXIST && errors[1] == -ENODEV;
        return errors[0];
    } else if (errors[1] || !link.ifindex) {
        return errors[1] ? errors[1] : -ENODEV;
    }

    /* The host's end before the peer's: then that one has a carrier, and sends
     * and answers, from the moment it is up. */
    int error = host_up(rtnl, link.ifindex, veth->alias, veth->group != 0);
    if (error) {
        /* The first error tells more than that of the way back. */
        (void) rtnl_link_del(rtnl, link.ifindex);
        return error;
    }
    *peer_ifindex = link.peer_ifindex;
    *ifindex = link.ifindex;
    return 0;
}

int
rtnl_link_get(struct rtnl *rtnl, const char *name, struct rtnl_link *link)
{
    if (!name[0] || strlen(name) >= IFNAMSIZ) {
        return -ENODEV;
    }
    put_link_get(rtnl, 0, name);
    return link_get(rtnl, link);
}

int
rtnl_link_get_index(struct rtnl *rtnl, int ifindex, struct rtnl_link *link)
{
    if (ifindex <= 0) {
        return -ENODEV;
    }
    put_link_get(rtnl, ifindex, NULL);
    return link_get(rtnl, link);
}

int
rtnl_link_del(struct rtnl *rtnl, int ifindex)
{
    if (ifindex <= 0) {
        return -ENODEV;
    }
    put_link(rtnl, RTM_DELLINK, 0, ifindex);
    return rtnl_transact(rtnl, NULL, NULL, NULL);
}

int
rtnl_link_up(struct rtnl *rtnl, int ifindex, bool up)
{
    if (ifindex <= 0) {
        return -ENODEV;
    }
    put_link_flags(rtnl, ifindex, up ? IFF_UP : 0, IFF_UP);
    return rtnl_transact(rtnl, NULL, NULL, NULL);
}

int
rtnl_veth_up(struct rtnl *rtnl, int ifindex)
{
    if (ifindex <= 0) {
        return -ENODEV;
    }
    put_link_flags(rtnl, ifindex, VETH_FLAGS, VETH_FLAGS);
    return rtnl_transact(rtnl, NULL, NULL, NULL);
}

int
rtnl_host_up(struct rtnl *rtnl, int ifindex, const char *alias)
{
    return host_up(rtnl, ifindex, alias, false);
}

/* 'born': it leaves the group that it was made in. */
static int
host_up(struct rtnl *rtnl, int ifindex, const char *alias, bool born)
{
    if (ifindex <= 0 || strlen(alias) > ALIAS_MAX) {
        return -EINVAL;
    }
    /* First, because within one message the kernel would set the link up and
     * give it its address before it came to this. */
    struct nlmsghdr *nlh = put_link(rtnl, RTM_SETLINK, 0, ifindex);
    struct nlattr *spec = mnl_attr_nest_start(nlh, IFLA_AF_SPEC);
    struct nlattr *inet6 = mnl_attr_nest_start(nlh, AF_INET6);
    mnl_attr_put_u8(nlh, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
    mnl_attr_nest_end(nlh, inet6);
    mnl_attr_nest_end(nlh, spec);

    nlh = put_link_flags(rtnl, ifindex, VETH_FLAGS, VETH_FLAGS);
    if (alias[0]) {
        mnl_attr_put_strz(nlh, IFLA_IFALIAS, alias);
    }
    if (born) {
        mnl_attr_put_u32(nlh, IFLA_GROUP, 0);
    }

    /* A kernel without IPv6 has no such address either. */
    int errors[2];
    (void) rtnl_transact(rtnl, errors, NULL, NULL); /* See 'errors'. */
    return (errors[0] && errors[0] != -EAFNOSUPPORT
            ? errors[0] : errors[1]);
}

int
rtnl_link_set_mac(struct rtnl *rtnl, int ifindex, struct eth_addr mac)
{
    if (ifindex <= 0) {
        return -ENODEV;
    }
    struct nlmsghdr *nlh = put_link(rtnl, RTM_SETLINK, 0, ifindex);
    mnl_attr_put(nlh, IFLA_ADDRESS, sizeof mac, &mac);
    return rtnl_transact(rtnl, NULL, NULL, NULL);
}

int
rtnl_link_set_mtu(struct rtnl *rtnl, int ifindex, int mtu)
{
    if (ifindex <= 0) {
        return -ENODEV;
    }
    struct nlmsghdr *nlh = put_link(rtnl, RTM_SETLINK, 0, ifindex);
    mnl_attr_put_u32(nlh, IFLA_MTU, mtu);
    return rtnl_transact(rtnl, NULL, NULL, NULL);
}

int
rtnl_links_del(struct rtnl *rtnl, const int ifindexes[], size_t n,
               uint32_t group)
{
    if (!group) {
        return -EINVAL;             /* The one that all others are in. */
    } else if (!n) {
        return 0;
    }

    int first = 0;
    for (size_t i = 0; i < n; i += GROUP_BATCH) {
        int error = group_set(rtnl, &ifindexes[i], MIN(n - i, GROUP_BATCH),
                              group);
        first = first ? first : error;
    }

    struct nlmsghdr *nlh = put_link(rtnl, RTM_DELLINK, 0, 0);
    mnl_attr_put_u32(nlh, IFLA_GROUP, group);
    int error = rtnl_transact(rtnl, NULL, NULL, NULL);
    if (error == -ENODEV) {
        error = 0;                  /* An empty group: all were gone. */
    }
    return first ? first : error;
}

int
rtnl_nsid(struct rtnl *rtnl, int netns, int *nsid)
{
    *nsid = NETNSA_NSID_NOT_ASSIGNED;

    struct nlmsghdr *nlh = rtnl_put(rtnl, RTM_GETNSID, 0);
    struct rtgenmsg *gen = mnl_nlmsg_put_extra_header(nlh, sizeof *gen);
    gen->rtgen_family = AF_UNSPEC;
    mnl_attr_put_u32(nlh, NETNSA_FD, netns);
    return rtnl_transact(rtnl, NULL, nsid_reply, nsid);
}

int
rtnl_links_dump(struct rtnl *rtnl,
                void (*cb)(const struct rtnl_link *, void *aux), void *aux)
{
    struct nlmsghdr *nlh = put_link(rtnl, RTM_GETLINK, NLM_F_DUMP, 0);
    mnl_attr_put_u32(nlh, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);

    struct ofpbuf items;
    ofpbuf_init(&items, 0);
    int error = rtnl_dump(rtnl, sizeof(struct rtnl_link), rtnl_parse_link,
                          &items);
    const struct rtnl_link *links = items.data;
    for (size_t i = 0; !error && i < items.size / sizeof *links; i++) {
        cb(&links[i], aux);
    }
    ofpbuf_uninit(&items);
    return error;
}

int
rtnl_tx_checksum(struct rtnl *rtnl, const char *ifname, bool on)
{
    return ethtool_set(rtnl, ifname, ETHTOOL_STXCSUM, on);
}

int
rtnl_rx_merging_get(struct rtnl *rtnl, const char *ifname, unsigned int *on)
{
    uint32_t gro, flags;
    int error = ethtool_get(rtnl, ifname, ETHTOOL_GGRO, &gro);
    error = error ? error : ethtool_get(rtnl, ifname, ETHTOOL_GFLAGS, &flags);
    *on = (error ? 0
           : (gro ? RTNL_GRO : 0) | (flags & ETH_FLAG_LRO ? RTNL_LRO : 0));
    return error;
}

int
rtnl_rx_merging_set(struct rtnl *rtnl, const char *ifname, unsigned int on)
{
    uint32_t flags;
    int error = ethtool_set(rtnl, ifname, ETHTOOL_SGRO, !!(on & RTNL_GRO));
    error = error ? error : ethtool_get(rtnl, ifname, ETHTOOL_GFLAGS, &flags);
    if (!error && !(flags & ETH_FLAG_LRO) != !(on & RTNL_LRO)) {
        error = ethtool_set(rtnl, ifname, ETHTOOL_SFLAGS,
                            flags ^ ETH_FLAG_LRO);
    }
    return error;
}

static int
ethtool_get(struct rtnl *rtnl, const char *ifname, uint32_t cmd,
            uint32_t *data)
{
    struct ethtool_value value = { .cmd = cmd };
    int error = ethtool(rtnl, ifname, &value);
    *data = value.data;
    return error;
}

static int
ethtool_set(struct rtnl *rtnl, const char *ifname, uint32_t cmd, uint32_t data)
{
    struct ethtool_value value = { .cmd = cmd, .data = data };
    return ethtool(rtnl, ifname, &value);
}

static int
ethtool(struct rtnl *rtnl, const char *ifname, struct ethtool_value *value)
{
    if (strlen(ifname) >= IFNAMSIZ) {
        return -ENODEV;
    }
    /* Every socket takes the ioctls of network devices, of its namespace. */
    struct ifreq ifr = { .ifr_data = (void *) value };
    ovs_strzcpy(ifr.ifr_name, ifname, sizeof ifr.ifr_name);
    return ioctl(rtnl_fd(rtnl), SIOCETHTOOL, &ifr) ? -errno : 0;
}

/* May a link be made with that name?  The kernel takes "%d" for a number of
 * its own choice: then nobody would find the link again. */
static bool
ifname_fits(const char *name)
{
    return name[0] && strlen(name) < IFNAMSIZ && !strchr(name, '%');
}

static struct nlmsghdr *
put_link(struct rtnl *rtnl, uint16_t type, uint16_t flags, int ifindex)
{
    struct nlmsghdr *nlh = rtnl_put(rtnl, type, flags);
    struct ifinfomsg *ifi = mnl_nlmsg_put_extra_header(nlh, sizeof *ifi);
    ifi->ifi_family = AF_UNSPEC;
    ifi->ifi_index = ifindex;
    return nlh;
}

/* Puts the change of the link's flags in 'change' to what they are in
 * 'flags'. */
static struct nlmsghdr *
put_link_flags(struct rtnl *rtnl, int ifindex, unsigned int flags,
               unsigned int change)
{
    struct nlmsghdr *nlh = put_link(rtnl, RTM_SETLINK, 0, ifindex);
    struct ifinfomsg *ifi = mnl_nlmsg_get_payload(nlh);
    ifi->ifi_flags = flags;
    ifi->ifi_change = change;
    return nlh;
}

static void
put_link_get(struct rtnl *rtnl, int ifindex, const char *name)
{
    struct nlmsghdr *nlh = put_link(rtnl, RTM_GETLINK, 0, ifindex);
    mnl_attr_put_u32(nlh, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
    if (name) {
        mnl_attr_put_strz(nlh, IFLA_IFNAME, name);
    }
}

static void
put_veth(struct rtnl *rtnl, const struct rtnl_veth *veth)
{
    struct nlmsghdr *nlh = put_link(rtnl, RTM_NEWLINK,
                                    NLM_F_CREATE | NLM_F_EXCL, 0);
    put_veth_end(nlh, veth->name, veth->mtu);
    if (veth->group) {
        mnl_attr_put_u32(nlh, IFLA_GROUP, veth->group);
    }

    struct nlattr *linkinfo = mnl_attr_nest_start(nlh, IFLA_LINKINFO);
    mnl_attr_put_strz(nlh, IFLA_INFO_KIND, "veth");
    struct nlattr *data = mnl_attr_nest_start(nlh, IFLA_INFO_DATA);
    struct nlattr *peer = mnl_attr_nest_start(nlh, VETH_INFO_PEER);
    mnl_nlmsg_put_extra_header(nlh, sizeof(struct ifinfomsg));
    put_veth_end(nlh, veth->peer_name, veth->mtu);
    mnl_attr_put_u32(nlh, IFLA_NET_NS_FD, veth->netns);
    mnl_attr_put(nlh, IFLA_ADDRESS, sizeof veth->mac, &veth->mac);
    mnl_attr_nest_end(nlh, peer);
    mnl_attr_nest_end(nlh, data);
    mnl_attr_nest_end(nlh, linkinfo);
}

/* One queue each way, as every kernel before 5.15 made them: a veth has no
 * lock for more to relieve.  Now the default is one for each CPU, and each
 * costs 20 us and more. */
static void
put_veth_end(struct nlmsghdr *nlh, const char *name, int mtu)
{
    mnl_attr_put_strz(nlh, IFLA_IFNAME, name);
    mnl_attr_put_u32(nlh, IFLA_MTU, mtu);
    mnl_attr_put_u32(nlh, IFLA_NUM_TX_QUEUES, 1);
    mnl_attr_put_u32(nlh, IFLA_NUM_RX_QUEUES, 1);
}

static int
link_get(struct rtnl *rtnl, struct rtnl_link *link)
{
    memset(link, 0, sizeof *link);
    int error = rtnl_transact(rtnl, NULL, link_reply, link);
    return error ? error : link->ifindex ? 0 : -ENODEV;
}

static void
link_reply(const struct nlmsghdr *nlh, void *link_)
{
    struct rtnl_link link;
    if (rtnl_parse_link(nlh, &link)) {
        memcpy(link_, &link, sizeof link);
    }
}

static void
nsid_reply(const struct nlmsghdr *nlh, void *nsid_)
{
    int *nsid = nsid_;
    const struct nlattr *attr;
    mnl_attr_for_each (attr, nlh, sizeof(struct rtgenmsg)) {
        if (mnl_attr_get_type(attr) == NETNSA_NSID) {
            *nsid = rtnl_parse_u32(attr);
        }
    }
}

/* Moves at most GROUP_BATCH links into 'group'; those that are gone are no
 * error. */
static int
group_set(struct rtnl *rtnl, const int ifindexes[], size_t n, uint32_t group)
{
    for (size_t i = 0; i < n; i++) {
        struct nlmsghdr *nlh = put_link(rtnl, RTM_SETLINK, 0, ifindexes[i]);
        mnl_attr_put_u32(nlh, IFLA_GROUP, group);
    }

    int errors[GROUP_BATCH];
    (void) rtnl_transact(rtnl, errors, NULL, NULL); /* See 'errors'. */
    for (size_t i = 0; i < n; i++) {
        if (errors[i] && errors[i] != -ENODEV) {
            return errors[i];
        }
    }
    return 0;
}
