/* SPDX-License-Identifier: Apache-2.0 */

#ifndef AGENT_HEALTH_H
#define AGENT_HEALTH_H 1

/* Is all well, and if not, what is wrong: asks every part of the agent.
 * Called by show, for `weft status`. */

#include "agent/agent.h"
#include "svec.h"

struct health {
    struct svec problems;           /* Lines; none if all is well. */
    size_t n_tunnels, tunnels_up;   /* To the other peers of the list. */
    size_t n_endpoints, endpoints_up;
};

void health_look(const struct agent *, struct health *);
void health_finish(struct health *);

#endif /* agent/health.h */
