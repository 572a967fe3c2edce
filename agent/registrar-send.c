/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "agent/registrar-parts.h"

#include <stdlib.h>
#include "openvswitch/vlog.h"
#include "overlay/address.h"
#include "ovsdb/directoryops.h"
#include "packets.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(registrar_send);

/* Puts the rows that lack into the transaction. */
static void
compose_registration(struct registrar *r, struct registration *reg,
                     struct json *ops)
{
    directoryops_require_network(ops, reg->vni);
    for (size_t i = 0; i < reg->n_parts; i++) {
        if (!(reg->present & 1u << i)) {
            struct directorydb_endpoint row = reg->parts[i];
            row.name = reg->name;
            row.host = r->host;
            directoryops_insert_endpoint(ops, &row);
        }
    }
    registrar_set_phase(r, reg, SENT);
    hmapx_add(&r->in_txn, reg);
}

static void
compose_deletions(struct registrar *r, struct json *ops)
{
    struct hmapx_node *node;
    HMAPX_FOR_EACH (node, &r->stale) {
        struct own_row *row = node->data;
        row->deleting = true;
        directoryops_delete(ops, "Endpoint", &row->row.uuid);
    }
    hmapx_clear(&r->stale);
}

/* One transaction is on its way at a time: what comes up meanwhile goes
 * together into the next one. */
void
registrar_send_rows(struct registrar *r)
{
    if (r->txn) {
        return;
    }
    struct json *ops = json_array_create_empty();
    compose_deletions(r, ops);
    struct hmapx_node *node;
    HMAPX_FOR_EACH_SAFE (node, &r->todo) {
        struct registration *reg = node->data;
        if (reg->phase == NEW
            && (!reg->alone || hmapx_is_empty(&r->in_txn))) {
            bool alone = reg->alone;
            compose_registration(r, reg, ops);
            if (alone) {
                break;
            }
        }
    }
    if (!json_array(ops)->n) {
        json_destroy(ops);
        return;
    }
    r->txn = directorydb_send(r->db, ops);
    if (!r->txn) {
        registrar_send_finish(r, NULL);
    }
}

bool
registrar_send_is_held(const struct registrar *r,
                       const struct registration *reg,
                       struct remote_info *owner)
{
    if (remotes_by_mac(r->remotes, reg->vni, reg->mac, owner)) {
        return true;
    }
    for (size_t i = 0; i < reg->n_parts; i++) {
        for (size_t v4 = 0; v4 < 2; v4++) {
            const struct in6_addr *ip = &reg->parts[i].ips[v4];
            if (ipv6_addr_is_set(ip)
                && remotes_by_ip(r->remotes, reg->vni, ip, owner)) {
                owner->ip = ip;
                return true;
            }
        }
    }
    return false;
}

/* Asks those who have its MAC or addresses to let go. */
static void
claim_from_owners(struct registrar *r, struct registration *reg)
{
    struct json *ops = json_array_create_empty();
    struct remote_info owner;
    struct directorydb_claim claim = { .vni = reg->vni, .host = r->host };
    if (remotes_by_mac(r->remotes, reg->vni, reg->mac, &owner)) {
        claim.mac = owner.mac;
        claim.owner = owner.host;
        directoryops_insert_claim(ops, &claim);
    }
    for (size_t i = 0; i < reg->n_parts * 2; i++) {
        const struct in6_addr *ip = &reg->parts[i / 2].ips[i % 2];
        if (ipv6_addr_is_set(ip)
            && remotes_by_ip(r->remotes, reg->vni, ip, &owner)
            && !(claim.owner && eth_addr_equals(owner.mac, claim.mac))) {
            claim.mac = owner.mac;
            claim.owner = owner.host;
            directoryops_insert_claim(ops, &claim);
        }
    }
    /* If that fails, the owner does not hear of it, and time tells. */
    (void) directorydb_send(r->db, ops);
    registrar_set_phase(r, reg, CLAIMING);
}

static void
refuse(struct registrar *r, struct registration *reg,
       enum registrar_state state, const char *why)
{
    registrar_set_phase(r, reg, RETRY);
    registrar_tell(r, reg, state, why);
}

void
registrar_send_refuse(struct registrar *r, struct registration *reg)
{
    struct remote_info owner;
    if (!registrar_send_is_held(r, reg, &owner)) {
        refuse(r, reg, REGISTRAR_TAKEN, "its MAC or an address of it is "
               "another's in the directory: give others");
        return;
    } else if (reg->move) {
        claim_from_owners(r, reg);
        return;
    }
    struct ds s = DS_EMPTY_INITIALIZER;
    if (owner.ip) {
        ds_put_cstr(&s, "address ");
        address_format(owner.ip, &s);
    } else {
        ds_put_format(&s, "MAC "ETH_ADDR_FMT, ETH_ADDR_ARGS(reg->mac));
    }
    ds_put_format(&s, " is taken by endpoint %s of host %s: give another, or "
                  "--move to take it over", owner.name, owner.host);
    refuse(r, reg, REGISTRAR_TAKEN, ds_cstr(&s));
    ds_destroy(&s);
}

static void
finish_registration(struct registrar *r, struct registration *reg,
                    enum directoryops_result result, const char *detail,
                    bool shared)
{
    switch (result) {
    case DIRECTORYOPS_DONE:
        reg->alone = reg->move = false;
        registrar_set_phase(r, reg, QUIET);
        registrar_tell_neighbours(r, reg, neighbours_came);
        registrar_tell(r, reg, REGISTRAR_PUBLISHED, NULL);
        break;
    case DIRECTORYOPS_RETRY:
        registrar_set_phase(r, reg, NEW);
        break;
    case DIRECTORYOPS_DUPLICATE:
    case DIRECTORYOPS_NO_NETWORK:
    case DIRECTORYOPS_REFUSED:
        if (shared) {               /* Which of them was it? */
            reg->alone = true;
            registrar_set_phase(r, reg, NEW);
        } else if (result == DIRECTORYOPS_DUPLICATE) {
            registrar_send_refuse(r, reg);
        } else if (result == DIRECTORYOPS_NO_NETWORK) {
            /* It is listed here, so somebody has just removed it, or by
             * mistake. */
            refuse(r, reg, REGISTRAR_WAITING,
                   "its network is not in the directory");
        } else {
            refuse(r, reg, REGISTRAR_REFUSED, detail);
        }
        break;
    }
}

void
registrar_send_finish(struct registrar *r, const struct json *results)
{
    char *detail;
    enum directoryops_result result = directoryops_result(results, &detail);
    if (result != DIRECTORYOPS_DONE) {
        /* Rows that were to go stand there still. */
        struct own_row *row;
        HMAP_FOR_EACH (row, node, &r->rows) {
            if (row->deleting) {
                row->deleting = false;
                hmapx_add(&r->stale, row);
            }
        }
    }
    if (result > DIRECTORYOPS_RETRY && hmapx_is_empty(&r->in_txn)) {
        VLOG_WARN("the directory does not delete rows of this host: %s",
                  detail);
    }
    struct hmapx batch = HMAPX_INITIALIZER(&batch);
    hmapx_swap(&batch, &r->in_txn);
    bool shared = hmapx_count(&batch) > 1;
    struct hmapx_node *node;
    HMAPX_FOR_EACH (node, &batch) {
        finish_registration(r, node->data, result, detail, shared);
    }
    hmapx_destroy(&batch);
    free(detail);
}

void
registrar_send_claims(struct registrar *r)
{
    struct hmapx_node *node;
    HMAPX_FOR_EACH (node, &r->todo) {
        const struct registration *reg = node->data;
        if (reg->phase == CLAIMING || (reg->move && reg->phase == SENT)) {
            return;
        }
    }
    struct json *ops = json_array_create_empty();
    struct own_claim *claim;
    HMAP_FOR_EACH (claim, node, &r->claims) {
        if (!claim->deleting) {
            claim->deleting = true;
            directoryops_delete(ops, "Claim", &claim->uuid);
        }
    }
    if (json_array(ops)->n) {
        (void) directorydb_send(r->db, ops);    /* Else when it is back. */
    } else {
        json_destroy(ops);
    }
}
