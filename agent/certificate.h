/* SPDX-License-Identifier: Apache-2.0 */

#ifndef AGENT_CERTIFICATE_H
#define AGENT_CERTIFICATE_H 1

/* The name that a certificate gives this host, which is the one that the
 * shared directory lets it write under.  Called by agent.c. */

/* The subject's CN in the PEM file at 'path', if it can be a host's name.
 * Owned, or NULL. */
char *certificate_name(const char *path);

#endif /* agent/certificate.h */
