/* SPDX-License-Identifier: Apache-2.0 */

#ifndef AGENT_PORTGUARD_H
#define AGENT_PORTGUARD_H 1

/* Keeps the host's own stack from what comes out of endpoints' links.  The
 * userspace datapath reads those by packet sockets, which take a copy: the
 * host would hear a frame that is sent to all, whatever source it claims, past
 * every flow.  One table of nftables, inet weft-ports, while that datapath is
 * used; the kernel's takes frames before the host sees them. */

#include <stdbool.h>

struct portguard;

struct portguard *portguard_create(void);
void portguard_destroy(struct portguard *);

/* Before the first call nothing is done, as the datapath is not known. */
void portguard_want(struct portguard *, bool netdev);
/* Somebody has changed tables of nftables. */
void portguard_rules_changed(struct portguard *);

/* True if somebody had changed our table and it was put right. */
bool portguard_run(struct portguard *);
void portguard_wait(struct portguard *);

/* Why there is no table, or NULL. */
const char *portguard_problem(const struct portguard *);

/* Removes the table for good. */
void portguard_cleanup(struct portguard *);

#endif /* agent/portguard.h */
