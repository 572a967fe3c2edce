/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "agent/loop.h"

#include <poll.h>
#include <stdlib.h>
#include "openvswitch/poll-loop.h"
#include "openvswitch/util.h"
#include "timeval.h"
#include "util.h"

static int wait_for_event(const struct event_base *, const struct event *,
                          void *);

struct event_base *
loop_create(void)
{
    struct event_config *config = event_config_new();
    /* Without it, timers are rounded down to the cached time and the loop
     * spins until they are due. */
    event_config_set_flag(config, EVENT_BASE_FLAG_PRECISE_TIMER);
    struct event_base *base = event_base_new_with_config(config);
    event_config_free(config);
    if (!base) {
        ovs_fatal(0, "libevent: could not make an event base");
    }
    return base;
}

void
loop_destroy(struct event_base *base)
{
    event_base_free(base);
}

void
loop_run(struct event_base *base)
{
    /* EVLOOP_ONCE, because EVLOOP_NONBLOCK alone can leave callbacks that
     * became active within this call for a wake-up that never comes. */
    event_base_loop(base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
}

void
loop_wait(struct event_base *base)
{
    event_base_foreach_event(base, wait_for_event, NULL);
}

static int
wait_for_event(const struct event_base *base OVS_UNUSED,
               const struct event *ev, void *aux OVS_UNUSED)
{
    short what = event_get_events(ev);
    if (!(what & EV_SIGNAL) && event_get_fd(ev) >= 0) {
        short events = ((what & EV_READ ? POLLIN : 0)
                        | (what & EV_WRITE ? POLLOUT : 0));
        if (events) {
            poll_fd_wait(event_get_fd(ev), events);
        }
    }

    struct timeval due, now;
    if (event_pending(ev, EV_TIMEOUT, &due)) {
        gettimeofday(&now, NULL);
        struct timeval left = { 0, 0 };
        if (timercmp(&due, &now, >)) {
            timersub(&due, &now, &left);
        }
        poll_timer_wait(left.tv_sec * 1000 + (left.tv_usec + 999) / 1000);
    }
    return 0;
}
