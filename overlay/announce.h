/* SPDX-License-Identifier: Apache-2.0 */

#ifndef OVERLAY_ANNOUNCE_H
#define OVERLAY_ANNOUNCE_H 1

/* What a new endpoint says to the world: gratuitous ARP (RFC 5227, section 3)
 * and unsolicited neighbour advertisement (RFC 4861, section 7.2.6), so that
 * peers know its MAC and forget an older one.  Bytes out, nothing sent. */

#include "dp-packet.h"
#include "overlay/model.h"

/* Makes in 'packet', which the caller initialises and uninitialises, the frame
 * that announces address 'ip' of an endpoint with 'mac'.  With 'to_all' it
 * tells every endpoint of the network; else only the peers' switches, which
 * learn from a question and hand it to nobody. */
void announce_compose(struct dp_packet *packet, struct eth_addr mac,
                      const struct in6_addr *ip, bool to_all);

#endif /* overlay/announce.h */
