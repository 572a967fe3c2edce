/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "answers.h"

#include <stdlib.h>
#include "openvswitch/util.h"
#include "util.h"

/* What the first byte of a message chooses. */
enum { WHOLE = 1, SECOND = 2, POOR = 4 };

/* From a block of the frame's own size, so that a sanitizer sees what reads
 * on. */
static void
run(enum answer_why why, const struct packet_fixture *f, const uint8_t *data,
    size_t size, answers_check *check)
{
    uint8_t *frame = size ? xmemdup(data, size) : NULL;
    struct dp_packet reply;

    dp_packet_init(&reply, 0);
    if (answer_compose(why, &f->ctx, frame, size, &reply)) {
        const struct answered a = {
            why, f, frame, packet_check(&reply, &f->endpoint)
        };

        check(&a);
    } else {
        ovs_assert(!dp_packet_size(&reply));
    }
    dp_packet_uninit(&reply);
    free(frame);
}

void
answers_frame(enum answer_why why, const uint8_t *data, size_t size,
              answers_check *check)
{
    struct packet_fixture f;

    packet_fixture_init(&f);
    run(why, &f, data, size, check);
}

void
answers_message(enum answer_why why, const struct packet around[2],
                const uint8_t *data, size_t size, answers_check *check)
{
    static uint8_t buf[PACKET_MAX];
    struct packet_fixture f;

    if (!size || size > 32768) {
        return;
    }

    uint8_t flags = *data++;

    size--;
    packet_fixture_init(&f);
    if (flags & POOR) {
        f.network.n_dns = f.network.n_routes = 0;
    }
    if (!(flags & WHOLE)) {
        struct packet p = around[flags & SECOND ? 1 : 0];

        p.data = data;
        p.size = size;
        size = packet_compose(&p, buf);
        data = buf;
    }
    run(why, &f, data, size, check);
}
