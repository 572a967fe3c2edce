/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "agent/zones.h"

#include <errno.h>
#include <stdlib.h>
#include "daemon.h"
#include "dirs.h"
#include "jsonrpc.h"
#include "openvswitch/json.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "stream.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(zones);

enum { RETRY_MS = 1000, TIMEOUT_MS = 5000 };

struct zones {
    struct json *params;            /* Of the request; NULL: nothing to say. */
    struct jsonrpc *rpc;            /* On its way, or NULL. */
    long long int wake_at;          /* When to give up 'rpc', or without one,
                                     * to ask; LLONG_MAX: all is done. */
    char *problem;
};

static void start(struct zones *);
static void finish(struct zones *, const struct jsonrpc_msg *reply);
static void fail(struct zones *, char *problem);

struct zones *
zones_create(void)
{
    struct zones *z = xzalloc(sizeof *z);
    z->wake_at = LLONG_MAX;
    return z;
}

void
zones_destroy(struct zones *z)
{
    if (z) {
        jsonrpc_close(z->rpc);
        json_destroy(z->params);
        free(z->problem);
        free(z);
    }
}

void
zones_set(struct zones *z, const struct simap *slots, const char *type)
{
    jsonrpc_close(z->rpc);
    z->rpc = NULL;
    json_destroy(z->params);
    z->params = NULL;
    z->wake_at = LLONG_MAX;
    if (!simap_is_empty(slots)) {
        z->params = json_array_create_empty();
        json_array_add(z->params, json_string_create_nocopy(
            xasprintf("%s@ovs-%s", type, type)));
        const struct simap_node *node;
        SIMAP_FOR_EACH (node, slots) {
            json_array_add(z->params, json_string_create_nocopy(
                xasprintf("zone=%u,limit=%d", node->data, ZONE_LIMIT)));
        }
        z->wake_at = time_msec();
    }
}

void
zones_run(struct zones *z)
{
    if (!z->rpc && time_msec() >= z->wake_at) {
        start(z);
    }
    if (!z->rpc) {
        return;
    }
    jsonrpc_run(z->rpc);
    struct jsonrpc_msg *reply = NULL;
    int error = jsonrpc_get_status(z->rpc);
    if (!error) {
        error = jsonrpc_recv(z->rpc, &reply);
    }
    if (reply) {
        finish(z, reply);
        jsonrpc_msg_destroy(reply);
    } else if ((error && error != EAGAIN) || time_msec() >= z->wake_at) {
        fail(z, xasprintf("ovs-vswitchd does not answer: %s",
                          ovs_retval_to_string(error)));
    }
}

void
zones_wait(struct zones *z)
{
    if (z->rpc) {
        jsonrpc_wait(z->rpc);
        jsonrpc_recv_wait(z->rpc);
    }
    if (z->wake_at != LLONG_MAX) {
        poll_timer_wait_until(z->wake_at);
    }
}

const char *
zones_problem(const struct zones *z)
{
    return z->problem;
}

static void
start(struct zones *z)
{
    char *pidfile = xasprintf("%s/ovs-vswitchd.pid", ovs_rundir());
    pid_t pid = read_pidfile(pidfile);
    free(pidfile);
    if (pid <= 0) {
        fail(z, xasprintf("ovs-vswitchd has no pid file in %s", ovs_rundir()));
        return;
    }
    char *name = xasprintf("unix:%s/ovs-vswitchd.%ld.ctl", ovs_rundir(),
                           (long int) pid);
    struct stream *stream;
    int error = stream_open(name, &stream, DSCP_DEFAULT);
    if (error) {
        fail(z, xasprintf("%s: %s", name, ovs_strerror(error)));
    } else {
        z->rpc = jsonrpc_open(stream);
        z->wake_at = time_msec() + TIMEOUT_MS;
        struct jsonrpc_msg *request = jsonrpc_create_request(
            "dpctl/ct-set-limits", json_clone(z->params), NULL);
        (void) jsonrpc_send(z->rpc, request);   /* zones_run() sees. */
    }
    free(name);
}

static void
finish(struct zones *z, const struct jsonrpc_msg *reply)
{
    if (reply->type == JSONRPC_ERROR) {
        fail(z, json_to_string(reply->error, 0));
        return;
    }
    jsonrpc_close(z->rpc);
    z->rpc = NULL;
    z->wake_at = LLONG_MAX;
    free(z->problem);
    z->problem = NULL;
}

/* Takes over 'problem'. */
static void
fail(struct zones *z, char *problem)
{
    jsonrpc_close(z->rpc);
    z->rpc = NULL;
    z->wake_at = time_msec() + RETRY_MS;
    if (!z->problem || strcmp(z->problem, problem)) {
        VLOG_WARN("no limit for the networks' connections: %s", problem);
    }
    free(z->problem);
    z->problem = problem;
}
