/* SPDX-License-Identifier: Apache-2.0 */

#ifndef AGENT_AGENT_H
#define AGENT_AGENT_H 1

/* The daemon's parts, put together, and their turn in the loop.  Made by
 * weftd.c, looked at by control, show and health; agent-events.c passes on
 * what one part says to those whom it concerns. */

#include <event2/event.h>
#include "agent/directory.h"
#include "agent/endpoints.h"
#include "agent/external.h"
#include "agent/filewatch.h"
#include "agent/firewall.h"
#include "agent/gateway.h"
#include "agent/kernel.h"
#include "agent/ofswitch.h"
#include "agent/portguard.h"
#include "agent/reaper.h"
#include "agent/reports.h"
#include "agent/remotes.h"
#include "agent/settings.h"
#include "agent/shared.h"
#include "agent/tunnels.h"
#include "agent/underlay.h"
#include "agent/upcalls.h"
#include "agent/zones.h"
#include "ovsdb/switchdb.h"
#include "overlay/compile.h"
#include "simap.h"

struct agent {
    const struct settings *settings;
    struct event_base *base;
    struct kernel *kernel;
    struct reaper *reaper;
    struct switchdb *db;
    struct ofswitch *sw;
    struct tunnels *tunnels;
    struct endpoints *endpoints;
    struct gateway *gateway;
    struct external *external;
    struct firewall_monitor *rules_monitor;
    bool publishes_unknown;         /* 'external' is to be told. */
    struct zones *zones;
    bool zones_unknown;             /* To be told to vswitchd. */
    struct upcalls *upcalls;
    struct portguard *portguard;
    struct underlay *underlay;      /* NULL without --underlay. */
    struct directory *directory;
    struct filewatch *filewatch;    /* Where the list comes from: one of these
                                     * two, the other is NULL. */
    struct shared *shared;
    struct remotes *remotes;        /* Beside 'shared', or NULL. */
    struct shash networks;          /* Shares: struct plan, by name. */
    struct simap slots;             /* Of networks with a way out, by name. */
    struct plan external_share;     /* What the switch has of the way out. */
    struct in6_addr *owned;         /* This host's addresses. */
    size_t n_owned, allocated_owned;

    const char *datapath;           /* "system", "netdev"; NULL: not known. */
    bool adopted;                   /* The database was read, links swept. */
    bool had_bridge;                /* It was there and right once. */
    bool connecting;                /* ofswitch_connect() was called. */
    bool mtu_unknown;               /* Is to be found out. */
    int underlay_links[16];         /* Whose MTUs count: see mtu.c. */
    size_t n_underlay_links;        /* 0: none is known. */
    int mtu;                        /* For endpoints; 0: not known. */
    bool leaving;                   /* Remove all: see agent_clean(). */
    bool cleaned;                   /* All is out of the database, or on its
                                     * way out. */
    char *clean_error;
    long long int contended_since;  /* LLONG_MAX: the lock is ours. */
    struct reports reports;         /* For status. */
};

void agent_init(struct agent *, const struct settings *, struct event_base *);
void agent_finish(struct agent *);
void agent_run(struct agent *);
void agent_wait(struct agent *);

/* For overlay/compile.h, as far as the datapath is known. */
struct compile_mode agent_mode(const struct agent *);

/* Reads a file again, even if it looks the same. */
void agent_reread(struct agent *);

/* Remembers what a user should hear of, and logs it. */
void agent_report(void *agent, const char *format, ...)
    OVS_PRINTF_FORMAT(2, 3);

/* Puts in force a list that is held back, and lets go of hosts and endpoints
 * that are held in force though the shared directory has them no longer.  NULL,
 * or an owned message: there is nothing of that. */
char *agent_accept(struct agent *);

/* Detaches everything, then removes the bridges and what was done to the
 * underlay.  agent_is_clean() tells when; then '*errorp' is NULL or an owned
 * message. */
void agent_clean(struct agent *);
bool agent_is_clean(struct agent *, char **errorp);

#endif /* agent/agent.h */
