/* SPDX-License-Identifier: Apache-2.0 */

#ifndef AGENT_OFSWITCH_ENCODE_H
#define AGENT_OFSWITCH_ENCODE_H 1

/* What a switch is told, as OpenFlow 1.5 messages: the steps of a plan, the
 * frame of a bundle, a packet to send.  Values in, owned messages out, without
 * a connection: called by the ofswitch files, and by the floor of the
 * benchmark, which sends the same. */

#include "dp-packet.h"
#include "openvswitch/ofp-msgs.h"
#include "openvswitch/ofp-protocol.h"
#include "openvswitch/ofpbuf.h"
#include "overlay/plan.h"

#define OFSWITCH_PROTOCOL OFPUTIL_P_OF15_OXM
#define OFSWITCH_VERSION OFP15_VERSION
#define OFSWITCH_METER_FLAGS (OFPMF13_PKTPS | OFPMF13_BURST)

struct ofpbuf *ofswitch_encode_op(const struct plan_op *);
/* One message for as many as possible of the '*n' steps, of which the first is
 * a PLAN_BUCKET_ADD, and those after it may be more of its group; '*n' becomes
 * how many it is for.  A switch makes a group anew for each message about
 * it. */
struct ofpbuf *ofswitch_encode_buckets(const struct plan_op[], size_t *n);
/* 'command' is of enum ofp13_meter_mod_command. */
struct ofpbuf *ofswitch_encode_meter(uint32_t id, uint16_t command);

/* 'type' is of enum ofp14_bundle_ctrl_type. */
struct ofpbuf *ofswitch_encode_bundle_control(uint32_t bundle_id,
                                              uint16_t type);
/* Takes over the message, which becomes a part of the bundle. */
struct ofpbuf *ofswitch_encode_bundle_add(uint32_t bundle_id,
                                          struct ofpbuf *);

/* 'actions' are as ovs-ofctl(8) writes them; ours alone, so that a mistake in
 * them aborts. */
struct ofpbuf *ofswitch_encode_packet_out(const struct dp_packet *,
                                          const char *actions);

#endif /* agent/ofswitch-encode.h */
