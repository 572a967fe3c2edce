/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "agent/endpoints.h"

#include <stdlib.h>
#include <unistd.h>
#include "agent/attachment.h"
#include "agent/links.h"
#include "agent/netns.h"
#include "packets.h"
#include "util.h"

/* How often other automatic addresses are tried. */
enum { READMIT_MAX = 16 };

static void answer(const struct endpoints_waiter *, char *error);
static char *admit(struct endpoints *, const struct attach_request *,
                   const char *path, int netns, const struct admit_host *,
                   struct endpoint *, const struct endpoint **existing);
static void attach_existing(struct endpoints *, const struct endpoint *,
                            char *error, bool move,
                            const struct endpoints_waiter *);
static bool port_taken(const char *port, const void *endpoints);
static bool tap_port_taken(const char *port, const void *endpoints);

void
endpoints_attach(struct endpoints *e, const struct attach_request *req,
                 const struct admit_host *host,
                 const struct endpoints_waiter *w)
{
    char *error = NULL;
    char *path = req->tap ? xstrdup("") : netns_path(req->netns);
    int netns = req->tap ? -1 : netns_open(path, &error);
    struct endpoint ep;
    const struct endpoint *existing = NULL;
    if (!error) {
        error = admit(e, req, path, netns, host, &ep, &existing);
    }
    if (existing && netns >= 0) {
        const struct attachment *a = attachment_find(e, existing->name);
        if (a && !attachment_is_netns(a, netns)) {
            error = xasprintf("endpoint %s is in the namespace that this was "
                              "before: detach it first", existing->name);
            existing = NULL;
        }
    }
    free(path);

    if (error || existing) {
        if (netns >= 0) {
            close(netns);
        }
        attach_existing(e, existing, error, req->move, w);
        return;
    }
    struct netns_id id;
    if (req->tap || netns_id(netns, &id)) {
        id = (struct netns_id) { .ino = 0 };
    }
    if (!strncmp(ep.netns, "/proc/", 6)) {
        ep.netns_ino = id.ino;
    }
    struct attachment *a = attachment_create(e, &ep, S_NEW);
    a->netns = netns;
    a->netns_id = id;
    a->explicit_mac = !eth_addr_is_zero(req->mac);
    attachment_add_waiter(&a->attachers, w);
    if (!e->registrar) {
        hmapx_add(&e->todo, a);
        return;
    }
    a->state = S_CLAIM;
    if (req->ip_auto) {
        a->request = attach_request_clone(req);
        a->host = *host;
    }
    attachment_register(e, a, attachment_network(e, a)->vni, req->move);
}

char *
attachment_readmit(struct endpoints *e, struct attachment *a)
{
    if (!a->request || a->host.attempt >= READMIT_MAX) {
        return xstrdup("each automatic address turned out to be taken: try "
                       "again, or give --ip");
    }
    a->host.attempt++;
    a->host.port_taken = a->request->tap ? tap_port_taken : port_taken;
    a->host.aux = e;

    struct endpoint ep;
    const struct endpoint *existing;
    claims_remove(&e->claims, &a->ep);
    char *error = admit_endpoint(a->request, a->ep.netns, &a->host,
                                 &e->claims, &ep, &existing);
    if (!error) {
        ep.netns_ino = a->ep.netns_ino;
        /* Its name is the key in 'by_name', and the same. */
        endpoint_finish(&a->ep);
        a->ep = ep;
    }
    claims_add(&e->claims, &a->ep);
    if (!error) {
        attachment_register(e, a, attachment_network(e, a)->vni,
                            a->request->move);
    }
    return error;
}

void
endpoints_detach(struct endpoints *e, const char *name,
                 const struct endpoints_waiter *w)
{
    struct attachment *a = attachment_find(e, name);
    if (!a) {
        answer(w, NULL);            /* Nothing is left: what was asked for. */
        return;
    }
    attachment_add_waiter(&a->detachers, w);
    if (a->state != S_LEAVING) {
        attachment_set_problem(a, NULL);
        free(a->failure);
        a->failure = xstrdup("it was detached meanwhile");
        attachment_leave(e, a);
    }
}

/* The end of a request that has no attachment. */
static void
answer(const struct endpoints_waiter *w, char *error)
{
    w->done(w->aux, w->item, error);
    free(error);
}

/* As admit_endpoint(); 'path' and 'netns' are of the namespace. */
static char *
admit(struct endpoints *e, const struct attach_request *req, const char *path,
      int netns, const struct admit_host *host, struct endpoint *ep,
      const struct endpoint **existing)
{
    struct admit_host h = *host;
    h.port_taken = req->tap ? tap_port_taken : port_taken;
    h.aux = e;
    char *error = admit_endpoint(req, path, &h, &e->claims, ep, existing);
    if (error || *existing || req->tap) {
        return error;
    }
    /* A retired link may have the name inside that is wanted. */
    if (!retired_is_empty(&e->retired)
        && links_inside_exists(netns, req->ifname)) {
        retired_hurry(&e->retired);
    }
    error = links_refuse_inside(netns, path, req->ifname, e->reaper);
    if (error) {
        endpoint_finish(ep);
    }
    return error;
}

/* Answers at once, or when what is there already is up.  Takes over
 * 'error'. */
static void
attach_existing(struct endpoints *e, const struct endpoint *existing,
                char *error, bool move, const struct endpoints_waiter *w)
{
    struct attachment *a = (existing ? attachment_find(e, existing->name)
                            : NULL);
    if (!a || a->state == S_UP) {
        if (a && !error) {
            attachment_renew(e, a);
        }
        answer(w, error);
    } else if (a->state == S_LEAVING) {
        answer(w, xasprintf("endpoint %s is being detached: try again",
                            a->ep.name));
    } else if (a->conflict) {
        answer(w, xasprintf("endpoint %s: %s", a->ep.name, a->conflict));
    } else if (a->displaced && !move) {
        char *why = attachment_displaced(a);
        answer(w, xasprintf("endpoint %s: %s", a->ep.name, why));
        free(why);
    } else {
        attachment_add_waiter(&a->attachers, w);
        if (a->displaced) {
            attachment_reclaim(e, a);
        }
    }
}

static bool
port_taken(const char *port, const void *e_)
{
    const struct endpoints *e = e_;
    return (switchdb_name_taken(e->db, port)
            || links_is_foreign(kernel_rtnl(e->kernel), e->bridge, port,
                                false));
}

static bool
tap_port_taken(const char *port, const void *e_)
{
    const struct endpoints *e = e_;
    return (switchdb_name_taken(e->db, port)
            || links_is_foreign(kernel_rtnl(e->kernel), e->bridge, port,
                                true));
}
