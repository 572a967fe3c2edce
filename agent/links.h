/* SPDX-License-Identifier: Apache-2.0 */

#ifndef AGENT_LINKS_H
#define AGENT_LINKS_H 1

/* The veth pair or the tap of an endpoint: made, found again, told from
 * others'.  A link is ours if its alias says "weft BRIDGE ENDPOINT" (`ip link` shows it). */

#include <net/if.h>
#include "agent/reaper.h"
#include "agent/rtnl.h"
#include "overlay/model.h"
#include "sset.h"

/* Is there an interface 'ifname' in namespace 'netns' (at 'path') already?
 * Returns NULL or an owned message. */
char *links_refuse_inside(int netns, const char *path, const char *ifname,
                          struct reaper *);

bool links_inside_exists(int netns, const char *ifname);

/* Makes the pair, addresses and all; whatever has the host end's name and is
 * not ours any more is replaced.  Or makes the tap, 'netns' being -1; one that
 * nobody has given an alias becomes ours.  Returns NULL and the host end's ifindex, or
 * an owned message; then nothing is left. */
char *links_make(struct rtnl *, struct reaper *, const char *bridge,
                 const struct endpoint *, const struct network *, int netns, int mtu, bool netdev,
                 int *ifindex);

/* The protocol number of the routes that an endpoint's namespace is given, by
 * which they are told from others'; rtnetlink(7) and iproute2's rt_protos give
 * it to nobody. */
enum { LINKS_ROUTE_PROTOCOL = 87 };

/* Is the other end of the host's link 'ifindex' in namespace 'netns'?  The
 * kernel knows; where the path of a namespace leads, somebody may have
 * changed. */
bool links_is_inside(struct rtnl *, int ifindex, int netns);
/* Brings those routes, in namespace 'netns' by the link whose host's end is
 * 'ifindex', to what the network gives now: adds what lacks, then removes what
 * is too many.  A route of somebody else's that has the place of one stays in
 * it.  Goes on after an error; returns NULL or an owned message. */
char *links_update_routes(struct rtnl *, const struct endpoint *,
                          const struct network *, int netns, int ifindex);

/* Gives the end inside, whose host's end is 'ifindex', again what links_make()
 * gave it: somebody has set it down and up, say, which took its IPv6 addresses
 * and its routes.  Its name is left as it is, and with 'mtu' 0 its MTU.  NULL
 * or an owned message. */
char *links_renew(struct rtnl *, const struct endpoint *,
                  const struct network *, int netns, int ifindex, int mtu,
                  bool netdev);

/* The pair of the endpoint is to be made again, and 'ifindex' was its host's
 * end: what is left of it, renamed or in another namespace, goes. */
void links_remove_rest(struct rtnl *, const char *bridge,
                       const struct endpoint *, int netns, int ifindex);

/* Which endpoint of 'bridge' the link belongs to by its alias, whatever its
 * name is now; NULL if to none. */
const char *links_owner(const struct rtnl_link *, const char *bridge);

/* The ifindex of the endpoint's host end, 0 if there is none or it is not
 * ours. */
int links_find(struct rtnl *, const char *bridge, const struct endpoint *);

/* Has somebody else a link of that name on this host?  If 'tap', a tap without
 * an alias is nobody's: qemu makes such ones for a guest that we are to serve.
 */
bool links_is_foreign(struct rtnl *, const char *bridge, const char *name,
                      bool tap);

/* Sets the MTU of both ends, or of the tap; what cannot be reached is left. */
void links_set_mtu(struct rtnl *, const struct endpoint *, int ifindex,
                   int mtu);


/* Links of ours on 'bridge' whose name is not in 'ports'.  Owned array. */
struct links_orphan {
    int ifindex;
    char name[IFNAMSIZ];
};
size_t links_find_orphans(struct rtnl *, const char *bridge,
                          const struct sset *ports, struct links_orphan **);

#endif /* agent/links.h */
