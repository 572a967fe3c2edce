/* SPDX-License-Identifier: Apache-2.0 */

#ifndef AGENT_TUNNELS_H
#define AGENT_TUNNELS_H 1

/* One VXLAN port for each other peer of the list, or on demand for each that
 * is needed: compares what is wanted with the ports that are there, and gives
 * the ports' flows to the switch. */

#include "agent/ofswitch.h"
#include "openvswitch/json.h"
#include "overlay/model.h"
#include "overlay/plan.h"
#include "overlay/verdict.h"
#include "ovsdb/switchdb.h"

struct tunnels;

struct tunnels_ops {
    /* Something worth telling the user happened to a tunnel. */
    void (*report)(void *aux, const char *format, ...)
        OVS_PRINTF_FORMAT(2, 3);
    /* Is 'address' one of this host? */
    bool (*owns)(const struct in6_addr *address, void *aux);
    /* Called every few seconds while a tunnel is down: does the other end
     * answer at all?  'before' is what was returned last. */
    enum verdict_reach (*probe)(const struct in6_addr *remote,
                                enum verdict_reach before, void *aux);
    /* The tunnel to a peer has another OpenFlow port; 0: none. */
    void (*port_changed)(const char *peer, ofp_port_t, void *aux);
};
/* 'known' as in overlay/compile.h; 'on_demand': no tunnel but to peers that
 * tunnels_need() was told of. */
struct tunnels *tunnels_create(struct switchdb *, struct ofswitch *,
                               bool known, bool on_demand,
                               const struct tunnels_ops *, void *aux);
void tunnels_destroy(struct tunnels *);

/* The list has changed; 'self' is a peer in it. */
void tunnels_set_list(struct tunnels *, const struct peerlist *,
                      const struct peer *self);

/* One peer of the list changed; NULL: it has gone from it. */
void tunnels_set_peer(struct tunnels *, const char *name,
                      const struct peer *, const struct peer *self);

/* The id that flows call the peer 'name', listed or not; it keeps it until it
 * is released, and for as long as it has a port. */
uint32_t tunnels_hold(struct tunnels *, const char *name);
void tunnels_release(struct tunnels *, const char *name);
/* A peer that is held is one to have a tunnel to, or no longer. */
void tunnels_need(struct tunnels *, const char *name, bool needed);
ofp_port_t tunnels_port(const struct tunnels *, const char *name);

/* The host has other addresses than before. */
void tunnels_addresses_changed(struct tunnels *);

/* A tunnel's port changed, or went.  Returns whether BFD has come up. */
bool tunnels_port_changed(struct tunnels *, const struct switchdb_port *);
void tunnels_port_gone(struct tunnels *, const struct switchdb_port *);
/* Its row cannot be read any more.  Returns whether it is a tunnel's. */
bool tunnels_port_broken(struct tunnels *, const char *port);

/* What the switch has counted at a port. */
void tunnels_counters(struct tunnels *, ofp_port_t, uint64_t sent,
                      uint64_t received);

void tunnels_run(struct tunnels *);
/* Writes what differs into the open transaction. */
void tunnels_compose(struct tunnels *);
void tunnels_wait(const struct tunnels *);
/* A transaction failed: compare again. */
void tunnels_retry(struct tunnels *);
/* No list is wanted any more: every tunnel is to go. */
void tunnels_clear(struct tunnels *);

/* Adds all tunnels' flows to 'plan'. */
void tunnels_wanted(const struct tunnels *, struct plan *);

/* Adds the names of the peers that have a port. */
void tunnels_peers(const struct tunnels *, struct shash *);

/* How one peer is reached. */
struct tunnel_status {
    bool wanted;                    /* There is to be one. */
    const char *port;               /* "vx-hostb", or NULL: none yet. */
    enum switchdb_bfd bfd;
    const char *reason;             /* Why it is not up, or NULL. */
    bool broken;                    /* 'reason' is of vswitchd, not of BFD. */
    uint16_t dst_port;              /* UDP. */
    long long int up_until;         /* It was up until then; 0: never. */
    bool counted;                   /* The two below are known: packets since
                                     * it went down, or was made. */
    uint64_t sent, received;
    enum verdict_reach reach;
};
void tunnels_status(const struct tunnels *, const char *peer,
                    struct tunnel_status *);

#endif /* agent/tunnels.h */
