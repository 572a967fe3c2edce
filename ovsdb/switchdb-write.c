/* SPDX-License-Identifier: Apache-2.0 */

/* What is written, into the transaction that is open. */

#include <config.h>
#include "ovsdb/switchdb-parts.h"

#include "overlay/pipeline.h"
#include "ovsdb/rows.h"
#include "ovsdb/switchport.h"
#include "util.h"

enum { BRIDGE_MTU = 1500 };

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

/* The interface 'name', made as a port of 'br' if there is none. */
static const struct ovsrec_interface *
get_interface(struct switchdb *db, const struct ovsrec_bridge *br,
              const char *name)
{
    const struct ovsrec_interface *iface = switchdb_find_interface(db, name);
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

void
switchdb_put_bridge(struct switchdb *db, const char *host,
                    const char *datapath_type)
{
    const struct ovsrec_open_vswitch *ovs = ovsrec_open_vswitch_first(db->idl);
    const struct ovsrec_bridge *br = switchdb_find_bridge(db, db->bridge);

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
        ovsrec_open_vswitch_update_bridges_addvalue(ovs, br);
    }
    ovsrec_bridge_set_datapath_type(br, datapath_type);
    ovsrec_bridge_set_fail_mode(br, "secure");
    ovsrec_bridge_set_controller(br, NULL, 0);
    /* Spanning tree would hold back what comes by a port for half a minute. */
    ovsrec_bridge_set_stp_enable(br, false);
    ovsrec_bridge_set_rstp_enable(br, false);
    ovsrec_bridge_set_protocols(br, (const char **) switchdb_protocols,
                                SWITCHDB_N_PROTOCOLS);
}

void
switchdb_put_underlay(struct switchdb *db, const struct switchdb_underlay *u)
{
    const struct ovsrec_open_vswitch *ovs = ovsrec_open_vswitch_first(db->idl);
    const struct ovsrec_bridge *br = switchdb_find_bridge(db, u->bridge);

    if (!ovs) {
        return;
    }
    db->txn_wrote = true;
    if (!br) {
        /* The NIC's port comes with the next transaction: a row that is being
         * inserted takes no mutations. */
        br = insert_bridge(db, u->bridge);
        const struct smap config = SMAP_CONST1(&config, "hwaddr", u->mac);
        ovsrec_bridge_set_other_config(br, &config);
        ovsrec_open_vswitch_update_bridges_addvalue(ovs, br);
    } else {
        (void) get_interface(db, br, u->nic);
    }
    ovsrec_bridge_set_datapath_type(br, "netdev");
    ovsrec_bridge_set_fail_mode(br, NULL);
    ovsrec_bridge_set_controller(br, NULL, 0);
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
    const struct ovsrec_bridge *br = switchdb_find_bridge(db, name);

    if (ovs && br) {
        db->txn_wrote = true;
        ovsrec_open_vswitch_update_bridges_delvalue(ovs, br);
    }
}

void
switchdb_put_endpoint(struct switchdb *db, const struct endpoint *ep,
                      bool open)
{
    const struct ovsrec_bridge *br = switchdb_find_bridge(db, db->bridge);
    if (!br) {
        return;
    }
    db->txn_wrote = true;
    const struct ovsrec_interface *iface = get_interface(db, br, ep->port);
    struct smap ids = SMAP_INITIALIZER(&ids);
    row_of_endpoint(ep, db->bridge, &ids);
    ovsrec_interface_set_type(iface, open ? "" : SWITCHPORT_TYPE_CLOSED);
    ovsrec_interface_set_external_ids(iface, &ids);
    smap_destroy(&ids);
}

void
switchdb_put_tunnel(struct switchdb *db, const struct tunnel *t)
{
    const struct ovsrec_bridge *br = switchdb_find_bridge(db, db->bridge);
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
                      const char *settings, bool open)
{
    const struct ovsrec_bridge *br = switchdb_find_bridge(db, db->bridge);
    if (!br) {
        return;
    }
    db->txn_wrote = true;
    const struct ovsrec_interface *iface = get_interface(db, br, name);
    struct smap ids = SMAP_INITIALIZER(&ids);
    smap_add(&ids, "weft-bridge", db->bridge);
    smap_add(&ids, "weft-external", link);
    smap_add(&ids, "weft-settings", settings);
    ovsrec_interface_set_type(iface, open ? "" : SWITCHPORT_TYPE_CLOSED);
    ovsrec_interface_set_external_ids(iface, &ids);
    smap_destroy(&ids);
}

void
switchdb_del_port(struct switchdb *db, const char *name)
{
    const struct ovsrec_bridge *br = switchdb_find_bridge(db, db->bridge);
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
