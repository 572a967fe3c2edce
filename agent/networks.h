/* SPDX-License-Identifier: Apache-2.0 */

#ifndef AGENT_NETWORKS_H
#define AGENT_NETWORKS_H 1

/* The networks of the list: their flows, their way out, and the ports of the
 * host that lead into them.  The part of the agent that agent.c alone calls. */

#include "agent/agent.h"

/* From the list 'old', which may be NULL, to 'new'. */
void networks_set_list(struct agent *, const struct peerlist *old,
                       const struct peerlist *new);
/* Something that all networks' flows depend on has changed. */
void networks_update(struct agent *);
/* The port to the host is another one. */
void networks_external_changed(struct agent *);
/* The endpoints may have other published ports than before. */
void networks_update_publishes(struct agent *);

#endif /* agent/networks.h */
