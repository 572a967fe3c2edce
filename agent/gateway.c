/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "agent/gateway.h"

#include <stdlib.h>
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "overlay/answer.h"
#include "overlay/router-adv.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(gateway);

struct gateway {
    const struct endpoints *endpoints;
    struct ofswitch *sw;
    const struct peerlist *list;    /* Borrowed, or NULL. */
    int mtu;                        /* 0: not known. */
    long long int advertise_at;     /* LLONG_MAX: nobody to advertise. */
};

/* For answer_context, of whose 'network' other than the sender's only those
 * of its routing domain may be asked for. */
struct asker {
    const struct gateway *gateway;
    const struct network *network;
};

static const struct endpoint *find_endpoint(const char *name,
                                            const char *network,
                                            const void *asker);
static void advertise(struct gateway *, const struct network *);

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
    free(g);
}

void
gateway_set_list(struct gateway *g, const struct peerlist *list)
{
    g->list = list;
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
    if (g->list && g->mtu && g->advertise_at != LLONG_MAX
        && ofswitch_synced(g->sw)) {
        poll_timer_wait_until(g->advertise_at);
    }
}

void
gateway_packet(struct gateway *g, ofp_port_t port, uint32_t why,
               const void *frame, size_t size)
{
    const struct endpoint *ep = endpoints_find_ofport(g->endpoints, port);
    const struct network *net = (ep && g->list
                                 ? peerlist_network(g->list, ep->network)
                                 : NULL);
    if (!net) {
        return;                     /* It was detached a moment ago. */
    }
    struct asker asker = { g, net };
    struct answer_context ctx = {
        .network = net,
        .endpoint = ep,
        .mtu = ep->mtu ? ep->mtu : g->mtu,
        .find = find_endpoint,
        .aux = &asker,
    };
    struct dp_packet reply;
    dp_packet_init(&reply, 1536);
    if (answer_compose(why, &ctx, frame, size, &reply)) {
        char *actions = xasprintf("output:%d", ofp_to_u16(port));
        ofswitch_packet_out(g->sw, &reply, actions);
        free(actions);
    }
    dp_packet_uninit(&reply);
}

static const struct endpoint *
find_endpoint(const char *name, const char *network, const void *asker_)
{
    const struct asker *asker = asker_;
    const struct network *net = peerlist_network(asker->gateway->list,
                                                 network);
    const struct endpoint *ep = endpoints_find(asker->gateway->endpoints,
                                               name);
    return (net && ep && net->domain == asker->network->domain
            && !strcmp(ep->network, network) ? ep : NULL);
}

/* To the endpoints of this host alone: each host has the gateway. */
static void
advertise(struct gateway *g, const struct network *net)
{
    struct dp_packet packet;
    dp_packet_init(&packet, 512);
    if (router_adv_compose(net, g->mtu, &packet)) {
        char *actions = xasprintf("group:%"PRIu32, GROUP_NETWORK(net->vni));
        ofswitch_packet_out(g->sw, &packet, actions);
        free(actions);
    }
    dp_packet_uninit(&packet);
}
