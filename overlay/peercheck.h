/* SPDX-License-Identifier: Apache-2.0 */

#ifndef OVERLAY_PEERCHECK_H
#define OVERLAY_PEERCHECK_H 1

/* What only the whole of a peer file can show: slices within subnets, gateways
 * and routes within their network, routers whose networks fit each other.
 * Called by peerlist.c only. */

#include "overlay/peerdraft.h"

/* Completes the networks of '*d', which is read to its end: their gateways,
 * routers and domains.  False if something was refused. */
bool peercheck_run(struct peerdraft *d);

#endif /* overlay/peercheck.h */
