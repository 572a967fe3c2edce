/* SPDX-License-Identifier: Apache-2.0 */

#ifndef OVERLAY_VERDICT_H
#define OVERLAY_VERDICT_H 1

/* What counters and states of a switch mean, in words for `weft status`: why a
 * tunnel is not up, and whether a datapath loses packets.  Values in, text
 * out; agent/health.c and agent/upcalls.c find out the values. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Can the address of a peer be reached at all, whatever becomes of VXLAN? */
enum verdict_reach {
    REACH_UNKNOWN,                  /* Not yet known. */
    REACH_ANSWERS,                  /* It, or the gateway to it, has a MAC. */
    REACH_SILENT,                   /* It, or the gateway, does not answer. */
    REACH_NO_ROUTE,                 /* This host knows no way. */
    REACH_ELSEWHERE,                /* The way that a userspace datapath takes
                                     * does not lead by its underlay. */
    REACH_OTHER_SOURCE,             /* That way has another source than the
                                     * address that peers know. */
};

struct verdict_tunnel {
    const char *address;            /* Of the peer. */
    bool v6;                        /* 'address' is one of IPv6. */
    bool other_family;              /* The one that the peer has for this host
                                     * is not, or the other way round. */
    uint16_t udp_port;
    const char *port;               /* Of the switch; NULL: none yet. */
    const char *error;              /* Of vswitchd about it, or NULL. */
    bool hears;                     /* BFD is in state init: packets of the
                                     * peer's come, but say it hears none. */
    enum verdict_reach reach;
    const char *via;                /* The gateway (SILENT), the interface
                                     * (ELSEWHERE) or the source
                                     * (OTHER_SOURCE); NULL: none, unknown. */
    bool counted;                   /* The two below are known: since BFD went
                                     * down, or since the port was made. */
    uint64_t sent, received;        /* Tunnelled packets. */
    long long int up_ago;           /* ms since it was up; -1: never was. */
};

/* Why BFD to a peer is not up, and what to do.  Owned. */
char *verdict_tunnel(const struct verdict_tunnel *);

/* The packets that a kernel datapath could not hand to its switch. */
struct verdict_upcalls {
    bool known;                     /* The two below are: at the last look. */
    uint64_t count;                 /* Lost. */
    uint64_t missed;                /* No flow was found for. */
    uint64_t lost, out_of;          /* Of both, since some began to be lost. */
    long long int rose;             /* Last; 'lost' not 0. */
};

/* At 'now' (ms) the datapath had no flow for 'missed' packets since it was
 * made, and has lost 'count'. */
void verdict_upcalls_note(struct verdict_upcalls *, uint64_t count,
                          uint64_t missed, long long int now);
/* There is no such datapath now, or another switch has it. */
void verdict_upcalls_gone(struct verdict_upcalls *);
/* NULL if all is well at 'now', or owned text. */
char *verdict_upcalls(const struct verdict_upcalls *, const char *datapath,
                      long long int now);

#endif /* overlay/verdict.h */
