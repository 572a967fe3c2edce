/* SPDX-License-Identifier: Apache-2.0 */

#ifndef AGENT_LENT_H
#define AGENT_LENT_H 1

/* The addresses and routes that the underlay's NIC lends to its bridge: as the
 * kernel has them, and as the bridge's row remembers them.  Called by the
 * underlay, which moves them. */

#include "agent/rtnl.h"

enum { LENT_ADDRESSES_MAX = 64, LENT_ROUTES_MAX = 256 };

/* What a NIC has, in the order in which it is to be added.  The links
 * ('ifindex', 'oif') are not meant. */
struct lent {
    struct rtnl_addr addresses[LENT_ADDRESSES_MAX];
    size_t n_addresses;
    struct rtnl_route routes[LENT_ROUTES_MAX];
    size_t n_routes;
};

/* What link 'ifindex', called 'nic', has.  Returns false if the kernel does
 * not tell. */
bool lent_read(struct rtnl *, const char *nic, int ifindex, struct lent *);

/* The label that every address has by itself is not remembered: on the bridge
 * it is another. */
void lent_remember(const char *nic, const struct rtnl_addr *,
                   struct rtnl_addr *to);

/* NULL if there is none. */
const struct rtnl_addr *lent_find(const struct lent *, const struct prefix *);

/* The words of underlay-text.h, by commas.  What is not understood is passed
 * over, with a warning that names 'bridge'. */
void lent_parse(const char *addresses, const char *routes, const char *bridge,
                struct lent *);
char *lent_format_addresses(const struct lent *);       /* Owned. */
char *lent_format_routes(const struct lent *);          /* Owned. */

#endif /* agent/lent.h */
