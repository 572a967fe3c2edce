/* SPDX-License-Identifier: Apache-2.0 */

#ifndef AGENT_GATEWAY_H
#define AGENT_GATEWAY_H 1

/* The part of the gateways that no flow can do: hands what the switch sends up
 * to overlay/answer.h, and its answers back; and advertises the gateways of
 * IPv6 from time to time. */

#include "agent/endpoints.h"
#include "agent/ofswitch.h"
#include "agent/remotes.h"

struct gateway;

struct gateway *gateway_create(const struct endpoints *, struct ofswitch *);
void gateway_destroy(struct gateway *);
/* Who knows other hosts' names, so that no peer has to be asked. */
void gateway_set_remotes(struct gateway *, const struct remotes *);
/* While the list before this one is still there. */
void gateway_set_list(struct gateway *, const struct peerlist *);
void gateway_set_mtu(struct gateway *, int mtu);
void gateway_run(struct gateway *);
void gateway_wait(struct gateway *);

/* A packet of network 'vni' from 'port', for the reason 'why' of enum
 * answer_why. */
void gateway_packet(struct gateway *, ofp_port_t port, uint32_t vni,
                    uint32_t why, const void *frame, size_t size);

#endif /* agent/gateway.h */
