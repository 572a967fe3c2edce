/* SPDX-License-Identifier: Apache-2.0 */

#ifndef OVERLAY_PEERLIST_H
#define OVERLAY_PEERLIST_H 1

/* The peer file: text in, a whole valid list out, or one message that says
 * what is wrong and where.  There is nothing between the two.
 *
 *     [network blue]
 *     vni = 100                    ; 1..16777215
 *     subnet = 10.1.0.0/16         ; one or more
 *     subnet = fd00:1::/64
 *     mac-prefix = 0a:57           ; optional, 2 or 3 octets
 *     gateway = 10.1.0.1           ; optional, one for each subnet
 *     external = nat               ; none (the default) or nat
 *     dhcp = on                    ; on or off (the default)
 *     dns = 10.1.0.1               ; optional, repeatable
 *     route = 10.9.0.0/16 via 10.1.0.7     ; optional, repeatable
 *
 *     [router core]
 *     networks = blue, green       ; one or more, repeatable
 *
 *     [peer hosta]
 *     address = 192.168.50.11      ; or an IPv6 address
 *     port = 4790                  ; optional, VXLAN UDP port
 *     slice = 10.1.11.0/24         ; optional, for automatic addresses
 *
 * Syntax: INI as inih reads it, lines of at most PEERLIST_LINE_MAX bytes.
 * Comments begin with ; or #, at the start of a line or after a blank.  A line
 * may be indented, and continues none.  Windows's CR LF and byte order mark
 * are accepted.  The order of sections, and of keys in one, is free.
 *
 * A network that has a router, external = nat or dhcp = on has the first
 * host's address of each of its subnets as gateway where it gives no other. */

#include "overlay/model.h"
#include "overlay/sections.h"

/* Parses the 'size' bytes at 'text', which need not end in a null.  'file' is
 * what messages call it.  Returns NULL and stores an owned list in '*listp',
 * or returns an owned message "FILE:LINE: what: what to do" and stores NULL.
 *
 * Refused: more than PEERLIST_SIZE_MAX bytes; a last line without newline (the
 * mark of a file cut short); NUL and other control bytes, bytes that are not
 * UTF-8; no section; an unknown section or key; a key given twice that may be
 * given once; a missing vni, subnet or address; a bad name, VNI, subnet, MAC
 * prefix, address, port, route or word; a VNI, name, or peer address that
 * appears twice; two subnets of a network, or two slices, that overlap; a
 * slice within no subnet; a gateway or a route's next hop that is no host's
 * address in a subnet, a second gateway of a subnet, a route to the gateway; a
 * router's network that is not listed or is another router's; subnets of
 * networks of one router that overlap; two routes of a network, or of those of
 * one router, to the same prefix, or one to that of a subnet; more than a
 * named maximum of anything. */
char *peerlist_parse(const char *file, const char *text, size_t size,
                     struct peerlist **listp);

/* As above, and adds the sections as they are written to '*sections', which
 * the caller finishes also after an error. */
char *peerlist_parse_sections(const char *file, const char *text, size_t size,
                              struct peerlist **listp,
                              struct sections *sections);

/* The list that the 'n' sections at 'a', in any order, would be in a file, but
 * were never in one: no section, or no peer, is a list as well.  'what' is
 * what messages call them, "WHAT: network blue: ...", or NULL.  Names and
 * values may be any bytes. */
char *peerlist_from_sections(const char *what, const struct section a[],
                             size_t n, struct peerlist **listp);

/* Finds this host in 'list'.  'name' is what --name said, or NULL;
 * 'hostname' the machine's; 'owned' its n_owned addresses, of which loopback
 * and link-local ones are passed over.
 *
 *   - With 'name': the peer of that name, whether its address is owned or not
 *     (a host may be known by its NAT's address).
 *   - Else the one peer whose address is owned.  If several are (an address
 *     that every machine has, say), the one among them called 'hostname'.
 *
 * Then no other peer's address may be owned: a tunnel to oneself is a loop.
 *
 * Returns NULL and stores the peer in '*selfp', or an owned message that names
 * the addresses looked for. */
char *peerlist_find_self(const char *file, const struct peerlist *list,
                         const char *name, const char *hostname,
                         const struct in6_addr *owned, size_t n_owned,
                         const struct peer **selfp);

/* The UDP port of the tunnel between two peers, the same seen from both: the
 * one that is given, or VXLAN_PORT.  peerlist_find_self() has made sure that
 * 'self' and 'peer' do not name two different ones, which no OVS tunnel could
 * serve: its dst_port is also where it listens. */
uint16_t peerlist_port(const struct peer *self, const struct peer *peer);

/* Is the step from 'old' to 'new' so large that it looks like a file cut
 * short: at least two peers, and more than half of them, gone; or at least
 * two networks, and more than half of them?  Returns an owned message that
 * says so, or NULL. */
char *peerlist_mass_removal(const struct peerlist *old,
                            const struct peerlist *new);

/* The same where all that is known of before is the names of its peers, without
 * this host. */
char *peerlist_peers_removal(const struct shash *old_peers,
                             const struct peerlist *new);

#endif /* overlay/peerlist.h */
