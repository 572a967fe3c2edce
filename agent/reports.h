/* SPDX-License-Identifier: Apache-2.0 */

#ifndef AGENT_REPORTS_H
#define AGENT_REPORTS_H 1

/* The last things that a user should hear of.  The agent adds, `weft status`
 * shows. */

#include <stddef.h>

enum { REPORTS_MAX = 8, REPORT_AGE_MAX_S = 600 };

struct report {
    long long int when;             /* time_msec() */
    char *text;                     /* Owned. */
};

/* All zeros: none. */
struct reports {
    struct report all[REPORTS_MAX]; /* The oldest first. */
    size_t n;
};

/* Takes over 'text'; the oldest one goes if there is no room. */
void reports_add(struct reports *, char *text, long long int now);
void reports_finish(struct reports *);

#endif /* agent/reports.h */
