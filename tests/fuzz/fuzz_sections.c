/* SPDX-License-Identifier: Apache-2.0 */

/* A good peer file keeps its meaning on every way that it is written again:
 * normalized as a file, as rows of the shared directory, section by section. */

#include <config.h>
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>
#include "openvswitch/json.h"
#include "openvswitch/util.h"
#include "ovsdb/directoryrows.h"
#include "overlay/address.h"
#include "overlay/peerlist.h"
#include "packets.h"
#include "text.h"

enum { EDITS_MAX = 8 };             /* Sections that are taken out, each. */

static bool
sections_equal(const struct sections *a, const struct sections *b)
{
    bool equal = a->n == b->n;

    for (size_t i = 0; equal && i < a->n; i++) {
        equal = section_equal(&a->a[i], &b->a[i]);
    }
    return equal;
}

static bool
has_subnet(const struct network *network, const struct prefix *p,
           const struct in6_addr *gateway)
{
    for (size_t i = 0; i < network->n_subnets; i++) {
        if (prefix_equal(&network->subnets[i], p)) {
            return ipv6_addr_equals(&network->gateways[i], gateway);
        }
    }
    return false;
}

static void
check_network(const struct network *a, const struct network *b)
{
    ovs_assert(b && a->vni == b->vni && a->domain == b->domain);
    ovs_assert(a->external == b->external && a->dhcp == b->dhcp);
    ovs_assert(!memcmp(&a->mac_prefix, &b->mac_prefix, sizeof a->mac_prefix));
    ovs_assert(nullable_string_is_equal(a->router, b->router));
    ovs_assert(a->n_subnets == b->n_subnets && a->n_routes == b->n_routes);
    for (size_t i = 0; i < a->n_subnets; i++) {
        ovs_assert(has_subnet(b, &a->subnets[i], &a->gateways[i]));
    }
}

/* Do they say the same, in whatever order? */
static void
check_same(const struct peerlist *a, const struct peerlist *b)
{
    struct shash_node *node;

    ovs_assert(shash_count(&a->networks) == shash_count(&b->networks));
    ovs_assert(shash_count(&a->routers) == shash_count(&b->routers));
    ovs_assert(shash_count(&a->peers) == shash_count(&b->peers));
    SHASH_FOR_EACH (node, &a->networks) {
        check_network(node->data, peerlist_network(b, node->name));
    }
    SHASH_FOR_EACH (node, &a->peers) {
        const struct peer *p = node->data;
        const struct peer *q = peerlist_peer(b, node->name);

        ovs_assert(q && ipv6_addr_equals(&p->address, &q->address));
        ovs_assert(p->port == q->port && p->n_slices == q->n_slices);
    }
}

/* As text, 'all' is read to the same sections and list. */
static void
check_text(const struct sections *all, const struct peerlist *list)
{
    struct sections again = SECTIONS_INITIALIZER;
    char *text = sections_format(all);
    struct peerlist *same;
    char *error = peerlist_parse_sections("peers.conf", text, strlen(text),
                                          &same, &again);

    ovs_assert(!error);
    check_same(list, same);
    sections_normalize(&again);
    ovs_assert(sections_equal(all, &again));
    peerlist_destroy(same);
    sections_finish(&again);
    free(text);
}

/* What has a column comes back from a row. */
static void
check_rows(const struct sections *all)
{
    for (size_t i = 0; i < all->n; i++) {
        const struct section *s = &all->a[i];
        struct sections known = SECTIONS_INITIALIZER;
        struct sections again = SECTIONS_INITIALIZER;
        struct json *row = directoryrows_of_section(s);

        sections_append(&known, s);
        section_remove(&known.a[0], "slice");
        ovs_assert(!directoryrows_to_section(s->kind, row, &again));
        sections_normalize(&again);
        ovs_assert(sections_equal(&known, &again));
        json_destroy(row);
        sections_finish(&known);
        sections_finish(&again);
    }
}

/* Without one of its sections it is refused, or is what it was besides. */
static void
check_edits(const struct sections *all)
{
    for (size_t i = 0; i < MIN(all->n, EDITS_MAX); i++) {
        struct sections fewer;
        struct peerlist *list;

        sections_clone(&fewer, all);
        sections_remove(&fewer, i);
        ovs_assert(sections_find(&fewer, all->a[i].kind, all->a[i].name)
                   == SIZE_MAX);

        char *error = peerlist_from_sections("directory", fewer.a, fewer.n,
                                             &list);
        text_check_refusal(error, "directory: ");
        if (list) {
            ovs_assert(shash_count(&list->networks)
                       + shash_count(&list->routers)
                       + shash_count(&list->peers) == fewer.n);
            peerlist_destroy(list);
        }
        sections_append(&fewer, &all->a[i]);
        sections_normalize(&fewer);
        ovs_assert(sections_equal(all, &fewer));
        sections_finish(&fewer);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sections all = SECTIONS_INITIALIZER;
    struct peerlist *list, *same;

    free(peerlist_parse_sections("peers.conf", (const char *) data, size,
                                 &list, &all));
    if (list) {
        struct sections twice;

        ovs_assert(!peerlist_from_sections(NULL, all.a, all.n, &same));
        check_same(list, same);
        peerlist_destroy(same);

        sections_normalize(&all);
        sections_clone(&twice, &all);
        sections_normalize(&twice);
        ovs_assert(sections_equal(&all, &twice));
        sections_finish(&twice);

        check_text(&all, list);
        check_rows(&all);
        check_edits(&all);
        peerlist_destroy(list);
    }
    sections_finish(&all);
    return 0;
}
