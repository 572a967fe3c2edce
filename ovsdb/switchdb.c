/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "ovsdb/switchdb.h"

#include <ctype.h>
#include <stdlib.h>
#include "flow.h"
#include "hash.h"
#include "lib/vswitch-idl.h"
#include "openvswitch/poll-loop.h"
#include "ovsdb-idl.h"
#include "overlay/pipeline.h"
#include "ovsdb/rows.h"
#include "util.h"
#include "uuid.h"

enum { BRIDGE_MTU = 1500 };

/* The type of an interface that is to be closed: none that exists. */
#define TYPE_CLOSED "weft-reopen"

struct switchdb {
    struct ovsdb_idl *idl;
    struct ovsdb_idl_loop loop;
    struct ovsdb_idl_index *ports_by_name, *interfaces_by_name;
    char *bridge;
    struct hmap by_uuid, by_name;   /* Contain struct switchdb_port. */
    struct ovsdb_idl_txn *txn;      /* Open now, or NULL. */
    bool txn_wrote;                 /* Is there anything in it? */
    bool txn_deletes;               /* Does it delete ports? */
    uint64_t seqno;                 /* Of the last transaction sent. */
    uint64_t done;                  /* Of the last one that ended. */
    bool read_once;
    int64_t cfg_done;               /* What the last event told. */
    const struct switchdb_events *events;
    void *aux;
};

static char *make_lock_name(const char *bridge);
static void monitor_columns(struct ovsdb_idl *);
static void run_tracked(struct switchdb *);
static void update_port(struct switchdb *, const struct uuid *);
static void remove_port(struct switchdb *, struct switchdb_port *);
static bool read_row(const struct switchdb *,
                     const struct ovsrec_interface *,
                     struct switchdb_port *);
static bool tunnel_drifted(const struct switchdb *,
                           const struct ovsrec_interface *,
                           const struct tunnel *);
static void finish_port(struct switchdb_port *);
static const struct ovsrec_bridge *find_bridge(const struct switchdb *,
                                               const char *name);
static const struct ovsrec_interface *find_interface(const struct switchdb *,
                                                     const char *name);
static void name_tables(struct switchdb *, const struct ovsrec_bridge *);
static struct ovsrec_bridge *insert_bridge(struct switchdb *,
                                           const char *name);
static const struct ovsrec_interface *get_interface(
    struct switchdb *, const struct ovsrec_bridge *, const char *name);
static struct ovsrec_port *insert_port(struct switchdb *, const char *name,
                                       struct ovsrec_interface **);

struct switchdb *
switchdb_create(const char *remote, const char *bridge,
                const struct switchdb_events *events, void *aux)
{
    struct switchdb *db = xzalloc(sizeof *db);
    db->idl = ovsdb_idl_create(remote, &ovsrec_idl_class, false, true);
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
    free(db);
}

/* Learns what is new, then opens the next transaction if it can. */
void
switchdb_run(struct switchdb *db)
{
    db->txn = ovsdb_idl_loop_run(&db->loop);
    db->txn_wrote = db->txn_deletes = false;
    run_tracked(db);

    if (db->done < db->seqno && !db->loop.committing_txn) {
        db->done = db->seqno;
        db->events->txn_done(db->seqno,
                             db->loop.cur_cfg == (int64_t) db->seqno, db->aux);
    }
}

void
switchdb_wait(struct switchdb *db)
{
    ovsdb_idl_wait(db->idl);
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
switchdb_name_taken(const struct switchdb *db, const char *name)
{
    return find_interface(db, name) != NULL;
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

enum switchdb_bridge
switchdb_bridge_state(const struct switchdb *db, const char *datapath_type)
{
    const struct ovsrec_bridge *br = find_bridge(db, db->bridge);
    if (!br) {
        return BRIDGE_ABSENT;
    } else if (!smap_get(&br->external_ids, "weft-host")) {
        return BRIDGE_FOREIGN;
    }
    bool right = !strcmp(br->datapath_type, datapath_type)
                 && br->fail_mode && !strcmp(br->fail_mode, "secure")
                 && !br->n_controller;
    return right ? BRIDGE_OURS : BRIDGE_WRONG;
}

enum switchdb_bridge
switchdb_underlay_state(const struct switchdb *db, const char *name,
                        struct switchdb_underlay *underlay)
{
    const struct ovsrec_bridge *br = find_bridge(db, name);
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
    return find_interface(db, underlay->nic) ? BRIDGE_OURS : BRIDGE_WRONG;
}

bool
switchdb_begin(struct switchdb *db)
{
    return db->txn && switchdb_ready(db);
}

void
switchdb_put_bridge(struct switchdb *db, const char *host,
                    const char *datapath_type)
{
    const struct ovsrec_open_vswitch *ovs = ovsrec_open_vswitch_first(db->idl);
    const struct ovsrec_bridge *br = find_bridge(db, db->bridge);

    if (!ovs) {
        return;                     /* Not initialised yet: nothing to do. */
    }
    db->txn_wrote = true;
    if (!br) {
        br = insert_bridge(db, db->bridge);
        struct smap ids = SMAP_CONST1(&ids, "weft-host", host);
        ovsrec_bridge_set_external_ids(br, &ids);
        name_tables(db, br);
        /* Of an interface that nobody uses.  Without it vswitchd changes its
         * MTU with the first port and the last, and at every change of a link
         * it forgets the routes of its tunnels for a moment. */
        int64_t mtu = BRIDGE_MTU;
        ovsrec_interface_set_mtu_request(br->ports[0]->interfaces[0], &mtu, 1);
        static const char *protocols[] = {
            "OpenFlow10", "OpenFlow13", "OpenFlow14", "OpenFlow15"
        };
        ovsrec_bridge_set_protocols(br, protocols, ARRAY_SIZE(protocols));
        ovsrec_open_vswitch_update_bridges_addvalue(ovs, br);
    }
    ovsrec_bridge_set_datapath_type(br, datapath_type);
    ovsrec_bridge_set_fail_mode(br, "secure");
    ovsrec_bridge_set_controller(br, NULL, 0);
}

void
switchdb_put_underlay(struct switchdb *db, const struct switchdb_underlay *u)
{
    const struct ovsrec_open_vswitch *ovs = ovsrec_open_vswitch_first(db->idl);
    const struct ovsrec_bridge *br = find_bridge(db, u->bridge);

    if (!ovs) {
        return;
    }
    db->txn_wrote = true;
    if (!br) {
        /* The NIC's port comes with the next transaction: a row that is being
         * inserted takes no mutations. */
        br = insert_bridge(db, u->bridge);
        ovsrec_bridge_set_datapath_type(br, "netdev");
        const struct smap config = SMAP_CONST1(&config, "hwaddr", u->mac);
        ovsrec_bridge_set_other_config(br, &config);
        ovsrec_open_vswitch_update_bridges_addvalue(ovs, br);
    } else {
        (void) get_interface(db, br, u->nic);
    }
    struct smap ids = SMAP_INITIALIZER(&ids);
    smap_clone(&ids, &br->external_ids);
    smap_replace(&ids, "weft-underlay", u->nic);
    smap_replace(&ids, "weft-addresses", u->addresses);
    smap_replace(&ids, "weft-routes", u->routes);
    smap_replace(&ids, "weft-offloads", u->offloads);
    ovsrec_bridge_set_external_ids(br, &ids);
    smap_destroy(&ids);
}

void
switchdb_del_bridge(struct switchdb *db, const char *name)
{
    const struct ovsrec_open_vswitch *ovs = ovsrec_open_vswitch_first(db->idl);
    const struct ovsrec_bridge *br = find_bridge(db, name);

    if (ovs && br) {
        db->txn_wrote = true;
        ovsrec_open_vswitch_update_bridges_delvalue(ovs, br);
    }
}

void
switchdb_put_endpoint(struct switchdb *db, const struct endpoint *ep)
{
    const struct ovsrec_bridge *br = find_bridge(db, db->bridge);
    if (!br) {
        return;
    }
    db->txn_wrote = true;
    const struct ovsrec_interface *iface = get_interface(db, br, ep->port);
    struct smap ids = SMAP_INITIALIZER(&ids);
    row_of_endpoint(ep, db->bridge, &ids);
    ovsrec_interface_set_external_ids(iface, &ids);
    smap_destroy(&ids);
}

void
switchdb_put_tunnel(struct switchdb *db, const struct tunnel *t)
{
    const struct ovsrec_bridge *br = find_bridge(db, db->bridge);
    if (!br) {
        return;
    }
    db->txn_wrote = true;
    const struct ovsrec_interface *iface = get_interface(db, br, t->port);
    struct smap ids = SMAP_INITIALIZER(&ids);
    struct smap options = SMAP_INITIALIZER(&options);
    row_of_tunnel(t, db->bridge, &ids, &options);
    ovsrec_interface_set_type(iface, "vxlan");
    ovsrec_interface_set_external_ids(iface, &ids);
    ovsrec_interface_set_options(iface, &options);
    smap_destroy(&ids);
    smap_destroy(&options);

    struct smap bfd = SMAP_INITIALIZER(&bfd);
    row_of_bfd(&bfd);
    ovsrec_interface_set_bfd(iface, &bfd);
    smap_destroy(&bfd);
}

void
switchdb_put_external(struct switchdb *db, const char *name, const char *link,
                      const char *settings)
{
    const struct ovsrec_bridge *br = find_bridge(db, db->bridge);
    if (!br) {
        return;
    }
    db->txn_wrote = true;
    const struct ovsrec_interface *iface = get_interface(db, br, name);
    struct smap ids = SMAP_INITIALIZER(&ids);
    smap_add(&ids, "weft-bridge", db->bridge);
    smap_add(&ids, "weft-external", link);
    smap_add(&ids, "weft-settings", settings);
    ovsrec_interface_set_external_ids(iface, &ids);
    smap_destroy(&ids);
}

void
switchdb_del_port(struct switchdb *db, const char *name)
{
    const struct ovsrec_bridge *br = find_bridge(db, db->bridge);
    struct ovsrec_port *key = ovsrec_port_index_init_row(db->ports_by_name);
    ovsrec_port_index_set_name(key, name);
    const struct ovsrec_port *port
        = ovsrec_port_index_find(db->ports_by_name, key);
    ovsrec_port_index_destroy_row(key);

    if (br && port) {
        db->txn_wrote = true;
        ovsrec_bridge_update_ports_delvalue(br, port);
        db->txn_deletes = true;
    }
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

void
switchdb_close_port(struct switchdb *db, const char *name)
{
    const struct ovsrec_interface *iface = find_interface(db, name);
    if (iface) {
        db->txn_wrote = true;
        ovsrec_interface_set_type(iface, TYPE_CLOSED);
    }
}

void
switchdb_open_port(struct switchdb *db, const char *name)
{
    const struct ovsrec_interface *iface = find_interface(db, name);
    if (iface) {
        db->txn_wrote = true;
        ovsrec_interface_set_type(iface, "");
    }
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
    (void) ovsdb_idl_loop_commit_and_wait(&db->loop); /* switchdb_run() looks
                                                       * at how it ended. */
    db->txn = NULL;
    ovsdb_idl_track_clear(db->idl);
    if (db->done < db->seqno && !db->loop.committing_txn) {
        poll_immediate_wake();
    }
    return seqno;
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
    static const struct ovsdb_idl_column *written[] = {
        &ovsrec_bridge_col_other_config,
        &ovsrec_interface_col_mtu_request,
    };

    ovsdb_idl_add_table(idl, &ovsrec_table_controller);
    for (size_t i = 0; i < ARRAY_SIZE(columns); i++) {
        /* Not all columns, as ovsdb_idl_track_add_all() does: the counters of
         * every port come every 5 s. */
        ovsdb_idl_track_add_column(idl, columns[i]);
    }
    for (size_t i = 0; i < ARRAY_SIZE(written); i++) {
        ovsdb_idl_add_column(idl, written[i]);
        ovsdb_idl_omit_alert(idl, written[i]);
    }
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
    if (!iface || !read_row(db, iface, &now)) {
        if (port) {
            db->events->port_gone(port, db->aux);
            remove_port(db, port);
        }
        return;
    }

    if (port) {
        hmap_remove(&db->by_name, &port->name_node);
        struct hmap_node node = port->uuid_node;
        finish_port(port);
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
    finish_port(port);
    free(port);
}

static enum switchdb_bfd
read_bfd(const struct ovsrec_interface *iface)
{
    const char *state = smap_get(&iface->bfd_status, "state");
    return !state ? BFD_NONE
           : !strcmp(state, "up") ? BFD_UP
           : !strcmp(state, "init") ? BFD_INIT
           : BFD_DOWN;
}

/* False if the row is not ours. */
static bool
read_row(const struct switchdb *db, const struct ovsrec_interface *iface,
         struct switchdb_port *port)
{
    const struct smap *ids = &iface->external_ids;
    const char *bridge = smap_get(ids, "weft-bridge");
    if (!bridge || strcmp(bridge, db->bridge)) {
        return false;
    }

    *port = (struct switchdb_port) {
        .uuid = iface->header_.uuid,
        .name = xstrdup(iface->name),
        .kind = SWITCHDB_BROKEN,
        .ofport = (iface->n_ofport && iface->ofport[0] > 0
                   && iface->ofport[0] < ofp_to_u16(OFPP_MAX)
                   ? u16_to_ofp(iface->ofport[0]) : 0),
        .error = nullable_xstrdup(iface->error),
        .ifindex = iface->n_ifindex ? iface->ifindex[0] : 0,
        .reopening = !strcmp(iface->type, TYPE_CLOSED),
        .bfd = read_bfd(iface),
    };
    if (port->bfd != BFD_UP) {
        port->bfd_diag = nullable_xstrdup(smap_get(&iface->bfd_status,
                                                   "diagnostic"));
    }
    if (smap_get(ids, "weft-external")) {
        port->kind = SWITCHDB_EXTERNAL;
        port->settings = xstrdup(smap_get_def(ids, "weft-settings", ""));
    } else if (row_to_endpoint(iface->name, ids, &port->endpoint)) {
        port->kind = SWITCHDB_ENDPOINT;
    } else if (row_to_tunnel(iface->name, ids, &iface->options,
                             &port->tunnel)) {
        port->kind = SWITCHDB_TUNNEL;
        port->drifted = tunnel_drifted(db, iface, &port->tunnel);
    }
    return true;
}

/* Does somebody's hand show in the row? */
static bool
tunnel_drifted(const struct switchdb *db, const struct ovsrec_interface *iface,
               const struct tunnel *t)
{
    struct smap ids = SMAP_INITIALIZER(&ids);
    struct smap options = SMAP_INITIALIZER(&options);
    struct smap bfd = SMAP_INITIALIZER(&bfd);
    row_of_tunnel(t, db->bridge, &ids, &options);
    row_of_bfd(&bfd);
    bool drifted = (strcmp(iface->type, "vxlan")
                    || !smap_equal(&options, &iface->options)
                    || !smap_equal(&bfd, &iface->bfd));
    smap_destroy(&ids);
    smap_destroy(&options);
    smap_destroy(&bfd);
    return drifted;
}

static void
finish_port(struct switchdb_port *port)
{
    free(port->name);
    free(port->error);
    free(port->bfd_diag);
    free(port->settings);
    if (port->kind == SWITCHDB_ENDPOINT) {
        endpoint_finish(&port->endpoint);
    } else if (port->kind == SWITCHDB_TUNNEL) {
        tunnel_finish(&port->tunnel);
    }
}

static const struct ovsrec_bridge *
find_bridge(const struct switchdb *db, const char *name)
{
    const struct ovsrec_bridge *br;
    OVSREC_BRIDGE_FOR_EACH (br, db->idl) {
        if (!strcmp(br->name, name)) {
            return br;
        }
    }
    return NULL;
}

static const struct ovsrec_interface *
find_interface(const struct switchdb *db, const char *name)
{
    struct ovsrec_interface *key
        = ovsrec_interface_index_init_row(db->interfaces_by_name);
    ovsrec_interface_index_set_name(key, name);
    const struct ovsrec_interface *iface
        = ovsrec_interface_index_find(db->interfaces_by_name, key);
    ovsrec_interface_index_destroy_row(key);
    return iface;
}

/* So that `ovs-ofctl --names` and ofproto/trace speak of "antispoof", not of
 * table 12. */
static void
name_tables(struct switchdb *db, const struct ovsrec_bridge *br)
{
    enum { TABLES_MAX = 64 };
    int64_t ids[TABLES_MAX];
    struct ovsrec_flow_table *tables[TABLES_MAX];
    size_t n = 0;

    for (const struct pipeline_table_info *t = pipeline_tables; t->name; t++) {
        ovs_assert(n < TABLES_MAX);
        ids[n] = t->id;
        tables[n] = ovsrec_flow_table_insert(db->txn);
        ovsrec_flow_table_set_name(tables[n++], t->name);
    }
    ovsrec_bridge_set_flow_tables(br, ids, tables, n);
}

/* The interface 'name', made as a port of 'br' if there is none. */
static const struct ovsrec_interface *
get_interface(struct switchdb *db, const struct ovsrec_bridge *br,
              const char *name)
{
    const struct ovsrec_interface *iface = find_interface(db, name);
    if (!iface) {
        struct ovsrec_interface *new;
        ovsrec_bridge_update_ports_addvalue(br, insert_port(db, name, &new));
        iface = new;
    }
    return iface;
}

static struct ovsrec_bridge *
insert_bridge(struct switchdb *db, const char *name)
{
    struct ovsrec_interface *iface;
    struct ovsrec_port *port = insert_port(db, name, &iface);
    ovsrec_interface_set_type(iface, "internal");

    struct ovsrec_bridge *br = ovsrec_bridge_insert(db->txn);
    ovsrec_bridge_set_name(br, name);
    ovsrec_bridge_set_ports(br, &port, 1);
    return br;
}

/* A port of one interface, both called 'name'. */
static struct ovsrec_port *
insert_port(struct switchdb *db, const char *name,
            struct ovsrec_interface **ifacep)
{
    struct ovsrec_interface *iface = ovsrec_interface_insert(db->txn);
    ovsrec_interface_set_name(iface, name);
    struct ovsrec_port *port = ovsrec_port_insert(db->txn);
    ovsrec_port_set_name(port, name);
    ovsrec_port_set_interfaces(port, &iface, 1);
    *ifacep = iface;
    return port;
}
