/* SPDX-License-Identifier: Apache-2.0 */

#ifndef OVERLAY_COMPILE_H
#define OVERLAY_COMPILE_H 1

/* One object in, its share of the plan out.  A share depends on that object
 * and names alone, never on a walk over others: what a change costs does not
 * grow with the world, and compiling object by object equals compiling all at
 * once.  Called by the agent; pure.
 *
 * compile.c has the switched part, compile-gateway.c what is routed and
 * translated, compile-refused.c what an endpoint may not send. */

#include "overlay/model.h"
#include "overlay/plan.h"
#include "overlay/refusal.h"

/* The same for all that is compiled for one switch. */
struct compile_mode {
    bool known;                     /* A directory tells where every MAC and
                                     * address is, so nothing is learned and
                                     * nothing flooded to find one
                                     * (compile-known.c). */
    bool kernel;                    /* The datapath is the kernel's, which
                                     * makes no neighbour advertisements. */
};

/* What every switch has: table-miss flows, the group of all peers, what no
 * endpoint may send. */
void compile_static(const struct compile_mode *, struct plan *);

/* What the flows of a network, and of an endpoint in it, need to know of their
 * host; an endpoint's only 'mode' and 'slot'. */
struct compile_place {
    struct compile_mode mode;
    uint16_t slot;                  /* Its transit address and its zone of
                                     * connection tracking; 0: no way out. */
    ofp_port_t external;            /* The port to the host; 0: none. */
    int mtu;                        /* Of its endpoints; 0: not known. */
};

void compile_network(const struct network *, const struct compile_place *,
                     struct plan *);

/* The port to the host. */
void compile_external(ofp_port_t port, struct plan *);

/* A peer whose tunnel is the OpenFlow port 'port'.  'id', from 1, is what
 * registers and learned flows call it. */
void compile_peer(uint32_t id, ofp_port_t port, const struct compile_mode *,
                  struct plan *);

/* An endpoint of another host.  Its flows are many, so they are made one by
 * one, without text. */
struct compile_remote {
    uint32_t vni;
    uint32_t peer;                  /* The peer's id. */
    struct eth_addr mac;
    const struct in6_addr *ip;      /* NULL: the flow of its MAC. */
};
/* The flow of the MAC or of one address, into '*flow', to be finished. */
void compile_remote(const struct compile_remote *, struct plan_flow *flow);
/* What such a flow is about, from its match: 'peer' is not set, nor is 'mac'
 * where 'ip' is; 'ip' points to '*buf'.  False if it is no such flow. */
bool compile_remote_parse(const struct plan_flow *, struct compile_remote *,
                          struct in6_addr *buf);
/* The group of the peers that have endpoints of a network gets one more. */
void compile_member(uint32_t vni, ofp_port_t port, struct plan *);

/* An endpoint on port 'port', in network 'net'. */
void compile_endpoint(const struct endpoint *, const struct network *net,
                      const struct compile_place *, ofp_port_t port,
                      struct plan *);

/* Have endpoints of it a meter, for what they send to the agent? */
bool compile_has_meter(const struct network *);

/* What the counting flow of table refused counts, from its match; NONE: it is
 * no such flow. */
enum refusal compile_refused_parse(const struct match *);

/* Of compile-refused.c, called by compile.c alone.  'any_v6': it has an IPv6
 * address. */
void compile_refused_static(struct plan *);
enum refusal compile_refused_miss(enum pipeline_table);
void compile_refused_endpoint(const struct endpoint *, ofp_port_t port,
                              bool any_v6, struct plan *);

/* Of compile-known.c, called by the above alone. */
void compile_known_static(const struct compile_mode *, struct plan *);
void compile_known_network(const struct network *, struct plan *);
void compile_known_peer(uint32_t id, struct plan *);

/* Of compile-gateway.c, called by the above alone. */
void compile_gateway_static(struct plan *);
void compile_gateway_network(const struct network *,
                             const struct compile_place *, struct plan *);
void compile_gateway_learner(uint32_t id, ofp_port_t port, struct plan *);
void compile_gateway_endpoint(const struct endpoint *, const struct network *,
                              const struct compile_place *, ofp_port_t port,
                              struct plan *);

/* RFC 4861, section 7.2.4: answers a solicitation that matches 'match' (may be
 * "") for 'ip' in network 'vni' with 'flags', ND_RSO_*; not on the kernel
 * datapath. */
void compile_nd_answer(const char *match, uint32_t vni, const char *ip,
                       struct eth_addr mac, uint32_t flags, uint64_t cookie,
                       struct plan *);

#endif /* overlay/compile.h */
