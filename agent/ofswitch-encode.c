/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "agent/ofswitch-encode.h"

#include "openvswitch/list.h"
#include "openvswitch/match.h"
#include "openvswitch/ofp-bundle.h"
#include "openvswitch/ofp-flow.h"
#include "openvswitch/ofp-group.h"
#include "openvswitch/ofp-meter.h"
#include "openvswitch/ofp-packet.h"
#include "openvswitch/ofp-util.h"
#include "util.h"

enum {
    BUNDLE_FLAGS = OFPBF_ATOMIC | OFPBF_ORDERED,
    BUCKETS_MAX = 256,              /* In one message: 48 bytes each. */
};

static struct ofpbuf *encode_flow(const struct plan_flow *, bool add);
static struct ofpbuf *encode_group(const struct plan_bucket *,
                                   enum plan_op_kind);

struct ofpbuf *
ofswitch_encode_op(const struct plan_op *op)
{
    switch (op->kind) {
    case PLAN_METER_ADD:
        return ofswitch_encode_meter(op->meter->id, OFPMC13_ADD);
    case PLAN_METER_DEL:
        return ofswitch_encode_meter(op->meter->id, OFPMC13_DELETE);
    case PLAN_FLOW_ADD:
    case PLAN_FLOW_DEL:
        return encode_flow(op->flow, op->kind == PLAN_FLOW_ADD);
    case PLAN_BUCKET_ADD: {
        size_t n = 1;
        return ofswitch_encode_buckets(op, &n);
    }
    case PLAN_GROUP_ADD:
    case PLAN_BUCKET_DEL:
    case PLAN_GROUP_DEL:
        return encode_group(op->bucket, op->kind);
    }
    OVS_NOT_REACHED();
}

struct ofpbuf *
ofswitch_encode_meter(uint32_t id, uint16_t command)
{
    struct ofputil_meter_band band = {
        .type = OFPMBT13_DROP,
        .rate = METER_RATE,
        .burst_size = METER_BURST,
    };
    struct ofputil_meter_mod mm = {
        .command = command,
        .meter = { .meter_id = id, .flags = OFSWITCH_METER_FLAGS, .n_bands = 1,
                   .bands = &band },
    };
    return ofputil_encode_meter_mod(OFSWITCH_VERSION, &mm);
}

struct ofpbuf *
ofswitch_encode_bundle_control(uint32_t bundle_id, uint16_t type)
{
    struct ofputil_bundle_ctrl_msg ctrl = {
        .bundle_id = bundle_id,
        .type = type,
        .flags = BUNDLE_FLAGS,
    };
    return ofputil_encode_bundle_ctrl_request(OFSWITCH_VERSION, &ctrl);
}

struct ofpbuf *
ofswitch_encode_bundle_add(uint32_t bundle_id, struct ofpbuf *msg)
{
    ofpmsg_update_length(msg);
    struct ofputil_bundle_add_msg add = {
        .bundle_id = bundle_id,
        .flags = BUNDLE_FLAGS,
        .msg = msg->data,
    };
    struct ofpbuf *added = ofputil_encode_bundle_add(OFSWITCH_VERSION, &add);
    ofpbuf_delete(msg);
    return added;
}

struct ofpbuf *
ofswitch_encode_packet_out(const struct dp_packet *packet, const char *actions)
{
    struct ofpbuf ofpacts;
    ofpbuf_init(&ofpacts, 64);
    enum ofputil_protocol usable;
    struct ofpact_parse_params pp = {
        .ofpacts = &ofpacts, .usable_protocols = &usable,
    };
    char *error = ofpacts_parse_actions(actions, &pp);
    if (error) {
        ovs_abort(0, "actions \"%s\": %s", actions, error);
    }

    struct ofputil_packet_out po = {
        .packet = dp_packet_data(packet),
        .packet_len = dp_packet_size(packet),
        .buffer_id = UINT32_MAX,
        .ofpacts = ofpacts.data,
        .ofpacts_len = ofpacts.size,
    };
    match_init_catchall(&po.flow_metadata);
    match_set_in_port(&po.flow_metadata, OFPP_CONTROLLER);
    struct ofpbuf *msg = ofputil_encode_packet_out(&po, OFSWITCH_PROTOCOL);
    ofpbuf_uninit(&ofpacts);
    return msg;
}

static struct ofpbuf *
encode_flow(const struct plan_flow *flow, bool add)
{
    struct ofputil_flow_mod fm = {
        .match = flow->match,       /* Only read. */
        .priority = flow->priority,
        .new_cookie = htonll(flow->cookie),
        .table_id = flow->table,
        .command = add ? OFPFC_ADD : OFPFC_DELETE_STRICT,
        .buffer_id = UINT32_MAX,
        .out_port = OFPP_ANY,
        .out_group = OFPG_ANY,
        .ofpacts = add ? flow->ofpacts : NULL,
        .ofpacts_len = add ? flow->ofpacts_len : 0,
    };
    if (!add) {
        /* Not what stands in its place by now, be it another object's that
         * took it over or somebody else's. */
        fm.cookie = htonll(flow->cookie);
        fm.cookie_mask = OVS_BE64_MAX;
    }
    return ofputil_encode_flow_mod(&fm, OFSWITCH_PROTOCOL);
}

/* All but the adding of buckets. */
static struct ofpbuf *
encode_group(const struct plan_bucket *bucket, enum plan_op_kind kind)
{
    struct ofputil_group_mod gm = {
        /* A group that is there, but not as it should be, is emptied. */
        .command = (kind == PLAN_GROUP_ADD ? OFPGC15_ADD_OR_MOD
                    : kind == PLAN_GROUP_DEL ? OFPGC15_DELETE
                    : OFPGC15_REMOVE_BUCKET),
        .type = OFPGT11_ALL,
        .group_id = bucket->group,
        .command_bucket_id = (kind == PLAN_BUCKET_DEL ? bucket->port
                              : OFPG15_BUCKET_ALL),
    };
    ovs_list_init(&gm.buckets);
    return ofputil_encode_group_mod(OFSWITCH_VERSION, &gm, NULL, -1);
}

struct ofpbuf *
ofswitch_encode_buckets(const struct plan_op ops[], size_t *n)
{
    struct ofputil_bucket buckets[BUCKETS_MAX];
    struct ofpact_output outputs[BUCKETS_MAX];
    struct ofputil_group_mod gm = {
        .command = OFPGC15_INSERT_BUCKET,
        .type = OFPGT11_ALL,
        .group_id = ops[0].bucket->group,
        .command_bucket_id = OFPG15_BUCKET_LAST,
    };
    ovs_list_init(&gm.buckets);

    size_t taken = 0;
    for (; taken < MIN(*n, BUCKETS_MAX)
         && ops[taken].kind == PLAN_BUCKET_ADD
         && ops[taken].bucket->group == gm.group_id; taken++) {
        struct ofpact_output *output = &outputs[taken];
        ofpact_init_OUTPUT(output);
        output->port = u16_to_ofp(ops[taken].bucket->port);
        buckets[taken] = (struct ofputil_bucket) {
            .watch_port = OFPP_ANY,
            .watch_group = OFPG_ANY,
            .bucket_id = ops[taken].bucket->port,
            .ofpacts = &output->ofpact,
            .ofpacts_len = OFPACT_ALIGN(sizeof *output),
        };
        ovs_list_push_back(&gm.buckets, &buckets[taken].list_node);
    }
    *n = taken;
    return ofputil_encode_group_mod(OFSWITCH_VERSION, &gm, NULL, -1);
}
