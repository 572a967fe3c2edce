/* SPDX-License-Identifier: Apache-2.0 */

#ifndef AGENT_CONTROL_CLIENT_H
#define AGENT_CONTROL_CLIENT_H 1

/* One connection to the control socket.  Its requests are collected, one after
 * the other and each within bounds; a whole one is passed on to unixctl by a
 * connection of its own, whose answer goes back.  Only control-socket.c, which
 * lets the client in, includes this.
 *
 * Of unixctl it knows that an answer ends with the connection, if that was
 * half closed behind the request. */

#include <stdbool.h>
#include "openvswitch/dynamic-string.h"
#include "openvswitch/list.h"
#include "overlay/jsontext.h"

enum {
    CONTROL_REQUEST_MAX = 32 << 20,     /* Bytes; a list of `weft attach
                                         * --file`, as JSON escapes it. */
    CONTROL_REQUEST_SMALL = 65536,      /* Up to here, bytes are free. */
};

/*            whole request        all of it went to unixctl
 *  READING ----------------> PASSING ----------------> ANSWERING
 *     ^                                                    |
 *     +----------------------------------------------------+
 *               unixctl has said all that it has to say
 */
enum control_client_state {
    CLIENT_READING,
    CLIENT_PASSING,
    CLIENT_ANSWERING,
};

/* Who a client is, by the limits that hold for it. */
enum control_class {
    CLASS_ROOT,                     /* Root, or weftd's own user. */
    CLASS_MEMBER,                   /* Of the group. */
    CLASS_REFUSED,                  /* Not let in. */
    N_CLASSES
};

struct control_client {
    struct ovs_list node;           /* For control-socket.c. */
    int fd;                         /* Owned. */
    unsigned int uid;
    enum control_class class;
    char *refusal;                  /* Owned: the answer to whatever it asks,
                                     * if it was not let in. */
    const char *unixctl;            /* Path.  Borrowed. */
    enum control_client_state state;
    struct ds in;                   /* Bytes from the client: a request, as
                                     * far as it is there, and maybe what is
                                     * behind it. */
    struct jsontext text;           /* Of the request in 'in'. */
    size_t scanned;                 /* Of 'in'; the request's size, if it is
                                     * whole. */
    size_t passed;                  /* Of the request. */
    struct json *id;                /* Owned: the request's, or NULL. */
    int inner;                      /* Owned: to unixctl, or -1. */
    struct ds out;                  /* Of the answer: on its way. */
    size_t sent;                    /* Of 'out'. */
    bool answered;                  /* Something of the answer was there. */
    long long int deadline;         /* What is now waited for must have come;
                                     * LLONG_MAX: it may take its time. */
};

/* Takes over 'fd', which does not block, and 'refusal'; 'unixctl' must outlive
 * it. */
struct control_client *control_client_create(int fd, unsigned int uid,
                                             enum control_class,
                                             char *refusal,
                                             const char *unixctl);
void control_client_destroy(struct control_client *);

/* Reads and passes on; 'spare' is how many bytes beyond CONTROL_REQUEST_SMALL
 * its request may have.  False when it is to be destroyed. */
bool control_client_run(struct control_client *, size_t spare);
/* Brings back what unixctl has answered.  False likewise. */
bool control_client_answer(struct control_client *);
void control_client_wait(const struct control_client *);

/* Says why, in one line, if that can be done at once. */
void control_client_refuse(struct control_client *, const char *why);

#endif /* agent/control-client.h */
