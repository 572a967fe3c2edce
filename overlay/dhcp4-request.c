/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "overlay/dhcp4-request.h"

#include <string.h>
#include "overlay/address.h"
#include "overlay/frame.h"
#include "packets.h"
#include "unaligned.h"
#include "util.h"

enum { OVERLOAD_FILE = 1, OVERLOAD_SNAME = 2 };

static bool option_take(struct dhcp4_request *, uint8_t code,
                        const uint8_t *data, uint8_t len);
static bool options_parse(struct dhcp4_request *, const uint8_t *, size_t);
static bool header_is_ours(const struct dhcp_header *, struct eth_addr mac);

bool
dhcp4_request_parse(const struct answer_context *ctx,
                    const struct lease *lease, const void *data, size_t size,
                    struct dhcp4_request *req)
{
    static const struct in6_addr to_all = {
        .s6_addr = { [10] = 0xff, 0xff, 0xff, 0xff, 0xff, 0xff }
    };
    struct eth_addr mac = ctx->endpoint->mac;
    struct frame frame;
    const uint8_t *message;
    uint16_t port;
    size_t n;

    memset(req, 0, sizeof *req);
    if (!frame_parse(&frame, data, size)
        || !eth_addr_equals(frame.eth_src, mac)
        || (!ipv6_addr_equals(&frame.dst, &to_all)
            && !ipv6_addr_equals(&frame.dst, &lease->gateway))
        || !frame_udp(&frame, DHCP_SERVER_PORT, &port, &message, &n)
        || port != DHCP_CLIENT_PORT || !frame_is_intact(&frame)
        || n < DHCP_HEADER_LEN + DHCP4_COOKIE_LEN) {
        return false;
    }
    memcpy(&req->header, message, DHCP_HEADER_LEN);

    const uint8_t *cookie = message + DHCP_HEADER_LEN;

    n -= DHCP_HEADER_LEN + DHCP4_COOKIE_LEN;
    if (!header_is_ours(&req->header, mac)
        || get_unaligned_be32((const ovs_be32 *) cookie)
           != htonl(DHCP_MAGIC_COOKIE)
        || !options_parse(req, cookie + DHCP4_COOKIE_LEN, n)) {
        return false;
    }

    /* First 'file', then 'sname': RFC 2131, section 4.1.  In the frame, not
     * in the copy: the client identifier is borrowed. */
    const uint8_t *file = message + offsetof(struct dhcp_header, file);
    const uint8_t *sname = message + offsetof(struct dhcp_header, sname);
    uint8_t overload = req->overload;

    return ((!(overload & OVERLOAD_FILE)
             || options_parse(req, file, sizeof req->header.file))
            && (!(overload & OVERLOAD_SNAME)
                || options_parse(req, sname, sizeof req->header.sname)));
}

static bool
option_take(struct dhcp4_request *req, uint8_t code, const uint8_t *data,
            uint8_t len)
{
    /* Pieces of one option at several places are one option (RFC 3396), of
     * which the fixed ones would be too long.  A client identifier of more
     * than 255 bytes is nobody's. */
    switch (code) {
    case DHCP4_OPT_WANTED:
        if (len != 4 || req->has_wanted) {
            return false;
        }
        req->has_wanted = true;
        memcpy(&req->wanted, data, len);
        return true;
    case DHCP4_OPT_SERVER:
        if (len != 4 || req->has_server) {
            return false;
        }
        req->has_server = true;
        memcpy(&req->server, data, len);
        return true;
    case DHCP4_OPT_OVERLOAD:
        if (len != 1 || req->overload || !data[0]
            || data[0] > (OVERLOAD_FILE | OVERLOAD_SNAME)) {
            return false;
        }
        req->overload = data[0];
        return true;
    case DHCP4_OPT_TYPE:
        if (len != 1 || req->type || !data[0]) {
            return false;
        }
        req->type = data[0];
        return true;
    case DHCP4_OPT_LIST:
        req->has_list = true;
        for (size_t i = 0; i < len; i++) {
            req->list[data[i]] = true;
        }
        return len != 0;
    case DHCP4_OPT_MAX_SIZE:
        if (len != 2 || req->max_size) {
            return false;
        }
        req->max_size = MAX(data[0] << 8 | data[1], DHCP4_SIZE_MIN);
        return true;
    case DHCP4_OPT_CLIENT:
        if (len < 2 || req->client) {
            return false;
        }
        req->client = data;
        req->client_len = len;
        return true;
    default:
        return true;
    }
}

/* The options in one field.  Its end ends them, too: some clients forget the
 * end option. */
static bool
options_parse(struct dhcp4_request *req, const uint8_t *p, size_t n)
{
    while (n && p[0] != DHCP4_OPT_END) {
        if (p[0] == DHCP4_OPT_PAD) {
            p++;
            n--;
        } else if (n < 2 || p[1] > n - 2
                   || !option_take(req, p[0], &p[2], p[1])) {
            return false;
        } else {
            n -= 2 + p[1];
            p += 2 + p[1];
        }
    }
    return true;
}

static bool
header_is_ours(const struct dhcp_header *h, struct eth_addr mac)
{
    return (h->op == DHCP_OP_REQUEST && h->htype == DHCP4_HTYPE_ETHERNET
            && h->hlen == ETH_ADDR_LEN && !h->giaddr
            && !memcmp(h->chaddr, &mac, ETH_ADDR_LEN));
}
