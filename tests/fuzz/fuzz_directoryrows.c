/* SPDX-License-Identifier: Apache-2.0 */

/* Rows of the shared directory, of any JSON, are refused with one line that
 * can be shown, or make a list that keeps the promises of peerlist.h, and
 * hosts, endpoints and claims that those of directorydb.h allow.
 *
 * {"network": [ROW...], "router": [ROW...], "peer": [ROW...],
 *  "Host": [ROW...], "Endpoint": [ROW...], "Claim": [ROW...],
 *  "modify": [OLD, CHANGES]} */

#include <config.h>
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>
#include "lists.h"
#include "openvswitch/json.h"
#include "openvswitch/util.h"
#include "ovsdb/directoryrows.h"
#include "ovsdb/directoryvalues.h"
#include "overlay/address.h"
#include "packets.h"
#include "text.h"

static const struct json no_rows = { .type = JSON_ARRAY };

static const struct json_array *
rows_of(const struct json *all, const char *table)
{
    const struct json *rows = shash_find_data(json_object(all), table);

    return json_array(rows && rows->type == JSON_ARRAY ? rows : &no_rows);
}

static void
check_lists(const struct json *all)
{
    static const char *const kinds[] = { "network", "router", "peer" };
    struct sections sections = SECTIONS_INITIALIZER;
    struct peerlist *list;

    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        const struct json_array *rows = rows_of(all, kinds[i]);

        for (size_t j = 0; j < rows->n; j++) {
            size_t n = sections.n;
            char *error = directoryrows_to_section(kinds[i], rows->elems[j],
                                                   &sections);

            ovs_assert(sections.n == n + !error);
            text_check_refusal(error, "");
        }
    }

    char *error = peerlist_from_sections("directory", sections.a, sections.n,
                                         &list);
    ovs_assert(!error == (list != NULL));
    text_check_refusal(error, "directory: ");
    if (list) {
        lists_check("directory", list);
        peerlist_destroy(list);
    }
    sections_finish(&sections);
}

static void
check_row(const struct shash *columns)
{
    struct peer peer;
    struct directorydb_endpoint ep;
    struct directorydb_claim claim;
    const char *name = directoryvalues_host(columns, &peer);

    ovs_assert(name ? name_is_valid(name) : !peer.name);
    ovs_assert(!peer.name || peer.name == name);
    ovs_assert(!peer.name || !address_refuse_unicast(&peer.address));

    if (directoryvalues_endpoint(columns, &ep)) {
        ovs_assert(ep.vni && ep.vni <= VNI_MAX);
        ovs_assert(name_is_valid(ep.name) && name_is_valid(ep.host));
        ovs_assert(!eth_addr_is_multicast(ep.mac) && !eth_addr_is_zero(ep.mac)
                   && !mac_is_gateways(ep.mac));
        for (int v4 = 0; v4 < 2; v4++) {
            ovs_assert(!ipv6_addr_is_set(&ep.ips[v4])
                       || (address_is_v4(&ep.ips[v4]) == v4
                           && !address_refuse_unicast(&ep.ips[v4])));
        }
    }
    if (directoryvalues_claim(columns, &claim)) {
        ovs_assert(claim.vni && claim.vni <= VNI_MAX);
        ovs_assert(name_is_valid(claim.owner) && name_is_valid(claim.host));
    }
}

/* What comes goes by the same change. */
static void
check_modify(const struct json_array *pair)
{
    if (pair->n != 2 || pair->elems[0]->type != JSON_OBJECT
        || pair->elems[1]->type != JSON_OBJECT) {
        return;
    }

    const struct shash *changes = json_object(pair->elems[1]);
    struct json *row = json_clone(pair->elems[0]);
    directoryvalues_modify(row, changes);
    struct json *once = json_clone(row);
    directoryvalues_modify(row, changes);
    directoryvalues_modify(row, changes);
    ovs_assert(json_equal(once, row));
    json_destroy(once);
    json_destroy(row);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const tables[] = { "Host", "Endpoint", "Claim" };
    char *text = text_of(data, size);
    struct json *all = json_from_string(text);

    if (all->type == JSON_OBJECT) {
        check_lists(all);
        for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
            const struct json_array *rows = rows_of(all, tables[i]);

            for (size_t j = 0; j < rows->n; j++) {
                if (rows->elems[j]->type == JSON_OBJECT) {
                    check_row(json_object(rows->elems[j]));
                }
            }
        }
        check_modify(rows_of(all, "modify"));
    }
    json_destroy(all);
    free(text);
    return 0;
}
