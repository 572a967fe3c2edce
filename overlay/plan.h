/* SPDX-License-Identifier: Apache-2.0 */

#ifndef OVERLAY_PLAN_H
#define OVERLAY_PLAN_H 1

/* What a switch holds of ours, as a value: flows, groups and their buckets.
 *
 * compile makes plans (what is wanted), the agent's OpenFlow connection makes
 * one of what it reads back (what is observed), and plan_diff() tells the
 * steps from one to the other.  A plan of the whole switch is the union of its
 * objects' plans, which never share a flow or bucket. */

#include "openvswitch/dynamic-string.h"
#include "openvswitch/hmap.h"
#include "openvswitch/match.h"
#include "openvswitch/ofp-actions.h"
#include "openvswitch/types.h"
#include "overlay/pipeline.h"

struct plan_flow {
    struct hmap_node node;          /* In plan's 'flows'. */
    uint8_t table;
    uint16_t priority;
    uint64_t cookie;
    struct minimatch match;
    struct ofpact *ofpacts;         /* Owned. */
    size_t ofpacts_len;             /* Bytes. */
};

/* Copies what it is given.  plan_flow_finish() frees what it holds. */
void plan_flow_init(struct plan_flow *, uint8_t table, uint16_t priority,
                    uint64_t cookie, const struct match *,
                    const struct ofpact *, size_t ofpacts_len);
void plan_flow_finish(struct plan_flow *);
struct plan_flow plan_flow_clone(const struct plan_flow *); /* To be finished. */
/* Do they say the same?  Their keys are. */
bool plan_flow_same_body(const struct plan_flow *, const struct plan_flow *);

/* A group of type "all", if 'port' is 0, or one bucket of it: output to
 * 'port', whose number is also the bucket's id. */
struct plan_bucket {
    struct hmap_node node;          /* In plan's 'buckets'. */
    uint32_t group;
    uint32_t port;
};

/* A meter that drops what is more than METER_RATE packets a second. */
struct plan_meter {
    struct hmap_node node;          /* In plan's 'meters'. */
    uint32_t id;                    /* The number of the port that it is of. */
};

struct plan {
    struct hmap flows;              /* By table, priority, match. */
    struct hmap buckets;            /* By group, port. */
    struct hmap meters;             /* By id. */
};

#define PLAN_INITIALIZER(PLAN) \
    { HMAP_INITIALIZER(&(PLAN)->flows), HMAP_INITIALIZER(&(PLAN)->buckets), \
      HMAP_INITIALIZER(&(PLAN)->meters) }
void plan_init(struct plan *);
void plan_clear(struct plan *);
void plan_finish(struct plan *);
void plan_swap(struct plan *, struct plan *);

/* Adds a flow written as ovs-ofctl(8) writes it, "MATCH actions=ACTIONS".
 * The text is ours alone, so a mistake in it, a step that pipeline.def does
 * not have, or a flow that is there already, is a bug and aborts. */
void plan_add_flow(struct plan *, enum pipeline_table, uint16_t priority,
                   uint64_t cookie, const char *format, ...)
    OVS_PRINTF_FORMAT(5, 6);

/* Adds a flow read back from a switch, and takes over what it holds.  One that
 * is there already is replaced. */
void plan_add_observed(struct plan *, const struct plan_flow *);
void plan_add_group(struct plan *, uint32_t group);
void plan_add_bucket(struct plan *, uint32_t group, ofp_port_t);
void plan_add_meter(struct plan *, uint32_t id);

/* Adds copies of all that is in 'src'. */
void plan_merge(struct plan *dst, const struct plan *src);

/* The difference, in an order in which a switch can take it one by one:
 * meters, groups, buckets and flows in, then flows, buckets, groups and meters
 * out. */
enum plan_op_kind {
    PLAN_METER_ADD,
    PLAN_GROUP_ADD,
    PLAN_BUCKET_ADD,
    PLAN_FLOW_ADD,                  /* Also replaces one of the same key. */
    PLAN_FLOW_DEL,
    PLAN_BUCKET_DEL,
    PLAN_GROUP_DEL,
    PLAN_METER_DEL,
};
#define PLAN_OP_KINDS (PLAN_METER_DEL + 1)

struct plan_op {
    enum plan_op_kind kind;
    union {
        const struct plan_flow *flow;       /* Borrowed from a plan. */
        const struct plan_bucket *bucket;   /* Likewise. */
        const struct plan_meter *meter;     /* Likewise. */
    };
};

struct plan_ops {
    struct plan_op *ops;            /* Owned; sorted by kind, and buckets to
                                     * be added by group. */
    size_t n, allocated;
};

/* Appends the steps from 'old' to 'new'.  They borrow from both. */
void plan_diff(const struct plan *old, const struct plan *new,
               struct plan_ops *);
void plan_ops_init(struct plan_ops *);
void plan_ops_finish(struct plan_ops *);
void plan_ops_format(const struct plan_ops *, struct ds *);
void plan_apply(struct plan *, const struct plan_ops *);
bool plan_equal(const struct plan *, const struct plan *);

/* The plan as text, sorted by table, priority and match, tables by name. */
void plan_format(const struct plan *, struct ds *);

#endif /* overlay/plan.h */
