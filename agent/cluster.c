/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "agent/cluster.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include "agent/tls.h"
#include "daemon.h"
#include "dirs.h"
#include "overlay/address.h"
#include "packets.h"
#include "util.h"

#define NEW_DB CLUSTER_DIR "/directory.db.new"
#define FIRST_DB CLUSTER_DIR "/directory.db.first"

enum {
    STOP_TRIES = 100,               /* Of 100 ms. */
    PROBE_TIMEOUT_S = 5,
    APPCTL_TIMEOUT_S = 10,
};

static bool wait_for(const char *remote, const char *state, int seconds);
static char *run_path(const char *suffix);
static char *first_rows(const char *local);
static char *make_dir(void);
static char *remove_new(char *error);
static char *put_in_place(void);
static void add_tls(struct svec *argv);

bool
cluster_exists(void)
{
    return !access(CLUSTER_DB, F_OK);
}

bool
cluster_is_running(void)
{
    char *pidfile = run_path("pid");
    bool running = !access(pidfile, F_OK) && read_pidfile(pidfile) > 0;
    free(pidfile);
    return running;
}

char *
cluster_socket(void)
{
    return xasprintf("unix:%s/weft-directory.sock", ovs_rundir());
}

static int
try_bind(const struct in6_addr *ip, bool any, int port)
{
    bool v4 = address_is_v4(ip);
    struct sockaddr_in sin = {
        .sin_family = AF_INET,
        .sin_port = htons(port),
        .sin_addr.s_addr = any ? htonl(INADDR_ANY)
                           : in6_addr_get_mapped_ipv4(ip),
    };
    struct sockaddr_in6 sin6 = {
        .sin6_family = AF_INET6,
        .sin6_port = htons(port),
        .sin6_addr = any ? in6addr_any : *ip,
    };
    int fd = socket(v4 ? AF_INET : AF_INET6, SOCK_STREAM, 0);
    if (fd < 0) {
        return errno;
    }
    int on = 1;
    int error = (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on)
                 || bind(fd, (v4 ? (struct sockaddr *) &sin
                              : (struct sockaddr *) &sin6),
                         v4 ? sizeof sin : sizeof sin6)
                 || listen(fd, 1) ? errno : 0);
    close(fd);
    return error;
}

char *
cluster_check_ports(const char *address)
{
    struct in6_addr ip;
    if (!address_parse(address, &ip)) {
        return xasprintf("%s: not an address", address);
    }
    int error = try_bind(&ip, false, CLUSTER_RAFT_PORT);
    if (error == EADDRNOTAVAIL) {
        return xasprintf("%s is not an address of this host: see ip address",
                         address);
    }
    int port = error ? CLUSTER_RAFT_PORT : CLUSTER_CLIENT_PORT;
    error = error ? error : try_bind(&ip, true, CLUSTER_CLIENT_PORT);
    return (error ? xasprintf("cannot listen on port %d: %s: see ss -ltnp",
                              port, ovs_strerror(error)) : NULL);
}

char *
cluster_create(const char *schema, const char *local)
{
    char *error = make_dir();
    if (error) {
        return error;
    }
    struct svec argv = SVEC_EMPTY_INITIALIZER;
    tool_add(&argv, "ovsdb-tool", "create", FIRST_DB, schema);
    error = tool_run(TOOL_PRINT, &argv, NULL);
    if (error) {
        return remove_new(error);
    }

    /* The first rows before the first start: nobody ever meets a listener
     * without its role, and an init that was cut off has left nothing. */
    char *rows = first_rows(local), *result;
    argv = (struct svec) SVEC_EMPTY_INITIALIZER;
    tool_add(&argv, "ovsdb-tool", "transact", FIRST_DB, rows);
    free(rows);
    error = tool_run(TOOL_PRINT, &argv, &result);
    if (!error && strstr(result, "\"error\"")) {
        error = xasprintf("%s: is not this weft's schema: %.400s", schema,
                          result);
        error[strcspn(error, "\n")] = '\0';
    }
    free(result);
    if (!error) {
        argv = (struct svec) SVEC_EMPTY_INITIALIZER;
        tool_add(&argv, "ovsdb-tool", "create-cluster", NEW_DB, FIRST_DB,
                 local);
        error = tool_run(TOOL_PRINT, &argv, NULL);
    }
    return error ? remove_new(error) : put_in_place();
}

char *
cluster_join(const char *local, const struct svec *remotes)
{
    char *error = make_dir();
    if (error) {
        return error;
    }
    struct svec argv = SVEC_EMPTY_INITIALIZER;
    tool_add(&argv, "ovsdb-tool", "join-cluster", NEW_DB, CLUSTER_NAME, local);
    svec_append(&argv, remotes);
    error = tool_run(TOOL_PRINT, &argv, NULL);
    return error ? remove_new(error) : put_in_place();
}

char *
cluster_local(char **local, bool *joined)
{
    struct svec argv = SVEC_EMPTY_INITIALIZER;
    tool_add(&argv, "ovsdb-tool", "db-local-address", CLUSTER_DB);
    char *error = tool_run(TOOL_QUIET, &argv, local);
    if (error) {
        return error;
    }
    (*local)[strcspn(*local, "\n")] = '\0';
    if (joined) {
        /* Fails as long as the cluster is not known. */
        argv = (struct svec) SVEC_EMPTY_INITIALIZER;
        tool_add(&argv, "ovsdb-tool", "db-cid", CLUSTER_DB);
        char *no = tool_run(TOOL_QUIET, &argv, NULL);
        *joined = !no;
        free(no);
    }
    return NULL;
}

char *
cluster_start(void)
{
    if (cluster_is_running()) {
        return NULL;
    }
    char *local = NULL;
    char *error = cluster_local(&local, NULL);
    if (error) {
        return error;
    }
    char *paths[] = { run_path("pid"), run_path("ctl"), cluster_socket() };
    struct svec argv = SVEC_EMPTY_INITIALIZER;
    tool_add(&argv, "ovsdb-server", "--detach", "--monitor", "--no-chdir",
             "-vconsole:off", "-vsyslog:err", "-vfile:info");
    svec_add_nocopy(&argv, xasprintf("--log-file=%s/weft-directory.log",
                                     ovs_logdir()));
    svec_add_nocopy(&argv, xasprintf("--pidfile=%s", paths[0]));
    svec_add_nocopy(&argv, xasprintf("--unixctl=%s", paths[1]));
    svec_add_nocopy(&argv, xasprintf("--remote=p%s", paths[2]));
    tool_add(&argv, "--remote=db:"CLUSTER_NAME",Directory,connections");
    if (!strncmp(local, "ssl:", 4)) {
        add_tls(&argv);
    }
    tool_add(&argv, CLUSTER_DB);
    error = tool_run(TOOL_PRINT, &argv, NULL);
    if (error) {
        char *more = xasprintf("%s: see %s/weft-directory.log", error,
                               ovs_logdir());
        free(error);
        error = more;
    }
    for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
        free(paths[i]);
    }
    free(local);
    return error;
}

char *
cluster_stop(void)
{
    if (!cluster_is_running()) {
        return NULL;
    }
    char *error = cluster_appctl(TOOL_PRINT, "exit", NULL);
    for (int i = 0; !error && cluster_is_running(); i++) {
        if (i == STOP_TRIES) {
            error = xstrdup("the directory's server does not end: see its "
                            "log");
        }
        usleep(100 * 1000);
    }
    return error;
}

char *
cluster_probe(const char *remote)
{
    struct svec argv = SVEC_EMPTY_INITIALIZER;
    tool_add(&argv, "ovsdb-client", "--no-leader-only");
    svec_add_nocopy(&argv, xasprintf("--timeout=%d", PROBE_TIMEOUT_S));
    if (!strncmp(remote, "ssl:", 4)) {
        add_tls(&argv);
    }
    tool_add(&argv, "get-schema-version", remote, CLUSTER_NAME);
    char *error = tool_run(TOOL_PRINT, &argv, NULL);
    if (!error && !wait_for(remote, "connected", PROBE_TIMEOUT_S)) {
        error = xasprintf("%s: has no quorum", remote);
    }
    return error;
}

bool
cluster_wait(const char *state, int seconds)
{
    char *socket = cluster_socket();
    bool done = wait_for(socket, state, seconds);
    free(socket);
    return done;
}

char *
cluster_appctl(enum tool_echo echo, const char *command, char **output)
{
    char *ctl = run_path("ctl");
    struct svec argv = SVEC_EMPTY_INITIALIZER;
    tool_add(&argv, "ovs-appctl");
    svec_add_nocopy(&argv, xasprintf("--timeout=%d", APPCTL_TIMEOUT_S));
    tool_add(&argv, "-t", ctl, command);
    if (!strncmp(command, "cluster/", 8)) {
        svec_add(&argv, CLUSTER_NAME);
    }
    free(ctl);
    return tool_run(echo, &argv, output);
}

char *
cluster_read_status(struct cluster_status *s)
{
    char *text;
    *s = (struct cluster_status) { .n_servers = 0 };
    if (!cluster_exists()) {
        return xstrdup("this host has no server of the directory: weft "
                       "directory init makes the first, join a further one");
    } else if (!cluster_is_running()) {
        return xstrdup("the directory's server of this host does not run: "
                       "weft directory start");
    }
    char *error = cluster_appctl(TOOL_QUIET, "cluster/status", &text);
    if (!error) {
        cluster_status_parse(s, text);
        free(text);
    }
    return error;
}

char *
cluster_set_aside(char **path)
{
    *path = NULL;
    for (int n = 1; !*path; n++) {
        char *aside = xasprintf("%s.left-%d", CLUSTER_DB, n);
        if (access(aside, F_OK)) {
            *path = aside;
        } else {
            free(aside);
        }
    }
    return (rename(CLUSTER_DB, *path)
            ? xasprintf("%s: cannot be moved to %s: %s", CLUSTER_DB, *path,
                        ovs_strerror(errno)) : NULL);
}

void
cluster_remove(void)
{
    (void) unlink(CLUSTER_DB);
}

static bool
wait_for(const char *remote, const char *state, int seconds)
{
    struct svec argv = SVEC_EMPTY_INITIALIZER;
    tool_add(&argv, "ovsdb-client");
    svec_add_nocopy(&argv, xasprintf("--timeout=%d", seconds));
    if (!strncmp(remote, "ssl:", 4)) {
        add_tls(&argv);
    }
    tool_add(&argv, "wait", remote, CLUSTER_NAME, state);
    char *error = tool_run(TOOL_PRINT, &argv, NULL);
    bool done = !error;
    free(error);
    return done;
}

/* Of the server's files in the run directory.  Owned. */
static char *
run_path(const char *suffix)
{
    return xasprintf("%s/weft-directory.%s", ovs_rundir(), suffix);
}

/* The listener, which gives all who come the one role, and what that may
 * write: what a host says of itself, under the name in its certificate.  The
 * listener of a family, not of an address: the row is the same on all servers.
 * Without TLS there are no names, and a role would let nobody write. */
static char *
first_rows(const char *local)
{
    static const char permission[] =
        "{\"op\": \"insert\", \"table\": \"RBAC_Permission\", "
        "\"uuid-name\": \"%s\", \"row\": {\"table\": \"%s\", "
        "\"authorization\": \"%s\", \"insert_delete\": true, "
        "\"update\": [\"set\", [%s]]}}, ";
    static const char *const tables[][3] = {
        { "Host", "name", "\"address\", \"port\", \"version\"" },
        { "Heartbeat", "host", "\"seen\"" },
        { "Endpoint", "host", "" },
        { "Claim", "host", "" },
    };
    bool ssl = !strncmp(local, "ssl:", 4);
    struct ds s = DS_EMPTY_INITIALIZER;
    ds_put_format(&s, "[\""CLUSTER_NAME"\", {\"op\": \"insert\", "
                  "\"table\": \"Connection\", \"uuid-name\": \"listener\", "
                  "\"row\": {\"target\": \"%s:%d:%s\", \"role\": \"%s\"}}, "
                  "{\"op\": \"insert\", \"table\": \"Directory\", \"row\": "
                  "{\"dead_after\": 0, "
                  "\"connections\": [\"named-uuid\", \"listener\"]}}, ",
                  ssl ? "pssl" : "ptcp", CLUSTER_CLIENT_PORT,
                  strchr(local, '[') ? "[::]" : "0.0.0.0",
                  ssl ? CLUSTER_ROLE : "");
    for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
        ds_put_format(&s, permission, tables[i][0], tables[i][0],
                      tables[i][1], tables[i][2]);
    }
    ds_put_cstr(&s, "{\"op\": \"insert\", \"table\": \"RBAC_Role\", "
                "\"row\": {\"name\": \""CLUSTER_ROLE"\", "
                "\"permissions\": [\"map\", [");
    for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
        ds_put_format(&s, "%s[\"%s\", [\"named-uuid\", \"%s\"]]",
                      i ? ", " : "", tables[i][0], tables[i][0]);
    }
    ds_put_cstr(&s, "]]}}]");
    return ds_steal_cstr(&s);
}

/* Removes what is not in place yet, and the locks of the tools.  Returns
 * 'error'. */
static char *
remove_new(char *error)
{
    static const char *const files[] = {
        NEW_DB, CLUSTER_DIR "/.directory.db.new.~lock~",
        FIRST_DB, CLUSTER_DIR "/.directory.db.first.~lock~",
    };
    for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
        (void) unlink(files[i]);    /* Mostly there is nothing. */
    }
    return error;
}

static char *
make_dir(void)
{
    if (mkdir(CLUSTER_DIR, 0755) && errno != EEXIST) {
        return xasprintf("%s: cannot be made: %s", CLUSTER_DIR,
                         ovs_strerror(errno));
    }
    return remove_new(NULL);
}

static char *
put_in_place(void)
{
    char *error = (rename(NEW_DB, CLUSTER_DB)
                   ? xasprintf("%s: cannot be made: %s", CLUSTER_DB,
                               ovs_strerror(errno)) : NULL);
    return remove_new(error);
}

static void
add_tls(struct svec *argv)
{
    tool_add(argv, "--private-key="TLS_KEY, "--certificate="TLS_CERT,
             "--ca-cert="TLS_CA);
}
