/* SPDX-License-Identifier: Apache-2.0 */

#ifndef AGENT_MTU_H
#define AGENT_MTU_H 1

/* The MTU of endpoints: what the underlay leaves.  The agent asks for it anew
 * when links, addresses, the list or tunnels change. */

#include <stdbool.h>

struct agent;

/* Finds it out, and tells all who have endpoints or links. */
void mtu_update(struct agent *);

/* Is link 'ifindex' one whose MTU counts?  If none is known, each may be. */
bool mtu_counts(const struct agent *, int ifindex);

#endif /* agent/mtu.h */
