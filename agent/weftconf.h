/* SPDX-License-Identifier: Apache-2.0 */

#ifndef AGENT_WEFTCONF_H
#define AGENT_WEFTCONF_H 1

/* Changes the one line of weft.conf that says where the directory is.  Called
 * by the `weft directory` commands; settings.c is who reads the file. */

#include "agent/bundle.h"

#define WEFTCONF "/etc/weft/weft.conf"

/* Lets "directory = " name the servers of the bundle, in the place where one
 * was or at the end; nothing else is touched.  A file that says so already is
 * not written.  Returns NULL, or an owned message. */
char *weftconf_set_directory(const struct bundle *);

#endif /* agent/weftconf.h */
