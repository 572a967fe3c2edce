/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "agent/filewatch.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>
#include "agent/textfile.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "overlay/peerlist.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(filewatch);

enum {
    LOOK_INTERVAL_MS = 500,
    WATCH_MASK = IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE
                 | IN_CREATE,
};

struct filewatch {
    char *path;
    char *name;                     /* --name, or NULL. */
    int inotify;
    struct event *event;
    bool read_now;                  /* An event said that it is complete. */
    long long int look_at;          /* When to look at the stamp. */
    struct textfile_stamp read;     /* Of what was read last. */
    struct textfile_stamp seen;     /* Of the last look: stable if equal. */

    struct directory *directory;    /* Borrowed. */
    const struct filewatch_ops *ops;
    void *aux;
};

static void handle_inotify(evutil_socket_t, short what, void *);
static void read_file(struct filewatch *);

struct filewatch *
filewatch_create(const char *path, const char *name, struct event_base *base,
                 struct directory *directory, const struct filewatch_ops *ops,
                 void *aux)
{
    struct filewatch *w = xzalloc(sizeof *w);
    w->path = xstrdup(path);
    w->name = nullable_xstrdup(name);
    w->directory = directory;
    w->ops = ops;
    w->aux = aux;
    w->read_now = true;

    w->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (w->inotify >= 0) {
        char *dir = dir_name(path);
        if (inotify_add_watch(w->inotify, dir, WATCH_MASK) < 0) {
            VLOG_INFO("%s: not watched by inotify (%s): looked at every %d ms",
                      dir, ovs_strerror(errno), LOOK_INTERVAL_MS);
        }
        free(dir);
        w->event = event_new(base, w->inotify, EV_READ | EV_PERSIST,
                             handle_inotify, w);
        event_add(w->event, NULL);
    }
    return w;
}

void
filewatch_destroy(struct filewatch *w)
{
    if (w) {
        if (w->event) {
            event_free(w->event);
            close(w->inotify);
        }
        free(w->path);
        free(w->name);
        free(w);
    }
}

void
filewatch_run(struct filewatch *w)
{
    long long int now = time_msec();
    if (now >= w->look_at) {
        w->look_at = now + LOOK_INTERVAL_MS;
        struct textfile_stamp stamp = textfile_stat(w->path);
        /* Somebody who is still writing moves the stamp between two looks. */
        if (!textfile_stamp_equal(&stamp, &w->read)
            && textfile_stamp_equal(&stamp, &w->seen)) {
            w->read_now = true;
        }
        w->seen = stamp;
    }
    if (w->read_now) {
        w->read_now = false;
        read_file(w);
    }
}

void
filewatch_wait(struct filewatch *w)
{
    if (w->read_now) {
        poll_immediate_wake();
    }
    poll_timer_wait_until(w->look_at);
}

void
filewatch_reread(struct filewatch *w)
{
    w->read_now = true;
}

static void
handle_inotify(evutil_socket_t fd, short what OVS_UNUSED, void *w_)
{
    struct filewatch *w = w_;
    union {
        struct inotify_event event;
        char bytes[4096];
    } buf;
    char *base = base_name(w->path);
    ssize_t n;

    while ((n = read(fd, &buf, sizeof buf)) > 0) {
        for (char *p = buf.bytes; p < buf.bytes + n;) {
            const struct inotify_event *ev = ALIGNED_CAST(
                const struct inotify_event *, p);
            /* A file that was only made is not written yet. */
            if (ev->len && !strcmp(ev->name, base)
                && !(ev->mask & IN_CREATE)) {
                w->read_now = true;
            }
            p += sizeof *ev + ev->len;
        }
    }
    free(base);
}

/* Text to a list in which this host has found itself.  NULL or a message. */
static char *
parse(struct filewatch *w, const char *text, size_t size,
      struct peerlist **listp, const struct peer **selfp)
{
    char *error = peerlist_parse(w->path, text, size, listp);
    if (error) {
        return error;
    }
    const struct in6_addr *owned;
    size_t n_owned;
    w->ops->owned(&owned, &n_owned, w->aux);

    char hostname[HOST_NAME_MAX + 1] = "";
    if (gethostname(hostname, sizeof hostname - 1)) {
        hostname[0] = '\0';
    }
    hostname[strcspn(hostname, ".")] = '\0';
    error = peerlist_find_self(w->path, *listp, w->name, hostname, owned,
                               n_owned, selfp);
    if (error) {
        peerlist_destroy(*listp);
        *listp = NULL;
    }
    return error;
}

static void
read_file(struct filewatch *w)
{
    /* Of before, so that what comes in the meantime is another. */
    struct textfile_stamp before = textfile_stat(w->path);
    char *text;
    size_t size;
    char *error = textfile_read(w->path, PEERLIST_SIZE_MAX, &text, &size,
                                &w->read);
    if (error) {
        w->read = before;
        if (access(w->path, F_OK) && errno == ENOENT) {
            /* As after the installation. */
            char *more = xasprintf("%s: write it, or copy that of another "
                                   "host; see man peers.conf", error);
            free(error);
            error = more;
        } else if (access(w->path, R_OK) && errno == EACCES) {
            /* See agent/privileges.c. */
            char *more = xasprintf("%s: let root read it by its owner, group "
                                   "or mode, and pass its directories",
                                   error);
            free(error);
            error = more;
        }
    }
    struct peerlist *list = NULL;
    const struct peer *self = NULL;
    if (!error) {
        error = parse(w, text, size, &list, &self);
        free(text);
    }
    if (error) {
        directory_refuse(w->directory, error);
    } else {
        directory_offer(w->directory, list, self);
    }
}
