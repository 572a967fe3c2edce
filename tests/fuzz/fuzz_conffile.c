/* SPDX-License-Identifier: Apache-2.0 */

/* A weft.conf of any bytes is refused with one line that can be shown, or is
 * keys with values; and when the directory is set in it, it says the same
 * besides. */

#include <config.h>
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>
#include "agent/conffile.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/util.h"
#include "overlay/model.h"
#include "text.h"
#include "util.h"

#define KEY "directory"
#define VALUE "ssl:10.0.0.1:6650"

struct keys {
    struct ds others;               /* All but KEY, in their order. */
    int n;                          /* How often KEY was given. */
    char *value;                    /* Owned.  Its last one. */
};

/* A conffile_take. */
static char *
take(const char *key, const char *value, int line, void *keys_)
{
    struct keys *keys = keys_;

    ovs_assert(line >= 1);
    free(text_refuse(key));
    ovs_assert(!text_refuse(value));
    if (strcmp(key, KEY)) {
        ds_put_format(&keys->others, "%s=%s\n", key, value);
    } else {
        keys->n++;
        free(keys->value);
        keys->value = xstrdup(value);
    }
    return NULL;
}

static void
keys_finish(struct keys *keys)
{
    ds_destroy(&keys->others);
    free(keys->value);
}

static void
check_set(const char *text, size_t size, const struct keys *before)
{
    struct keys after = { .others = DS_EMPTY_INITIALIZER };
    size_t n, n_again;
    char *new = conffile_set(text, size, KEY, KEY" = "VALUE, &n);
    char *again = conffile_set(new, n, KEY, KEY" = "VALUE, &n_again);

    ovs_assert(n == n_again && !memcmp(new, again, n));
    ovs_assert(n && new[n - 1] == '\n');
    if (before) {
        ovs_assert(!conffile_read("weft.conf", new, n, take, &after));
        ovs_assert(after.n == 1 && !strcmp(after.value, VALUE));
        ovs_assert(!strcmp(ds_cstr_ro(&before->others),
                           ds_cstr_ro(&after.others)));
    }
    keys_finish(&after);
    free(new);
    free(again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct keys keys = { .others = DS_EMPTY_INITIALIZER };
    const char *text = (const char *) data;
    char *error = conffile_read("weft.conf", text, size, take, &keys);

    check_set(text, size, error ? NULL : &keys);
    text_check_refusal(error, "weft.conf:");
    keys_finish(&keys);
    return 0;
}
