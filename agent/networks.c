/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "agent/networks.h"

#include <stdlib.h>
#include "overlay/address.h"
#include "overlay/compile.h"
#include "overlay/transit.h"
#include "util.h"

static void set_network(struct agent *, const char *name,
                        const struct network *);
static bool vnis_change_hands(const struct peerlist *old,
                              const struct peerlist *new);
static void want_external(struct agent *, const struct peerlist *);

void
networks_set_list(struct agent *a, const struct peerlist *old,
                  const struct peerlist *new)
{
    if (old && vnis_change_hands(old, new)) {
        ofswitch_compare(a->sw);
    }
    struct simap slots = SIMAP_INITIALIZER(&slots);
    transit_assign(new, &slots);
    simap_swap(&a->slots, &slots);
    simap_destroy(&slots);

    struct shash_node *node;
    SHASH_FOR_EACH_SAFE (node, &a->networks) {
        if (!peerlist_network(new, node->name)) {
            char *name = xstrdup(node->name);
            set_network(a, name, NULL);
            free(name);
        }
    }
    want_external(a, new);
    networks_update(a);
    a->publishes_unknown = true;
}

void
networks_update(struct agent *a)
{
    const struct peerlist *list = directory_list(a->directory);
    struct shash_node *node;
    SHASH_FOR_EACH (node, &list->networks) {
        set_network(a, node->name, node->data);
    }
}

void
networks_external_changed(struct agent *a)
{
    struct plan now = PLAN_INITIALIZER(&now);
    if (external_ofport(a->external)) {
        compile_external(external_ofport(a->external), &now);
    }
    ofswitch_change(a->sw, &a->external_share, &now);
    plan_swap(&a->external_share, &now);
    plan_finish(&now);
    if (directory_list(a->directory)) {
        networks_update(a);
    }
}

struct publishes_aux {
    const struct agent *a;
    struct external_publish *list;
    size_t n, allocated;
};

static void
add_publish(const struct endpoint *ep, const struct publish *p, void *aux_)
{
    struct publishes_aux *aux = aux_;
    uint16_t slot = simap_get(&aux->a->slots, ep->network);
    if (!slot) {
        return;                     /* Its network has no way out any more. */
    }
    if (aux->n >= aux->allocated) {
        aux->list = x2nrealloc(aux->list, &aux->allocated,
                               sizeof *aux->list);
    }
    struct external_publish *x = &aux->list[aux->n++];
    memset(x, 0, sizeof *x);        /* It is compared as bytes. */
    x->host_port = p->host_port;
    x->protocol = p->protocol;
    x->slot = slot;
    for (size_t i = 0; i < ep->n_ips; i++) {
        *(prefix_is_v4(&ep->ips[i]) ? &x->v4 : &x->v6) = true;
    }
}

void
networks_update_publishes(struct agent *a)
{
    struct publishes_aux aux = { .a = a };
    a->publishes_unknown = false;
    endpoints_publishes(a->endpoints, add_publish, &aux);
    external_set_publishes(a->external, aux.list, aux.n);
    free(aux.list);
}

/* Gives the switch what changed between two shares of one network. */
static void
set_network(struct agent *a, const char *name, const struct network *net)
{
    struct plan now = PLAN_INITIALIZER(&now);
    if (net) {
        struct compile_place place = {
            .mode = agent_mode(a),
            .slot = simap_get(&a->slots, name),
            .external = external_ofport(a->external),
            .mtu = a->mtu,
        };
        compile_network(net, &place, &now);
    }
    struct plan *was = shash_find_data(&a->networks, name);
    if (!was) {
        was = xmalloc(sizeof *was);
        plan_init(was);
        shash_add(&a->networks, name, was);
    }
    ofswitch_change(a->sw, was, &now);
    plan_swap(was, &now);
    plan_finish(&now);
    if (!net) {
        plan_finish(was);
        free(was);
        shash_find_and_delete(&a->networks, name);
    }
}

/* Does one network take over the VNI of another?  Then the steps of both,
 * queued one after the other, are about the same groups, and flows with the
 * same cookies: they would undo each other. */
static bool
vnis_change_hands(const struct peerlist *old, const struct peerlist *new)
{
    struct shash_node *node;
    SHASH_FOR_EACH (node, &new->networks) {
        const struct network *now = node->data;
        const struct network *was = peerlist_network(old, now->name);
        if ((!was || was->vni != now->vni)
            && peerlist_network_by_vni(old, now->vni)) {
            return true;
        }
    }
    return false;
}

/* For which families some network has a way out. */
static void
want_external(struct agent *a, const struct peerlist *list)
{
    bool any[2] = { false, false };
    struct shash_node *node;
    SHASH_FOR_EACH (node, &list->networks) {
        const struct network *net = node->data;
        for (int v4 = 0; v4 < 2 && net->external == EXTERNAL_NAT; v4++) {
            any[v4] = any[v4] || network_gateway(net, v4);
        }
    }
    external_set_list(a->external, list);
    external_want(a->external, any[true], any[false]);
}
