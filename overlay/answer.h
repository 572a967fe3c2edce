/* SPDX-License-Identifier: Apache-2.0 */

#ifndef OVERLAY_ANSWER_H
#define OVERLAY_ANSWER_H 1

/* What the gateway of a network says by itself: the answers to packets that
 * the switch hands up because no flow can make them.  A frame in, a frame out;
 * nothing is remembered, nothing sent.  Called by the agent with whatever a
 * workload may have sent: every byte of it is hostile. */

#include "dp-packet.h"
#include "overlay/model.h"

/* Why the switch hands a packet up.  The number stands in REG_WHY. */
enum answer_why {
    WHY_DHCP4 = 1,                  /* Client to server, UDP 68 to 67. */
    WHY_DHCP6,                      /* Client to server, UDP 546 to 547. */
    WHY_SOLICIT,                    /* Router solicitation. */
    WHY_DNS,                        /* To the gateway, UDP or TCP port 53. */
    WHY_TTL,                        /* TTL or hop limit ends here. */
    WHY_TOO_BIG,                    /* More than the MTU of the next hop. */
    WHY_UNREACHABLE,                /* No route leads there. */
    WHY_PORT,                       /* To the gateway itself, which has no such
                                     * port. */
    WHY_DNS_PEER,                   /* A query that a peer could not answer. */
    WHY_NEIGHBOUR,                  /* Neighbour solicitation for the gateway,
                                     * where the switch has no answer. */
};

/* Everything that an answer depends on. */
struct answer_context {
    const struct network *network;  /* Of the sender. */
    const struct endpoint *endpoint;    /* The sender, as far as its port tells
                                         * who that is. */
    int mtu;                        /* Of the network, bytes of IP packet. */
    /* The endpoint called 'name' on the network called 'network', which this
     * host knows, or NULL.  Both come out of a DNS query, in lower case: they
     * are to be compared without regard to it. */
    const struct endpoint *(*find)(const char *name, const char *network,
                                   const void *aux);
    const void *aux;
    bool *unknown;                  /* If not NULL: set if a name is asked for
                                     * that is nobody's here. */
};

/* Makes the answer to 'frame' (Ethernet, untagged) in 'reply', which is
 * initialised and empty; its addresses are those of the gateway and of the
 * sender.  False if there is nothing to say: then 'reply' stays empty. */
bool answer_compose(enum answer_why, const struct answer_context *,
                    const void *frame, size_t size, struct dp_packet *reply);

#endif /* overlay/answer.h */
