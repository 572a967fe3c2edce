/* SPDX-License-Identifier: Apache-2.0 */

#ifndef OVERLAY_DNS_H
#define OVERLAY_DNS_H 1

/* A small name server (RFC 1035): A and AAAA of ENDPOINT.NETWORK., or of
 * ENDPOINT. in the sender's network.  It knows the endpoints of this host, and
 * forwards nothing.  Called by answer. */

#include "overlay/answer.h"

enum { DNS_TTL_S = 30 };

/* Appends 'name', of labels by dots, as RFC 1035, section 3.1, has it. */
struct ofpbuf;
void dns_put_name(struct ofpbuf *, const char *name);

/* As answer_compose(), for a frame with a DNS query by UDP over IPv4 or IPv6
 * to the gateway. */
bool dns_answer(const struct answer_context *, const void *frame, size_t size,
                struct dp_packet *reply);

#endif /* overlay/dns.h */
