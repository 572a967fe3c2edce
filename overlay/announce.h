/* SPDX-License-Identifier: Apache-2.0 */

#ifndef OVERLAY_ANNOUNCE_H
#define OVERLAY_ANNOUNCE_H 1

/* What a new endpoint says to the world: gratuitous ARP (RFC 5227, section 3)
 * and unsolicited neighbour advertisement (RFC 4861, section 7.2.6), so that
 * peers know its MAC and forget an older one.  Bytes out, nothing sent. */

#include "dp-packet.h"
#include "overlay/model.h"

/* Makes in 'packet', which the caller initialises and uninitialises, the frame
 * that announces address 'ip' of an endpoint with 'mac'. */
void announce_compose(struct dp_packet *packet, struct eth_addr mac,
                      const struct in6_addr *ip);

#endif /* overlay/announce.h */
