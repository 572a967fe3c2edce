/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "agent/who.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "agent/netns.h"
#include "overlay/request.h"
#include "sset.h"
#include "util.h"

/* The search for the namespace that this one calls 'nsid'. */
struct search {
    struct rtnl *rtnl;              /* Borrowed. */
    int nsid;
    int netns;                      /* Owned fd of what was found, or -1. */
    struct netns_id id;             /* Of 'netns'. */
    struct sset seen;               /* Inodes of those it is not. */
};

static char *who_error(const char *ifname, int error);
static int who_find_peer(struct rtnl *, struct who *);
static void who_search_names(struct search *, struct who *);
static void who_search_processes(struct search *, struct who *);
static bool who_is_in(struct search *, pid_t, struct who *);
static bool who_try(struct search *, const char *path);
static bool who_read_comm(pid_t, struct who_process *);

char *
who_lookup(const char *ifname, struct who *who)
{
    memset(who, 0, sizeof *who);
    char *why = ifname_refuse(ifname);
    if (why) {
        char *error = xasprintf("who: the interface's name %s", why);
        free(why);
        return error;
    }

    struct rtnl *rtnl;
    int error = rtnl_open(-1, &rtnl);
    if (error) {
        return who_error(ifname, error);
    }

    error = rtnl_link_get(rtnl, ifname, &who->link);
    if (error == -ENODEV) {
        rtnl_close(rtnl);
        return xasprintf("who: no interface \"%s\" on this host: see ip link",
                         ifname);
    } else if (!error && !strcmp(who->link.kind, "veth")
               && who->link.peer_ifindex) {
        error = who_find_peer(rtnl, who);
    }
    rtnl_close(rtnl);

    if (error) {
        who_finish(who);
        return who_error(ifname, error);
    }
    return NULL;
}

void
who_finish(struct who *who)
{
    free(who->netns);
    who->netns = NULL;
}

static char *
who_error(const char *ifname, int error)
{
    return xasprintf("who: cannot look up \"%s\": %s", ifname,
                     ovs_strerror(-error));
}

static int
who_find_peer(struct rtnl *rtnl, struct who *who)
{
    if (who->link.peer_nsid < 0) {
        who->where = WHO_PEER_HERE;
        return rtnl_link_get_index(rtnl, who->link.peer_ifindex, &who->peer);
    }

    struct search search = {
        .rtnl = rtnl, .nsid = who->link.peer_nsid, .netns = -1,
        .seen = SSET_INITIALIZER(&search.seen),
    };
    who_search_names(&search, who);
    who_search_processes(&search, who);
    sset_destroy(&search.seen);
    if (search.netns < 0) {
        who->where = WHO_PEER_HIDDEN;
        return 0;
    }

    who->where = WHO_PEER_INSIDE;
    struct rtnl *inside;
    int error = rtnl_open(search.netns, &inside);
    if (!error) {
        error = rtnl_link_get_index(inside, who->link.peer_ifindex,
                                    &who->peer);
        rtnl_close(inside);
    }
    close(search.netns);
    return error;
}

static void
who_search_names(struct search *search, struct who *who)
{
    struct sset names = SSET_INITIALIZER(&names);

    /* Without names there still are the processes. */
    free(netns_list(&names));
    const char *name;
    SSET_FOR_EACH (name, &names) {
        char *path = netns_path(name);
        bool found = who_try(search, path);
        free(path);
        if (found) {
            who->netns = xstrdup(name);
            break;
        }
    }
    sset_destroy(&names);
}

/* Finds who lives in the namespace, and the namespace by them if it has no
 * name. */
static void
who_search_processes(struct search *search, struct who *who)
{
    DIR *dir = opendir("/proc");
    struct dirent *entry;
    while (dir && who->n_processes < WHO_PROCESSES_MAX
           && (entry = readdir(dir))) {
        int pid;
        if (str_to_int(entry->d_name, 10, &pid)
            && who_is_in(search, pid, who)) {
            struct who_process *p = &who->processes[who->n_processes];
            who->n_processes += who_read_comm(pid, p);
        }
    }
    if (dir) {
        closedir(dir);
    }
}

/* Does 'pid' live there?  One that died meanwhile, or that we must not look
 * at, does not. */
static bool
who_is_in(struct search *search, pid_t pid, struct who *who)
{
    char path[32];
    snprintf(path, sizeof path, "/proc/%d/ns/net", (int) pid);
    struct stat s;
    if (stat(path, &s)) {
        return false;
    } else if (search->netns >= 0) {
        return s.st_dev == search->id.dev && s.st_ino == search->id.ino;
    }

    /* The kernel is asked once for each namespace, not for each process. */
    if (!sset_add_and_free(&search->seen,
                           xasprintf("%"PRIuMAX, (uintmax_t) s.st_ino))
        || !who_try(search, path)) {
        return false;
    }
    who->netns = xstrdup(path);
    return true;
}

/* Is it the namespace at 'path'?  Then keeps it open. */
static bool
who_try(struct search *search, const char *path)
{
    char *refusal;
    int fd = netns_open(path, &refusal);
    if (fd < 0) {
        free(refusal);              /* Gone, or our own. */
        return false;
    }

    int nsid;
    if (rtnl_nsid(search->rtnl, fd, &nsid) || nsid != search->nsid
        || netns_id(fd, &search->id)) {
        close(fd);
        return false;
    }
    search->netns = fd;
    return true;
}

static bool
who_read_comm(pid_t pid, struct who_process *p)
{
    char path[32];
    snprintf(path, sizeof path, "/proc/%d/comm", (int) pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }

    ssize_t n = read(fd, p->comm, sizeof p->comm - 1);
    close(fd);
    if (n <= 0) {
        return false;
    }
    p->comm[p->comm[n - 1] == '\n' ? n - 1 : n] = '\0';
    for (char *c = p->comm; *c; c++) {
        *c = isascii(*c) && isprint(*c) ? *c : '?';
    }
    p->pid = pid;
    return true;
}
