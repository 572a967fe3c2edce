/* SPDX-License-Identifier: Apache-2.0 */

#ifndef AGENT_UNDERLAY_TEXT_H
#define AGENT_UNDERLAY_TEXT_H 1

/* What the bridge of the underlay remembers of the NIC's addresses and routes:
 * the words that ip(8) takes and shows, without the interface.  What is not
 * said is as usual.  Values in, text out and back; no I/O. */

#include "agent/rtnl.h"
#include "openvswitch/dynamic-string.h"

/* "192.168.50.11/24 brd 192.168.50.255 valid_lft 600sec preferred_lft 300sec",
 * as for `ip address add`; numbers where ip(8) has names of its own files. */
void underlay_format_address(const struct rtnl_addr *, struct ds *);

/* Returns NULL, or an owned message that names the word.  The link is not
 * said: 'ifindex' becomes 0. */
char *underlay_parse_address(const char *text, struct rtnl_addr *);

/* "0.0.0.0/0 via 192.168.50.1 proto dhcp src 192.168.50.11 metric 100", as for
 * `ip route add`. */
void underlay_format_route(const struct rtnl_route *, struct ds *);

/* As underlay_parse_address(): 'oif' becomes 0. */
char *underlay_parse_route(const char *text, struct rtnl_route *);

/* Of RTNL_GRO and RTNL_LRO, "gro,lro", as `ethtool -K` calls them. */
const char *underlay_format_offloads(unsigned int);
unsigned int underlay_parse_offloads(const char *text);     /* Others: 0. */

#endif /* agent/underlay-text.h */
