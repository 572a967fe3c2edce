/* SPDX-License-Identifier: Apache-2.0 */

#ifndef AGENT_TLS_H
#define AGENT_TLS_H 1

/* The keys and certificates of the shared directory on this host: a CA of its
 * own, which its servers have, and one certificate a host, whose CN is the
 * name that the directory lets it write under.  Made by openssl.  The `weft
 * directory` commands make and place them; weftd takes their paths from here.
 */

#include <stdbool.h>
#include "agent/bundle.h"

#define TLS_DIR "/etc/weft/tls"
#define TLS_CA TLS_DIR "/ca.pem"
#define TLS_CA_KEY TLS_DIR "/ca-key.pem"    /* On directory servers. */
#define TLS_CERT TLS_DIR "/host.pem"
#define TLS_KEY TLS_DIR "/host-key.pem"
#define TLS_BUNDLE TLS_DIR "/join.pem"      /* On directory servers. */

/* Each returns NULL, or an owned message. */

/* Makes the CA, unless it is there. */
char *tls_make_ca(void);

/* Makes a key and a certificate at the paths given, signed by the CA: for a
 * server of the directory at 'address', or for a host that only asks it, with
 * 'address' NULL. */
char *tls_make_host(const char *key, const char *cert, const char *name,
                    const char *address);

/* Is the CA of this host, if it has one, the one of the bundle? */
char *tls_check_ca(const struct bundle *);

/* Writes what a bundle has into place. */
char *tls_put(const struct bundle *);

/* Writes the bundle for further servers. */
char *tls_put_bundle(const struct bundle *);

/* The CN of this host's certificate into the owned '*name'. */
char *tls_name(char **name);

/* Reads a PEM file into the owned '*pem'. */
char *tls_read(const char *path, char **pem);

/* Removes what only a directory server has; or all of it. */
void tls_remove_ca_key(void);
void tls_remove(void);

#endif /* agent/tls.h */
