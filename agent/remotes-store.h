/* SPDX-License-Identifier: Apache-2.0 */

#ifndef AGENT_REMOTES_STORE_H
#define AGENT_REMOTES_STORE_H 1

/* The endpoints of other hosts as they are kept, between the three files that
 * know them: remotes.c takes the directory's rows, remotes-store.c keeps and
 * finds them, remotes-flows.c gives them to the switch.  Nobody else includes
 * this. */

#include "agent/remotes.h"
#include "agent/neighbours.h"
#include "openvswitch/hmap.h"
#include "openvswitch/list.h"
#include "openvswitch/shash.h"

enum {
    /* Owners of rows that have gone are connected again by then, and have put
     * them back. */
    REMOTES_PUT_BACK_MS = 10000,
    /* Rows of one update, or flows read, that are worth giving memory back
     * for. */
    REMOTES_TRIM_MIN = 1000,
};

/* The flows of one: of its MAC and of its addresses. */
enum remote_flow { FLOW_IPV6, FLOW_IPV4, FLOW_MAC, N_FLOWS };

/* A network that is watched. */
struct segment {
    struct hmap_node node;          /* By VNI. */
    uint32_t vni;
    const struct network *net;      /* Borrowed; NULL: it is not listed. */
    size_t n;                       /* Endpoints in it. */
    bool watched;
    bool used;                      /* Endpoints of this host reach it. */
};

struct host {
    char *name;
    uint32_t id;                    /* What flows call it. */
    ofp_port_t ofport;              /* Of its tunnel; 0: none. */
    size_t n;                       /* Rows of it. */
    bool needed;                    /* A tunnel to it is. */
    struct ovs_list members;        /* Contains struct member. */
};

/* How many of a host's are in a network; the bucket of its tunnel in the
 * network's group. */
struct member {
    struct ovs_list node;
    struct ovs_list changed_node;   /* In 'changed', or alone. */
    const struct host *host;
    struct segment *segment;
    size_t n;
    ofp_port_t bucket;              /* 0: none. */
};

/* A row.  Of several rows of one MAC, part 0 speaks for it; the others count
 * only beside it, if they are of the same host. */
struct remote {
    struct hmap_node uuid_node;
    struct hmap_node mac_node;      /* By VNI and MAC. */
    struct hmap_node name_node;     /* By VNI and name, in lower case. */
    struct hmap_node ip_nodes[2];   /* By VNI and address: FLOW_IPV6, _IPV4. */
    struct ovs_list node;           /* In 'dirty' or 'gone', or alone. */
    struct uuid uuid;
    struct in6_addr ips[2];         /* in6addr_any: none. */
    struct host *host;
    struct segment *segment;
    struct eth_addr mac;
    uint8_t part;
    uint8_t sent;                   /* Bits of remote_flow: the switch should
                                     * have it. */
    uint8_t have;                   /* Likewise: was found in it. */
    bool live;                      /* In the maps; else in 'gone'. */
    bool leaving;                   /* Not in the directory any more, as the
                                     * update that is read says. */
    bool held;                      /* Not in the directory any more, held in
                                     * force: not in 'by_uuid'. */
    bool briefly;                   /* Held until 'release_at'. */
    char name[];
};

struct remotes {
    struct ofswitch *sw;
    struct tunnels *tunnels;
    struct neighbours *neighbours;
    struct hmap segments;           /* Contains struct segment. */
    struct hmap by_uuid, by_mac, by_name, by_ip;    /* Of struct remote. */
    struct shash hosts;             /* Contains struct host. */
    struct ovs_list dirty;          /* Have flows to be sent. */
    struct ovs_list gone;           /* Have flows to be taken away. */
    struct ovs_list changed;        /* Contains struct member: may have another
                                     * bucket. */
    struct remote **leaving;        /* Those that were marked so, in an
                                     * update. */
    size_t n_leaving, allocated_leaving;
    size_t n_update;                /* Rows of the update. */
    bool trim;                      /* Much was read or sent, whose memory is
                                     * to be given back. */
    bool other_content;             /* The update is of a database that was
                                     * away, or of one that was restored. */
    size_t n_held, n_briefly;       /* 'n_held' is without 'n_briefly'. */
    long long int release_at;       /* When those go. */
    struct plan stale;              /* Found in the switch, of nobody. */
    long long int stale_at;         /* When to delete those. */
    size_t n_observed;
    size_t stale_held;              /* Of so many endpoints were they that they
                                     * are left. */
    long long int look_at;          /* When to look whose they are by now;
                                     * LLONG_MAX: nothing has changed. */
    bool trusted;                   /* What lacks in the directory is meant. */
};

/* Puts it into every map; its flows are to be sent. */
void remotes_store_insert(struct remotes *, struct remote *);
/* It is known no longer; what the switch has of it is still to go. */
void remotes_store_retire(struct remotes *, struct remote *);
/* It is in 'gone', and the switch has nothing of it. */
void remotes_store_destroy(struct remotes *, struct remote *);
/* The directory has it no longer, or by another uuid. */
void remotes_store_forget_uuid(struct remotes *, struct remote *);
/* It has gone, and stays in force; 'briefly': for a while. */
void remotes_store_hold(struct remotes *, struct remote *, bool briefly);
/* Its flows may be other ones than those that were sent. */
void remotes_store_touch(struct remotes *, struct remote *);

/* Each finds one, or NULL. */
struct remote *remotes_store_by_uuid(const struct remotes *,
                                     const struct uuid *);
struct remote *remotes_store_by_mac(const struct remotes *, uint32_t vni,
                                    struct eth_addr, uint8_t part);
struct remote *remotes_store_by_ip(const struct remotes *, uint32_t vni,
                                   const struct in6_addr *);
struct segment *remotes_store_segment(const struct remotes *, uint32_t vni);

/* Bits of remote_flow: what the switch should have of it. */
uint8_t remotes_flows_wanted(const struct remotes *, const struct remote *);
/* Sends what is wanted and was not sent, and takes away what was sent and is
 * not wanted.  Returns how many flows that is. */
size_t remotes_flows_send(struct remotes *, struct remote *);
/* Frees those in 'gone': the switch will be read. */
void remotes_flows_forget_gone(struct remotes *);
/* Deletes what was read and is of nobody, if it is time. */
void remotes_flows_drop_stale(struct remotes *);

/* One more (1), or one less (-1), of the host of 'r' in its network. */
void remotes_flows_count_member(struct remotes *, const struct remote *r,
                                int n);
/* The tunnel to a host, or its networks, are other ones. */
void remotes_flows_touch_members(struct remotes *, const struct host *);
void remotes_flows_update_members(struct remotes *);
/* A tunnel to it may be needed, or no longer. */
void remotes_flows_update_need(struct remotes *, struct host *);

#endif /* agent/remotes-store.h */
