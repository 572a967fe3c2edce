/* SPDX-License-Identifier: Apache-2.0 */

#ifndef OVERLAY_ROUTER_ADV_H
#define OVERLAY_ROUTER_ADV_H 1

/* Router advertisements (RFC 4861, section 6.2; RFC 8106 for DNS; RFC 4191 for
 * routes) of a network's gateway, and neighbour advertisements (section 7.2.4)
 * where the switch cannot make them.  Bytes out, nothing sent. */

#include "overlay/answer.h"

/* Seconds for which one advertisement makes the gateway a default router, and
 * between two that nobody asked for. */
enum { ROUTER_ADV_LIFETIME_S = 9000, ROUTER_ADV_INTERVAL_S = 600 };

/* As answer_compose(), for a frame with a router solicitation. */
bool router_adv_answer(const struct answer_context *, const void *frame,
                       size_t size, struct dp_packet *reply);

/* As answer_compose(), for a frame with a neighbour solicitation. */
bool neighbour_adv_answer(const struct answer_context *, const void *frame,
                          size_t size, struct dp_packet *reply);

/* One to all nodes (ff02::1).  False if the network has no IPv6 gateway. */
bool router_adv_compose(const struct network *, int mtu, struct dp_packet *);

/* The last one to all nodes: that the gateway is no router any more (RFC 4861,
 * section 6.2.5). */
void router_adv_compose_last(struct dp_packet *);

#endif /* overlay/router-adv.h */
