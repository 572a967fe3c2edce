/* SPDX-License-Identifier: Apache-2.0 */

#ifndef OVERLAY_PUBLISH_H
#define OVERLAY_PUBLISH_H 1

/* Published ports as text: what a user writes, what a row remembers. */

#include "overlay/model.h"

/* "8080:web:80", "5353:web:53/udp" into '*p' and an owned '*name'.  Returns
 * NULL or an owned message; then '*name' is NULL. */
char *publish_parse(const char *, char **name, struct publish *p);

/* "8080", "5353/udp": the port of the host alone. */
char *publish_parse_port(const char *, struct publish *);

/* "tcp" or "udp". */
const char *publish_protocol(const struct publish *);

/* Are they the same port of the host? */
bool publish_same(const struct publish *, const struct publish *);

/* "8080:80/tcp 5353:53/udp" and back.  Owned; false if it is not that.  Of a
 * port of the host that is there twice, the first counts. */
char *publish_format(const struct publish[], size_t n);
bool publish_parse_row(const char *, struct publish[PUBLISHES_MAX],
                       size_t *n);

#endif /* overlay/publish.h */
