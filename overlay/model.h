/* SPDX-License-Identifier: Apache-2.0 */

#ifndef OVERLAY_MODEL_H
#define OVERLAY_MODEL_H 1

/* The values that everything else is about: networks, peers, endpoints.
 *
 * Plain data, made by the parsers and by ovsdb/, read by everybody.  Nothing
 * here knows a socket, a file, a clock or a row.
 *
 * An IP address of either family is a struct in6_addr; IPv4 is v4-mapped
 * (::ffff:a.b.c.d), as everywhere in libopenvswitch. */

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "openvswitch/shash.h"
#include "openvswitch/types.h"
#include "sset.h"

/* Named limits.  Whatever a user, a file or a peer can fill has one. */
enum {
    NAME_LEN_MAX = 31,              /* A network's, peer's, endpoint's name. */
    VNI_MAX = (1 << 24) - 1,        /* RFC 7348, section 5: 24 bits. */
    SUBNETS_MAX = 16,               /* Of one network. */
    SLICES_MAX = 16,                /* Of one peer. */
    ENDPOINT_IPS_MAX = 16,          /* Of one endpoint. */
    PEERLIST_SIZE_MAX = 4 << 20,    /* Bytes of a peer file. */
    PEERLIST_LINE_MAX = 190,        /* Bytes of one of its lines. */
    NETWORKS_MAX = 4096,
    PEERS_MAX = 16384,
    REMOTES_MAX = 1 << 20,          /* Rows of other hosts' endpoints that one
                                     * host watches. */
    VXLAN_PORT = 4789,              /* RFC 7348, section 5. */
    VXLAN_OVERHEAD_IPV4 = 50,       /* Outer Ethernet to inner Ethernet: */
    VXLAN_OVERHEAD_IPV6 = 70,       /* 14 + 20 or 40 + 8 + 8 bytes. */
    MTU_MIN = 1280,                 /* RFC 8200, section 5. */
    MTU_MAX = 65535,
    DNS_MAX = 8,                    /* Servers of one network. */
    NETWORK_ROUTES_MAX = 16,        /* Of one network. */
    ROUTERS_MAX = 1024,
    ROUTER_NETWORKS_MAX = 256,      /* Of one router. */
    PUBLISHES_MAX = 16,             /* Ports of one endpoint. */
};

/* An address and the length of its prefix: 0..32 for IPv4, 0..128 for IPv6.
 * Bits beyond the prefix may be set ("10.1.0.7/16" is an interface's address);
 * a subnet has none. */
struct prefix {
    struct in6_addr addr;
    uint8_t len;
};

/* The first octets of generated MAC addresses. */
struct mac_prefix {
    uint8_t octets[3];
    uint8_t len;                    /* 0 (not given), 2 or 3. */
};

/* What leads out of a network. */
enum network_external {
    EXTERNAL_NONE,
    EXTERNAL_NAT,                   /* By the host, with its address. */
};

/* "10.9.0.0/16 via 10.1.0.7": 'via' lies within a subnet of the network, of
 * the same family as 'dst', whose length may be 0. */
struct route {
    struct prefix dst;
    struct in6_addr via;
};

struct network {
    char *name;                     /* Owned.  The key in peerlist. */
    uint32_t vni;                   /* 1..VNI_MAX. */
    struct prefix subnets[SUBNETS_MAX];
    struct in6_addr gateways[SUBNETS_MAX];  /* Of each subnet; in6addr_any:
                                             * it has none. */
    size_t n_subnets;               /* In the order of the file; at least 1. */
    struct mac_prefix mac_prefix;
    enum network_external external;
    bool dhcp;
    struct in6_addr dns[DNS_MAX];   /* Of both families. */
    size_t n_dns;
    struct route routes[NETWORK_ROUTES_MAX];
    size_t n_routes;
    char *router;                   /* Owned.  Of which it is a member; NULL:
                                     * of none. */
    uint32_t domain;                /* What flows call its router: the lowest
                                     * VNI of the members; its own VNI if it
                                     * has no router.  Networks of one domain
                                     * reach each other. */
    int line;                       /* Of its section, from 1. */
};

struct peer {
    char *name;                     /* Owned.  The key in peerlist. */
    struct in6_addr address;        /* Of its VTEP, in the underlay. */
    uint16_t port;                  /* VXLAN UDP port; 0: not given. */
    struct prefix slices[SLICES_MAX];
    size_t n_slices;
    int line;
};

/* The networks that route to each other. */
struct router {
    char *name;                     /* Owned.  The key in peerlist. */
    struct sset networks;           /* Names of its members. */
    int line;
};

/* The shared list.  Borrowed by everybody, owned by the directory. */
struct peerlist {
    struct shash networks;          /* Contains struct network, by name. */
    struct shash routers;           /* Contains struct router, by name. */
    struct shash peers;             /* Contains struct peer, by name. */
};

/* A port of the host that leads to one of an endpoint. */
struct publish {
    uint16_t host_port, port;
    uint8_t protocol;               /* IPPROTO_TCP or IPPROTO_UDP. */
};

/* One interface on a network: what `weft attach` asks for, and what the local
 * database remembers (external_ids of the Interface). */
struct endpoint {
    char *name;                     /* Owned. */
    char *network;                  /* Owned.  The network's name. */
    bool tap;                       /* A VM's tap: 'netns' is "", 'ifname' is
                                     * 'port'. */
    uint32_t owner;                 /* User id of a tap's owner; UINT32_MAX:
                                     * nobody in particular. */
    bool dhcp;                      /* Its addresses are not set inside: a
                                     * DHCP client of its own does. */
    char *netns;                    /* Owned.  Path, "/run/netns/red". */
    uint64_t netns_ino;             /* Its inode, where the path is a process's
                                     * and may come to mean another one; 0:
                                     * whatever has the name. */
    char *ifname;                   /* Owned.  Its name inside: "eth0". */
    char *port;                     /* Owned.  Name of the host's end and of
                                     * the port on the bridge. */
    struct eth_addr mac;
    struct prefix ips[ENDPOINT_IPS_MAX];
    size_t n_ips;
    int mtu;                        /* 0: follow the underlay. */
    struct publish publishes[PUBLISHES_MAX];
    size_t n_publishes;
    char *moved_to;                 /* Owned.  The host that has taken over
                                     * what it has, or NULL. */
};

/* A VXLAN port on the bridge, to one peer. */
struct tunnel {
    char *port;                     /* Owned.  Its name: "vx-hostb". */
    char *peer;                     /* Owned.  The peer's name. */
    uint32_t id;                    /* What flows call the peer; from 1, kept
                                     * for as long as the port exists. */
    struct in6_addr remote;
    struct in6_addr local;          /* Its packets' source; in6addr_any: as
                                     * the routes have it. */
    uint16_t dst_port;              /* UDP. */
};

void tunnel_finish(struct tunnel *);

void peerlist_destroy(struct peerlist *);
/* Adds a copy called 'name', which is not there yet. */
void peerlist_add_peer(struct peerlist *, const char *name,
                       const struct peer *);
void peerlist_remove_peer(struct peerlist *, const char *name);
const struct network *peerlist_network(const struct peerlist *,
                                       const char *name);
const struct network *peerlist_network_by_vni(const struct peerlist *,
                                              uint32_t vni);
const struct peer *peerlist_peer(const struct peerlist *, const char *name);

/* The gateway that the network has for hosts of the family, or NULL: that of
 * its first subnet of the family. */
const struct in6_addr *network_gateway(const struct network *, bool v4);
/* The gateway and the subnet of the network that 'addr' is in, or NULL. */
const struct prefix *network_subnet(const struct network *,
                                    const struct in6_addr *addr,
                                    const struct in6_addr **gateway);

/* The gateway's MAC address, the same in every network and on every host. */
#define GATEWAY_MAC ETH_ADDR_C(0e,57,00,00,00,01)

void endpoint_finish(struct endpoint *);
void endpoint_clone(struct endpoint *dst, const struct endpoint *src);
bool endpoint_equal(const struct endpoint *, const struct endpoint *);
bool endpoint_has_ip(const struct endpoint *, const struct in6_addr *);

bool name_is_valid(const char *);
#define NAME_RULE "1 to 31 characters of a-z A-Z 0-9 . _ -, " \
                  "the first a letter or digit"

/* Why a message, a log or a row cannot show 's': control bytes and characters,
 * bytes that are not UTF-8.  NULL, or an owned message that does not show it
 * either. */
char *text_refuse(const char *s);

/* The only decimal spelling of a number, "0" or "4789", into '*number'.  False
 * for everything that another program might read as another number, or not
 * read: signs, blanks, leading zeros, hexadecimal. */
bool number_parse(const char *s, unsigned int *number);

#endif /* overlay/model.h */
