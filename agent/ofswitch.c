/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "agent/ofswitch.h"

#include <stdlib.h>
#include <unistd.h>
#include "flow.h"
#include "openvswitch/list.h"
#include "openvswitch/match.h"
#include "openvswitch/ofp-bundle.h"
#include "openvswitch/ofp-connection.h"
#include "openvswitch/ofp-errors.h"
#include "openvswitch/ofp-flow.h"
#include "openvswitch/ofp-group.h"
#include "openvswitch/ofp-meter.h"
#include "openvswitch/ofp-monitor.h"
#include "openvswitch/ofp-msgs.h"
#include "openvswitch/ofp-packet.h"
#include "openvswitch/ofp-switch.h"
#include "openvswitch/ofp-util.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/rconn.h"
#include "openvswitch/vlog.h"
#include "socket-util.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(ofswitch);

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 20);

#define PROTOCOL OFPUTIL_P_OF15_OXM
#define OF_VERSION OFP15_VERSION

#define METER_FLAGS (OFPMF13_PKTPS | OFPMF13_BURST)

enum {
    REG_NET_INDEX = 0,          /* See pipeline.def. */
    REG_WHY_INDEX = 7,
    REREAD_DELAY_MS = 50,       /* A burst of changes is one. */
    FOREIGN_DELAY_MS = 1000,    /* Of flows that are not ours, but may have
                                 * taken the place of ours. */
    RETRY_DELAY_MS = 1000,      /* After a refused bundle. */
    READ_MAX = 50,              /* Messages handled in one run. */
};

/*
 *        connected            barrier reply: diff, bundle
 *  DOWN -----------> READING ----------------------------> SYNCED
 *   ^                 ^  |                                   |
 *   |                 |  |   foreign change, refused bundle  |
 *   |                 |  |   (after a delay)                 |
 *   |                 +--|-----------------------------------+
 *   +--------------------+------ connection lost
 */
enum state {
    S_DOWN,
    S_READING,                  /* Requests are out; the answers gather in
                                 * 'observed'.  Changes are not queued: the
                                 * comparison at the end covers them. */
    S_SYNCED,
};

/* A bundle on its way. */
struct bundle {
    struct ovs_list node;
    ovs_be32 commit_xid;
    uint64_t seqno;
};

struct ofswitch {
    struct rconn *rconn;
    char *target;               /* "unix:PATH" */
    unsigned int connection;    /* rconn's seqno of the connection we know. */
    enum state state;
    struct plan observed;       /* While S_READING. */
    ovs_be32 barrier_xid;       /* Ends S_READING. */
    bool reread;                /* Not the first reading of a connection. */
    bool repair;                /* The reading is for what others changed. */
    long long int reread_at;    /* When to read again; LLONG_MAX: need not. */
    struct ovs_list queue[PLAN_OP_KINDS];   /* Of ofpbufs. */
    struct ovs_list bundles;    /* Contains struct bundle, in order. */
    uint32_t bundle_id;
    uint64_t seqno;             /* Of the last bundle. */
    char *error;
    const struct ofswitch_events *events;
    void *aux;
};

static void start_reading(struct ofswitch *);
static void finish_reading(struct ofswitch *);
static void handle_message(struct ofswitch *, struct ofpbuf *);
static void forget_connection(struct ofswitch *);
static struct ofpbuf *encode_op(const struct plan_op *);
static struct ofpbuf *encode_meter(uint32_t id, uint16_t command);
static void queue_ops(struct ofswitch *, const struct plan_ops *);
static void send_bundle(struct ofswitch *);
static void send_message(struct ofswitch *, struct ofpbuf *);

struct ofswitch *
ofswitch_create(const char *target, const struct ofswitch_events *events,
                void *aux)
{
    struct ofswitch *sw = xzalloc(sizeof *sw);
    sw->target = xstrdup(target);
    sw->rconn = rconn_create(5, 1, DSCP_DEFAULT, 1u << OF_VERSION);
    sw->reread_at = LLONG_MAX;
    plan_init(&sw->observed);
    for (size_t i = 0; i < PLAN_OP_KINDS; i++) {
        ovs_list_init(&sw->queue[i]);
    }
    ovs_list_init(&sw->bundles);
    sw->events = events;
    sw->aux = aux;
    return sw;
}

void
ofswitch_destroy(struct ofswitch *sw)
{
    if (sw) {
        forget_connection(sw);
        rconn_destroy(sw->rconn);
        plan_finish(&sw->observed);
        free(sw->target);
        free(sw->error);
        free(sw);
    }
}

void
ofswitch_run(struct ofswitch *sw)
{
    rconn_run(sw->rconn);

    if (!rconn_is_connected(sw->rconn)) {
        if (sw->state != S_DOWN) {
            VLOG_WARN("%s: connection lost", sw->target);
            forget_connection(sw);
        }
        return;
    }
    unsigned int connection = rconn_get_connection_seqno(sw->rconn);
    if (sw->state == S_DOWN || connection != sw->connection) {
        forget_connection(sw);
        sw->connection = connection;
        sw->reread = sw->repair = false;
        start_reading(sw);
    }
    for (int i = 0; i < READ_MAX && rconn_is_connected(sw->rconn); i++) {
        struct ofpbuf *msg = rconn_recv(sw->rconn);
        if (!msg) {
            break;
        }
        handle_message(sw, msg);
        ofpbuf_delete(msg);
    }
    if (sw->state == S_SYNCED && time_msec() >= sw->reread_at) {
        sw->reread = sw->repair = true;
        start_reading(sw);
    }
}

void
ofswitch_wait(struct ofswitch *sw)
{
    rconn_run_wait(sw->rconn);
    rconn_recv_wait(sw->rconn);
    if (sw->state == S_SYNCED && sw->reread_at != LLONG_MAX) {
        poll_timer_wait_until(sw->reread_at);
    }
}

void
ofswitch_connect(struct ofswitch *sw)
{
    /* Without a socket there is nothing to hurry for; the first call sets the
     * back-off going. */
    bool there = access(strchr(sw->target, ':') + 1, F_OK) == 0;
    if (!rconn_is_connected(sw->rconn)
        && (there || !rconn_is_reliable(sw->rconn))) {
        rconn_disconnect(sw->rconn);
        rconn_connect(sw->rconn, sw->target, sw->target);
    }
}

void
ofswitch_disconnect(struct ofswitch *sw)
{
    rconn_disconnect(sw->rconn);
}

bool
ofswitch_connected(const struct ofswitch *sw)
{
    return sw->state != S_DOWN;
}

bool
ofswitch_synced(const struct ofswitch *sw)
{
    return sw->state == S_SYNCED && ovs_list_is_empty(&sw->bundles)
           && sw->reread_at == LLONG_MAX;
}

const char *
ofswitch_error(const struct ofswitch *sw)
{
    return sw->error;
}

void
ofswitch_change(struct ofswitch *sw, const struct plan *old,
                const struct plan *new)
{
    if (sw->state == S_SYNCED) {
        struct plan_ops ops;
        plan_ops_init(&ops);
        plan_diff(old, new, &ops);
        queue_ops(sw, &ops);
        plan_ops_finish(&ops);
    }
}

void
ofswitch_compare(struct ofswitch *sw)
{
    if (sw->state == S_SYNCED) {
        sw->repair = sw->reread_at != LLONG_MAX;
        sw->reread = true;
        start_reading(sw);
    }
}

uint64_t
ofswitch_commit(struct ofswitch *sw)
{
    if (sw->state != S_SYNCED) {
        return sw->seqno + 1;       /* What the end of the reading will be. */
    }
    send_bundle(sw);
    return sw->seqno;
}

void
ofswitch_packet_out(struct ofswitch *sw, const struct dp_packet *packet,
                    const char *actions)
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
    send_message(sw, ofputil_encode_packet_out(&po, PROTOCOL));
    ofpbuf_uninit(&ofpacts);
}

/* Whoever changes a flow of ours is noticed; what the switch learns by itself
 * is not watched.  A message for each table: libopenvswitch 3.1 drops all but
 * the first request that is appended to one. */
static void
send_monitor_requests(struct ofswitch *sw)
{
    uint32_t id = 1;
    for (const struct pipeline_table_info *t = pipeline_tables; t->name; t++) {
        if (!pipeline_table_is_learned(t->id)) {
            struct ofputil_flow_monitor_request rq = {
                .id = id++,
                .command = OFPFMC_ADD,
                .flags = OFPFMF_ADD | OFPFMF_REMOVED | OFPFMF_MODIFY,
                .out_port = OFPP_ANY,
                .out_group = OFPG_ANY,
                .table_id = t->id,
            };
            match_init_catchall(&rq.match);
            struct ofpbuf *msg = ofpbuf_new(0);
            ofputil_append_flow_monitor_request(&rq, msg, PROTOCOL);
            send_message(sw, msg);
        }
    }
}

/* Groups and meters have no monitor, but whoever changes one is told to the
 * others (OFPT_REQUESTFORWARD, OpenFlow 1.5, section 7.4.6).  Packets come to
 * a management connection only if it says how much of them it wants; then it
 * would get all sorts of messages, of which these are the ones that matter. */
static void
send_async_config(struct ofswitch *sw)
{
    struct ofputil_async_cfg config = OFPUTIL_ASYNC_CFG_INIT;
    config.primary[OAM_REQUESTFORWARD]
        = 1u << OFPRFR_GROUP_MOD | 1u << OFPRFR_METER_MOD;
    config.primary[OAM_PACKET_IN] = 1u << OFPR_ACTION;
    memcpy(config.secondary, config.primary, sizeof config.secondary);
    send_message(sw, ofputil_encode_set_async_config(
        &config, (1u << OAM_REQUESTFORWARD | 1u << OAM_PACKET_IN
                  | 1u << OAM_PORT_STATUS | 1u << OAM_FLOW_REMOVED),
        OF_VERSION));

    const struct ofputil_switch_config all = {
        .frag = OFPUTIL_FRAG_NORMAL,
        .invalid_ttl_to_controller = -1,    /* OpenFlow 1.5 has none. */
        .miss_send_len = OFPCML12_MAX,
    };
    send_message(sw, ofputil_encode_set_config(&all, OF_VERSION));

    struct ofpbuf *msg = ofpraw_alloc(OFPRAW_NXT_SET_CONTROLLER_ID, OF_VERSION,
                                      0);
    struct nx_controller_id *nci = ofpbuf_put_zeros(msg, sizeof *nci);
    nci->controller_id = htons(CONTROLLER_ID);
    send_message(sw, msg);
}

static void
start_reading(struct ofswitch *sw)
{
    send_bundle(sw);                /* What waits is to be read back, too. */
    plan_clear(&sw->observed);
    sw->reread_at = LLONG_MAX;
    sw->state = S_READING;

    if (!sw->reread) {
        send_monitor_requests(sw);
        send_async_config(sw);
    }
    struct ofputil_flow_stats_request fsr = {
        .cookie = htonll(COOKIE_OURS),
        .cookie_mask = htonll(COOKIE_OURS_MASK),
        .out_port = OFPP_ANY,
        .out_group = OFPG_ANY,
        .table_id = OFPTT_ALL,
    };
    match_init_catchall(&fsr.match);
    send_message(sw, ofputil_encode_flow_stats_request(&fsr, PROTOCOL));
    send_message(sw, ofputil_encode_group_desc_request(OF_VERSION, OFPG_ALL));
    send_message(sw, ofputil_encode_meter_request(
        OF_VERSION, OFPUTIL_METER_CONFIG, OFPM13_ALL));
    struct ofpbuf *barrier = ofputil_encode_barrier_request(OF_VERSION);
    sw->barrier_xid = ((struct ofp_header *) barrier->data)->xid;
    send_message(sw, barrier);
}

static void
finish_reading(struct ofswitch *sw)
{
    struct plan wanted = PLAN_INITIALIZER(&wanted);
    sw->events->wanted(&wanted, sw->aux);

    struct plan_ops ops;
    plan_ops_init(&ops);
    plan_diff(&sw->observed, &wanted, &ops);
    VLOG_INFO("%s: %"PRIuSIZE" flows read, %"PRIuSIZE" changes", sw->target,
              hmap_count(&sw->observed.flows), ops.n);
    if (VLOG_IS_DBG_ENABLED()) {
        struct ds s = DS_EMPTY_INITIALIZER;
        plan_ops_format(&ops, &s);
        VLOG_DBG("changes:\n%s", ds_cstr(&s));
        ds_destroy(&s);
    }
    sw->state = S_SYNCED;
    queue_ops(sw, &ops);
    if (sw->repair && ops.n) {
        sw->events->repaired(ops.n, sw->aux);
    }
    plan_clear(&sw->observed);
    plan_ops_finish(&ops);
    plan_finish(&wanted);

    uint64_t promised = sw->seqno + 1;
    send_bundle(sw);
    if (sw->seqno < promised) {
        sw->seqno = promised;       /* Nothing to send: it holds already. */
        free(sw->error);
        sw->error = NULL;
        if (ovs_list_is_empty(&sw->bundles)) {
            sw->events->acked(sw->seqno, sw->aux);
        } else {
            struct bundle *last = CONTAINER_OF(ovs_list_back(&sw->bundles),
                                               struct bundle, node);
            last->seqno = promised;
        }
    }
}

static void
read_flows(struct ofswitch *sw, struct ofpbuf *msg)
{
    struct ofpbuf ofpacts;
    ofpbuf_init(&ofpacts, 256);
    struct ofputil_flow_stats fs;
    while (!ofputil_decode_flow_stats_reply(&fs, msg, false, &ofpacts)) {
        if (!pipeline_table_is_learned(fs.table_id)
            && pipeline_cookie_is_ours(ntohll(fs.cookie))) {
            struct minimatch match;
            minimatch_init(&match, &fs.match);
            plan_add_observed(&sw->observed, fs.table_id, fs.priority,
                              ntohll(fs.cookie), &match, fs.ofpacts,
                              fs.ofpacts_len);
        }
    }
    ofpbuf_uninit(&ofpacts);
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

static void
read_groups(struct ofswitch *sw, struct ofpbuf *msg)
{
    struct ofputil_group_desc gd;
    while (!ofputil_decode_group_desc_reply(&gd, msg, OF_VERSION)) {
        if (pipeline_group_is_ours(gd.group_id) && group_is_sound(&gd)) {
            plan_add_group(&sw->observed, gd.group_id);
            const struct ofputil_bucket *b;
            LIST_FOR_EACH (b, list_node, &gd.buckets) {
                plan_add_bucket(&sw->observed, gd.group_id,
                                u16_to_ofp(b->bucket_id));
            }
        }
        ofputil_uninit_group_desc(&gd);
    }
}

/* A meter that is not what we make is made so on the spot: to delete it would
 * delete the flows that use it. */
static void
read_meters(struct ofswitch *sw, struct ofpbuf *msg)
{
    struct ofpbuf bands;
    ofpbuf_init(&bands, 64);
    struct ofputil_meter_config mc;
    while (!ofputil_decode_meter_config(msg, &mc, &bands)) {
        if (mc.flags != METER_FLAGS || mc.n_bands != 1
            || mc.bands->type != OFPMBT13_DROP
            || mc.bands->rate != METER_RATE
            || mc.bands->burst_size != METER_BURST) {
            send_message(sw, encode_meter(mc.meter_id, OFPMC13_MODIFY));
        }
        plan_add_meter(&sw->observed, mc.meter_id);
    }
    ofpbuf_uninit(&bands);
}

/* A packet that a flow of ours handed up. */
static void
read_packet(struct ofswitch *sw, const struct ofp_header *oh)
{
    struct ofputil_packet_in pin;
    if (ofputil_decode_packet_in(oh, true, NULL, NULL, &pin, NULL, NULL,
                                 NULL)) {
        return;
    }
    const struct flow *flow = &pin.flow_metadata.flow;
    sw->events->packet(flow->in_port.ofp_port, flow->regs[REG_NET_INDEX],
                       flow->regs[REG_WHY_INDEX],
                       pin.packet, pin.packet_len, sw->aux);
}

/* Our own changes come as OFPFME_ABBREV; anything else is somebody else's. */
static void
read_flow_updates(struct ofswitch *sw, struct ofpbuf *msg)
{
    struct ofpbuf ofpacts;
    ofpbuf_init(&ofpacts, 256);
    struct ofputil_flow_update fu;
    while (!ofputil_decode_flow_update(&fu, msg, &ofpacts)) {
        bool foreign = fu.event == OFPFME_ADDED || fu.event == OFPFME_MODIFIED
                       || fu.event == OFPFME_REMOVED;
        if (foreign) {
            bool ours = pipeline_cookie_is_ours(ntohll(fu.cookie));
            long long int at = time_msec() + (ours ? REREAD_DELAY_MS
                                              : FOREIGN_DELAY_MS);
            sw->reread_at = MIN(sw->reread_at, at);
        }
    }
    ofpbuf_uninit(&ofpacts);
}

static void
handle_error(struct ofswitch *sw, const struct ofp_header *oh)
{
    struct ofpbuf payload;
    enum ofperr error = ofperr_decode_msg(oh, &payload);

    free(sw->error);
    sw->error = xstrdup(ofperr_to_string(error));
    VLOG_WARN_RL(&rl, "%s: refused a change: %s", sw->target, sw->error);
    ofpbuf_uninit(&payload);

    /* The bundle it belongs to is lost, and its commit fails as well; reading
     * everything back tells what is in force.  Its waiters wait for that. */
    struct bundle *b;
    LIST_FOR_EACH_POP (b, node, &sw->bundles) {
        free(b);
    }
    sw->reread_at = time_msec() + RETRY_DELAY_MS;
}

static void
handle_bundle_reply(struct ofswitch *sw, const struct ofp_header *oh)
{
    struct ofputil_bundle_ctrl_msg reply;
    if (ofputil_decode_bundle_ctrl(oh, &reply)
        || reply.type != OFPBCT_COMMIT_REPLY) {
        return;
    }
    struct bundle *b;
    LIST_FOR_EACH_SAFE (b, node, &sw->bundles) {
        if (b->commit_xid == oh->xid) {
            uint64_t seqno = b->seqno;
            ovs_list_remove(&b->node);
            free(b);
            free(sw->error);
            sw->error = NULL;
            sw->events->acked(seqno, sw->aux);
            return;
        }
    }
}

static void
handle_message(struct ofswitch *sw, struct ofpbuf *msg)
{
    const struct ofp_header *oh = msg->data;
    enum ofptype type;
    if (ofptype_decode(&type, oh)) {
        return;
    }
    /* Only what was asked for, or what a switch says by itself. */
    if (type == OFPTYPE_ECHO_REQUEST) {
        send_message(sw, ofputil_encode_echo_reply(oh));
    } else if (type == OFPTYPE_FLOW_STATS_REPLY && sw->state == S_READING) {
        read_flows(sw, msg);
    } else if (type == OFPTYPE_GROUP_DESC_STATS_REPLY
               && sw->state == S_READING) {
        read_groups(sw, msg);
    } else if (type == OFPTYPE_METER_CONFIG_STATS_REPLY
               && sw->state == S_READING) {
        read_meters(sw, msg);
    } else if (type == OFPTYPE_PACKET_IN) {
        read_packet(sw, oh);
    } else if (type == OFPTYPE_BARRIER_REPLY && sw->state == S_READING
               && oh->xid == sw->barrier_xid) {
        finish_reading(sw);
    } else if (type == OFPTYPE_FLOW_MONITOR_STATS_REPLY) {
        read_flow_updates(sw, msg);
    } else if (type == OFPTYPE_REQUESTFORWARD) {
        sw->reread_at = MIN(sw->reread_at, time_msec() + REREAD_DELAY_MS);
    } else if (type == OFPTYPE_BUNDLE_CONTROL) {
        handle_bundle_reply(sw, oh);
    } else if (type == OFPTYPE_ERROR) {
        handle_error(sw, oh);
    }
}

static void
forget_connection(struct ofswitch *sw)
{
    struct bundle *b;
    LIST_FOR_EACH_POP (b, node, &sw->bundles) {
        free(b);
    }
    for (size_t i = 0; i < PLAN_OP_KINDS; i++) {
        ofpbuf_list_delete(&sw->queue[i]);
        ovs_list_init(&sw->queue[i]);
    }
    sw->state = S_DOWN;
    sw->reread_at = LLONG_MAX;
    plan_clear(&sw->observed);
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
        /* Nothing but ours, even if somebody put his own in its place. */
        fm.cookie = htonll(COOKIE_OURS);
        fm.cookie_mask = htonll(COOKIE_OURS_MASK);
    }
    return ofputil_encode_flow_mod(&fm, PROTOCOL);
}

static struct ofpbuf *
encode_bucket(const struct plan_bucket *bucket, enum plan_op_kind kind)
{
    struct ofputil_group_mod gm = {
        /* A group that is there, but not as it should be, is emptied. */
        .command = (kind == PLAN_GROUP_ADD ? OFPGC15_ADD_OR_MOD
                    : kind == PLAN_GROUP_DEL ? OFPGC15_DELETE
                    : kind == PLAN_BUCKET_ADD ? OFPGC15_INSERT_BUCKET
                    : OFPGC15_REMOVE_BUCKET),
        .type = OFPGT11_ALL,
        .group_id = bucket->group,
        .command_bucket_id = (kind == PLAN_BUCKET_ADD ? OFPG15_BUCKET_LAST
                              : kind == PLAN_BUCKET_DEL ? bucket->port
                              : OFPG15_BUCKET_ALL),
    };
    struct ofpbuf ofpacts;
    ofpbuf_init(&ofpacts, 32);
    ovs_list_init(&gm.buckets);

    struct ofputil_bucket b = {
        .watch_port = OFPP_ANY,
        .watch_group = OFPG_ANY,
        .bucket_id = bucket->port,
    };
    if (kind == PLAN_BUCKET_ADD) {
        ofpact_put_OUTPUT(&ofpacts)->port = u16_to_ofp(bucket->port);
        b.ofpacts = ofpacts.data;
        b.ofpacts_len = ofpacts.size;
        ovs_list_push_back(&gm.buckets, &b.list_node);
    }
    struct ofpbuf *msg = ofputil_encode_group_mod(OF_VERSION, &gm, NULL, -1);
    ofpbuf_uninit(&ofpacts);
    return msg;
}

static struct ofpbuf *
encode_meter(uint32_t id, uint16_t command)
{
    struct ofputil_meter_band band = {
        .type = OFPMBT13_DROP,
        .rate = METER_RATE,
        .burst_size = METER_BURST,
    };
    struct ofputil_meter_mod mm = {
        .command = command,
        .meter = { .meter_id = id, .flags = METER_FLAGS, .n_bands = 1,
                   .bands = &band },
    };
    return ofputil_encode_meter_mod(OF_VERSION, &mm);
}

static struct ofpbuf *
encode_op(const struct plan_op *op)
{
    switch (op->kind) {
    case PLAN_METER_ADD:
        return encode_meter(op->meter->id, OFPMC13_ADD);
    case PLAN_METER_DEL:
        return encode_meter(op->meter->id, OFPMC13_DELETE);
    case PLAN_FLOW_ADD:
    case PLAN_FLOW_DEL:
        return encode_flow(op->flow, op->kind == PLAN_FLOW_ADD);
    case PLAN_GROUP_ADD:
    case PLAN_BUCKET_ADD:
    case PLAN_BUCKET_DEL:
    case PLAN_GROUP_DEL:
        return encode_bucket(op->bucket, op->kind);
    }
    OVS_NOT_REACHED();
}

static void
queue_ops(struct ofswitch *sw, const struct plan_ops *ops)
{
    for (size_t i = 0; i < ops->n; i++) {
        struct ofpbuf *msg = encode_op(&ops->ops[i]);
        ovs_list_push_back(&sw->queue[ops->ops[i].kind], &msg->list_node);
    }
}

static ovs_be32
send_bundle_control(struct ofswitch *sw, uint16_t type)
{
    struct ofputil_bundle_ctrl_msg ctrl = {
        .bundle_id = sw->bundle_id,
        .type = type,
        .flags = OFPBF_ATOMIC | OFPBF_ORDERED,
    };
    struct ofpbuf *msg = ofputil_encode_bundle_ctrl_request(OF_VERSION, &ctrl);
    ovs_be32 xid = ((struct ofp_header *) msg->data)->xid;
    send_message(sw, msg);
    return xid;
}

static void
send_queue(struct ofswitch *sw, enum plan_op_kind kind)
{
    struct ofpbuf *msg;
    LIST_FOR_EACH_POP (msg, list_node, &sw->queue[kind]) {
        send_message(sw, msg);
    }
}

static void
send_bundle(struct ofswitch *sw)
{
    bool any = false;
    for (size_t i = 0; i < PLAN_OP_KINDS; i++) {
        any = any || !ovs_list_is_empty(&sw->queue[i]);
    }
    if (!any) {
        return;
    }

    /* Open vSwitch takes no meters in a bundle.  Flows need theirs first. */
    send_queue(sw, PLAN_METER_ADD);
    sw->bundle_id++;
    (void) send_bundle_control(sw, OFPBCT_OPEN_REQUEST);
    for (size_t i = PLAN_GROUP_ADD; i <= PLAN_GROUP_DEL; i++) {
        struct ofpbuf *msg;
        LIST_FOR_EACH_POP (msg, list_node, &sw->queue[i]) {
            struct ofputil_bundle_add_msg add = {
                .bundle_id = sw->bundle_id,
                .flags = OFPBF_ATOMIC | OFPBF_ORDERED,
                .msg = msg->data,
            };
            send_message(sw, ofputil_encode_bundle_add(OF_VERSION, &add));
            ofpbuf_delete(msg);
        }
    }
    struct bundle *b = xmalloc(sizeof *b);
    b->commit_xid = send_bundle_control(sw, OFPBCT_COMMIT_REQUEST);
    b->seqno = ++sw->seqno;
    ovs_list_push_back(&sw->bundles, &b->node);
    send_queue(sw, PLAN_METER_DEL);
}

/* A failure to send is the connection's end, which ofswitch_run() sees. */
static void
send_message(struct ofswitch *sw, struct ofpbuf *msg)
{
    ofpmsg_update_length(msg);
    (void) rconn_send(sw->rconn, msg, NULL);
}
