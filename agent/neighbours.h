/* SPDX-License-Identifier: Apache-2.0 */

#ifndef AGENT_NEIGHBOURS_H
#define AGENT_NEIGHBOURS_H 1

/* Tells this host's endpoints that an address has another MAC than before.
 *
 * No announcement crosses a tunnel where a directory says who has what, and
 * whoever knew the MAC before would send to it for up to a minute.  So the
 * addresses that were given up lately, here or elsewhere, are remembered; if
 * one comes back with another MAC, the endpoints of its network hear of it,
 * from here.  remotes.h and registrar.h tell. */

#include <netinet/in.h>
#include "agent/ofswitch.h"
#include "openvswitch/types.h"

struct neighbours;

struct neighbours *neighbours_create(struct ofswitch *);
void neighbours_destroy(struct neighbours *);

/* The address is given up, or is an endpoint's, in network 'vni'. */
void neighbours_left(struct neighbours *, uint32_t vni,
                     const struct in6_addr *, struct eth_addr);
void neighbours_came(struct neighbours *, uint32_t vni,
                     const struct in6_addr *, struct eth_addr);

#endif /* agent/neighbours.h */
