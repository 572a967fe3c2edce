/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "agent/directory.h"

#include <errno.h>
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

VLOG_DEFINE_THIS_MODULE(directory);

enum {
    LOOK_INTERVAL_MS = 500,
    WATCH_MASK = IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE
                 | IN_CREATE,
};

struct directory {
    char *path;
    char *name;                     /* --name, or NULL. */
    int inotify;
    struct event *event;
    bool read_now;                  /* An event said that it is complete. */
    long long int look_at;          /* When to look at the stamp. */
    struct textfile_stamp read;     /* Of what was read last. */
    struct textfile_stamp seen;     /* Of the last look: stable if equal. */

    struct peerlist *list;          /* In force, or NULL. */
    const struct peer *self;        /* In 'list'. */
    struct peerlist *held;          /* Good, but held back; or NULL. */
    const struct peer *held_self;   /* In 'held'. */
    char *refusal;
    const struct directory_ops *ops;
    void *aux;
};

static void handle_inotify(evutil_socket_t, short what, void *);
static void read_file(struct directory *);
static void put_in_force(struct directory *, struct peerlist *,
                         const struct peer *self);
static void refuse(struct directory *, char *reason);

struct directory *
directory_create(const char *path, const char *name, struct event_base *base,
                 const struct directory_ops *ops, void *aux)
{
    struct directory *d = xzalloc(sizeof *d);
    d->path = xstrdup(path);
    d->name = nullable_xstrdup(name);
    d->ops = ops;
    d->aux = aux;
    d->read_now = true;

    d->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (d->inotify >= 0) {
        char *dir = dir_name(path);
        if (inotify_add_watch(d->inotify, dir, WATCH_MASK) < 0) {
            VLOG_INFO("%s: not watched by inotify (%s): looked at every %d ms",
                      dir, ovs_strerror(errno), LOOK_INTERVAL_MS);
        }
        free(dir);
        d->event = event_new(base, d->inotify, EV_READ | EV_PERSIST,
                             handle_inotify, d);
        event_add(d->event, NULL);
    }
    return d;
}

void
directory_destroy(struct directory *d)
{
    if (d) {
        if (d->event) {
            event_free(d->event);
            close(d->inotify);
        }
        peerlist_destroy(d->list);
        peerlist_destroy(d->held);
        free(d->path);
        free(d->name);
        free(d->refusal);
        free(d);
    }
}

void
directory_run(struct directory *d)
{
    long long int now = time_msec();
    if (now >= d->look_at) {
        d->look_at = now + LOOK_INTERVAL_MS;
        struct textfile_stamp stamp = textfile_stat(d->path);
        /* Somebody who is still writing moves the stamp between two looks. */
        if (!textfile_stamp_equal(&stamp, &d->read)
            && textfile_stamp_equal(&stamp, &d->seen)) {
            d->read_now = true;
        }
        d->seen = stamp;
    }
    if (d->read_now) {
        d->read_now = false;
        read_file(d);
    }
}

void
directory_wait(struct directory *d)
{
    if (d->read_now) {
        poll_immediate_wake();
    }
    poll_timer_wait_until(d->look_at);
}

void
directory_reread(struct directory *d)
{
    d->read_now = true;
}

char *
directory_accept(struct directory *d)
{
    if (!d->held) {
        return xstrdup("nothing is held back");
    }
    struct peerlist *list = d->held;
    d->held = NULL;
    put_in_force(d, list, d->held_self);
    return NULL;
}

const char *
directory_path(const struct directory *d)
{
    return d->path;
}

const struct peerlist *
directory_list(const struct directory *d)
{
    return d->list;
}

const struct peer *
directory_self(const struct directory *d)
{
    return d->self;
}

const char *
directory_refusal(const struct directory *d)
{
    return d->refusal;
}

static void
handle_inotify(evutil_socket_t fd, short what OVS_UNUSED, void *d_)
{
    struct directory *d = d_;
    union {
        struct inotify_event event;
        char bytes[4096];
    } buf;
    char *base = base_name(d->path);
    ssize_t n;

    while ((n = read(fd, &buf, sizeof buf)) > 0) {
        for (char *p = buf.bytes; p < buf.bytes + n;) {
            const struct inotify_event *ev = ALIGNED_CAST(
                const struct inotify_event *, p);
            /* A file that was only made is not written yet. */
            if (ev->len && !strcmp(ev->name, base)
                && !(ev->mask & IN_CREATE)) {
                d->read_now = true;
            }
            p += sizeof *ev + ev->len;
        }
    }
    free(base);
}

/* Text to a list in which this host has found itself.  NULL or a message. */
static char *
parse(struct directory *d, const char *text, size_t size,
      struct peerlist **listp, const struct peer **selfp)
{
    char *error = peerlist_parse(d->path, text, size, listp);
    if (error) {
        return error;
    }
    const struct in6_addr *owned;
    size_t n_owned;
    d->ops->owned(&owned, &n_owned, d->aux);

    char hostname[HOST_NAME_MAX + 1] = "";
    if (gethostname(hostname, sizeof hostname - 1)) {
        hostname[0] = '\0';
    }
    hostname[strcspn(hostname, ".")] = '\0';
    error = peerlist_find_self(d->path, *listp, d->name, hostname, owned,
                               n_owned, selfp);
    if (error) {
        peerlist_destroy(*listp);
        *listp = NULL;
    }
    return error;
}

/* NULL, or what 'list' would remove that looks like too much to be meant. */
static char *
removes_much(struct directory *d, const struct peerlist *list)
{
    if (d->list) {
        return peerlist_mass_removal(d->list, list);
    }
    struct shash served = SHASH_INITIALIZER(&served);
    d->ops->served(&served, d->aux);
    char *much = peerlist_peers_removal(&served, list);
    shash_destroy(&served);
    return much;
}

static void
read_file(struct directory *d)
{
    /* Of before, so that what comes in the meantime is another. */
    struct textfile_stamp before = textfile_stat(d->path);
    char *text;
    size_t size;
    char *error = textfile_read(d->path, PEERLIST_SIZE_MAX, &text, &size,
                                &d->read);
    if (error) {
        d->read = before;
    }
    struct peerlist *list = NULL;
    const struct peer *self = NULL;
    if (!error) {
        error = parse(d, text, size, &list, &self);
        free(text);
    }

    peerlist_destroy(d->held);
    d->held = NULL;
    char *mass = error ? NULL : removes_much(d, list);
    if (error) {
        refuse(d, error);
    } else if (mass) {
        d->held = list;
        d->held_self = self;
        refuse(d, xasprintf("%s: held back: %s; if that is meant, "
                            "\"weft directory accept\"", d->path, mass));
        free(mass);
    } else {
        put_in_force(d, list, self);
    }
}

static void
put_in_force(struct directory *d, struct peerlist *list,
             const struct peer *self)
{
    if (d->refusal || !d->list) {
        VLOG_INFO("%s: in force: %"PRIuSIZE" networks, %"PRIuSIZE" peers, "
                  "this host is %s", d->path, shash_count(&list->networks),
                  shash_count(&list->peers), self->name);
    }
    free(d->refusal);
    d->refusal = NULL;

    struct peerlist *old = d->list;
    d->list = list;
    d->self = self;
    d->ops->changed(old, list, self, d->aux);
    peerlist_destroy(old);
}

static void
refuse(struct directory *d, char *reason)
{
    if (!d->refusal || strcmp(d->refusal, reason)) {
        VLOG_WARN("refused: %s%s", reason,
                  d->list ? "; the list before stays in force" : "");
    }
    free(d->refusal);
    d->refusal = reason;
}
