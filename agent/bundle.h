/* SPDX-License-Identifier: Apache-2.0 */

#ifndef AGENT_BUNDLE_H
#define AGENT_BUNDLE_H 1

/* What one host hands another so that it can take part in the shared
 * directory, in one file: where its servers are, and the certificates.  A
 * bundle for a server has the key of the CA, one for another host has that
 * host's own certificate and key.  Called by the `weft directory` commands;
 * knows nothing of what the certificates say. */

#include <stdbool.h>
#include "svec.h"

enum {
    BUNDLE_SIZE_MAX = 65536,    /* Bytes. */
    BUNDLE_SERVERS_MAX = 16,
};

struct bundle {
    bool ssl;                   /* false: plain TCP, and no certificates. */
    struct svec servers;        /* Addresses, as text, without brackets. */
    char *name;                 /* Of the host it is for; NULL: a server. */
    char *ca;                   /* PEM.  These four NULL if not in it. */
    char *ca_key;
    char *certificate;
    char *key;
};

void bundle_init(struct bundle *);
void bundle_finish(struct bundle *);

/* Returns NULL, or an owned message.  '*b' is to be finished in any case. */
char *bundle_read(const char *path, struct bundle *b);
char *bundle_write(const char *path, const struct bundle *);

/* The same without a file: 'text' has 'size' bytes and a null, and is cut to
 * pieces.  The message does not say which bundle it is about. */
char *bundle_parse(char *text, size_t size, struct bundle *);
char *bundle_format(const struct bundle *);

/* "ssl:IP:PORT" of the servers, IPv6 in brackets, to connect to. */
struct svec bundle_remotes(const struct bundle *, int port);

#endif /* agent/bundle.h */
