/* SPDX-License-Identifier: Apache-2.0 */

/* A wall clock that is wrong by as many seconds as the file WALLCLOCK says at
 * that moment, for a program that has this in LD_PRELOAD.  CLOCK_MONOTONIC
 * goes as ever, as it does when somebody sets a machine's clock.
 * faults/test_kernel.py builds it. */

#define _GNU_SOURCE 1
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static long long int
wrong_by(void)
{
    char text[32] = "";
    const char *name = getenv("WALLCLOCK");
    int fd = name ? open(name, O_RDONLY | O_CLOEXEC) : -1;
    if (fd >= 0) {
        ssize_t n = read(fd, text, sizeof text - 1);
        text[n > 0 ? n : 0] = '\0';
        close(fd);
    }
    return atoll(text);
}

int
clock_gettime(clockid_t id, struct timespec *ts)
{
    int (*real)(clockid_t, struct timespec *)
        = (int (*)(clockid_t, struct timespec *)) dlsym(RTLD_NEXT,
                                                        "clock_gettime");
    int error = real(id, ts);
    if (!error && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) {
        ts->tv_sec += wrong_by();
    }
    return error;
}

int
gettimeofday(struct timeval *restrict tv, void *restrict zone)
{
    (void) zone;
    struct timespec ts;
    int error = clock_gettime(CLOCK_REALTIME, &ts);
    tv->tv_sec = ts.tv_sec;
    tv->tv_usec = ts.tv_nsec / 1000;
    return error;
}

time_t
time(time_t *t)
{
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    if (t) {
        *t = ts.tv_sec;
    }
    return ts.tv_sec;
}
