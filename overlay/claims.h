/* SPDX-License-Identifier: Apache-2.0 */

#ifndef OVERLAY_CLAIMS_H
#define OVERLAY_CLAIMS_H 1

/* Who has what: the names, addresses, MACs, ports and places inside a
 * namespace that this host's endpoints hold.  Asked by admit, kept by the
 * agent; each question costs the same however many endpoints there are. */

#include "openvswitch/hmap.h"
#include "openvswitch/shash.h"
#include "overlay/model.h"
#include "simap.h"

struct claims {
    struct hmap ips;                /* By network and address. */
    struct shash names;             /* To struct endpoint. */
    struct shash texts;             /* MAC, port or place inside, likewise. */
    struct simap cursors;           /* By network and family. */
};

void claims_init(struct claims *);
void claims_destroy(struct claims *);

/* Borrows 'ep' until it is removed.  What another one has stays that one's. */
void claims_add(struct claims *, const struct endpoint *ep);
void claims_remove(struct claims *, const struct endpoint *ep);

/* The holder, or NULL. */
const struct endpoint *claims_by_name(const struct claims *, const char *name);
const struct endpoint *claims_by_ip(const struct claims *, const char *network,
                                    const struct in6_addr *);
const struct endpoint *claims_by_mac(const struct claims *,
                                     const char *network, struct eth_addr);
const struct endpoint *claims_by_inside(const struct claims *,
                                        const char *netns, const char *ifname);
const struct endpoint *claims_by_port(const struct claims *, const char *port);

/* The number within a slice below which no automatic address of the network
 * and family is free; whoever finds one stores its number here.  Valid until
 * the next call. */
uint32_t *claims_cursor(struct claims *, const char *network, bool v4);

#endif /* overlay/claims.h */
