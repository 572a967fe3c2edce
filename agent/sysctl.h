/* SPDX-License-Identifier: Apache-2.0 */

#ifndef AGENT_SYSCTL_H
#define AGENT_SYSCTL_H 1

/* The kernel's settings below /proc/sys/net that are one number each, and what
 * they were before we set them.  Mechanism only. */

#include <stdbool.h>
#include "smap.h"

/* Sets "ipv4/ip_forward" and the like.  If 'before' is not null and does not
 * have the setting yet, what it was is put there.  Nothing is written if it is
 * so already; '*changed' (may be null) says whether it was not.  Returns NULL
 * or an owned message. */
char *sysctl_set(const char *name, int value, struct smap *before,
                 bool *changed);

/* 0 or a negative errno. */
int sysctl_get(const char *name, int *value);

/* Sets all back. */
void sysctl_restore(const struct smap *before);

#endif /* agent/sysctl.h */
