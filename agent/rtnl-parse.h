/* SPDX-License-Identifier: Apache-2.0 */

#ifndef AGENT_RTNL_PARSE_H
#define AGENT_RTNL_PARSE_H 1

/* What the kernel's messages say, for dumps, answers and events alike: bytes
 * in, a value out.  Only the rtnl*.c include this. */

#include <libmnl/libmnl.h>
#include "agent/rtnl.h"

/* Is 'nlh' about a link (an address, a route) that struct rtnl_link
 * (rtnl_addr, rtnl_route) can tell of?  Then stores it in 'item', which has
 * that type; else what is in 'item' means nothing. */
bool rtnl_parse_link(const struct nlmsghdr *nlh, void *item);
bool rtnl_parse_addr(const struct nlmsghdr *nlh, void *item);
bool rtnl_parse_route(const struct nlmsghdr *nlh, void *item);

/* The value of an attribute, 0 if it is too short for one. */
bool rtnl_parse_ip(const struct nlattr *, int family, struct in6_addr *);
uint32_t rtnl_parse_u32(const struct nlattr *);

#endif /* agent/rtnl-parse.h */
