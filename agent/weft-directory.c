/* SPDX-License-Identifier: Apache-2.0 */

/* `weft directory init` and `join`: a server of the shared directory comes
 * to be. */

#include <config.h>
#include "agent/weft-directory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "agent/cluster.h"
#include "agent/tls.h"
#include "overlay/address.h"
#include "util.h"

enum {
    INIT_TIMEOUT_S = 20,
    JOIN_TIMEOUT_S = 60,
};

static char *check_self(struct weft_directory_options *, bool ssl);
static char *find_schema(const char *given);
static char *raft_address(const char *address, bool ssl);
static char *init(const struct weft_directory_options *);
static char *init_new(const struct weft_directory_options *,
                      const char *local);
static char *join(const struct weft_directory_options *,
                  const struct bundle *);
static char *join_new(const struct weft_directory_options *,
                      const struct bundle *, const char *local);

int
weft_directory_init(const struct weft_target *target OVS_UNUSED, int argc,
                    char *argv[])
{
    struct weft_directory_options o;
    if (!weft_directory_parse(argc, argv, "address name schema insecure",
                              false, &o) || !o.address) {
        free(o.address);
        return weft_usage("directory init");
    }
    char *misuse = check_self(&o, !o.insecure);
    int status = weft_directory_report(misuse ? misuse : init(&o));
    free(o.address);
    return misuse ? EXIT_USAGE : status;
}

int
weft_directory_join(const struct weft_target *target OVS_UNUSED, int argc,
                    char *argv[])
{
    struct weft_directory_options o;
    if (!weft_directory_parse(argc, argv, "address name", true, &o)
        || !o.address || !o.word) {
        free(o.address);
        return weft_usage("directory join");
    }
    struct bundle b;
    char *error = bundle_read(o.word, &b), *misuse = NULL;
    if (!error && b.name) {
        error = xasprintf("%s is for host %s, which is no server: weft "
                          "directory connect takes it; servers join with "
                          TLS_BUNDLE" of a server", o.word, b.name);
    } else if (!error) {
        misuse = check_self(&o, b.ssl);
        error = misuse ? misuse : join(&o, &b);
    }
    bundle_finish(&b);
    free(o.address);
    int status = weft_directory_report(error);
    return misuse ? EXIT_USAGE : status;
}

/* Can this host be called so, and be reached there?  NULL, or an owned
 * message. */
static char *
check_self(struct weft_directory_options *o, bool ssl)
{
    if (!o->name) {
        (void) gethostname(o->hostname, sizeof o->hostname - 1);
        o->name = o->hostname;      /* "" if that failed: no valid name. */
    }
    char *error = weft_directory_check_name(o->name);
    if (error) {
        return error;
    }
    struct in6_addr ip;
    const char *why = (!address_parse(o->address, &ip) ? "is not an address"
                       : address_refuse_unicast(&ip));
    /* A lab may live on one host alone. */
    return (why && (ssl || strcmp(why, "is a loopback address"))
            ? xasprintf("--address=%s: %s: give the one by which the other "
                        "hosts reach this host", o->address, why) : NULL);
}

/* The one of the build tree, if this program lies in one: an installed one may
 * be of another day.  Else the installed one. */
static char *
find_schema(const char *given)
{
    char program[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", program, sizeof program - 1);
    program[MAX(n, 0)] = '\0';
    char *dir = dir_name(program);
    char *built = xasprintf("%s/weft.ovsschema", dir);
    free(dir);
    if (!given && !access(built, R_OK)) {
        return built;
    }
    free(built);
    return xstrdup(given ? given : WEFT_PKGDATADIR"/weft.ovsschema");
}

/* How the other servers call this one. */
static char *
raft_address(const char *address, bool ssl)
{
    bool v6 = strchr(address, ':');
    return xasprintf("%s:%s%s%s:%d", ssl ? "ssl" : "tcp", v6 ? "[" : "",
                     address, v6 ? "]" : "", CLUSTER_RAFT_PORT);
}

/* Is the server that exists the one that is asked for? */
static char *
check_same(const char *local, const char *name, bool *joined)
{
    char *was = NULL, *cn = NULL;
    char *error = cluster_local(&was, joined);
    if (!error && !strncmp(was, "ssl:", 4)) {
        error = tls_name(&cn);
    }
    if (!error && (strcmp(was, local) || (cn && strcmp(cn, name)))) {
        error = xasprintf("this host has a server of a directory already, at "
                          "%s%s%s: weft directory leave ends it", was,
                          cn ? ", named " : "", cn ? cn : "");
    }
    free(was);
    free(cn);
    return error;
}

static char *
init(const struct weft_directory_options *o)
{
    char *local = raft_address(o->address, !o->insecure);
    char *error;
    if (cluster_exists()) {
        bool joined;
        error = check_same(local, o->name, &joined);
        if (!error && !joined) {
            error = xstrdup("this host has begun to join a directory: give "
                            "weft directory join again, or weft directory "
                            "leave");
        }
        error = error ? error : weft_directory_run();
    } else {
        error = init_new(o, local);
    }
    free(local);
    return error;
}

static char *
init_new(const struct weft_directory_options *o, const char *local)
{
    char *error = cluster_check_ports(o->address);
    if (error) {
        return error;
    }
    if (o->insecure) {
        fputs("weft: warning: --insecure: whoever reaches port 6650 or 6651 "
              "of this host can read and write the directory\n", stderr);
    } else {
        error = tls_make_ca();
        error = error ? error : tls_make_host(TLS_KEY, TLS_CERT, o->name,
                                              o->address);
    }
    char *schema = find_schema(o->schema);
    error = error ? error : cluster_create(schema, local);
    free(schema);
    error = error ? error : cluster_start();
    if (!error && !cluster_wait("connected", INIT_TIMEOUT_S)) {
        error = xstrdup("the server does not come up: see its log, "
                        "weft-directory.log");
    }
    error = error ? error : weft_directory_refresh();
    if (!error) {
        puts("\nThe directory has one server, this host.  For a further "
             "one:\n    scp "TLS_BUNDLE" OTHER:\nand there\n"
             "    weft directory join join.pem --address IP\n"
             "For a host that is no server, here: weft directory admit HOST");
    }
    return error;
}

static char *
join(const struct weft_directory_options *o, const struct bundle *b)
{
    char *local = raft_address(o->address, b->ssl);
    char *error = tls_check_ca(b);
    bool joined = false;
    if (!error && cluster_exists()) {
        error = check_same(local, o->name, &joined);
        if (!error && !joined) {    /* It was cut off: all over again. */
            error = cluster_stop();
            if (!error) {
                cluster_remove();
            }
        }
    }
    error = (error ? error : joined ? weft_directory_run()
             : join_new(o, b, local));
    free(local);
    return error;
}

/* The servers of the bundle, but for this host, which may have been one when
 * it was written. */
static struct svec
other_remotes(const struct bundle *b, const char *address, int port)
{
    struct bundle others = { .ssl = b->ssl };
    const char *server;
    size_t i;
    svec_init(&others.servers);
    SVEC_FOR_EACH (i, server, &b->servers) {
        if (strcmp(server, address)) {
            svec_add(&others.servers, server);
        }
    }
    struct svec remotes = bundle_remotes(&others, port);
    svec_destroy(&others.servers);
    return remotes;
}

/* Does one of the servers answer? */
static char *
probe(const struct bundle *b, const char *address)
{
    struct svec remotes = other_remotes(b, address, CLUSTER_CLIENT_PORT);
    const char *remote;
    char *error = NULL;
    size_t i;
    SVEC_FOR_EACH (i, remote, &remotes) {
        free(error);
        error = cluster_probe(remote);
        if (!error) {
            break;
        }
    }
    svec_destroy(&remotes);
    if (error) {
        char *more = xasprintf("no server of the directory lets this host "
                               "in: %s: does it run, and is the bundle its "
                               "own?", error);
        free(error);
        error = more;
    }
    return error;
}

/* Makes this server a member.  What fails leaves no database. */
static char *
become_member(const struct bundle *b, const char *address, const char *local)
{
    struct svec remotes = other_remotes(b, address, CLUSTER_RAFT_PORT);
    char *error = cluster_join(local, &remotes);
    svec_destroy(&remotes);
    if (error) {
        return error;
    }
    error = cluster_start();
    if (!error) {
        puts("waiting until this server is a member of the cluster ...");
        if (!cluster_wait("connected", JOIN_TIMEOUT_S)) {
            error = xasprintf("not a member of the cluster after %d s: have "
                              "its servers a quorum, and do they reach "
                              "%s?", JOIN_TIMEOUT_S, local);
        }
    }
    if (error) {
        free(cluster_stop());
        cluster_remove();
    }
    return error;
}

static char *
join_new(const struct weft_directory_options *o, const struct bundle *b,
         const char *local)
{
    char *error = cluster_check_ports(o->address);
    if (!error && b->servers.n == 1
        && !strcmp(b->servers.names[0], o->address)) {
        error = xasprintf("%s is the only server that the bundle names: there "
                          "is nobody to join", o->address);
    }
    if (!error && (!strchr(o->address, ':')
                   != !strchr(b->servers.names[0], ':'))) {
        error = xasprintf("--address=%s: the directory's servers talk %s: "
                          "give such an address", o->address,
                          strchr(o->address, ':') ? "IPv4" : "IPv6");
    }
    if (error) {
        return error;
    }
    bool had_ca = !access(TLS_CA, F_OK);
    if (b->ssl) {
        error = tls_put(b);
        error = error ? error : tls_make_host(TLS_KEY, TLS_CERT, o->name,
                                              o->address);
    }
    error = error ? error : probe(b, o->address);
    error = error ? error : become_member(b, o->address, local);
    if (error && had_ca) {
        tls_remove_ca_key();
    } else if (error) {
        tls_remove();
    }
    error = error ? error : weft_directory_refresh();
    if (!error) {
        puts("\nThis host is a server of the directory.  The servers that "
             "were there\nbefore it know it after: weft directory start");
    }
    return error;
}
