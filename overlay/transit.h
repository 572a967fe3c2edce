/* SPDX-License-Identifier: Apache-2.0 */

#ifndef OVERLAY_TRANSIT_H
#define OVERLAY_TRANSIT_H 1

/* Transit addresses: between the switch and the host's stack, each network
 * that has a way out is one address of each family.  198.19.0.0/16 is part of
 * the benchmark range (RFC 2544, RFC 6890), fd57:6566:7400::/64 a unique local
 * prefix (RFC 4193): neither is a real underlay's. */

#include "openvswitch/types.h"
#include "overlay/model.h"
#include "simap.h"

enum { TRANSIT_SLOTS = 32749 };     /* 1..TRANSIT_SLOTS. */

/* What holds all of them, as nft(8) and ip(8) write it. */
#define TRANSIT_SUBNET4 "198.19.0.0/17"
#define TRANSIT_SUBNET6 "fd57:6566:7400::/112"

/* The host's own addresses there, and its MAC. */
#define TRANSIT_HOST4 "198.19.255.254/16"
#define TRANSIT_HOST6 "fd57:6566:7400::1:fffe/64"
#define EXTERNAL_MAC ETH_ADDR_C(0e,57,00,00,00,02)

struct in6_addr transit_address(uint16_t slot, bool v4);

/* A slot for each network of the list that has a way out, by name: its VNI, if
 * that is not more than TRANSIT_SLOTS; else, and where two want the same, the
 * next free one.  The same list always gives the same slots. */
void transit_assign(const struct peerlist *, struct simap *slots);

#endif /* overlay/transit.h */
