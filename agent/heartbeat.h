/* SPDX-License-Identifier: Apache-2.0 */

#ifndef AGENT_HEARTBEAT_H
#define AGENT_HEARTBEAT_H 1

/* Tells the shared directory from time to time (directoryops_beat_interval())
 * that this host lives, and asks it which hosts have not said so for three
 * times as long.  One of those is silent when it misses two beats while we
 * listen, so that a clock that is behind kills nobody, nor does a database
 * that was away.  BFD tells of the hosts that there is a tunnel to, within
 * seconds; this of all. */

#include "openvswitch/shash.h"
#include "ovsdb/directorydb.h"

struct heartbeat;

struct heartbeat *heartbeat_create(struct directorydb *, const char *host);
/* How many hosts there are. */
void heartbeat_set_hosts(struct heartbeat *, size_t n);
void heartbeat_destroy(struct heartbeat *);
void heartbeat_run(struct heartbeat *);
void heartbeat_wait(struct heartbeat *);
/* As registrar_reply(). */
void heartbeat_reply(struct heartbeat *, uint64_t seqno,
                     const struct json *results);

/* May this host remove others from the directory, that is, does it speak to
 * the database with nobody's role?  Then it removes those that are silent for
 * longer than the directory says, while this one listened. */
void heartbeat_set_janitor(struct heartbeat *, bool janitor);

/* For how many seconds a host has been silent, by its clock; 0: it is not. */
long long int heartbeat_silent(const struct heartbeat *, const char *host);

#endif /* agent/heartbeat.h */
