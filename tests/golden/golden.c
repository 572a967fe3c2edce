/* SPDX-License-Identifier: Apache-2.0 */

/* golden SCENARIO    prints what compile makes of a scenario, tables by name
 * golden --page SCENARIO    prints docs/pipeline.md, with its flows
 *
 * A scenario is a peer file; comment lines that begin with "#!" say what is on
 * the host:
 *
 *     #! peer ID PORT                      a tunnel
 *     #! endpoint NETWORK PORT MAC IP...   an endpoint
 *     #! publish HOSTPORT PORT             of the next endpoint, by TCP; may
 *                                          be repeated
 *     #! external PORT                     the port to the host
 *     #! known                             there is a directory
 *     #! kernel                            the datapath is the kernel's
 *     #! remote VNI PEER MAC IP...         an endpoint of another host
 *     #! member VNI PORT                   its peer's tunnel is PORT
 *
 * Networks that translate have their VNI as their slot; the MTU is 1450.
 */

#include <config.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "flow.h"
#include "overlay/address.h"
#include "overlay/compile.h"
#include "overlay/peerlist.h"
#include "packets.h"
#include "util.h"

static char *
read_file(const char *path, size_t *size)
{
    FILE *f = fopen(path, "r");
    if (!f) {
        ovs_fatal(errno, "%s", path);
    }
    static char text[65536];
    *size = fread(text, 1, sizeof text - 1, f);
    text[*size] = '\0';
    fclose(f);
    return text;
}

static uint16_t
slot_of(const struct network *net)
{
    return net->external == EXTERNAL_NAT ? net->vni : 0;
}

static void
add_endpoint(const struct peerlist *list, char *args,
             const struct compile_mode *mode, struct endpoint *published,
             struct plan *plan)
{
    char *save = NULL;
    const char *network = strtok_r(args, " ", &save);
    int port = atoi(strtok_r(NULL, " ", &save));
    struct endpoint ep = *published;
    published->n_publishes = 0;
    if (!eth_addr_from_string(strtok_r(NULL, " ", &save), &ep.mac)) {
        ovs_fatal(0, "bad MAC");
    }
    for (char *ip; (ip = strtok_r(NULL, " ", &save)); ) {
        char *error = prefix_parse(ip, &ep.ips[ep.n_ips++]);
        if (error) {
            ovs_fatal(0, "%s", error);
        }
    }
    const struct network *net = peerlist_network(list, network);
    const struct compile_place place = { .mode = *mode, .slot = slot_of(net) };
    compile_endpoint(&ep, net, &place, u16_to_ofp(port), plan);
}

static void
add_remote(char *args, struct plan *plan)
{
    char *save = NULL;
    struct compile_remote r = {
        .vni = atoi(strtok_r(args, " ", &save)),
        .peer = atoi(strtok_r(NULL, " ", &save)),
    };
    if (!eth_addr_from_string(strtok_r(NULL, " ", &save), &r.mac)) {
        ovs_fatal(0, "bad MAC");
    }
    struct in6_addr ip;
    for (;;) {
        struct plan_flow flow;
        compile_remote(&r, &flow);
        plan_add_observed(plan, &flow);
        char *word = strtok_r(NULL, " ", &save);
        if (!word) {
            return;
        } else if (!address_parse(word, &ip)) {
            ovs_fatal(0, "bad address");
        }
        r.ip = &ip;
    }
}

static void
compile_scenario(const char *path, struct plan *plan)
{
    size_t size;
    struct peerlist *list;
    char *text = read_file(path, &size);
    char *error = peerlist_parse(path, text, size, &list);
    if (error) {
        ovs_fatal(0, "%s", error);
    }
    const struct compile_mode mode = {
        .known = strstr(text, "#! known") != NULL,
        .kernel = strstr(text, "#! kernel") != NULL,
    };
    compile_static(&mode, plan);
    unsigned int external = 0;
    const char *line_external = strstr(text, "#! external ");
    if (line_external) {
        (void) sscanf(line_external, "#! external %u", &external);
        compile_external(u16_to_ofp(external), plan);
    }
    struct shash_node *node;
    SHASH_FOR_EACH (node, &list->networks) {
        const struct network *net = node->data;
        struct compile_place place = {
            .mode = mode,
            .slot = slot_of(net),
            .external = u16_to_ofp(external),
            .mtu = 1450,
        };
        compile_network(net, &place, plan);
    }
    char *save = NULL;
    struct endpoint published = { .n_publishes = 0 };   /* The next one. */
    for (char *line = strtok_r(text, "\n", &save); line;
         line = strtok_r(NULL, "\n", &save)) {
        unsigned int id, port;
        if (sscanf(line, "#! peer %u %u", &id, &port) == 2) {
            compile_peer(id, u16_to_ofp(port), &mode, plan);
        } else if (sscanf(line, "#! member %u %u", &id, &port) == 2) {
            compile_member(id, u16_to_ofp(port), plan);
        } else if (!strncmp(line, "#! remote ", 10)) {
            add_remote(line + 10, plan);
        } else if (sscanf(line, "#! publish %u %u", &id, &port) == 2) {
            if (published.n_publishes >= ARRAY_SIZE(published.publishes)) {
                ovs_fatal(0, "too many ports");
            }
            published.publishes[published.n_publishes++] = (struct publish) {
                .protocol = IPPROTO_TCP, .host_port = id, .port = port,
            };
        } else if (!strncmp(line, "#! endpoint ", 12)) {
            add_endpoint(list, line + 12, &mode, &published, plan);
        }
    }
    peerlist_destroy(list);
}

/* A paragraph of at most 79 columns. */
static void
print_wrapped(const char *text)
{
    int column = 0;
    while (*text) {
        int n = strcspn(text, " ");
        if (column && column + 1 + n > 79) {
            putchar('\n');
            column = 0;
        } else if (column) {
            putchar(' ');
            column++;
        }
        printf("%.*s", n, text);
        column += n;
        text += n + strspn(text + n, " ");
    }
    putchar('\n');
}

static void
print_table_page(const struct pipeline_table_info *t, const char *flows)
{
    printf("\n## %s (table %d)\n\n", t->name, t->id);
    print_wrapped(t->purpose);
    printf("\nMiss: ");
    print_wrapped(t->meaning);
    printf("\n```\n");
    char *prefix = xasprintf("table=%s, ", t->name);
    for (const char *line = flows; *line; ) {
        int n = strcspn(line, "\n");
        if (!strncmp(line, prefix, strlen(prefix))) {
            printf("%.*s\n", n - (int) strlen(prefix), line + strlen(prefix));
        }
        line += n + (line[n] == '\n');
    }
    free(prefix);
    if (pipeline_table_is_learned(t->id)) {
        printf("(the switch's own, or of other hosts' endpoints)\n");
    }
    printf("```\n");
}

/* What the registers' numbers mean in table refused. */
static void
print_refusals(void)
{
    printf("\nReasons; those in brackets are what ordinary systems send, "
           "which is ignored:\n\n");
    for (const struct refusal_info *r = refusals; r->key; r++) {
        bool ignored = r->kind == REFUSAL_KIND_IGNORED;
        char *line = xasprintf("- %d, %s%s%s: %s", r->id, ignored ? "(" : "",
                               r->title, ignored ? ")" : "", r->what);
        print_wrapped(line);
        free(line);
    }
}

static void
print_page(const char *flows)
{
    printf("<!-- SPDX-License-Identifier: Apache-2.0 -->\n"
           "<!-- Generated from overlay/pipeline.def, overlay/refusal.def "
           "and tests/golden/page.conf by `make golden-update`. -->\n"
           "# The pipeline\n\n"
           "The OpenFlow tables of the bridge, in the order a packet sees "
           "them. The flows are\nthose of one host with two endpoints on "
           "network blue (VNI 100): ports 2 and 3, of\nwhich the first "
           "has port 80 published as the host's port 8080; one tunnel, port "
           "1,\nto peer 1; and the way out by the host, port 9. Network green "
           "(VNI 200) is\nreached by a router. `ovs-ofctl -O OpenFlow15 "
           "dump-flows br-weft` shows yours.\n\n"
           "Registers:\n\n");
    for (const struct pipeline_field_info *f = pipeline_fields; f->id; f++) {
        printf("- `%s` (REG_%s): %s\n", f->reg, f->id, f->holds);
    }
    printf("\nCookies: `0x5746`, a byte 0, a category (1 static, 2 network, "
           "3 peer, 4 endpoint,\n5 learned, 6 external, 7 another host's endpoint), "
           "and 32 bits of the object\n(VNI, the peer's id, OpenFlow port, the "
           "peer's id, a hash).\n\n"
           "Groups: `0x57000000` has a bucket for each tunnel, `0x57000000` "
           "+ VNI one for\neach endpoint of the network here.\n");
    for (const struct pipeline_table_info *t = pipeline_tables; t->name; t++) {
        print_table_page(t, flows);
    }
    print_refusals();
}

int
main(int argc, char *argv[])
{
    set_program_name(argv[0]);
    bool page = argc == 3 && !strcmp(argv[1], "--page");
    if (argc != 2 && !page) {
        fprintf(stderr, "usage: golden [--page] SCENARIO\n");
        return 2;
    }
    struct plan plan = PLAN_INITIALIZER(&plan);
    compile_scenario(argv[argc - 1], &plan);
    struct ds s = DS_EMPTY_INITIALIZER;
    plan_format(&plan, &s);
    if (page) {
        print_page(ds_cstr(&s));
    } else {
        fputs(ds_cstr(&s), stdout);
    }
    ds_destroy(&s);
    plan_finish(&plan);
    return 0;
}
