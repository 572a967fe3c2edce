/* SPDX-License-Identifier: Apache-2.0 */

#ifndef AGENT_EXTERNAL_H
#define AGENT_EXTERNAL_H 1

/* The way out: a veth between the switch and the host's stack, and what the
 * host needs to forward and masquerade what comes by it: two addresses, some
 * settings below /proc/sys/net, one table of nftables.  All of it is there
 * only while a network has a way out; what the settings were before is
 * remembered in the port's row. */

#include "agent/kernel.h"
#include "ovsdb/switchdb.h"

struct external;

struct external_ops {
    /* Something worth telling the user happened. */
    void (*report)(void *aux, const char *format, ...)
        OVS_PRINTF_FORMAT(2, 3);
    /* external_ofport() is another one. */
    void (*changed)(void *aux);
};

/* A port of the host that leads to a network's transit address. */
struct external_publish {
    uint16_t host_port;
    uint8_t protocol;               /* IPPROTO_TCP or IPPROTO_UDP. */
    uint16_t slot;
    bool v4, v6;
};

struct external *external_create(const char *bridge, struct switchdb *,
                                 struct kernel *, const struct external_ops *,
                                 void *aux);
void external_destroy(struct external *);

/* For which families some network has a way out; neither: it goes away. */
void external_want(struct external *, bool v4, bool v6);
void external_set_mtu(struct external *, int mtu);
void external_set_netdev(struct external *, bool netdev);
void external_set_publishes(struct external *,
                            const struct external_publish[], size_t n);
/* The UDP ports that hosts of 'list' take tunnels at: what workloads send
 * there does not go out. */
void external_set_list(struct external *, const struct peerlist *list);

void external_port_changed(struct external *, const struct switchdb_port *);
void external_port_gone(struct external *, const struct switchdb_port *);
/* Its row is not what was written.  Returns whether it is this one's. */
bool external_port_broken(struct external *, const char *port);
void external_link_changed(struct external *, const struct rtnl_link *);
void external_links_unknown(struct external *);
/* Somebody has changed tables of nftables. */
void external_rules_changed(struct external *);

void external_run(struct external *);
void external_compose(struct external *);       /* A txn is open. */
void external_wait(struct external *);

/* 0: there is no port. */
ofp_port_t external_ofport(const struct external *);
/* Why it does not work, or NULL. */
const char *external_problem(const struct external *);

/* Removes all but the row, which goes with the bridge. */
void external_cleanup(struct external *);

#endif /* agent/external.h */
