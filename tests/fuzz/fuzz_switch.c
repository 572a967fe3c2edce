/* SPDX-License-Identifier: Apache-2.0 */

/* What a switch answers, of any bytes behind a header that libopenvswitch
 * takes, becomes a plan: of our cookies, groups and meters alone, with the
 * steps to nothing and back, and a remote endpoint's flow is just that. */

#include <config.h>
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>
#include "agent/ofswitch-encode.h"
#include "agent/ofswitch-read.h"
#include "openflow/openflow.h"
#include "openvswitch/util.h"
#include "openvswitch/vlog.h"
#include "overlay/compile.h"
#include "packets.h"
#include "util.h"

static void
check_remote(const struct plan_flow *flow)
{
    struct compile_remote r;
    struct in6_addr ip;
    struct plan_flow same;

    if (compile_remote_parse(flow, &r, &ip)) {
        r.peer = 1;
        compile_remote(&r, &same);
        ovs_assert(same.table == flow->table);
        ovs_assert(same.priority == flow->priority);
        ovs_assert(minimatch_equal(&same.match, &flow->match));
        plan_flow_finish(&same);
    }
}

/* As remotes.c, which takes what it knows. */
static bool
take(const struct plan_flow *flow, void *aux OVS_UNUSED)
{
    ovs_assert(pipeline_cookie_is_ours(flow->cookie));
    check_remote(flow);
    return flow->priority % 4 == 3;
}

static void
check_plan(struct plan *observed)
{
    struct plan none = PLAN_INITIALIZER(&none);
    struct plan copy = PLAN_INITIALIZER(&copy);
    struct plan_ops ops;
    struct ds s = DS_EMPTY_INITIALIZER;

    plan_ops_init(&ops);
    plan_merge(&copy, observed);
    ovs_assert(plan_equal(&copy, observed));
    plan_diff(observed, &none, &ops);
    plan_ops_format(&ops, &s);
    for (size_t i = 0; i < ops.n; i++) {
        if (ops.ops[i].kind != PLAN_BUCKET_ADD) {
            ofpbuf_delete(ofswitch_encode_op(&ops.ops[i]));
        }
    }
    plan_apply(&copy, &ops);
    ovs_assert(plan_equal(&copy, &none));
    plan_ops_finish(&ops);
    plan_format(observed, &s);
    ds_destroy(&s);
    plan_finish(&copy);
    plan_finish(&none);
}

/* Says what the message may be; not all that come from a switch. */
static void
read_message(struct ofpbuf *msg, enum ofptype type, struct plan *plan,
             struct ovs_list *mends)
{
    if (type == OFPTYPE_FLOW_STATS_REPLY) {
        struct ofswitch_foreign foreign = { .n = 0 };
        ofswitch_read_flows(msg, plan, &foreign, take, NULL);
    } else if (type == OFPTYPE_GROUP_DESC_STATS_REPLY) {
        ofswitch_read_groups(msg, plan);
    } else if (type == OFPTYPE_METER_CONFIG_STATS_REPLY) {
        ofswitch_read_meters(msg, plan, mends);
    } else if (type == OFPTYPE_FLOW_MONITOR_STATS_REPLY) {
        (void) ofswitch_read_updates(msg);
    }
}

/* The first byte chooses the message; the rest is its body. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum ofpraw raws[] = {
        OFPRAW_OFPST15_FLOW_REPLY, OFPRAW_OFPST11_GROUP_DESC_REPLY,
        OFPRAW_OFPST13_METER_CONFIG_REPLY, OFPRAW_OFPST14_FLOW_MONITOR_REPLY,
    };
    static bool is_silent;
    struct plan plan = PLAN_INITIALIZER(&plan);
    struct ovs_list mends = OVS_LIST_INITIALIZER(&mends);
    enum ofptype type;

    if (!size || size > UINT16_MAX - 64) {
        return 0;
    }
    if (!is_silent) {
        vlog_set_levels(NULL, VLF_ANY_DESTINATION, VLL_OFF);
        is_silent = true;
    }

    struct ofpbuf *msg = ofpraw_alloc_xid(raws[data[0] % ARRAY_SIZE(raws)],
                                          OFSWITCH_VERSION, 0, size);
    ofpbuf_put(msg, &data[1], size - 1);
    ofpmsg_update_length(msg);
    msg->header = msg->msg = NULL;  /* As it comes from a connection. */
    if (!ofptype_decode(&type, msg->data)) {
        read_message(msg, type, &plan, &mends);
        check_plan(&plan);
    }
    ofpbuf_list_delete(&mends);
    ofpbuf_delete(msg);
    plan_finish(&plan);
    return 0;
}
