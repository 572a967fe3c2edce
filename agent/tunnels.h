/* SPDX-License-Identifier: Apache-2.0 */

#ifndef AGENT_TUNNELS_H
#define AGENT_TUNNELS_H 1

/* One VXLAN port for each other peer of the list: compares what the list wants
 * with the ports that are there, and gives the ports' flows to the switch. */

#include "agent/ofswitch.h"
#include "openvswitch/json.h"
#include "overlay/model.h"
#include "overlay/plan.h"
#include "ovsdb/switchdb.h"

struct tunnels;

struct tunnels_ops {
    /* Something worth telling the user happened to a tunnel. */
    void (*report)(void *aux, const char *format, ...)
        OVS_PRINTF_FORMAT(2, 3);
};
struct tunnels *tunnels_create(struct switchdb *, struct ofswitch *,
                               const struct tunnels_ops *, void *aux);
void tunnels_destroy(struct tunnels *);

/* The list has changed; 'self' is a peer in it. */
void tunnels_set_list(struct tunnels *, const struct peerlist *,
                      const struct peer *self);

/* A tunnel's port changed, or went. */
void tunnels_port_changed(struct tunnels *, const struct switchdb_port *);
void tunnels_port_gone(struct tunnels *, const struct switchdb_port *);

/* Writes what differs into the open transaction. */
void tunnels_compose(struct tunnels *);
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
    const char *port;               /* "vx-hostb", or NULL: none yet. */
    enum switchdb_bfd bfd;
    const char *reason;             /* Why it is not up, or NULL. */
};
void tunnels_status(const struct tunnels *, const char *peer,
                    struct tunnel_status *);

#endif /* agent/tunnels.h */
