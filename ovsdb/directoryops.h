/* SPDX-License-Identifier: Apache-2.0 */

#ifndef OVSDB_DIRECTORYOPS_H
#define OVSDB_DIRECTORYOPS_H 1

/* What a host writes to the shared directory, weft(5), as operations of a
 * transaction (RFC 7047, section 5.2), and what the answer to one means.  Each
 * function appends to the array 'ops'; called by the agent, which sends it with
 * directorydb_send(). */

#include "openvswitch/json.h"
#include "ovsdb/directorydb.h"

/* The transaction fails unless the network is there. */
void directoryops_require_network(struct json *ops, uint32_t vni);
void directoryops_insert_endpoint(struct json *ops,
                                  const struct directorydb_endpoint *);
void directoryops_insert_claim(struct json *ops,
                               const struct directorydb_claim *);
void directoryops_delete(struct json *ops, const char *table,
                         const struct uuid *);
/* 'exists': the host has a row already. */
void directoryops_put_host(struct json *ops, const struct peer *, bool exists);

/* How many seconds lie between two heartbeats of a host, of 'n_hosts': 30, but
 * all hosts together write no more than five times a second, because each
 * server tells each of its clients of each transaction. */
int directoryops_beat_interval(size_t n_hosts);
/* After how many seconds without one a host is silent: three are lacking. */
int directoryops_silent_after(size_t n_hosts);

/* That 'host' lives, at 'now' in seconds since the epoch; and a question, the
 * second operation, for those that said so last before 'silent'.
 * directoryops_beat_is_new(): there was no row to say it in; insert one. */
void directoryops_beat(struct json *ops, const char *host, long long int now,
                       long long int silent);
bool directoryops_beat_is_new(const struct json *results);
void directoryops_insert_beat(struct json *ops, const char *host,
                              long long int now);
/* Calls 'cb' for each of the second operation's answer. */
void directoryops_silent(const struct json *results,
                         void (*cb)(const char *host, long long int seen,
                                    void *aux), void *aux);
/* All that there is of a host. */
void directoryops_remove_host(struct json *ops, const char *host);

/* How a transaction ended. */
enum directoryops_result {
    DIRECTORYOPS_DONE,
    DIRECTORYOPS_RETRY,             /* It is not known, or not its fault. */
    DIRECTORYOPS_DUPLICATE,         /* Another row has what is unique. */
    DIRECTORYOPS_NO_NETWORK,
    DIRECTORYOPS_REFUSED,
};
/* 'results' may be NULL.  '*detailp' is an owned text, or NULL. */
enum directoryops_result directoryops_result(const struct json *results,
                                             char **detailp);

#endif /* ovsdb/directoryops.h */
