/* SPDX-License-Identifier: Apache-2.0 */

#ifndef AGENT_AGENT_EVENTS_H
#define AGENT_AGENT_EVENTS_H 1

/* What one part of the agent says, passed on to the others whom it concerns.
 * Their 'aux' is the agent.  Used by agent_init() alone. */

#include "agent/agent.h"

extern const struct kernel_events agent_kernel_events;
extern const struct switchdb_events agent_switchdb_events;
extern const struct ofswitch_events agent_ofswitch_events;
extern const struct tunnels_ops agent_tunnels_ops;
extern const struct external_ops agent_external_ops;
extern const struct endpoints_ops agent_endpoints_ops;
extern const struct directory_ops agent_directory_ops;
extern const struct filewatch_ops agent_filewatch_ops;
extern const struct shared_ops agent_shared_ops;

/* Somebody changed the host's firewall rules. */
void agent_rules_changed(void *agent);

#endif /* agent/agent-events.h */
