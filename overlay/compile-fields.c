/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "overlay/compile-fields.h"

#include "overlay/address.h"
#include "packets.h"
#include "util.h"

const struct compile_family compile_families[2] = {
    { "ipv6", "ipv6_src", "ipv6_dst", "NXM_NX_IPV6_SRC", "NXM_NX_IPV6_DST",
      "icmp6", "icmp6,icmp_type=128,icmp_code=0", "set_field:129->icmpv6_type",
      "udp6", "tcp6", ETH_TYPE_IPV6,
      HOP6, "NXM_NX_XXREG2" },
    { "ip", "nw_src", "nw_dst", "NXM_OF_IP_SRC", "NXM_OF_IP_DST",
      "icmp", "icmp,icmp_type=8,icmp_code=0", "set_field:0->icmp_type",
      "udp", "tcp", ETH_TYPE_IP,
      HOP4, "NXM_NX_REG5" },
};

const struct compile_family *
compile_family_of(const struct in6_addr *addr)
{
    return &compile_families[address_is_v4(addr)];
}

char *
compile_prefix_text(const struct prefix *p)
{
    struct ds s = DS_EMPTY_INITIALIZER;
    prefix_format(p, &s);
    return ds_steal_cstr(&s);
}

char *
compile_address_text(const struct in6_addr *addr)
{
    struct ds s = DS_EMPTY_INITIALIZER;
    address_format(addr, &s);
    return ds_steal_cstr(&s);
}

char *
compile_hop_text(const struct in6_addr *addr)
{
    struct ds s = DS_EMPTY_INITIALIZER;
    ds_put_cstr(&s, "0x");
    for (size_t i = address_is_v4(addr) ? 12 : 0; i < 16; i++) {
        ds_put_format(&s, "%02x", addr->s6_addr[i]);
    }
    return ds_steal_cstr(&s);
}
