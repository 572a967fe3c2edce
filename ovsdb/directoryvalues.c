/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "ovsdb/directoryvalues.h"

#include "overlay/address.h"
#include "packets.h"
#include "svec.h"
#include "util.h"

/* Columns that may have several values: of these an update names those that
 * come and those that go. */
static const char *const many[] = {
    "subnet", "gateway", "dns", "route", "networks",
};

static const char *get_string(const struct shash *columns, const char *name);
static bool get_number(const struct shash *columns, const char *name,
                       long long int max, long long int *number);
static bool get_vni(const struct shash *columns, uint32_t *vni);
static bool get_mac(const struct shash *columns, struct eth_addr *mac);
static bool parse_ip(const char *, bool v4, struct in6_addr *);
static struct json *toggle(const struct json *old, const struct json *changes);

const char *
directoryvalues_host(const struct shash *columns, struct peer *peer)
{
    const char *name = get_string(columns, "name");
    long long int port = 0;

    *peer = (struct peer) { .port = 0 };
    if (!name_is_valid(name)) {
        return NULL;
    }
    /* A port that is not given is 0, or an empty set. */
    if (address_parse(get_string(columns, "address"), &peer->address)
        && !address_refuse_unicast(&peer->address)) {
        (void) get_number(columns, "port", UINT16_MAX, &port);
        peer->port = port;
        peer->name = CONST_CAST(char *, name);
    }
    return name;
}

bool
directoryvalues_endpoint(const struct shash *columns,
                         struct directorydb_endpoint *ep)
{
    long long int part;

    ep->name = get_string(columns, "name");
    ep->host = get_string(columns, "host");
    if (!get_vni(columns, &ep->vni) || !get_mac(columns, &ep->mac)
        || !get_number(columns, "part", UINT8_MAX, &part)) {
        return false;
    }
    ep->part = part;
    return (!mac_is_gateways(ep->mac)
            && name_is_valid(ep->host) && name_is_valid(ep->name)
            && parse_ip(get_string(columns, "ipv6"), false, &ep->ips[false])
            && parse_ip(get_string(columns, "ipv4"), true, &ep->ips[true]));
}

bool
directoryvalues_claim(const struct shash *columns,
                      struct directorydb_claim *claim)
{
    claim->owner = get_string(columns, "owner");
    claim->host = get_string(columns, "host");
    return (get_vni(columns, &claim->vni) && get_mac(columns, &claim->mac)
            && name_is_valid(claim->owner) && name_is_valid(claim->host));
}

void
directoryvalues_modify(struct json *columns, const struct shash *changes)
{
    struct shash_node *node;
    SHASH_FOR_EACH (node, changes) {
        bool is_many = false;
        for (size_t i = 0; i < ARRAY_SIZE(many); i++) {
            is_many = is_many || !strcmp(node->name, many[i]);
        }
        const struct json *old = shash_find_data(json_object(columns),
                                                 node->name);
        json_object_put(columns, node->name,
                        is_many ? toggle(old, node->data)
                        : json_clone(node->data));
    }
}

/* The string in a column, "" if there is none. */
static const char *
get_string(const struct shash *columns, const char *name)
{
    const struct json *value = shash_find_data(columns, name);
    return value && value->type == JSON_STRING ? json_string(value) : "";
}

/* False, and no number, if there is one that is not from 0 to 'max'.  A server
 * leaves out what is 0. */
static bool
get_number(const struct shash *columns, const char *name, long long int max,
           long long int *number)
{
    const struct json *value = shash_find_data(columns, name);
    if (value && (value->type != JSON_INTEGER || json_integer(value) < 0
                  || json_integer(value) > max)) {
        return false;
    }
    *number = value ? json_integer(value) : 0;
    return true;
}

static bool
get_vni(const struct shash *columns, uint32_t *vni)
{
    long long int number = 0;
    bool ok = get_number(columns, "network", VNI_MAX, &number);
    *vni = number;
    return ok && number;
}

static bool
get_mac(const struct shash *columns, struct eth_addr *mac)
{
    return (eth_addr_from_string(get_string(columns, "mac"), mac)
            && !eth_addr_is_multicast(*mac) && !eth_addr_is_zero(*mac));
}

/* An address of a row, whose placeholder for none begins with '-'. */
static bool
parse_ip(const char *s, bool v4, struct in6_addr *ip)
{
    if (s[0] == '-') {
        *ip = in6addr_any;
        return true;
    }
    return (address_parse(s, ip) && address_is_v4(ip) == v4
            && !address_refuse_unicast(ip));
}

/* Adds the members of a set of strings, which OVSDB writes as the string if
 * there is one. */
static void
add_members(struct svec *members, const struct json *value)
{
    if (value && value->type == JSON_STRING) {
        svec_add(members, json_string(value));
    } else if (value && value->type == JSON_ARRAY && json_array(value)->n == 2
               && json_array(value)->elems[1]->type == JSON_ARRAY) {
        const struct json_array *set = json_array(json_array(value)->elems[1]);
        for (size_t i = 0; i < set->n; i++) {
            if (set->elems[i]->type == JSON_STRING) {
                svec_add(members, json_string(set->elems[i]));
            }
        }
    }
}

/* The set in the order in which OVSDB has it. */
static struct json *
toggle(const struct json *old, const struct json *changes)
{
    struct svec a = SVEC_EMPTY_INITIALIZER;
    struct svec b = SVEC_EMPTY_INITIALIZER;
    struct svec a_only, b_only;
    add_members(&a, old);
    add_members(&b, changes);
    svec_sort_unique(&a);
    svec_sort_unique(&b);
    svec_diff(&a, &b, &a_only, NULL, &b_only);
    svec_append(&a_only, &b_only);
    svec_sort(&a_only);

    struct json *set = json_array_create_empty();
    const char *member;
    size_t i;
    SVEC_FOR_EACH (i, member, &a_only) {
        json_array_add(set, json_string_create(member));
    }
    svec_destroy(&a);
    svec_destroy(&b);
    svec_destroy(&a_only);
    svec_destroy(&b_only);
    return json_array_create_2(json_string_create("set"), set);
}
