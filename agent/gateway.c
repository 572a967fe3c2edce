/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "agent/gateway.h"

#include <stdlib.h>
#include <strings.h>
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "overlay/address.h"
#include "overlay/answer.h"
#include "overlay/compile-fields.h"
#include "overlay/router-adv.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(gateway);

enum {
    WAITING_MAX = 256,
    PEERS_MS = 300,                 /* In which a peer answers. */
    /* A peer lets METER_RATE questions a second of this host pass, which are
     * 30 in that time.  While so many wait, a port has no more than so many:
     * a few that ask without end leave some to others. */
    WAITING_MANY = 20,
    PORT_WAITING_MAX = 4,
};

/* That nobody has a name is said only when no peer has. */
struct waiting {
    struct dp_packet *reply;        /* Owned. */
    ofp_port_t port;
    long long int at;
};

struct gateway {
    const struct endpoints *endpoints;
    struct ofswitch *sw;
    const struct remotes *remotes;  /* Borrowed, or NULL. */
    struct endpoint other;          /* What 'remotes' answered last. */
    const struct peerlist *list;    /* Borrowed, or NULL. */
    int mtu;                        /* 0: not known. */
    long long int advertise_at;     /* LLONG_MAX: nobody to advertise. */
    struct waiting waiting[WAITING_MAX];    /* The oldest first. */
    size_t n_waiting;
};

/* For answer_context, of whose 'network' other than the sender's only those
 * of its routing domain may be asked for. */
struct asker {
    struct gateway *gateway;
    const struct network *network;
    bool ours;                      /* Is it a name that a peer may know? */
};

static const struct endpoint *find_endpoint(const char *name,
                                            const char *network,
                                            const void *asker);
static void advertise(struct gateway *, const struct network *);
static void retire(struct gateway *, const struct network *);
static void to_endpoints(struct gateway *, const struct network *,
                         struct dp_packet *);
static void send_reply(struct gateway *, struct dp_packet *, ofp_port_t);
static bool may_wait(const struct gateway *, ofp_port_t);
static void ask_peers(struct gateway *, const struct network *,
                      const void *frame, size_t);
static void answer_peer(struct gateway *, ofp_port_t, uint32_t vni,
                        const void *frame, size_t);

struct gateway *
gateway_create(const struct endpoints *endpoints, struct ofswitch *sw)
{
    struct gateway *g = xzalloc(sizeof *g);
    g->endpoints = endpoints;
    g->sw = sw;
    g->advertise_at = LLONG_MAX;
    return g;
}

void
gateway_destroy(struct gateway *g)
{
    for (size_t i = 0; g && i < g->n_waiting; i++) {
        dp_packet_delete(g->waiting[i].reply);
    }
    free(g);
}

void
gateway_set_remotes(struct gateway *g, const struct remotes *remotes)
{
    g->remotes = remotes;
}

void
gateway_set_list(struct gateway *g, const struct peerlist *list)
{
    const struct peerlist *old = g->list;
    struct shash_node *node;
    g->list = list;
    SHASH_FOR_EACH (node, &list->networks) {
        const struct network *now = node->data;
        const struct network *was = (old ? peerlist_network(old, now->name)
                                     : NULL);
        if (was && network_gateway(was, false)
            && !network_gateway(now, false)) {
            retire(g, was);
        }
    }
    g->advertise_at = time_msec();  /* Something may be new to tell. */
}

void
gateway_set_mtu(struct gateway *g, int mtu)
{
    if (g->mtu != mtu) {
        g->mtu = mtu;
        g->advertise_at = time_msec();
    }
}

void
gateway_run(struct gateway *g)
{
    size_t due = 0;
    while (due < g->n_waiting && time_msec() >= g->waiting[due].at) {
        send_reply(g, g->waiting[due].reply, g->waiting[due].port);
        due++;
    }
    g->n_waiting -= due;
    memmove(g->waiting, g->waiting + due, g->n_waiting * sizeof *g->waiting);

    if (!g->list || !g->mtu || time_msec() < g->advertise_at
        || !ofswitch_synced(g->sw)) {
        return;
    }
    bool any = false;
    struct shash_node *node;
    SHASH_FOR_EACH (node, &g->list->networks) {
        const struct network *net = node->data;
        if (network_gateway(net, false)) {
            advertise(g, net);
            any = true;
        }
    }
    g->advertise_at = (any ? time_msec() + ROUTER_ADV_INTERVAL_S * 1000LL
                       : LLONG_MAX);
}

void
gateway_wait(struct gateway *g)
{
    if (g->n_waiting) {
        poll_timer_wait_until(g->waiting[0].at);
    }
    if (g->list && g->mtu && g->advertise_at != LLONG_MAX
        && ofswitch_synced(g->sw)) {
        poll_timer_wait_until(g->advertise_at);
    }
}

void
gateway_packet(struct gateway *g, ofp_port_t port, uint32_t vni, uint32_t why,
               const void *frame, size_t size)
{
    if (why == WHY_DNS_PEER) {
        answer_peer(g, port, vni, frame, size);
        return;
    }
    const struct endpoint *ep = endpoints_find_ofport(g->endpoints, port);
    const struct network *net = (ep && g->list
                                 ? peerlist_network(g->list, ep->network)
                                 : NULL);
    if (!net) {
        return;                     /* It was detached a moment ago. */
    }
    struct asker asker = { g, net, false };
    bool unknown = false;
    struct answer_context ctx = {
        .network = net,
        .endpoint = ep,
        .mtu = ep->mtu ? ep->mtu : g->mtu,
        .find = find_endpoint,
        .aux = &asker,
        .unknown = &unknown,
    };
    struct dp_packet *reply = dp_packet_new(1536);
    if (!answer_compose(why, &ctx, frame, size, reply)) {
        dp_packet_delete(reply);
    } else if (unknown && asker.ours && !g->remotes
               && shash_count(&g->list->peers) > 1) {
        if (!may_wait(g, port)) {
            dp_packet_delete(reply);    /* It asks again. */
            return;
        }
        ask_peers(g, net, frame, size);
        g->waiting[g->n_waiting++] = (struct waiting) {
            reply, port, time_msec() + PEERS_MS
        };
    } else {
        send_reply(g, reply, port);
    }
}

/* Takes over 'reply'. */
static void
send_reply(struct gateway *g, struct dp_packet *reply, ofp_port_t port)
{
    char *actions = xasprintf("output:%d", ofp_to_u16(port));
    ofswitch_packet_out(g->sw, reply, actions);
    free(actions);
    dp_packet_delete(reply);
}

static bool
may_wait(const struct gateway *g, ofp_port_t port)
{
    size_t n = 0;
    for (size_t i = 0; i < g->n_waiting; i++) {
        n += g->waiting[i].port == port;
    }
    return (g->n_waiting < WAITING_MANY
            || (g->n_waiting < WAITING_MAX && n < PORT_WAITING_MAX));
}

/* The query goes on to all peers, of whom the one that knows answers the
 * endpoint itself. */
static void
ask_peers(struct gateway *g, const struct network *net, const void *frame,
          size_t size)
{
    struct dp_packet packet;
    dp_packet_init(&packet, size);
    dp_packet_put(&packet, frame, size);
    char *actions = xasprintf("set_field:%"PRIu32"->reg0,set_field:"ASK_MAC
                              "->eth_dst,resubmit(,%d)", net->vni,
                              TABLE_REPLICATE);
    ofswitch_packet_out(g->sw, &packet, actions);
    free(actions);
    dp_packet_uninit(&packet);
}

/* What an endpoint of the peer behind tunnel 'port' asks.  The answer goes to
 * it by its IP address, like what is routed. */
static void
answer_peer(struct gateway *g, ofp_port_t port, uint32_t vni,
            const void *frame, size_t size)
{
    const struct network *net = peerlist_network_by_vni(g->list, vni);
    if (!net) {
        return;
    }
    struct asker asker = { g, net, false };
    struct answer_context ctx = {
        .network = net,
        .mtu = g->mtu,
        .find = find_endpoint,
        .aux = &asker,
    };
    struct dp_packet reply;
    dp_packet_init(&reply, 512);
    if (answer_compose(WHY_DNS_PEER, &ctx, frame, size, &reply)) {
        char *actions = xasprintf(
            "set_field:"ROUTED_MAC"->eth_src,set_field:"GATEWAY_MAC_TEXT
            "->eth_dst,set_field:%"PRIu32"->tun_id,output:%d", vni,
            ofp_to_u16(port));
        ofswitch_packet_out(g->sw, &reply, actions);
        free(actions);
    }
    dp_packet_uninit(&reply);
}

/* An endpoint of another host, as far as an answer needs it; or NULL. */
static const struct endpoint *
find_other(struct gateway *g, const char *name, const struct network *net)
{
    struct in6_addr ips[ENDPOINT_IPS_MAX];
    size_t n = remotes_by_name(g->remotes, net->vni, name, ips,
                               ARRAY_SIZE(ips));
    g->other = (struct endpoint) { .n_ips = n };
    for (size_t i = 0; i < n; i++) {
        g->other.ips[i].addr = ips[i];
        g->other.ips[i].len = address_is_v4(&ips[i]) ? 32 : 128;
    }
    return n ? &g->other : NULL;
}

/* Names of DNS have no case (RFC 4343), ours have. */
static const struct endpoint *
find_endpoint(const char *name, const char *network, const void *asker_)
{
    struct asker *asker = CONST_CAST(struct asker *, asker_);
    struct shash_node *node;
    SHASH_FOR_EACH (node, &asker->gateway->list->networks) {
        const struct network *net = node->data;
        if (!strcasecmp(net->name, network)
            && net->domain == asker->network->domain) {
            /* "example.org" may be an endpoint of the own network, but no
             * peer is asked for it. */
            asker->ours = (asker->ours || net != asker->network
                           || !strchr(name, '.'));
            struct gateway *g = asker->gateway;
            const struct endpoint *ep = endpoints_find_on(g->endpoints, name,
                                                          net->name);
            return ep || !g->remotes ? ep : find_other(g, name, net);
        }
    }
    return NULL;
}

/* To the endpoints of this host alone: each host has the gateway. */
static void
advertise(struct gateway *g, const struct network *net)
{
    struct dp_packet packet;
    dp_packet_init(&packet, 512);
    if (router_adv_compose(net, g->mtu, &packet)) {
        to_endpoints(g, net, &packet);
    }
    dp_packet_uninit(&packet);
}

/* Or they would keep their default routes for ROUTER_ADV_LIFETIME_S. */
static void
retire(struct gateway *g, const struct network *was)
{
    struct dp_packet packet;
    dp_packet_init(&packet, 128);
    router_adv_compose_last(&packet);
    to_endpoints(g, was, &packet);
    dp_packet_uninit(&packet);
}

static void
to_endpoints(struct gateway *g, const struct network *net,
             struct dp_packet *packet)
{
    char *actions = xasprintf("group:%"PRIu32, GROUP_NETWORK(net->vni));
    ofswitch_packet_out(g->sw, packet, actions);
    free(actions);
}
