/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "agent/ofswitch-read.h"

#include "agent/ofswitch-encode.h"
#include "openvswitch/match.h"
#include "openvswitch/ofp-connection.h"
#include "openvswitch/ofp-flow.h"
#include "openvswitch/ofp-group.h"
#include "openvswitch/ofp-meter.h"
#include "openvswitch/ofp-monitor.h"
#include "openvswitch/ofp-msgs.h"
#include "openvswitch/ofp-switch.h"
#include "openvswitch/ofp-util.h"
#include "util.h"

static void append_monitor_requests(bool known, struct ovs_list *messages);
static void append_async_config(struct ovs_list *messages);
static bool group_is_sound(const struct ofputil_group_desc *);

static void
append(struct ovs_list *messages, struct ofpbuf *msg)
{
    ovs_list_push_back(messages, &msg->list_node);
}

void
ofswitch_read_watch(bool known, struct ovs_list *messages)
{
    append_monitor_requests(known, messages);
    append_async_config(messages);
}

static void
append_flow_request(struct ovs_list *messages, uint8_t table,
                    uint64_t cookie, uint64_t cookie_mask)
{
    struct ofputil_flow_stats_request fsr = {
        .cookie = htonll(cookie),
        .cookie_mask = htonll(cookie_mask),
        .out_port = OFPP_ANY,
        .out_group = OFPG_ANY,
        .table_id = table,
    };
    match_init_catchall(&fsr.match);
    append(messages, ofputil_encode_flow_stats_request(&fsr,
                                                       OFSWITCH_PROTOCOL));
}

/* Of the tables that are as large as the directory, cookie by cookie. */
static void
append_portions(struct ovs_list *messages)
{
    for (const struct pipeline_table_info *t = pipeline_tables; t->name; t++) {
        append_flow_request(messages, t->id,
                            pipeline_cookie(COOKIE_STATIC, 0),
                            pipeline_table_is_learned(t->id) ? UINT64_MAX : 0);
    }
    for (uint32_t i = 0; i < COOKIES_REMOTE; i++) {
        append_flow_request(messages, OFPTT_ALL,
                            pipeline_cookie(COOKIE_REMOTE, i), UINT64_MAX);
    }
}

void
ofswitch_read_request(bool known, struct ovs_list *messages)
{
    /* Also what is not ours: it may come before ours. */
    if (known) {
        append_portions(messages);
    } else {
        append_flow_request(messages, OFPTT_ALL, 0, 0);
    }
    append(messages, ofputil_encode_group_desc_request(OFSWITCH_VERSION,
                                                       OFPG_ALL));
    append(messages, ofputil_encode_meter_request(
        OFSWITCH_VERSION, OFPUTIL_METER_CONFIG, OFPM13_ALL));
    append(messages, ofputil_encode_barrier_request(OFSWITCH_VERSION));
}

static void
count_foreign(const struct ofputil_flow_stats *fs, struct ofswitch_foreign *f)
{
    if (!pipeline_table_name(fs->table_id)) {
        return;                     /* No flow of ours leads there. */
    }
    if (!f->n++ || fs->priority > f->priority) {
        f->table = fs->table_id;
        f->priority = fs->priority;
        f->cookie = ntohll(fs->cookie);
    }
}

void
ofswitch_read_flows(struct ofpbuf *reply, struct plan *plan,
                    struct ofswitch_foreign *foreign,
                    bool (*take)(const struct plan_flow *, void *aux),
                    void *aux)
{
    struct ofpbuf ofpacts;
    ofpbuf_init(&ofpacts, 256);
    struct ofputil_flow_stats fs;
    while (!ofputil_decode_flow_stats_reply(&fs, reply, false, &ofpacts)) {
        uint64_t cookie = ntohll(fs.cookie);
        if (!pipeline_cookie_is_ours(cookie)) {
            count_foreign(&fs, foreign);
            continue;
        } else if (pipeline_cookie_is_learned(cookie)) {
            continue;
        }
        struct plan_flow flow;
        plan_flow_init(&flow, fs.table_id, fs.priority, cookie, &fs.match,
                       fs.ofpacts, fs.ofpacts_len);
        if (take(&flow, aux)) {
            plan_flow_finish(&flow);
        } else {
            plan_add_observed(plan, &flow);
        }
    }
    ofpbuf_uninit(&ofpacts);
}

void
ofswitch_read_groups(struct ofpbuf *reply, struct plan *plan)
{
    struct ofputil_group_desc gd;
    while (!ofputil_decode_group_desc_reply(&gd, reply, OFSWITCH_VERSION)) {
        if (pipeline_group_is_ours(gd.group_id) && group_is_sound(&gd)) {
            plan_add_group(plan, gd.group_id);
            const struct ofputil_bucket *b;
            LIST_FOR_EACH (b, list_node, &gd.buckets) {
                plan_add_bucket(plan, gd.group_id, u16_to_ofp(b->bucket_id));
            }
        }
        ofputil_uninit_group_desc(&gd);
    }
}

void
ofswitch_read_meters(struct ofpbuf *reply, struct plan *plan,
                     struct ovs_list *mends)
{
    struct ofpbuf bands;
    ofpbuf_init(&bands, 64);
    struct ofputil_meter_config mc;
    while (!ofputil_decode_meter_config(reply, &mc, &bands)) {
        if (mc.flags != OFSWITCH_METER_FLAGS || mc.n_bands != 1
            || mc.bands->type != OFPMBT13_DROP
            || mc.bands->rate != METER_RATE
            || mc.bands->burst_size != METER_BURST) {
            append(mends, ofswitch_encode_meter(mc.meter_id, OFPMC13_MODIFY));
        }
        plan_add_meter(plan, mc.meter_id);
    }
    ofpbuf_uninit(&bands);
}

/* Our own changes come as OFPFME_ABBREV; anything else is somebody else's. */
enum ofswitch_drift
ofswitch_read_updates(struct ofpbuf *msg)
{
    enum ofswitch_drift drift = DRIFT_NONE;
    struct ofpbuf ofpacts;
    ofpbuf_init(&ofpacts, 256);
    struct ofputil_flow_update fu;
    while (!ofputil_decode_flow_update(&fu, msg, &ofpacts)) {
        bool foreign = fu.event == OFPFME_ADDED || fu.event == OFPFME_MODIFIED
                       || fu.event == OFPFME_REMOVED;
        if (foreign) {
            bool ours = pipeline_cookie_is_ours(ntohll(fu.cookie));
            drift = MAX(drift, ours ? DRIFT_OURS : DRIFT_FOREIGN);
        }
    }
    ofpbuf_uninit(&ofpacts);
    return drift;
}

/* Whoever changes a flow of ours is noticed; what the switch learns by itself
 * is not watched.  A message for each table: libopenvswitch 3.1 drops all but
 * the first request that is appended to one. */
static void
append_monitor_requests(bool known, struct ovs_list *messages)
{
    uint32_t id = 0;
    for (const struct pipeline_table_info *t = pipeline_tables; t->name; t++) {
        if (known || !pipeline_table_is_learned(t->id)) {
            id++;
            struct ofputil_flow_monitor_request rq = {
                .id = id,
                .command = OFPFMC_ADD,
                .flags = OFPFMF_ADD | OFPFMF_REMOVED | OFPFMF_MODIFY,
                .out_port = OFPP_ANY,
                .out_group = OFPG_ANY,
                .table_id = t->id,
            };
            match_init_catchall(&rq.match);
            struct ofpbuf *msg = ofpbuf_new(0);
            ofputil_append_flow_monitor_request(&rq, msg, OFSWITCH_PROTOCOL);
            append(messages, msg);
        }
    }
}

/* Groups and meters have no monitor, but whoever changes one is told to the
 * others (OFPT_REQUESTFORWARD, OpenFlow 1.5, section 7.4.6).  Packets come to
 * a management connection only if it says how much of them it wants; then it
 * would get all sorts of messages, of which these are the ones that matter. */
static void
append_async_config(struct ovs_list *messages)
{
    struct ofputil_async_cfg config = OFPUTIL_ASYNC_CFG_INIT;
    config.primary[OAM_REQUESTFORWARD]
        = 1u << OFPRFR_GROUP_MOD | 1u << OFPRFR_METER_MOD;
    config.primary[OAM_PACKET_IN] = 1u << OFPR_ACTION;
    memcpy(config.secondary, config.primary, sizeof config.secondary);
    append(messages, ofputil_encode_set_async_config(
        &config, (1u << OAM_REQUESTFORWARD | 1u << OAM_PACKET_IN
                  | 1u << OAM_PORT_STATUS | 1u << OAM_FLOW_REMOVED),
        OFSWITCH_VERSION));

    const struct ofputil_switch_config all = {
        /* Else no flow sees the ports and types of a first fragment, and
         * what is refused would pass in fragments. */
        .frag = OFPUTIL_FRAG_NX_MATCH,
        .invalid_ttl_to_controller = -1,    /* OpenFlow 1.5 has none. */
        .miss_send_len = OFPCML12_MAX,
    };
    append(messages, ofputil_encode_set_config(&all, OFSWITCH_VERSION));

    struct ofpbuf *msg = ofpraw_alloc(OFPRAW_NXT_SET_CONTROLLER_ID,
                                      OFSWITCH_VERSION, 0);
    struct nx_controller_id *nci = ofpbuf_put_zeros(msg, sizeof *nci);
    nci->controller_id = htons(CONTROLLER_ID);
    append(messages, msg);
}

/* Is each bucket what we make: output to the port that is its id?  One that is
 * not makes the group as good as absent. */
static bool
group_is_sound(const struct ofputil_group_desc *gd)
{
    const struct ofputil_bucket *b;
    LIST_FOR_EACH (b, list_node, &gd->buckets) {
        const struct ofpact *a = b->ofpacts;
        if (!b->bucket_id || b->bucket_id >= ofp_to_u16(OFPP_MAX)
            || !b->ofpacts_len || a->type != OFPACT_OUTPUT
            || ofpact_next(a) != ofpact_end(a, b->ofpacts_len)
            || ofp_to_u16(ofpact_get_OUTPUT(a)->port) != b->bucket_id) {
            return false;
        }
    }
    return gd->type == OFPGT11_ALL;
}
