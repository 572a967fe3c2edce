/* SPDX-License-Identifier: Apache-2.0 */

#ifndef AGENT_SHARED_H
#define AGENT_SHARED_H 1

/* The shared list in a database: the part of a host in it.
 *
 * Reads networks, routers and hosts and offers the list to the directory;
 * decides which networks are watched: those that endpoints of this host are
 * on, and those that these route to; passes the rows of endpoints on to whom
 * they concern. */

#include "agent/directory.h"
#include "agent/heartbeat.h"
#include "agent/registrar.h"
#include "agent/remotes.h"

struct shared;

struct shared_ops {
    /* Adds the names of the networks that endpoints of this host are on. */
    void (*attached)(struct sset *networks, void *aux);
    /* A host of the list in force came, changed, or went (NULL). */
    void (*peer_changed)(const char *name, const struct peer *, void *aux);
    struct registrar_ops registrar;
};

/* 'remotes' as --directory has it.  'name' is --name, or NULL: the machine's;
 * 'address' is --address, or NULL: the one that the machine speaks to the
 * database with. */
struct shared *shared_create(const char *database, const char *name,
                             const char *address,
                             struct directory *directory,
                             struct remotes *remotes,
                             const struct shared_ops *ops, void *aux);
void shared_destroy(struct shared *);
void shared_run(struct shared *);
void shared_wait(struct shared *);

/* The list in force is another one, or the networks of this host's endpoints
 * are. */
void shared_list_changed(struct shared *);
void shared_attached_changed(struct shared *);
/* This host has other addresses, 'owned': when the one that the others reach
 * it by has gone, they are told of the one that it has now. */
void shared_addresses_changed(struct shared *, const struct in6_addr *owned,
                              size_t n);

/* May an endpoint be attached to the network?  Not before all that is on it is
 * known; but if there is no database, that is not to be waited for.  False
 * asks for it, for a minute. */
bool shared_is_watched(struct shared *, const char *network);

/* The rows of this host's endpoints. */
struct registrar *shared_registrar(struct shared *);
const struct heartbeat *shared_heartbeat(const struct shared *);

/* In force although they have gone. */
size_t shared_held_peers(const struct shared *);
void shared_accept(struct shared *);

/* Takes all that the directory has of this host out of it.
 * shared_has_left() tells when that is done, or cannot be done now. */
void shared_leave(struct shared *);
bool shared_has_left(const struct shared *);

bool shared_connected(const struct shared *);
/* What is wrong with this host's part, or NULL. */
const char *shared_problem(const struct shared *);
const char *shared_host(const struct shared *);

#endif /* agent/shared.h */
