/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "agent/reports.h"

#include <stdlib.h>
#include <string.h>

void
reports_add(struct reports *r, char *text, long long int now)
{
    if (r->n == REPORTS_MAX) {
        free(r->all[0].text);
        memmove(r->all, r->all + 1, --r->n * sizeof *r->all);
    }
    r->all[r->n++] = (struct report) { now, text };
}

void
reports_finish(struct reports *r)
{
    for (size_t i = 0; i < r->n; i++) {
        free(r->all[i].text);
    }
    r->n = 0;
}
