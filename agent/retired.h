/* SPDX-License-Identifier: Apache-2.0 */

#ifndef AGENT_RETIRED_H
#define AGENT_RETIRED_H 1

/* Links of endpoints that are gone, as long as vswitchd may have them open:
 * their ports' names must not be used again yet, or vswitchd would keep the
 * old device.  When it has let go, the reaper gets them. */

#include <stdint.h>
#include "agent/reaper.h"
#include "openvswitch/shash.h"

struct retired {
    struct shash links;             /* Of struct retired_link, by port. */
    int64_t all_until;              /* Of a configuration; INT64_MIN: none. */
    struct reaper *reaper;
};

void retired_init(struct retired *, struct reaper *);
void retired_destroy(struct retired *);         /* The reaper gets all. */

/* 'cfg' is vswitchd's configuration without the port; INT64_MIN: it has let
 * go already.  'ifindex' may be 0: there is only the name. */
void retired_add(struct retired *, const char *port, int ifindex, int64_t cfg);
/* No name may be used until 'cfg': of those that were before it is not known
 * what they were. */
void retired_add_all(struct retired *, int64_t cfg);
bool retired_contains(const struct retired *, const char *port);
bool retired_is_empty(const struct retired *);

/* vswitchd has got as far as 'cfg'. */
void retired_done(struct retired *, int64_t cfg);

/* The reaper gets the links now, because something that they have is wanted;
 * the names stay retired. */
void retired_hurry(struct retired *);

#endif /* agent/retired.h */
