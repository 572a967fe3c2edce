/* SPDX-License-Identifier: Apache-2.0 */

/* A clock that runs FASTCLOCK times as fast, for a program that is started with
 * this in LD_PRELOAD: what it does every minute can be seen in seconds.  Built
 * by the tests that use it. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <poll.h>
#include <stdlib.h>
#include <time.h>

static int
factor(void)
{
    const char *s = getenv("FASTCLOCK");
    return s && atoi(s) > 0 ? atoi(s) : 1;
}

/* Counts from the epoch, for the wall's clock: all who use this agree. */
int
clock_gettime(clockid_t id, struct timespec *ts)
{
    static int (*real)(clockid_t, struct timespec *);
    if (!real) {
        real = (int (*)(clockid_t, struct timespec *))
            dlsym(RTLD_NEXT, "clock_gettime");
    }
    int error = real(id, ts);
    if (!error && (id == CLOCK_MONOTONIC || id == CLOCK_REALTIME)) {
        long long int ns = (ts->tv_sec * 1000000000LL + ts->tv_nsec);
        const char *since = getenv("FASTCLOCK_SINCE");
        long long int base = (id == CLOCK_REALTIME && since
                              ? atoll(since) * 1000000000LL : 0);
        ns = base + (ns - base) * factor();
        ts->tv_sec = ns / 1000000000;
        ts->tv_nsec = ns % 1000000000;
    }
    return error;
}

int
poll(struct pollfd *fds, nfds_t n, int timeout)
{
    struct timespec ts = {
        .tv_sec = timeout / 1000 / factor(),
        .tv_nsec = timeout * 1000000LL / factor() % 1000000000,
    };
    return ppoll(fds, n, timeout < 0 ? NULL : &ts, NULL);
}
