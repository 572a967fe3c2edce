/* SPDX-License-Identifier: Apache-2.0 */

#ifndef OVERLAY_ADDRESS_H
#define OVERLAY_ADDRESS_H 1

/* Addresses and prefixes of both families: text, containment, and which one a
 * new endpoint gets.  Pure; called by the parsers, compile and the agent. */

#include "openvswitch/dynamic-string.h"
#include "overlay/model.h"

bool address_is_v4(const struct in6_addr *);

/* "10.1.0.0" or "fd00::1" into '*addr'.  False if it is neither. */
bool address_parse(const char *s, struct in6_addr *addr);
void address_format(const struct in6_addr *, struct ds *);

/* Why 'addr' cannot be a host's own unicast address ("is a multicast
 * address", "is unspecified", "is the broadcast address", "is a loopback
 * address", "is a link-local address"), or NULL if it can.  RFC 6890. */
const char *address_refuse_unicast(const struct in6_addr *addr);

/* "ADDR/LEN" into '*p', bits beyond the prefix kept.  Returns NULL, or an
 * owned message that does not name the file. */
char *prefix_parse(const char *s, struct prefix *p);

/* As above, and refuses bits beyond the prefix ("10.1.0.7/16 has bits beyond
 * its prefix: write 10.1.0.0/16") and subnets of length 0, longer than /30 or
 * /126, or with addresses that address_refuse_unicast() refuses. */
char *prefix_parse_subnet(const char *s, struct prefix *p);

/* As prefix_parse(), of where a route leads: refuses bits beyond the prefix,
 * and prefixes without any address that may be a host's.  A single address and
 * everything (0.0.0.0/0, ::/0) are accepted. */
char *prefix_parse_route(const char *s, struct prefix *p);
void prefix_format(const struct prefix *, struct ds *);
bool prefix_is_v4(const struct prefix *);
bool prefix_equal(const struct prefix *, const struct prefix *);

/* Is 'addr' within 'p'?  Never, if their families differ. */
bool prefix_contains(const struct prefix *p, const struct in6_addr *addr);
bool prefix_overlaps(const struct prefix *, const struct prefix *);

/* Are all addresses of 'inner' within 'outer'? */
bool prefix_within(const struct prefix *inner, const struct prefix *outer);

/* The address after the subnet's own: 10.1.0.1 of 10.1.0.0/16. */
struct in6_addr prefix_first_host(const struct prefix *subnet);

/* Why 'addr', of a host in 'subnet', cannot be an endpoint's ("is the network
 * address of its subnet", "is the broadcast address of its subnet", "is not
 * within its subnet"), or NULL if it can. */
const char *prefix_refuse_host(const struct prefix *subnet,
                               const struct in6_addr *addr);

/* The part of 'subnet' from which 'self' gives automatic addresses:
 *
 *   - a slice of the peer's own that lies within 'subnet', else
 *   - the slice whose number is the last bits of the peer's underlay address:
 *     of a /16 the /24 number 11 (10.1.11.0/24) for 192.168.50.11.  Half of
 *     the host bits name the slice, at most 8 for IPv4 and 16 for IPv6.
 *
 * Neither depends on the other peers' order, so a new peer moves nobody.
 * Returns NULL, or an owned message if the slice overlaps another peer's
 * ("the default slice ... of hosta is also that of hostb: give each a
 * \"slice = ...\""). */
char *address_slice(const struct peerlist *, const struct peer *self,
                    const struct prefix *subnet, struct prefix *slice);

/* The first address of 'slice' that 'taken(addr, aux)' says is free, from the
 * one with number '*number' (0 is the slice's own first address, which is
 * never given), whose number it stores there; never the first two addresses
 * (the network's own and its gateway's by default) or the broadcast address of
 * 'subnet'.
 * Tries at most 65,536.  Returns false if none is free. */
bool address_allocate(const struct prefix *subnet, const struct prefix *slice,
                      bool (*taken)(const struct in6_addr *, const void *aux),
                      const void *aux, uint32_t *number,
                      struct in6_addr *addr);

/* "0a:57" or "0a:57:01" into '*p': unicast, locally administered (IEEE
 * 802-2014, section 8.2), and not of GATEWAY_MAC.  Returns NULL or an owned
 * message. */
char *mac_prefix_parse(const char *s, struct mac_prefix *p);

/* The MAC of an endpoint whose first address is 'addr': the prefix (0a:57 by
 * default), then as much of the end of the IPv4 address, or of a hash of the
 * IPv6 address, as fits.  'attempt' 0 is that; each further one is another
 * address, for the case that one is taken; none of the first 2^24 returns.
 * The same everywhere and always: a MAC outlives builds and upgrades. */
struct eth_addr mac_derive(const struct mac_prefix *,
                           const struct in6_addr *addr, unsigned int attempt);

/* 0e:57:00 is for gateways, and for what they route. */
bool mac_is_gateways(struct eth_addr);

/* The link-local address that Linux makes of 'mac' (RFC 4291, appendix A). */
struct in6_addr address_link_local(struct eth_addr mac);

#endif /* overlay/address.h */
