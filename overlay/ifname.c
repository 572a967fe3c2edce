/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "overlay/ifname.h"

#include <net/if.h>
#include <string.h>
#include "hash.h"
#include "util.h"

char *
ifname_make(const char *prefix, const char *name, unsigned int attempt)
{
    if (!attempt && strlen(prefix) + strlen(name) < IFNAMSIZ) {
        return xasprintf("%s%s", prefix, name);
    }
    int room = IFNAMSIZ - 1 - strlen(prefix) - 5;
    return xasprintf("%s%.*s-%04x", prefix, room, name,
                     hash_string(name, attempt) & 0xffff);
}
