/* SPDX-License-Identifier: Apache-2.0 */

#ifndef OVERLAY_DHCP6_MESSAGE_H
#define OVERLAY_DHCP6_MESSAGE_H 1

/* What a DHCPv6 client said (RFC 8415), out of a frame.  Called by dhcp6,
 * which decides about it. */

#include "overlay/answer.h"

/* RFC 8415, sections 7.3 and 21. */
enum {
    DHCP6_SOLICIT = 1, DHCP6_ADVERTISE, DHCP6_REQUEST, DHCP6_CONFIRM,
    DHCP6_RENEW, DHCP6_REBIND, DHCP6_REPLY, DHCP6_RELEASE, DHCP6_DECLINE,
    DHCP6_INFORMATION = 11,
    DHCP6_MAX = DHCP6_INFORMATION,
};
enum {
    DHCP6_OPT_CLIENT = 1,
    DHCP6_OPT_SERVER = 2,
    DHCP6_OPT_IA_NA = 3,
    DHCP6_OPT_IA_TA = 4,
    DHCP6_OPT_IAADDR = 5,
    DHCP6_OPT_ORO = 6,
    DHCP6_OPT_PREFERENCE = 7,
    DHCP6_OPT_STATUS = 13,
    DHCP6_OPT_RAPID_COMMIT = 14,
    DHCP6_OPT_DNS = 23,             /* RFC 3646. */
    DHCP6_OPT_DOMAINS = 24,
    DHCP6_OPT_IA_PD = 25,
};
enum {
    DHCP6_CLIENT_PORT = 546, DHCP6_SERVER_PORT = 547,
    DHCP6_IAADDR_LEN = 24,          /* Without options in it. */

    /* Nobody has more, and a reply to these fits the smallest MTU. */
    DHCP6_IAS_MAX = 4,              /* Of a message. */
    DHCP6_IA_ADDRS_MAX = 4,         /* Of an identity association. */
};

/* DUID-LL of GATEWAY_MAC, section 11.4: the same on every host. */
#define DHCP6_SERVER_DUID { 0, 3, 0, 1, 0x0e, 0x57, 0, 0, 0, 1 }

/* Bytes of the frame. */
struct dhcp6_bytes {
    const uint8_t *p;
    size_t n;
};

/* An identity association. */
struct dhcp6_ia {
    uint16_t code;                  /* DHCP6_OPT_IA_*. */
    uint8_t id[4];
    struct in6_addr addrs[DHCP6_IA_ADDRS_MAX];
    size_t n_addrs;
};

/* What a client said. */
struct dhcp6_message {
    struct in6_addr src;
    uint8_t type;
    uint8_t xid[3];
    struct dhcp6_bytes client, server;  /* DUIDs; 'p' is NULL if there is
                                         * none. */
    bool rapid_commit;
    bool has_oro, wants_dns, wants_domains;
    struct dhcp6_ia ias[DHCP6_IAS_MAX];
    size_t n_ias;
    size_t n_addrs;                 /* Of all 'ias'. */
};

/* Of the endpoint, to all servers, and of a kind that is answered.  False if
 * it is malformed, for another server, or of another host or a relay. */
bool dhcp6_message_parse(const struct answer_context *, const void *frame,
                         size_t size, struct dhcp6_message *);

#endif /* overlay/dhcp6-message.h */
