/* SPDX-License-Identifier: Apache-2.0 */

/* What the words behind `weft directory COMMAND` say. */

#include <config.h>
#include "agent/weft-directory.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "openvswitch/dynamic-string.h"
#include "overlay/address.h"
#include "util.h"

static bool take_option(const char *name, char *value,
                        struct weft_directory_options *);

bool
weft_directory_parse(int argc, char *argv[], const char *allowed, bool word,
                     struct weft_directory_options *o)
{
    static const struct option options[] = {
        { "address", required_argument, NULL, 0 },
        { "name", required_argument, NULL, 0 },
        { "schema", required_argument, NULL, 0 },
        { "output", required_argument, NULL, 0 },
        { "insecure", no_argument, NULL, 0 },
        { "yes", no_argument, NULL, 0 },
        { "json", no_argument, NULL, 0 },
        { NULL, 0, NULL, 0 },
    };
    struct svec names = SVEC_EMPTY_INITIALIZER;
    svec_parse_words(&names, allowed);
    svec_add(&names, "json");       /* Each takes it; nothing to say here. */
    *o = (struct weft_directory_options) { .address = NULL };
    optind = 0;                     /* main() was here before. */
    opterr = 0;
    bool ok = true;
    for (;;) {
        /* getopt skips the first: the last word of the command. */
        int i, c = getopt_long(argc + 1, argv - 1, "", options, &i);
        if (c == -1) {
            break;
        }
        ok = (ok && !c && svec_contains_unsorted(&names, options[i].name)
              && take_option(options[i].name, optarg, o));
    }
    svec_destroy(&names);
    if (ok && word && optind <= argc) {
        o->word = argv[optind++ - 1];
    }
    return ok && optind == argc + 1;
}

int
weft_directory_report(char *error)
{
    if (error) {
        fflush(stdout);
        fprintf(stderr, "weft: %s\n", error);
        free(error);
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}

char *
weft_directory_check_name(const char *name)
{
    return (name_is_valid(name) ? NULL
            : xasprintf("%s: a host's name must be "NAME_RULE": give --name",
                        name));
}

static bool
take_option(const char *name, char *value, struct weft_directory_options *o)
{
    if (!strcmp(name, "address")) {
        struct in6_addr ip;
        struct ds s = DS_EMPTY_INITIALIZER;
        free(o->address);
        if (address_parse(value, &ip)) {
            address_format(&ip, &s);
        } else {
            ds_put_cstr(&s, value); /* check_self() refuses it. */
        }
        o->address = ds_steal_cstr(&s);
    } else if (!strcmp(name, "name")) {
        o->name = value;
    } else if (!strcmp(name, "schema")) {
        o->schema = value;
    } else if (!strcmp(name, "output")) {
        o->output = value;
    } else if (!strcmp(name, "insecure")) {
        o->insecure = true;
    } else if (!strcmp(name, "yes")) {
        o->yes = true;
    }
    return !value || *value;
}
