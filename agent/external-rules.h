/* SPDX-License-Identifier: Apache-2.0 */

#ifndef AGENT_EXTERNAL_RULES_H
#define AGENT_EXTERNAL_RULES_H 1

/* What the host is told for the way out: settings and rules, as text.  Called
 * by external.c alone. */

#include "agent/external.h"

struct external_setting {
    const char *name;               /* Below /proc/sys/net; "%s" is the link. */
    int value;
    bool v6;                        /* Only for IPv6, or only for IPv4. */
    bool global;                    /* Not only of our link. */
};

/* The i'th, or NULL. */
const struct external_setting *external_setting(size_t i);

#define SYSCTL_FORWARD4 "ipv4/ip_forward"
#define SYSCTL_FORWARD6 "ipv6/conf/all/forwarding"
#define SYSCTL_ACCEPT_RA "ipv6/conf/%s/accept_ra"

/* nft's commands that make our table what it should be.  'drop4' and 'drop6':
 * forwarding was off before, so nothing but ours is to be forwarded; 'tunnels':
 * the UDP ports that hosts take tunnels at, at least one.  Owned. */
char *external_rules(const char *link, bool drop4, bool drop6,
                     const struct external_publish *, size_t n,
                     const uint16_t tunnels[], size_t n_tunnels);

#define EXTERNAL_RULES_NONE "add table inet weft\ndelete table inet weft\n"

#endif /* agent/external-rules.h */
