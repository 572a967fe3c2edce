/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "agent/rtnl-socket.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "agent/netns.h"
#include "util.h"

struct rtnl {
    struct mnl_socket *mnl;         /* Owned. */
    uint32_t seq;                   /* Of the newest message. */
    struct ofpbuf request;          /* Messages not sent yet... */
    size_t n;                       /* ...how many... */
    bool open;                      /* ...the last of which has its length
                                     * only in its header so far. */
    _Alignas(struct nlmsghdr) uint8_t reply[RTNL_REPLY_SIZE];
};

static void rtnl_seal(struct rtnl *);
static void rtnl_clear(struct rtnl *);
static int rtnl_send(struct rtnl *);
static int rtnl_recv(struct rtnl *, size_t *lenp);
static int rtnl_read_answers(struct rtnl *, int errors[],
                             void (*reply)(const struct nlmsghdr *, void *),
                             void *aux);
static int rtnl_dump_once(struct rtnl *, size_t size,
                          bool (*parse)(const struct nlmsghdr *, void *item),
                          struct ofpbuf *items);
static int rtnl_error(const struct nlmsghdr *);

int
rtnl_open(int netns, struct rtnl **rtnlp)
{
    *rtnlp = NULL;

    int type = SOCK_RAW | SOCK_CLOEXEC;
    int fd = (netns < 0
              ? socket(AF_NETLINK, type, NETLINK_ROUTE)
              : netns_socket(netns, AF_NETLINK, type, NETLINK_ROUTE));
    if (fd < 0) {
        return netns < 0 ? -errno : fd;
    }

    struct mnl_socket *mnl = mnl_socket_fdopen(fd);
    if (!mnl || mnl_socket_bind(mnl, 0, MNL_SOCKET_AUTOPID) < 0) {
        int error = -errno;
        if (mnl) {
            mnl_socket_close(mnl);
        } else {
            close(fd);
        }
        return error;
    }

    /* An error need not bring our own message back.  An old kernel that does
     * not know the option only sends longer answers. */
    (void) mnl_socket_setsockopt(mnl, NETLINK_CAP_ACK, &(int) { 1 },
                                 sizeof(int));

    struct rtnl *rtnl = xmalloc(sizeof *rtnl);
    rtnl->mnl = mnl;
    rtnl->seq = 0;
    rtnl->n = 0;
    rtnl->open = false;
    ofpbuf_init(&rtnl->request, 4 * RTNL_MESSAGE_MAX);
    *rtnlp = rtnl;
    return 0;
}

void
rtnl_close(struct rtnl *rtnl)
{
    if (rtnl) {
        mnl_socket_close(rtnl->mnl);
        ofpbuf_uninit(&rtnl->request);
        free(rtnl);
    }
}

int
rtnl_fd(const struct rtnl *rtnl)
{
    return mnl_socket_get_fd(rtnl->mnl);
}

void
rtnl_set_strict(struct rtnl *rtnl, bool strict)
{
    (void) mnl_socket_setsockopt(rtnl->mnl, NETLINK_GET_STRICT_CHK,
                                 &(int) { strict }, sizeof(int));
}

struct nlmsghdr *
rtnl_put(struct rtnl *rtnl, uint16_t type, uint16_t flags)
{
    rtnl_seal(rtnl);
    ofpbuf_prealloc_tailroom(&rtnl->request, RTNL_MESSAGE_MAX);

    struct nlmsghdr *nlh = mnl_nlmsg_put_header(ofpbuf_tail(&rtnl->request));
    nlh->nlmsg_type = type;
    nlh->nlmsg_flags = NLM_F_REQUEST | flags;
    nlh->nlmsg_seq = ++rtnl->seq;
    rtnl->n++;
    rtnl->open = true;
    return nlh;
}

int
rtnl_transact(struct rtnl *rtnl, int errors[],
              void (*reply)(const struct nlmsghdr *, void *aux), void *aux)
{
    /* The kernel works through the messages in their order and reports a
     * failure unasked, so when the last one is acknowledged all are done. */
    ovs_assert(rtnl->open);
    struct nlmsghdr *last = ofpbuf_tail(&rtnl->request);
    last->nlmsg_flags |= NLM_F_ACK;

    size_t n = rtnl->n;
    for (size_t i = 0; errors && i < n; i++) {
        errors[i] = 0;
    }

    int error = rtnl_send(rtnl);
    int first = 0;
    if (!error) {
        first = rtnl_read_answers(rtnl, errors, reply, aux);
    } else {
        for (size_t i = 0; errors && i < n; i++) {
            errors[i] = error;
        }
    }
    rtnl_clear(rtnl);
    return error ? error : first;
}

int
rtnl_dump(struct rtnl *rtnl, size_t size,
          bool (*parse)(const struct nlmsghdr *, void *item),
          struct ofpbuf *items)
{
    ovs_assert(rtnl->n == 1);
    rtnl_seal(rtnl);

    size_t start = items->size;
    int error = -EINTR;
    for (int i = 0; i < RTNL_DUMP_TRIES && error == -EINTR; i++) {
        items->size = start;
        error = rtnl_dump_once(rtnl, size, parse, items);
    }
    rtnl_clear(rtnl);
    return error == -EINTR ? -EAGAIN : error;
}

/* Takes the message that is being put into 'request'. */
static void
rtnl_seal(struct rtnl *rtnl)
{
    if (rtnl->open) {
        const struct nlmsghdr *nlh = ofpbuf_tail(&rtnl->request);
        ovs_assert(nlh && nlh->nlmsg_len <= RTNL_MESSAGE_MAX);
        ofpbuf_put_uninit(&rtnl->request, MNL_ALIGN(nlh->nlmsg_len));
        rtnl->open = false;
    }
}

static void
rtnl_clear(struct rtnl *rtnl)
{
    ofpbuf_clear(&rtnl->request);
    rtnl->n = 0;
    rtnl->open = false;
}

static int
rtnl_send(struct rtnl *rtnl)
{
    rtnl_seal(rtnl);

    ssize_t n;
    do {
        n = mnl_socket_sendto(rtnl->mnl, rtnl->request.data,
                              rtnl->request.size);
    } while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : 0;
}

static int
rtnl_recv(struct rtnl *rtnl, size_t *lenp)
{
    ssize_t n;
    do {
        n = mnl_socket_recvfrom(rtnl->mnl, rtnl->reply, sizeof rtnl->reply);
    } while (n < 0 && errno == EINTR);
    *lenp = n < 0 ? 0 : n;
    return n < 0 ? -errno : 0;
}

/* Reads until the last message is acknowledged.  Returns the first error. */
static int
rtnl_read_answers(struct rtnl *rtnl, int errors[],
                  void (*reply)(const struct nlmsghdr *, void *), void *aux)
{
    /* Whatever was left unread by a request that failed half-way has an older
     * number and is passed over. */
    uint32_t seq0 = rtnl->seq - rtnl->n + 1;
    int first = 0;

    for (;;) {
        size_t size;
        int error = rtnl_recv(rtnl, &size);
        if (error) {
            /* Answers are lost, and nobody knows whose. */
            for (size_t i = 0; errors && i < rtnl->n; i++) {
                errors[i] = errors[i] ? errors[i] : error;
            }
            return first ? first : error;
        }

        int len = size;
        const struct nlmsghdr *nlh = (const void *) rtnl->reply;
        for (; mnl_nlmsg_ok(nlh, len); nlh = mnl_nlmsg_next(nlh, &len)) {
            uint32_t i = nlh->nlmsg_seq - seq0;
            if (i >= rtnl->n) {
                continue;
            } else if (nlh->nlmsg_type == NLMSG_ERROR) {
                error = rtnl_error(nlh);
                first = first ? first : error;
                if (errors) {
                    errors[i] = error;
                }
                if (i == rtnl->n - 1) {
                    return first;
                }
            } else if (reply) {
                reply(nlh, aux);
            }
        }
    }
}

/* Returns -EINTR if the kernel says that what it told does not fit together,
 * because the table changed meanwhile. */
static int
rtnl_dump_once(struct rtnl *rtnl, size_t size,
               bool (*parse)(const struct nlmsghdr *, void *item),
               struct ofpbuf *items)
{
    struct nlmsghdr *request = rtnl->request.data;
    request->nlmsg_seq = ++rtnl->seq;
    int error = rtnl_send(rtnl);
    bool interrupted = false;

    /* An interrupted one is read to its end too: the kernel begins no second
     * dump on the same socket before. */
    while (!error) {
        size_t n;
        error = rtnl_recv(rtnl, &n);

        int len = n;
        const struct nlmsghdr *nlh = (const void *) rtnl->reply;
        for (; mnl_nlmsg_ok(nlh, len); nlh = mnl_nlmsg_next(nlh, &len)) {
            if (nlh->nlmsg_seq != rtnl->seq) {
                continue;
            }
            interrupted |= (nlh->nlmsg_flags & NLM_F_DUMP_INTR) != 0;
            if (nlh->nlmsg_type == NLMSG_DONE
                || nlh->nlmsg_type == NLMSG_ERROR) {
                error = rtnl_error(nlh);
                return error ? error : interrupted ? -EINTR : 0;
            }
            ofpbuf_prealloc_tailroom(items, size);
            if (parse(nlh, ofpbuf_tail(items))) {
                ofpbuf_put_uninit(items, size);
            }
        }
    }
    return error;
}

/* The negative errno that NLMSG_ERROR and NLMSG_DONE begin with, or 0. */
static int
rtnl_error(const struct nlmsghdr *nlh)
{
    if (mnl_nlmsg_get_payload_len(nlh) < sizeof(int)) {
        return nlh->nlmsg_type == NLMSG_DONE ? 0 : -EBADMSG;
    }
    const int *error = mnl_nlmsg_get_payload(nlh);
    return *error > 0 ? -*error : *error;
}
