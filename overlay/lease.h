/* SPDX-License-Identifier: Apache-2.0 */

#ifndef OVERLAY_LEASE_H
#define OVERLAY_LEASE_H 1

/* What an endpoint has of its network in either family: the address that a
 * DHCP server gives it, which it has anyway, and the gateway by which it is
 * reached.  Knows no packet. */

#include "overlay/model.h"

struct lease {
    struct in6_addr addr;           /* The endpoint's. */
    struct prefix subnet;           /* Of the network, in which it is. */
    struct in6_addr gateway;        /* Of that subnet. */
};

/* The endpoint's first address of the family in a subnet that has a gateway.
 * False if there is none. */
bool lease_find(const struct endpoint *, const struct network *, bool v4,
                struct lease *);

#endif /* overlay/lease.h */
