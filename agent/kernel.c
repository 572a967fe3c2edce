/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "agent/kernel.h"

#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include "openvswitch/vlog.h"
#include "packets.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(kernel);

/* An answer that is older is none to what was asked last. */
enum { ANSWER_MS = 3500 };

struct addresses {
    struct in6_addr *addrs;
    struct place {
        int ifindex, len;           /* Where, and of which subnet. */
    } *places;                      /* Parallel to 'addrs'. */
    size_t n, allocated;
};

struct kernel {
    struct rtnl *rtnl;
    struct rtnl_monitor *monitor;
    struct event *event;
    struct addresses addresses;
    const struct kernel_events *events;
    void *aux;
};

static bool scan(struct kernel *);
static void add_address(const struct rtnl_addr *, void *addresses);
static void free_addresses(struct addresses *);
static void handle_readable(evutil_socket_t, short what, void *kernel);
static void handle_link(const struct rtnl_link *, bool deleted, void *kernel);
static void handle_address(const struct rtnl_addr *, bool deleted,
                           void *kernel);
static void handle_overrun(void *kernel);

struct kernel *
kernel_create(struct event_base *base, const struct kernel_events *events,
              void *aux)
{
    static const struct rtnl_monitor_ops ops = {
        .link = handle_link,
        .addr = handle_address,
        .overrun = handle_overrun,
    };
    struct kernel *k = xzalloc(sizeof *k);
    k->events = events;
    k->aux = aux;

    int error = rtnl_open(-1, &k->rtnl);
    if (!error) {
        error = rtnl_monitor_open(&ops, k, &k->monitor);
    }
    if (error) {
        ovs_fatal(-error, "rtnetlink: could not open a socket");
    }
    k->event = event_new(base, rtnl_monitor_fd(k->monitor),
                         EV_READ | EV_PERSIST, handle_readable, k);
    event_add(k->event, NULL);
    scan(k);
    return k;
}

void
kernel_destroy(struct kernel *k)
{
    if (k) {
        event_free(k->event);
        rtnl_monitor_close(k->monitor);
        rtnl_close(k->rtnl);
        free_addresses(&k->addresses);
        free(k);
    }
}

struct rtnl *
kernel_rtnl(struct kernel *k)
{
    return k->rtnl;
}

void
kernel_addresses(const struct kernel *k, const struct in6_addr **addrs,
                 size_t *n)
{
    *addrs = k->addresses.addrs;
    *n = k->addresses.n;
}

bool
kernel_owns(const struct kernel *k, const struct in6_addr *address)
{
    return kernel_link_with(k, address) != 0;
}

bool
kernel_has_address(const struct kernel *k, int ifindex,
                   const struct prefix *ip)
{
    const struct addresses *a = &k->addresses;
    for (size_t i = 0; i < a->n; i++) {
        if (a->places[i].ifindex == ifindex && a->places[i].len == ip->len
            && ipv6_addr_equals(&a->addrs[i], &ip->addr)) {
            return true;
        }
    }
    return false;
}

int
kernel_link_with(const struct kernel *k, const struct in6_addr *address)
{
    int ifindex = 0;
    for (size_t i = 0; i < k->addresses.n; i++) {
        if (ipv6_addr_equals(&k->addresses.addrs[i], address)) {
            ifindex = k->addresses.places[i].ifindex;
        }
    }
    return ifindex;
}

/* Does the neighbour answer?  Has the kernel ask, and says what it heard since
 * the call before. */
static enum verdict_reach
look_at_neighbour(struct kernel *k, int ifindex, const struct in6_addr *ip,
                  enum verdict_reach before)
{
    struct rtnl_neighbour n;
    if (rtnl_neighbour_get(k->rtnl, ifindex, ip, &n)
        || n.state & (NUD_NOARP | NUD_PERMANENT)) {
        return REACH_UNKNOWN;
    } else if (n.state & (NUD_INCOMPLETE | NUD_DELAY | NUD_PROBE)) {
        return before;              /* It is being asked. */
    } else if (n.state & NUD_REACHABLE && n.confirmed < ANSWER_MS) {
        return REACH_ANSWERS;
    }
    (void) rtnl_neighbour_ask(k->rtnl, ifindex, ip,
                              n.state & (NUD_REACHABLE | NUD_STALE));
    return n.state & NUD_FAILED ? REACH_SILENT : before;
}

enum verdict_reach
kernel_probe(struct kernel *k, const struct in6_addr *address,
             enum verdict_reach before)
{
    int oif;
    struct in6_addr hop;
    if (rtnl_route_get(k->rtnl, address, &oif, &hop)
        || IN6_IS_ADDR_UNSPECIFIED(&hop)) {
        return REACH_UNKNOWN;       /* health_look() asks for the route. */
    }
    return look_at_neighbour(k, oif, &hop, before);
}

/* Reads the addresses; returns whether they are others than before.  The
 * kernel tells of an address also when no more than its lifetime is new. */
static bool
scan(struct kernel *k)
{
    struct addresses now = { .n = 0 }, *was = &k->addresses;
    int error = rtnl_addrs_dump(k->rtnl, add_address, &now);
    if (error) {
        VLOG_WARN("could not read this host's addresses: %s",
                  ovs_strerror(-error));
        free_addresses(&now);
        return false;
    }
    bool same = (now.n == was->n
                 && (!now.n
                     || (!memcmp(now.addrs, was->addrs,
                                 now.n * sizeof *now.addrs)
                         && !memcmp(now.places, was->places,
                                    now.n * sizeof *now.places))));
    free_addresses(was);
    *was = now;
    return !same;
}

static void
add_address(const struct rtnl_addr *a, void *addresses_)
{
    struct addresses *as = addresses_;
    if (a->scope == RT_SCOPE_HOST || a->scope == RT_SCOPE_LINK) {
        return;
    }
    if (as->n >= as->allocated) {
        as->addrs = x2nrealloc(as->addrs, &as->allocated, sizeof *as->addrs);
        as->places = xrealloc(as->places, as->allocated * sizeof *as->places);
    }
    as->addrs[as->n] = a->ip.addr;
    as->places[as->n++] = (struct place) { a->ifindex, a->ip.len };
}

static void
free_addresses(struct addresses *as)
{
    free(as->addrs);
    free(as->places);
}

static void
handle_readable(evutil_socket_t fd OVS_UNUSED, short what OVS_UNUSED,
                void *k_)
{
    struct kernel *k = k_;
    rtnl_monitor_run(k->monitor);
}

static void
handle_link(const struct rtnl_link *link, bool deleted, void *k_)
{
    struct kernel *k = k_;
    k->events->link(link, deleted, k->aux);
}

static void
handle_address(const struct rtnl_addr *a OVS_UNUSED,
               bool deleted OVS_UNUSED, void *k_)
{
    struct kernel *k = k_;
    if (scan(k)) {
        k->events->addresses(k->aux);
    }
}

static void
handle_overrun(void *k_)
{
    struct kernel *k = k_;
    scan(k);
    k->events->overrun(k->aux);
    k->events->addresses(k->aux);
}
