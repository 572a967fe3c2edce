/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "overlay/dhcp6.h"

#include <string.h>
#include "overlay/address.h"
#include "overlay/dhcp6-message.h"
#include "overlay/frame.h"
#include "overlay/lease.h"
#include "packets.h"
#include "util.h"

/* RFC 8415, section 21.13. */
enum status {
    STATUS_SUCCESS = 0,
    STATUS_NO_ADDRS = 2,
    STATUS_NOT_ON_LINK = 4,
    STATUS_NO_PREFIX = 6,
};

enum {
    STATUS_LEN = 2,                 /* Without a text. */
    PREFERRED_S = 86400, VALID_S = 2 * PREFERRED_S,
    T1_S = PREFERRED_S / 2, T2_S = PREFERRED_S / 10 * 8,
};

static size_t choose_owner(const struct dhcp6_message *,
                           const struct in6_addr *addr);
static void compose(const struct answer_context *, const struct lease *,
                    const struct dhcp6_message *, struct dp_packet *reply);

bool
dhcp6_answer(const struct answer_context *ctx, const void *frame, size_t size,
             struct dp_packet *reply)
{
    struct lease lease;
    struct dhcp6_message msg;

    if (!ctx->endpoint
        || !lease_find(ctx->endpoint, ctx->network, false, &lease)
        || !dhcp6_message_parse(ctx, frame, size, &msg)) {
        return false;
    }
    compose(ctx, &lease, &msg, reply);
    return true;
}

/* Which association gets the one address: the one that has it, else the
 * first.  DHCP6_IAS_MAX: none. */
static size_t
choose_owner(const struct dhcp6_message *msg, const struct in6_addr *addr)
{
    size_t owner = DHCP6_IAS_MAX;

    for (size_t i = 0; i < msg->n_ias; i++) {
        const struct dhcp6_ia *ia = &msg->ias[i];

        if (ia->code != DHCP6_OPT_IA_NA) {
            continue;
        }
        for (size_t j = 0; j < ia->n_addrs; j++) {
            if (ipv6_addr_equals(&ia->addrs[j], addr)) {
                return i;
            }
        }
        owner = MIN(owner, i);
    }
    return owner;
}

/* --- what the gateway says ----------------------------------------------- */

static void
put_option(struct dp_packet *reply, uint16_t code, const void *data,
           size_t len)
{
    frame_put16(reply, code);
    frame_put16(reply, len);
    dp_packet_put(reply, data, len);
}

static void
put_status(struct dp_packet *reply, enum status status)
{
    frame_put16(reply, DHCP6_OPT_STATUS);
    frame_put16(reply, STATUS_LEN);
    frame_put16(reply, status);
}

static void
put_address(struct dp_packet *reply, const struct in6_addr *addr, bool valid)
{
    frame_put16(reply, DHCP6_OPT_IAADDR);
    frame_put16(reply, DHCP6_IAADDR_LEN);
    dp_packet_put(reply, addr, sizeof *addr);
    frame_put32(reply, valid ? PREFERRED_S : 0);
    frame_put32(reply, valid ? VALID_S : 0);
}

/* Is an address that 'ia' names of no subnet of the network? */
static bool
is_off_link(const struct network *net, const struct dhcp6_ia *ia)
{
    const struct in6_addr *gateway;

    for (size_t i = 0; i < ia->n_addrs; i++) {
        if (!network_subnet(net, &ia->addrs[i], &gateway)) {
            return true;
        }
    }
    return false;
}

/* Writes what becomes of an association: the address, or why there is none,
 * and addresses that the client has to give up (section 18.3.4). */
static void
put_ia(struct dp_packet *reply, const struct answer_context *ctx,
       const struct lease *lease, const struct dhcp6_message *msg,
       const struct dhcp6_ia *ia, bool owner)
{
    bool refuse = (msg->type == DHCP6_REQUEST   /* Section 18.3.2. */
                   && is_off_link(ctx->network, ia));
    bool own = owner && !refuse;
    bool keeps = msg->type == DHCP6_RENEW || msg->type == DHCP6_REBIND;

    frame_put16(reply, ia->code);

    size_t len_at = dp_packet_size(reply);

    frame_put16(reply, 0);
    dp_packet_put(reply, ia->id, sizeof ia->id);
    if (ia->code != DHCP6_OPT_IA_TA) {
        frame_put32(reply, own ? T1_S : 0);
        frame_put32(reply, own ? T2_S : 0);
    }
    if (own) {
        put_address(reply, &lease->addr, true);
    } else {
        put_status(reply, ia->code == DHCP6_OPT_IA_PD ? STATUS_NO_PREFIX
                          : refuse ? STATUS_NOT_ON_LINK : STATUS_NO_ADDRS);
    }
    for (size_t j = 0; keeps && j < ia->n_addrs; j++) {
        if (!ipv6_addr_equals(&ia->addrs[j], &lease->addr)) {
            put_address(reply, &ia->addrs[j], false);
        }
    }

    ovs_be16 len = htons(dp_packet_size(reply) - len_at - sizeof len);

    memcpy((uint8_t *) dp_packet_data(reply) + len_at, &len, sizeof len);
}

/* RFC 3646. */
static void
put_dns(struct dp_packet *reply, const struct network *net)
{
    struct in6_addr servers[DNS_MAX];
    size_t n = 0;

    for (size_t i = 0; i < net->n_dns; i++) {
        if (!address_is_v4(&net->dns[i])) {
            servers[n++] = net->dns[i];
        }
    }
    if (n) {
        put_option(reply, DHCP6_OPT_DNS, servers, n * sizeof servers[0]);
    }
}

static void
put_configuration(struct dp_packet *reply, const struct network *net,
                  const struct dhcp6_message *msg)
{
    uint8_t labels[FRAME_DOMAIN_MAX];
    size_t n = frame_domain(net->name, labels);

    if (!msg->has_oro || msg->wants_dns) {
        put_dns(reply, net);
    }
    if (n && (!msg->has_oro || msg->wants_domains)) {
        put_option(reply, DHCP6_OPT_DOMAINS, labels, n);
    }
}

/* Are all addresses the endpoint's?  The RFC asks only whether they are of
 * this link (section 18.3.3), but others would lead nowhere: a client that
 * hears that they are not asks anew. */
static bool
is_confirmed(const struct dhcp6_message *msg, const struct in6_addr *addr)
{
    for (size_t i = 0; i < msg->n_ias; i++) {
        for (size_t j = 0; j < msg->ias[i].n_addrs; j++) {
            if (!ipv6_addr_equals(&msg->ias[i].addrs[j], addr)) {
                return false;
            }
        }
    }
    return true;
}

static void
compose(const struct answer_context *ctx, const struct lease *lease,
        const struct dhcp6_message *msg, struct dp_packet *reply)
{
    static const uint8_t server_duid[] = DHCP6_SERVER_DUID;
    static const uint8_t best = 255;    /* No need to wait for others. */
    size_t owner = choose_owner(msg, &lease->addr);
    struct in6_addr src = address_link_local((struct eth_addr) GATEWAY_MAC);
    bool rapid = msg->type == DHCP6_SOLICIT && msg->rapid_commit;
    bool advertise = msg->type == DHCP6_SOLICIT && !rapid;

    frame_begin_udp(reply, ctx->endpoint->mac, &src, &msg->src,
                    DHCP6_SERVER_PORT, DHCP6_CLIENT_PORT);
    frame_put8(reply, advertise ? DHCP6_ADVERTISE : DHCP6_REPLY);
    dp_packet_put(reply, msg->xid, sizeof msg->xid);
    if (msg->client.p) {
        put_option(reply, DHCP6_OPT_CLIENT, msg->client.p, msg->client.n);
    }
    put_option(reply, DHCP6_OPT_SERVER, server_duid, sizeof server_duid);
    if (advertise) {
        put_option(reply, DHCP6_OPT_PREFERENCE, &best, sizeof best);
    }
    if (rapid) {
        put_option(reply, DHCP6_OPT_RAPID_COMMIT, "", 0);
    }
    switch (msg->type) {
    case DHCP6_CONFIRM:
        put_status(reply, is_confirmed(msg, &lease->addr)
                          ? STATUS_SUCCESS : STATUS_NOT_ON_LINK);
        break;
    case DHCP6_RELEASE:
    case DHCP6_DECLINE:
        put_status(reply, STATUS_SUCCESS);
        break;
    default:
        for (size_t i = 0; i < msg->n_ias; i++) {
            put_ia(reply, ctx, lease, msg, &msg->ias[i], i == owner);
        }
        put_configuration(reply, ctx->network, msg);
        break;
    }
    frame_finish(reply);
}
