/* SPDX-License-Identifier: Apache-2.0 */

#ifndef AGENT_ATTACHMENT_H
#define AGENT_ATTACHMENT_H 1

/* One endpoint's way through its states: its row, its link, its flows.
 * endpoints.c brings the events and keeps the sets; nobody else includes
 * this. */

#include "agent/endpoints.h"
#include "agent/gather.h"
#include "agent/netns.h"
#include "agent/retired.h"
#include "hmapx.h"
#include "openvswitch/list.h"
#include "overlay/claims.h"

/* Where there is a directory, an attach begins with S_CLAIM: until it says that
 * nobody else has the addresses, or does not answer.  Then:
 *
 *  attach     link made,              row there    flows acknowledged
 * -------> S_NEW -----------> S_WRITING -----> S_PORT ---> S_FLOWS --> S_UP
 *           ^ ^  row in a txn    |              ^   port known          |
 *           | |                  | txn failed   |                       |
 *           | +------------------+              |   link lost, or its   |
 *           |                                   |   name taken          |
 *           +--- row deleted or changed         |                       v
 *                                             S_OPEN <- S_CLOSING <- S_CLOSE
 *                                     row as it was   vswitchd has let go;
 *                                                     link made
 *
 * A row that is deleted or changed in S_CLOSING is written as S_CLOSE has it.
 * Any of them goes to S_LEAVING by detach, by a failed attach, or when the
 * namespace has gone.  Flows go first, so that traffic stops at once; then the
 * row, and with it the attachment; the link and the port's name stay retired
 * until vswitchd says that it has let go of the port.
 *
 * S_NEW, S_CLOSE, S_OPEN and S_LEAVING have something to write: they are in
 * 'todo'.
 */
enum state {
    S_CLAIM,
    S_NEW,
    S_WRITING,
    S_PORT,
    S_FLOWS,
    S_UP,
    S_CLOSE,
    S_CLOSING,
    S_OPEN,
    S_LEAVING,
};

struct attachment {
    struct endpoint ep;
    enum state state;
    int netns;                      /* fd, until the link is made; or -1. */
    struct netns_id netns_id;       /* Where its link is; all zero: not
                                     * known. */
    int ifindex;                    /* Of the host's end; 0: none. */
    bool row;                       /* Is in the database. */
    bool announced;
    bool explicit_mac;
    ofp_port_t ofport;              /* 0: none; see 'ofport_node'. */
    struct hmap_node ofport_node;   /* In 'by_ofport', if it has one. */
    uint32_t routes;                /* Hash of what it was given them by; 0:
                                     * not known. */
    int routes_failed;              /* How often in a row. */
    bool carrier_lost;              /* Since it was up. */
    bool renew;                     /* What is inside may lack something. */
    uint32_t vni;                   /* 0: its network is not listed. */
    uint32_t registered;            /* The VNI that the registrar was told; 0:
                                     * it was not. */
    enum registrar_state standing;  /* What the registrar says. */
    char *standing_text;            /* Why, or NULL. */
    bool displaced;                 /* It is another host's by now: it has no
                                     * flows. */
    char *conflict;                 /* Who else of this host has what it has:
                                     * it has no flows.  Or NULL. */
    struct attach_request *request; /* In S_CLAIM with automatic addresses; or
                                     * NULL.  Owned. */
    struct admit_host host;         /* What 'request' was admitted by. */
    struct plan share;              /* What the switch has of it. */
    uint64_t flow_seqno;            /* Covers 'share'; 0: not sent yet. */
    long long int check_at;         /* Look at its link; LLONG_MAX: need not.*/
    long long int announce_at;      /* Of the second announcement. */
    char *problem;                  /* Why it is not up, or NULL. */
    char *failure;                  /* S_LEAVING: why the attach failed. */
    struct ovs_list attachers;      /* Contains struct waiter. */
    struct ovs_list detachers;
};

struct endpoints {
    char *bridge;
    struct shash by_name;           /* Contains struct attachment. */
    struct hmap by_ofport;          /* Contains struct attachment. */
    struct simap networks;          /* How many are on each. */
    struct registrar *registrar;    /* Borrowed; NULL: there is no directory
                                     * to tell. */
    struct retired retired;
    struct claims claims;
    struct gather gather;
    struct hmapx todo;              /* Have something to write. */
    struct hmapx written;           /* Are in the transaction just composed. */
    struct hmapx inflight;          /* Are in the one on its way. */
    struct hmapx unsent;            /* Shares changed since the last commit. */
    struct hmapx unacked;           /* Flows sent, not acknowledged. */
    struct hmapx checks;            /* Have a 'check_at'. */
    struct hmapx announcing;        /* Have an 'announce_at'. */
    struct hmapx conflicting;       /* Have a 'conflict'. */
    const struct peerlist *list;    /* Borrowed, or NULL. */
    const struct simap *slots;      /* Borrowed: of networks with a way out. */
    bool netdev;
    int mtu;
    struct switchdb *db;
    struct ofswitch *sw;
    struct kernel *kernel;
    struct reaper *reaper;
    const struct endpoints_ops *ops;
    void *aux;
};

/* Takes over 'ep'; it joins 'by_name' and the claims. */
struct attachment *attachment_create(struct endpoints *, struct endpoint *ep,
                                     enum state);
/* NULL if there is none of that name. */
struct attachment *attachment_find(const struct endpoints *,
                                   const char *name);
/* S_CLAIM: chooses other addresses than those that turned out to be taken.
 * NULL, or an owned message: then it is as it was. */
char *attachment_readmit(struct endpoints *, struct attachment *);
/* Tells all who wait, and leaves every set. */
void attachment_destroy(struct endpoints *, struct attachment *);

void attachment_add_waiter(struct ovs_list *waiters,
                           const struct endpoints_waiter *);
void attachment_tell(struct ovs_list *waiters, const char *error);
void attachment_set_problem(struct attachment *, char *problem); /* Takes it
                                                                  * over. */

/* Its network, or NULL. */
const struct network *attachment_network(const struct endpoints *,
                                         const struct attachment *);
/* Of one of an earlier run, with its link: where that ends. */
void attachment_find_netns(struct endpoints *, struct attachment *);
/* Does the fd 'netns', that its path led to, stand for its namespace? */
bool attachment_is_netns(const struct attachment *, int netns);
/* What its link's MTU should be; 0: it is not known yet. */
int attachment_mtu(const struct endpoints *, const struct attachment *);
/* Its namespace may have lost some of what it was given. */
void attachment_renew(struct endpoints *, struct attachment *);
/* What its namespace should know of its network may have changed. */
void attachment_routes_changed(struct endpoints *, struct attachment *);
void attachment_set_ofport(struct endpoints *, struct attachment *,
                           ofp_port_t);

/* Gives the switch what has changed in what it should have of it. */
void attachment_update_share(struct endpoints *, struct attachment *);
/* Somebody changed what its row remembers: writes it again. */
void attachment_rewrite(struct endpoints *, struct attachment *);
/* We changed it. */
void attachment_write(struct endpoints *, struct attachment *);
/* Its row is not there: makes it again. */
void attachment_row_gone(struct endpoints *, struct attachment *);
/* From S_PORT on, when all is there. */
void attachment_advance(struct endpoints *, struct attachment *);

void attachment_leave(struct endpoints *, struct attachment *);
/* Ends it, if flows and row are both gone. */
void attachment_finish_leaving(struct endpoints *, struct attachment *);

/* Makes its link; a failure makes it leave. */
void attachment_make_link(struct endpoints *, struct attachment *);
/* Something happened to the host's end of its link, or its routes are due. */
void attachment_check_link(struct endpoints *, struct attachment *);
void attachment_check_soon(struct endpoints *, struct attachment *,
                           int delay_ms);
void attachment_announce(struct endpoints *, struct attachment *);
void attachment_announce_again(struct endpoints *, struct attachment *);

struct json *attachment_to_json(const struct attachment *);
/* Also what is asked of the kernel for it. */
struct json *attachment_show(const struct attachment *);

/* attachment-standing.c: what the shared directory says of it. */
/* Is told to the registrar, in network 'vni'; 'move': it may be another
 * host's. */
void attachment_register(struct endpoints *, struct attachment *,
                         uint32_t vni, bool move);
void attachment_unregister(struct endpoints *, struct attachment *);
/* Takes back what another host has by now; the attachers are told how that
 * ends. */
void attachment_reclaim(struct endpoints *, struct attachment *);
/* NULL, or an owned text: that it is another host's by now. */
char *attachment_displaced(const struct attachment *);
void attachment_forget_request(struct attachment *);
/* Adds it to what attachment_to_json() makes of one that the directory is told
 * of. */
void attachment_put_standing(const struct attachment *, struct json *);

/* It is up, or will not be: nobody waits for it any more (gather.h). */
void endpoints_opened(struct endpoints *, struct attachment *);

#endif /* agent/attachment.h */
