/* SPDX-License-Identifier: Apache-2.0 */

#ifndef OVERLAY_LEASE_H
#define OVERLAY_LEASE_H 1

/* What a DHCP server of either family gives an endpoint: the address that it
 * has anyway.  Called by dhcp4 and dhcp6; knows no packet. */

#include "overlay/answer.h"

struct lease {
    struct in6_addr addr;           /* The endpoint's. */
    struct prefix subnet;           /* Of the network, in which it is. */
    struct in6_addr gateway;        /* Of that subnet. */
};

/* The endpoint's first address of the family in a subnet that has a gateway.
 * False if there is none. */
bool lease_find(const struct answer_context *, bool v4, struct lease *);

#endif /* overlay/lease.h */
