/* SPDX-License-Identifier: Apache-2.0 */

/* Whatever list is accepted, and whatever endpoint a row of the local database
 * has, there are flows for it: none that Open vSwitch would not take, none
 * twice, and the same when compiled once more or the other way round.
 *
 * A peer file, a line "%", and the lines of a row as in fuzz_rows.c.  The
 * endpoint is on the network that its row says. */

#include <config.h>
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>
#include "flow.h"
#include "openvswitch/util.h"
#include "ovsdb/rows.h"
#include "overlay/admit.h"
#include "overlay/compile.h"
#include "overlay/peerlist.h"
#include "packets.h"
#include "rowtext.h"

enum {
    OBJECTS_MAX = 4,                /* Networks and peers that are compiled. */
    ENDPOINT_PORT = 100,
    EXTERNAL_PORT = 99,
    SLOT = 7,
};

struct world {
    const struct peerlist *list;
    const struct endpoint *ep;      /* Or NULL. */
    struct compile_mode mode;
};

/* Is the endpoint on the network, and may it be in service there? */
static bool
is_in_service(const struct endpoint *ep, const struct network *net)
{
    if (!ep || strcmp(ep->network, net->name)) {
        return false;
    }
    struct claims nobody;
    claims_init(&nobody);
    char *conflict = admit_conflict(ep, net, &nobody);
    claims_destroy(&nobody);
    bool ok = !conflict;
    free(conflict);
    return ok;
}

/* The n-th share of all; false if there are no more. */
static bool
compile_share(const struct world *w, size_t n, struct plan *plan)
{
    struct shash_node *node;
    size_t i = 2;

    if (n == 0) {
        compile_static(&w->mode, plan);
        return true;
    } else if (n == 1) {
        compile_external(u16_to_ofp(EXTERNAL_PORT), plan);
        return true;
    }
    SHASH_FOR_EACH (node, &w->list->networks) {
        const struct network *net = node->data;
        const struct compile_place place = {
            .mode = w->mode,
            .slot = net->external == EXTERNAL_NAT ? SLOT + i : 0,
            .external = u16_to_ofp(EXTERNAL_PORT),
            .mtu = 1450,
        };

        if (i == n) {
            compile_network(net, &place, plan);
            if (is_in_service(w->ep, net)) {
                compile_endpoint(w->ep, net, &place,
                                 u16_to_ofp(ENDPOINT_PORT), plan);
            }
            return true;
        } else if (++i > OBJECTS_MAX + 1) {
            break;
        }
    }
    if (n >= i && n < i + MIN(shash_count(&w->list->peers), OBJECTS_MAX)) {
        compile_peer(n, u16_to_ofp(n), &w->mode, plan);
        return true;
    }
    return false;
}

static void
check_world(const struct world *w)
{
    struct plan all = PLAN_INITIALIZER(&all);
    struct plan back = PLAN_INITIALIZER(&back);
    struct plan_ops ops;
    size_t n = 0;

    while (compile_share(w, n, &all)) {
        n++;
    }
    for (size_t i = n; i > 0; i--) {
        struct plan share = PLAN_INITIALIZER(&share);

        compile_share(w, i - 1, &share);
        plan_merge(&back, &share);
        plan_finish(&share);
    }
    ovs_assert(plan_equal(&all, &back));
    plan_ops_init(&ops);
    plan_diff(&all, &back, &ops);
    ovs_assert(!ops.n);
    plan_ops_finish(&ops);
    plan_finish(&all);
    plan_finish(&back);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct smap ids = SMAP_INITIALIZER(&ids);
    const uint8_t *percent = memmem(data, size, "\n%\n", 3);
    size_t n = percent ? percent + 1 - data : size;
    struct peerlist *list;
    struct endpoint ep;

    free(peerlist_parse("peers.conf", (const char *) data, n, &list));
    if (list) {
        if (percent) {
            rowtext_parse(percent + 3, size - n - 2, &ids, NULL);
        }

        bool has = row_to_endpoint("wf-web1", &ids, &ep);
        for (int mode = 0; mode < 4; mode++) {
            check_world(&(struct world) {
                .list = list,
                .ep = has ? &ep : NULL,
                .mode = { .known = mode & 1, .kernel = mode & 2 },
            });
        }
        if (has) {
            endpoint_finish(&ep);
        }
        peerlist_destroy(list);
    }
    smap_destroy(&ids);
    return 0;
}
