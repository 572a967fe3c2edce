/* SPDX-License-Identifier: Apache-2.0 */

/* The part of endpoints.h that is about published ports. */

#include <config.h>
#include "agent/endpoints.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include "agent/attachment.h"
#include "overlay/publish.h"
#include "packets.h"
#include "util.h"

static const struct attachment *find_owner(const struct endpoints *,
                                           const struct publish *,
                                           size_t *index);
static bool is_port_used(const struct publish *);
static void changed(struct endpoints *, struct attachment *,
                    const struct endpoints_waiter *);

char *
endpoints_publish(struct endpoints *e, const char *name,
                  const struct publish *p, const char *file,
                  const struct endpoints_waiter *w)
{
    struct attachment *a = attachment_find(e, name);
    if (!a || a->state == S_LEAVING) {
        return xasprintf("publish: no endpoint %s on this host: see \"weft "
                         "endpoint list\"", name);
    }
    const struct network *net = attachment_network(e, a);
    if (!net || net->external != EXTERNAL_NAT) {
        return xasprintf("publish: network %s has no way out: set "
                         "\"external = nat\" in %s", a->ep.network, file);
    }
    size_t i;
    const struct attachment *owner = find_owner(e, p, &i);
    if (owner == a && owner->ep.publishes[i].port == p->port) {
        w->done(w->aux, w->item, NULL);     /* It is so already. */
        return NULL;
    } else if (owner) {
        return xasprintf("publish: port %d/%s leads to port %d of endpoint "
                         "%s already: unpublish it first", p->host_port,
                         publish_protocol(p), owner->ep.publishes[i].port,
                         owner->ep.name);
    } else if (is_port_used(p)) {
        return xasprintf("publish: port %d/%s is used by a program of this "
                         "host: choose another", p->host_port,
                         publish_protocol(p));
    } else if (a->ep.n_publishes >= PUBLISHES_MAX) {
        return xasprintf("publish: endpoint %s has %d published ports "
                         "already: unpublish one", name, PUBLISHES_MAX);
    }
    a->ep.publishes[a->ep.n_publishes++] = *p;
    changed(e, a, w);
    return NULL;
}

void
endpoints_unpublish(struct endpoints *e, const struct publish *p,
                    const struct endpoints_waiter *w)
{
    size_t i;
    const struct attachment *owner = find_owner(e, p, &i);
    if (!owner) {
        w->done(w->aux, w->item, NULL);     /* What was asked for. */
    } else {
        struct attachment *a = attachment_find(e, owner->ep.name);
        memmove(&a->ep.publishes[i], &a->ep.publishes[i + 1],
                (--a->ep.n_publishes - i) * sizeof *a->ep.publishes);
        changed(e, a, w);
    }
}

void
endpoints_publishes(const struct endpoints *e,
                    void (*cb)(const struct endpoint *,
                               const struct publish *, void *aux), void *aux)
{
    const struct shash_node **nodes = shash_sort(&e->by_name);
    for (size_t i = 0; i < shash_count(&e->by_name); i++) {
        const struct attachment *a = nodes[i]->data;
        for (size_t j = 0; j < a->ep.n_publishes; j++) {
            cb(&a->ep, &a->ep.publishes[j], aux);
        }
    }
    free(nodes);
}

static const struct attachment *
find_owner(const struct endpoints *e, const struct publish *p, size_t *index)
{
    struct shash_node *node;
    SHASH_FOR_EACH (node, &e->by_name) {
        const struct attachment *a = node->data;
        for (size_t i = 0; i < a->ep.n_publishes; i++) {
            if (publish_same(&a->ep.publishes[i], p)) {
                *index = i;
                return a;
            }
        }
    }
    return NULL;
}

/* A published port would take it away from who listens there. */
static bool
is_port_used(const struct publish *p)
{
    if (p->protocol == IPPROTO_UDP && p->host_port == VXLAN_PORT) {
        return true;                /* The switch, without a socket. */
    }
    int fd = socket(AF_INET6, (p->protocol == IPPROTO_UDP ? SOCK_DGRAM
                               : SOCK_STREAM) | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return false;
    }
    struct sockaddr_in6 sin6 = {
        .sin6_family = AF_INET6,
        .sin6_port = htons(p->host_port),
    };
    bool used = bind(fd, (struct sockaddr *) &sin6, sizeof sin6)
                && errno == EADDRINUSE;
    close(fd);
    return used;
}

/* The row is written again; when that is done, and the switch has the flows,
 * the endpoint is up again, of which 'w' is told. */
static void
changed(struct endpoints *e, struct attachment *a,
        const struct endpoints_waiter *w)
{
    attachment_update_share(e, a);
    attachment_write(e, a);
    attachment_add_waiter(&a->attachers, w);
    e->ops->publishes_changed(e->aux);
}
