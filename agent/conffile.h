/* SPDX-License-Identifier: Apache-2.0 */

#ifndef AGENT_CONFFILE_H
#define AGENT_CONFFILE_H 1

/* How weft.conf is written: lines "KEY = VALUE" and comments, without
 * sections.  Text in, keys or text out; no I/O.  settings.c knows the keys,
 * weftconf.c changes one. */

#include <stddef.h>

/* NULL, or an owned message that names neither the file nor the line. */
typedef char *conffile_take(const char *key, const char *value, int line,
                            void *aux);

/* Hands the keys of the 'size' bytes at 'text' to 'take', until it refuses
 * one.  Returns NULL, or an owned message "FILE:LINE: ...". */
char *conffile_read(const char *file, const char *text, size_t size,
                    conffile_take *take, void *aux);

/* The text with 'line', which is without a newline, in the place of the first
 * one that gives 'key', and without further ones; if there is none, at the
 * end.  Nothing else is touched.  Owned; of '*newsize' bytes, and a null. */
char *conffile_set(const char *text, size_t size, const char *key,
                   const char *line, size_t *newsize);

#endif /* agent/conffile.h */
