/* SPDX-License-Identifier: Apache-2.0 */

#ifndef AGENT_REGISTRAR_PARTS_H
#define AGENT_REGISTRAR_PARTS_H 1

/* The registrar's own, between its three files: registrar.c compares what
 * should stand in the directory with what does, registrar-send.c writes the
 * endpoints' rows and claims, registrar-self.c this host's.  Nobody else
 * includes this. */

#include "agent/neighbours.h"
#include "agent/registrar.h"
#include "hmapx.h"
#include "openvswitch/hmap.h"
#include "openvswitch/shash.h"

enum { REGISTRAR_RETRY_MS = 5000 }; /* After a refusal. */

/* An endpoint of this host that should be published.
 *
 *           sent           done
 *   NEW ----------> SENT ---------> QUIET   its rows stand there
 *    ^ ^             |  |             |
 *    | |    lost     |  |  duplicate, |  a row has gone
 *    | +-------------+  |  other      |
 *    |                  v             |
 *    +------- (time) RETRY, or, if it may move, CLAIMING: until the owner's
 *    |               rows have gone, or CLAIM_MAX_MS
 *    +--------------------------------+
 */
enum phase { NEW, SENT, QUIET, RETRY, CLAIMING };

struct registration {
    char *name;
    uint32_t vni;
    struct eth_addr mac;
    struct directorydb_endpoint parts[ENDPOINT_IPS_MAX];    /* Without uuid and
                                     * texts. */
    size_t n_parts;
    uint32_t present;               /* Bits: which parts stand there. */
    enum phase phase;
    enum registrar_state state;     /* As it was told last. */
    bool move;
    bool alone;                     /* Something in a transaction with others
                                     * was a duplicate. */
    long long int since;            /* Of the phase, or when it was put. */
    bool late;                      /* It was told that it waits. */
    bool lost;                      /* A row has gone in this update, and was
                                     * to stay. */
};

/* A row of ours as it stands in the directory. */
struct own_row {
    struct hmap_node node;          /* By uuid. */
    struct directorydb_endpoint row;    /* 'name' owned, 'host' NULL. */
    struct registration *registration;  /* Whose part it is; NULL: stale. */
    bool deleting;                  /* We have asked for that. */
    bool unseen;
};

struct own_claim {
    struct hmap_node node;          /* By uuid. */
    struct uuid uuid;
    uint32_t vni;
    struct eth_addr mac;
    bool deleting;
};

struct registrar {
    struct directorydb *db;
    const struct remotes *remotes;
    char *host;
    struct peer self;               /* Name and address; 'name' is 'host'. */
    bool self_known;
    struct peer self_row;           /* What stands there. */
    bool self_exists, self_dirty;
    bool self_existed;              /* Before this update. */
    uint64_t self_txn;              /* On its way, or 0. */
    char *self_problem;
    long long int self_retry;       /* After a refusal. */
    struct shash registrations;     /* By endpoint. */
    struct hmap rows;               /* Contains struct own_row. */
    struct hmap claims;             /* Contains struct own_claim: ours. */
    struct hmapx todo;              /* Registrations in NEW, RETRY, CLAIMING,
                                     * or SENT and not told yet. */
    struct hmapx stale;             /* Rows to be deleted. */
    uint64_t txn;                   /* On its way, or 0. */
    struct hmapx in_txn;            /* Registrations. */
    bool leaving, left;             /* All rows are to go; have gone. */
    uint64_t leave_txn;             /* On its way, or 0. */
    bool clear;                     /* The update is all that there is. */
    size_t n_lost;                  /* Registrations that are 'lost'. */
    const struct registrar_ops *ops;
    void *aux;
};

/* The state is another one, and who is to know is told. */
void registrar_tell(struct registrar *, struct registration *,
                    enum registrar_state, const char *text);
void registrar_set_phase(struct registrar *, struct registration *,
                         enum phase);

/* neighbours_left() or neighbours_came() of each of its addresses. */
typedef void registrar_neighbours_func(struct neighbours *, uint32_t vni,
                                       const struct in6_addr *,
                                       struct eth_addr);
void registrar_tell_neighbours(const struct registrar *,
                               const struct registration *,
                               registrar_neighbours_func *);

/* Sends what is to be written, unless something is on its way. */
void registrar_send_rows(struct registrar *);
void registrar_send_finish(struct registrar *, const struct json *results);
/* Takes back the claims that have brought what they were to, or that a run
 * before this one left. */
void registrar_send_claims(struct registrar *);
/* Who has what this one wants, as far as is known here.  False if nobody. */
bool registrar_send_is_held(const struct registrar *,
                            const struct registration *,
                            struct remote_info *owner);
/* Somebody else has it: refuses it, or claims it if it may move. */
void registrar_send_refuse(struct registrar *, struct registration *);

void registrar_self_send(struct registrar *);
void registrar_self_wait(const struct registrar *);
void registrar_self_finish(struct registrar *, const struct json *results);
void registrar_self_send_leave(struct registrar *);

#endif /* agent/registrar-parts.h */
