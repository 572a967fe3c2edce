/* SPDX-License-Identifier: Apache-2.0 */

#ifndef AGENT_KERNEL_H
#define AGENT_KERNEL_H 1

/* What the kernel of this host says of itself: its addresses, and whether its
 * neighbours answer.  Scan and event share one path. */

#include <event2/event.h>
#include "agent/rtnl.h"
#include "overlay/model.h"
#include "overlay/verdict.h"

struct kernel;

struct kernel_events {
    void (*link)(const struct rtnl_link *, bool deleted, void *aux);
    void (*overrun)(void *aux);     /* Events were lost: look at all links. */
    void (*addresses)(void *aux);   /* Other addresses than before. */
};

struct kernel *kernel_create(struct event_base *, const struct kernel_events *,
                             void *aux);
void kernel_destroy(struct kernel *);

/* For requests, in this namespace. */
struct rtnl *kernel_rtnl(struct kernel *);

/* This host's addresses, without loopback and link-local ones. */
void kernel_addresses(const struct kernel *, const struct in6_addr **,
                      size_t *n);
bool kernel_owns(const struct kernel *, const struct in6_addr *);
bool kernel_has_address(const struct kernel *, int ifindex,
                        const struct prefix *);

/* The ifindex of the interface that has 'address', the newest if several have
 * it; 0 if none has. */
int kernel_link_with(const struct kernel *, const struct in6_addr *address);

/* Does 'address', or the gateway to it, answer ARP or neighbour discovery?
 * REACH_ANSWERS, REACH_SILENT or REACH_UNKNOWN.  To be called every few
 * seconds while it is to be known: the kernel asks meanwhile.  'before' is
 * what the call before said, at first REACH_UNKNOWN. */
enum verdict_reach kernel_probe(struct kernel *,
                                const struct in6_addr *address,
                                enum verdict_reach before);

#endif /* agent/kernel.h */
