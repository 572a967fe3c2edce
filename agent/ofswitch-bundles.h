/* SPDX-License-Identifier: Apache-2.0 */

#ifndef AGENT_OFSWITCH_BUNDLES_H
#define AGENT_OFSWITCH_BUNDLES_H 1

/* The changes that wait for the switch, and the bundles that are on their way
 * to it: called by ofswitch.c, which knows when they may go.
 *
 * What waits goes out as one bundle with the next seqno, which is reached when
 * the switch has acknowledged that bundle. */

#include "openvswitch/list.h"
#include "overlay/plan.h"

struct ofp_header;

struct ofswitch_bundles {
    struct ovs_list queue[PLAN_OP_KINDS];   /* Of ofpbufs. */
    struct ovs_list sent;           /* Contains struct bundle, in order. */
    uint32_t id;                    /* Of the last bundle. */
    uint64_t seqno;                 /* Likewise; ever growing. */
};

void ofswitch_bundles_init(struct ofswitch_bundles *);
/* Forgets what waits and what is on its way, but not the seqno. */
void ofswitch_bundles_clear(struct ofswitch_bundles *);
/* Forgets what is on its way. */
void ofswitch_bundles_lose(struct ofswitch_bundles *);

void ofswitch_bundles_queue(struct ofswitch_bundles *,
                            const struct plan_ops *);
/* Appends what waits to 'messages', as a bundle.  False if nothing waits. */
bool ofswitch_bundles_take(struct ofswitch_bundles *,
                           struct ovs_list *messages);
/* There is nothing to send for the next seqno.  Returns it if it is reached
 * with that; 0 if it is with the last bundle on its way. */
uint64_t ofswitch_bundles_skip(struct ofswitch_bundles *);

/* Does nothing wait and is nothing on its way? */
bool ofswitch_bundles_settled(const struct ofswitch_bundles *);
/* How many are on their way. */
size_t ofswitch_bundles_count(const struct ofswitch_bundles *);
/* The seqno that an OFPT_BUNDLE_CONTROL has brought, or 0. */
uint64_t ofswitch_bundles_reply(struct ofswitch_bundles *,
                                const struct ofp_header *);

#endif /* agent/ofswitch-bundles.h */
