/* SPDX-License-Identifier: Apache-2.0 */

/* `weft directory start`, `stop` and `leave`: the server that this host has
 * already. */

#include <config.h>
#include "agent/weft-directory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "agent/cluster-status.h"
#include "agent/cluster.h"
#include "agent/tls.h"
#include "agent/weftconf.h"
#include "util.h"

enum {
    START_TIMEOUT_S = 10,
    LEAVE_TIMEOUT_S = 30,
};

static char *leave(bool yes);
static char *leave_cluster(void);

int
weft_directory_start(const struct weft_target *target OVS_UNUSED,
                     int argc OVS_UNUSED, char *argv[] OVS_UNUSED)
{
    if (!cluster_exists()) {
        return weft_directory_report(
            xstrdup("this host has no server of the directory: weft "
                    "directory init makes the first, join a further one"));
    }
    return weft_directory_report(weft_directory_run());
}

char *
weft_directory_run(void)
{
    if (cluster_is_running()) {
        puts("the directory's server of this host runs already");
    }
    char *error = cluster_start();
    if (error) {
        return error;
    }
    if (!cluster_wait("connected", START_TIMEOUT_S)) {
        puts("it runs, but there is no quorum: start the other servers");
        return NULL;
    }
    return weft_directory_refresh();
}

int
weft_directory_stop(const struct weft_target *target OVS_UNUSED,
                    int argc OVS_UNUSED, char *argv[] OVS_UNUSED)
{
    if (!cluster_is_running()) {
        puts("no server of the directory runs on this host");
    }
    return weft_directory_report(cluster_stop());
}

int
weft_directory_leave(const struct weft_target *target OVS_UNUSED, int argc,
                     char *argv[])
{
    struct weft_directory_options o;
    if (!weft_directory_parse(argc, argv, "yes", false, &o)) {
        return weft_usage("directory leave");
    }
    if (!cluster_exists()) {
        puts("this host has no server of the directory");
        return EXIT_SUCCESS;
    }
    return weft_directory_report(leave(o.yes));
}

char *
weft_directory_servers(bool others, struct bundle *b)
{
    struct cluster_status s;
    bundle_init(b);
    char *error = cluster_read_status(&s);
    for (size_t i = 0; !error && i < s.n_servers; i++) {
        if (!others || !s.servers[i].self) {
            svec_add_nocopy(&b->servers,
                            cluster_status_ip(s.servers[i].address));
        }
    }
    b->ssl = !error && !strncmp(s.address, "ssl:", 4);
    while (b->servers.n > BUNDLE_SERVERS_MAX) {
        free(b->servers.names[--b->servers.n]);
    }
    cluster_status_finish(&s);
    return error;
}

char *
weft_directory_refresh(void)
{
    struct bundle b;
    char *error = weft_directory_servers(false, &b);
    if (!error && b.ssl) {
        error = tls_read(TLS_CA, &b.ca);
        error = error ? error : tls_read(TLS_CA_KEY, &b.ca_key);
    }
    error = error ? error : tls_put_bundle(&b);
    error = error ? error : weftconf_set_directory(&b);
    bundle_finish(&b);
    return error;
}

static char *
leave(bool yes)
{
    bool joined;
    char *local = NULL;
    char *error = cluster_local(&local, &joined);
    free(local);
    if (error) {
        return error;
    } else if (!joined) {
        error = cluster_stop();
        if (!error) {
            cluster_remove();
            puts("this host had begun to join, and does so no longer");
        }
        return error;
    }
    struct bundle others;
    error = weft_directory_servers(true, &others);
    bool out = error && strstr(error, "unknown cluster");
    if (out) {                      /* One before waited in vain. */
        free(error);
        error = NULL;
    }
    bool last = !out && !others.servers.n;
    if (out) {
        puts("this server is out of the cluster already");
    } else if (!error && !last) {
        error = leave_cluster();
    } else if (!error && !yes) {
        error = xstrdup("this is the directory's last server, and what is in "
                        "it goes with it: give --yes if that is meant");
    }
    error = error ? error : cluster_stop();
    char *aside = NULL;
    error = error ? error : cluster_set_aside(&aside);
    if (!error) {
        printf("the database is now %s\n", aside);
    }
    if (!error && last) {
        puts("the directory is gone; "WEFTCONF" of its hosts still names it");
    } else if (!error) {
        tls_remove_ca_key();        /* Of no use on a host that only asks. */
        error = out ? NULL : weftconf_set_directory(&others);
    }
    free(aside);
    bundle_finish(&others);
    return error;
}

static char *
leave_cluster(void)
{
    struct cluster_status s;
    char *error = cluster_read_status(&s);
    if (!error && !s.quorum) {
        error = xstrdup("there is no quorum, so nobody can leave: start "
                        "more of the servers that weft directory status "
                        "calls not reachable");
    }
    cluster_status_finish(&s);
    error = error ? error : cluster_appctl(TOOL_PRINT, "cluster/leave", NULL);
    if (error && strstr(error, "already in progress")) {
        free(error);
        error = NULL;
    }
    if (!error) {
        puts("waiting until this server is out of the cluster ...");
        if (!cluster_wait("removed", LEAVE_TIMEOUT_S)) {
            error = xasprintf("not out of the cluster after %d s: it goes "
                              "on; see weft directory status, and give weft "
                              "directory leave again", LEAVE_TIMEOUT_S);
        }
    }
    return error;
}
