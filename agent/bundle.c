/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "agent/bundle.h"

#include <stdlib.h>
#include <string.h>
#include "agent/textfile.h"
#include "openvswitch/dynamic-string.h"
#include "overlay/address.h"
#include "overlay/model.h"
#include "util.h"

enum { SHOWN_MAX = 40 };            /* Bytes. */

#define MAGIC "weft-directory-bundle 1"

/* The parts that are PEM: "[ca]" stands before the first of them. */
static const struct {
    const char *title;
    size_t offset;
} parts[] = {
    { "[ca]", offsetof(struct bundle, ca) },
    { "[ca-key]", offsetof(struct bundle, ca_key) },
    { "[certificate]", offsetof(struct bundle, certificate) },
    { "[key]", offsetof(struct bundle, key) },
};

static char **part(const struct bundle *, size_t i);
static char *parse(char *text, struct bundle *);
static char *parse_servers(char *list, struct bundle *);
static char *unknown(const char *what, const char *text);
static char *check(const struct bundle *);

void
bundle_init(struct bundle *b)
{
    *b = (struct bundle) { .servers = SVEC_EMPTY_INITIALIZER };
}

void
bundle_finish(struct bundle *b)
{
    svec_destroy(&b->servers);
    free(b->name);
    for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
        free(*part(b, i));
    }
}

char *
bundle_read(const char *path, struct bundle *b)
{
    struct textfile_stamp stamp;
    char *text;
    size_t size;
    bundle_init(b);
    char *error = textfile_read(path, BUNDLE_SIZE_MAX, &text, &size, &stamp);
    if (error) {
        return error;
    }
    char *why = bundle_parse(text, size, b);
    free(text);
    if (why) {
        error = xasprintf("%s: not a whole bundle of \"weft directory\": %s: "
                          "copy it again", path, why);
        free(why);
    }
    return error;
}

char *
bundle_parse(char *text, size_t size, struct bundle *b)
{
    char *why = (strlen(text) != size ? xstrdup("has a null byte")
                 : parse(text, b));
    return why ? why : check(b);
}

char *
bundle_write(const char *path, const struct bundle *b)
{
    char *text = bundle_format(b);
    char *error = textfile_write(path, text, 0600);
    free(text);
    return error;
}

char *
bundle_format(const struct bundle *b)
{
    struct ds s = DS_EMPTY_INITIALIZER;
    ds_put_format(&s, MAGIC"\n# %s; keep it secret.\n",
                  b->name ? "For one host: weft directory connect FILE"
                  : "For servers: weft directory join FILE --address IP");
    ds_put_format(&s, "transport = %s\nservers =", b->ssl ? "ssl" : "tcp");
    const char *server;
    size_t i;
    SVEC_FOR_EACH (i, server, &b->servers) {
        ds_put_format(&s, " %s", server);
    }
    ds_put_format(&s, "\n%s%s%s", b->name ? "name = " : "",
                  b->name ? b->name : "", b->name ? "\n" : "");
    for (i = 0; i < ARRAY_SIZE(parts); i++) {
        if (*part(b, i)) {
            ds_put_format(&s, "%s\n%s", parts[i].title, *part(b, i));
        }
    }
    return ds_steal_cstr(&s);
}

struct svec
bundle_remotes(const struct bundle *b, int port)
{
    struct svec remotes = SVEC_EMPTY_INITIALIZER;
    const char *server;
    size_t i;
    SVEC_FOR_EACH (i, server, &b->servers) {
        bool v6 = strchr(server, ':');
        svec_add_nocopy(&remotes, xasprintf("%s:%s%s%s:%d",
                                            b->ssl ? "ssl" : "tcp",
                                            v6 ? "[" : "", server,
                                            v6 ? "]" : "", port));
    }
    return remotes;
}

static char **
part(const struct bundle *b, size_t i)
{
    return ALIGNED_CAST(char **, (char *) b + parts[i].offset);
}

/* The value of "KEY = VALUE", or NULL. */
static char *
value_of(char *line, const char *key)
{
    size_t n = strlen(key);
    return (!strncmp(line, key, n) && !strncmp(line + n, " = ", 3)
            ? line + n + 3 : NULL);
}

static char *
parse(char *text, struct bundle *b)
{
    char *save = NULL;
    char *line = strtok_r(text, "\r\n", &save);
    if (!line || strcmp(line, MAGIC)) {
        return xstrdup("it does not begin with \""MAGIC"\"");
    }
    struct ds pem = DS_EMPTY_INITIALIZER;
    char **into = NULL, *error = NULL;
    for (bool end = false; !end && !error; ) {
        line = strtok_r(NULL, "\r\n", &save);
        end = !line;
        if (into && (end || line[0] == '[')) {
            free(*into);
            *into = ds_steal_cstr(&pem);
            into = NULL;
        }
        char *value;
        if (end || line[0] == '#') {
            continue;
        } else if (line[0] == '[') {
            for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
                into = strcmp(line, parts[i].title) ? into : part(b, i);
            }
            error = into ? NULL : unknown("part", line);
        } else if (into) {
            ds_put_format(&pem, "%s\n", line);
        } else if ((value = value_of(line, "transport"))) {
            b->ssl = !strcmp(value, "ssl");
        } else if ((value = value_of(line, "name"))) {
            free(b->name);
            b->name = xstrdup(value);
        } else if ((value = value_of(line, "servers"))) {
            error = parse_servers(value, b);
        } else {
            error = unknown("line", line);
        }
    }
    ds_destroy(&pem);
    return error;
}

/* Shows no more of it than fits a line, and nothing that cannot be shown. */
static char *
unknown(const char *what, const char *text)
{
    char *unsafe = text_refuse(text);
    char *error = (unsafe || strlen(text) > SHOWN_MAX
                   ? xasprintf("unknown %s", what)
                   : xasprintf("unknown %s \"%s\"", what, text));
    free(unsafe);
    return error;
}

static char *
parse_servers(char *list, struct bundle *b)
{
    svec_clear(&b->servers);
    svec_parse_words(&b->servers, list);
    const char *server;
    size_t i;
    SVEC_FOR_EACH (i, server, &b->servers) {
        struct in6_addr ip;
        if (!address_parse(server, &ip)) {
            return unknown("server", server);
        }
    }
    return (b->servers.n <= BUNDLE_SERVERS_MAX ? NULL
            : xasprintf("more than %d servers", BUNDLE_SERVERS_MAX));
}

static char *
check(const struct bundle *b)
{
    if (!b->servers.n) {
        return xstrdup("it names no server");
    } else if (b->name && !name_is_valid(b->name)) {
        return xstrdup("its name must be "NAME_RULE);
    } else if (!b->ssl) {
        return NULL;
    }
    for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
        const char *pem = *part(b, i);
        if (pem && (strncmp(pem, "-----BEGIN ", 11)
                    || !strstr(pem, "\n-----END "))) {
            return xasprintf("%s is cut off", parts[i].title);
        }
    }
    return (!b->ca ? xstrdup("it lacks [ca]")
            : !b->name && !b->ca_key ? xstrdup("it lacks [ca-key]")
            : b->name && (!b->certificate || !b->key)
            ? xstrdup("it lacks [certificate] or [key]") : NULL);
}
