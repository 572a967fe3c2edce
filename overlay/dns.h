/* SPDX-License-Identifier: Apache-2.0 */

#ifndef OVERLAY_DNS_H
#define OVERLAY_DNS_H 1

/* A small name server (RFC 1035) for A and AAAA of ENDPOINT.NETWORK., and of
 * ENDPOINT. in the sender's own network.  No PTR: it forwards nothing, and
 * refuses what is outside the networks.  Called by answer.
 *
 *   name                          A, AAAA, ANY        another type
 *   an endpoint that is known     its addresses       NOERROR, nothing
 *   the sender's network          NOERROR, nothing    NOERROR, nothing
 *   another in that network       NXDOMAIN            NXDOMAIN
 *   another of one label          NXDOMAIN            REFUSED
 *   everything else               REFUSED             REFUSED
 *
 * A name of one label that nobody has is NXDOMAIN so that "ping typo" ends at
 * once; but what a resolver asks about a top-level domain is not answered in
 * the name of the root. */

#include "overlay/answer.h"

enum { DNS_TTL_S = 30 };

/* As answer_compose(), for a frame with a DNS query by UDP over IPv4 or IPv6
 * to the gateway.  False for all that is no query of the endpoint's. */
bool dns_answer(const struct answer_context *, const void *frame, size_t size,
                struct dp_packet *reply);

/* Likewise for a query that an endpoint of a peer has sent, of whom
 * ctx->endpoint says nothing.  False as well if the name is not known here:
 * then another peer may know it. */
bool dns_answer_peer(const struct answer_context *, const void *frame,
                     size_t size, struct dp_packet *reply);

#endif /* overlay/dns.h */
