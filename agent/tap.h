/* SPDX-License-Identifier: Apache-2.0 */

#ifndef AGENT_TAP_H
#define AGENT_TAP_H 1

/* Tap devices of the kernel.  Mechanism only: which one is whose, links.c
 * decides. */

#include <stdint.h>

/* Makes a tap 'name' in this process's namespace, which goes when '*fd' is
 * closed; or opens the one that has the name.  One that a program has open is
 * left as it is: then '*fd' is -1.  Returns 0 or a negative errno: -EINVAL if
 * the name is that of another device. */
int tap_open(const char *name, int *fd);
/* It stays, and 'owner' (UINT32_MAX: nobody in particular) may open it besides
 * root.  Not before it has the alias that tells whose it is: a crash leaves
 * none that is nobody's. */
int tap_keep(int fd, uint32_t owner);

#endif /* agent/tap.h */
