/* SPDX-License-Identifier: Apache-2.0 */

#ifndef OVERLAY_IFNAME_H
#define OVERLAY_IFNAME_H 1

/* The names that ports and links get on this host.  They read like what they
 * are, fit IFNAMSIZ, and two objects never share one. */

#include <stdbool.h>

#define IFNAME_ENDPOINT_PREFIX "wf-"
#define IFNAME_TUNNEL_PREFIX "vx-"
#define IFNAME_EXTERNAL_PREFIX "wx-"    /* Of the way out: the switch's end, */
#define IFNAME_HOST_PREFIX "wh-"        /* and the host's. */

/* "wf-web1": the prefix and the name, or as much of the name as fits and four
 * hex digits of its hash ("wf-frontend-8c1f"); 'attempt' above 0 gives further
 * hashes for when that is taken.  Owned; at most 15 bytes. */
char *ifname_make(const char *prefix, const char *name, unsigned int attempt);

#endif /* overlay/ifname.h */
