/* SPDX-License-Identifier: Apache-2.0 */

#ifndef OVERLAY_DHCP4_REQUEST_H
#define OVERLAY_DHCP4_REQUEST_H 1

/* What a DHCP client said (RFC 2131), out of a frame.  Called by dhcp4, which
 * decides about it. */

#include "dhcp.h"
#include "overlay/answer.h"
#include "overlay/lease.h"

enum {
    DHCP4_DISCOVER = 1, DHCP4_OFFER, DHCP4_REQUEST, DHCP4_DECLINE, DHCP4_ACK,
    DHCP4_NAK, DHCP4_RELEASE, DHCP4_INFORM,
};

/* RFC 2132, except where noted. */
enum {
    DHCP4_OPT_PAD = 0,
    DHCP4_OPT_NETMASK = 1,
    DHCP4_OPT_ROUTER = 3,
    DHCP4_OPT_DNS = 6,
    DHCP4_OPT_HOSTNAME = 12,
    DHCP4_OPT_DOMAIN = 15,
    DHCP4_OPT_MTU = 26,
    DHCP4_OPT_WANTED = 50,
    DHCP4_OPT_LEASE = 51,
    DHCP4_OPT_OVERLOAD = 52,
    DHCP4_OPT_TYPE = 53,
    DHCP4_OPT_SERVER = 54,
    DHCP4_OPT_LIST = 55,
    DHCP4_OPT_MAX_SIZE = 57,
    DHCP4_OPT_T1 = 58,
    DHCP4_OPT_T2 = 59,
    DHCP4_OPT_CLIENT = 61,
    DHCP4_OPT_ROUTES = 121,         /* RFC 3442. */
    DHCP4_OPT_END = 255,
};

enum {
    DHCP4_HTYPE_ETHERNET = 1,
    DHCP4_COOKIE_LEN = 4,
    DHCP4_SIZE_MIN = 576,           /* Of an IP packet, that every client
                                     * takes: RFC 2131, section 2. */
};

/* What a client said. */
struct dhcp4_request {
    struct dhcp_header header;
    uint8_t type;                   /* DHCP4_*; 0: a BOOTP client. */
    uint8_t overload;               /* Where more options are: 1 'file',
                                     * 2 'sname', 3 both. */
    bool has_server, has_wanted, has_list;
    ovs_be32 server, wanted;
    uint16_t max_size;              /* Of the answer's IP packet; 0: not
                                     * given. */
    const uint8_t *client;          /* Borrowed from the frame, or NULL. */
    uint8_t client_len;
    bool list[256];                 /* Options it asks for, if 'has_list'. */
};

/* Of the endpoint, to everybody or to the lease's gateway.  False if it is
 * malformed, of another MAC, or came by way of a relay. */
bool dhcp4_request_parse(const struct answer_context *, const struct lease *,
                         const void *frame, size_t size,
                         struct dhcp4_request *);

#endif /* overlay/dhcp4-request.h */
