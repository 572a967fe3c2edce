/* SPDX-License-Identifier: Apache-2.0 */

/* What the bridge of the underlay is said to remember, of any text, is refused
 * with a line that can be shown, or is written and read again the same. */

#include <config.h>
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>
#include "agent/underlay-text.h"
#include "openvswitch/util.h"
#include "text.h"

static void
check_prefix(const struct prefix *p)
{
    ovs_assert(p->len <= (IN6_IS_ADDR_V4MAPPED(&p->addr) ? 32 : 128));
}

static void
check_address(const char *text)
{
    struct ds s = DS_EMPTY_INITIALIZER, same = DS_EMPTY_INITIALIZER;
    struct rtnl_addr a, b;
    char *error = underlay_parse_address(text, &a);

    if (error) {
        text_check_refusal(error, "");
        return;
    }
    check_prefix(&a.ip);
    ovs_assert(!a.ifindex);
    underlay_format_address(&a, &s);
    ovs_assert(!underlay_parse_address(ds_cstr(&s), &b));
    underlay_format_address(&b, &same);
    ovs_assert(!strcmp(ds_cstr(&s), ds_cstr(&same)));
    ovs_assert(!memcmp(&a.ip.addr, &b.ip.addr, sizeof a.ip.addr));
    ovs_assert(a.ip.len == b.ip.len && a.scope == b.scope);
    ovs_assert(a.flags == b.flags && a.valid_lft == b.valid_lft);
    ds_destroy(&s);
    ds_destroy(&same);
}

static void
check_route(const char *text)
{
    struct ds s = DS_EMPTY_INITIALIZER, same = DS_EMPTY_INITIALIZER;
    struct rtnl_route r, q;
    char *error = underlay_parse_route(text, &r);

    if (error) {
        text_check_refusal(error, "");
        return;
    }
    check_prefix(&r.dst);
    ovs_assert(!r.oif);
    underlay_format_route(&r, &s);
    ovs_assert(!underlay_parse_route(ds_cstr(&s), &q));
    underlay_format_route(&q, &same);
    ovs_assert(!strcmp(ds_cstr(&s), ds_cstr(&same)));
    ovs_assert(r.dst.len == q.dst.len && r.has_gateway == q.has_gateway);
    ovs_assert(!memcmp(r.metrics, q.metrics, sizeof r.metrics));
    ds_destroy(&s);
    ds_destroy(&same);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = text_of(data, size);
    unsigned int on = underlay_parse_offloads(text);

    ovs_assert(!on || !strcmp(underlay_format_offloads(on), text));
    check_address(text);
    check_route(text);
    free(text);
    return 0;
}
