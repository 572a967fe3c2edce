/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "agent/retired.h"

#include <stdlib.h>
#include "util.h"

struct retired_link {
    int ifindex;                    /* 0: the reaper has it. */
    int64_t cfg;
};

static void give_to_reaper(struct retired *, struct retired_link *);

void
retired_init(struct retired *r, struct reaper *reaper)
{
    shash_init(&r->links);
    r->all_until = INT64_MIN;
    r->reaper = reaper;
}

void
retired_destroy(struct retired *r)
{
    retired_hurry(r);
    shash_destroy_free_data(&r->links);
}

void
retired_add(struct retired *r, const char *port, int ifindex, int64_t cfg)
{
    struct retired_link *link = xmalloc(sizeof *link);
    *link = (struct retired_link) { ifindex, cfg };
    if (cfg == INT64_MIN) {
        give_to_reaper(r, link);
        free(link);
    } else {
        struct retired_link *old = shash_replace(&r->links, port, link);
        if (old) {
            give_to_reaper(r, old);
            free(old);
        }
    }
}

void
retired_add_all(struct retired *r, int64_t cfg)
{
    r->all_until = cfg;
}

bool
retired_contains(const struct retired *r, const char *port)
{
    return r->all_until != INT64_MIN || shash_find(&r->links, port);
}

bool
retired_is_empty(const struct retired *r)
{
    return shash_is_empty(&r->links);
}

void
retired_done(struct retired *r, int64_t cfg)
{
    if (r->all_until <= cfg) {
        r->all_until = INT64_MIN;
    }
    struct shash_node *node;
    SHASH_FOR_EACH_SAFE (node, &r->links) {
        struct retired_link *link = node->data;
        if (link->cfg <= cfg) {
            give_to_reaper(r, link);
            free(link);
            shash_delete(&r->links, node);
        }
    }
}

void
retired_hurry(struct retired *r)
{
    struct shash_node *node;
    SHASH_FOR_EACH (node, &r->links) {
        give_to_reaper(r, node->data);
    }
}

static void
give_to_reaper(struct retired *r, struct retired_link *link)
{
    if (link->ifindex) {
        reaper_add(r->reaper, link->ifindex);
        link->ifindex = 0;
    }
}
