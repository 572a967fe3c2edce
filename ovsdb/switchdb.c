/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "ovsdb/switchdb-parts.h"

#include <ctype.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include "flow.h"
#include "hash.h"
#include "openvswitch/poll-loop.h"
#include "ovsdb/operation.h"
#include "ovsdb/switchport.h"
#include "socket-util.h"
#include "timeval.h"
#include "util.h"
#include "uuid.h"

enum { RECONNECT_MS = 250 };

const char *const switchdb_protocols[SWITCHDB_N_PROTOCOLS] = {
    "OpenFlow10", "OpenFlow13", "OpenFlow14", "OpenFlow15"
};

static char *make_lock_name(const char *bridge);
static void monitor_columns(struct ovsdb_idl *);
static bool protocols_are_ours(const struct ovsrec_bridge *);
static void run_tracked(struct switchdb *);
static void update_port(struct switchdb *, const struct uuid *);
static void remove_port(struct switchdb *, struct switchdb_port *);
static void note_error(struct switchdb *);

struct switchdb *
switchdb_create(const char *remote, const char *bridge,
                const struct switchdb_events *events, void *aux)
{
    struct switchdb *db = xzalloc(sizeof *db);
    db->idl = ovsdb_idl_create(remote, &ovsrec_idl_class, false, true);
    db->remote = xstrdup(remote);
    monitor_columns(db->idl);
    db->ports_by_name = ovsdb_idl_index_create1(db->idl,
                                                &ovsrec_port_col_name);
    db->interfaces_by_name
        = ovsdb_idl_index_create1(db->idl, &ovsrec_interface_col_name);

    char *lock = make_lock_name(bridge);
    ovsdb_idl_set_lock(db->idl, lock);
    free(lock);

    db->loop = (struct ovsdb_idl_loop) OVSDB_IDL_LOOP_INITIALIZER(db->idl);
    db->bridge = xstrdup(bridge);
    hmap_init(&db->by_uuid);
    hmap_init(&db->by_name);
    db->events = events;
    db->aux = aux;
    return db;
}

void
switchdb_destroy(struct switchdb *db)
{
    if (!db) {
        return;
    }
    struct switchdb_port *port;
    HMAP_FOR_EACH_SAFE (port, uuid_node, &db->by_uuid) {
        remove_port(db, port);
    }
    hmap_destroy(&db->by_uuid);
    hmap_destroy(&db->by_name);
    ovsdb_idl_loop_destroy(&db->loop);
    free(db->bridge);
    free(db->remote);
    free(db->error);
    free(db);
}

static bool
is_lost(const struct switchdb *db)
{
    return (!strncmp(db->remote, "unix:", 5)
            && !ovsdb_idl_is_connected(db->idl));
}

/* The IDL doubles its back-off with each loss up to 8 s.  A database of this
 * machine that is back is seen at once: a session that begins anew does not
 * wait. */
static void
look_for_database(struct switchdb *db)
{
    if (!is_lost(db) || time_msec() < db->look_at) {
        return;
    }
    db->look_at = time_msec() + RECONNECT_MS;
    int fd = make_unix_socket(SOCK_STREAM, true, NULL, db->remote + 5);
    if (fd >= 0) {
        close(fd);
        ovsdb_idl_set_remote(db->idl, NULL, false);
        ovsdb_idl_set_remote(db->idl, db->remote, true);
    }
}

/* Learns what is new, then opens the next transaction if it can. */
void
switchdb_run(struct switchdb *db)
{
    look_for_database(db);
    db->txn = ovsdb_idl_loop_run(&db->loop);
    db->txn_wrote = db->txn_deletes = false;
    run_tracked(db);

    if (db->done < db->seqno && !db->loop.committing_txn) {
        bool success = db->loop.cur_cfg == (int64_t) db->seqno;
        if (success) {
            switchdb_forget_error(db);
        }
        db->done = db->seqno;
        db->events->txn_done(db->seqno, success, db->aux);
    }
}

void
switchdb_wait(struct switchdb *db)
{
    ovsdb_idl_wait(db->idl);
    if (is_lost(db)) {
        poll_timer_wait_until(db->look_at);
    }
}

bool
switchdb_connected(const struct switchdb *db)
{
    return ovsdb_idl_is_connected(db->idl);
}

unsigned int
switchdb_seqno(const struct switchdb *db)
{
    return ovsdb_idl_get_seqno(db->idl);
}

bool
switchdb_ready(const struct switchdb *db)
{
    return db->read_once && ovsdb_idl_has_lock(db->idl);
}

bool
switchdb_contended(const struct switchdb *db)
{
    return ovsdb_idl_is_lock_contended(db->idl);
}

const char *
switchdb_error(const struct switchdb *db)
{
    return db->error;
}

void
switchdb_forget_error(struct switchdb *db)
{
    free(db->error);
    db->error = NULL;
}

const struct switchdb_port *
switchdb_find_port(const struct switchdb *db, const char *name)
{
    struct switchdb_port *port;
    HMAP_FOR_EACH_WITH_HASH (port, name_node, hash_string(name, 0),
                             &db->by_name) {
        if (!strcmp(port->name, name)) {
            return port;
        }
    }
    return NULL;
}

bool
switchdb_is_untagged(const struct switchdb *db,
                     const struct switchdb_port *port)
{
    return ovsrec_interface_get_for_uuid(db->idl, &port->uuid) != NULL;
}

bool
switchdb_name_taken(const struct switchdb *db, const char *name)
{
    return switchdb_find_interface(db, name) != NULL;
}

bool
switchdb_has_datapath(const struct switchdb *db, const char *type)
{
    const struct ovsrec_open_vswitch *ovs = ovsrec_open_vswitch_first(db->idl);
    for (size_t i = 0; ovs && i < ovs->n_datapath_types; i++) {
        if (!strcmp(ovs->datapath_types[i], type)) {
            return true;
        }
    }
    return false;
}

bool
switchdb_flow_restore_wait(const struct switchdb *db)
{
    const struct ovsrec_open_vswitch *ovs = ovsrec_open_vswitch_first(db->idl);
    return ovs && smap_get_bool(&ovs->other_config, "flow-restore-wait",
                                false);
}

enum switchdb_bridge
switchdb_bridge_state(const struct switchdb *db, const char *datapath_type)
{
    const struct ovsrec_bridge *br = switchdb_find_bridge(db, db->bridge);
    if (!br) {
        return BRIDGE_ABSENT;
    } else if (!smap_get(&br->external_ids, "weft-host")) {
        return BRIDGE_FOREIGN;
    }
    bool right = !strcmp(br->datapath_type, datapath_type)
                 && br->fail_mode && !strcmp(br->fail_mode, "secure")
                 && !br->n_controller && protocols_are_ours(br)
                 && !br->stp_enable && !br->rstp_enable;
    return right ? BRIDGE_OURS : BRIDGE_WRONG;
}

enum switchdb_bridge
switchdb_underlay_state(const struct switchdb *db, const char *name,
                        struct switchdb_underlay *underlay)
{
    const struct ovsrec_bridge *br = switchdb_find_bridge(db, name);
    *underlay = (struct switchdb_underlay) { .bridge = name };
    if (!br) {
        return BRIDGE_ABSENT;
    }
    underlay->nic = smap_get(&br->external_ids, "weft-underlay");
    if (!underlay->nic) {
        return BRIDGE_FOREIGN;
    }
    underlay->addresses = smap_get_def(&br->external_ids, "weft-addresses",
                                       "");
    underlay->routes = smap_get_def(&br->external_ids, "weft-routes", "");
    underlay->offloads = smap_get_def(&br->external_ids, "weft-offloads", "");
    /* "secure", or a controller, would leave it without its NORMAL flow. */
    bool right = !strcmp(br->datapath_type, "netdev")
                 && (!br->fail_mode || strcmp(br->fail_mode, "secure"))
                 && !br->n_controller
                 && switchdb_find_interface(db, underlay->nic);
    return right ? BRIDGE_OURS : BRIDGE_WRONG;
}

bool
switchdb_begin(struct switchdb *db)
{
    return db->txn && switchdb_ready(db);
}

int64_t
switchdb_cfg(const struct switchdb *db)
{
    const struct ovsrec_open_vswitch *ovs = ovsrec_open_vswitch_first(db->idl);
    return ovs ? ovs->next_cfg : 0;
}

int64_t
switchdb_cfg_done(const struct switchdb *db)
{
    const struct ovsrec_open_vswitch *ovs = ovsrec_open_vswitch_first(db->idl);
    return ovs ? ovs->cur_cfg : 0;
}

uint64_t
switchdb_commit(struct switchdb *db)
{
    uint64_t seqno = 0;
    if (db->txn && db->txn_deletes) {
        /* vswitchd answers by cur_cfg, as it does to ovs-vsctl. */
        ovsdb_idl_txn_increment(db->txn,
                                &ovsrec_open_vswitch_first(db->idl)->header_,
                                &ovsrec_open_vswitch_col_next_cfg, false);
    }
    if (db->txn && db->txn_wrote) {
        seqno = ++db->seqno;
        db->loop.next_cfg = seqno;
    }
    note_error(db);
    (void) ovsdb_idl_loop_commit_and_wait(&db->loop); /* switchdb_run() looks
                                                       * at how it ended. */
    db->txn = NULL;
    ovsdb_idl_track_clear(db->idl);
    if (db->done < db->seqno && !db->loop.committing_txn) {
        poll_immediate_wake();
    }
    return seqno;
}

/* The loop forgets the transaction and with it what the server said. */
static void
note_error(struct switchdb *db)
{
    struct ovsdb_idl_txn *txn = db->loop.committing_txn;
    if (txn && ovsdb_idl_txn_commit(txn) == TXN_ERROR) {
        free(db->error);
        db->error = operation_error(ovsdb_idl_txn_get_error(txn));
    }
}

/* A lock's name is an <id> (RFC 7047, section 3.1), without '-' and '.'; the
 * hash keeps br-a and br_a apart. */
static char *
make_lock_name(const char *bridge)
{
    char *lock = xasprintf("weft_%s_%08x", bridge, hash_string(bridge, 0));
    for (char *p = lock; *p; p++) {
        *p = isalnum((unsigned char) *p) ? *p : '_';
    }
    return lock;
}

static void
monitor_columns(struct ovsdb_idl *idl)
{
    static const struct ovsdb_idl_column *columns[] = {
        &ovsrec_open_vswitch_col_bridges,
        &ovsrec_open_vswitch_col_datapath_types,
        &ovsrec_open_vswitch_col_cur_cfg,
        &ovsrec_open_vswitch_col_next_cfg,
        &ovsrec_bridge_col_name,
        &ovsrec_bridge_col_ports,
        &ovsrec_bridge_col_datapath_type,
        &ovsrec_bridge_col_fail_mode,
        &ovsrec_bridge_col_controller,
        &ovsrec_bridge_col_protocols,
        &ovsrec_bridge_col_stp_enable,
        &ovsrec_bridge_col_rstp_enable,
        &ovsrec_bridge_col_flow_tables,
        &ovsrec_flow_table_col_name,
        &ovsrec_bridge_col_external_ids,
        &ovsrec_port_col_name,
        &ovsrec_port_col_interfaces,
        &ovsrec_interface_col_name,
        &ovsrec_interface_col_type,
        &ovsrec_interface_col_options,
        &ovsrec_interface_col_external_ids,
        &ovsrec_interface_col_ofport,
        &ovsrec_interface_col_error,
        &ovsrec_interface_col_ifindex,
        &ovsrec_interface_col_bfd,
        &ovsrec_interface_col_bfd_status,
    };
    static const struct ovsdb_idl_column *quiet[] = {
        &ovsrec_open_vswitch_col_other_config,
        &ovsrec_bridge_col_other_config,
        &ovsrec_interface_col_mtu_request,
    };

    ovsdb_idl_add_table(idl, &ovsrec_table_controller);
    for (size_t i = 0; i < ARRAY_SIZE(columns); i++) {
        /* Not all columns, as ovsdb_idl_track_add_all() does: the counters of
         * every port come every 5 s. */
        ovsdb_idl_track_add_column(idl, columns[i]);
    }
    for (size_t i = 0; i < ARRAY_SIZE(quiet); i++) {
        ovsdb_idl_add_column(idl, quiet[i]);
        ovsdb_idl_omit_alert(idl, quiet[i]);
    }
}

/* The IDL keeps them sorted. */
static bool
protocols_are_ours(const struct ovsrec_bridge *br)
{
    if (br->n_protocols != SWITCHDB_N_PROTOCOLS) {
        return false;
    }
    for (size_t i = 0; i < SWITCHDB_N_PROTOCOLS; i++) {
        if (strcmp(br->protocols[i], switchdb_protocols[i])) {
            return false;
        }
    }
    return true;
}

/* A port more or less on our own bridge is no news of the bridge. */
static bool
bridge_differs(const struct switchdb *db, const struct ovsrec_bridge *br)
{
    if (ovsrec_bridge_is_new(br) || ovsrec_bridge_is_deleted(br)
        || strcmp(br->name, db->bridge)) {
        return true;
    }
    static const enum ovsrec_bridge_column_id columns[] = {
        OVSREC_BRIDGE_COL_DATAPATH_TYPE, OVSREC_BRIDGE_COL_FAIL_MODE,
        OVSREC_BRIDGE_COL_CONTROLLER, OVSREC_BRIDGE_COL_EXTERNAL_IDS,
        OVSREC_BRIDGE_COL_PROTOCOLS, OVSREC_BRIDGE_COL_STP_ENABLE,
        OVSREC_BRIDGE_COL_RSTP_ENABLE,
    };
    for (size_t i = 0; i < ARRAY_SIZE(columns); i++) {
        if (ovsrec_bridge_is_updated(br, columns[i])) {
            return true;
        }
    }
    return false;
}

/* After a reconnection the IDL may have thrown all rows away and read them
 * again: of those that went meanwhile it does not tell. */
static void
sweep_ports(struct switchdb *db)
{
    struct switchdb_port *port;
    HMAP_FOR_EACH_SAFE (port, uuid_node, &db->by_uuid) {
        if (!ovsrec_interface_get_for_uuid(db->idl, &port->uuid)) {
            db->events->port_gone(port, db->aux);
            remove_port(db, port);
        }
    }
}

static void
run_tracked(struct switchdb *db)
{
    const struct ovsrec_interface *iface;
    OVSREC_INTERFACE_FOR_EACH_TRACKED (iface, db->idl) {
        update_port(db, &iface->header_.uuid);
    }
    bool bridge_changed = false;
    const struct ovsrec_bridge *br;
    OVSREC_BRIDGE_FOR_EACH_TRACKED (br, db->idl) {
        bridge_changed = bridge_changed || bridge_differs(db, br);
    }
    const struct ovsrec_open_vswitch *ovs;
    OVSREC_OPEN_VSWITCH_FOR_EACH_TRACKED (ovs, db->idl) {
        if (ovsrec_open_vswitch_is_new(ovs)) {
            sweep_ports(db);
        }
        /* It is tracked whenever a row that it refers to is. */
        bridge_changed = bridge_changed || ovsrec_open_vswitch_is_new(ovs)
            || ovsrec_open_vswitch_is_updated(
                ovs, OVSREC_OPEN_VSWITCH_COL_DATAPATH_TYPES);
    }
    ovs = ovsrec_open_vswitch_first(db->idl);
    if (ovs && !uuid_equals(&ovs->header_.uuid, &db->root)) {
        /* A new database, which counts anew.  Its row is tracked as new only
         * if there is something in it. */
        db->root = ovs->header_.uuid;
        db->cfg_done = switchdb_cfg_done(db);
        db->events->cfg_done(INT64_MAX, db->aux);
        sweep_ports(db);
        bridge_changed = true;
    }
    if (switchdb_cfg_done(db) != db->cfg_done) {
        db->cfg_done = switchdb_cfg_done(db);
        db->events->cfg_done(db->cfg_done, db->aux);
    }
    if (!db->read_once && ovsdb_idl_has_ever_connected(db->idl)) {
        db->read_once = true;
        bridge_changed = true;
    }
    if (bridge_changed) {
        db->events->bridge_changed(db->aux);
    }
}

/* One path for rows that came, changed or went: what counts is what is there
 * now, because a row can go and come back within one run. */
static void
update_port(struct switchdb *db, const struct uuid *uuid)
{
    struct switchdb_port *port = NULL;
    struct switchdb_port *p;
    HMAP_FOR_EACH_WITH_HASH (p, uuid_node, uuid_hash(uuid), &db->by_uuid) {
        if (uuid_equals(&p->uuid, uuid)) {
            port = p;
        }
    }

    const struct ovsrec_interface *iface
        = ovsrec_interface_get_for_uuid(db->idl, uuid);
    struct switchdb_port now;
    if (!iface || !switchport_read(iface, db->bridge, &now)) {
        if (port) {
            db->events->port_gone(port, db->aux);
            remove_port(db, port);
        }
        return;
    }

    if (port) {
        hmap_remove(&db->by_name, &port->name_node);
        struct hmap_node node = port->uuid_node;
        switchport_finish(port);
        *port = now;
        port->uuid_node = node;
    } else {
        port = xmemdup(&now, sizeof now);
        hmap_insert(&db->by_uuid, &port->uuid_node, uuid_hash(uuid));
    }
    hmap_insert(&db->by_name, &port->name_node, hash_string(port->name, 0));
    db->events->port_changed(port, db->aux);
}

static void
remove_port(struct switchdb *db, struct switchdb_port *port)
{
    hmap_remove(&db->by_uuid, &port->uuid_node);
    hmap_remove(&db->by_name, &port->name_node);
    switchport_finish(port);
    free(port);
}

const struct ovsrec_bridge *
switchdb_find_bridge(const struct switchdb *db, const char *name)
{
    const struct ovsrec_bridge *br;
    OVSREC_BRIDGE_FOR_EACH (br, db->idl) {
        if (!strcmp(br->name, name)) {
            return br;
        }
    }
    return NULL;
}

const struct ovsrec_interface *
switchdb_find_interface(const struct switchdb *db, const char *name)
{
    struct ovsrec_interface *key
        = ovsrec_interface_index_init_row(db->interfaces_by_name);
    ovsrec_interface_index_set_name(key, name);
    const struct ovsrec_interface *iface
        = ovsrec_interface_index_find(db->interfaces_by_name, key);
    ovsrec_interface_index_destroy_row(key);
    return iface;
}
