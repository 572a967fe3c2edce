/* SPDX-License-Identifier: Apache-2.0 */

/* Whatever a server says of its cluster, there is a value for it: no string is
 * missing, servers are in order, and only one that was named leads. */

#include <config.h>
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>
#include "agent/cluster-status.h"
#include "openvswitch/util.h"
#include "text.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = text_of(data, size);
    struct cluster_status s;

    cluster_status_parse(&s, text);
    ovs_assert(s.cluster && s.address && s.status && s.role && s.leader);
    ovs_assert(!s.quorum || (s.leader[0] && strcmp(s.leader, "unknown")));
    free(cluster_status_ip(s.address));
    for (size_t i = 0; i < s.n_servers; i++) {
        const struct cluster_server *server = &s.servers[i];
        char *ip = cluster_status_ip(server->address);

        ovs_assert(server->nickname[0] && !strchr(server->nickname, '\n'));
        ovs_assert(!strchr(server->address, '\n'));
        ovs_assert(!server->self || server->reachable);
        ovs_assert(!i || strcmp(s.servers[i - 1].address,
                                server->address) <= 0);
        ovs_assert(!cluster_status_is_leader(&s, server) || s.leader[0]);
        free(ip);
    }
    cluster_status_finish(&s);
    free(text);
    return 0;
}
