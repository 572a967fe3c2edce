/* SPDX-License-Identifier: Apache-2.0 */

/* However a stream is cut, its first object ends at the same byte; and where
 * Open vSwitch's parser finds an object, it ends there too. */

#include <config.h>
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>
#include "openvswitch/json.h"
#include "openvswitch/util.h"
#include "overlay/jsontext.h"
#include "util.h"

/* How many bytes of the text its first object has, fed 'piece' at a time. */
static size_t
feed(struct jsontext *t, const char *text, size_t n, size_t piece)
{
    size_t all = 0;

    *t = (struct jsontext) { .state = JSONTEXT_BLANK };
    while (all < n && t->state <= JSONTEXT_INSIDE) {
        size_t size = MIN(piece, n - all);
        size_t used = jsontext_feed(t, text + all, size);

        ovs_assert(used <= size);
        ovs_assert(used == size || t->state > JSONTEXT_INSIDE);
        all += used;
    }
    return all;
}

/* Where the parser has an object end; 0: nowhere. */
static size_t
parse(const char *text, size_t n)
{
    struct json_parser *p = json_parser_create(0);
    size_t used = json_parser_feed(p, text, n);
    bool done = json_parser_is_done(p);
    struct json *json = json_parser_finish(p);
    bool object = done && json->type == JSON_OBJECT;

    json_destroy(json);
    return object ? used : 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *) data;
    struct jsontext t, other;
    size_t used = feed(&t, text, size, SIZE_MAX);

    for (size_t piece = 1; piece < 8; piece++) {
        ovs_assert(feed(&other, text, size, piece) == used);
        ovs_assert(!memcmp(&t, &other, sizeof t));
    }
    ovs_assert(t.depth <= JSONTEXT_DEPTH_MAX + 1);
    size_t parsed = t.state == JSONTEXT_TOO_MUCH ? 0 : parse(text, size);
    ovs_assert(!parsed || (t.state == JSONTEXT_WHOLE && parsed == used));
    return 0;
}
