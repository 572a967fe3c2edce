/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "text.h"

#include <stdlib.h>
#include <string.h>
#include "openvswitch/util.h"
#include "overlay/model.h"
#include "util.h"

void
text_check_refusal(char *error, const char *prefix)
{
    if (error) {
        char *reason = text_refuse(error);

        ovs_assert(!reason);
        ovs_assert(error[0] && !strncmp(error, prefix, strlen(prefix)));
        free(error);
    }
}

char *
text_of(const uint8_t *data, size_t size)
{
    return xmemdup0((const char *) data, size);
}
