/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "overlay/verdict.h"

#include <inttypes.h>
#include "openvswitch/dynamic-string.h"
#include "util.h"

enum {
    CALM_MS = 30000,                /* No loss for so long: it is over. */
};

static void put_counters(const struct verdict_tunnel *, struct ds *);
static void put_silence(const struct verdict_tunnel *, struct ds *);

char *
verdict_tunnel(const struct verdict_tunnel *t)
{
    struct ds s = DS_EMPTY_INITIALIZER;
    if (t->error) {
        ds_put_format(&s, "ovs-vswitchd says of port %s: %s",
                      t->port ? t->port : "(none)", t->error);
    } else if (!t->port) {
        ds_put_cstr(&s, "the switch has no tunnel port to it yet");
    } else if (t->reach == REACH_NO_ROUTE) {
        ds_put_format(&s, "no route to %s: see \"ip route get %s\"",
                      t->address, t->address);
    } else if (t->reach == REACH_ELSEWHERE) {
        /* Not "get": that minds metrics. */
        ds_put_format(&s, "the route to %s leads by interface %s, not by "
                      "the underlay (Open vSwitch knows no metrics): see "
                      "\"ip route show match %s\"", t->address,
                      t->via ? t->via : "(unknown)", t->address);
    } else if (t->reach == REACH_OTHER_SOURCE) {
        ds_put_format(&s, "Open vSwitch sends to %s from %s, which the list "
                      "does not have: see \"ovs-appctl ovs/route/show\"",
                      t->address, t->via ? t->via : "(unknown)");
    } else {
        put_counters(t, &s);
    }
    if (t->up_ago >= 0) {
        ds_put_format(&s, " (it was up until %lld s ago)", t->up_ago / 1000);
    }
    return ds_steal_cstr(&s);
}

/* The tunnel is there and has a way. */
static void
put_counters(const struct verdict_tunnel *t, struct ds *s)
{
    if (t->counted) {
        ds_put_format(s, "tunnel packets sent %"PRIu64", received %"PRIu64,
                      t->sent, t->received);
    } else {
        ds_put_cstr(s, "tunnel packets not yet counted");
    }
    if (t->hears) {
        /* The peer's BFD says that it has heard nothing of ours. */
        ds_put_format(s, ": it does not hear this host: is UDP %"PRIu16
                      " open in the firewalls on the way there?", t->udp_port);
    } else if (t->counted && t->received) {
        ds_put_cstr(s, ", but none of BFD: is it a switch of Weft's, with BFD "
                    "on?");
    } else if (t->reach == REACH_SILENT) {
        put_silence(t, s);
    } else if (t->other_family) {
        /* Each sends from an address that the other one's tunnel does not
         * expect, unless their lists differ. */
        ds_put_format(s, ": it is listed by %s, this host by %s: list both by "
                      "the same", t->v6 ? "IPv6" : "IPv4",
                      t->v6 ? "IPv4" : "IPv6");
    } else if (t->counted && !t->sent) {
        ds_put_cstr(s, ": this switch sends none: see \"ovs-vsctl show\" and "
                    "the log of ovs-vswitchd");
    } else if (t->counted) {
        ds_put_format(s, ": is %sUDP %"PRIu16" open in the firewalls between?",
                      t->reach == REACH_ANSWERS ? "" : "that host up, and ",
                      t->udp_port);
    }
}

static void
put_silence(const struct verdict_tunnel *t, struct ds *s)
{
    const char *question = t->v6 ? "neighbour discovery" : "ARP";
    if (t->via) {
        ds_put_format(s, ": the gateway %s on the way to %s does not answer "
                      "%s: is it up?", t->via, t->address, question);
    } else {
        ds_put_format(s, ": %s does not answer %s: is that host up, and on "
                      "this network?", t->address, question);
    }
}

void
verdict_upcalls_note(struct verdict_upcalls *u, uint64_t count,
                     uint64_t missed, long long int now)
{
    /* Whatever was lost before the first look is no news; a datapath that was
     * made again counts from 0. */
    if (u->known && count < u->count) {
        verdict_upcalls_gone(u);
    }
    bool rises = u->known && count > u->count;
    if (rises && now - u->rose >= CALM_MS) {
        u->lost = u->out_of = 0;
    }
    if (u->known && (rises || u->lost)) {
        u->out_of += missed - MIN(missed, u->missed);
    }
    if (rises) {
        u->lost += count - u->count;
        u->rose = now;
    }
    u->known = true;
    u->count = count;
    u->missed = missed;
}

void
verdict_upcalls_gone(struct verdict_upcalls *u)
{
    *u = (struct verdict_upcalls) { .known = false };
}

char *
verdict_upcalls(const struct verdict_upcalls *u, const char *datapath,
                long long int now)
{
    if (!u->known || !u->lost || now - u->rose >= CALM_MS) {
        return NULL;
    }
    /* An action can lose a packet for which there is a flow. */
    bool all = u->lost >= u->out_of;
    return xasprintf("datapath %s loses %spackets that it has no flow for: "
                     "%"PRIu64", the last %lld s ago; %s\"systemctl restart "
                     "openvswitch-switch\" cures it",
                     datapath, all ? "all " : "", u->lost,
                     (now - u->rose) / 1000,
                     all ? "ovs-vswitchd does not listen, as happens when its "
                           "first bridge is made within 10 s of the boot: "
                         : "is the host overloaded?  If it goes on, ");
}
