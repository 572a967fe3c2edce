/* SPDX-License-Identifier: Apache-2.0 */

#ifndef AGENT_CLUSTER_STATUS_H
#define AGENT_CLUSTER_STATUS_H 1

/* What the Raft cluster of the shared directory looks like from this host's
 * server: the text of `ovs-appctl cluster/status`, as a value.  cluster.c asks for
 * it; the `weft directory` commands call this. */

#include <stdbool.h>
#include <stddef.h>
#include "openvswitch/compiler.h"

struct cluster_server {
    char *nickname;             /* "1a2b" */
    char *address;              /* "ssl:IP:6651" */
    bool self;
    bool reachable;             /* There is a connection, or it is 'self'. */
};

struct cluster_status {
    char *cluster;              /* UUID; "" if not known yet. */
    char *address;              /* This server's. */
    char *status;               /* "cluster member" */
    char *role;                 /* "leader", "follower" or "candidate" */
    char *leader;               /* A nickname, "self" or "unknown". */
    unsigned long long int term;
    bool quorum;                /* Is there a leader that this one follows? */
    struct cluster_server *servers; /* By address. */
    size_t n_servers;
};

/* What 'text' lacks is "" or 0.  '*s' is to be finished. */
void cluster_status_parse(struct cluster_status *s, const char *text);
void cluster_status_finish(struct cluster_status *);

bool cluster_status_is_leader(const struct cluster_status *,
                              const struct cluster_server *);

/* The IP address in "ssl:IP:PORT", without brackets.  Owned. */
char *cluster_status_ip(const char *address);

#endif /* agent/cluster-status.h */
