/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "agent/registrar-parts.h"

#include <stdlib.h>
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "overlay/address.h"
#include "ovsdb/directoryops.h"
#include "packets.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(registrar_self);

void
registrar_leave(struct registrar *r)
{
    r->leaving = true;
}

bool
registrar_has_left(const struct registrar *r)
{
    return r->left;
}

static bool
same_host(const struct peer *a, const struct peer *b)
{
    return ipv6_addr_equals(&a->address, &b->address) && a->port == b->port;
}

static void
compare_self(struct registrar *r)
{
    r->self_dirty = (r->self_known
                     && (!r->self_exists
                         || !same_host(&r->self, &r->self_row)));
}

void
registrar_set_self(struct registrar *r, const struct peer *self)
{
    r->self.name = r->host;
    r->self.address = self->address;
    r->self.port = self->port;
    r->self_known = true;
    compare_self(r);
}

void
registrar_host_row(struct registrar *r, const struct peer *row)
{
    r->self_exists = row != NULL;
    if (row) {
        r->self_row = *row;
        r->self_row.name = r->host;
    }
    compare_self(r);
}

const char *
registrar_problem(const struct registrar *r)
{
    return r->self_problem;
}

void
registrar_self_send(struct registrar *r)
{
    if (!r->self_dirty || r->self_txn
        || (r->self_problem && time_msec() < r->self_retry)) {
        return;
    }
    struct json *ops = json_array_create_empty();
    directoryops_put_host(ops, &r->self, r->self_exists);
    r->self_txn = directorydb_send(r->db, ops);
}

/* Nothing is due while there is nobody to send it to. */
void
registrar_self_wait(const struct registrar *r)
{
    if (r->self_dirty && r->self_problem && !r->self_txn && !r->leaving
        && directorydb_connected(r->db)) {
        poll_timer_wait_until(r->self_retry);
    }
}

void
registrar_self_finish(struct registrar *r, const struct json *results)
{
    char *detail;
    enum directoryops_result result = directoryops_result(results, &detail);
    if (result == DIRECTORYOPS_RETRY) {
        free(detail);
        return;
    }
    free(r->self_problem);
    r->self_problem = NULL;
    if (result == DIRECTORYOPS_DUPLICATE) {
        struct ds s = DS_EMPTY_INITIALIZER;
        address_format(&r->self.address, &s);
        r->self_problem = xasprintf("another host has the name %s or the "
                                    "address %s in the directory: give this "
                                    "one another --name or --address",
                                    r->host, ds_cstr(&s));
        ds_destroy(&s);
    } else if (result == DIRECTORYOPS_REFUSED) {
        r->self_problem = xasprintf("the directory does not let this host be "
                                    "%s: %s: --name has to be the name in its "
                                    "certificate", r->host, detail);
    }
    if (r->self_problem) {
        VLOG_WARN("%s", r->self_problem);
        r->self_retry = time_msec() + REGISTRAR_RETRY_MS;
    }
    free(detail);
}

/* After what is on its way. */
void
registrar_self_send_leave(struct registrar *r)
{
    if (!r->txn && !r->self_txn && !r->leave_txn && !r->left) {
        struct json *ops = json_array_create_empty();
        directoryops_remove_host(ops, r->host);
        r->leave_txn = directorydb_send(r->db, ops);
    }
}
