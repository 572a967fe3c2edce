/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "agent/ofswitch-bundles.h"

#include <stdlib.h>
#include "agent/ofswitch-encode.h"
#include "openvswitch/ofp-bundle.h"
#include "openvswitch/ofpbuf.h"
#include "util.h"

/* A bundle on its way. */
struct bundle {
    struct ovs_list node;
    ovs_be32 commit_xid;
    uint64_t seqno;
};

void
ofswitch_bundles_init(struct ofswitch_bundles *b)
{
    *b = (struct ofswitch_bundles) { .seqno = 0 };
    for (size_t i = 0; i < PLAN_OP_KINDS; i++) {
        ovs_list_init(&b->queue[i]);
    }
    ovs_list_init(&b->sent);
}

void
ofswitch_bundles_clear(struct ofswitch_bundles *b)
{
    ofswitch_bundles_lose(b);
    for (size_t i = 0; i < PLAN_OP_KINDS; i++) {
        ofpbuf_list_delete(&b->queue[i]);
        ovs_list_init(&b->queue[i]);
    }
}

void
ofswitch_bundles_lose(struct ofswitch_bundles *b)
{
    struct bundle *bundle;
    LIST_FOR_EACH_POP (bundle, node, &b->sent) {
        free(bundle);
    }
}

void
ofswitch_bundles_queue(struct ofswitch_bundles *b, const struct plan_ops *ops)
{
    for (size_t i = 0; i < ops->n; ) {
        const struct plan_op *op = &ops->ops[i];
        size_t n = op->kind == PLAN_BUCKET_ADD ? ops->n - i : 1;
        struct ofpbuf *msg = (op->kind == PLAN_BUCKET_ADD
                              ? ofswitch_encode_buckets(op, &n)
                              : ofswitch_encode_op(op));
        ovs_list_push_back(&b->queue[op->kind], &msg->list_node);
        i += n;
    }
}

/* Appends the request and returns its xid. */
static ovs_be32
append_control(struct ovs_list *messages, uint32_t id, uint16_t type)
{
    struct ofpbuf *msg = ofswitch_encode_bundle_control(id, type);
    ovs_list_push_back(messages, &msg->list_node);
    return ((struct ofp_header *) msg->data)->xid;
}

static bool
waits(const struct ofswitch_bundles *b)
{
    for (size_t i = 0; i < PLAN_OP_KINDS; i++) {
        if (!ovs_list_is_empty(&b->queue[i])) {
            return true;
        }
    }
    return false;
}

bool
ofswitch_bundles_take(struct ofswitch_bundles *b, struct ovs_list *messages)
{
    if (!waits(b)) {
        return false;
    }

    /* Open vSwitch takes no meters in a bundle.  Flows need theirs first. */
    ovs_list_push_back_all(messages, &b->queue[PLAN_METER_ADD]);
    b->id++;
    (void) append_control(messages, b->id, OFPBCT_OPEN_REQUEST);
    for (size_t i = PLAN_GROUP_ADD; i <= PLAN_GROUP_DEL; i++) {
        struct ofpbuf *msg;
        LIST_FOR_EACH_POP (msg, list_node, &b->queue[i]) {
            msg = ofswitch_encode_bundle_add(b->id, msg);
            ovs_list_push_back(messages, &msg->list_node);
        }
    }
    struct bundle *bundle = xmalloc(sizeof *bundle);
    bundle->commit_xid = append_control(messages, b->id,
                                        OFPBCT_COMMIT_REQUEST);
    bundle->seqno = ++b->seqno;
    ovs_list_push_back(&b->sent, &bundle->node);
    ovs_list_push_back_all(messages, &b->queue[PLAN_METER_DEL]);
    return true;
}

uint64_t
ofswitch_bundles_skip(struct ofswitch_bundles *b)
{
    b->seqno++;
    if (ovs_list_is_empty(&b->sent)) {
        return b->seqno;
    }
    struct bundle *last = CONTAINER_OF(ovs_list_back(&b->sent),
                                       struct bundle, node);
    last->seqno = b->seqno;
    return 0;
}

bool
ofswitch_bundles_settled(const struct ofswitch_bundles *b)
{
    return ovs_list_is_empty(&b->sent) && !waits(b);
}

size_t
ofswitch_bundles_count(const struct ofswitch_bundles *b)
{
    return ovs_list_size(&b->sent);
}

uint64_t
ofswitch_bundles_reply(struct ofswitch_bundles *b, const struct ofp_header *oh)
{
    struct ofputil_bundle_ctrl_msg reply;
    if (ofputil_decode_bundle_ctrl(oh, &reply)
        || reply.type != OFPBCT_COMMIT_REPLY) {
        return 0;
    }
    struct bundle *bundle;
    LIST_FOR_EACH (bundle, node, &b->sent) {
        if (bundle->commit_xid == oh->xid) {
            uint64_t seqno = bundle->seqno;
            ovs_list_remove(&bundle->node);
            free(bundle);
            return seqno;
        }
    }
    return 0;
}
