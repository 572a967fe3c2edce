/* SPDX-License-Identifier: Apache-2.0 */

#ifndef AGENT_TAP_H
#define AGENT_TAP_H 1

/* Tap devices of the kernel.  Mechanism only: which one is whose, links.c
 * decides. */

#include <stdint.h>

/* Makes a persistent tap 'name' in this process's namespace, which 'owner'
 * (UINT32_MAX: nobody in particular) may open besides root; or makes that of
 * the one that has the name.  One that a program has open is left as it is.
 * Returns 0 or a negative errno: -EINVAL if the name is that of another
 * device. */
int tap_make(const char *name, uint32_t owner);

#endif /* agent/tap.h */
