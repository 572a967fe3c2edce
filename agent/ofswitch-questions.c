/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "agent/ofswitch-questions.h"

#include "agent/ofswitch-encode.h"
#include "openvswitch/ofp-flow.h"
#include "openvswitch/ofp-meter.h"
#include "openvswitch/ofp-msgs.h"
#include "openvswitch/ofp-util.h"
#include "overlay/compile.h"
#include "util.h"

static void read_flows(struct ofswitch_question *, struct ofpbuf *);
static void read_meter(struct ofswitch_question *, struct ofpbuf *);
static void end(struct ofswitch_question *, enum ofswitch_answer);

/* Appends it; returns its xid. */
static ovs_be32
append(struct ovs_list *messages, struct ofpbuf *msg)
{
    ovs_list_push_back(messages, &msg->list_node);
    return ((const struct ofp_header *) msg->data)->xid;
}

/* The flows that count, and the meter; a switch answers in order, so that the
 * barrier's reply is the end of all answers. */
void
ofswitch_questions_ask(struct ovs_list *questions, ofp_port_t port, bool meter,
                       struct ofswitch_question *q, struct ovs_list *messages)
{
    uint32_t number = ofp_to_u16(port);
    struct ofputil_flow_stats_request fsr = {
        .cookie = htonll(pipeline_cookie(COOKIE_ENDPOINT, number)),
        .cookie_mask = OVS_BE64_MAX,
        .out_port = OFPP_ANY,
        .out_group = OFPG_ANY,
        .table_id = TABLE_REFUSED,
    };
    match_init_catchall(&fsr.match);
    *q = (struct ofswitch_question) { .answer = ANSWER_AWAITED };
    q->flows_xid = append(messages, ofputil_encode_flow_stats_request(
        &fsr, OFSWITCH_PROTOCOL));
    if (meter) {
        q->meter_xid = append(messages, ofputil_encode_meter_request(
            OFSWITCH_VERSION, OFPUTIL_METER_STATS, number));
    }
    q->end_xid = append(messages, ofputil_encode_barrier_request(
        OFSWITCH_VERSION));
    ovs_list_push_back(questions, &q->node);
}

static struct ofswitch_question *
find(const struct ovs_list *questions, ovs_be32 xid)
{
    struct ofswitch_question *q;
    LIST_FOR_EACH (q, node, questions) {
        if (xid && (xid == q->flows_xid || xid == q->meter_xid
                    || xid == q->end_xid)) {
            return q;
        }
    }
    return NULL;
}

bool
ofswitch_questions_take(struct ovs_list *questions, struct ofpbuf *msg)
{
    const struct ofp_header *oh = msg->data;
    struct ofswitch_question *q = find(questions, oh->xid);
    enum ofptype type;
    if (!q || ofptype_decode(&type, oh)) {
        return false;
    }
    if (type == OFPTYPE_FLOW_STATS_REPLY) {
        read_flows(q, msg);
    } else if (type == OFPTYPE_METER_STATS_REPLY) {
        read_meter(q, msg);
    } else if (type == OFPTYPE_BARRIER_REPLY) {
        end(q, ANSWER_THERE);
    } else if (type == OFPTYPE_ERROR && oh->xid != q->meter_xid) {
        end(q, ANSWER_LOST);        /* A meter may have gone just now. */
    }
    return true;
}

void
ofswitch_questions_lose(struct ovs_list *questions)
{
    struct ofswitch_question *q;
    LIST_FOR_EACH_SAFE (q, node, questions) {
        end(q, ANSWER_LOST);
    }
}

void
ofswitch_question_finish(struct ofswitch_question *q)
{
    if (q->answer == ANSWER_AWAITED) {
        end(q, ANSWER_LOST);
    }
}

static void
end(struct ofswitch_question *q, enum ofswitch_answer answer)
{
    q->answer = answer;
    ovs_list_remove(&q->node);
}

static void
read_flows(struct ofswitch_question *q, struct ofpbuf *msg)
{
    struct ofpbuf ofpacts;
    ofpbuf_init(&ofpacts, 64);
    struct ofputil_flow_stats fs;
    while (!ofputil_decode_flow_stats_reply(&fs, msg, false, &ofpacts)) {
        q->refused.n[compile_refused_parse(&fs.match)] += fs.packet_count;
    }
    ofpbuf_uninit(&ofpacts);
}

static void
read_meter(struct ofswitch_question *q, struct ofpbuf *msg)
{
    struct ofpbuf bands;
    ofpbuf_init(&bands, 64);
    struct ofputil_meter_stats ms;
    while (!ofputil_decode_meter_stats(msg, &ms, &bands)) {
        for (size_t i = 0; i < ms.n_bands; i++) {
            q->refused.n[REFUSAL_RATE] += ms.bands[i].packet_count;
        }
    }
    ofpbuf_uninit(&bands);
}
