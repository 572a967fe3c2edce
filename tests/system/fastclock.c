/* SPDX-License-Identifier: Apache-2.0 */

/* A clock that runs FASTCLOCK times as fast, counted from FASTCLOCK_SINCE in
 * seconds since the epoch, for a program that has this in LD_PRELOAD: what it
 * does every minute is seen in seconds.  test_directory_dead.py builds it. */

#define _GNU_SOURCE 1
#include <dlfcn.h>
#include <poll.h>
#include <stdlib.h>
#include <time.h>

static long long int
number(const char *name, long long int otherwise)
{
    const char *s = getenv(name);
    return s ? atoll(s) : otherwise;
}

int
clock_gettime(clockid_t id, struct timespec *ts)
{
    int (*real)(clockid_t, struct timespec *)
        = (int (*)(clockid_t, struct timespec *)) dlsym(RTLD_NEXT,
                                                        "clock_gettime");
    int error = real(id, ts);
    if (!error && (id == CLOCK_MONOTONIC || id == CLOCK_REALTIME)) {
        long long int since = (id == CLOCK_REALTIME
                               ? number("FASTCLOCK_SINCE", 0) : 0);
        long long int ns = ((ts->tv_sec - since) * 1000000000 + ts->tv_nsec)
                           * number("FASTCLOCK", 1);
        ts->tv_sec = since + ns / 1000000000;
        ts->tv_nsec = ns % 1000000000;
    }
    return error;
}

int
poll(struct pollfd *fds, nfds_t n, int timeout)
{
    long long int ns = timeout * 1000000LL / number("FASTCLOCK", 1);
    struct timespec ts = { ns / 1000000000, ns % 1000000000 };
    return ppoll(fds, n, timeout < 0 ? NULL : &ts, NULL);
}
