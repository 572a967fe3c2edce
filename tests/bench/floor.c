/* SPDX-License-Identifier: Apache-2.0 */

/* floor: the least that an attach can cost.
 *
 * It keeps a socket to the kernel, a connection to the database and one to
 * the switch, and does for an attach nothing but the netlink messages, the
 * transaction, and the flows that Weft has for an endpoint (compile_endpoint)
 * in one bundle; it knows no state, checks nothing, repairs nothing.  What
 * weftd costs beyond it is Weft's own.
 *
 *     floor BRIDGE VNI     on a bridge that weftd prepared before it was
 *                          stopped; commands on standard input:
 *
 *     attach NAME NETNS MAC ADDR/LEN...
 *         -> attached NAME BEGIN VETH ADDRESSES COMMIT OFPORT FLOWS
 *     many N, then N lines as after "attach": one link after the other, then
 *     one transaction, then one bundle
 *         -> attached many BEGIN VETH ADDRESSES COMMIT OFPORT FLOWS
 *     detach NAME...
 *         -> detached N BEGIN FLOWS COMMIT LINKS
 *     detach --all, as one bundle, one transaction and one group of links
 *
 * Times are CLOCK_MONOTONIC in nanoseconds, each when that step was over
 * (VETH and ADDRESSES of many: both when all links were made).  Every answer
 * ends with the nanoseconds of CPU that this process has used so far. */

#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "agent/netns.h"
#include "agent/ofswitch-encode.h"
#include "agent/rtnl.h"
#include "dirs.h"
#include "flow.h"
#include "jsonrpc.h"
#include "openvswitch/json.h"
#include "openvswitch/ofp-bundle.h"
#include "openvswitch/ofp-errors.h"
#include "openvswitch/ofp-msgs.h"
#include "openvswitch/ofp-util.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/shash.h"
#include "openvswitch/vconn.h"
#include "openvswitch/vlog.h"
#include "overlay/address.h"
#include "overlay/compile.h"
#include "packets.h"
#include "socket-util.h"
#include "stream.h"
#include "svec.h"
#include "util.h"

enum { MTU = 1450, GROUP = 0x57ff0000 };

struct place {
    struct endpoint ep;
    int ifindex;
    int peer_ifindex;               /* Inside. */
    ofp_port_t ofport;
    char *port_uuid;
    struct plan share;
};

static const char *bridge;
static uint32_t vni;
static struct rtnl *rtnl;
static struct jsonrpc *db;
static struct vconn *switch_;
static int input;               /* Standard input; the poll loop refuses 0. */
static uint32_t bundle_id;
static struct shash places = SHASH_INITIALIZER(&places);    /* By port. */

static long long int
now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static long long int
cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

/* Kernel. */

static int
open_netns(const char *path)
{
    char *error = NULL;
    int fd = netns_open(path, &error);
    if (fd < 0) {
        ovs_fatal(0, "%s", error);
    }
    return fd;
}

static void
make_veth(struct place *p, int netns)
{
    struct rtnl_veth veth = {
        .name = p->ep.port,
        .alias = "floor",
        .netns = netns,
        .peer_name = "eth0",
        .mac = p->ep.mac,
        .mtu = MTU,
    };
    bool peer_exists;
    int error = rtnl_veth_add(rtnl, &veth, &p->ifindex,
                              &p->peer_ifindex,
                              &peer_exists);
    if (error) {
        ovs_fatal(-error, "%s in %s", p->ep.port, p->ep.netns);
    }
}

static void
add_addresses(const struct place *p, int netns)
{
    struct rtnl *inside;
    int error = rtnl_open(netns, &inside);
    if (!error) {
        error = rtnl_inside_up(inside, p->peer_ifindex, p->ep.ips,
                               p->ep.n_ips);
        /* Without it the userspace datapath carries pings, but no TCP. */
        error = error ? error : rtnl_tx_checksum(inside, "eth0", false);
        rtnl_close(inside);
    }
    if (error) {
        ovs_fatal(-error, "addresses in %s", p->ep.netns);
    }
}

/* Database: RFC 7047 as it is, without a copy of the tables. */

static void
db_send(const char *method, struct json *params, struct json **idp)
{
    struct jsonrpc_msg *msg = jsonrpc_create_request(method, params, NULL);
    *idp = json_clone(msg->id);
    int error = jsonrpc_send_block(db, msg);
    if (error) {
        ovs_fatal(error, "database");
    }
}

/* Reads a message; ofports that it tells go to their places. */
static struct jsonrpc_msg *
db_receive(void)
{
    struct jsonrpc_msg *msg;
    int error = jsonrpc_recv_block(db, &msg);
    if (error) {
        ovs_fatal(error, "database");
    }
    if (msg->type == JSONRPC_REQUEST && !strcmp(msg->method, "echo")) {
        (void) jsonrpc_send_block(db, jsonrpc_create_reply(
            json_clone(msg->params), msg->id));
    } else if (msg->type == JSONRPC_NOTIFY && !strcmp(msg->method, "update")) {
        struct json *table = shash_find_data(
            json_object(json_array(msg->params)->elems[1]), "Interface");
        struct shash_node *node;
        if (table) {
            SHASH_FOR_EACH (node, json_object(table)) {
                struct json *row = shash_find_data(json_object(node->data),
                                                   "new");
                struct json *ofport = row ? shash_find_data(json_object(row),
                                                            "ofport") : NULL;
                struct place *p = row ? shash_find_data(
                    &places, json_string(shash_find_data(json_object(row),
                                                         "name"))) : NULL;
                if (p && ofport && ofport->type == JSON_INTEGER) {
                    p->ofport = u16_to_ofp(json_integer(ofport));
                }
            }
        }
    }
    return msg;
}

static struct json *
db_transact(struct json *ops)
{
    struct json *id;
    db_send("transact", ops, &id);
    for (;;) {
        struct jsonrpc_msg *msg = db_receive();
        if (msg->type == JSONRPC_REPLY && json_equal(msg->id, id)) {
            struct json *result = json_clone(msg->result);
            jsonrpc_msg_destroy(msg);
            json_destroy(id);
            for (size_t i = 0; i < json_array(result)->n; i++) {
                struct json *one = json_array(result)->elems[i];
                if (one->type == JSON_OBJECT
                    && shash_find(json_object(one), "error")) {
                    ovs_fatal(0, "database: %s", json_to_string(one, 0));
                }
            }
            return result;
        } else if (msg->type == JSONRPC_ERROR) {
            ovs_fatal(0, "database: %s", jsonrpc_msg_to_string(msg));
        }
        jsonrpc_msg_destroy(msg);
    }
}

static struct json *
text(const char *s)
{
    return json_string_create(s);
}

static struct json *
named(const char *kind, int i)
{
    return json_array_create_2(text("named-uuid"),
                               json_string_create_nocopy(
                                   xasprintf("%s%d", kind, i)));
}

static void
put_id(struct json *map, const char *key, const char *value)
{
    json_array_add(map, json_array_create_2(text(key), text(value)));
}

/* The same external_ids as Weft's, so that the rows cost the same. */
static struct json *
external_ids(const struct endpoint *ep)
{
    struct json *map = json_array_create_empty();
    put_id(map, "floor-bridge", bridge);
    put_id(map, "floor-endpoint", ep->name);
    put_id(map, "floor-network", ep->network);
    put_id(map, "floor-netns", ep->netns);
    put_id(map, "floor-ifname", ep->ifname);
    struct ds s = DS_EMPTY_INITIALIZER;
    ds_put_format(&s, ETH_ADDR_FMT, ETH_ADDR_ARGS(ep->mac));
    put_id(map, "floor-mac", ds_cstr(&s));
    ds_clear(&s);
    for (size_t i = 0; i < ep->n_ips; i++) {
        ds_put_cstr(&s, i ? " " : "");
        prefix_format(&ep->ips[i], &s);
    }
    put_id(map, "floor-ip", ds_cstr(&s));
    ds_destroy(&s);
    return json_array_create_2(text("map"), map);
}

static struct json *
op(const char *kind, const char *table)
{
    struct json *o = json_object_create();
    json_object_put_string(o, "op", kind);
    json_object_put_string(o, "table", table);
    return o;
}

/* ["ports", "insert" or "delete", ["set", [...]]] on our bridge. */
static struct json *
mutate_ports(const char *how, struct json *set)
{
    struct json *o = op("mutate", "Bridge");
    json_object_put(o, "where", json_array_create_1(
        json_array_create_3(text("name"), text("=="), text(bridge))));
    json_object_put(o, "mutations", json_array_create_1(
        json_array_create_3(text("ports"), text(how),
                            json_array_create_2(text("set"), set))));
    return o;
}

static void
add_ports(struct place *all[], int n)
{
    struct json *ops = json_array_create_1(text("Open_vSwitch"));
    struct json *set = json_array_create_empty();
    for (int i = 0; i < n; i++) {
        struct json *o = op("insert", "Interface");
        struct json *row = json_object_create();
        json_object_put_string(row, "name", all[i]->ep.port);
        json_object_put(row, "external_ids", external_ids(&all[i]->ep));
        json_object_put(o, "row", row);
        json_object_put_format(o, "uuid-name", "i%d", i);
        json_array_add(ops, o);

        o = op("insert", "Port");
        row = json_object_create();
        json_object_put_string(row, "name", all[i]->ep.port);
        json_object_put(row, "interfaces", named("i", i));
        json_object_put(o, "row", row);
        json_object_put_format(o, "uuid-name", "p%d", i);
        json_array_add(ops, o);
        json_array_add(set, named("p", i));
    }
    json_array_add(ops, mutate_ports("insert", set));
    struct json *result = db_transact(ops);
    for (int i = 0; i < n; i++) {
        struct json *uuid = shash_find_data(
            json_object(json_array(result)->elems[2 * i + 1]), "uuid");
        all[i]->port_uuid = xstrdup(json_string(json_array(uuid)->elems[1]));
    }
    json_destroy(result);
}

static void
del_ports(struct place *all[], int n)
{
    struct json *set = json_array_create_empty();
    for (int i = 0; i < n; i++) {
        json_array_add(set, json_array_create_2(text("uuid"),
                                                text(all[i]->port_uuid)));
    }
    json_destroy(db_transact(json_array_create_2(
        text("Open_vSwitch"), mutate_ports("delete", set))));
}

static void
wait_ofports(struct place *all[], int n)
{
    for (int i = 0; i < n; i++) {
        while (!all[i]->ofport) {
            jsonrpc_msg_destroy(db_receive());
        }
    }
}

/* Switch. */

static void
sw_send(struct ofpbuf *msg)
{
    ofpmsg_update_length(msg);
    int error = vconn_send_block(switch_, msg);
    if (error) {
        ovs_fatal(error, "switch");
    }
}

static ovs_be32
bundle_control(uint16_t type)
{
    struct ofpbuf *msg = ofswitch_encode_bundle_control(bundle_id, type);
    ovs_be32 xid = ((struct ofp_header *) msg->data)->xid;
    sw_send(msg);
    return xid;
}

static void
bundle_add(struct plan_op step)
{
    sw_send(ofswitch_encode_bundle_add(bundle_id, ofswitch_encode_op(&step)));
}

static void
add_buckets(const struct plan *share, enum plan_op_kind kind)
{
    const struct plan_bucket *b;
    HMAP_FOR_EACH (b, node, &share->buckets) {
        bundle_add((struct plan_op) { .kind = kind, .bucket = b });
    }
}

static void
add_share(const struct plan *share, bool add)
{
    if (add) {
        add_buckets(share, PLAN_BUCKET_ADD);
    }
    const struct plan_flow *f;
    HMAP_FOR_EACH (f, node, &share->flows) {
        bundle_add((struct plan_op) { .kind = add ? PLAN_FLOW_ADD
                                      : PLAN_FLOW_DEL, .flow = f });
    }
    if (!add) {
        add_buckets(share, PLAN_BUCKET_DEL);
    }
}

/* All shares in one bundle; back when the switch has said that it took it. */
static void
send_flows(struct place *all[], int n, bool add)
{
    bundle_id++;
    (void) bundle_control(OFPBCT_OPEN_REQUEST);
    for (int i = 0; i < n; i++) {
        if (add) {
            const struct network net = { .vni = vni };
            const struct compile_place place = { .slot = 0 };
            compile_endpoint(&all[i]->ep, &net, &place, all[i]->ofport,
                             &all[i]->share);
        }
        add_share(&all[i]->share, add);
    }
    ovs_be32 xid = bundle_control(OFPBCT_COMMIT_REQUEST);
    for (;;) {
        struct ofpbuf *msg;
        int error = vconn_recv_block(switch_, &msg);
        if (error) {
            ovs_fatal(error, "switch");
        }
        const struct ofp_header *oh = msg->data;
        enum ofptype type;
        if (!ofptype_decode(&type, oh)) {
            if (type == OFPTYPE_ERROR) {
                ovs_fatal(0, "switch: %s", ofperr_to_string(
                    ofperr_decode_msg(oh, NULL)));
            } else if (type == OFPTYPE_ECHO_REQUEST) {
                sw_send(ofputil_encode_echo_reply(oh));
            } else if (type == OFPTYPE_BUNDLE_CONTROL && oh->xid == xid) {
                ofpbuf_delete(msg);
                return;
            }
        }
        ofpbuf_delete(msg);
    }
}

/* Commands. */

/* "NAME NETNS MAC ADDR/LEN..." */
static struct place *
new_place(char *words)
{
    struct place *p = xzalloc(sizeof *p);
    char *save = NULL;
    const char *name = strtok_r(words, " ", &save);
    const char *netns = strtok_r(NULL, " ", &save);
    const char *mac = strtok_r(NULL, " ", &save);
    if (!mac || !eth_addr_from_string(mac, &p->ep.mac)) {
        ovs_fatal(0, "usage: attach NAME NETNS MAC ADDR/LEN...");
    }
    p->ep.name = xstrdup(name);
    p->ep.network = xstrdup("blue");
    p->ep.netns = netns_path(netns);
    p->ep.ifname = xstrdup("eth0");
    p->ep.port = xstrdup(name);
    for (char *word; (word = strtok_r(NULL, " ", &save)); ) {
        char *error = prefix_parse(word, &p->ep.ips[p->ep.n_ips++]);
        if (error) {
            ovs_fatal(0, "%s", error);
        }
    }
    plan_init(&p->share);
    if (!shash_add_once(&places, p->ep.port, p)) {
        ovs_fatal(0, "%s is there already", name);
    }
    return p;
}

static void
free_place(struct place *p)
{
    shash_find_and_delete(&places, p->ep.port);
    plan_finish(&p->share);
    endpoint_finish(&p->ep);
    free(p->port_uuid);
    free(p);
}

static void
attach(const char *what, struct place *all[], int n)
{
    long long int t[6];
    t[0] = t[1] = now_ns();
    for (int i = 0; i < n; i++) {
        int netns = open_netns(all[i]->ep.netns);
        make_veth(all[i], netns);
        t[1] = now_ns();
        add_addresses(all[i], netns);
        close(netns);
    }
    t[2] = now_ns();
    add_ports(all, n);
    t[3] = now_ns();
    wait_ofports(all, n);
    t[4] = now_ns();
    send_flows(all, n, true);
    t[5] = now_ns();
    printf("attached %s %lld %lld %lld %lld %lld %lld %lld\n", what, t[0],
           t[1], t[2], t[3], t[4], t[5], cpu_ns());
}

static void
attach_many(int n)
{
    struct place **all = xmalloc(n * sizeof *all);
    for (int i = 0; i < n; i++) {
        char line[1024];
        if (!fgets(line, sizeof line, stdin)) {
            ovs_fatal(0, "the list ends early");
        }
        line[strcspn(line, "\n")] = '\0';
        all[i] = new_place(line);
    }
    attach("many", all, n);
    free(all);
}

static void
detach(char *words)
{
    struct place **all = xmalloc((shash_count(&places) + 1) * sizeof *all);
    int n = 0;
    if (!strcmp(words, "--all")) {
        struct shash_node *node;
        SHASH_FOR_EACH (node, &places) {
            all[n++] = node->data;
        }
    } else {
        char *save = NULL;
        for (char *word = strtok_r(words, " ", &save); word;
             word = strtok_r(NULL, " ", &save)) {
            all[n++] = shash_find_data(&places, word);
            if (!all[n - 1]) {
                ovs_fatal(0, "no %s", word);
            }
        }
    }

    long long int t[4];
    t[0] = now_ns();
    send_flows(all, n, false);
    t[1] = now_ns();
    del_ports(all, n);
    t[2] = now_ns();
    int *ifindexes = xmalloc((n + 1) * sizeof *ifindexes);
    for (int i = 0; i < n; i++) {
        ifindexes[i] = all[i]->ifindex;
    }
    int error = rtnl_links_del(rtnl, ifindexes, n, GROUP);
    if (error) {
        ovs_fatal(-error, "links");
    }
    t[3] = now_ns();
    free(ifindexes);
    printf("detached %d %lld %lld %lld %lld %lld\n", n, t[0], t[1], t[2], t[3],
           cpu_ns());
    for (int i = 0; i < n; i++) {
        free_place(all[i]);
    }
    free(all);
}

static void
handle_command(char *line)
{
    int n;
    if (!strncmp(line, "attach ", 7)) {
        struct place *p = new_place(line + 7);
        attach(p->ep.name, &p, 1);
    } else if (sscanf(line, "many %d", &n) == 1 && n > 0) {
        attach_many(n);
    } else if (!strncmp(line, "detach ", 7)) {
        detach(line + 7);
    } else {
        ovs_fatal(0, "no such command: %s", line);
    }
}

static void
connect_all(void)
{
    int error = rtnl_open(-1, &rtnl);
    if (error) {
        ovs_fatal(-error, "rtnetlink");
    }

    char *name = xasprintf("unix:%s/db.sock", ovs_rundir());
    struct stream *stream;
    error = stream_open_block(jsonrpc_stream_open(name, &stream,
                                                  DSCP_DEFAULT), -1, &stream);
    if (error) {
        ovs_fatal(error, "%s", name);
    }
    free(name);
    db = jsonrpc_open(stream);
    struct json *columns = json_object_create();
    json_object_put(columns, "columns",
                    json_array_create_2(text("name"), text("ofport")));
    struct json *tables = json_object_create();
    json_object_put(tables, "Interface", columns);
    struct json *id;
    db_send("monitor", json_array_create_3(text("Open_vSwitch"),
                                           text("floor"), tables), &id);
    json_destroy(id);
    jsonrpc_msg_destroy(db_receive());

    name = xasprintf("unix:%s/%s.mgmt", ovs_rundir(), bridge);
    error = vconn_open_block(name, 1u << OFSWITCH_VERSION, DSCP_DEFAULT, -1,
                             &switch_);
    if (error) {
        ovs_fatal(error, "%s", name);
    }
    free(name);
}

/* Answers what the servers ask in the meantime (echo, every few seconds). */
static void
wait_for_command(void)
{
    for (;;) {
        jsonrpc_run(db);
        struct jsonrpc_msg *msg;
        while (!jsonrpc_recv(db, &msg)) {
            if (msg->type == JSONRPC_REQUEST && !strcmp(msg->method,
                                                        "echo")) {
                (void) jsonrpc_send_block(db, jsonrpc_create_reply(
                    json_clone(msg->params), msg->id));
            }
            jsonrpc_msg_destroy(msg);
        }
        vconn_run(switch_);
        struct ofpbuf *b;
        while (!vconn_recv(switch_, &b)) {
            enum ofptype type;
            if (!ofptype_decode(&type, b->data)
                && type == OFPTYPE_ECHO_REQUEST) {
                sw_send(ofputil_encode_echo_reply(b->data));
            }
            ofpbuf_delete(b);
        }
        struct pollfd pfd = { .fd = input, .events = POLLIN };
        if (poll(&pfd, 1, 0) > 0) {
            return;
        }
        jsonrpc_wait(db);
        jsonrpc_recv_wait(db);
        vconn_run_wait(switch_);
        vconn_recv_wait(switch_);
        poll_fd_wait(input, POLLIN);
        poll_block();
    }
}

int
main(int argc, char *argv[])
{
    ovs_set_program_name("floor", "");
    vlog_set_levels(NULL, VLF_ANY_DESTINATION, VLL_WARN);
    if (argc != 3 || !str_to_uint(argv[2], 10, &vni)) {
        ovs_fatal(0, "usage: floor BRIDGE VNI");
    }
    bridge = argv[1];
    setvbuf(stdout, NULL, _IOLBF, 0);
    setvbuf(stdin, NULL, _IONBF, 0);    /* poll() knows all of what waits. */
    input = dup(STDIN_FILENO);
    connect_all();
    puts("ready");

    for (;;) {
        char line[1024];
        wait_for_command();
        if (!fgets(line, sizeof line, stdin)) {
            return 0;
        }
        line[strcspn(line, "\n")] = '\0';
        handle_command(line);
    }
}
