/* SPDX-License-Identifier: Apache-2.0 */

#ifndef AGENT_REGISTRAR_H
#define AGENT_REGISTRAR_H 1

/* What this host has in the shared directory: its own row, and those of its
 * endpoints.  Compares what should stand there with what does, whatever has
 * happened to it, and writes the difference; so what could not be published
 * when it was attached is when there is a directory again.
 *
 * An endpoint that another host has published is that host's: only by a claim,
 * to which that host's weftd answers by letting go, does it come over. */

#include "agent/remotes.h"
#include "overlay/model.h"
#include "ovsdb/directorydb.h"

struct registrar;

enum registrar_state {
    REGISTRAR_WAITING,              /* Not yet published. */
    REGISTRAR_PUBLISHED,
    REGISTRAR_TAKEN,                /* Another has its MAC or an address; tried
                                     * again. */
    REGISTRAR_REFUSED,              /* By the directory; likewise. */
    REGISTRAR_MOVED,                /* Another host, which the text names, has
                                     * taken it over: it is put no longer. */
};

/* Called from registrar_run() and from the functions about rows. */
struct registrar_ops {
    /* An endpoint's state is another one, or it waits for longer than a user
     * would.  'text' says why, or is NULL. */
    void (*changed)(const char *endpoint, enum registrar_state,
                    const char *text, void *aux);
};

struct registrar *registrar_create(struct directorydb *,
                                   const struct remotes *, const char *host,
                                   const struct registrar_ops *, void *aux);
void registrar_destroy(struct registrar *);
void registrar_run(struct registrar *);
/* As long as it is not known which endpoints this host has: its own row. */
void registrar_run_self(struct registrar *);
void registrar_wait(struct registrar *);

/* This host, as others should reach it. */
void registrar_set_self(struct registrar *, const struct peer *self);

/* This host leaves for good: all of its rows are to go.  registrar_has_left()
 * tells when they have. */
void registrar_leave(struct registrar *);
bool registrar_has_left(const struct registrar *);

/* An endpoint of this host, in network 'vni'; 'move': it may be taken from
 * another host.  One of that name that was put before is replaced. */
void registrar_put(struct registrar *, const struct endpoint *, uint32_t vni,
                   bool move);
void registrar_remove(struct registrar *, const char *endpoint);

/* Rows of this host, of an update; registrar_end() tells whether some have
 * gone that were to stay.  'clear': all that is not named has gone. */
void registrar_begin(struct registrar *, bool clear);
void registrar_row(struct registrar *, const struct directorydb_endpoint *);
void registrar_row_gone(struct registrar *, const struct uuid *);
void registrar_host_row(struct registrar *, const struct peer *);
void registrar_claim(struct registrar *, const struct directorydb_claim *);
void registrar_claim_gone(struct registrar *, const struct uuid *);
bool registrar_end(struct registrar *);
/* The answer to a transaction, whoever sent it. */
void registrar_reply(struct registrar *, uint64_t seqno,
                     const struct json *results);

/* How many endpoints are not published; of this host's own row, why it is not,
 * or NULL. */
size_t registrar_unpublished(const struct registrar *);
const char *registrar_problem(const struct registrar *);

#endif /* agent/registrar.h */
