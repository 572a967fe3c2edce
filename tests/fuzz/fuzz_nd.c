/* SPDX-License-Identifier: Apache-2.0 */

/* A frame of any bytes, or one with ICMPv6 of any bytes, is met with silence,
 * or with a router or a neighbour advertisement that a host can read. */

#include <config.h>
#include "fuzz.h"

#include "openvswitch/util.h"
#include "answers.h"

static void
check_reply(const struct answered *a)
{
    const uint8_t *p = a->reply.l4;
    size_t n = a->reply.n;

    ovs_assert(n >= 16 && p[0] == 134 && p[1] == 0);
    ovs_assert(IN6_IS_ADDR_MULTICAST(&a->reply.dst)
               || IN6_IS_ADDR_LINKLOCAL(&a->reply.dst));
    for (p += 16, n -= 16; n; n -= p[1] * 8, p += p[1] * 8) {
        ovs_assert(n >= 8 && p[1] && (size_t) p[1] * 8 <= n);
    }
}

static void
check_neighbour(const struct answered *a)
{
    const uint8_t *p = a->reply.l4;

    ovs_assert(a->reply.n == 32 && p[0] == 136 && p[1] == 0 && p[24] == 2
               && p[25] == 1);
    ovs_assert(!IN6_IS_ADDR_MULTICAST(&a->reply.dst));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct packet around[] = {
        { .src = "fe80::857:aff:fe01:5", .dst = "ff02::2",
          .proto = IPPROTO_ICMPV6, .hop_limit = 255 },
        { .src = "::", .dst = "ff02::2",
          .proto = IPPROTO_ICMPV6, .hop_limit = 255 },
    };

    answers_message(WHY_SOLICIT, around, data, size, check_reply);
    answers_message(WHY_NEIGHBOUR, around, data, size, check_neighbour);
    return 0;
}
