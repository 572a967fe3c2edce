/* SPDX-License-Identifier: Apache-2.0 */

#ifndef OVERLAY_COMPILE_H
#define OVERLAY_COMPILE_H 1

/* One object in, its share of the plan out.  A share depends on that object
 * alone, never on a walk over others: what a change costs does not grow with
 * the world, and compiling object by object equals compiling all at once.
 * Called by the agent; pure. */

#include "overlay/model.h"
#include "overlay/plan.h"

/* What every switch has: table-miss flows, the group of all peers, what no
 * endpoint may send. */
void compile_static(struct plan *);

void compile_network(const struct network *, struct plan *);

/* A peer whose tunnel is the OpenFlow port 'port'.  'id', from 1, is what
 * registers and learned flows call it. */
void compile_peer(uint32_t id, ofp_port_t port, struct plan *);

/* An endpoint on port 'port', in the network of 'vni'. */
void compile_endpoint(const struct endpoint *, uint32_t vni, ofp_port_t port,
                      struct plan *);

#endif /* overlay/compile.h */
