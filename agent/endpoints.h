/* SPDX-License-Identifier: Apache-2.0 */

#ifndef AGENT_ENDPOINTS_H
#define AGENT_ENDPOINTS_H 1

/* The endpoints of this host, from the request to the acknowledged flows and
 * back; and their repair, when somebody takes a part away.
 *
 * What is attached is told by the local database.  What stands here is a copy
 * of it, and what is on its way. */

#include "agent/kernel.h"
#include "agent/ofswitch.h"
#include "agent/reaper.h"
#include "agent/registrar.h"
#include "openvswitch/json.h"
#include "overlay/admit.h"
#include "overlay/plan.h"
#include "ovsdb/switchdb.h"
#include "simap.h"
#include "sset.h"

struct endpoints;

struct endpoints_ops {
    /* Something worth telling the user happened to an endpoint. */
    void (*report)(void *aux, const char *format, ...)
        OVS_PRINTF_FORMAT(2, 3);
    /* endpoints_publishes() may tell something else than before. */
    void (*publishes_changed)(void *aux);
    /* endpoints_networks() may. */
    void (*networks_changed)(void *aux);
};

struct endpoints *endpoints_create(const char *bridge, struct switchdb *,
                                   struct ofswitch *, struct kernel *,
                                   struct reaper *,
                                   const struct endpoints_ops *, void *aux);
void endpoints_destroy(struct endpoints *);

/* How a request ended: 'error' is NULL or a message without a prefix. */
struct endpoints_waiter {
    void (*done)(void *aux, int item, const char *error);
    void *aux;
    int item;                       /* Of several requests, which. */
};

/* Both call back at once or later, exactly once. */
void endpoints_attach(struct endpoints *, const struct attach_request *,
                      const struct admit_host *,
                      const struct endpoints_waiter *);
void endpoints_detach(struct endpoints *, const char *name,
                      const struct endpoints_waiter *);

/* Leads a port of the host to one of the endpoint called 'name', and ends it
 * whosever it is.  The waiter is called back when that is in force, unless an
 * owned message is returned, in which 'file' is the list. */
char *endpoints_publish(struct endpoints *, const char *name,
                        const struct publish *, const char *file,
                        const struct endpoints_waiter *);
void endpoints_unpublish(struct endpoints *, const struct publish *,
                         const struct endpoints_waiter *);
/* Calls 'cb' for each published port, by endpoints' names. */
void endpoints_publishes(const struct endpoints *,
                         void (*cb)(const struct endpoint *,
                                    const struct publish *, void *aux),
                         void *aux);

/* Where a directory is told of the endpoints, by whom.  To be called before
 * all else. */
void endpoints_set_registrar(struct endpoints *, struct registrar *);
/* For registrar_ops. */
void endpoints_registered(struct endpoints *, const char *name,
                          enum registrar_state, const char *text);

/* The list has changed; NULL: there is none in force.  'slots' tells those
 * of its networks that have a way out. */
void endpoints_set_list(struct endpoints *, const struct peerlist *,
                        const struct simap *slots);
/* Is checksum offload to be off inside (datapath netdev)? */
void endpoints_set_netdev(struct endpoints *, bool netdev);
/* What the underlay leaves, for those that follow it. */
void endpoints_set_mtu(struct endpoints *, int mtu);

/* Everything has been read: what links nobody owns any more are to go. */
void endpoints_sweep(struct endpoints *);

void endpoints_port_changed(struct endpoints *, const struct switchdb_port *);
/* A row that cannot be read.  False if it is no endpoint's that we know. */
bool endpoints_port_broken(struct endpoints *, const char *port);
void endpoints_port_gone(struct endpoints *, const struct switchdb_port *);
void endpoints_link_changed(struct endpoints *, const struct rtnl_link *,
                            bool deleted);
void endpoints_links_unknown(struct endpoints *);

/* The main loop, in this order. */
void endpoints_run(struct endpoints *);
void endpoints_compose(struct endpoints *);             /* A txn is open. */
void endpoints_composed(struct endpoints *, uint64_t txn_seqno);
/* 'error' is why it failed, or NULL: only because something came in between. */
void endpoints_txn_done(struct endpoints *, bool success, const char *error);
void endpoints_flows_sent(struct endpoints *, uint64_t seqno);
/* There is no switch to wait for. */
void endpoints_switch_lost(struct endpoints *);
/* vswitchd has let go of what was deleted up to configuration 'cfg'. */
void endpoints_cfg_done(struct endpoints *, int64_t cfg);
void endpoints_flows_acked(struct endpoints *, uint64_t seqno);
void endpoints_wait(struct endpoints *);

void endpoints_wanted(const struct endpoints *, struct plan *);

/* For status: one object an endpoint, sorted by name. */
struct json *endpoints_to_json(const struct endpoints *);
struct json *endpoints_show(const struct endpoints *, const char *name);
size_t endpoints_count(const struct endpoints *, size_t *n_up);
const struct endpoint *endpoints_find_port(const struct endpoints *,
                                           const char *port);
/* The one on OpenFlow port 'ofport', or called 'name'; or NULL. */
const struct endpoint *endpoints_find_ofport(const struct endpoints *,
                                             ofp_port_t ofport);
const struct endpoint *endpoints_find(const struct endpoints *,
                                      const char *name);
/* The one on a network that is called 'name', in whatever case. */
const struct endpoint *endpoints_find_on(const struct endpoints *,
                                         const char *name,
                                         const char *network);
/* Adds the names of the networks that they are on. */
void endpoints_networks(const struct endpoints *, struct sset *);
/* The names of all, or of those in namespace 'netns'. */
void endpoints_names(const struct endpoints *, const char *netns,
                     struct sset *);

#endif /* agent/endpoints.h */
