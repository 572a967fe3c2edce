/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "agent/ofswitch.h"

#include <stdlib.h>
#include <unistd.h>
#include "agent/ofswitch-bundles.h"
#include "agent/ofswitch-encode.h"
#include "agent/ofswitch-questions.h"
#include "agent/ofswitch-read.h"
#include "flow.h"
#include "netdev.h"
#include "openvswitch/list.h"
#include "openvswitch/ofp-errors.h"
#include "openvswitch/ofp-msgs.h"
#include "openvswitch/ofp-packet.h"
#include "openvswitch/ofp-port.h"
#include "openvswitch/ofp-util.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/rconn.h"
#include "openvswitch/vlog.h"
#include "socket-util.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(ofswitch);

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 20);

enum {
    REG_NET_INDEX = 0,          /* See pipeline.def. */
    REG_WHY_INDEX = 7,
    REREAD_DELAY_MS = 50,       /* A burst of changes is one. */
    FOREIGN_DELAY_MS = 1000,    /* Of flows that are not ours. */
    LEFTOVER_DELAY_MS = 15000,  /* vswitchd's other_config:max-idle, 10 s, is
                                 * over by then. */
    RETRY_DELAY_MS = 1000,      /* After bundles refused in a row. */
    PROBE_S = 5,                /* vswitchd hangs if it says nothing for that
                                 * long, and then does not answer, either. */
    READ_MAX = 50,              /* Messages handled in one run. */
    BUNDLES_MAX = 4,            /* On their way, for ofswitch_takes_flows(). */
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

struct ofswitch {
    struct rconn *rconn;
    char *target;               /* "unix:PATH" */
    bool known;                 /* All tables are ours. */
    unsigned int connection;    /* rconn's seqno of the connection we know. */
    enum state state;
    struct plan observed;       /* While S_READING. */
    struct ofswitch_foreign counted;    /* Likewise. */
    struct ofswitch_foreign foreign;    /* What it was at its end. */
    ovs_be32 barrier_xid;       /* Ends S_READING. */
    bool reread;                /* Not the first reading of a connection. */
    bool repair;                /* The reading is for what others changed. */
    bool drifted;               /* The next one will be. */
    long long int reread_at;    /* When to read again; LLONG_MAX: need not. */
    long long int leave_until;  /* What is_leftover() stays until then. */
    bool leftovers;             /* There are some: read again then. */
    struct ofswitch_bundles bundles;
    struct ovs_list questions;  /* Contains struct ofswitch_question. */
    char *error;                /* Of the last bundle, or NULL. */
    bool reread_for_error;      /* Was read again after it. */
    const struct ofswitch_events *events;
    void *aux;
};

static long long int next_reading(const struct ofswitch *);
static void start_reading(struct ofswitch *);
static void finish_reading(struct ofswitch *);
static void handle_message(struct ofswitch *, struct ofpbuf *);
static void forget_connection(struct ofswitch *);
static void set_error(struct ofswitch *, const char *);
static bool send_bundle(struct ofswitch *);
static void send_messages(struct ofswitch *, struct ovs_list *);
static void send_message(struct ofswitch *, struct ofpbuf *);

struct ofswitch *
ofswitch_create(const char *target, bool known,
                const struct ofswitch_events *events, void *aux)
{
    struct ofswitch *sw = xzalloc(sizeof *sw);
    sw->target = xstrdup(target);
    sw->known = known;
    sw->rconn = rconn_create(PROBE_S, 1, DSCP_DEFAULT, 1u << OFSWITCH_VERSION);
    sw->reread_at = LLONG_MAX;
    plan_init(&sw->observed);
    ofswitch_bundles_init(&sw->bundles);
    ovs_list_init(&sw->questions);
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
        sw->reread = sw->drifted = false;
        sw->leave_until = time_msec() + LEFTOVER_DELAY_MS;
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
    if (sw->state == S_SYNCED && time_msec() >= next_reading(sw)) {
        sw->reread = true;
        start_reading(sw);
    }
}

void
ofswitch_wait(struct ofswitch *sw)
{
    rconn_run_wait(sw->rconn);
    rconn_recv_wait(sw->rconn);
    if (sw->state == S_SYNCED && next_reading(sw) != LLONG_MAX) {
        poll_timer_wait_until(next_reading(sw));
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
        /* It takes a socket of this machine for one that answers. */
        rconn_set_probe_interval(sw->rconn, PROBE_S);
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
    return sw->state == S_SYNCED && ofswitch_bundles_settled(&sw->bundles)
           && sw->reread_at == LLONG_MAX;
}

const char *
ofswitch_error(const struct ofswitch *sw)
{
    return sw->error;
}

const struct ofswitch_foreign *
ofswitch_foreign(const struct ofswitch *sw)
{
    return &sw->foreign;
}

void
ofswitch_change(struct ofswitch *sw, const struct plan *old,
                const struct plan *new)
{
    if (sw->state == S_SYNCED) {
        struct plan_ops ops;
        plan_ops_init(&ops);
        plan_diff(old, new, &ops);
        ofswitch_bundles_queue(&sw->bundles, &ops);
        plan_ops_finish(&ops);
    }
}

bool
ofswitch_takes_flows(const struct ofswitch *sw)
{
    return (sw->state == S_SYNCED
            && ofswitch_bundles_count(&sw->bundles) < BUNDLES_MAX);
}

void
ofswitch_flow(struct ofswitch *sw, const struct plan_flow *flow, bool add)
{
    struct plan_op op = {
        .kind = add ? PLAN_FLOW_ADD : PLAN_FLOW_DEL,
        .flow = flow,
    };
    struct plan_ops ops = { .ops = &op, .n = 1 };
    ofswitch_bundles_queue(&sw->bundles, &ops);
}

void
ofswitch_compare(struct ofswitch *sw)
{
    if (sw->state == S_SYNCED) {
        sw->reread = true;
        start_reading(sw);
    }
}

uint64_t
ofswitch_commit(struct ofswitch *sw)
{
    if (sw->state != S_SYNCED) {
        /* What the end of the reading will be. */
        return sw->bundles.seqno + 1;
    }
    (void) send_bundle(sw);         /* Or nothing has changed. */
    return sw->bundles.seqno;
}

void
ofswitch_packet_out(struct ofswitch *sw, const struct dp_packet *packet,
                    const char *actions)
{
    send_message(sw, ofswitch_encode_packet_out(packet, actions));
}

void
ofswitch_ask_counters(struct ofswitch *sw, ofp_port_t port)
{
    if (sw->state != S_DOWN) {
        send_message(sw, ofputil_encode_dump_ports_request(OFSWITCH_VERSION,
                                                           port));
    }
}

void
ofswitch_ask_refused(struct ofswitch *sw, ofp_port_t port, bool meter,
                     struct ofswitch_question *q)
{
    if (sw->state == S_DOWN) {
        *q = (struct ofswitch_question) { .answer = ANSWER_LOST };
        return;
    }
    struct ovs_list messages = OVS_LIST_INITIALIZER(&messages);
    ofswitch_questions_ask(&sw->questions, port, meter, q, &messages);
    send_messages(sw, &messages);
}

static void
start_reading(struct ofswitch *sw)
{
    (void) send_bundle(sw);         /* What waits is to be read back, too. */
    plan_clear(&sw->observed);
    sw->counted.n = 0;
    sw->reread_at = LLONG_MAX;
    sw->repair = sw->drifted;
    sw->reread_for_error = sw->error;
    sw->drifted = sw->leftovers = false;
    sw->state = S_READING;
    sw->events->reading(sw->aux);

    struct ovs_list messages = OVS_LIST_INITIALIZER(&messages);
    if (!sw->reread) {
        ofswitch_read_watch(sw->known, &messages);
    }
    ofswitch_read_request(sw->known, &messages);
    const struct ofpbuf *barrier = CONTAINER_OF(ovs_list_back(&messages),
                                                struct ofpbuf, list_node);
    sw->barrier_xid = ((const struct ofp_header *) barrier->data)->xid;
    send_messages(sw, &messages);
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
    sw->foreign = sw->counted;
    if (sw->foreign.n && ops.n) {
        /* One of ours may be about to take the place of one of them. */
        sw->reread_at = time_msec() + FOREIGN_DELAY_MS;
    }
    ofswitch_bundles_queue(&sw->bundles, &ops);
    if (sw->repair && ops.n) {
        sw->events->repaired(ops.n, sw->aux);
    }
    plan_clear(&sw->observed);
    plan_ops_finish(&ops);
    plan_finish(&wanted);

    if (!send_bundle(sw)) {
        set_error(sw, NULL);        /* Nothing to send: it holds already. */
        uint64_t seqno = ofswitch_bundles_skip(&sw->bundles);
        if (seqno) {
            sw->events->acked(seqno, sw->aux);
        }
    }
}

static long long int
next_reading(const struct ofswitch *sw)
{
    return sw->leftovers ? MIN(sw->reread_at, sw->leave_until)
                         : sw->reread_at;
}

/* Of a version whose tables had other numbers?  No new packet gets there once
 * ours are in, but those that come back from connection tracking go on where
 * they were sent, until the switch's cache of flows has followed.  And as long
 * as the cache knows the way through there, it is to know the right one, in
 * case that the other version comes back. */
static bool
is_leftover(const struct ofswitch *sw, const struct plan_flow *flow)
{
    return time_msec() < sw->leave_until && !pipeline_table_name(flow->table);
}

static bool
take_observed(const struct plan_flow *flow, void *sw_)
{
    struct ofswitch *sw = sw_;
    if (is_leftover(sw, flow)) {
        sw->leftovers = true;
        return true;
    }
    return sw->events->observed(flow, sw->aux);
}

static void
read_meters(struct ofswitch *sw, struct ofpbuf *msg)
{
    struct ovs_list mends = OVS_LIST_INITIALIZER(&mends);
    ofswitch_read_meters(msg, &sw->observed, &mends);
    send_messages(sw, &mends);
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

static void
read_counters(struct ofswitch *sw, struct ofpbuf *msg)
{
    struct ofputil_port_stats ps;
    while (!ofputil_decode_port_stats(&ps, msg)) {
        sw->events->counters(ps.port_no, ps.stats.tx_packets,
                             ps.stats.rx_packets, sw->aux);
        netdev_free_custom_stats_counters(&ps.custom_stats);
    }
}

/* A burst of changes is read back as one. */
static void
reread_after(struct ofswitch *sw, int delay_ms)
{
    sw->drifted = true;
    sw->reread_at = MIN(sw->reread_at, time_msec() + delay_ms);
}

static void
read_updates(struct ofswitch *sw, struct ofpbuf *msg)
{
    switch (ofswitch_read_updates(msg)) {
    case DRIFT_NONE:
        break;
    case DRIFT_FOREIGN:
        reread_after(sw, FOREIGN_DELAY_MS);
        break;
    case DRIFT_OURS:
        reread_after(sw, REREAD_DELAY_MS);
        break;
    }
}

static void
handle_error(struct ofswitch *sw, const struct ofp_header *oh)
{
    struct ofpbuf payload;
    enum ofptype type;
    const char *error = ofperr_to_string(ofperr_decode_msg(oh, &payload));
    bool is_packet = (payload.size >= sizeof *oh
                      && !ofptype_decode(&type, payload.data)
                      && type == OFPTYPE_PACKET_OUT);
    ofpbuf_uninit(&payload);
    if (is_packet) {                /* Lost, as packets may be. */
        VLOG_WARN_RL(&rl, "%s: refused a packet: %s", sw->target, error);
        return;
    }
    set_error(sw, error);
    VLOG_WARN_RL(&rl, "%s: refused a change: %s", sw->target, error);

    /* The bundle it belongs to is lost, and its commit fails as well; reading
     * everything back tells what is in force.  Its waiters wait for that.
     * Mostly somebody's change came in between, as when the switch empties its
     * tables because of a new fail_mode: a second attempt needs no patience. */
    ofswitch_bundles_lose(&sw->bundles);
    sw->reread_at = time_msec() + (sw->reread_for_error ? RETRY_DELAY_MS
                                   : REREAD_DELAY_MS);
}

static void
handle_bundle_reply(struct ofswitch *sw, const struct ofp_header *oh)
{
    uint64_t seqno = ofswitch_bundles_reply(&sw->bundles, oh);
    if (seqno) {
        set_error(sw, NULL);
        sw->events->acked(seqno, sw->aux);
    }
}

static void
handle_message(struct ofswitch *sw, struct ofpbuf *msg)
{
    const struct ofp_header *oh = msg->data;
    enum ofptype type;
    if (ofptype_decode(&type, oh)
        || ofswitch_questions_take(&sw->questions, msg)) {
        return;
    }
    /* Only what was asked for, or what a switch says by itself. */
    if (type == OFPTYPE_ECHO_REQUEST) {
        send_message(sw, ofputil_encode_echo_reply(oh));
    } else if (type == OFPTYPE_FLOW_STATS_REPLY && sw->state == S_READING) {
        ofswitch_read_flows(msg, &sw->observed, &sw->counted, take_observed,
                            sw);
    } else if (type == OFPTYPE_GROUP_DESC_STATS_REPLY
               && sw->state == S_READING) {
        ofswitch_read_groups(msg, &sw->observed);
    } else if (type == OFPTYPE_METER_CONFIG_STATS_REPLY
               && sw->state == S_READING) {
        read_meters(sw, msg);
    } else if (type == OFPTYPE_PORT_STATS_REPLY) {
        read_counters(sw, msg);
    } else if (type == OFPTYPE_PACKET_IN) {
        read_packet(sw, oh);
    } else if (type == OFPTYPE_BARRIER_REPLY && sw->state == S_READING
               && oh->xid == sw->barrier_xid) {
        finish_reading(sw);
    } else if (type == OFPTYPE_FLOW_MONITOR_STATS_REPLY) {
        read_updates(sw, msg);
    } else if (type == OFPTYPE_REQUESTFORWARD) {
        reread_after(sw, REREAD_DELAY_MS);
    } else if (type == OFPTYPE_BUNDLE_CONTROL) {
        handle_bundle_reply(sw, oh);
    } else if (type == OFPTYPE_ERROR) {
        handle_error(sw, oh);
    }
}

static void
forget_connection(struct ofswitch *sw)
{
    ofswitch_bundles_clear(&sw->bundles);
    ofswitch_questions_lose(&sw->questions);
    sw->state = S_DOWN;
    sw->foreign.n = 0;
    sw->reread_at = LLONG_MAX;
    plan_clear(&sw->observed);
}

/* 'error' is copied; NULL: none any more. */
static void
set_error(struct ofswitch *sw, const char *error)
{
    free(sw->error);
    sw->error = nullable_xstrdup(error);
    sw->reread_for_error = sw->reread_for_error && error;
}

/* Sends what waits as a bundle.  False if nothing does. */
static bool
send_bundle(struct ofswitch *sw)
{
    struct ovs_list messages = OVS_LIST_INITIALIZER(&messages);
    bool any = ofswitch_bundles_take(&sw->bundles, &messages);
    send_messages(sw, &messages);
    return any;
}

static void
send_messages(struct ofswitch *sw, struct ovs_list *messages)
{
    struct ofpbuf *msg;
    LIST_FOR_EACH_POP (msg, list_node, messages) {
        send_message(sw, msg);
    }
}

/* A failure to send is the connection's end, which ofswitch_run() sees. */
static void
send_message(struct ofswitch *sw, struct ofpbuf *msg)
{
    ofpmsg_update_length(msg);
    (void) rconn_send(sw->rconn, msg, NULL);
}
