/* SPDX-License-Identifier: Apache-2.0 */

#ifndef OVSDB_ROWS_H
#define OVSDB_ROWS_H 1

/* Endpoints and tunnels as they stand in the external_ids and options of an
 * Interface row: the only memory of what is attached to this host, and what a
 * user of ovs-vsctl sees.
 *
 *   weft-bridge    the bridge, on every row of ours
 *   weft-endpoint  weft-network  weft-mac  weft-ip  (addresses, by blanks)
 *   weft-netns     weft-ifname   weft-mtu  (only if it was asked for)
 *   weft-tap       weft-owner    (of a tap, in place of netns and ifname)
 *   weft-netns-ino (only of a process's namespace)
 *   weft-peer      weft-peer-id
 *   weft-external  weft-settings  (of the way out: written by switchdb itself)
 *
 * Called by switchdb alone. */

#include "overlay/model.h"
#include "smap.h"

void row_of_endpoint(const struct endpoint *, const char *bridge,
                     struct smap *external_ids);
/* False if the row is not a whole endpoint's; then 'ep' needs no finish. */
bool row_to_endpoint(const char *port, const struct smap *external_ids,
                     struct endpoint *ep);

void row_of_tunnel(const struct tunnel *, const char *bridge,
                   struct smap *external_ids, struct smap *options);
/* How a tunnel's BFD is to be. */
void row_of_bfd(struct smap *bfd);
bool row_to_tunnel(const char *port, const struct smap *external_ids,
                   const struct smap *options, struct tunnel *);

#endif /* ovsdb/rows.h */
