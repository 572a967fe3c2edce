/* SPDX-License-Identifier: Apache-2.0 */

#ifndef AGENT_OFSWITCH_H
#define AGENT_OFSWITCH_H 1

/* The OpenFlow 1.5 connection to the bridge: makes the switch hold what is
 * wanted of ours, and says when it does.
 *
 * In the ordinary course a change costs the change: the caller hands in the
 * old and the new share of an object, and the difference goes out in one
 * bundle with whatever else waits.  When the connection is new, or somebody
 * else has changed flows of ours (a flow monitor tells), everything is read
 * back and compared with everything that is wanted; what is right stays
 * untouched, what lacks goes in and what is stale goes out in one bundle.  Only
 * what another version left in tables that there are no more goes out some
 * seconds later. */

#include "dp-packet.h"
#include "openvswitch/list.h"
#include "openvswitch/types.h"
#include "overlay/plan.h"
#include "overlay/refusal.h"

struct ofswitch;

struct ofswitch_events {
    /* Everything will be read: calls of 'observed', then one of 'wanted'. */
    void (*reading)(void *aux);
    /* The switch has this flow.  True: whoever it is of has taken note, and
     * will send what differs itself, by ofswitch_flow(), once 'wanted' was
     * called; it must not be in that plan. */
    bool (*observed)(const struct plan_flow *, void *aux);
    /* Adds all else that is wanted on the switch to the empty plan. */
    void (*wanted)(struct plan *, void *aux);
    /* The switch has acknowledged all up to and including 'seqno'. */
    void (*acked)(uint64_t seqno, void *aux);
    /* Somebody had changed 'n' flows, groups or buckets of ours. */
    void (*repaired)(size_t n, void *aux);
    /* A flow of ours handed up a packet of network 'vni' from 'port', for the
     * reason 'why' of enum answer_why. */
    void (*packet)(ofp_port_t port, uint32_t vni, uint32_t why,
                   const void *frame, size_t size, void *aux);
    /* The packets that a port has sent and received since it was made: after
     * ofswitch_ask_counters(). */
    void (*counters)(ofp_port_t port, uint64_t sent, uint64_t received,
                     void *aux);
};

/* 'known' as in overlay/compile.h. */
struct ofswitch *ofswitch_create(const char *target, bool known,
                                 const struct ofswitch_events *, void *aux);
void ofswitch_destroy(struct ofswitch *);
void ofswitch_run(struct ofswitch *);
void ofswitch_wait(struct ofswitch *);

/* Connects: for the first time, or now instead of after the back-off.  Not to
 * be called before what is wanted is known: the rest would be removed. */
void ofswitch_connect(struct ofswitch *);

/* Until ofswitch_connect(): the bridge is somebody else's. */
void ofswitch_disconnect(struct ofswitch *);

bool ofswitch_connected(const struct ofswitch *);
/* Does the switch hold all that is wanted, as far as we know? */
bool ofswitch_synced(const struct ofswitch *);
/* The last error that the switch sent, or NULL; one of a bundle that went in
 * afterwards is forgotten. */
const char *ofswitch_error(const struct ofswitch *);

/* Flows in tables of ours that are not ours, as it was last read: 'n' of them,
 * and the one of the highest priority.  They are left alone. */
struct ofswitch_foreign {
    size_t n;
    uint8_t table;
    uint16_t priority;
    uint64_t cookie;
};
const struct ofswitch_foreign *ofswitch_foreign(const struct ofswitch *);

/* Queues the steps from 'old' to 'new'; ofswitch_commit() sends them and
 * returns the seqno that 'acked' will reach when they are in force. */
void ofswitch_change(struct ofswitch *, const struct plan *old,
                     const struct plan *new);
uint64_t ofswitch_commit(struct ofswitch *);

/* For what is too much to be kept as plans.  Queues one flow to be added or
 * deleted, while ofswitch_takes_flows(): it is known what the switch has, and
 * not too much is on its way already. */
bool ofswitch_takes_flows(const struct ofswitch *);
void ofswitch_flow(struct ofswitch *, const struct plan_flow *, bool add);

/* Objects are about to take over flows or groups from each other, so that the
 * steps of one would undo those of another: what follows is not queued, but
 * the switch is read and compared with all that is wanted. */
void ofswitch_compare(struct ofswitch *);

/* Lets the switch send 'packet' by 'actions' (as ovs-ofctl(8) writes them). */
void ofswitch_packet_out(struct ofswitch *, const struct dp_packet *,
                         const char *actions);

/* Asks for what 'counters' tells. */
void ofswitch_ask_counters(struct ofswitch *, ofp_port_t);

/* What the switch has counted of an endpoint.  The caller's, who looks for the
 * answer after ofswitch_run(), and ends by ofswitch_question_finish(). */
enum ofswitch_answer {
    ANSWER_AWAITED,
    ANSWER_THERE,
    ANSWER_LOST,                    /* There is no switch, or it was lost. */
};
struct ofswitch_question {
    struct ovs_list node;           /* While ANSWER_AWAITED. */
    enum ofswitch_answer answer;
    ovs_be32 flows_xid, meter_xid, end_xid;
    struct refusal_counts refused;  /* Complete if ANSWER_THERE. */
};
/* 'meter': the port should have one. */
void ofswitch_ask_refused(struct ofswitch *, ofp_port_t, bool meter,
                          struct ofswitch_question *);
void ofswitch_question_finish(struct ofswitch_question *);

#endif /* agent/ofswitch.h */
