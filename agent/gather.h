/* SPDX-License-Identifier: Apache-2.0 */

#ifndef AGENT_GATHER_H
#define AGENT_GATHER_H 1

/* When new endpoints go into a transaction.
 *
 * vswitchd goes through all its ports for every change, so new ones wait until
 * those before them are up; and if several came at once then, they wait a
 * little for as many again: whoever asked for those may have more to ask.  One
 * that comes alone waits for nobody.
 *
 * No clock: 'now' is time_msec(). */

#include <stdbool.h>
#include "hmapx.h"

struct gather {
    struct hmapx opening;           /* Not up yet. */
    size_t n_opening;               /* How many they were at first. */
    long long int since;            /* When the first of them went. */
    long long int took;             /* What the ones before took, in ms. */
    long long int done_at;          /* When those were up. */
    size_t n_expected;              /* Those, and who waited meanwhile. */
    long long int until;            /* Who waits now does until then; 0: nobody
                                     * waits. */
};

void gather_init(struct gather *);
void gather_destroy(struct gather *);

/* Are the 'n_new' that want to go to wait? */
bool gather_holds(struct gather *, size_t n_new, long long int now);

/* 'object' goes. */
void gather_opening(struct gather *, void *object, long long int now);

/* 'object' is up, or will not be.  True if it was the last of them: then
 * gather_expect() is to be told how many wait. */
bool gather_done(struct gather *, void *object, long long int now);
void gather_expect(struct gather *, size_t n_new);

/* When to ask again; LLONG_MAX: an event will tell. */
long long int gather_wake_at(const struct gather *);

#endif /* agent/gather.h */
