/* SPDX-License-Identifier: Apache-2.0 */

#ifndef AGENT_OFSWITCH_READ_H
#define AGENT_OFSWITCH_READ_H 1

/* What a switch is asked, and what it answers as a plan: called by ofswitch.c,
 * which knows the connection and when to ask.  The messages are appended, each
 * owned, to a list. */

#include "agent/ofswitch.h"
#include "openvswitch/list.h"
#include "openvswitch/ofpbuf.h"
#include "overlay/plan.h"

/* For a new connection: to be told of changes by others, and of packets.
 * 'known': no table is the switch's own. */
void ofswitch_read_watch(bool known, struct ovs_list *messages);
/* Everything of ours; the last message is a barrier request.  While a switch
 * answers it forwards nothing (datapath netdev), so what may be much is asked
 * for in portions. */
void ofswitch_read_request(bool known, struct ovs_list *messages);

/* Each adds what of ours a reply has to the plan; but not a flow that 'take'
 * says it has taken note of.  What the switch has learned is passed over, and
 * what is not ours counted in 'foreign'. */
void ofswitch_read_flows(struct ofpbuf *reply, struct plan *,
                         struct ofswitch_foreign *foreign,
                         bool (*take)(const struct plan_flow *, void *aux),
                         void *aux);
void ofswitch_read_groups(struct ofpbuf *reply, struct plan *);
/* A meter that is not what we make is to be made so on the spot, by 'mends':
 * to delete it would delete the flows that use it. */
void ofswitch_read_meters(struct ofpbuf *reply, struct plan *,
                          struct ovs_list *mends);

/* Whose flows somebody else has changed. */
enum ofswitch_drift {
    DRIFT_NONE,
    DRIFT_FOREIGN,                  /* Not ours, but they may have taken the
                                     * place of ours. */
    DRIFT_OURS,
};
/* Of a flow monitor's message. */
enum ofswitch_drift ofswitch_read_updates(struct ofpbuf *);

#endif /* agent/ofswitch-read.h */
