/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "agent/reaper.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>
#include "agent/rtnl.h"
#include "openvswitch/thread.h"
#include "openvswitch/vlog.h"
#include "ovs-thread.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(reaper);

enum {
    GATHER_MS = 10,
    GROUP_MAX = 1024,               /* Links deleted at once. */
};

/* A group number that nobody else uses: others count from 0. */
#define GROUP_BASE UINT32_C(0x57000000)

struct reaper {
    struct ovs_mutex mutex;
    pthread_cond_t cond;
    int *pending OVS_GUARDED;       /* Ifindexes. */
    size_t n OVS_GUARDED, allocated OVS_GUARDED;
    bool busy OVS_GUARDED;          /* Some are being deleted now. */
    bool hurry OVS_GUARDED;         /* Somebody waits: do not gather. */
    bool stop OVS_GUARDED;
    struct rtnl *rtnl;
    pthread_t thread;
};

static void *reaper_main(void *);

struct reaper *
reaper_create(void)
{
    struct reaper *r = xzalloc(sizeof *r);
    int error = rtnl_open(-1, &r->rtnl);
    if (error) {
        ovs_fatal(-error, "rtnetlink: could not open a socket");
    }
    ovs_mutex_init(&r->mutex);
    xpthread_cond_init(&r->cond, NULL);
    r->thread = ovs_thread_create("reaper", reaper_main, r);
    return r;
}

void
reaper_destroy(struct reaper *r)
{
    if (!r) {
        return;
    }
    reaper_flush(r);
    ovs_mutex_lock(&r->mutex);
    r->stop = true;
    xpthread_cond_broadcast(&r->cond);
    ovs_mutex_unlock(&r->mutex);
    xpthread_join(r->thread, NULL);

    rtnl_close(r->rtnl);
    xpthread_cond_destroy(&r->cond);
    ovs_mutex_destroy(&r->mutex);
    free(r->pending);
    free(r);
}

void
reaper_add(struct reaper *r, int ifindex)
{
    ovs_mutex_lock(&r->mutex);
    if (r->n >= r->allocated) {
        r->pending = x2nrealloc(r->pending, &r->allocated,
                                sizeof *r->pending);
    }
    r->pending[r->n++] = ifindex;
    xpthread_cond_broadcast(&r->cond);
    ovs_mutex_unlock(&r->mutex);
}

void
reaper_flush(struct reaper *r)
{
    ovs_mutex_lock(&r->mutex);
    r->hurry = true;
    xpthread_cond_broadcast(&r->cond);
    while (r->n || r->busy) {
        ovs_mutex_cond_wait(&r->cond, &r->mutex);
    }
    r->hurry = false;
    ovs_mutex_unlock(&r->mutex);
}

static void
delete_links(struct reaper *r, const int *ifindexes, size_t n)
{
    for (size_t i = 0; i < n; i += GROUP_MAX) {
        int error = rtnl_links_del(r->rtnl, ifindexes + i,
                                   MIN(n - i, GROUP_MAX), GROUP_BASE);
        if (error) {
            VLOG_WARN("could not delete %"PRIuSIZE" links as a group: %s",
                      MIN(n - i, GROUP_MAX), ovs_strerror(-error));
        }
    }
}

static void *
reaper_main(void *r_)
{
    struct reaper *r = r_;

    ovs_mutex_lock(&r->mutex);
    while (!r->stop) {
        if (!r->n) {
            ovs_mutex_cond_wait(&r->cond, &r->mutex);
            continue;
        }
        r->busy = true;
        if (!r->hurry) {
            ovs_mutex_unlock(&r->mutex);
            xnanosleep(GATHER_MS * 1000 * 1000);
            ovs_mutex_lock(&r->mutex);
        }
        int *ifindexes = r->pending;
        size_t n = r->n;
        r->pending = NULL;
        r->n = r->allocated = 0;
        ovs_mutex_unlock(&r->mutex);

        delete_links(r, ifindexes, n);
        free(ifindexes);

        ovs_mutex_lock(&r->mutex);
        r->busy = false;
        xpthread_cond_broadcast(&r->cond);
    }
    ovs_mutex_unlock(&r->mutex);
    return NULL;
}
