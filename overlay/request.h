/* SPDX-License-Identifier: Apache-2.0 */

#ifndef OVERLAY_REQUEST_H
#define OVERLAY_REQUEST_H 1

/* What a user asks for on a command line, as a value.  The command `weft`
 * parses to tell a usage error (exit 2) before it talks to anybody; the daemon
 * parses again, because it trusts nobody.  Pure. */

#include "overlay/model.h"

enum { REQUEST_LINE_MAX = 4096, REQUEST_ARGS_MAX = 64 };

/* weft attach NETNS [--network N] [--name E] [--ip auto|dhcp|ADDR/LEN]...
 *                   [--mac MAC] [--ifname IF] [--mtu BYTES] [--move]
 * weft tap NAME [--network N] [--ip auto|ADDR/LEN]... [--mac MAC]
 *               [--mtu BYTES] [--owner UID] [--print qemu] [--move] */
struct attach_request {
    bool tap;                       /* `weft tap`. */
    char *netns;                    /* Owned: as given; NULL for a tap. */
    char *network;                  /* Owned, or NULL: the only one. */
    char *name;                     /* Owned, or NULL: after the netns. */
    char *ifname;                   /* Owned; "eth0" if not given; NULL for a
                                     * tap. */
    struct prefix ips[ENDPOINT_IPS_MAX];
    size_t n_ips;
    bool ip_auto;                   /* --ip auto, or no --ip at all. */
    bool ip_dhcp;                   /* --ip dhcp: a client inside asks for the
                                     * addresses, whatever they are. */
    struct eth_addr mac;            /* Zero: derive it. */
    int mtu;                        /* 0: follow the underlay. */
    uint32_t owner;                 /* Of a tap; UINT32_MAX: not given. */
    bool print_qemu;                /* Answer with options of qemu. */
    bool move;                      /* Another host's, too: take it over. */
};

/* Parses 'args' (without the command's name).  Options may stand before or
 * after NETNS; "--opt=value" and "--opt value" are the same; "--" ends them.
 * Returns NULL, or an owned message ("attach: --ip 10.1/16: not an address");
 * then 'req' needs no finish. */
typedef char *request_parse_func(int argc, const char *const argv[],
                                 struct attach_request *req);
request_parse_func attach_request_parse;
/* Likewise for `weft tap`, with NAME in place of NETNS. */
request_parse_func tap_request_parse;
void attach_request_finish(struct attach_request *);
/* Owned: to be finished, and freed. */
struct attach_request *attach_request_clone(const struct attach_request *);

/* Splits one line of `attach --file` into words: blanks separate, '...' and
 * "..." quote, \ escapes, # at the start of a word begins a comment.  Returns
 * NULL and '*argcp' words in an owned, NULL-terminated '*argvp' (free with
 * request_words_free()), or an owned message. */
char *request_split(const char *line, int *argcp, char ***argvp);
void request_words_free(char **argv);

/* May 'ifname' be an interface's name?  1 to 15 bytes, no '/', ':', white
 * space or control byte, not "." or "..", and no '%', for which the kernel
 * would put a number.  Returns NULL, or an owned message that does not name
 * it ("must be ..."). */
char *ifname_refuse(const char *ifname);

/* The endpoint's name where --name is absent: NETNS itself, the last part of a
 * path, or "pid-N".  NULL if that is not a valid name. */
char *request_default_name(const char *netns);

#endif /* overlay/request.h */
