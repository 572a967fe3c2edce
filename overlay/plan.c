/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "overlay/plan.h"

#include <stdarg.h>
#include <stdlib.h>
#include "flow.h"
#include "hash.h"
#include "openvswitch/ofp-flow.h"
#include "openvswitch/ofp-parse.h"
#include "openvswitch/ofp-print.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/util.h"
#include "svec.h"
#include "util.h"

static uint32_t key_hash(uint8_t table, uint16_t priority,
                          const struct minimatch *);
static struct plan_flow *find_flow(const struct plan *,
                                   const struct plan_flow *);
static struct plan_bucket *find_bucket(const struct plan *, uint32_t group,
                                       uint32_t port);
static struct plan_meter *find_meter(const struct plan *, uint32_t id);
static void insert_flow(struct plan *, struct plan_flow *);
static void destroy_flow(struct plan_flow *);
static void check_steps(const struct plan_flow *);
static void normalise(struct ofpact *, size_t ofpacts_len);
static void add_bucket(struct plan *, uint32_t group, uint32_t port);
static char *format_bucket(const struct plan_bucket *);
static void format_flow(const struct plan_flow *,
                        const struct ofputil_table_map *, struct ds *);

void
plan_flow_init(struct plan_flow *flow, uint8_t table, uint16_t priority,
               uint64_t cookie, const struct match *match,
               const struct ofpact *ofpacts, size_t ofpacts_len)
{
    flow->table = table;
    flow->priority = priority;
    flow->cookie = cookie;
    minimatch_init(&flow->match, match);
    flow->ofpacts = ofpacts_len ? xmemdup(ofpacts, ofpacts_len) : NULL;
    flow->ofpacts_len = ofpacts_len;
    normalise(flow->ofpacts, flow->ofpacts_len);
}

void
plan_flow_finish(struct plan_flow *flow)
{
    minimatch_destroy(&flow->match);
    free(flow->ofpacts);
}

bool
plan_flow_same_body(const struct plan_flow *a, const struct plan_flow *b)
{
    return a->cookie == b->cookie
           && ofpacts_equal(a->ofpacts, a->ofpacts_len,
                            b->ofpacts, b->ofpacts_len);
}

struct plan_flow
plan_flow_clone(const struct plan_flow *src)
{
    struct plan_flow flow = *src;
    minimatch_clone(&flow.match, &src->match);
    flow.ofpacts = (src->ofpacts_len
                    ? xmemdup(src->ofpacts, src->ofpacts_len) : NULL);
    return flow;
}

void
plan_init(struct plan *plan)
{
    hmap_init(&plan->flows);
    hmap_init(&plan->buckets);
    hmap_init(&plan->meters);
}

void
plan_clear(struct plan *plan)
{
    struct plan_flow *flow;
    HMAP_FOR_EACH_POP (flow, node, &plan->flows) {
        destroy_flow(flow);
    }
    struct plan_bucket *bucket;
    HMAP_FOR_EACH_POP (bucket, node, &plan->buckets) {
        free(bucket);
    }
    struct plan_meter *meter;
    HMAP_FOR_EACH_POP (meter, node, &plan->meters) {
        free(meter);
    }
}

void
plan_finish(struct plan *plan)
{
    plan_clear(plan);
    hmap_destroy(&plan->flows);
    hmap_destroy(&plan->buckets);
    hmap_destroy(&plan->meters);
}

void
plan_swap(struct plan *a, struct plan *b)
{
    hmap_swap(&a->flows, &b->flows);
    hmap_swap(&a->buckets, &b->buckets);
    hmap_swap(&a->meters, &b->meters);
}

void
plan_add_flow(struct plan *plan, enum pipeline_table table, uint16_t priority,
              uint64_t cookie, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = xvasprintf(format, args);
    va_end(args);

    enum ofputil_protocol usable;
    struct ofputil_flow_mod fm;
    char *error = parse_ofp_str(&fm, OFPFC_ADD, text, NULL, NULL, &usable);
    if (error) {
        ovs_abort(0, "flow \"%s\": %s", text, error);
    }
    free(text);

    struct plan_flow *flow = xmalloc(sizeof *flow);
    flow->table = table;
    flow->priority = priority;
    flow->cookie = cookie;
    minimatch_move(&flow->match, &fm.match);
    flow->ofpacts = fm.ofpacts;
    flow->ofpacts_len = fm.ofpacts_len;
    normalise(flow->ofpacts, flow->ofpacts_len);
    check_steps(flow);
    ovs_assert(!find_flow(plan, flow));
    insert_flow(plan, flow);
}

void
plan_add_observed(struct plan *plan, const struct plan_flow *observed)
{
    struct plan_flow *old = find_flow(plan, observed);
    if (old) {
        hmap_remove(&plan->flows, &old->node);
        destroy_flow(old);
    }
    insert_flow(plan, xmemdup(observed, sizeof *observed));
}

void
plan_add_group(struct plan *plan, uint32_t group)
{
    add_bucket(plan, group, 0);
}

void
plan_add_bucket(struct plan *plan, uint32_t group, ofp_port_t port)
{
    ovs_assert(ofp_to_u16(port));
    add_bucket(plan, group, ofp_to_u16(port));
}

void
plan_add_meter(struct plan *plan, uint32_t id)
{
    if (!find_meter(plan, id)) {
        struct plan_meter *meter = xmalloc(sizeof *meter);
        meter->id = id;
        hmap_insert(&plan->meters, &meter->node, hash_int(id, 0));
    }
}

void
plan_merge(struct plan *dst, const struct plan *src)
{
    const struct plan_flow *flow;
    HMAP_FOR_EACH (flow, node, &src->flows) {
        struct plan_flow copy = plan_flow_clone(flow);
        plan_add_observed(dst, &copy);
    }
    const struct plan_bucket *bucket;
    HMAP_FOR_EACH (bucket, node, &src->buckets) {
        add_bucket(dst, bucket->group, bucket->port);
    }
    const struct plan_meter *meter;
    HMAP_FOR_EACH (meter, node, &src->meters) {
        plan_add_meter(dst, meter->id);
    }
}

static struct plan_op *
ops_add(struct plan_ops *ops, enum plan_op_kind kind)
{
    if (ops->n >= ops->allocated) {
        ops->ops = x2nrealloc(ops->ops, &ops->allocated, sizeof *ops->ops);
    }
    struct plan_op *op = &ops->ops[ops->n++];
    op->kind = kind;
    return op;
}

static int
compare_ops(const void *a_, const void *b_)
{
    const struct plan_op *a = a_;
    const struct plan_op *b = b_;
    if (a->kind != b->kind) {
        return a->kind < b->kind ? -1 : 1;
    } else if (a->kind == PLAN_BUCKET_ADD) {
        /* Those of one group together. */
        return (a->bucket->group < b->bucket->group ? -1
                : a->bucket->group > b->bucket->group);
    }
    return 0;
}

void
plan_diff(const struct plan *old, const struct plan *new,
          struct plan_ops *ops)
{
    const struct plan_flow *flow;
    HMAP_FOR_EACH (flow, node, &new->flows) {
        const struct plan_flow *there = find_flow(old, flow);
        if (!there || !plan_flow_same_body(flow, there)) {
            ops_add(ops, PLAN_FLOW_ADD)->flow = flow;
        }
    }
    HMAP_FOR_EACH (flow, node, &old->flows) {
        if (!find_flow(new, flow)) {
            ops_add(ops, PLAN_FLOW_DEL)->flow = flow;
        }
    }

    const struct plan_bucket *b;
    HMAP_FOR_EACH (b, node, &new->buckets) {
        if (!find_bucket(old, b->group, b->port)) {
            ops_add(ops, (b->port ? PLAN_BUCKET_ADD
                          : PLAN_GROUP_ADD))->bucket = b;
        }
    }
    HMAP_FOR_EACH (b, node, &old->buckets) {
        if (!find_bucket(new, b->group, b->port)) {
            ops_add(ops, (b->port ? PLAN_BUCKET_DEL
                          : PLAN_GROUP_DEL))->bucket = b;
        }
    }

    const struct plan_meter *m;
    HMAP_FOR_EACH (m, node, &new->meters) {
        if (!find_meter(old, m->id)) {
            ops_add(ops, PLAN_METER_ADD)->meter = m;
        }
    }
    HMAP_FOR_EACH (m, node, &old->meters) {
        if (!find_meter(new, m->id)) {
            ops_add(ops, PLAN_METER_DEL)->meter = m;
        }
    }
    if (ops->n) {
        qsort(ops->ops, ops->n, sizeof *ops->ops, compare_ops);
    }
}

void
plan_ops_init(struct plan_ops *ops)
{
    *ops = (struct plan_ops) { .ops = NULL };
}

void
plan_ops_finish(struct plan_ops *ops)
{
    free(ops->ops);
    plan_ops_init(ops);
}

void
plan_ops_format(const struct plan_ops *ops, struct ds *s)
{
    struct ofputil_table_map map;
    pipeline_table_map_init(&map);
    for (size_t i = 0; i < ops->n; i++) {
        const struct plan_op *op = &ops->ops[i];
        bool add = op->kind <= PLAN_FLOW_ADD;
        ds_put_cstr(s, add ? "+ " : "- ");
        if (op->kind == PLAN_FLOW_ADD || op->kind == PLAN_FLOW_DEL) {
            format_flow(op->flow, &map, s);
        } else if (op->kind == PLAN_METER_ADD || op->kind == PLAN_METER_DEL) {
            ds_put_format(s, "meter %"PRIu32"\n", op->meter->id);
        } else {
            char *text = format_bucket(op->bucket);
            ds_put_format(s, "%s\n", text);
            free(text);
        }
    }
    ofputil_table_map_destroy(&map);
}

void
plan_apply(struct plan *plan, const struct plan_ops *ops)
{
    for (size_t i = 0; i < ops->n; i++) {
        const struct plan_op *op = &ops->ops[i];

        switch (op->kind) {
        case PLAN_METER_ADD:
            plan_add_meter(plan, op->meter->id);
            break;
        case PLAN_METER_DEL: {
            struct plan_meter *meter = find_meter(plan, op->meter->id);
            hmap_remove(&plan->meters, &meter->node);
            free(meter);
            break;
        }
        case PLAN_GROUP_ADD:
        case PLAN_BUCKET_ADD:
            add_bucket(plan, op->bucket->group, op->bucket->port);
            break;
        case PLAN_FLOW_ADD: {
            struct plan_flow copy = plan_flow_clone(op->flow);
            plan_add_observed(plan, &copy);
            break;
        }
        case PLAN_FLOW_DEL: {
            struct plan_flow *flow = find_flow(plan, op->flow);
            hmap_remove(&plan->flows, &flow->node);
            destroy_flow(flow);
            break;
        }
        case PLAN_BUCKET_DEL:
        case PLAN_GROUP_DEL: {
            struct plan_bucket *b = find_bucket(plan, op->bucket->group,
                                                op->bucket->port);
            hmap_remove(&plan->buckets, &b->node);
            free(b);
            break;
        }
        }
    }
}

bool
plan_equal(const struct plan *a, const struct plan *b)
{
    struct plan_ops ops;
    plan_ops_init(&ops);
    plan_diff(a, b, &ops);
    bool equal = !ops.n;
    plan_ops_finish(&ops);
    return equal;
}

static int
compare_flows(const void *a_, const void *b_)
{
    const struct plan_flow *a = *(const struct plan_flow *const *) a_;
    const struct plan_flow *b = *(const struct plan_flow *const *) b_;
    if (a->table != b->table) {
        return a->table < b->table ? -1 : 1;
    } else if (a->priority != b->priority) {
        return a->priority > b->priority ? -1 : 1;
    }
    char *as = minimatch_to_string(&a->match, NULL, OFP_DEFAULT_PRIORITY);
    char *bs = minimatch_to_string(&b->match, NULL, OFP_DEFAULT_PRIORITY);
    int cmp = strcmp(as, bs);
    free(as);
    free(bs);
    return cmp;
}

void
plan_format(const struct plan *plan, struct ds *s)
{
    struct ofputil_table_map map;
    pipeline_table_map_init(&map);

    size_t n = hmap_count(&plan->flows);
    const struct plan_flow **flows = xmalloc((n + 1) * sizeof *flows);
    const struct plan_flow *flow;
    size_t i = 0;
    HMAP_FOR_EACH (flow, node, &plan->flows) {
        flows[i++] = flow;
    }
    qsort(flows, n, sizeof *flows, compare_flows);
    for (i = 0; i < n; i++) {
        format_flow(flows[i], &map, s);
    }
    free(flows);
    ofputil_table_map_destroy(&map);

    struct svec lines = SVEC_EMPTY_INITIALIZER;
    const struct plan_bucket *b;
    HMAP_FOR_EACH (b, node, &plan->buckets) {
        svec_add_nocopy(&lines, format_bucket(b));
    }
    const struct plan_meter *m;
    HMAP_FOR_EACH (m, node, &plan->meters) {
        svec_add_nocopy(&lines, xasprintf("meter %"PRIu32, m->id));
    }
    svec_sort(&lines);
    const char *line;
    SVEC_FOR_EACH (i, line, &lines) {
        ds_put_format(s, "%s\n", line);
    }
    svec_destroy(&lines);
}

/* Owned. */
static char *
format_bucket(const struct plan_bucket *b)
{
    return (b->port
            ? xasprintf("group 0x%08x: bucket output:%u", b->group, b->port)
            : xasprintf("group 0x%08x type=all", b->group));
}

static uint32_t
key_hash(uint8_t table, uint16_t priority, const struct minimatch *match)
{
    return minimatch_hash(match, hash_2words(table, priority));
}

static struct plan_flow *
find_flow(const struct plan *plan, const struct plan_flow *key)
{
    struct plan_flow *flow;
    HMAP_FOR_EACH_WITH_HASH (flow, node,
                             key_hash(key->table, key->priority, &key->match),
                             &plan->flows) {
        if (flow->table == key->table && flow->priority == key->priority
            && minimatch_equal(&flow->match, &key->match)) {
            return flow;
        }
    }
    return NULL;
}

static struct plan_bucket *
find_bucket(const struct plan *plan, uint32_t group, uint32_t port)
{
    struct plan_bucket *bucket;
    HMAP_FOR_EACH_WITH_HASH (bucket, node, hash_2words(group, port),
                             &plan->buckets) {
        if (bucket->group == group && bucket->port == port) {
            return bucket;
        }
    }
    return NULL;
}

static struct plan_meter *
find_meter(const struct plan *plan, uint32_t id)
{
    struct plan_meter *meter;
    HMAP_FOR_EACH_WITH_HASH (meter, node, hash_int(id, 0), &plan->meters) {
        if (meter->id == id) {
            return meter;
        }
    }
    return NULL;
}

static void
insert_flow(struct plan *plan, struct plan_flow *flow)
{
    hmap_insert(&plan->flows, &flow->node,
                key_hash(flow->table, flow->priority, &flow->match));
}

static void
destroy_flow(struct plan_flow *flow)
{
    plan_flow_finish(flow);
    free(flow);
}

/* Every table a flow leads to is one that pipeline.def lets it lead to. */
static void
check_steps(const struct plan_flow *flow)
{
    const struct ofpact *a;
    OFPACT_FOR_EACH (a, flow->ofpacts, flow->ofpacts_len) {
        if (a->type == OFPACT_GOTO_TABLE) {
            uint8_t to = ofpact_get_GOTO_TABLE(a)->table_id;
            ovs_assert(pipeline_goto_allowed(flow->table, to));
        } else if (a->type == OFPACT_CT) {
            uint8_t to = ofpact_get_CT(a)->recirc_table;
            ovs_assert(to == NX_CT_RECIRC_NONE
                       || pipeline_goto_allowed(flow->table, to));
        } else if (a->type == OFPACT_RESUBMIT) {
            uint8_t to = ofpact_get_RESUBMIT(a)->table_id;
            ovs_assert(pipeline_goto_allowed(flow->table, to));
        }
    }
}

/* What ofpacts_equal() compares though it means nothing: which of several
 * encodings an action was decoded from, the gaps behind a set_field's value
 * and mask, which the library leaves as they were, whether the match has a
 * VLAN, which is noted only when a flow is made, and what only a switch knows
 * of meters. */
static void
normalise(struct ofpact *ofpacts, size_t ofpacts_len)
{
    struct ofpact *a;
    OFPACT_FOR_EACH (a, ofpacts, ofpacts_len) {
        a->raw = -1;
        if (a->type == OFPACT_SET_FIELD) {
            struct ofpact_set_field *sf = ofpact_get_SET_FIELD(a);
            size_t n = sf->field->n_bytes;
            size_t gap = ROUND_UP(n, OFPACT_ALIGNTO) - n;
            sf->flow_has_vlan = false;
            memset((char *) sf->value + n, 0, gap);
            memset((char *) ofpact_set_field_mask(sf) + n, 0, gap);
        } else if (a->type == OFPACT_METER) {
            ofpact_get_METER(a)->provider_meter_id = 0;
        } else if (a->type == OFPACT_CONTROLLER) {
            ofpact_get_CONTROLLER(a)->provider_meter_id = 0;
        } else if (a->type == OFPACT_CT) {
            struct ofpact_conntrack *ct = ofpact_get_CT(a);
            normalise(ct->actions, ofpact_ct_get_action_len(ct));
        }
    }
}

static void
add_bucket(struct plan *plan, uint32_t group, uint32_t port)
{
    if (!find_bucket(plan, group, port)) {
        struct plan_bucket *bucket = xmalloc(sizeof *bucket);
        bucket->group = group;
        bucket->port = port;
        hmap_insert(&plan->buckets, &bucket->node, hash_2words(group, port));
    }
}

static void
format_flow(const struct plan_flow *flow, const struct ofputil_table_map *map,
            struct ds *s)
{
    ds_put_cstr(s, "table=");
    ofputil_format_table(flow->table, map, s);
    ds_put_format(s, ", priority=%u", flow->priority);
    char *match = minimatch_to_string(&flow->match, NULL,
                                      OFP_DEFAULT_PRIORITY);
    ds_put_format(s, "%s%s actions=", match[0] ? ", " : "", match);
    free(match);
    struct ofpact_format_params params = { .table_map = map, .s = s };
    ofpacts_format(flow->ofpacts, flow->ofpacts_len, &params);
    ds_put_char(s, '\n');
}
