/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "overlay/transit.h"

#include <stdlib.h>
#include "bitmap.h"
#include "packets.h"

static int compare_vnis(const void *, const void *);

struct in6_addr
transit_address(uint16_t slot, bool v4)
{
    struct in6_addr addr = {
        .s6_addr = { 0xfd, 0x57, 0x65, 0x66, 0x74, 0,
                     [14] = slot >> 8, [15] = slot & 0xff }
    };
    if (v4) {
        in6_addr_set_mapped_ipv4(&addr, htonl(0xc6130000 | slot));
    }
    return addr;
}

void
transit_assign(const struct peerlist *list, struct simap *slots)
{
    size_t n = 0;
    const struct network **nets = xmalloc(
        MAX(shash_count(&list->networks), 1) * sizeof *nets);
    struct shash_node *node;
    SHASH_FOR_EACH (node, &list->networks) {
        const struct network *net = node->data;
        if (net->external == EXTERNAL_NAT) {
            nets[n++] = net;
        }
    }
    qsort(nets, n, sizeof *nets, compare_vnis);

    simap_clear(slots);
    unsigned long *taken = bitmap_allocate(TRANSIT_SLOTS);
    for (size_t i = 0; i < n; i++) {
        uint32_t slot = (nets[i]->vni - 1) % TRANSIT_SLOTS;
        while (bitmap_is_set(taken, slot)) {
            slot = (slot + 1) % TRANSIT_SLOTS;  /* NETWORKS_MAX is less. */
        }
        bitmap_set1(taken, slot);
        simap_put(slots, nets[i]->name, slot + 1);
    }
    bitmap_free(taken);
    free(nets);
}

static int
compare_vnis(const void *a_, const void *b_)
{
    const struct network *a = *(const struct network *const *) a_;
    const struct network *b = *(const struct network *const *) b_;
    return a->vni < b->vni ? -1 : a->vni > b->vni;
}
