/* SPDX-License-Identifier: Apache-2.0 */

#ifndef AGENT_SETTINGS_H
#define AGENT_SETTINGS_H 1

/* What the daemon is told at its start: by options, and by weft.conf for what
 * no option says.  Fixed from then on. */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { SETTINGS_MAX = 16 };

struct settings {
    char *config;               /* "/etc/weft/weft.conf" */
    char *name;                 /* This host's; NULL: find out. */
    char *directory;            /* Path of the peer file; or the servers of
                                 * the database. */
    bool shared;                /* It is a database. */
    char *address;              /* In the underlay, or NULL. */
    char *tunnels;              /* "needed" or "all". */
    char *bridge;               /* "br-weft" */
    char *datapath;             /* "auto", "system" or "netdev". */
    char *underlay;             /* NIC to move to a bridge, or NULL. */
    char *private_key;          /* These three: PEM files, or NULL. */
    char *certificate;
    char *ca_cert;
    char *db;                   /* "unix:/var/run/openvswitch/db.sock" */
    char *group;                /* May use the control socket, or NULL. */
    gid_t gid;                  /* Of it; else weftd's own, unless that is
                                 * root's: CONTROL_GROUP_NONE. */
    int lines[SETTINGS_MAX];    /* Of weft.conf that gave each; 0: none did. */
    int seen[SETTINGS_MAX];     /* Likewise, but also if an option did. */
    char *unixctl;              /* Path of the control socket, or NULL. */
};

/* Parses the command line, then weft.conf; handles --help, --version and the
 * options of Open vSwitch's daemons; ends the process with 2 on misuse and
 * with 1 on a weft.conf that cannot be used. */
void settings_init(struct settings *, int argc, char *argv[]);
void settings_finish(struct settings *);

/* The bridge for the underlay's NIC. */
#define SETTINGS_UNDERLAY_BRIDGE "br-phy"

enum { SETTINGS_FILE_MAX = 65536 }; /* Bytes of weft.conf. */

#endif /* agent/settings.h */
