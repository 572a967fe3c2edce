/* SPDX-License-Identifier: Apache-2.0 */

#ifndef OVERLAY_DHCP6_H
#define OVERLAY_DHCP6_H 1

/* A DHCPv6 server without memory (RFC 8415): the address is the endpoint's.
 * Called by answer. */

#include "overlay/answer.h"

/* As answer_compose(), for a frame with a DHCPv6 message of a client. */
bool dhcp6_answer(const struct answer_context *, const void *frame,
                  size_t size, struct dp_packet *reply);

#endif /* overlay/dhcp6.h */
