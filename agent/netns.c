/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "agent/netns.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>
#include "openvswitch/vlog.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(netns);

#define OWN_NETNS "/proc/thread-self/ns/net"

enum { QUOTED_MAX = 200 };          /* Bytes of a path in a message. */

static int netns_open_any(const char *path);
static int netns_open_path(const char *path);
static int netns_open_verified(int path_fd);
static char *netns_quote(const char *path);
static pid_t netns_path_pid(const char *path);
static bool netns_pid_lives(int pidfd);
static char *netns_open_message(const char *path, int error);
static bool netns_is_own(int fd);
static char *netns_refuse_name(const char *command, const char *name);
static int netns_lock_dir(int *lockp);
static int netns_share_dir(void);
static int netns_make(const char *path);
static int netns_make_in_child(const char *path);
static int netns_lo_up(void);
static int netns_private_mounts(const char *name);
static void netns_bind_etc(const char *name);

char *
netns_path(const char *netns)
{
    if (!strncmp(netns, "/var" NETNS_DIR "/", strlen("/var" NETNS_DIR "/"))) {
        return xstrdup(netns + strlen("/var")); /* The same, by a link. */
    } else if (strchr(netns, '/')) {
        return xstrdup(netns);
    } else if (!strncmp(netns, "pid:", 4)) {
        return xasprintf("/proc/%s/ns/net", netns + 4);
    }
    return xasprintf(NETNS_DIR"/%s", netns);
}

bool
netns_is_name(const char *path)
{
    const char *name = path + strlen(NETNS_DIR"/");
    return (!strncmp(path, NETNS_DIR"/", strlen(NETNS_DIR"/"))
            && !strchr(name, '/'));
}

int
netns_open(const char *path, char **errorp)
{
    int fd = netns_open_any(path);
    if (fd >= 0 && netns_is_own(fd)) {
        close(fd);
        char *quoted = netns_quote(path);
        *errorp = xasprintf("%s: the host's own network namespace: "
                            "give another", quoted);
        free(quoted);
        return -1;
    }
    *errorp = fd < 0 ? netns_open_message(path, -fd) : NULL;
    return fd < 0 ? -1 : fd;
}

int
netns_id(int fd, struct netns_id *id)
{
    struct stat s;
    if (fstat(fd, &s)) {
        return -errno;
    }
    *id = (struct netns_id) { .dev = s.st_dev, .ino = s.st_ino };
    int sock = netns_socket(fd, AF_UNIX, SOCK_DGRAM, 0);
    if (sock < 0) {
        return sock;
    }
    socklen_t size = sizeof id->cookie;
    if (getsockopt(sock, SOL_SOCKET, SO_NETNS_COOKIE, &id->cookie, &size)) {
        id->cookie = 0;
    }
    close(sock);
    return 0;
}

bool
netns_id_equal(const struct netns_id *a, const struct netns_id *b)
{
    return a->dev == b->dev && a->ino == b->ino && a->cookie == b->cookie;
}

/* Enters the namespace 'fd'.  '*own' is for leave(). */
static int
enter(int fd, int *own)
{
    *own = open(OWN_NETNS, O_RDONLY | O_CLOEXEC);
    int error = *own < 0 || setns(fd, CLONE_NEWNET) ? -errno : 0;
    if (error && *own >= 0) {
        close(*own);
    }
    return error;
}

static void
leave(int own)
{
    if (setns(own, CLONE_NEWNET)) {
        /* Whatever came next would be done to the wrong namespace. */
        ovs_abort(errno, "cannot return to own network namespace");
    }
    close(own);
}

int
netns_socket(int fd, int domain, int type, int protocol)
{
    int own;
    int error = enter(fd, &own);
    if (error) {
        return error;
    }
    int sock = socket(domain, type | SOCK_CLOEXEC, protocol);
    sock = sock < 0 ? -errno : sock;
    leave(own);
    return sock;
}

int
netns_open_file(int fd, const char *path)
{
    int own;
    int error = enter(fd, &own);
    if (error) {
        return error;
    }
    int file = open(path, O_RDONLY | O_CLOEXEC);
    file = file < 0 ? -errno : file;
    leave(own);
    return file;
}

char *
netns_add(const char *name)
{
    char *refusal = netns_refuse_name("add", name);
    if (refusal) {
        return refusal;
    }

    char *path = xasprintf(NETNS_DIR"/%s", name);
    int lock = -1;
    int error = netns_lock_dir(&lock);
    if (!error) {
        error = netns_make(path);
        close(lock);                /* Unlocks. */
    }
    free(path);

    if (error == -EEXIST) {
        return xasprintf("netns add: \"%s\" exists already: "
                         "see weft netns list", name);
    } else if (error) {
        return xasprintf("netns add: cannot make \"%s\": %s%s", name,
                         ovs_strerror(-error),
                         error == -EPERM || error == -EACCES
                         ? ": run it as root" : "");
    }
    return NULL;
}

char *
netns_del(const char *name)
{
    char *message = netns_refuse_name("del", name);
    if (message) {
        return message;
    }

    /* Not through a symbolic link: what it leads to is mounted by others.
     * More than one may be mounted, or none if it is only a file left by
     * somebody's crash; then unlink() knows. */
    char *path = xasprintf(NETNS_DIR"/%s", name);
    while (!umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW)) {
        continue;
    }
    if (unlink(path)) {
        int error = errno;
        message = (error == ENOENT
                   ? xasprintf("netns del: no namespace \"%s\": "
                               "see weft netns list", name)
                   : xasprintf("netns del: cannot remove \"%s\": %s%s", name,
                               ovs_strerror(error),
                               error == EPERM || error == EACCES
                               ? ": run it as root" : ""));
    }
    free(path);
    return message;
}

char *
netns_list(struct sset *names)
{
    DIR *dir = opendir(NETNS_DIR);
    if (!dir) {
        return (errno == ENOENT ? NULL
                : xasprintf("netns list: cannot read "NETNS_DIR": %s",
                            ovs_strerror(errno)));
    }

    struct dirent *entry;
    while ((entry = readdir(dir))) {
        char *path = xasprintf(NETNS_DIR"/%s", entry->d_name);
        int fd = netns_open_any(path);
        if (fd >= 0) {
            sset_add(names, entry->d_name);
            close(fd);
        }
        free(path);
    }
    closedir(dir);
    return NULL;
}

char *
netns_exec(const char *name, char *const argv[])
{
    char *path = netns_path(name);
    int fd = netns_open_any(path);
    char *message = fd < 0 ? netns_open_message(path, -fd) : NULL;
    free(path);
    if (message) {
        return message;
    }

    int error = setns(fd, CLONE_NEWNET) ? -errno : 0;
    close(fd);
    if (error) {
        return xasprintf("netns exec: cannot enter \"%s\": %s%s", name,
                         ovs_strerror(-error),
                         error == -EPERM ? ": run it as root" : "");
    }
    error = netns_private_mounts(name);
    if (error) {
        return xasprintf("netns exec: cannot mount /sys of \"%s\": %s", name,
                         ovs_strerror(-error));
    }
    netns_bind_etc(name);

    execvp(argv[0], argv);
    return xasprintf("netns exec: cannot run \"%s\": %s", argv[0],
                     ovs_strerror(errno));
}

/* Opens the namespace at 'path', the own one too.  Returns an fd or a negative
 * errno; -EINVAL if it is something else.
 *
 * 'path' comes from whoever may ask us to attach.  To open a FIFO can block
 * for ever, to open a device can rewind a tape; O_PATH does neither, so what
 * it is is looked at first. */
static int
netns_open_any(const char *path)
{
    pid_t pid = netns_path_pid(path);
    if (!pid) {
        return netns_open_path(path);
    }
    /* While this looks, the process may end and its pid go to another.  Not
     * as long as the pidfd says that it lives. */
    int pidfd = syscall(SYS_pidfd_open, pid, 0);
    if (pidfd < 0) {
        return errno == EINVAL ? -ESRCH : -errno;   /* A thread's. */
    }
    int fd = netns_open_path(path);
    if (fd >= 0 && !netns_pid_lives(pidfd)) {
        close(fd);
        fd = -ESRCH;
    }
    close(pidfd);
    return fd;
}

static int
netns_open_path(const char *path)
{
    int path_fd = open(path, O_PATH | O_CLOEXEC);
    if (path_fd < 0) {
        return -errno;
    }
    int fd = netns_open_verified(path_fd);
    close(path_fd);
    return fd;
}

static int
netns_open_verified(int path_fd)
{
    struct statfs fs;
    if (fstatfs(path_fd, &fs)) {
        return -errno;
    } else if (fs.f_type != NSFS_MAGIC) {
        return -EINVAL;
    }

    char path[32];
    snprintf(path, sizeof path, "/proc/self/fd/%d", path_fd);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return -errno;
    }

    /* nsfs holds the namespaces of all kinds. */
    if (ioctl(fd, NS_GET_NSTYPE) != CLONE_NEWNET) {
        close(fd);
        return -EINVAL;
    }
    return fd;
}

/* The process whose namespace 'path' is, as netns_path() has it for "pid:12";
 * 0 if it is none. */
static pid_t
netns_path_pid(const char *path)
{
    const char *number = path + strlen("/proc/");
    if (strncmp(path, "/proc/", strlen("/proc/"))
        || *number < '1' || *number > '9') {
        return 0;
    }
    char *end;
    errno = 0;
    long int pid = strtol(number, &end, 10);
    return !errno && pid <= INT_MAX && !strcmp(end, "/ns/net") ? pid : 0;
}

static bool
netns_pid_lives(int pidfd)
{
    struct pollfd p = { .fd = pidfd, .events = POLLIN };
    return !poll(&p, 1, 0);
}

/* 'path' for a message: the begin of it, if it is long. */
static char *
netns_quote(const char *path)
{
    size_t n = strlen(path);
    if (n <= QUOTED_MAX) {
        return xstrdup(path);
    }
    n = QUOTED_MAX;
    while (n && (path[n] & 0xc0) == 0x80) {
        n--;                        /* UTF-8 is not cut in two. */
    }
    return xasprintf("%.*s...", (int) n, path);
}

/* Why netns_open_any() failed with 'error', a positive errno. */
static char *
netns_open_message(const char *path, int error)
{
    bool process = !strncmp(path, "/proc/", 6);
    char *quoted = netns_quote(path);
    char *message;
    if (error == ENOENT || error == ENOTDIR || error == ESRCH) {
        message = (process
                   ? xasprintf("%s: no such process", quoted)
                   : xasprintf("%s: no such network namespace: "
                               "see weft netns list", quoted));
    } else if (error == EINVAL) {
        message = xasprintf("%s: not a network namespace", quoted);
    } else {
        message = xasprintf("%s: cannot open: %s", quoted,
                            ovs_strerror(error));
    }
    free(quoted);
    return message;
}

static bool
netns_is_own(int fd)
{
    struct stat own, s;
    return (!stat(OWN_NETNS, &own) && !fstat(fd, &s)
            && own.st_dev == s.st_dev && own.st_ino == s.st_ino);
}

/* A name is a file's, and not of the form that netns_path() takes for a
 * process. */
static char *
netns_refuse_name(const char *command, const char *name)
{
    if (!name[0] || !strcmp(name, ".") || !strcmp(name, "..")
        || strchr(name, '/') || strlen(name) > NAME_MAX
        || !strncmp(name, "pid:", 4)) {
        return xasprintf("netns %s: \"%s\" cannot be a namespace's name",
                         command, name);
    }
    return NULL;
}

/* Makes NETNS_DIR what iproute2 makes of it and locks it as iproute2 does, so
 * that two who come at the same time do not mount it over each other. */
static int
netns_lock_dir(int *lockp)
{
    if (mkdir(NETNS_DIR, 0755) && errno != EEXIST) {
        return -errno;
    }

    int lock = open(NETNS_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (lock < 0) {
        return -errno;
    }
    int error;
    do {
        error = flock(lock, LOCK_EX) ? -errno : 0;
    } while (error == -EINTR);
    if (!error) {
        error = netns_share_dir();
    }
    if (error) {
        close(lock);
    } else {
        *lockp = lock;
    }
    return error;
}

/* Makes NETNS_DIR a mount whose mounts appear (and disappear) in all mount
 * namespaces: else a namespace could not be removed while some service lives
 * that was started when it was there. */
static int
netns_share_dir(void)
{
    bool bound = false;
    while (mount("", NETNS_DIR, "none", MS_SHARED | MS_REC, NULL)) {
        if (errno != EINVAL || bound) {
            return -errno;
        }

        /* It is no mount of its own yet. */
        if (mount(NETNS_DIR, NETNS_DIR, "none", MS_BIND | MS_REC, NULL)) {
            return -errno;
        }
        bound = true;
    }
    return 0;
}

/* Makes a namespace and mounts it on the new file 'path'. */
static int
netns_make(const char *path)
{
    int fd = open(path, O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0);
    if (fd < 0) {
        return -errno;
    }
    close(fd);

    /* In a child, because the namespace begins as that of its maker, and this
     * process stays where it is. */
    int error;
    pid_t pid = fork();
    if (pid < 0) {
        error = -errno;
    } else if (!pid) {
        _exit(netns_make_in_child(path));
    } else {
        int status;
        pid_t waited;
        do {
            waited = waitpid(pid, &status, 0);
        } while (waited < 0 && errno == EINTR);
        error = (waited < 0 ? -errno
                 : WIFEXITED(status) ? -WEXITSTATUS(status) : -ECHILD);
    }
    if (error) {
        /* Mounted, if the child was killed right after. */
        (void) umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW);
        (void) unlink(path);        /* The first error tells more. */
    }
    return error;
}

/* Returns a positive errno, which fits into an exit status.  Between fork()
 * and _exit() of a process with threads: system calls only. */
static int
netns_make_in_child(const char *path)
{
    if (unshare(CLONE_NEWNET)) {
        return errno;
    }
    int error = netns_lo_up();
    if (error) {
        return error;
    }
    return mount("/proc/self/ns/net", path, "none", MS_BIND, NULL) ? errno : 0;
}

/* By ioctl: the command `weft` does not link libmnl. */
static int
netns_lo_up(void)
{
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return errno;
    }

    struct ifreq ifr = { .ifr_name = "lo", .ifr_flags = IFF_UP };
    int error = ioctl(fd, SIOCSIFFLAGS, &ifr) ? errno : 0;
    close(fd);
    return error;
}

/* Gives this process mounts of its own, among them the /sys of the namespace
 * that it is in now. */
static int
netns_private_mounts(const char *name)
{
    if (unshare(CLONE_NEWNS)
        || mount("", "/", "none", MS_SLAVE | MS_REC, NULL)) {
        return -errno;
    }

    /* In a container /sys may be read-only, and then it stays so. */
    unsigned long flags = 0;
    struct statvfs fs;
    if (umount2("/sys", MNT_DETACH)
        && !statvfs("/sys", &fs) && fs.f_flag & ST_RDONLY) {
        flags = MS_RDONLY;
    }
    return mount(name, "/sys", "sysfs", flags, NULL) ? -errno : 0;
}

/* Mounts each /etc/netns/NAME/x over /etc/x, if there is any.  One that cannot
 * be (there is no /etc/x) keeps nobody from running a command. */
static void
netns_bind_etc(const char *name)
{
    if (strchr(name, '/')) {
        return;                     /* A path has no files of its own. */
    }

    char *etc = xasprintf("/etc/netns/%s", name);
    DIR *dir = opendir(etc);
    struct dirent *entry;
    while (dir && (entry = readdir(dir))) {
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")) {
            continue;
        }
        char *src = xasprintf("%s/%s", etc, entry->d_name);
        char *dst = xasprintf("/etc/%s", entry->d_name);
        if (mount(src, dst, "none", MS_BIND, NULL)) {
            VLOG_WARN("cannot mount %s on %s: %s", src, dst,
                      ovs_strerror(errno));
        }
        free(src);
        free(dst);
    }
    if (dir) {
        closedir(dir);
    }
    free(etc);
}
