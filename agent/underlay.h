/* SPDX-License-Identifier: Apache-2.0 */

#ifndef AGENT_UNDERLAY_H
#define AGENT_UNDERLAY_H 1

/* The underlay of the userspace datapath.  Its tunnels leave only through a
 * port of an OVS bridge, so the NIC becomes a port of bridge br-phy, and the
 * NIC's addresses and routes move to br-phy's own interface.  That interface
 * is a TAP of vswitchd's and goes with it: what was moved is remembered in the
 * bridge's row and put back whenever it is missing.  The NIC gets it back as
 * the kernel told of it, with all that belongs to an address or a route.  What
 * comes to the NIC meanwhile follows: a renewed or another lease, or an
 * address by hand.
 *
 * The kernel still sees the NIC's frames and would answer them with ICMP: an
 * nftables chain of ours drops them there, behind AF_PACKET.
 *
 * The kernel datapath needs none of this. */

#include "agent/kernel.h"
#include "ovsdb/switchdb.h"

struct underlay;

struct underlay *underlay_create(const char *nic, const char *bridge,
                                 struct switchdb *, struct kernel *);
void underlay_destroy(struct underlay *);

/* Something of the bridge, the links or the addresses changed. */
void underlay_changed(struct underlay *);
void underlay_link_changed(struct underlay *, const struct rtnl_link *);
/* Somebody has changed tables of nftables. */
void underlay_rules_changed(struct underlay *);
/* The address of this host that the peers send to. */
void underlay_set_own(struct underlay *, const struct in6_addr *);
void underlay_run(struct underlay *);
void underlay_wait(const struct underlay *);
void underlay_compose(struct underlay *);       /* A txn is open. */

/* The addresses that were moved, whether br-phy is there or not. */
size_t underlay_addresses(const struct underlay *, struct in6_addr *,
                          size_t max);

/* Moves all back.  NULL, or an owned message. */
char *underlay_restore(struct underlay *);

/* Why it does not work, or NULL. */
const char *underlay_problem(const struct underlay *);

#endif /* agent/underlay.h */
