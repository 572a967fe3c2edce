/* SPDX-License-Identifier: Apache-2.0 */

#ifndef AGENT_SYSCTL_H
#define AGENT_SYSCTL_H 1

/* The kernel's settings below /proc/sys/net that are one number each.
 * Mechanism only. */

#include <stdbool.h>
#include "smap.h"

/* Sets "ipv4/ip_forward" and the like.  Nothing is written if it is so
 * already; '*changed' (may be null) is set if it was not.  Returns NULL or an
 * owned message. */
char *sysctl_set(const char *name, int value, bool *changed);

/* 0 or a negative errno. */
int sysctl_get(const char *name, int *value);

/* Sets all of these, "NAME" to "VALUE". */
void sysctl_restore(const struct smap *before);

#endif /* agent/sysctl.h */
