/* SPDX-License-Identifier: Apache-2.0 */

#ifndef AGENT_NETNS_H
#define AGENT_NETNS_H 1

/* Network namespaces: found by name, pid or path, opened once and kept as an
 * fd; made, listed and removed the way `ip netns` does (a bind mount of the
 * namespace on /run/netns/NAME), so that both see the same ones.  Called by
 * the daemon for attach and `who`, and by the command `weft netns`. */

#include <stdbool.h>
#include <sys/types.h>
#include "openvswitch/types.h"
#include "sset.h"

#define NETNS_DIR "/run/netns"

struct netns_id {                   /* Which namespace an fd stands for. */
    dev_t dev;
    ino_t ino;                      /* Is used again when it has gone. */
    uint64_t cookie;                /* Never is; 0 if the kernel has none, as
                                     * before Linux 5.14. */
};

/* "red" and "/var/run/netns/red" -> "/run/netns/red", "pid:12" ->
 * "/proc/12/ns/net", "/x" -> "/x".  Owned. */
char *netns_path(const char *netns);
/* Is 'path' (of netns_path()) a name's, which only root can give? */
bool netns_is_name(const char *path);

/* Opens the namespace at 'path' (of netns_path()).  O_CLOEXEC.  It must be a
 * network namespace (nsfs and NS_GET_NSTYPE) and not the caller's own; that
 * of a process must be that of one which lived all the while.  Whatever else
 * 'path' leads to is not opened, so this does not wait for it.  Returns an fd
 * or -1 and stores an owned message in '*errorp'.
 *
 * 'path' may lead elsewhere a moment later: use the fd. */
int netns_open(const char *path, char **errorp);
int netns_id(int fd, struct netns_id *);        /* 0 or negative errno. */
bool netns_id_equal(const struct netns_id *, const struct netns_id *);

/* socket() inside the namespace 'fd' (setns there and back).  Returns an fd
 * (O_CLOEXEC) or a negative errno.  Only the calling thread moves, and it is
 * back when this returns; if it cannot get back the process aborts. */
int netns_socket(int fd, int domain, int type, int protocol);

/* Opens a file below /proc/thread-self/net as the namespace 'fd' has it, to be
 * read.  O_CLOEXEC.  An fd, or a negative errno. */
int netns_open_file(int fd, const char *path);

/* All return NULL or an owned message. */
char *netns_add(const char *name);              /* Exists already: an error. */
char *netns_del(const char *name);              /* Absent: an error. */
char *netns_list(struct sset *names);           /* Only namespaces. */
/* Runs argv in the namespace, with /sys of that namespace; returns only on
 * failure. */
char *netns_exec(const char *name, char *const argv[]);

#endif /* agent/netns.h */
