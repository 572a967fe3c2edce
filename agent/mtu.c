/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "agent/mtu.h"

#include <string.h>
#include "agent/agent.h"
#include "agent/networks.h"
#include "overlay/address.h"
#include "packets.h"
#include "util.h"

/* Routes are looked up to no more peers: who has more has NICs that are alike.
 */
enum { ROUTED_MAX = 256 };

static int least_mtu(struct agent *, const struct peerlist *,
                     const struct peer *self);
static int take_link(struct agent *, int ifindex, int mtu);

void
mtu_update(struct agent *a)
{
    const struct peerlist *list = directory_list(a->directory);
    const struct peer *self = directory_self(a->directory);
    a->mtu_unknown = false;
    if (!list) {
        return;
    }
    /* All hosts with this list find the same overhead, though a pair may have
     * the lesser one: a network has one MTU. */
    bool v6 = false;
    struct shash_node *node;
    SHASH_FOR_EACH (node, &list->peers) {
        const struct peer *peer = node->data;
        v6 = v6 || !address_is_v4(&peer->address);
    }
    int underlay = least_mtu(a, list, self);
    if (underlay) {
        int was = a->mtu;
        a->mtu = MAX(underlay - (v6 ? VXLAN_OVERHEAD_IPV6
                                 : VXLAN_OVERHEAD_IPV4), MTU_MIN);
        endpoints_set_mtu(a->endpoints, a->mtu);
        external_set_mtu(a->external, a->mtu);
        gateway_set_mtu(a->gateway, a->mtu);
        if (a->mtu != was) {
            networks_update(a);
        }
    }
}

bool
mtu_counts(const struct agent *a, int ifindex)
{
    for (size_t i = 0; i < a->n_underlay_links; i++) {
        if (a->underlay_links[i] == ifindex) {
            return true;
        }
    }
    return !a->n_underlay_links;
}

/* Of the NIC with this host's address and, with the kernel's datapath, of
 * those by which its routes lead tunnels.  0 if there is none. */
static int
least_mtu(struct agent *a, const struct peerlist *list,
          const struct peer *self)
{
    struct rtnl *rtnl = kernel_rtnl(a->kernel);
    int oif;
    a->n_underlay_links = 0;
    int mtu = take_link(a, kernel_link_with(a->kernel, &self->address), 0);
    if (!a->underlay) {
        size_t n = 0;
        struct shash_node *node;
        SHASH_FOR_EACH (node, &list->peers) {
            const struct peer *peer = node->data;
            if (peer != self && n++ < ROUTED_MAX
                && !rtnl_route_get(rtnl, &peer->address, &oif, NULL)) {
                mtu = take_link(a, oif, mtu);
            }
        }
    }
    if (!mtu && !rtnl_route_get(rtnl, &self->address, &oif, NULL)) {
        mtu = take_link(a, oif, 0);     /* A router has the address. */
    }
    return mtu;
}

/* The lesser one of 'mtu' (0: none) and of link 'ifindex' (0: none), if that
 * carries packets between hosts: an address on lo, which several NICs lead to,
 * says nothing. */
static int
take_link(struct agent *a, int ifindex, int mtu)
{
    struct rtnl_link link;
    if (!ifindex || (a->n_underlay_links && mtu_counts(a, ifindex))
        || a->n_underlay_links == ARRAY_SIZE(a->underlay_links)
        || rtnl_link_get_index(kernel_rtnl(a->kernel), ifindex, &link)
        || link.flags & IFF_LOOPBACK || !strcmp(link.kind, "dummy")) {
        return mtu;
    }
    a->underlay_links[a->n_underlay_links++] = ifindex;
    return mtu ? MIN(mtu, link.mtu) : link.mtu;
}
