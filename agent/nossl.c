/* SPDX-License-Identifier: Apache-2.0 */

/* `weft` talks to a Unix socket alone.  With these two in place of those of
 * libopenvswitch's stream-ssl.c it needs no libssl, whose loading would be the
 * greater part of its life: 2 ms of 3. */

#include <config.h>
#include <errno.h>
#include "openvswitch/util.h"
#include "stream-provider.h"

static int
refuse_open(const char *name OVS_UNUSED, char *suffix OVS_UNUSED,
            struct stream **streamp OVS_UNUSED, uint8_t dscp OVS_UNUSED)
{
    return EPROTONOSUPPORT;
}

static int
refuse_listen(const char *name OVS_UNUSED, char *suffix OVS_UNUSED,
              struct pstream **pstreamp OVS_UNUSED, uint8_t dscp OVS_UNUSED)
{
    return EPROTONOSUPPORT;
}

const struct stream_class ssl_stream_class = {
    .name = "ssl",
    .open = refuse_open,
};

const struct pstream_class pssl_pstream_class = {
    .name = "pssl",
    .listen = refuse_listen,
};
