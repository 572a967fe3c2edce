/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "agent/gather.h"

#include <limits.h>
#include "util.h"

enum {
    WAIT_PART = 2,                  /* Of what the last ones took. */
    WAIT_MAX_MS = 50,
    HOLD_MAX_MS = 1000,             /* One that never gets up holds nobody. */
};

void
gather_init(struct gather *g)
{
    *g = (struct gather) { .n_opening = 0 };
    hmapx_init(&g->opening);
}

void
gather_destroy(struct gather *g)
{
    hmapx_destroy(&g->opening);
}

bool
gather_holds(struct gather *g, size_t n_new, long long int now)
{
    if (!n_new) {
        g->until = 0;
        return false;
    } else if (!hmapx_is_empty(&g->opening) && now < g->since + HOLD_MAX_MS) {
        return true;
    }
    if (!g->until) {
        bool lately = now - g->done_at <= g->took;
        g->until = now + (lately ? MIN(g->took / WAIT_PART, WAIT_MAX_MS) : 0);
    }
    if (now < g->until && n_new < g->n_expected) {
        return true;
    }
    g->until = 0;
    return false;
}

void
gather_opening(struct gather *g, void *object, long long int now)
{
    if (hmapx_is_empty(&g->opening)) {
        g->since = now;
        g->n_opening = 0;
    }
    hmapx_add(&g->opening, object);
    g->n_opening++;
}

bool
gather_done(struct gather *g, void *object, long long int now)
{
    if (!hmapx_find_and_delete(&g->opening, object)
        || !hmapx_is_empty(&g->opening)) {
        return false;
    }
    g->done_at = now;
    g->took = now - g->since;
    g->n_expected = g->n_opening;
    return true;
}

void
gather_expect(struct gather *g, size_t n_new)
{
    g->n_expected += n_new;
}

long long int
gather_wake_at(const struct gather *g)
{
    return (g->until ? g->until
            : hmapx_is_empty(&g->opening) ? LLONG_MAX
            : g->since + HOLD_MAX_MS);
}
