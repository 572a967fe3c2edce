/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "agent/rtnl.h"

#include <errno.h>
#include <linux/neighbour.h>
#include <string.h>
#include "agent/rtnl-parse.h"
#include "agent/rtnl-socket.h"

enum { TICK_MS = 10 };              /* USER_HZ, in which the kernel tells. */

static struct ndmsg *
put_neighbour(struct rtnl *rtnl, uint16_t type, uint16_t flags, int ifindex,
              const struct in6_addr *ip)
{
    bool v4 = IN6_IS_ADDR_V4MAPPED(ip);
    size_t size = v4 ? 4 : sizeof *ip;
    struct nlmsghdr *nlh = rtnl_put(rtnl, type, flags);
    struct ndmsg *ndm = mnl_nlmsg_put_extra_header(nlh, sizeof *ndm);
    ndm->ndm_family = v4 ? AF_INET : AF_INET6;
    ndm->ndm_ifindex = ifindex;
    mnl_attr_put(nlh, NDA_DST, size, &ip->s6_addr[sizeof *ip - size]);
    return ndm;
}

static void
neighbour_reply(const struct nlmsghdr *nlh, void *neighbour)
{
    struct rtnl_neighbour *n = neighbour;
    const struct ndmsg *ndm = mnl_nlmsg_get_payload(nlh);
    if (nlh->nlmsg_type != RTM_NEWNEIGH
        || mnl_nlmsg_get_payload_len(nlh) < sizeof *ndm) {
        return;
    }
    n->state = ndm->ndm_state;

    const struct nlattr *attr;
    mnl_attr_for_each (attr, nlh, sizeof *ndm) {
        struct nda_cacheinfo info;
        if (mnl_attr_get_type(attr) == NDA_CACHEINFO
            && mnl_attr_get_payload_len(attr) >= sizeof info) {
            memcpy(&info, mnl_attr_get_payload(attr), sizeof info);
            n->confirmed = (long long int) info.ndm_confirmed * TICK_MS;
        }
    }
}

int
rtnl_neighbour_get(struct rtnl *rtnl, int ifindex, const struct in6_addr *ip,
                   struct rtnl_neighbour *n)
{
    *n = (struct rtnl_neighbour) { .state = NUD_NONE };
    put_neighbour(rtnl, RTM_GETNEIGH, 0, ifindex, ip);
    int error = rtnl_transact(rtnl, NULL, neighbour_reply, n);
    return error == -ENOENT ? 0 : error;
}

int
rtnl_neighbour_ask(struct rtnl *rtnl, int ifindex, const struct in6_addr *ip,
                   bool valid)
{
    struct ndmsg *ndm = put_neighbour(
        rtnl, RTM_NEWNEIGH, valid ? NLM_F_REPLACE : NLM_F_CREATE, ifindex, ip);
    ndm->ndm_state = valid ? NUD_PROBE : NUD_NONE;
    ndm->ndm_flags = valid ? 0 : NTF_USE;
    return rtnl_transact(rtnl, NULL, NULL, NULL);
}
