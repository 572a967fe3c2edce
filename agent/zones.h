/* SPDX-License-Identifier: Apache-2.0 */

#ifndef AGENT_ZONES_H
#define AGENT_ZONES_H 1

/* A limit for each zone of connection tracking, so that a network that fills
 * its own leaves the others theirs.  OpenFlow has no message for it: vswitchd
 * is asked over its control socket, as `ovs-appctl dpctl/ct-set-limits` does
 * (ovs-vswitchd(8)). */

#include "simap.h"

enum { ZONE_LIMIT = 16384 };        /* Connections. */

struct zones;

struct zones *zones_create(void);
void zones_destroy(struct zones *);

/* The zones are the values of 'slots', on a datapath of 'type' ("system" or
 * "netdev").  To be called again when vswitchd may have forgotten. */
void zones_set(struct zones *, const struct simap *slots, const char *type);
void zones_run(struct zones *);
void zones_wait(struct zones *);

/* Why there is no limit, or NULL. */
const char *zones_problem(const struct zones *);

#endif /* agent/zones.h */
