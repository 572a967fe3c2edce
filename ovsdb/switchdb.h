/* SPDX-License-Identifier: Apache-2.0 */

#ifndef OVSDB_SWITCHDB_H
#define OVSDB_SWITCHDB_H 1

/* The local Open_vSwitch database: the ports of ours in it, kept up to date,
 * and the one transaction that carries whatever waits.
 *
 * It says what is there and writes what it is told; what *should* exist is
 * decided by the agent.  Losing the database loses nothing of what was read:
 * the last known ports stay until it says otherwise. */

#include "openvswitch/hmap.h"
#include "openvswitch/types.h"
#include "openvswitch/uuid.h"
#include "overlay/model.h"

struct switchdb;

enum switchdb_kind {
    SWITCHDB_ENDPOINT,
    SWITCHDB_TUNNEL,
    SWITCHDB_EXTERNAL,              /* The way out to the host. */
    SWITCHDB_BROKEN,                /* Tagged ours, but not to be read. */
};

enum switchdb_bfd { BFD_NONE, BFD_DOWN, BFD_INIT, BFD_UP };

/* A port on our bridge that is tagged ours. */
struct switchdb_port {
    struct hmap_node uuid_node, name_node;
    struct uuid uuid;               /* Of the Interface. */
    char *name;
    enum switchdb_kind kind;
    struct endpoint endpoint;       /* If kind says so. */
    struct tunnel tunnel;           /* Likewise. */
    char *settings;                 /* Likewise: the host's settings as they
                                     * were before, "NAME=VALUE" by blanks. */
    ofp_port_t ofport;              /* 0: none yet. */
    char *error;                    /* What vswitchd says; NULL if nothing. */
    int ifindex;                    /* What vswitchd has open; 0: nothing. */
    bool reopening;                 /* It is one that cannot be opened. */
    bool let_go;                    /* And vswitchd, which has looked, has
                                     * nothing open for it. */
    bool drifted;                   /* Its row is not what switchdb_put_*()
                                     * writes, but for external_ids. */
    enum switchdb_bfd bfd;
    char *bfd_diag;                 /* NULL, or why it is not up. */
};

/* Called from switchdb_run(). */
struct switchdb_events {
    void (*port_changed)(const struct switchdb_port *, void *aux);
    /* The row has gone; 'port' lives until the call returns. */
    void (*port_gone)(const struct switchdb_port *, void *aux);
    /* The bridge row changed, came or went. */
    void (*bridge_changed)(void *aux);
    /* vswitchd has done all up to configuration 'cfg': switchdb_cfg(). */
    void (*cfg_done)(int64_t cfg, void *aux);
    /* A transaction ended; what 'seqno' covers is there, or nothing of it. */
    void (*txn_done)(uint64_t seqno, bool success, void *aux);
};

/* 'remote' as --db takes it.  'bridge' names the bridge that is ours, and the
 * lock that says so. */
struct switchdb *switchdb_create(const char *remote, const char *bridge,
                                 const struct switchdb_events *, void *aux);
void switchdb_destroy(struct switchdb *);
void switchdb_run(struct switchdb *);
void switchdb_wait(struct switchdb *);

bool switchdb_connected(const struct switchdb *);
/* Changes whenever something in the database does. */
unsigned int switchdb_seqno(const struct switchdb *);
/* Has everything been read once, and is the lock ours? */
bool switchdb_ready(const struct switchdb *);
/* Does somebody else hold the lock, that is, serve this bridge? */
bool switchdb_contended(const struct switchdb *);

/* Why the database would not take what was sent last, or NULL: it took it, or
 * it was another's change that came in between. */
const char *switchdb_error(const struct switchdb *);
void switchdb_forget_error(struct switchdb *);

const struct switchdb_port *switchdb_find_port(const struct switchdb *,
                                               const char *name);

/* Is a row that has gone, as 'port_gone' tells, there still, without the tag
 * that makes it ours? */
bool switchdb_is_untagged(const struct switchdb *,
                          const struct switchdb_port *);

/* Is 'name' the name of any interface in the database, ours or not? */
bool switchdb_name_taken(const struct switchdb *, const char *name);

/* Can vswitchd do datapath 'type' ("system", "netdev")?  False as long as it
 * has not said so. */
bool switchdb_has_datapath(const struct switchdb *, const char *type);

/* Is a vswitchd that starts now to wait, for somebody who restores its flows?
 * One that runs does not look. */
bool switchdb_flow_restore_wait(const struct switchdb *);

/* The bridge. */
enum switchdb_bridge {
    BRIDGE_ABSENT,
    BRIDGE_FOREIGN,                 /* There, but without our tag. */
    BRIDGE_WRONG,                   /* Ours, but changed by somebody. */
    BRIDGE_OURS,
};
enum switchdb_bridge switchdb_bridge_state(const struct switchdb *,
                                           const char *datapath_type);

/* What the bridge of the underlay (datapath netdev) remembers, for when its
 * interface is gone with vswitchd. */
struct switchdb_underlay {
    const char *bridge;
    const char *nic;
    const char *mac;                /* For its interface: the NIC's.  Written
                                     * only, and only at first. */
    const char *addresses;          /* As for `ip address add`, by commas. */
    const char *routes;             /* As for `ip route add`, by commas. */
    const char *offloads;           /* The NIC's that were on, as for `ethtool
                                     * -K`, by commas. */
};
enum switchdb_bridge switchdb_underlay_state(
    const struct switchdb *, const char *bridge, struct switchdb_underlay *);

/* Writing.  All of it goes into the transaction that is open now, which is
 * only while switchdb_begin() has returned true: connected, lock ours, and no
 * other transaction on its way.  switchdb_commit() sends it and returns its
 * seqno (0 if there was nothing to write). */
bool switchdb_begin(struct switchdb *);
void switchdb_put_bridge(struct switchdb *, const char *host,
                         const char *datapath_type);
void switchdb_put_underlay(struct switchdb *,
                           const struct switchdb_underlay *);
void switchdb_del_bridge(struct switchdb *, const char *bridge);
/* vswitchd keeps a network device open though the link was deleted and made
 * again under its name, and deleting and adding the port in one transaction,
 * or in two before it looks, does not make it look again.  So a link that is
 * made again is made when the row says 'let_go': with 'open' false the
 * interface is one that cannot be opened. */
void switchdb_put_endpoint(struct switchdb *, const struct endpoint *,
                           bool open);
void switchdb_put_tunnel(struct switchdb *, const struct tunnel *);
/* The port 'name' to the host, whose other end is 'link'; it remembers
 * 'settings'.  'open' as above. */
void switchdb_put_external(struct switchdb *, const char *name,
                           const char *link, const char *settings, bool open);
/* vswitchd lets go of the port later: at the configuration that switchdb_cfg()
 * tells once the transaction is done.  Until then its name must not be used
 * again: vswitchd would keep the old device open. */
void switchdb_del_port(struct switchdb *, const char *name);
int64_t switchdb_cfg(const struct switchdb *);
int64_t switchdb_cfg_done(const struct switchdb *);

uint64_t switchdb_commit(struct switchdb *);

#endif /* ovsdb/switchdb.h */
