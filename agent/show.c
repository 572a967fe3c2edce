/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "agent/show.h"

#include <ctype.h>
#include <stdlib.h>
#include "agent/health.h"
#include "agent/who.h"
#include "flow.h"
#include "openvswitch/json.h"
#include "overlay/address.h"
#include "overlay/peerlist.h"
#include "overlay/publish.h"
#include "packets.h"
#include "timeval.h"
#include "util.h"

static struct json *endpoints_rows(const struct agent *);
static struct json *publishes_to_json(const struct agent *);
static struct json *networks_to_json(const struct agent *);
static void put_routing(struct json *, const struct network *);
static struct json *routers_to_json(const struct agent *);
static struct json *peers_to_json(const struct agent *);
static struct json *reports_to_json(const struct reports *);
static void put_summary(const struct agent *, const struct health *,
                        struct json *);
static void put_link(struct json *, const struct rtnl_link *);
static void put_peer_end(struct json *, const struct who *);

static const struct {
    const char *what;
    struct json *(*rows)(const struct agent *);
    struct view_column columns[9];
} listings[] = {
    { "endpoint", endpoints_rows, {
        { "name", "ENDPOINT" }, { "network", "NETWORK" }, { "ip", "ADDRESS" },
        { "netns", "NETNS" }, { "ifname", "IFNAME" }, { "state", "STATE" },
        { "reason", "" }, { NULL, NULL } } },
    { "publish", publishes_to_json, {
        { "hostport", "HOSTPORT" }, { "protocol", "PROTOCOL" },
        { "endpoint", "ENDPOINT" }, { "ip", "ADDRESS" }, { "port", "PORT" },
        { NULL, NULL } } },
    { "network", networks_to_json, {
        { "name", "NETWORK" }, { "vni", "VNI" }, { "subnet", "SUBNET" },
        { "slice", "THIS HOST'S SLICE" }, { "mtu", "MTU" }, { NULL, NULL } } },
    { "shared network", networks_to_json, {
        { "name", "NETWORK" }, { "vni", "VNI" }, { "subnet", "SUBNET" },
        { "elsewhere", "ELSEWHERE" }, { "mtu", "MTU" }, { NULL, NULL } } },
    { "router", routers_to_json, {
        { "name", "ROUTER" }, { "networks", "NETWORKS" }, { NULL, NULL } } },
    { "peer", peers_to_json, {
        { "name", "PEER" }, { "address", "ADDRESS" }, { "tunnel", "TUNNEL" },
        { "bfd", "BFD" }, { "reason", "" }, { NULL, NULL } } },
};

struct json *
show_list(const struct agent *a, const char *what,
          const struct view_column **columns)
{
    if (a->shared && !strcmp(what, "network")) {
        what = "shared network";
    }
    for (size_t i = 0; i < ARRAY_SIZE(listings); i++) {
        if (!strcmp(listings[i].what, what)) {
            *columns = listings[i].columns;
            return listings[i].rows(a);
        }
    }
    OVS_NOT_REACHED();
}

struct json *
show_one(const struct agent *a, const char *what, const char *name)
{
    if (!strcmp(what, "endpoint")) {
        return endpoints_show(a->endpoints, name);
    }
    const struct view_column *columns;
    struct json *rows = show_list(a, what, &columns);
    struct json *found = NULL;
    for (size_t i = 0; i < json_array(rows)->n && !found; i++) {
        struct json *row = json_array(rows)->elems[i];
        if (!strcmp(json_string(shash_find_data(json_object(row), "name")),
                    name)) {
            found = json_clone(row);
        }
    }
    json_destroy(rows);
    return found;
}

bool
show_ask_refused(const struct agent *a, const char *name,
                 struct ofswitch_question *q)
{
    const struct peerlist *list = directory_list(a->directory);
    const struct endpoint *ep = endpoints_find(a->endpoints, name);
    const struct switchdb_port *port = (ep ? switchdb_find_port(a->db,
                                                                ep->port)
                                        : NULL);
    if (!port || !port->ofport) {
        return false;
    }
    const struct network *net = (list ? peerlist_network(list, ep->network)
                                 : NULL);
    ofswitch_ask_refused(a->sw, port->ofport, net && compile_has_meter(net),
                         q);
    return true;
}

void
show_put_refused(const struct ofswitch_question *q, struct json *row)
{
    if (q->answer == ANSWER_THERE) {
        json_object_put(row, "refused", refusal_counts_to_json(
            &q->refused, REFUSAL_KIND_REFUSED));
        json_object_put(row, "ignored", refusal_counts_to_json(
            &q->refused, REFUSAL_KIND_IGNORED));
    } else {
        json_object_put_string(row, "uncounted",
                               q->answer == ANSWER_LOST
                               ? "the switch is not there"
                               : "the switch does not answer");
    }
}

struct json *
show_status(const struct agent *a)
{
    struct health health;
    health_look(a, &health);
    struct json *array = json_array_create_empty();
    const char *problem;
    size_t i;
    SVEC_FOR_EACH (i, problem, &health.problems) {
        json_array_add(array, json_string_create(problem));
    }
    struct json *o = json_object_create();
    json_object_put(o, "healthy", json_boolean_create(!health.problems.n));
    json_object_put(o, "problems", array);
    json_object_put(o, "reports", reports_to_json(&a->reports));
    put_summary(a, &health, o);
    health_finish(&health);
    return o;
}

char *
show_who(const struct agent *a, const char *ifname, struct json **objectp)
{
    struct who who;
    char *error = who_lookup(ifname, &who);
    if (error) {
        *objectp = NULL;
        return error;
    }
    struct json *o = json_object_create();
    put_link(o, &who.link);
    put_peer_end(o, &who);
    const struct switchdb_port *port = switchdb_find_port(a->db,
                                                          who.link.name);
    const struct endpoint *ep = endpoints_find_port(a->endpoints,
                                                    who.link.name);
    if (port) {
        json_object_put(o, "ofport",
                        json_integer_create(ofp_to_u16(port->ofport)));
    }
    if (ep) {
        json_object_put_format(o, "endpoint", "%s on network %s", ep->name,
                               ep->network);
    }
    who_finish(&who);
    *objectp = o;
    return NULL;
}

static struct json *
endpoints_rows(const struct agent *a)
{
    return endpoints_to_json(a->endpoints);
}

static struct json *
prefixes_to_json(const struct prefix *prefixes, size_t n)
{
    struct json *array = json_array_create_empty();
    for (size_t i = 0; i < n; i++) {
        struct ds s = DS_EMPTY_INITIALIZER;
        prefix_format(&prefixes[i], &s);
        json_array_add(array, json_string_create_nocopy(ds_steal_cstr(&s)));
    }
    return array;
}

/* What automatic addresses of this host are from. */
static void
put_slices(const struct agent *a, const struct network *net,
           struct json *row)
{
    struct json *slices = json_array_create_empty();
    for (size_t j = 0; j < net->n_subnets; j++) {
        struct prefix slice;
        char *error = address_slice(directory_list(a->directory),
                                    directory_self(a->directory),
                                    &net->subnets[j], &slice);
        if (!error) {
            struct ds s = DS_EMPTY_INITIALIZER;
            prefix_format(&slice, &s);
            json_array_add(slices,
                           json_string_create_nocopy(ds_steal_cstr(&s)));
        }
        free(error);
    }
    json_object_put(row, "slice", slices);
}

static struct json *
networks_to_json(const struct agent *a)
{
    const struct peerlist *list = directory_list(a->directory);
    struct json *rows = json_array_create_empty();
    if (!list) {
        return rows;
    }
    const struct shash_node **nodes = shash_sort(&list->networks);
    for (size_t i = 0; i < shash_count(&list->networks); i++) {
        const struct network *net = nodes[i]->data;
        struct json *row = json_object_create();
        json_object_put_string(row, "name", net->name);
        json_object_put(row, "vni", json_integer_create(net->vni));
        json_object_put(row, "subnet", prefixes_to_json(net->subnets,
                                                        net->n_subnets));
        json_object_put(row, "mtu", json_integer_create(a->mtu));
        put_routing(row, net);
        if (a->shared) {
            json_object_put(row, "elsewhere", json_integer_create(
                remotes_count_network(a->remotes, net->vni)));
        } else {
            put_slices(a, net, row);
        }
        json_array_add(rows, row);
    }
    free(nodes);
    return rows;
}

static struct json *
address_to_json(const struct in6_addr *addr)
{
    struct ds s = DS_EMPTY_INITIALIZER;
    address_format(addr, &s);
    return json_string_create_nocopy(ds_steal_cstr(&s));
}

static void
put_array(struct json *row, const char *key, struct json *array)
{
    if (json_array(array)->n) {
        json_object_put(row, key, array);
    } else {
        json_destroy(array);
    }
}

/* What leads out of the network, and what it tells its endpoints: as much as
 * there is. */
static void
put_routing(struct json *row, const struct network *net)
{
    struct json *gateways = json_array_create_empty();
    struct json *dns = json_array_create_empty();
    struct json *routes = json_array_create_empty();
    for (size_t i = 0; i < net->n_subnets; i++) {
        if (ipv6_addr_is_set(&net->gateways[i])) {
            json_array_add(gateways, address_to_json(&net->gateways[i]));
        }
    }
    for (size_t i = 0; i < net->n_dns; i++) {
        json_array_add(dns, address_to_json(&net->dns[i]));
    }
    for (size_t i = 0; i < net->n_routes; i++) {
        struct ds s = DS_EMPTY_INITIALIZER;
        prefix_format(&net->routes[i].dst, &s);
        ds_put_cstr(&s, " via ");
        address_format(&net->routes[i].via, &s);
        json_array_add(routes, json_string_create_nocopy(ds_steal_cstr(&s)));
    }
    put_array(row, "gateway", gateways);
    put_array(row, "dns", dns);
    put_array(row, "route", routes);
    if (net->external == EXTERNAL_NAT) {
        json_object_put_string(row, "external", "nat");
    }
    if (net->dhcp) {
        json_object_put_string(row, "dhcp", "on");
    }
    if (net->router) {
        json_object_put_string(row, "router", net->router);
    }
}

static struct json *
routers_to_json(const struct agent *a)
{
    const struct peerlist *list = directory_list(a->directory);
    struct json *rows = json_array_create_empty();
    if (!list) {
        return rows;
    }
    const struct shash_node **nodes = shash_sort(&list->routers);
    for (size_t i = 0; i < shash_count(&list->routers); i++) {
        const struct router *router = nodes[i]->data;
        const char **names = sset_sort(&router->networks);
        struct json *networks = json_array_create_empty();
        for (size_t j = 0; j < sset_count(&router->networks); j++) {
            json_array_add(networks, json_string_create(names[j]));
        }
        free(names);
        struct json *row = json_object_create();
        json_object_put_string(row, "name", router->name);
        json_object_put(row, "networks", networks);
        json_array_add(rows, row);
    }
    free(nodes);
    return rows;
}

/* An id of qemu begins with a letter, our names may begin with a digit. */
char *
show_qemu(const struct agent *a, const struct endpoint *ep)
{
    /* Userspace datapaths of Open vSwitch 3.1 do not understand the header
     * that virtio puts in front of frames; the kernel does. */
    bool netdev = a->datapath && !strcmp(a->datapath, "netdev");
    const char *prefix = isdigit((unsigned char) ep->name[0]) ? "vm-" : "";
    return xasprintf("-netdev tap,id=%s%s,ifname=%s,script=no,downscript=no%s "
                     "-device virtio-net-pci,netdev=%s%s,mac="ETH_ADDR_FMT,
                     prefix, ep->name, ep->port,
                     netdev ? ",vnet_hdr=off" : "", prefix, ep->name,
                     ETH_ADDR_ARGS(ep->mac));
}

static void
add_publish(const struct endpoint *ep, const struct publish *p, void *rows)
{
    struct json *row = json_object_create();
    json_object_put(row, "hostport", json_integer_create(p->host_port));
    json_object_put_string(row, "protocol", publish_protocol(p));
    json_object_put_string(row, "endpoint", ep->name);
    json_object_put(row, "ip", prefixes_to_json(ep->ips, ep->n_ips));
    json_object_put(row, "port", json_integer_create(p->port));
    json_array_add(rows, row);
}

static struct json *
publishes_to_json(const struct agent *a)
{
    struct json *rows = json_array_create_empty();
    endpoints_publishes(a->endpoints, add_publish, rows);
    return rows;
}

static const char *
bfd_name(enum switchdb_bfd bfd)
{
    switch (bfd) {
    case BFD_NONE: return "none";
    case BFD_DOWN: return "down";
    case BFD_INIT: return "init";
    case BFD_UP: return "up";
    }
    OVS_NOT_REACHED();
}

/* What the shared directory tells of a host. */
static void
put_standing(const struct agent *a, const struct peer *peer,
             const struct tunnel_status *t, struct json *row)
{
    long long int silent = heartbeat_silent(shared_heartbeat(a->shared),
                                            peer->name);
    json_object_put(row, "endpoints", json_integer_create(
        remotes_count_host(a->remotes, peer->name)));
    json_object_put(row, "silent", json_integer_create(silent));
    if (silent) {
        json_object_put_format(row, "reason", "silent for %lld s", silent);
    } else if (!t->wanted) {
        json_object_put_string(row, "reason", "no network in common");
    }
}

static struct json *
peer_to_json(const struct agent *a, const struct peer *peer)
{
    const struct peer *self = directory_self(a->directory);
    struct json *row = json_object_create();
    json_object_put_string(row, "name", peer->name);
    struct ds s = DS_EMPTY_INITIALIZER;
    address_format(&peer->address, &s);
    json_object_put_string(row, "address", ds_cstr(&s));
    ds_destroy(&s);
    if (peer->n_slices) {
        json_object_put(row, "slice", prefixes_to_json(peer->slices,
                                                       peer->n_slices));
    }
    if (peer == self) {
        json_object_put_string(row, "tunnel", "(this host)");
        return row;
    }
    struct tunnel_status t;
    tunnels_status(a->tunnels, peer->name, &t);
    json_object_put(row, "port",
                    json_integer_create(peerlist_port(self, peer)));
    json_object_put_string(row, "tunnel", t.port ? t.port : "");
    json_object_put_string(row, "bfd", bfd_name(t.bfd));
    if (t.bfd != BFD_UP && t.counted) {
        json_object_put(row, "sent", json_integer_create(t.sent));
        json_object_put(row, "received", json_integer_create(t.received));
    }
    if (t.bfd != BFD_UP && t.reason) {
        json_object_put_string(row, "reason", t.reason);
    }
    if (a->shared) {
        put_standing(a, peer, &t, row);
    }
    return row;
}

static struct json *
peers_to_json(const struct agent *a)
{
    const struct peerlist *list = directory_list(a->directory);
    struct json *rows = json_array_create_empty();
    if (list) {
        const struct shash_node **nodes = shash_sort(&list->peers);
        for (size_t i = 0; i < shash_count(&list->peers); i++) {
            json_array_add(rows, peer_to_json(a, nodes[i]->data));
        }
        free(nodes);
    }
    return rows;
}

static struct json *
reports_to_json(const struct reports *reports)
{
    struct json *array = json_array_create_empty();
    for (size_t i = 0; i < reports->n; i++) {
        const struct report *report = &reports->all[i];
        long long int age = (time_msec() - report->when) / 1000;
        if (age <= REPORT_AGE_MAX_S) {
            struct json *o = json_object_create();
            json_object_put(o, "seconds_ago", json_integer_create(age));
            json_object_put_string(o, "text", report->text);
            json_array_add(array, o);
        }
    }
    return array;
}

static void
put_summary(const struct agent *a, const struct health *health,
            struct json *o)
{
    const struct peerlist *list = directory_list(a->directory);
    const struct peer *self = directory_self(a->directory);
    if (self) {
        struct ds s = DS_EMPTY_INITIALIZER;
        address_format(&self->address, &s);
        json_object_put_format(o, "host", "%s, %s", self->name, ds_cstr(&s));
        ds_destroy(&s);
    }
    json_object_put_format(o, "bridge", "%s, datapath %s", a->settings->bridge,
                           a->datapath ? a->datapath : "not known yet");
    json_object_put_format(o, "directory",
                           "%s, %"PRIuSIZE" networks, %"PRIuSIZE" peers",
                           a->settings->directory,
                           list ? shash_count(&list->networks) : 0,
                           list ? shash_count(&list->peers) : 0);

    json_object_put_format(o, "tunnels", "%"PRIuSIZE" of %"PRIuSIZE" up",
                           health->tunnels_up, health->n_tunnels);
    json_object_put_format(o, "endpoints", "%"PRIuSIZE" of %"PRIuSIZE" up",
                           health->endpoints_up, health->n_endpoints);
}

static void
put_link(struct json *o, const struct rtnl_link *link)
{
    json_object_put_string(o, "name", link->name);
    json_object_put(o, "ifindex", json_integer_create(link->ifindex));
    json_object_put_string(o, "kind", link->kind[0] ? link->kind : "(device)");
    json_object_put_format(o, "mac", ETH_ADDR_FMT, ETH_ADDR_ARGS(link->mac));
    json_object_put(o, "mtu", json_integer_create(link->mtu));
    json_object_put_string(o, "link", link->flags & IFF_UP ? "up" : "down");
}

static void
put_peer_end(struct json *o, const struct who *who)
{
    switch (who->where) {
    case WHO_PEER_NONE:
        return;
    case WHO_PEER_HERE:
        json_object_put_string(o, "peer", who->peer.name);
        return;
    case WHO_PEER_HIDDEN:
        json_object_put_format(o, "peer", "ifindex %d, in a namespace that "
                               "has neither a name nor a process",
                               who->link.peer_ifindex);
        return;
    case WHO_PEER_INSIDE:
        json_object_put_string(o, "peer", who->peer.name);
        json_object_put_format(o, "peer-mac", ETH_ADDR_FMT,
                               ETH_ADDR_ARGS(who->peer.mac));
        json_object_put_string(o, "netns", who->netns);
        break;
    }
    struct json *processes = json_array_create_empty();
    for (size_t i = 0; i < who->n_processes; i++) {
        json_array_add(processes, json_string_create_nocopy(
            xasprintf("%ld (%s)", (long int) who->processes[i].pid,
                      who->processes[i].comm)));
    }
    json_object_put(o, "processes", processes);
}
