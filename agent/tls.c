/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "agent/tls.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "agent/textfile.h"
#include "agent/tool.h"
#include "util.h"

/* Ten years: nobody is there to renew them, and a host is shut out by its
 * name, not by the end of its certificate. */
#define DAYS "3650"

static char *make_dirs(void);
static void add_request(struct svec *argv, const char *subject,
                        const char *key, const char *cert);

char *
tls_make_ca(void)
{
    if (!access(TLS_CA_KEY, F_OK)) {
        return NULL;
    } else if (!access(TLS_CA, F_OK)) {
        return xstrdup(TLS_CA" is of another directory: to make a new one "
                       "here, remove "TLS_DIR);
    }
    char *error = make_dirs();
    if (error) {
        return error;
    }
    struct svec argv = SVEC_EMPTY_INITIALIZER;
    add_request(&argv, "/CN=Weft directory CA", TLS_CA_KEY, TLS_CA);
    tool_add(&argv, "-addext", "basicConstraints=critical,CA:TRUE",
             "-addext", "keyUsage=critical,keyCertSign");
    error = tool_run(TOOL_PRINT, &argv, NULL);
    if (error) {
        tls_remove();               /* No half of it. */
    }
    return error;
}

char *
tls_make_host(const char *key, const char *cert, const char *name,
              const char *address)
{
    struct svec argv = SVEC_EMPTY_INITIALIZER;
    char *subject = xasprintf("/CN=%s", name);
    add_request(&argv, subject, key, cert);
    /* Who only asks cannot pass for a server. */
    tool_add(&argv, "-CA", TLS_CA, "-CAkey", TLS_CA_KEY,
             "-addext", "basicConstraints=critical,CA:FALSE",
             "-addext", (address ? "extendedKeyUsage=clientAuth,serverAuth"
                         : "extendedKeyUsage=clientAuth"));
    if (address) {
        svec_add(&argv, "-addext");
        svec_add_nocopy(&argv, xasprintf("subjectAltName=IP:%s", address));
    }
    char *error = tool_run(TOOL_PRINT, &argv, NULL);
    free(subject);
    return error;
}

char *
tls_check_ca(const struct bundle *b)
{
    char *ca = NULL;
    if (!b->ca || access(TLS_CA, F_OK)) {
        return NULL;
    }
    char *error = tls_read(TLS_CA, &ca);
    if (!error && strcmp(ca, b->ca)) {
        error = xstrdup("this host belongs to another directory, whose CA is "
                        "in "TLS_CA": to leave that, remove "TLS_DIR);
    }
    free(ca);
    return error;
}

char *
tls_put(const struct bundle *b)
{
    const struct {
        const char *path, *pem;
    } files[] = {
        { TLS_CA, b->ca },
        { TLS_CA_KEY, b->ca_key },
        { TLS_CERT, b->certificate },
        { TLS_KEY, b->key },
    };
    char *error = make_dirs();
    for (size_t i = 0; !error && i < ARRAY_SIZE(files); i++) {
        char *was = NULL;
        if (!files[i].pem) {
            continue;
        }
        if (!access(files[i].path, F_OK)) {
            free(tls_read(files[i].path, &was));
        }
        if (!was || strcmp(was, files[i].pem)) {
            error = textfile_write(files[i].path, files[i].pem, 0600);
        }
        free(was);
    }
    return error;
}

char *
tls_put_bundle(const struct bundle *b)
{
    char *error = make_dirs();
    return error ? error : bundle_write(TLS_BUNDLE, b);
}

char *
tls_name(char **name)
{
    struct svec argv = SVEC_EMPTY_INITIALIZER;
    tool_add(&argv, "openssl", "x509", "-noout", "-subject", "-nameopt",
             "multiline", "-in", TLS_CERT);
    *name = NULL;
    char *text;
    char *error = tool_run(TOOL_QUIET, &argv, &text);
    if (error) {
        return error;
    }
    const char *cn = strstr(text, "commonName");
    cn = cn ? strstr(cn, "= ") : NULL;
    if (cn) {
        *name = xmemdup0(cn + 2, strcspn(cn + 2, "\n"));
    } else {
        error = xstrdup(TLS_CERT": has no CN");
    }
    free(text);
    return error;
}

char *
tls_read(const char *path, char **pem)
{
    struct textfile_stamp stamp;
    size_t size;
    return textfile_read(path, BUNDLE_SIZE_MAX, pem, &size, &stamp);
}

void
tls_remove_ca_key(void)
{
    (void) unlink(TLS_CA_KEY);      /* Not there is as good as removed. */
    (void) unlink(TLS_BUNDLE);
}

void
tls_remove(void)
{
    tls_remove_ca_key();
    (void) unlink(TLS_CA);
    (void) unlink(TLS_CERT);
    (void) unlink(TLS_KEY);
}

static char *
make_dirs(void)
{
    static const char *const dirs[] = { "/etc/weft", TLS_DIR };
    for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
        if (mkdir(dirs[i], 0755) && errno != EEXIST) {
            return xasprintf("%s: cannot be made: %s", dirs[i],
                             ovs_strerror(errno));
        }
    }
    return NULL;
}

/* A new key and a certificate for it.  The machine's openssl.cnf has no say:
 * it may give each what only a CA should have. */
static void
add_request(struct svec *argv, const char *subject, const char *key,
            const char *cert)
{
    tool_add(argv, "openssl", "req", "-x509", "-config", "/dev/null",
             "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-sha256", "-days", DAYS, "-subj", subject,
             "-keyout", key, "-out", cert);
}
