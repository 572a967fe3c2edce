/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "ovsdb/switchport.h"

#include <stdlib.h>
#include "flow.h"
#include "lib/vswitch-idl.h"
#include "ovsdb/rows.h"
#include "util.h"

static enum switchdb_bfd read_bfd(const struct ovsrec_interface *);
static bool tunnel_drifted(const struct ovsrec_interface *,
                           const char *bridge, const struct tunnel *);
static bool link_drifted(const struct ovsrec_interface *);

bool
switchport_read(const struct ovsrec_interface *iface, const char *bridge,
                struct switchdb_port *port)
{
    const struct smap *ids = &iface->external_ids;
    if (strcmp(smap_get_def(ids, "weft-bridge", ""), bridge)) {
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
        .let_go = (!strcmp(iface->type, SWITCHPORT_TYPE_CLOSED)
                   && iface->n_ofport && iface->ofport[0] < 0),
        .ifindex = iface->n_ifindex ? iface->ifindex[0] : 0,
        .reopening = !strcmp(iface->type, SWITCHPORT_TYPE_CLOSED),
        .bfd = read_bfd(iface),
    };
    if (port->bfd != BFD_UP) {
        port->bfd_diag = nullable_xstrdup(smap_get(&iface->bfd_status,
                                                   "diagnostic"));
    }
    if (smap_get(ids, "weft-external")) {
        port->kind = SWITCHDB_EXTERNAL;
        port->drifted = link_drifted(iface);
        port->settings = xstrdup(smap_get_def(ids, "weft-settings", ""));
    } else if (row_to_endpoint(iface->name, ids, &port->endpoint)) {
        port->kind = SWITCHDB_ENDPOINT;
        port->drifted = link_drifted(iface);
    } else if (row_to_tunnel(iface->name, ids, &iface->options,
                             &port->tunnel)) {
        port->kind = SWITCHDB_TUNNEL;
        port->drifted = tunnel_drifted(iface, bridge, &port->tunnel);
    }
    return true;
}

void
switchport_finish(struct switchdb_port *port)
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

static enum switchdb_bfd
read_bfd(const struct ovsrec_interface *iface)
{
    const char *state = smap_get(&iface->bfd_status, "state");
    return !state ? BFD_NONE
           : !strcmp(state, "up") ? BFD_UP
           : !strcmp(state, "init") ? BFD_INIT
           : BFD_DOWN;
}

/* Does somebody's hand show in the row? */
static bool
tunnel_drifted(const struct ovsrec_interface *iface, const char *bridge,
               const struct tunnel *t)
{
    struct smap ids = SMAP_INITIALIZER(&ids);
    struct smap options = SMAP_INITIALIZER(&options);
    struct smap bfd = SMAP_INITIALIZER(&bfd);
    row_of_tunnel(t, bridge, &ids, &options);
    row_of_bfd(&bfd);
    bool drifted = (strcmp(iface->type, "vxlan")
                    || !smap_equal(&options, &iface->options)
                    || !smap_equal(&bfd, &iface->bfd));
    smap_destroy(&ids);
    smap_destroy(&options);
    smap_destroy(&bfd);
    return drifted;
}

/* One whose link is ours.  SWITCHPORT_TYPE_CLOSED is our own doing. */
static bool
link_drifted(const struct ovsrec_interface *iface)
{
    return *iface->type && strcmp(iface->type, SWITCHPORT_TYPE_CLOSED);
}
