/* SPDX-License-Identifier: Apache-2.0 */

#ifndef AGENT_CLUSTER_H
#define AGENT_CLUSTER_H 1

/* This host's server of the shared directory: an ovsdb-server with its files
 * and sockets, one member of a Raft cluster.  Made, started and ended by the
 * ordinary tools of Open vSwitch.  Called by the `weft directory` commands;
 * knows nothing of their options and of certificates but their paths. */

#include <stdbool.h>
#include "agent/cluster-status.h"
#include "agent/tool.h"

#define CLUSTER_NAME "Weft"                 /* Of the database. */
#define CLUSTER_DIR "/var/lib/weft"
#define CLUSTER_DB CLUSTER_DIR "/directory.db"
#define CLUSTER_ROLE "weft-host"            /* Of all remote clients. */

enum {
    CLUSTER_CLIENT_PORT = 6650,
    CLUSTER_RAFT_PORT = 6651,
};

/* Each that returns a string returns NULL, or an owned message. */

bool cluster_exists(void);                  /* Is there a database? */
bool cluster_is_running(void);
char *cluster_socket(void);                 /* "unix:...", owned. */

/* Can a server listen at 'address', an address of this host?  Not while the
 * server runs. */
char *cluster_check_ports(const char *address);

/* Makes a database that has 'schema' and the first rows, with 'local'
 * ("ssl:IP:6651") as the only server; or one that will join those of
 * 'remotes'.  It is there whole or not at all. */
char *cluster_create(const char *schema, const char *local);
char *cluster_join(const char *local, const struct svec *remotes);

/* What the database says of this server: its own "ssl:IP:6651", and whether
 * it has ever been a member. */
char *cluster_local(char **local, bool *joined);

/* Starts the server, if it does not run; ends it, if it does. */
char *cluster_start(void);
char *cluster_stop(void);

/* Asks the server at 'remote' whether it has the directory, and a quorum. */
char *cluster_probe(const char *remote);

/* Waits until the database is "connected" (a member, and there is a quorum)
 * or "removed" (no longer a member).  False if it is not after 'seconds'. */
bool cluster_wait(const char *state, int seconds);

/* ovs-appctl 'command' Weft.  '*output' may be NULL. */
char *cluster_appctl(enum tool_echo, const char *command, char **output);

/* Asks the server.  '*s' is to be finished in any case. */
char *cluster_read_status(struct cluster_status *s);

/* Moves the database to "directory.db.left-N", the path of which is put into
 * the owned '*path'. */
char *cluster_set_aside(char **path);

/* Removes a database that has never been in use. */
void cluster_remove(void);

#endif /* agent/cluster.h */
