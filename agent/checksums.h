/* SPDX-License-Identifier: Apache-2.0 */

#ifndef AGENT_CHECKSUMS_H
#define AGENT_CHECKSUMS_H 1

/* What a NIC between two hosts did to the packets whose checksums it was left
 * to compute.  Called for `weft endpoint show`. */

#include <stdint.h>

/* The packets with a wrong checksum that the network namespace of 'netns', an
 * fd, was sent since it was made: TCP, UDP and ICMP (InCsumErrors of
 * /proc/net/snmp), by IPv4 and IPv6.  0 if that is not known. */
uint64_t checksums_wrong(int netns);

#endif /* agent/checksums.h */
