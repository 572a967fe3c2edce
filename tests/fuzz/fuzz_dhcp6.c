/* SPDX-License-Identifier: Apache-2.0 */

/* A frame of any bytes, or one with a DHCPv6 message of any bytes, is met
 * with silence or with a reply that a client can read. */

#include <config.h>
#include "fuzz.h"

#include <string.h>
#include "openvswitch/util.h"
#include "answers.h"

/* Options fill the 'n' bytes exactly, and those in them do. */
static void
check_options(const uint8_t *p, size_t n)
{
    while (n) {
        ovs_assert(n >= 4);

        int code = p[0] << 8 | p[1];
        size_t len = p[2] << 8 | p[3];
        size_t fixed = (code == 3 || code == 25 ? 12
                        : code == 4 ? 4
                        : code == 5 ? 24 : len);

        ovs_assert(len >= fixed && len <= n - 4);
        check_options(&p[4 + fixed], len - fixed);
        p += 4 + len;
        n -= 4 + len;
    }
}

static void
check_reply(const struct answered *a)
{
    const uint8_t *p = a->reply.l4;
    size_t n = a->reply.n;
    static const uint8_t ports[] = { 547 >> 8, 547 & 0xff,
                                     546 >> 8, 546 & 0xff };

    ovs_assert(n >= 8 + 4 + 14 && !memcmp(p, ports, sizeof ports));
    ovs_assert(n + 40 <= MTU_MIN);
    ovs_assert(!memcmp(&a->reply.dst, &a->frame[14 + 8], 16));
    p += 8;
    ovs_assert(p[0] == 2 || p[0] == 7);
    ovs_assert(!memcmp(&p[1], &a->frame[14 + 40 + 8 + 1], 3));
    check_options(&p[4], n - 8 - 4);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct packet around[] = {
        { .src = "fe80::857:aff:fe01:5", .dst = "ff02::1:2",
          .src_port = 546, .dst_port = 547 },
        { .src = "fe80::857:aff:fe01:5", .dst = "ff02::1:2",
          .src_port = 546, .dst_port = 547, .hop_limit = 1 },
    };

    answers_message(WHY_DHCP6, around, data, size, check_reply);
    return 0;
}
