/* SPDX-License-Identifier: Apache-2.0 */

/* A bundle of `weft directory` of any bytes is refused, or is one that is
 * written and read again the same. */

#include <config.h>
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>
#include "agent/bundle.h"
#include "openvswitch/util.h"
#include "overlay/model.h"
#include "text.h"
#include "util.h"

static void
check_bundle(const struct bundle *b)
{
    struct svec remotes = bundle_remotes(b, 6650);
    char *text = bundle_format(b);
    struct bundle again;

    ovs_assert(b->servers.n && b->servers.n <= BUNDLE_SERVERS_MAX);
    ovs_assert(remotes.n == b->servers.n);
    ovs_assert(!b->name || name_is_valid(b->name));
    ovs_assert(!b->ssl || b->ca);

    bundle_init(&again);
    ovs_assert(!bundle_parse(text, strlen(text), &again));
    ovs_assert(b->ssl == again.ssl);
    ovs_assert(svec_equal(&b->servers, &again.servers));
    ovs_assert(nullable_string_is_equal(b->name, again.name));
    ovs_assert(nullable_string_is_equal(b->ca, again.ca));
    ovs_assert(nullable_string_is_equal(b->ca_key, again.ca_key));
    ovs_assert(nullable_string_is_equal(b->certificate, again.certificate));
    ovs_assert(nullable_string_is_equal(b->key, again.key));
    bundle_finish(&again);
    svec_destroy(&remotes);
    free(text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = text_of(data, size);
    struct bundle b;

    bundle_init(&b);
    char *error = bundle_parse(text, size, &b);
    if (error) {
        text_check_refusal(error, "");
    } else {
        check_bundle(&b);
    }
    bundle_finish(&b);
    free(text);
    return 0;
}
