/* SPDX-License-Identifier: Apache-2.0 */

#ifndef OVERLAY_DHCP4_H
#define OVERLAY_DHCP4_H 1

/* A DHCP server without memory (RFC 2131): the address is the endpoint's, so
 * there is nothing to lease but what is known already.  Called by answer. */

#include "overlay/answer.h"

enum { DHCP4_LEASE_S = 86400 };     /* T1 and T2 are 1/2 and 7/8 of it. */

/* As answer_compose(), for a frame with a DHCP message of a client.  Silent if
 * it is malformed, if its chaddr or Ethernet source is not the endpoint's MAC,
 * or if the endpoint has no IPv4 address of a subnet with a gateway. */
bool dhcp4_answer(const struct answer_context *, const void *frame,
                  size_t size, struct dp_packet *reply);

#endif /* overlay/dhcp4.h */
