/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "overlay/dhcp6-message.h"

#include <errno.h>
#include <string.h>
#include "overlay/address.h"
#include "overlay/frame.h"
#include "packets.h"

enum {
    HEADER_LEN = 4,                 /* Type and transaction. */
    OPTION_LEN = 4,                 /* Code and length. */
    DUID_MIN = 3, DUID_MAX = 130,   /* Section 11.1. */
};

struct option {
    uint16_t code;
    struct dhcp6_bytes data;
};

static int option_next(struct dhcp6_bytes *, struct option *);
static bool option_take(struct dhcp6_message *, const struct option *);
static bool is_valid(const struct dhcp6_message *);

/* Clients speak to all servers, never to one: without a server unicast option
 * they may not (section 16), and no reply here has one. */
bool
dhcp6_message_parse(const struct answer_context *ctx, const void *data,
                    size_t size, struct dhcp6_message *msg)
{
    static const struct in6_addr all_servers = {        /* ff02::1:2 */
        .s6_addr = { 0xff, 0x02, [13] = 1, [15] = 2 }
    };
    struct eth_addr mac = ctx->endpoint->mac;
    struct frame frame;
    struct dhcp6_bytes options;
    struct option o;
    uint16_t port;
    int retval;

    memset(msg, 0, sizeof *msg);
    if (!frame_parse(&frame, data, size)
        || !eth_addr_equals(frame.eth_src, mac)
        || !in6_is_lla(&frame.src)      /* Of its MAC or made up (RFC 7217). */
        || !ipv6_addr_equals(&frame.dst, &all_servers)
        || !frame_udp(&frame, DHCP6_SERVER_PORT, &port, &options.p, &options.n)
        || port != DHCP6_CLIENT_PORT || !frame_is_intact(&frame)
        || options.n < HEADER_LEN) {
        return false;
    }
    msg->src = frame.src;
    msg->type = options.p[0];
    memcpy(msg->xid, &options.p[1], sizeof msg->xid);
    options.p += HEADER_LEN;
    options.n -= HEADER_LEN;
    if (msg->type > DHCP6_MAX) {
        return false;               /* A relay's, which has another form. */
    }
    while ((retval = option_next(&options, &o)) > 0) {
        if (!option_take(msg, &o)) {
            return false;
        }
    }
    return !retval && is_valid(msg);
}

/* Takes the first option.  Returns 1, 0 if there is none, or -EINVAL. */
static int
option_next(struct dhcp6_bytes *options, struct option *option)
{
    const uint8_t *p = options->p;

    if (!options->n) {
        return 0;
    }
    if (options->n < OPTION_LEN) {
        return -EINVAL;
    }

    size_t len = p[2] << 8 | p[3];

    if (len > options->n - OPTION_LEN) {
        return -EINVAL;
    }
    option->code = p[0] << 8 | p[1];
    option->data = (struct dhcp6_bytes) { p + OPTION_LEN, len };
    options->p += OPTION_LEN + len;
    options->n -= OPTION_LEN + len;
    return 1;
}

static bool
duid_take(struct dhcp6_bytes *duid, struct dhcp6_bytes data)
{
    if (duid->p || data.n < DUID_MIN || data.n > DUID_MAX) {
        return false;
    }
    *duid = data;
    return true;
}

static bool
oro_take(struct dhcp6_message *msg, struct dhcp6_bytes data)
{
    if (msg->has_oro || data.n % 2) {
        return false;
    }
    msg->has_oro = true;
    for (size_t i = 0; i < data.n; i += 2) {
        uint16_t code = data.p[i] << 8 | data.p[i + 1];

        msg->wants_dns |= code == DHCP6_OPT_DNS;
        msg->wants_domains |= code == DHCP6_OPT_DOMAINS;
    }
    return true;
}

static bool
ia_take(struct dhcp6_message *msg, uint16_t code, struct dhcp6_bytes data)
{
    /* Identifier, T1 and T2; those of temporary addresses have no times. */
    size_t fixed = code == DHCP6_OPT_IA_TA ? 4 : 12;
    struct option o;
    int retval;

    if (msg->n_ias >= DHCP6_IAS_MAX || data.n < fixed) {
        return false;
    }

    struct dhcp6_ia *ia = &msg->ias[msg->n_ias++];

    ia->code = code;
    memcpy(ia->id, data.p, sizeof ia->id);
    data.p += fixed;
    data.n -= fixed;
    while ((retval = option_next(&data, &o)) > 0) {
        if (o.code == DHCP6_OPT_IAADDR) {
            if (code == DHCP6_OPT_IA_PD || o.data.n < DHCP6_IAADDR_LEN
                || ia->n_addrs >= DHCP6_IA_ADDRS_MAX) {
                return false;
            }
            memcpy(&ia->addrs[ia->n_addrs++], o.data.p,
                   sizeof ia->addrs[0]);
            msg->n_addrs++;
        }
    }
    return !retval;
}

static bool
option_take(struct dhcp6_message *msg, const struct option *o)
{
    switch (o->code) {
    case DHCP6_OPT_CLIENT:
        return duid_take(&msg->client, o->data);
    case DHCP6_OPT_SERVER:
        return duid_take(&msg->server, o->data);
    case DHCP6_OPT_IA_NA:
    case DHCP6_OPT_IA_TA:
    case DHCP6_OPT_IA_PD:
        return ia_take(msg, o->code, o->data);
    case DHCP6_OPT_ORO:
        return oro_take(msg, o->data);
    case DHCP6_OPT_RAPID_COMMIT:
        msg->rapid_commit = true;
        return !o->data.n;
    default:
        return true;
    }
}

/* Section 16: which messages are discarded. */
static bool
is_valid(const struct dhcp6_message *msg)
{
    enum { NEVER, MAYBE, ALWAYS };
    static const struct {
        bool answered;
        uint8_t client, server;     /* Are their identifiers given? */
    } rules[DHCP6_MAX + 1] = {
        [DHCP6_SOLICIT] = { true, ALWAYS, NEVER },
        [DHCP6_REQUEST] = { true, ALWAYS, ALWAYS },
        [DHCP6_CONFIRM] = { true, ALWAYS, NEVER },
        [DHCP6_RENEW] = { true, ALWAYS, ALWAYS },
        [DHCP6_REBIND] = { true, ALWAYS, NEVER },
        [DHCP6_RELEASE] = { true, ALWAYS, ALWAYS },
        [DHCP6_DECLINE] = { true, ALWAYS, ALWAYS },
        [DHCP6_INFORMATION] = { true, MAYBE, MAYBE },
    };
    static const uint8_t server_duid[] = DHCP6_SERVER_DUID;
    uint8_t client = rules[msg->type].client;
    uint8_t server = rules[msg->type].server;

    if (!rules[msg->type].answered
        || (client == ALWAYS && !msg->client.p)
        || (server == ALWAYS && !msg->server.p)
        || (server == NEVER && msg->server.p)
        || (msg->server.p
            && (msg->server.n != sizeof server_duid
                || memcmp(msg->server.p, server_duid, sizeof server_duid)))) {
        return false;
    }
    if (msg->type == DHCP6_INFORMATION) {
        return !msg->n_ias;
    }
    /* Without an address there is nothing to confirm: section 18.3.3. */
    return msg->type != DHCP6_CONFIRM || msg->n_addrs;
}
