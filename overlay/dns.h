/* SPDX-License-Identifier: Apache-2.0 */

#ifndef OVERLAY_DNS_H
#define OVERLAY_DNS_H 1

/* A small name server (RFC 1035): ENDPOINT.NETWORK., A and AAAA, and the
 * PTR of an endpoint's address; it forwards nothing.  Called by answer. */

#include "overlay/answer.h"

enum { DNS_TTL_S = 30 };

/* As answer_compose(), for a frame with a DNS query by UDP over IPv4 or IPv6
 * to the gateway. */
bool dns_answer(const struct answer_context *, const void *frame, size_t size,
                struct dp_packet *reply);

#endif /* overlay/dns.h */
