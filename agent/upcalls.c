/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "agent/upcalls.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "daemon.h"
#include "dirs.h"
#include "netlink.h"
#include "netlink-socket.h"
#include "odp-netlink.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/poll-loop.h"
#include "overlay/verdict.h"
#include "packets.h"
#include "timeval.h"
#include "util.h"

/* The one that ovs-vswitchd makes for all its bridges. */
#define DATAPATH "ovs-system"

enum { LOOK_MS = 5000 };

struct upcalls {
    struct verdict_upcalls verdict;
    pid_t switch_pid;               /* Of vswitchd, at the last look. */
    long long int look_at;          /* LLONG_MAX: never run. */
};

static bool read_stats(struct ovs_dp_stats *);
static pid_t read_switch_pid(void);

struct upcalls *
upcalls_create(void)
{
    struct upcalls *u = xzalloc(sizeof *u);
    u->look_at = LLONG_MAX;
    return u;
}

void
upcalls_destroy(struct upcalls *u)
{
    free(u);
}

void
upcalls_run(struct upcalls *u)
{
    long long int now = time_msec();
    if (u->look_at != LLONG_MAX && now < u->look_at) {
        return;
    }
    u->look_at = now + LOOK_MS;
    /* While there is none, and until a new one has all its bridges, the loss
     * has its reason. */
    pid_t pid = read_switch_pid();
    bool same = pid > 0 && pid == u->switch_pid;
    u->switch_pid = pid;
    struct ovs_dp_stats stats;
    if (same && read_stats(&stats)) {
        verdict_upcalls_note(&u->verdict, get_32aligned_u64(&stats.n_lost),
                             get_32aligned_u64(&stats.n_missed), now);
    } else {
        verdict_upcalls_gone(&u->verdict);
    }
}

void
upcalls_wait(const struct upcalls *u)
{
    if (u->look_at != LLONG_MAX) {
        poll_timer_wait_until(u->look_at);
    }
}

char *
upcalls_problem(const struct upcalls *u)
{
    return verdict_upcalls(&u->verdict, DATAPATH, time_msec());
}

/* False if there is no datapath. */
static bool
read_stats(struct ovs_dp_stats *stats)
{
    int family = 0;                 /* Not 0 would be taken as known. */
    if (nl_lookup_genl_family(OVS_DATAPATH_FAMILY, &family)) {
        return false;
    }
    struct ofpbuf request;
    ofpbuf_init(&request, 128);
    nl_msg_put_genlmsghdr(&request, 0, family, NLM_F_REQUEST, OVS_DP_CMD_GET,
                          OVS_DATAPATH_VERSION);
    struct ovs_header *header = ofpbuf_put_uninit(&request, sizeof *header);
    header->dp_ifindex = 0;
    nl_msg_put_string(&request, OVS_DP_ATTR_NAME, DATAPATH);

    struct ofpbuf *reply = NULL;
    int error = nl_transact(NETLINK_GENERIC, &request, &reply);
    ofpbuf_uninit(&request);
    if (error || !reply) {
        return false;
    }
    size_t headers = (NLMSG_HDRLEN + GENL_HDRLEN
                      + sizeof(struct ovs_header));
    const struct nlattr *attr
        = (reply->size >= headers
           ? nl_attr_find(reply, headers, OVS_DP_ATTR_STATS) : NULL);
    bool found = attr && nl_attr_get_size(attr) >= sizeof *stats;
    if (found) {
        memcpy(stats, nl_attr_get(attr), sizeof *stats);
    }
    ofpbuf_delete(reply);
    return found;
}

static pid_t
read_switch_pid(void)
{
    char *pidfile = xasprintf("%s/ovs-vswitchd.pid", ovs_rundir());
    /* read_pidfile() logs a warning for each that is not there. */
    pid_t pid = access(pidfile, F_OK) ? -1 : read_pidfile(pidfile);
    free(pidfile);
    return pid;
}
