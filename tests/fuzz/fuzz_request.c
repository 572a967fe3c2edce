/* SPDX-License-Identifier: Apache-2.0 */

/* One line of `attach --file` is either refused with one line that can be
 * shown, or is a request that keeps every promise of request.h. */

#include <config.h>
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>
#include "openvswitch/util.h"
#include "overlay/address.h"
#include "overlay/request.h"
#include "packets.h"
#include "text.h"
#include "util.h"

static void
check_request(const struct attach_request *req)
{
    char *name = req->tap ? NULL : request_default_name(req->netns);

    ovs_assert(req->tap ? !req->netns && req->name
               : req->netns && req->netns[0]);
    ovs_assert(req->name || name);
    ovs_assert(!name || name_is_valid(name));
    ovs_assert(!req->name || name_is_valid(req->name));
    ovs_assert(!req->network || name_is_valid(req->network));
    ovs_assert(req->tap ? !req->ifname : !ifname_refuse(req->ifname));
    ovs_assert(req->owner == UINT32_MAX || req->tap);
    ovs_assert(req->n_ips <= ENDPOINT_IPS_MAX);
    ovs_assert(req->ip_auto || req->ip_dhcp || req->n_ips);
    ovs_assert(!eth_addr_is_multicast(req->mac));
    ovs_assert(!req->mtu || (req->mtu >= MTU_MIN && req->mtu <= MTU_MAX));
    for (size_t i = 0; i < req->n_ips; i++) {
        ovs_assert(!address_refuse_unicast(&req->ips[i].addr));
        ovs_assert(!prefix_refuse_host(&req->ips[i], &req->ips[i].addr));
        for (size_t j = 0; j < i; j++) {
            ovs_assert(!ipv6_addr_equals(&req->ips[i].addr,
                                         &req->ips[j].addr));
        }
    }
    free(name);
}

static void
parse(request_parse_func *parse_words, int argc, char **argv)
{
    struct attach_request req;
    char *error = parse_words(argc, (const char *const *) argv, &req);

    if (error) {
        text_check_refusal(error, "");
    } else {
        check_request(&req);
        attach_request_finish(&req);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *line = text_of(data, size);
    int argc;
    char **argv;
    char *error = request_split(line, &argc, &argv);

    ovs_assert(!error == (argv != NULL));
    if (error) {
        text_check_refusal(error, "");
    } else {
        ovs_assert(argc >= 0 && argc <= REQUEST_ARGS_MAX && !argv[argc]);
        for (int i = 0; i < argc; i++) {
            free(ifname_refuse(argv[i]));
            free(request_default_name(argv[i]));
        }
        parse(attach_request_parse, argc, argv);
        parse(tap_request_parse, argc, argv);
    }
    request_words_free(argv);
    free(line);
    return 0;
}
