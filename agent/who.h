/* SPDX-License-Identifier: Apache-2.0 */

#ifndef AGENT_WHO_H
#define AGENT_WHO_H 1

/* Who is behind an interface of this host: for a veth its other end, the
 * namespace that is in, and who lives there.  What the kernel knows, gathered
 * when asked and never kept; the OVS port and the endpoint are the caller's
 * to add (`weft who`). */

#include <stddef.h>
#include <sys/types.h>
#include "agent/rtnl.h"

enum { WHO_PROCESSES_MAX = 8 };

struct who_process {
    pid_t pid;
    char comm[16];                  /* /proc/PID/comm; printable ASCII, other
                                     * bytes are '?'. */
};

enum who_peer {
    WHO_PEER_NONE,                  /* No veth: only 'link' is filled. */
    WHO_PEER_HERE,                  /* In this namespace too: 'peer'. */
    WHO_PEER_INSIDE,                /* In 'netns': 'peer', 'processes'. */
    WHO_PEER_HIDDEN,                /* In a namespace without name or process
                                     * that we could find (kept by an open
                                     * file, say): 'link.peer_ifindex' is all
                                     * that is known. */
};

struct who {
    struct rtnl_link link;          /* This end: kind, ifindex, MAC, MTU, .. */
    enum who_peer where;
    struct rtnl_link peer;          /* The other end. */
    char *netns;                    /* Owned.  "red" for one that has a name
                                     * in NETNS_DIR, else
                                     * "/proc/12/ns/net". */
    struct who_process processes[WHO_PROCESSES_MAX];
    size_t n_processes;             /* Maybe only the first ones. */
};

/* Fills '*who'.  Returns NULL, or an owned message ("who: no interface \"x\"
 * on this host: see ip link"); then 'who' needs no who_finish().  Looks at
 * each process in /proc once. */
char *who_lookup(const char *ifname, struct who *);
void who_finish(struct who *);

#endif /* agent/who.h */
