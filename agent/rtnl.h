/* SPDX-License-Identifier: Apache-2.0 */

#ifndef AGENT_RTNL_H
#define AGENT_RTNL_H 1

/* Kernel links, addresses and routes, by rtnetlink through libmnl: requests
 * that return when the kernel has answered, and one socket of events.
 * Mechanism only: who owns what is decided elsewhere. */

#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>
#include "openvswitch/types.h"
#include "overlay/model.h"

struct rtnl;                        /* A socket, in one namespace. */

/* Opens one in this process's namespace, or in the one that 'netns' stands
 * for (an fd; -1 is this one).  Returns 0 or a negative errno. */
int rtnl_open(int netns, struct rtnl **);
void rtnl_close(struct rtnl *);

/* What RTM_NEWLINK tells of a link. */
struct rtnl_link {
    int ifindex;
    char name[IFNAMSIZ];
    char alias[64];                 /* "" if none; cut short if longer. */
    char kind[16];                  /* IFLA_INFO_KIND: "veth", "tun", "". */
    struct eth_addr mac;
    unsigned int flags;             /* IFF_UP, ... */
    int mtu;
    int group;
    int peer_ifindex;               /* IFLA_LINK; 0 if none. */
    int peer_nsid;                  /* IFLA_LINK_NETNSID; -1 if none: the peer
                                     * is in this namespace. */
};

/* Everything below returns 0 or a negative errno; an interrupted dump is
 * redone (NLM_F_DUMP_INTR). */

/* A veth 'name' here, up, without ARP and without an IPv6 link-local address
 * of its own (IFLA_INET6_ADDR_GEN_MODE none), with 'alias'; its peer born
 * inside 'netns' as 'peer_name' with 'mac', down.  Both with 'mtu'.  -EEXIST
 * if either name is taken: '*peer_exists' says whether it is the peer's (false
 * if both are).  -EINVAL for a name that is none or has a '%', which the
 * kernel would replace.  On failure there is no veth. */
struct rtnl_veth {
    const char *name;
    const char *alias;
    int netns;                      /* fd */
    const char *peer_name;
    struct eth_addr mac;
    int mtu;
    uint32_t group;                 /* IFLA_GROUP of 'name' until it has its
                                     * alias; 0: none of its own.  One that has
                                     * been left in it, by a crash, is no
                                     * obstacle. */
};
int rtnl_veth_add(struct rtnl *, const struct rtnl_veth *, int *ifindex,
                  int *peer_ifindex, bool *peer_exists);

/* In the namespace of the socket: 'lo' up, the link 'ifindex' up, and the n
 * addresses on it, all in one sendmsg().  IPv6 addresses without duplicate
 * address detection (IFA_F_NODAD: the directory knows they are unique).  To
 * add one that is there already is no error. */
int rtnl_inside_up(struct rtnl *, int ifindex, const struct prefix *ips,
                   size_t n);
int rtnl_address_add(struct rtnl *, int ifindex, const struct prefix *);

int rtnl_link_get(struct rtnl *, const char *name, struct rtnl_link *);
int rtnl_link_get_index(struct rtnl *, int ifindex, struct rtnl_link *);
int rtnl_link_del(struct rtnl *, int ifindex);
int rtnl_link_up(struct rtnl *, int ifindex, bool up);
/* The host's end as rtnl_veth_add() makes it: up, without ARP. */
int rtnl_veth_up(struct rtnl *, int ifindex);
/* The same, with an alias and without an IPv6 link-local address of its own:
 * for a link that somebody else has made, such as a tap. */
int rtnl_host_up(struct rtnl *, int ifindex, const char *alias);
int rtnl_link_set_mac(struct rtnl *, int ifindex, struct eth_addr);
int rtnl_link_set_mtu(struct rtnl *, int ifindex, int mtu);

/* Deletes the n links as one group: each is moved into IFLA_GROUP 'group'
 * (not 0; no other link may be in it), then the group is deleted at once.  A
 * link that is gone already is no error. */
int rtnl_links_del(struct rtnl *, const int ifindexes[], size_t n,
                   uint32_t group);

/* The netns id (RTM_GETNSID) that this socket's namespace gives to 'netns', -1
 * if none. */
int rtnl_nsid(struct rtnl *, int netns, int *nsid);

/* Dumps.  'cb' gets each one, once the dump is whole; it may use the socket.
 * -EAGAIN if the table changed during every one of many attempts. */
int rtnl_links_dump(struct rtnl *, void (*cb)(const struct rtnl_link *,
                                              void *aux), void *aux);
struct rtnl_addr {
    int ifindex;
    struct prefix ip;
    uint8_t scope;                  /* RT_SCOPE_UNIVERSE, ... */
    uint32_t flags;                 /* IFA_F_* */
    bool has_peer;
    struct in6_addr peer;           /* The other end; ip.len is of this. */
    bool has_broadcast;
    struct in6_addr broadcast;      /* IPv4 only. */
    char label[IFNAMSIZ];           /* IPv4 only: the link's name, unless it
                                     * was given another; "" to have that. */
    uint32_t metric;                /* IFA_RT_PRIORITY: of the route that it
                                     * makes; 0: the usual one. */
    uint8_t protocol;               /* IFA_PROTO; 0: not told. */
    uint32_t valid_lft, preferred_lft;  /* Seconds left; UINT32_MAX: forever.
                                         * 'preferred_lft' 0: deprecated. */
};
int rtnl_addrs_dump(struct rtnl *, void (*cb)(const struct rtnl_addr *,
                                              void *aux), void *aux);

/* The flags of an address that rtnl_address_set() sets. */
#define RTNL_ADDR_FLAGS (IFA_F_NODAD | IFA_F_HOMEADDRESS \
                         | IFA_F_MANAGETEMPADDR | IFA_F_NOPREFIXROUTE \
                         | IFA_F_MCAUTOJOIN)
/* Makes the address on its link what the value says, but without duplicate
 * address detection in any case. */
int rtnl_address_set(struct rtnl *, const struct rtnl_addr *);
int rtnl_address_del(struct rtnl *, const struct rtnl_addr *);
                                    /* -EADDRNOTAVAIL. */

/* A route of the main table by one link, as much of it as moving an address
 * from a NIC to a bridge needs.  The dump passes over what this cannot tell
 * of: routes by several links, by source address or TOS, or that encapsulate.
 */
struct rtnl_route {
    struct prefix dst;              /* len 0: the default route. */
    bool has_gateway;
    struct in6_addr gateway;        /* May be IPv6 for an IPv4 'dst'. */
    bool onlink;                    /* RTNH_F_ONLINK: 'gateway' need not be
                                     * within a subnet of 'oif'. */
    bool has_src;
    struct in6_addr src;            /* RTA_PREFSRC: the preferred source. */
    int oif;
    uint8_t protocol, scope;        /* RTPROT_*, RT_SCOPE_* */
    uint8_t type;                   /* RTN_UNICAST (0 is that too), LOCAL,
                                     * BROADCAST, ANYCAST or MULTICAST. */
    uint8_t pref;                   /* RTA_PREF of IPv6 (RFC 4191). */
    uint32_t metric;                /* RTA_PRIORITY */
    uint32_t expires;               /* Seconds left, IPv6 only; 0: never. */
    uint32_t metrics[RTAX_MAX + 1]; /* RTA_METRICS by RTAX_*; 0: none. */
    char congctl[16];               /* RTAX_CC_ALGO, which is no number. */
};
int rtnl_routes_dump(struct rtnl *, void (*cb)(const struct rtnl_route *,
                                               void *aux), void *aux);
/* Only those of 'protocol' that lead by link 'oif'.  Since Linux 4.20 the
 * kernel itself passes over the others, however many. */
int rtnl_link_routes_dump(struct rtnl *, int oif, uint8_t protocol,
                          void (*cb)(const struct rtnl_route *, void *aux),
                          void *aux);
int rtnl_route_add(struct rtnl *, const struct rtnl_route *); /* -EEXIST. */
/* Beside another one to the same prefix with the same metric, which is used
 * before it, or in turn with it (IPv6).  -EEXIST only if it is the same. */
int rtnl_route_append(struct rtnl *, const struct rtnl_route *);
int rtnl_route_del(struct rtnl *, const struct rtnl_route *); /* -ESRCH. */

/* The interface that a packet to 'dst' leaves by (RTM_GETROUTE); lo's for an
 * address of this host.  '*hop', unless NULL, becomes the gateway, 'dst'
 * itself if there is none, or :: if it is of the other family.  -ENETUNREACH
 * if there is no route. */
int rtnl_route_get(struct rtnl *, const struct in6_addr *dst, int *oif,
                   struct in6_addr *hop);

/* What the kernel's neighbour table (ARP, neighbour discovery) has. */
struct rtnl_neighbour {
    uint16_t state;                 /* NUD_*; NUD_NONE: no such entry. */
    long long int confirmed;        /* ms since it answered last. */
};
int rtnl_neighbour_get(struct rtnl *, int ifindex, const struct in6_addr *,
                       struct rtnl_neighbour *);
/* Has the kernel ask for it: by broadcast or multicast, or if 'valid' (it has
 * a MAC) by asking there.  Returns at once. */
int rtnl_neighbour_ask(struct rtnl *, int ifindex, const struct in6_addr *,
                       bool valid);

/* Turns the transmit checksum offload of 'ifname' in the socket's namespace
 * off (ETHTOOL_STXCSUM), or back on. */
int rtnl_tx_checksum(struct rtnl *, const char *ifname, bool on);

/* What makes one large packet of several that 'ifname' receives, of those in
 * the socket's namespace: by the kernel (generic) and by the NIC itself. */
enum { RTNL_GRO = 1 << 0, RTNL_LRO = 1 << 1 };
int rtnl_rx_merging_get(struct rtnl *, const char *ifname, unsigned int *);
/* Those that 'ifname' is to have.  Fails if one cannot be changed. */
int rtnl_rx_merging_set(struct rtnl *, const char *ifname, unsigned int);

/* Events.  A monitor is a socket in RTNLGRP_LINK and both IFADDR groups of
 * this process's namespace.  When its buffer overran (ENOBUFS), 'overrun' is
 * called and the caller dumps anew: scan and event share one path.  No event
 * from before the overrun follows it. */
struct rtnl_monitor_ops {
    void (*link)(const struct rtnl_link *, bool deleted, void *aux);
    void (*addr)(const struct rtnl_addr *, bool deleted, void *aux);
    void (*overrun)(void *aux);
};
struct rtnl_monitor;
int rtnl_monitor_open(const struct rtnl_monitor_ops *, void *aux,
                      struct rtnl_monitor **);
int rtnl_monitor_fd(const struct rtnl_monitor *);
void rtnl_monitor_run(struct rtnl_monitor *);   /* Reads what is there. */
void rtnl_monitor_close(struct rtnl_monitor *);

#endif /* agent/rtnl.h */
