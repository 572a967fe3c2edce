/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "agent/notify.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include "agent/agent.h"
#include "agent/health.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/poll-loop.h"
#include "timeval.h"
#include "util.h"

/* READY says that `weft attach` works: the switch holds the wanted flows.  If
 * there is nothing to want yet (no peer file, a bad one), or if the switch or
 * the directory stays away for longer than this, the boot goes on without:
 * the control socket answers, and the agent waits on. */
enum { READY_MAX_MS = 5000 };

/* The state is looked at this seldom: a look asks every peer. */
enum { STATUS_MS = 1000 };

struct notify {
    const struct agent *agent;
    long long int since;
    bool ready;                     /* Was told. */
    bool reloading;                 /* Was told, and its end was not. */
    long long int looked;           /* At the state. */
    bool look_again;                /* It may have changed since. */
    char *status;                   /* As told last; or NULL. */
    struct event *watchdog;         /* NULL: nobody watches. */
};

static void
handle_watchdog(evutil_socket_t fd OVS_UNUSED, short what OVS_UNUSED,
                void *aux OVS_UNUSED)
{
    /* To a manager that has gone nothing can be told, here and below. */
    (void) sd_notify(0, "WATCHDOG=1");
}

struct notify *
notify_create(struct event_base *base, const struct agent *agent)
{
    const char *socket = getenv("NOTIFY_SOCKET");
    if (!socket || !socket[0]) {
        return NULL;
    }
    struct notify *n = xzalloc(sizeof *n);
    n->agent = agent;
    n->since = time_msec();
    n->looked = LLONG_MIN / 2;

    uint64_t usec;
    if (sd_watchdog_enabled(0, &usec) > 0) {
        struct timeval half = { usec / 2 / 1000000, usec / 2 % 1000000 };
        n->watchdog = event_new(base, -1, EV_PERSIST, handle_watchdog, n);
        event_add(n->watchdog, &half);
    }
    return n;
}

void
notify_destroy(struct notify *n)
{
    if (n) {
        if (n->watchdog) {
            event_free(n->watchdog);
        }
        free(n->status);
        free(n);
    }
}

/* Waits for who may hold the bridge's lock in any case: to lose that ends the
 * agent. */
static bool
is_ready(const struct notify *n)
{
    const struct agent *a = n->agent;
    return a->contended_since == LLONG_MAX
           && (ofswitch_synced(a->sw)
               || (a->adopted && !directory_list(a->directory)
                   && directory_refusal(a->directory))
               || time_msec() >= n->since + READY_MAX_MS);
}

static char *
status_text(const struct agent *a)
{
    struct ds s = DS_EMPTY_INITIALIZER;
    struct health h;
    health_look(a, &h);
    ds_put_format(&s, "%s: tunnels %"PRIuSIZE" of %"PRIuSIZE" up, endpoints %"
                  PRIuSIZE" of %"PRIuSIZE" up",
                  h.problems.n ? "NOT healthy" : "healthy", h.tunnels_up,
                  h.n_tunnels, h.endpoints_up, h.n_endpoints);
    if (h.problems.n) {
        ds_put_format(&s, "; %s", h.problems.names[0]);
    }
    if (h.problems.n > 1) {
        ds_put_format(&s, " (and %"PRIuSIZE" more: see weft status)",
                      h.problems.n - 1);
    }
    health_finish(&h);
    ds_truncate(&s, strcspn(ds_cstr(&s), "\n"));
    return ds_steal_cstr(&s);
}

static void
tell_status(struct notify *n)
{
    long long int now = time_msec();
    if (now < n->looked + STATUS_MS) {
        n->look_again = true;
        return;
    }
    n->looked = now;
    n->look_again = false;
    char *text = status_text(n->agent);
    if (!n->status || strcmp(n->status, text)) {
        free(n->status);
        n->status = text;
        (void) sd_notifyf(0, "STATUS=%s", text);
    } else {
        free(text);
    }
}

void
notify_run(struct notify *n)
{
    if (!n) {
        return;
    }
    bool ready = n->ready ? n->reloading : is_ready(n);
    if (ready) {
        n->ready = true;
        n->reloading = false;
        n->looked = LLONG_MIN / 2;  /* The line is to be of now. */
    }
    tell_status(n);
    if (ready) {
        (void) sd_notify(0, "READY=1");
    }
}

void
notify_wait(struct notify *n)
{
    if (n && n->look_again) {
        poll_timer_wait_until(n->looked + STATUS_MS);
    }
    if (n && !n->ready && n->agent->contended_since == LLONG_MAX) {
        poll_timer_wait_until(n->since + READY_MAX_MS);
    }
}

void
notify_reloading(struct notify *n)
{
    if (n && n->ready) {
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        n->reloading = true;
        (void) sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%lld",
                          now.tv_sec * 1000000LL + now.tv_nsec / 1000);
    }
}

void
notify_stopping(struct notify *n)
{
    if (n) {
        (void) sd_notify(0, "STOPPING=1\nSTATUS=stopping; what is attached "
                         "stays");
    }
}
