/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "agent/upcalls.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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
    int handlers;                   /* Threads of vswitchd; -1: not known. */
    long long int look_at;          /* LLONG_MAX: never run. */
};

static bool read_lost(uint64_t *lost);
static int count_handlers(void);

struct upcalls *
upcalls_create(void)
{
    struct upcalls *u = xzalloc(sizeof *u);
    u->handlers = -1;
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
    uint64_t lost;
    if (read_lost(&lost)) {
        verdict_upcalls_note(&u->verdict, lost, now);
        u->handlers = lost ? count_handlers() : -1;
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
    return verdict_upcalls(&u->verdict, DATAPATH, u->handlers, time_msec());
}

/* False if there is no datapath. */
static bool
read_lost(uint64_t *lost)
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
    struct ovs_dp_stats stats;
    const struct nlattr *attr
        = (reply->size >= headers
           ? nl_attr_find(reply, headers, OVS_DP_ATTR_STATS) : NULL);
    bool found = attr && nl_attr_get_size(attr) >= sizeof stats;
    if (found) {
        memcpy(&stats, nl_attr_get(attr), sizeof stats);
        *lost = get_32aligned_u64(&stats.n_lost);
    }
    ofpbuf_delete(reply);
    return found;
}

/* vswitchd calls its threads "handler1" and so on. */
static int
count_handlers(void)
{
    char *pidfile = xasprintf("%s/ovs-vswitchd.pid", ovs_rundir());
    pid_t pid = read_pidfile(pidfile);
    free(pidfile);
    char *path = pid > 0 ? xasprintf("/proc/%ld/task", (long int) pid) : NULL;
    DIR *tasks = path ? opendir(path) : NULL;
    int n = tasks ? 0 : -1;
    for (struct dirent *task; tasks && (task = readdir(tasks)); ) {
        char comm[16] = "";
        char *file = xasprintf("%s/%s/comm", path, task->d_name);
        FILE *f = fopen(file, "r");
        if (f) {
            n += fgets(comm, sizeof comm, f) && !strncmp(comm, "handler", 7);
            fclose(f);
        }
        free(file);
    }
    if (tasks) {
        closedir(tasks);
    }
    free(path);
    return n;
}
