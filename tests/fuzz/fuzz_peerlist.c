/* SPDX-License-Identifier: Apache-2.0 */

/* A peer file of any bytes is either refused with one line that can be shown,
 * or is a list that keeps every promise of peerlist.h. */

#include <config.h>
#include "fuzz.h"

#include <string.h>
#include "lists.h"
#include "openvswitch/util.h"
#include "text.h"

enum { MESSAGE_MAX = 1024 };        /* Bytes; far more than any has. */

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct peerlist *list;
    char *error = peerlist_parse("peers.conf", (const char *) data, size,
                                 &list);

    ovs_assert(!error == (list != NULL));
    ovs_assert(!error || strlen(error) < MESSAGE_MAX);
    text_check_refusal(error, "peers.conf:");
    if (list) {
        ovs_assert(data[size - 1] == '\n');
        lists_check("peers.conf", list);
        peerlist_destroy(list);
    }
    return 0;
}
