/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "overlay/refusal.h"

#include "openvswitch/dynamic-string.h"
#include "openvswitch/shash.h"

const struct refusal_info refusals[] = {
#define REFUSAL(ID, NUMBER, KIND, KEY, TITLE, WHAT) \
    { REFUSAL_##ID, REFUSAL_KIND_##KIND, KEY, TITLE, WHAT },
#include "overlay/refusal.def"
    { .key = NULL },
};

bool
refusal_has_flow(enum refusal refusal)
{
    return refusal != REFUSAL_RATE;
}

struct json *
refusal_counts_to_json(const struct refusal_counts *counts,
                       enum refusal_kind kind)
{
    struct json *o = json_object_create();
    for (const struct refusal_info *r = refusals; r->key; r++) {
        if (r->kind == kind) {
            json_object_put(o, r->key, json_integer_create(counts->n[r->id]));
        }
    }
    return o;
}

char *
refusal_counts_text(const struct json *object)
{
    struct ds s = DS_EMPTY_INITIALIZER;
    for (const struct refusal_info *r = refusals; r->key; r++) {
        const struct json *n = shash_find_data(json_object(object), r->key);
        if (n && json_integer(n)) {
            ds_put_format(&s, "%s%s %lld", s.length ? ", " : "", r->title,
                          (long long int) json_integer(n));
        }
    }
    return ds_steal_cstr(&s);
}
