/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "agent/textfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "socket-util.h"
#include "util.h"

static char *read_all(int fd, const char *path, size_t max, char **textp,
                      size_t *sizep);
static struct textfile_stamp make_stamp(const struct stat *);
static bool time_equal(const struct timespec *, const struct timespec *);

struct textfile_stamp
textfile_stat(const char *path)
{
    struct stat st = { .st_dev = 0 };
    (void) stat(path, &st);         /* Nothing there: all zero. */
    return make_stamp(&st);
}

bool
textfile_stamp_equal(const struct textfile_stamp *a,
                     const struct textfile_stamp *b)
{
    return a->dev == b->dev && a->ino == b->ino && a->size == b->size
           && time_equal(&a->mtime, &b->mtime)
           && time_equal(&a->ctime, &b->ctime);
}

char *
textfile_read(const char *path, size_t max, char **textp, size_t *sizep,
              struct textfile_stamp *stamp)
{
    *textp = NULL;
    *sizep = 0;
    *stamp = (struct textfile_stamp) { .dev = 0 };
    if (!strcmp(path, "-")) {
        return read_all(STDIN_FILENO, "standard input", max, textp, sizep);
    }

    /* Not to hang on a FIFO that nobody writes to. */
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) {
        return xasprintf("%s: %s", path, ovs_strerror(errno));
    }
    struct stat before, after;
    char *error = NULL;
    if (fstat(fd, &before)) {
        error = xasprintf("%s: %s", path, ovs_strerror(errno));
    } else if (!S_ISREG(before.st_mode)) {
        error = xasprintf("%s: is %s, not a file", path,
                          S_ISDIR(before.st_mode) ? "a directory"
                          : S_ISFIFO(before.st_mode) ? "a FIFO"
                          : S_ISSOCK(before.st_mode) ? "a socket"
                          : "a device");
    } else if (before.st_size > max) {
        error = xasprintf("%s: is larger than %"PRIuSIZE" bytes", path, max);
    } else {
        error = read_all(fd, path, max, textp, sizep);
    }
    if (!error) {
        struct textfile_stamp was = make_stamp(&before);
        *stamp = (fstat(fd, &after) ? was : make_stamp(&after));
        if (!textfile_stamp_equal(&was, stamp) || *sizep != before.st_size) {
            free(*textp);
            *textp = NULL;
            error = xasprintf("%s: changed while it was read", path);
        }
    }
    close(fd);
    return error;
}

char *
textfile_write(const char *path, const char *text, mode_t mode)
{
    char *target = follow_symlinks(path);
    char *temp = xasprintf("%s.new", target);
    char *error = NULL;
    (void) unlink(temp);            /* Of one that was interrupted. */
    int fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    size_t written;
    if (fd < 0
        || fchmod(fd, mode)         /* Whatever the umask. */
        || write_fully(fd, text, strlen(text), &written)
        || fsync(fd)
        || rename(temp, target)) {
        error = xasprintf("%s: cannot be written: %s", path,
                          ovs_strerror(errno));
    }
    if (fd >= 0) {
        close(fd);
        if (error) {
            (void) unlink(temp);
        }
    }
    free(temp);
    free(target);
    return error;
}

static char *
read_all(int fd, const char *path, size_t max, char **textp, size_t *sizep)
{
    size_t allocated = 4096, n = 0;
    char *text = xmalloc(allocated);

    for (;;) {
        if (n + 1 >= allocated) {
            allocated *= 2;
            text = xrealloc(text, allocated);
        }
        ssize_t got = read(fd, text + n, allocated - n - 1);
        if (got < 0 && errno == EINTR) {
            continue;
        } else if (got < 0) {
            free(text);
            return xasprintf("%s: %s", path, ovs_strerror(errno));
        } else if (!got) {
            break;
        }
        n += got;
        if (n > max) {
            free(text);
            return xasprintf("%s: is larger than %"PRIuSIZE" bytes", path,
                             max);
        }
    }
    text[n] = '\0';
    *textp = text;
    *sizep = n;
    return NULL;
}

static struct textfile_stamp
make_stamp(const struct stat *st)
{
    return (struct textfile_stamp) {
        .dev = st->st_dev,
        .ino = st->st_ino,
        .size = st->st_size,
        .mtime = st->st_mtim,
        .ctime = st->st_ctim,
    };
}

static bool
time_equal(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}
