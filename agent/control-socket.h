/* SPDX-License-Identifier: Apache-2.0 */

#ifndef AGENT_CONTROL_SOCKET_H
#define AGENT_CONTROL_SOCKET_H 1

/* The control socket: root, and the members of one group, may ask, and nobody
 * can keep others from it.
 *
 * Open vSwitch's unixctl, which answers, takes any number of connections, and
 * of bytes on each, for as long as they care to stay, and does not ask whose
 * they are.  So it listens in a directory that nobody else can enter, and this
 * stands in front: it looks at each client's credentials, collects a request
 * within bounds of bytes, parts, time and number, and hands it on whole.  To a
 * client nothing differs from unixctl's own socket.  Called by the main
 * loop. */

#include <sys/types.h>

#define CONTROL_GROUP_NONE ((gid_t) -1)

struct control_socket;

/* 'path' as for unixctl_server_create(): NULL for RUNDIR/weftd.PID.ctl, "none"
 * for no socket.  Only root may use it if 'group' is CONTROL_GROUP_NONE.  Call
 * after daemonize_start(), whose pid the path has.  Returns NULL when it has
 * said on stderr why there is none; the process is to end then. */
struct control_socket *control_socket_create(const char *path, gid_t group);
void control_socket_destroy(struct control_socket *);

/* Lets clients in, and has what they ask done, or begun. */
void control_socket_run(struct control_socket *);
/* Takes the answers back to them. */
void control_socket_answer(struct control_socket *);
void control_socket_wait(struct control_socket *);

#endif /* agent/control-socket.h */
