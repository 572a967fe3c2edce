/* SPDX-License-Identifier: Apache-2.0 */

/* A published port of any text, as a user writes it or as a row has it, is
 * refused, or is a port that is written and read again the same. */

#include <config.h>
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>
#include "openvswitch/util.h"
#include "overlay/publish.h"
#include "text.h"

static void
check_port(const struct publish *p)
{
    ovs_assert(p->host_port);
    ovs_assert(p->protocol == IPPROTO_TCP || p->protocol == IPPROTO_UDP);
    ovs_assert(publish_same(p, p));
}

static void
check_row(const struct publish publishes[], size_t n)
{
    struct publish again[PUBLISHES_MAX];
    char *text = publish_format(publishes, n);
    size_t n_again;

    ovs_assert(n <= PUBLISHES_MAX);
    ovs_assert(publish_parse_row(text, again, &n_again) && n_again == n);
    for (size_t i = 0; i < n; i++) {
        check_port(&publishes[i]);
        ovs_assert(publishes[i].port && publish_same(&publishes[i],
                                                     &again[i]));
        ovs_assert(publishes[i].port == again[i].port);
        for (size_t j = 0; j < i; j++) {
            ovs_assert(!publish_same(&publishes[i], &publishes[j]));
        }
    }
    free(text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct publish publishes[PUBLISHES_MAX], p;
    char *text = text_of(data, size);
    char *name;
    size_t n;
    char *error = publish_parse(text, &name, &p);

    ovs_assert(!error == (name != NULL));
    if (!error) {
        ovs_assert(name_is_valid(name) && p.port);
        check_port(&p);
        check_row(&p, 1);
    }
    free(error);
    free(name);

    error = publish_parse_port(text, &p);
    if (!error) {
        check_port(&p);
    }
    free(error);

    if (publish_parse_row(text, publishes, &n)) {
        check_row(publishes, n);
    }
    free(text);
    return 0;
}
