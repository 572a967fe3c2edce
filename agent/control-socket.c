/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "agent/control-socket.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include "agent/control-client.h"
#include "dirs.h"
#include "fatal-signal.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "socket-util.h"
#include "timeval.h"
#include "unixctl.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(control_socket);

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 5);

enum {
    BACKLOG = 4096,                 /* The kernel's own limit is the same. */
    ACCEPTS_MAX = 64,               /* At once. */
    ACCEPT_RETRY_MS = 100,          /* If there are no file descriptors. */
    MEMBER_CLIENTS_MAX = 16,        /* Of one user. */
    GROUPS_USUAL = 32,              /* Of one user; if more, we ask again. */
    LARGE_MAX = 2 * CONTROL_REQUEST_MAX,    /* Bytes of all requests of a
                                             * class: see large_bytes(). */
};

/* At one time. */
static const size_t clients_max[N_CLASSES] = {
    [CLASS_ROOT] = 512,
    [CLASS_MEMBER] = 64,
    [CLASS_REFUSED] = 8,
};

struct control_socket {
    struct unixctl_server *unixctl;
    char *path;                     /* Of the socket. */
    char *dir;                      /* PATH.d, of unixctl's. */
    char *inner;                    /* DIR/unixctl. */
    int fd;                         /* Listens; or -1. */
    gid_t group;                    /* CONTROL_GROUP_NONE: none. */
    long long int accept_at;        /* Not before. */
    struct ovs_list clients;        /* Contains struct control_client. */
    size_t n[N_CLASSES];            /* Of 'clients'. */
    size_t large[N_CLASSES];        /* Their large_bytes(). */
};

static int listen_inside(struct control_socket *);
static int listen_outside(struct control_socket *);
static void remove_dir(void *);
static void remove_stale(void);
static void accept_clients(struct control_socket *);
static void let_in(struct control_socket *, int fd);
static enum control_class classify(const struct control_socket *, int fd,
                                   struct ucred *);
static bool is_member(int fd, gid_t primary, gid_t group);
static char *refuse_one_more(const struct control_socket *,
                             enum control_class, uid_t);
static void drop(struct control_socket *, struct control_client *);
static bool run(struct control_socket *, struct control_client *);
static size_t large_bytes(const struct control_client *);

struct control_socket *
control_socket_create(const char *path, gid_t group)
{
    struct control_socket *s = xzalloc(sizeof *s);
    s->fd = -1;
    s->group = group;
    ovs_list_init(&s->clients);
    if (path && !strcmp(path, "none")) {
        return s;
    }
    s->path = (path ? abs_file_name(ovs_rundir(), path)
               : xasprintf("%s/%s.%ld.ctl", ovs_rundir(), program_name,
                           (long int) getpid()));
    s->dir = xasprintf("%s.d", s->path);
    s->inner = xasprintf("%s/unixctl", s->dir);
    remove_stale();
    if (!listen_inside(s)) {
        int error = listen_outside(s);
        if (!error) {
            return s;
        }
        ovs_error(error, "%s: could not make the control socket", s->path);
    }
    control_socket_destroy(s);
    return NULL;
}

void
control_socket_destroy(struct control_socket *s)
{
    if (!s) {
        return;
    }
    control_socket_answer(s);       /* What was said last. */
    struct control_client *c;
    LIST_FOR_EACH_SAFE (c, node, &s->clients) {
        drop(s, c);
    }
    unixctl_server_destroy(s->unixctl);
    if (s->fd >= 0) {
        close(s->fd);
        fatal_signal_unlink_file_now(s->path);
    }
    /* The directory goes at exit. */
    free(s->path);
    free(s->inner);
    free(s);
}

void
control_socket_run(struct control_socket *s)
{
    if (s->fd >= 0) {
        accept_clients(s);
    }
    struct control_client *c;
    LIST_FOR_EACH_SAFE (c, node, &s->clients) {
        if (!run(s, c)) {
            drop(s, c);
        }
    }
    unixctl_server_run(s->unixctl);
}

void
control_socket_answer(struct control_socket *s)
{
    struct control_client *c;
    LIST_FOR_EACH_SAFE (c, node, &s->clients) {
        if (!control_client_answer(c)) {
            drop(s, c);
        }
    }
}

void
control_socket_wait(struct control_socket *s)
{
    unixctl_server_wait(s->unixctl);
    const struct control_client *c;
    LIST_FOR_EACH (c, node, &s->clients) {
        control_client_wait(c);
    }
    if (s->fd >= 0 && time_msec() >= s->accept_at) {
        poll_fd_wait(s->fd, POLLIN);
    } else if (s->fd >= 0) {
        poll_timer_wait_until(s->accept_at);
    }
}

/* A directory that was there belongs to somebody who was killed; or it is made
 * by somebody to have us use it, and then it cannot be removed, or not be made
 * again. */
static int
listen_inside(struct control_socket *s)
{
    (void) unlink(s->inner);
    (void) rmdir(s->dir);
    if (mkdir(s->dir, 0700)) {
        int error = errno;
        ovs_error(error, "%s: could not make this directory", s->dir);
        free(s->dir);
        return error;
    }
    int error = unixctl_server_create(s->inner, &s->unixctl);
    /* Behind the hook that removes the socket in it. */
    fatal_signal_add_hook(remove_dir, NULL, s->dir, true);
    return error;
}

/* At exit: takes over 'dir_'. */
static void
remove_dir(void *dir_)
{
    char *dir = dir_;
    (void) rmdir(dir);              /* It goes when weftd starts again. */
}

/* Its mode lets in who may; their credentials are looked at again, in case
 * somebody changed it. */
static int
listen_outside(struct control_socket *s)
{
    int fd = make_unix_socket(SOCK_STREAM, true, s->path, NULL);
    if (fd < 0) {
        return -fd;
    }
    s->fd = fd;
    bool group = s->group != CONTROL_GROUP_NONE;
    struct stat st;
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) || lstat(s->path, &st)
        || (group && st.st_gid != s->group
            && lchown(s->path, -1, s->group))
        || chmod(s->path, group ? 0770 : 0700)
        || listen(fd, BACKLOG)) {
        return errno;
    }
    return 0;
}

/* Removes what is left of daemons that were killed: their sockets, on which
 * nobody listens, if there is no process of their pid either. */
static void
remove_stale(void)
{
    char *pattern = xasprintf("%s/%s.*.ctl", ovs_rundir(), program_name);
    glob_t found = { .gl_pathc = 0 };
    if (glob(pattern, 0, NULL, &found)) {
        found.gl_pathc = 0;
    }
    free(pattern);
    size_t prefix = strlen(ovs_rundir()) + strlen(program_name) + 2;
    for (size_t i = 0; i < found.gl_pathc; i++) {
        const char *path = found.gl_pathv[i];
        int pid = atoi(path + prefix);
        if (pid <= 0 || !kill(pid, 0) || errno != ESRCH) {
            continue;
        }
        int fd = make_unix_socket(SOCK_STREAM, true, NULL, path);
        if (fd >= 0) {
            close(fd);
        } else if (fd == -ECONNREFUSED) {
            char *dir = xasprintf("%s.d", path);
            char *inner = xasprintf("%s/unixctl", dir);
            (void) unlink(inner);   /* As far as it can be done. */
            (void) rmdir(dir);
            (void) unlink(path);
            free(inner);
            free(dir);
        }
    }
    globfree(&found);
}

static void
accept_clients(struct control_socket *s)
{
    if (time_msec() < s->accept_at) {
        return;
    }
    for (int i = 0; i < ACCEPTS_MAX; i++) {
        /* accept4(2): where no address is asked for, both are NULL. */
        /* cppcheck-suppress nullPointer */
        int fd = accept4(s->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            let_in(s, fd);
        } else if (errno == EAGAIN) {
            return;
        } else if (errno != EINTR && errno != ECONNABORTED) {
            VLOG_WARN_RL(&rl, "%s: accept failed: %s", s->path,
                         ovs_strerror(errno));
            s->accept_at = time_msec() + ACCEPT_RETRY_MS;
            return;
        }
    }
}

/* Who is not let in is told so: by an answer to what it asks, if it does so
 * within a moment, and else as well as it can be done. */
static void
let_in(struct control_socket *s, int fd)
{
    struct ucred peer;
    enum control_class class = classify(s, fd, &peer);
    char *refusal = NULL;
    if (class == CLASS_REFUSED) {
        VLOG_WARN_RL(&rl, "%s: refusing process %ld of uid %u, gid %u",
                     s->path, (long int) peer.pid, peer.uid, peer.gid);
        refusal = xasprintf("permission denied: only root%s may ask weftd",
                            s->group != CONTROL_GROUP_NONE
                            ? " and members of its group" : "");
    } else {
        refusal = refuse_one_more(s, class, peer.uid);
        class = refusal ? CLASS_REFUSED : class;
    }
    struct control_client *c = control_client_create(fd, peer.uid, class,
                                                     refusal, s->inner);
    ovs_list_push_back(&s->clients, &c->node);
    if (++s->n[class] > clients_max[class]) {
        if (run(s, c)) {
            control_client_refuse(c, refusal);
        }
        drop(s, c);
    }
}

static enum control_class
classify(const struct control_socket *s, int fd, struct ucred *peer)
{
    socklen_t size = sizeof *peer;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, peer, &size)) {
        *peer = (struct ucred) { .uid = -1, .gid = -1 };
        return CLASS_REFUSED;
    }
    return (!peer->uid || peer->uid == geteuid() ? CLASS_ROOT
            : s->group != CONTROL_GROUP_NONE
            && is_member(fd, peer->gid, s->group) ? CLASS_MEMBER
            : CLASS_REFUSED);
}

static bool
is_member(int fd, gid_t primary, gid_t group)
{
    if (primary == group) {
        return true;
    }
    socklen_t size = GROUPS_USUAL * sizeof(gid_t);
    gid_t *groups = xmalloc(size);
    while (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size)) {
        if (errno != ERANGE) {
            size = 0;
            break;
        }
        groups = xrealloc(groups, size);    /* It has told how many. */
    }
    bool member = false;
    for (size_t i = 0; i < size / sizeof *groups; i++) {
        member = member || groups[i] == group;
    }
    free(groups);
    return member;
}

/* NULL, or why user 'uid' cannot have another connection. */
static char *
refuse_one_more(const struct control_socket *s, enum control_class class,
                uid_t uid)
{
    size_t n = 0;
    const struct control_client *c;
    LIST_FOR_EACH (c, node, &s->clients) {
        n += c->class == class && c->uid == uid;
    }
    return (s->n[class] < clients_max[class]
            && (class != CLASS_MEMBER || n < MEMBER_CLIENTS_MAX) ? NULL
            : xstrdup("weftd has too many connections now: try again"));
}

static void
drop(struct control_socket *s, struct control_client *c)
{
    s->n[c->class]--;
    s->large[c->class] -= large_bytes(c);
    ovs_list_remove(&c->node);
    control_client_destroy(c);
}

static bool
run(struct control_socket *s, struct control_client *c)
{
    size_t *large = &s->large[c->class];
    *large -= large_bytes(c);
    bool stays = control_client_run(c, LARGE_MAX - MIN(*large, LARGE_MAX));
    *large += large_bytes(c);
    return stays;
}

/* What its request has beyond what is free. */
static size_t
large_bytes(const struct control_client *c)
{
    return (c->in.length > CONTROL_REQUEST_SMALL
            ? c->in.length - CONTROL_REQUEST_SMALL : 0);
}
