/* SPDX-License-Identifier: Apache-2.0 */

#ifndef AGENT_REMOTES_H
#define AGENT_REMOTES_H 1

/* The endpoints of other hosts, as the directory's rows tell of them: their
 * flows, the tunnels that they need, and who has which address.
 *
 * They may be many, so each is kept in as few bytes as it takes, its flows are
 * made when they are sent and not kept, and what the switch is found to have
 * is compared flow by flow while it is read. */

#include "agent/neighbours.h"
#include "agent/ofswitch.h"
#include "agent/tunnels.h"
#include "overlay/model.h"
#include "ovsdb/directorydb.h"
#include "sset.h"

struct remotes;

struct remotes *remotes_create(struct ofswitch *, struct tunnels *);
void remotes_destroy(struct remotes *);
/* To be told of this host's own endpoints as well. */
struct neighbours *remotes_neighbours(const struct remotes *);
/* Gives the switch what has changed, as much as it takes. */
void remotes_run(struct remotes *);
void remotes_wait(struct remotes *);
/* Has everything been given to the switch? */
bool remotes_sent(const struct remotes *);

/* The networks, or their subnets, are other ones. */
void remotes_set_list(struct remotes *, const struct peerlist *);
/* Only the networks called 'names', all listed, are watched: of others nothing
 * is kept.  Tunnels are needed to the hosts that have endpoints on those of
 * 'used'. */
void remotes_watch(struct remotes *, const struct peerlist *,
                   const struct sset *names, const struct sset *used);

/* An update of rows.  'own_lost' of the last: this host's own rows have gone,
 * too, and it did not ask for that.  Then, or if so much has gone at once that
 * it looks like a mistake, it stays in force until remotes_accept(). */
void remotes_begin(struct remotes *, bool clear);
void remotes_row(struct remotes *, const struct directorydb_endpoint *);
void remotes_row_gone(struct remotes *, const struct uuid *);
void remotes_end(struct remotes *, bool own_lost);
/* How many have gone and are held in force; and flows of before a restart that
 * nobody knows any more. */
size_t remotes_held(const struct remotes *);
void remotes_accept(struct remotes *);

void remotes_tunnel_changed(struct remotes *, const char *host, ofp_port_t);

/* For ofswitch.h's events. */
void remotes_reading(struct remotes *);
bool remotes_observed(struct remotes *, const struct plan_flow *);
void remotes_wanted(struct remotes *, struct plan *);

/* Who has a MAC or an address, or goes by a name, in a network. */
struct remote_info {
    const char *name, *host;
    struct eth_addr mac;
    const struct in6_addr *ip;      /* Of remotes_by_name(). */
};
bool remotes_by_mac(const struct remotes *, uint32_t vni, struct eth_addr,
                    struct remote_info *);
bool remotes_by_ip(const struct remotes *, uint32_t vni,
                   const struct in6_addr *, struct remote_info *);
/* Stores at most 'max' addresses of endpoints called 'name', in whatever case,
 * and returns how many. */
size_t remotes_by_name(const struct remotes *, uint32_t vni, const char *name,
                       struct in6_addr ips[], size_t max);
/* How many endpoints of other hosts a network, or a host, has. */
size_t remotes_count_host(const struct remotes *, const char *host);
size_t remotes_count_network(const struct remotes *, uint32_t vni);

#endif /* agent/remotes.h */
