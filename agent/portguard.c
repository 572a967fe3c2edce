/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "agent/portguard.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include "agent/firewall.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "overlay/ifname.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(portguard);

enum { RETRY_MS = 2000 };

/* Before the defragmentation of conntrack, at -400. */
#define TABLE "inet weft-ports"
#define RULES_NONE "add table "TABLE"\ndelete table "TABLE"\n"
#define RULES RULES_NONE \
    "table "TABLE" {\n" \
    "  chain deaf {\n" \
    "    type filter hook prerouting priority -450;\n" \
    "    iifname \""IFNAME_ENDPOINT_PREFIX"*\" drop\n" \
    "    iifname \""IFNAME_EXTERNAL_PREFIX"*\" drop\n" \
    "  }\n" \
    "}\n"

struct portguard {
    bool wanted;
    long long int look_at;          /* When to look; LLONG_MAX: all is well. */
    char *rules;                    /* As nft lists them, or NULL: not known to
                                     * be there. */
    char *problem;
};

struct portguard *
portguard_create(void)
{
    struct portguard *g = xzalloc(sizeof *g);
    g->look_at = LLONG_MAX;
    return g;
}

void
portguard_destroy(struct portguard *g)
{
    if (g) {
        free(g->rules);
        free(g->problem);
        free(g);
    }
}

void
portguard_want(struct portguard *g, bool netdev)
{
    g->wanted = netdev;
    g->look_at = netdev ? time_msec() : LLONG_MAX;
}

void
portguard_rules_changed(struct portguard *g)
{
    if (g->wanted) {
        g->look_at = time_msec();
    }
}

bool
portguard_run(struct portguard *g)
{
    if (time_msec() < g->look_at) {
        return false;
    }
    g->look_at = LLONG_MAX;
    bool changed;
    char *error = firewall_keep("table "TABLE, RULES, &g->rules, &changed);
    if (error) {
        g->look_at = time_msec() + RETRY_MS;
        if (!g->problem || strcmp(g->problem, error)) {
            VLOG_WARN("no table "TABLE": %s", error);
        }
    }
    free(g->problem);
    g->problem = error;
    return changed && !error;
}

void
portguard_wait(struct portguard *g)
{
    if (g->look_at != LLONG_MAX) {
        poll_timer_wait_until(g->look_at);
    }
}

const char *
portguard_problem(const struct portguard *g)
{
    return g->problem;
}

void
portguard_cleanup(struct portguard *g)
{
    if (g->wanted) {
        portguard_want(g, false);
        char *error = firewall_run(RULES_NONE);
        if (error) {
            VLOG_WARN("%s", error);
            free(error);
        }
    }
}
