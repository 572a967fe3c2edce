/* SPDX-License-Identifier: Apache-2.0 */

#ifndef OVERLAY_ADMIT_H
#define OVERLAY_ADMIT_H 1

/* From what a user asks for to an endpoint that may exist: fills in what was
 * left to us (network, name, addresses, MAC) and refuses what would be wrong.
 * Pure. */

#include "overlay/claims.h"
#include "overlay/request.h"

/* Somebody else's endpoint. */
struct admit_other {
    const char *name, *host;        /* Borrowed. */
};

struct admit_host {
    const struct peerlist *list;
    const struct peer *self;        /* In 'list'. */
    const char *file;               /* What messages call the list. */
    int mtu;                        /* What the underlay leaves; 0: unknown. */
    /* Is there a link or port of that name on this host? */
    bool (*port_taken)(const char *port, const void *aux);
    const void *aux;

    /* Where a directory tells what other hosts have; else NULL.  Is the
     * address, or the MAC where 'ip' is NULL, another host's? */
    bool (*is_other)(uint32_t vni, const struct in6_addr *ip, struct eth_addr,
                     struct admit_other *, const void *other_aux);
    const void *other_aux;
    unsigned int attempt;           /* How many automatic choices have turned
                                     * out to be somebody else's. */
};

/* 'netns' is the namespace's path, "" for a tap.  Returns NULL and an endpoint in '*ep' that
 * the caller finishes, and '*existing' NULL; or NULL and in '*existing' the
 * endpoint that is just what is asked for; or an owned message. */
char *admit_endpoint(const struct attach_request *, const char *netns,
                     const struct admit_host *, struct claims *,
                     struct endpoint *ep, const struct endpoint **existing);

/* Why an endpoint that is there already cannot be in service, with the list as
 * it is now: what it has is the gateway's of its network, or, where somebody
 * wrote into rows, also another endpoint's, which was there before.  NULL, or
 * an owned message. */
char *admit_conflict(const struct endpoint *, const struct network *,
                     const struct claims *);

#endif /* overlay/admit.h */
