/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "overlay/lease.h"

#include "overlay/address.h"

bool
lease_find(const struct endpoint *ep, const struct network *net, bool v4,
           struct lease *lease)
{
    for (size_t i = 0; i < ep->n_ips; i++) {
        const struct in6_addr *addr = &ep->ips[i].addr;
        const struct in6_addr *gateway;
        const struct prefix *subnet = network_subnet(net, addr, &gateway);

        if (address_is_v4(addr) == v4 && subnet && gateway) {
            lease->addr = *addr;
            lease->subnet = *subnet;
            lease->gateway = *gateway;
            return true;
        }
    }
    return false;
}
