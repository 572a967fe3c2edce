/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "overlay/publish.h"

#include <stdlib.h>
#include <string.h>
#include "openvswitch/dynamic-string.h"
#include "openvswitch/util.h"
#include "util.h"

static bool
parse_number(const char *s, uint16_t *port)
{
    unsigned int number;
    if (!number_parse(s, &number) || number < 1 || number > UINT16_MAX) {
        return false;
    }
    *port = number;
    return true;
}

/* Cuts "/tcp" or "/udp" off 's'. */
static bool
take_protocol(char *s, uint8_t *protocol)
{
    char *slash = strchr(s, '/');
    bool udp = slash && !strcmp(slash, "/udp");
    *protocol = udp ? IPPROTO_UDP : IPPROTO_TCP;
    if (!slash) {
        return true;
    }
    bool ok = udp || !strcmp(slash, "/tcp");
    *slash = '\0';
    return ok;
}

static bool
is_among(const struct publish *p, const struct publish publishes[], size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (publish_same(p, &publishes[i])) {
            return true;
        }
    }
    return false;
}

char *
publish_parse(const char *text, char **name, struct publish *p)
{
    char *copy = xstrdup(text);
    memset(p, 0, sizeof *p);
    bool ok = take_protocol(copy, &p->protocol);
    char *first = strchr(copy, ':');
    char *last = strrchr(copy, ':');
    ok = ok && first && first != last;
    if (ok) {
        *first = *last = '\0';
        ok = (parse_number(copy, &p->host_port) && name_is_valid(first + 1)
              && parse_number(last + 1, &p->port));
    }
    *name = ok ? xstrdup(first + 1) : NULL;
    free(copy);
    return (ok ? NULL
            : xasprintf("publish: \"%s\": write HOSTPORT:ENDPOINT:PORT or "
                        "HOSTPORT:ENDPOINT:PORT/udp", text));
}

char *
publish_parse_port(const char *text, struct publish *p)
{
    char *copy = xstrdup(text);
    memset(p, 0, sizeof *p);
    bool ok = take_protocol(copy, &p->protocol)
              && parse_number(copy, &p->host_port);
    free(copy);
    return (ok ? NULL
            : xasprintf("unpublish: \"%s\": write HOSTPORT or HOSTPORT/udp",
                        text));
}

const char *
publish_protocol(const struct publish *p)
{
    return p->protocol == IPPROTO_UDP ? "udp" : "tcp";
}

bool
publish_same(const struct publish *a, const struct publish *b)
{
    return a->host_port == b->host_port && a->protocol == b->protocol;
}

char *
publish_format(const struct publish publishes[], size_t n)
{
    struct ds s = DS_EMPTY_INITIALIZER;
    for (size_t i = 0; i < n; i++) {
        ds_put_format(&s, "%s%d:%d/%s", i ? " " : "", publishes[i].host_port,
                      publishes[i].port, publish_protocol(&publishes[i]));
    }
    return ds_steal_cstr(&s);
}

bool
publish_parse_row(const char *text, struct publish publishes[PUBLISHES_MAX],
                  size_t *n)
{
    char *copy = xstrdup(text);
    char *save = NULL;
    bool ok = true;
    *n = 0;
    for (char *word = strtok_r(copy, " ", &save); word && ok;
         word = strtok_r(NULL, " ", &save)) {
        char *colon = strchr(word, ':');
        ok = *n < PUBLISHES_MAX && colon;
        if (ok) {
            struct publish *p = &publishes[*n];
            memset(p, 0, sizeof *p);
            *colon = '\0';
            ok = take_protocol(colon + 1, &p->protocol)
                 && parse_number(word, &p->host_port)
                 && parse_number(colon + 1, &p->port);
            *n += !is_among(p, publishes, *n);
        }
    }
    free(copy);
    return ok;
}
