/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "agent/firewall.h"

#include <errno.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <nftables/libnftables.h>
#include <stdlib.h>
#include "openvswitch/vlog.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(firewall);

struct firewall_monitor {
    struct mnl_socket *socket;
    struct event *event;
    void (*changed)(void *aux);
    void *aux;
};

static char *run(const char *commands, char **output);
static void handle_readable(evutil_socket_t, short what, void *monitor);

char *
firewall_run(const char *commands)
{
    return run(commands, NULL);
}

char *
firewall_list(const char *what)
{
    char *command = xasprintf("list %s", what);
    char *output = NULL;
    free(run(command, &output));
    free(command);
    return output;
}

char *
firewall_keep(const char *what, const char *commands, char **installed,
              bool *changed)
{
    char *now = *installed ? firewall_list(what) : NULL;
    bool same = now && !strcmp(now, *installed);
    free(now);
    *changed = *installed && !same;
    if (same) {
        return NULL;
    }
    char *error = firewall_run(commands);
    free(*installed);
    *installed = error ? NULL : firewall_list(what);
    return error;
}

/* Not as JSON: libnftables makes that with libjansson, whose json_array() and
 * others libopenvswitch's would stand in for.  A chain is listed as
 *
 *     table ip filter {
 *             chain FORWARD {
 *                     type filter hook forward priority filter; policy drop;
 */
char *
firewall_foreign_drop(const char *link)
{
    char *output = firewall_list("chains");
    char *problem = NULL;
    char table[128] = "", chain[128] = "";
    char *save = NULL;
    for (char *line = output ? strtok_r(output, "\n", &save) : NULL;
         line && !problem; line = strtok_r(NULL, "\n", &save)) {
        if (sscanf(line, "table %127[^{]", table) == 1
            || sscanf(line, " chain %127s", chain) == 1
            || !strstr(line, " hook forward ")
            || !strstr(line, "policy drop;")) {
            continue;
        }
        char *what = xasprintf("table %s", table);
        char *rules = firewall_list(what);
        if (!rules || !strstr(rules, link)) {
            problem = xasprintf(
                "chain %s of nftables table %sdrops what is forwarded: accept "
                "iifname %s and oifname %s there", chain, table, link, link);
        }
        free(rules);
        free(what);
    }
    free(output);
    return problem;
}

struct firewall_monitor *
firewall_monitor_create(struct event_base *base, void (*changed)(void *aux),
                        void *aux)
{
    struct firewall_monitor *m = xzalloc(sizeof *m);
    m->changed = changed;
    m->aux = aux;
    m->socket = mnl_socket_open2(NETLINK_NETFILTER,
                                 SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (!m->socket
        || mnl_socket_bind(m->socket, 1u << (NFNLGRP_NFTABLES - 1),
                           MNL_SOCKET_AUTOPID) < 0) {
        VLOG_WARN("no events of nftables: %s", ovs_strerror(errno));
        return m;
    }
    m->event = event_new(base, mnl_socket_get_fd(m->socket),
                         EV_READ | EV_PERSIST, handle_readable, m);
    event_add(m->event, NULL);
    return m;
}

void
firewall_monitor_destroy(struct firewall_monitor *m)
{
    if (m) {
        if (m->event) {
            event_free(m->event);
        }
        if (m->socket) {
            mnl_socket_close(m->socket);
        }
        free(m);
    }
}

static void
handle_readable(evutil_socket_t fd OVS_UNUSED, short what OVS_UNUSED,
                void *m_)
{
    struct firewall_monitor *m = m_;
    char buf[8192];
    ssize_t n;
    do {                            /* ENOBUFS: something was lost: as good as
                                     * an event. */
        n = mnl_socket_recvfrom(m->socket, buf, sizeof buf);
    } while (n > 0 || (n < 0 && errno == EINTR));
    m->changed(m->aux);
}

/* 'output' may be null, or gets what was printed, owned, if all is well. */
static char *
run(const char *commands, char **output)
{
    struct nft_ctx *nft = nft_ctx_new(NFT_CTX_DEFAULT);
    if (!nft) {
        return xasprintf("nftables: no context");
    }
    nft_ctx_buffer_output(nft);
    nft_ctx_buffer_error(nft);
    char *error = NULL;
    if (nft_run_cmd_from_buffer(nft, commands)) {
        const char *text = nft_ctx_get_error_buffer(nft);
        error = xasprintf("nftables: %.*s", (int) strcspn(text, "\n"), text);
    } else if (output) {
        *output = xstrdup(nft_ctx_get_output_buffer(nft));
    }
    nft_ctx_free(nft);
    return error;
}
