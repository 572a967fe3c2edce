/* SPDX-License-Identifier: Apache-2.0 */

/* Properties of plans and of compile, over many made-up hosts. */

#include <config.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>
#include "flow.h"
#include "openvswitch/list.h"
#include "openvswitch/ofp-flow.h"
#include "openvswitch/ofp-msgs.h"
#include "openvswitch/ofp-protocol.h"
#include "overlay/address.h"
#include "overlay/compile.h"
#include "overlay/plan.h"
#include "packets.h"
#include "util.h"

enum { OBJECTS = 24, ROUNDS = 200 };

/* A small generator of its own, so that a seed is a case. */
static uint32_t
next(uint32_t *seed)
{
    *seed = *seed * 1664525 + 1013904223;
    return *seed >> 8;
}

/* A network with all that is routed, from the second on. */
static void
make_network(int i, int variant, struct network *net)
{
    static const char *const subnets[] = { "10.1.0.0/16", "fd00::/48" };
    static const char *const gateways[] = { "10.1.0.1/16", "fd00::1/48" };
    for (size_t j = 0; j < 2; j++) {
        struct prefix p;
        assert_null(prefix_parse(subnets[j], &net->subnets[j]));
        assert_null(prefix_parse(gateways[j], &p));
        if (i > 1) {
            net->gateways[j] = p.addr;
        }
    }
    net->n_subnets = 2;
    net->domain = net->vni;
    net->dhcp = variant;
    net->external = i > 2 ? EXTERNAL_NAT : EXTERNAL_NONE;
}

/* The share of object 'i' in one of several variants. */
static void
compile_object(int i, int variant, struct plan *plan)
{
    static const struct compile_mode mode = { .known = false };
    if (i == 0) {
        compile_static(&mode, plan);
    } else if (i < 4) {
        struct network net = { .vni = i * 100 + variant };
        make_network(i, variant, &net);
        struct compile_place place = {
            .slot = net.external == EXTERNAL_NAT ? net.vni : 0,
            .external = u16_to_ofp(90),
            .mtu = 1450,
        };
        compile_network(&net, &place, plan);
    } else if (i < 8) {
        compile_peer(i, u16_to_ofp(100 + i + variant * 10), &mode,
                     plan);
    } else {
        struct endpoint ep = { .n_ips = 1 + variant };
        ep.mac = (struct eth_addr) { { { 2, 0, 0, 0, variant, i } } };
        char *v4 = xasprintf("10.1.%d.%d/16", variant, i);
        char *v6 = xasprintf("fd00::%d:%d/64", variant + 1, i);
        assert_null(prefix_parse(v4, &ep.ips[0]));
        assert_null(prefix_parse(v6, &ep.ips[1]));
        free(v4);
        free(v6);
        ep.publishes[0] = (struct publish) { 8000 + i, 80, IPPROTO_TCP };
        ep.n_publishes = 1;
        struct network net = { .vni = 100 * (1 + i % 3) };
        make_network(1 + i % 3, 0, &net);
        struct compile_place place = { .slot = net.vni };
        compile_endpoint(&ep, &net, &place, u16_to_ofp(i), plan);
    }
}

struct host {
    bool there[OBJECTS];
    int variant[OBJECTS];
};

static void
make_host(struct host *host, uint32_t *seed)
{
    for (int i = 0; i < OBJECTS; i++) {
        host->there[i] = next(seed) % 2;
        host->variant[i] = next(seed) % 2;
    }
}

/* All objects into one plan, from the 'start'th on and round. */
static void
compile_whole(const struct host *host, int start, struct plan *plan)
{
    for (int j = 0; j < OBJECTS; j++) {
        int i = (start + j) % OBJECTS;
        if (host->there[i]) {
            compile_object(i, host->variant[i], plan);
        }
    }
}

static void
test_diff_of_itself_is_empty(void **state OVS_UNUSED)
{
    uint32_t seed = 1;
    for (int round = 0; round < ROUNDS; round++) {
        struct host host;
        struct plan a = PLAN_INITIALIZER(&a), b = PLAN_INITIALIZER(&b);
        make_host(&host, &seed);
        compile_whole(&host, 0, &a);
        compile_whole(&host, next(&seed) % OBJECTS, &b);
        assert_true(plan_equal(&a, &a));
        assert_true(plan_equal(&a, &b));        /* Order does not matter. */
        assert_true(plan_equal(&b, &a));
        plan_finish(&a);
        plan_finish(&b);
    }
}

static void
test_apply_of_diff_arrives(void **state OVS_UNUSED)
{
    uint32_t seed = 2;
    for (int round = 0; round < ROUNDS; round++) {
        struct host was, is;
        struct plan a = PLAN_INITIALIZER(&a), b = PLAN_INITIALIZER(&b);
        struct plan copy = PLAN_INITIALIZER(&copy);
        make_host(&was, &seed);
        make_host(&is, &seed);
        compile_whole(&was, 0, &a);
        compile_whole(&is, 0, &b);
        plan_merge(&copy, &a);
        assert_true(plan_equal(&a, &copy));

        struct plan_ops ops;
        plan_ops_init(&ops);
        plan_diff(&a, &b, &ops);
        plan_apply(&copy, &ops);
        assert_true(plan_equal(&copy, &b));
        for (size_t i = 1; i < ops.n; i++) {
            assert_true(ops.ops[i - 1].kind <= ops.ops[i].kind);
        }
        plan_ops_finish(&ops);
        plan_finish(&a);
        plan_finish(&b);
        plan_finish(&copy);
    }
}

/* What the agent does, one object at a time, ends where compiling all does. */
static void
test_step_by_step_equals_whole(void **state OVS_UNUSED)
{
    uint32_t seed = 3;
    struct plan shares[OBJECTS];
    struct plan on_switch = PLAN_INITIALIZER(&on_switch);
    struct host host = { .there = { false } };
    for (int i = 0; i < OBJECTS; i++) {
        plan_init(&shares[i]);
    }

    for (int round = 0; round < ROUNDS * 10; round++) {
        int i = next(&seed) % OBJECTS;
        host.there[i] = next(&seed) % 3;
        host.variant[i] = next(&seed) % 2;

        struct plan now = PLAN_INITIALIZER(&now);
        if (host.there[i]) {
            compile_object(i, host.variant[i], &now);
        }
        struct plan_ops ops;
        plan_ops_init(&ops);
        plan_diff(&shares[i], &now, &ops);
        plan_apply(&on_switch, &ops);
        plan_ops_finish(&ops);
        plan_swap(&shares[i], &now);
        plan_finish(&now);

        if (round % 50 == 0) {
            struct plan whole = PLAN_INITIALIZER(&whole);
            compile_whole(&host, 0, &whole);
            assert_true(plan_equal(&whole, &on_switch));
            plan_finish(&whole);
        }
    }
    for (int i = 0; i < OBJECTS; i++) {
        plan_finish(&shares[i]);
    }
    plan_finish(&on_switch);
}

static void
test_changed_actions_are_one_step(void **state OVS_UNUSED)
{
    struct plan a = PLAN_INITIALIZER(&a), b = PLAN_INITIALIZER(&b);
    uint64_t cookie = pipeline_cookie(COOKIE_STATIC, 0);
    plan_add_flow(&a, TABLE_CLASSIFY, 5, cookie, "in_port=1 actions=drop");
    plan_add_flow(&b, TABLE_CLASSIFY, 5, cookie,
                  "in_port=1 actions=goto_table:%d", TABLE_VNI);
    struct plan_ops ops;
    plan_ops_init(&ops);
    plan_diff(&a, &b, &ops);
    assert_int_equal(ops.n, 1);
    assert_int_equal(ops.ops[0].kind, PLAN_FLOW_ADD);
    plan_ops_finish(&ops);
    plan_finish(&a);
    plan_finish(&b);
}

static void
test_gotos(void **state OVS_UNUSED)
{
    assert_true(pipeline_goto_allowed(TABLE_CLASSIFY, TABLE_ANTISPOOF));
    assert_true(pipeline_goto_allowed(TABLE_GUARD, TABLE_RESPOND));
    assert_false(pipeline_goto_allowed(TABLE_CLASSIFY, TABLE_FORWARD));
    assert_false(pipeline_goto_allowed(TABLE_LEARN, TABLE_OUTPUT));
}

/* As a switch tells of the flow that it was given. */
static void
send_and_read(const struct plan_flow *flow, struct plan_flow *back)
{
    struct ofputil_flow_stats fs = {
        .table_id = flow->table,
        .priority = flow->priority,
        .cookie = htonll(flow->cookie),
        .idle_age = -1,
        .hard_age = -1,
        .ofpacts = flow->ofpacts,
        .ofpacts_len = flow->ofpacts_len,
    };
    minimatch_expand(&flow->match, &fs.match);
    struct ofputil_flow_stats_request fsr = { .out_group = OFPG_ANY };
    match_init_catchall(&fsr.match);
    struct ofpbuf *request = ofputil_encode_flow_stats_request(
        &fsr, OFPUTIL_P_OF15_OXM);
    struct ovs_list replies;
    ofpmp_init(&replies, request->data);
    ofputil_append_flow_stats_reply(&fs, &replies, NULL);
    struct ofpbuf *sent = ofpbuf_from_list(ovs_list_pop_front(&replies));
    ((struct ofp_header *) sent->data)->length = htons(sent->size);
    struct ofpbuf *reply = ofpbuf_clone_data(sent->data, sent->size);
    ofpbuf_delete(sent);

    struct ofpbuf ofpacts;
    ofpbuf_init(&ofpacts, 64);
    assert_int_equal(0, ofputil_decode_flow_stats_reply(&fs, reply, false,
                                                        &ofpacts));
    plan_flow_init(back, fs.table_id, fs.priority, ntohll(fs.cookie),
                   &fs.match, fs.ofpacts, fs.ofpacts_len);
    ofpbuf_uninit(&ofpacts);
    ofpbuf_delete(reply);
    ofpbuf_delete(request);
}

/* Else it is taken for another one whenever the switch is read, and what is
 * put in its place is what goes. */
static void
test_a_flow_comes_back_as_it_was(void **state OVS_UNUSED)
{
    for (int i = 0; i < OBJECTS; i++) {
        struct plan plan = PLAN_INITIALIZER(&plan);
        compile_object(i, 1, &plan);
        const struct plan_flow *flow;
        HMAP_FOR_EACH (flow, node, &plan.flows) {
            struct plan_flow back;
            send_and_read(flow, &back);
            if (!minimatch_equal(&flow->match, &back.match)
                || !plan_flow_same_body(flow, &back)) {
                fail_msg("table %d: %s", flow->table, minimatch_to_string(
                    &flow->match, NULL, flow->priority));
            }
            plan_flow_finish(&back);
        }
        plan_finish(&plan);
    }
}

static void
test_cookies(void **state OVS_UNUSED)
{
    uint64_t learned = pipeline_cookie(COOKIE_LEARNED, UINT32_MAX);
    assert_true(pipeline_cookie_is_ours(learned));
    assert_true(pipeline_cookie_is_learned(learned));
    assert_false(pipeline_cookie_is_learned(pipeline_cookie(COOKIE_PEER, 5)));
    assert_false(pipeline_cookie_is_ours(0));
    assert_false(pipeline_cookie_is_ours(UINT64_MAX));
}

/* What a flow for another host's endpoint is about can be read from it. */
static void
test_remote(void **state)
{
    static const char *const ips[] = { NULL, "10.1.12.2", "fd00:1::c02" };
    for (size_t i = 0; i < ARRAY_SIZE(ips); i++) {
        struct in6_addr ip, buf;
        struct compile_remote r = {
            .vni = 0xabcdef,
            .peer = 7,
            .mac = ETH_ADDR_C(0a,57,0a,01,0c,02),
        };
        if (ips[i]) {
            assert_true(address_parse(ips[i], &ip));
            r.ip = &ip;
        }
        struct plan_flow flow;
        compile_remote(&r, &flow);
        struct compile_remote read;
        assert_true(compile_remote_parse(&flow, &read, &buf));
        assert_int_equal(read.vni, r.vni);
        if (ips[i]) {
            assert_memory_equal(read.ip, &ip, sizeof ip);
        } else {
            assert_null(read.ip);
            assert_true(eth_addr_equals(read.mac, r.mac));
        }
        /* Another priority is not one of ours. */
        flow.priority++;
        assert_false(compile_remote_parse(&flow, &read, &buf));
        plan_flow_finish(&flow);
    }
}

/* Each endpoint has a flow for each reason that is not its meter's; what it
 * counts can be read from it. */
static void
test_refused(void **state OVS_UNUSED)
{
    struct plan plan = PLAN_INITIALIZER(&plan);
    compile_object(OBJECTS - 1, 0, &plan);
    int n[REFUSAL_END] = { 0 };
    const struct plan_flow *flow;
    HMAP_FOR_EACH (flow, node, &plan.flows) {
        struct match match;
        minimatch_expand(&flow->match, &match);
        if (flow->table == TABLE_REFUSED) {
            assert_int_equal(ofp_to_u16(match.flow.in_port.ofp_port),
                             OBJECTS - 1);
            assert_true(flow->cookie == pipeline_cookie(COOKIE_ENDPOINT,
                                                        OBJECTS - 1));
            n[compile_refused_parse(&match)]++;
        }
    }
    assert_int_equal(n[REFUSAL_NONE], 0);
    for (const struct refusal_info *r = refusals; r->key; r++) {
        assert_int_equal(n[r->id], refusal_has_flow(r->id));
    }
    plan_finish(&plan);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_remote),
        cmocka_unit_test(test_diff_of_itself_is_empty),
        cmocka_unit_test(test_apply_of_diff_arrives),
        cmocka_unit_test(test_step_by_step_equals_whole),
        cmocka_unit_test(test_changed_actions_are_one_step),
        cmocka_unit_test(test_gotos),
        cmocka_unit_test(test_a_flow_comes_back_as_it_was),
        cmocka_unit_test(test_cookies),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
