#include <config.h>
#include "overlay/transit.h"
#include "packets.h"
struct in6_addr transit_address(uint16_t slot, bool v4)
{
    struct in6_addr a = {{{0xfd,0x57,0x65,0x66,0x74,0}}};
    if (v4) { in6_addr_set_mapped_ipv4(&a, htonl(0xc6130000 | slot)); }
    else { a.s6_addr[14] = slot >> 8; a.s6_addr[15] = slot & 255; }
    return a;
}
