/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "agent/rtnl.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include "agent/rtnl-parse.h"
#include "agent/rtnl-socket.h"
#include "openvswitch/vlog.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(rtnl_monitor);

/* Bytes of the socket's buffer.  The kernel counts 2 to 4 kB an event: enough
 * for a thousand endpoints that come or go while the agent is busy. */
enum { MONITOR_BUFFER_SIZE = 8 << 20 };

struct rtnl_monitor {
    struct mnl_socket *mnl;         /* Owned. */
    struct rtnl_monitor_ops ops;
    void *aux;                      /* For 'ops'. */
    _Alignas(struct nlmsghdr) uint8_t buffer[RTNL_REPLY_SIZE];
};

static void monitor_size_buffer(struct mnl_socket *);
static void monitor_deliver(struct rtnl_monitor *, int len);

int
rtnl_monitor_open(const struct rtnl_monitor_ops *ops, void *aux,
                  struct rtnl_monitor **monitorp)
{
    *monitorp = NULL;

    unsigned int groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR
                          | RTMGRP_IPV6_IFADDR;
    struct mnl_socket *mnl = mnl_socket_open2(NETLINK_ROUTE,
                                              SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (!mnl || mnl_socket_bind(mnl, groups, MNL_SOCKET_AUTOPID) < 0) {
        int error = -errno;
        if (mnl) {
            mnl_socket_close(mnl);
        }
        return error;
    }
    monitor_size_buffer(mnl);

    struct rtnl_monitor *monitor = xmalloc(sizeof *monitor);
    monitor->mnl = mnl;
    monitor->ops = *ops;
    monitor->aux = aux;
    *monitorp = monitor;
    return 0;
}

int
rtnl_monitor_fd(const struct rtnl_monitor *monitor)
{
    return mnl_socket_get_fd(monitor->mnl);
}

void
rtnl_monitor_run(struct rtnl_monitor *monitor)
{
    /* What is still in the buffer when it has overrun is older than what is
     * lost, and than the dump that follows: told after that, it would undo
     * it.  So it is thrown away. */
    bool overrun = false;

    for (;;) {
        ssize_t len = mnl_socket_recvfrom(monitor->mnl, monitor->buffer,
                                          sizeof monitor->buffer);
        if (len >= 0) {
            if (!overrun) {
                monitor_deliver(monitor, len);
            }
        } else if (errno == ENOBUFS || errno == ENOSPC) {
            overrun = true;         /* ENOSPC: longer than 'buffer'. */
        } else if (errno != EINTR) {
            if (errno != EAGAIN) {
                static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(1, 5);
                VLOG_WARN_RL(&rl, "cannot read link events: %s",
                             ovs_strerror(errno));
            }
            break;
        }
    }
    if (overrun) {
        monitor->ops.overrun(monitor->aux);
    }
}

void
rtnl_monitor_close(struct rtnl_monitor *monitor)
{
    if (monitor) {
        mnl_socket_close(monitor->mnl);
        free(monitor);
    }
}

/* Past the system's limit, which CAP_NET_ADMIN may, or else up to it.  A
 * smaller buffer overruns earlier, and that is provided for: so no error. */
static void
monitor_size_buffer(struct mnl_socket *mnl)
{
    int fd = mnl_socket_get_fd(mnl);
    int size = MONITOR_BUFFER_SIZE;
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size)) {
        (void) setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    }
}

static void
monitor_deliver(struct rtnl_monitor *monitor, int len)
{
    const struct nlmsghdr *nlh = (const void *) monitor->buffer;
    for (; mnl_nlmsg_ok(nlh, len); nlh = mnl_nlmsg_next(nlh, &len)) {
        struct rtnl_link link;
        struct rtnl_addr addr;

        if (rtnl_parse_link(nlh, &link)) {
            monitor->ops.link(&link, nlh->nlmsg_type == RTM_DELLINK,
                              monitor->aux);
        } else if (rtnl_parse_addr(nlh, &addr)) {
            monitor->ops.addr(&addr, nlh->nlmsg_type == RTM_DELADDR,
                              monitor->aux);
        }
    }
}
