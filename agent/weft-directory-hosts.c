/* SPDX-License-Identifier: Apache-2.0 */

/* `weft directory admit` and `connect`: hosts that are no servers. */

#include <config.h>
#include "agent/weft-directory.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "agent/cluster.h"
#include "agent/tls.h"
#include "agent/tool.h"
#include "agent/weftconf.h"
#include "util.h"

static char *admit(const char *name, const char *output);
static char *connect_host(const char *path, const struct bundle *);

int
weft_directory_admit(const struct weft_target *target OVS_UNUSED, int argc,
                     char *argv[])
{
    struct weft_directory_options o;
    if (!weft_directory_parse(argc, argv, "output", true, &o) || !o.word) {
        return weft_usage("directory admit");
    }
    char *error = weft_directory_check_name(o.word);
    if (error) {
        (void) weft_directory_report(error);
        return EXIT_USAGE;
    }
    char *output = (o.output ? xstrdup(o.output)
                    : xasprintf("%s.pem", o.word));
    error = admit(o.word, output);
    if (!error) {
        printf("\nOn %s:\n    weft directory connect %s\n", o.word, output);
    }
    free(output);
    return weft_directory_report(error);
}

int
weft_directory_connect(const struct weft_target *target OVS_UNUSED, int argc,
                       char *argv[])
{
    struct weft_directory_options o;
    if (!weft_directory_parse(argc, argv, "", true, &o) || !o.word) {
        return weft_usage("directory connect");
    }
    struct bundle b;
    char *error = bundle_read(o.word, &b);
    error = error ? error : connect_host(o.word, &b);
    bundle_finish(&b);
    return weft_directory_report(error);
}

/* Reads one file of the two that openssl made, and removes it. */
static char *
take(const char *path, char **pem)
{
    char *error = tls_read(path, pem);
    (void) unlink(path);            /* A directory of its own goes, too. */
    return error;
}

static char *
make_certificate(const char *name, struct bundle *b)
{
    char dir[] = TLS_DIR"/admit.XXXXXX";
    if (!mkdtemp(dir)) {
        return xasprintf("%s: cannot be made: %s", dir, ovs_strerror(errno));
    }
    char *key = xasprintf("%s/key.pem", dir);
    char *cert = xasprintf("%s/cert.pem", dir);
    char *error = tls_make_host(key, cert, name, NULL);
    error = error ? error : take(key, &b->key);
    error = error ? error : take(cert, &b->certificate);
    error = error ? error : tls_read(TLS_CA, &b->ca);
    (void) unlink(key);             /* After a failure. */
    (void) unlink(cert);
    (void) rmdir(dir);
    free(key);
    free(cert);
    return error;
}

static char *
admit(const char *name, const char *output)
{
    struct bundle b;
    char *error = weft_directory_servers(false, &b);
    b.name = xstrdup(name);
    if (!error && b.ssl) {
        error = make_certificate(name, &b);
    }
    error = error ? error : bundle_write(output, &b);
    bundle_finish(&b);
    return error;
}

/* Is the certificate of that CA?  Half a copy would be found out only by
 * weftd. */
static char *
verify(const char *path, const struct bundle *b)
{
    struct svec argv = SVEC_EMPTY_INITIALIZER;
    tool_add(&argv, "openssl", "verify", "-CAfile", TLS_CA, TLS_CERT);
    char *why = tool_run(TOOL_PRINT, &argv, NULL);
    char *cn = NULL;
    why = why ? why : tls_name(&cn);
    if (!why && strcmp(cn, b->name)) {
        why = xasprintf("its certificate is of %s, not of %s", cn, b->name);
    }
    free(cn);
    char *error = (why ? xasprintf("%s: cannot be used: %s: let weft "
                                   "directory admit make it again", path, why)
                   : NULL);
    free(why);
    return error;
}

static char *
connect_host(const char *path, const struct bundle *b)
{
    if (!b->name) {
        return xasprintf("%s is for a server of the directory: weft directory "
                         "join takes it; weft directory admit makes one for "
                         "this host", path);
    } else if (cluster_exists()) {
        return xstrdup("this host is a server of the directory: it is "
                       "connected by that");
    }
    char *error = tls_check_ca(b);
    if (!error && b->ssl) {
        bool had_ca = !access(TLS_CA, F_OK);
        error = tls_put(b);
        error = error ? error : verify(path, b);
        if (error && !had_ca) {
            tls_remove();
        }
    }
    error = error ? error : weftconf_set_directory(b);
    if (!error) {
        printf("%s names the directory: start weftd again\n", WEFTCONF);
    }
    return error;
}
