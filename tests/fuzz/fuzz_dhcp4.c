/* SPDX-License-Identifier: Apache-2.0 */

/* A frame of any bytes, or one with a DHCP message of any bytes, is met with
 * silence or with a reply that a client can read. */

#include <config.h>
#include "fuzz.h"

#include <string.h>
#include "openvswitch/util.h"
#include "answers.h"

static void
check_reply(const struct answered *a)
{
    const uint8_t *p = a->reply.l4;
    size_t n = a->reply.n;
    static const uint8_t ports[] = { 0, 67, 0, 68 };
    static const uint8_t cookie[] = { 0x63, 0x82, 0x53, 0x63 };
    size_t i = 240;

    ovs_assert(n >= 8 + 300 && !memcmp(p, ports, sizeof ports));
    p += 8;
    n -= 8;
    ovs_assert(p[0] == 2 && p[1] == 1 && p[2] == 6);
    ovs_assert(!memcmp(&p[28], &a->fixture->endpoint.mac, 6));
    ovs_assert(!memcmp(&p[236], cookie, sizeof cookie));
    ovs_assert(p[240] == 53 && p[241] == 1);
    ovs_assert(p[242] == 2 || p[242] == 5 || p[242] == 6);
    while (p[i] != 255) {
        ovs_assert(i + 2 + p[i + 1] < n);
        i += 2 + p[i + 1];
    }
    for (i++; i < n; i++) {
        ovs_assert(!p[i]);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct packet around[] = {
        { .src = "0.0.0.0", .dst = "255.255.255.255",
          .src_port = 68, .dst_port = 67 },
        { .src = "0.0.0.0", .dst = "10.1.0.1",
          .src_port = 68, .dst_port = 67 },
    };

    answers_message(WHY_DHCP4, around, data, size, check_reply);
    return 0;
}
