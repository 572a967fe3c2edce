/* SPDX-License-Identifier: Apache-2.0 */

#ifndef OVERLAY_ADMIT_H
#define OVERLAY_ADMIT_H 1

/* From what a user asks for to an endpoint that may exist: fills in what was
 * left to us (network, name, addresses, MAC) and refuses what would be wrong.
 * Pure: who has claimed what already is asked through 'claims'. */

#include "overlay/model.h"
#include "overlay/request.h"

struct admit_claims {
    const struct endpoint *(*by_name)(const char *name, const void *aux);
    const struct endpoint *(*by_ip)(const char *network,
                                    const struct in6_addr *, const void *aux);
    const struct endpoint *(*by_mac)(const char *network, struct eth_addr,
                                     const void *aux);
    const struct endpoint *(*by_inside)(const char *netns, const char *ifname,
                                        const void *aux);
    bool (*port_taken)(const char *port, const void *aux);
    /* Where to look for a free address of the network and family first: no
     * lower number is free.  Found numbers are stored there. */
    uint32_t *(*cursor)(const char *network, bool v4, const void *aux);
    const void *aux;
};

struct admit_host {
    const struct peerlist *list;
    const struct peer *self;        /* In 'list'. */
    const char *file;               /* What messages call the list. */
    int mtu;                        /* What the underlay leaves; 0: unknown. */
};

/* 'netns' is the namespace's path.  Returns NULL and an endpoint in '*ep' that
 * the caller finishes, and '*existing' NULL; or NULL and in '*existing' the
 * endpoint that is just what is asked for; or an owned message. */
char *admit_endpoint(const struct attach_request *, const char *netns,
                     const struct admit_host *, const struct admit_claims *,
                     struct endpoint *ep, const struct endpoint **existing);

#endif /* overlay/admit.h */
