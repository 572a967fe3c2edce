/* SPDX-License-Identifier: Apache-2.0 */

/* scale_flows: puts flows into a bridge over one open connection, and does
 * nothing else: the least that one more endpoint can cost.  scale_floor.py
 * runs it.
 *
 *     scale_flows BRIDGE   (commands on standard input)
 *
 *     PATH                 a file of flows, as `ovs-ofctl add-flows` has them:
 *                          one atomic bundle
 *                          -> added BEGIN PARSED END
 *
 * Times are CLOCK_MONOTONIC in nanoseconds, END that of the switch's
 * acknowledgement. */

#include <config.h>

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "dirs.h"
#include "openvswitch/ofp-bundle.h"
#include "openvswitch/ofp-errors.h"
#include "openvswitch/ofp-flow.h"
#include "openvswitch/ofp-msgs.h"
#include "openvswitch/ofp-parse.h"
#include "openvswitch/ofp-protocol.h"
#include "openvswitch/ofp-util.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vconn.h"
#include "openvswitch/vlog.h"
#include "socket-util.h"
#include "util.h"

enum { LINE_SIZE = 1024 };

static struct vconn *vconn;
static int input;               /* Standard input; the poll loop refuses 0. */

static long long int
now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static struct ofpbuf *
parse_flow(const char *line)
{
    struct ofputil_flow_mod fm;
    enum ofputil_protocol usable;
    char *error = parse_ofp_flow_mod_str(&fm, line, NULL, NULL, OFPFC_ADD,
                                         &usable);
    if (error) {
        ovs_fatal(0, "%s: %s", line, error);
    }
    struct ofpbuf *request = ofputil_encode_flow_mod(
        &fm, OFPUTIL_P_OF15_OXM);
    free(CONST_CAST(struct ofpact *, fm.ofpacts));
    minimatch_destroy(&fm.match);
    return request;
}

static void
add(const char *path)
{
    struct ovs_list requests, errors;
    ovs_list_init(&requests);
    long long int begun = now_ns();
    FILE *file = fopen(path, "r");
    if (!file) {
        ovs_fatal(errno, "%s", path);
    }
    char line[LINE_SIZE];
    while (fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = '\0';
        ovs_list_push_back(&requests, &parse_flow(line)->list_node);
    }
    fclose(file);

    long long int parsed = now_ns();
    int error = vconn_bundle_transact(vconn, &requests,
                                      OFPBF_ORDERED | OFPBF_ATOMIC, &errors);
    if (error || !ovs_list_is_empty(&errors)) {
        ovs_fatal(error, "the switch refused a bundle");
    }
    printf("added %lld %lld %lld\n", begun, parsed, now_ns());
    ofpbuf_list_delete(&requests);
}

/* Answers what the switch asks in the meantime. */
static void
wait_for_command(void)
{
    for (;;) {
        struct ofpbuf *b;
        enum ofptype type;
        vconn_run(vconn);
        while (!vconn_recv(vconn, &b)) {
            if (!ofptype_decode(&type, b->data)
                && type == OFPTYPE_ECHO_REQUEST) {
                (void) vconn_send_block(vconn,
                                        ofputil_encode_echo_reply(b->data));
            }
            ofpbuf_delete(b);
        }
        struct pollfd pfd = { .fd = input, .events = POLLIN };
        if (poll(&pfd, 1, 0) > 0) {
            return;
        }
        vconn_run_wait(vconn);
        vconn_recv_wait(vconn);
        poll_fd_wait(input, POLLIN);
        poll_block();
    }
}

int
main(int argc, char *argv[])
{
    ovs_set_program_name("scale_flows", "");
    vlog_set_levels(NULL, VLF_ANY_DESTINATION, VLL_WARN);
    if (argc != 2) {
        ovs_fatal(0, "usage: scale_flows BRIDGE");
    }
    char *name = xasprintf("unix:%s/%s.mgmt", ovs_rundir(), argv[1]);
    int error = vconn_open_block(name, 1u << OFP15_VERSION, DSCP_DEFAULT, -1,
                                 &vconn);
    if (error) {
        ovs_fatal(error, "%s", name);
    }
    free(name);
    setvbuf(stdout, NULL, _IOLBF, 0);
    setvbuf(stdin, NULL, _IONBF, 0);    /* poll() knows all of what waits. */
    input = dup(STDIN_FILENO);
    puts("ready");

    for (;;) {
        char line[LINE_SIZE];
        wait_for_command();
        if (!fgets(line, sizeof line, stdin)) {
            return 0;
        }
        line[strcspn(line, "\n")] = '\0';
        add(line);
    }
}
