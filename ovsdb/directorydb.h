/* SPDX-License-Identifier: Apache-2.0 */

#ifndef OVSDB_DIRECTORYDB_H
#define OVSDB_DIRECTORYDB_H 1

/* The shared directory's database, weft(5), seen by one host.
 *
 * Passes on what rows say, and sends the transactions that it is given.  What
 * should stand there, and what becomes of a row that has gone, is decided by
 * the agent.  Of other hosts' endpoints, which may be many, nothing is kept
 * here: they are handed on while they are read. */

#include "openvswitch/json.h"
#include "openvswitch/uuid.h"
#include "overlay/model.h"
#include "overlay/sections.h"

struct directorydb;

/* A row of table Endpoint. */
struct directorydb_endpoint {
    struct uuid uuid;
    uint32_t vni;
    struct eth_addr mac;
    uint8_t part;                   /* Which of its MAC's rows. */
    struct in6_addr ips[2];         /* IPv6, IPv4 (v4-mapped); in6addr_any:
                                     * none. */
    const char *name, *host;        /* Valid during the call. */
};

/* A row of table Claim. */
struct directorydb_claim {
    struct uuid uuid;
    uint32_t vni;
    struct eth_addr mac;
    const char *owner, *host;       /* Valid during the call. */
};

/* Called from directorydb_run(). */
struct directorydb_events {
    /* An update is read.  'clear': it is all that there is; what it does not
     * name has gone. */
    void (*begin)(bool clear, void *aux);
    void (*endpoint)(const struct directorydb_endpoint *, void *aux);
    void (*endpoint_gone)(const struct uuid *, void *aux);
    void (*claim)(const struct directorydb_claim *, void *aux);
    void (*claim_gone)(const struct uuid *, void *aux);
    /* A host, by its name; NULL: it has gone. */
    void (*host)(const char *name, const struct peer *, void *aux);
    void (*end)(void *aux);
    /* The answer to a transaction: an array of results, or NULL if it is not
     * known what became of it. */
    void (*reply)(uint64_t seqno, const struct json *results, void *aux);
};

/* 'remotes' as "ssl:A:6650,ssl:B:6650"; 'host' is this host's name. */
struct directorydb *directorydb_create(const char *remotes, const char *host,
                                       const struct directorydb_events *,
                                       void *aux);
void directorydb_destroy(struct directorydb *);
void directorydb_run(struct directorydb *);
void directorydb_wait(struct directorydb *);

/* How many hosts there are: the more, the longer a server may be busy with
 * others before it is taken for dead. */
void directorydb_set_hosts(struct directorydb *, size_t n);

/* Is there a server that takes transactions? */
bool directorydb_connected(const struct directorydb *);
/* Has it all been read once? */
bool directorydb_loaded(const struct directorydb *);

/* What endpoints are told of, besides this host's: those of the 'n' networks.
 * Returns at once; directorydb_watching() tells when they are all there. */
void directorydb_watch(struct directorydb *, const uint32_t vnis[], size_t n);
bool directorydb_watching(const struct directorydb *);

/* Changes with every change of the networks, routers and settings. */
unsigned int directorydb_sections_seqno(const struct directorydb *);
/* The networks and routers, as of now.  NULL, or an owned message about a row
 * that is none. */
char *directorydb_sections(const struct directorydb *, struct sections *);
/* After how many seconds of silence a host is removed; 0: never. */
int directorydb_dead_after(const struct directorydb *);

/* Sends operations (RFC 7047, section 5.2; taken over) as one transaction, and
 * returns its seqno; 0 if there is no connection. */
uint64_t directorydb_send(struct directorydb *, struct json *ops);

#endif /* ovsdb/directorydb.h */
