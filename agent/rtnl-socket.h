/* SPDX-License-Identifier: Apache-2.0 */

#ifndef AGENT_RTNL_SOCKET_H
#define AGENT_RTNL_SOCKET_H 1

/* How rtnl.c, rtnl-inet.c and rtnl-monitor.c talk to the kernel: messages are
 * put one after the other, leave together and are answered together.  Nobody
 * else includes this. */

#include <libmnl/libmnl.h>
#include "agent/rtnl.h"
#include "openvswitch/ofpbuf.h"

/* Bytes that a message read from the kernel may have.  The kernel fills dumps
 * up to what the reader offers, at most 32 kB. */
enum { RTNL_REPLY_SIZE = 32 << 10 };

int rtnl_fd(const struct rtnl *);

/* Is a dump to tell only of what its request describes
 * (NETLINK_GET_STRICT_CHK)?  Without effect before Linux 4.20. */
void rtnl_set_strict(struct rtnl *, bool strict);

/* Puts one more message, with room for RTNL_MESSAGE_MAX bytes; the caller adds
 * the rest with mnl_nlmsg_put_extra_header() and mnl_attr_put*(), before the
 * next rtnl_put(), rtnl_transact() or rtnl_dump(). */
enum { RTNL_MESSAGE_MAX = 1024 };
struct nlmsghdr *rtnl_put(struct rtnl *, uint16_t type, uint16_t flags);

/* Sends what was put, in one sendmsg(), and waits until all is answered.
 * 'errors', if not NULL, has one place for each message: 0 or a negative
 * errno.  Answers that are not errors go to 'reply', if not NULL.  Returns the
 * first error of all. */
int rtnl_transact(struct rtnl *, int errors[],
                  void (*reply)(const struct nlmsghdr *, void *aux),
                  void *aux);

/* Sends the one message that was put (with NLM_F_DUMP) and appends to 'items'
 * one item of 'size' bytes for each answer that 'parse' takes.  Redone from
 * the start when the kernel says that it was interrupted, at most
 * RTNL_DUMP_TRIES times: then -EAGAIN. */
enum { RTNL_DUMP_TRIES = 64 };
int rtnl_dump(struct rtnl *, size_t size,
              bool (*parse)(const struct nlmsghdr *, void *item),
              struct ofpbuf *items);

#endif /* agent/rtnl-socket.h */
