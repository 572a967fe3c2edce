/* SPDX-License-Identifier: Apache-2.0 */

/* What the shared directory says of an endpoint: that it is ours, that
 * somebody else has its addresses, that another host has taken it over. */

#include <config.h>
#include "agent/attachment.h"

#include <stdlib.h>
#include "util.h"

void
attachment_forget_request(struct attachment *a)
{
    attach_request_finish(a->request);
    free(a->request);
    a->request = NULL;
}

void
attachment_register(struct endpoints *e, struct attachment *a, uint32_t vni,
                    bool move)
{
    a->registered = vni;
    registrar_put(e->registrar, &a->ep, vni, move);
}

void
attachment_unregister(struct endpoints *e, struct attachment *a)
{
    if (a->registered) {
        a->registered = 0;
        registrar_remove(e->registrar, a->ep.name);
    }
}

/* It is known that nobody else has what it has, or cannot be known now. */
static void
end_claim(struct endpoints *e, struct attachment *a)
{
    attachment_forget_request(a);
    a->state = S_NEW;
    hmapx_add(&e->todo, a);
}

static void
fail_claim(struct endpoints *e, struct attachment *a, const char *text)
{
    char *error = attachment_readmit(e, a);
    if (error) {
        free(a->failure);
        a->failure = a->request ? error : xstrdup(text);
        if (!a->request) {
            free(error);
        }
        attachment_leave(e, a);
    }
}

/* Of S_CLAIM. */
static void
claim_ended(struct endpoints *e, struct attachment *a,
            enum registrar_state standing, const char *text)
{
    switch (standing) {
    case REGISTRAR_WAITING:
    case REGISTRAR_PUBLISHED:
        end_claim(e, a);
        break;
    case REGISTRAR_TAKEN:
        fail_claim(e, a, text);
        break;
    case REGISTRAR_REFUSED:
    case REGISTRAR_MOVED:
        free(a->failure);
        a->failure = (standing == REGISTRAR_REFUSED ? xstrdup(text)
                      : xasprintf("host %s has taken it over meanwhile",
                                  text));
        attachment_leave(e, a);
        break;
    }
}

/* Puts it out of service, or into it again. */
static void
set_displaced(struct endpoints *e, struct attachment *a, bool displaced)
{
    if (a->displaced != displaced) {
        a->displaced = displaced;
        attachment_update_share(e, a);
        attachment_advance(e, a);
    }
}

/* It is displaced, and will not be up for those who wait for that. */
static void
not_taken_back(struct endpoints *e, struct attachment *a, const char *text)
{
    if (a->ep.moved_to) {
        attachment_unregister(e, a);
    }
    attachment_tell(&a->attachers,
                    text ? text : "the directory does not answer: it cannot "
                    "be taken back now");
}

static void
moved(struct endpoints *e, struct attachment *a, const char *host)
{
    e->ops->report(e->aux, "endpoint %s: moved to host %s", a->ep.name, host);
    free(a->ep.moved_to);
    a->ep.moved_to = xstrdup(host);
    a->registered = 0;              /* The registrar has dropped it. */
    set_displaced(e, a, true);
    not_taken_back(e, a, "another host has taken it over meanwhile");
    attachment_write(e, a);
}

void
endpoints_registered(struct endpoints *e, const char *name,
                     enum registrar_state standing, const char *text)
{
    struct attachment *a = attachment_find(e, name);
    if (!a || a->state == S_LEAVING) {
        return;
    }
    a->standing = standing;
    free(a->standing_text);
    a->standing_text = nullable_xstrdup(text);
    if (a->state == S_CLAIM) {
        claim_ended(e, a, standing, text);
    } else if (standing == REGISTRAR_MOVED) {
        moved(e, a, text);
    } else if (standing == REGISTRAR_PUBLISHED) {
        bool was_moved = a->ep.moved_to != NULL;
        free(a->ep.moved_to);
        a->ep.moved_to = NULL;
        set_displaced(e, a, false);
        if (was_moved) {
            attachment_write(e, a);
        }
    } else {
        if (standing == REGISTRAR_TAKEN && !a->displaced) {
            e->ops->report(e->aux, "endpoint %s: %s", name, text);
            set_displaced(e, a, true);
        }
        if (a->displaced) {
            not_taken_back(e, a, text);
        }
    }
}

void
attachment_reclaim(struct endpoints *e, struct attachment *a)
{
    if (a->vni) {
        attachment_register(e, a, a->vni, true);
    } else {
        attachment_tell(&a->attachers, "its network is not listed");
    }
}

void
attachment_put_standing(const struct attachment *a, struct json *o)
{
    json_object_put(o, "published",
                    json_boolean_create(a->standing == REGISTRAR_PUBLISHED));
    if (a->standing != REGISTRAR_PUBLISHED && a->state == S_UP) {
        json_object_put_format(o, "reason", "not yet published%s%s",
                               a->standing_text ? ": " : "",
                               a->standing_text ? a->standing_text : "");
    }
}

char *
attachment_displaced(const struct attachment *a)
{
    return (a->ep.moved_to
            ? xasprintf("moved to host %s: detach it, or --move to take it "
                        "back", a->ep.moved_to)
            : a->displaced ? nullable_xstrdup(a->standing_text) : NULL);
}
