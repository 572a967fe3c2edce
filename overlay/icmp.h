/* SPDX-License-Identifier: Apache-2.0 */

#ifndef OVERLAY_ICMP_H
#define OVERLAY_ICMP_H 1

/* ICMP errors of a network's gateway: RFC 792 and RFC 1812, section 4.3, for
 * IPv4; RFC 4443 for IPv6.  Called by answer. */

#include "overlay/answer.h"

/* As answer_compose(), for WHY_TTL, WHY_TOO_BIG, WHY_UNREACHABLE and WHY_PORT.
 * Never an error about an error, a fragment but the first, a multicast or
 * broadcast (RFC 1122, section 3.2.2; RFC 4443, section 2.4 (e)); about a
 * packet that is too big only if it may not be fragmented.  The source is the
 * gateway of the sender's subnet. */
bool icmp_answer(enum answer_why, const struct answer_context *,
                 const void *frame, size_t size, struct dp_packet *reply);

#endif /* overlay/icmp.h */
