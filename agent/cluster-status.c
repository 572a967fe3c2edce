/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "agent/cluster-status.h"

#include <stdlib.h>
#include <string.h>
#include "svec.h"
#include "util.h"

static char *member(const char *text, const char *key);
static char *uuid_of(char *cluster);
static void read_servers(struct cluster_status *, const char *text);
static int compare_servers(const void *, const void *);

void
cluster_status_parse(struct cluster_status *s, const char *text)
{
    *s = (struct cluster_status) {
        .cluster = uuid_of(member(text, "Cluster ID")),
        .address = member(text, "Address"),
        .status = member(text, "Status"),
        .role = member(text, "Role"),
        .leader = member(text, "Leader"),
    };
    char *term = member(text, "Term");
    s->term = strtoull(term, NULL, 10);
    free(term);
    s->quorum = ((!strcmp(s->status, "cluster member")
                  || !strcmp(s->status, "leaving cluster"))
                 && strcmp(s->leader, "unknown") && *s->leader);
    read_servers(s, text);
}

void
cluster_status_finish(struct cluster_status *s)
{
    for (size_t i = 0; i < s->n_servers; i++) {
        free(s->servers[i].nickname);
        free(s->servers[i].address);
    }
    free(s->servers);
    free(s->cluster);
    free(s->address);
    free(s->status);
    free(s->role);
    free(s->leader);
}

bool
cluster_status_is_leader(const struct cluster_status *s,
                         const struct cluster_server *server)
{
    return (server->self ? !strcmp(s->leader, "self")
            : !strcmp(s->leader, server->nickname));
}

char *
cluster_status_ip(const char *address)
{
    const char *ip = strchr(address, ':');
    ip = ip ? ip + 1 : address;
    if (*ip == '[') {
        return xmemdup0(ip + 1, strcspn(ip + 1, "]"));
    }
    return xmemdup0(ip, strcspn(ip, ":"));
}

/* The value of a line "KEY: VALUE"; "" without one.  Owned. */
static char *
member(const char *text, const char *key)
{
    size_t n = strlen(key);
    for (const char *line = text; line; ) {
        if (!strncmp(line, key, n) && !strncmp(line + n, ": ", 2)) {
            return xmemdup0(line + n + 2, strcspn(line + n + 2, "\n"));
        }
        line = strchr(line, '\n');
        line = line ? line + 1 : NULL;
    }
    return xstrdup("");
}

/* "1a2b (UUID)" becomes "UUID", anything else "". */
static char *
uuid_of(char *cluster)
{
    const char *uuid = strchr(cluster, '(');
    char *result = (uuid ? xmemdup0(uuid + 1, strcspn(uuid + 1, ")"))
                    : xstrdup(""));
    free(cluster);
    return result;
}

/* The lines behind "Servers:",
 *     "    1a2b (1a2b at ssl:10.0.0.1:6651) (self) last msg ..."
 * and "Connections: ->1a2b <-1a2b (->3c4d)", where those in parentheses are
 * not there. */
static void
read_servers(struct cluster_status *s, const char *text)
{
    struct svec connections = SVEC_EMPTY_INITIALIZER;
    char *line = member(text, "Connections");
    svec_parse_words(&connections, line);
    free(line);

    const char *p = strstr(text, "\nServers:\n");
    char *list = xstrdup(p ? p + strlen("\nServers:\n") : "");
    char *save = NULL;
    for (line = strtok_r(list, "\n", &save); line;
         line = strtok_r(NULL, "\n", &save)) {
        char nickname[64], address[128];
        if (!ovs_scan(line, " %63s (%*[^ ] at %127[^)])", nickname,
                      address)) {
            continue;
        }
        bool self = strstr(line, ") (self)");
        char *to = xasprintf("->%s", nickname);
        char *from = xasprintf("<-%s", nickname);
        s->servers = xrealloc(s->servers,
                              (s->n_servers + 1) * sizeof *s->servers);
        s->servers[s->n_servers++] = (struct cluster_server) {
            .nickname = xstrdup(nickname),
            .address = xstrdup(address),
            .self = self,
            .reachable = (self || svec_contains_unsorted(&connections, to)
                          || svec_contains_unsorted(&connections, from)),
        };
        free(to);
        free(from);
    }
    free(list);
    svec_destroy(&connections);
    if (s->n_servers) {
        qsort(s->servers, s->n_servers, sizeof *s->servers, compare_servers);
    }
}

static int
compare_servers(const void *a_, const void *b_)
{
    const struct cluster_server *a = a_, *b = b_;
    return strcmp(a->address, b->address);
}
