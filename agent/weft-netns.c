/* SPDX-License-Identifier: Apache-2.0 */

/* Network namespaces, which need no daemon. */

#include <config.h>
#include "agent/weft.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "agent/netns.h"
#include "agent/weft-ask.h"
#include "dirs.h"
#include "openvswitch/json.h"
#include "sset.h"
#include "util.h"

static int
report(char *error)
{
    if (error) {
        fprintf(stderr, "weft: %s\n", error);
        free(error);
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}

/* Is there a namespace of that name?  Adding one that is there, and removing
 * one that is not, has nothing to do. */
static bool
netns_exists(const char *name)
{
    struct sset names = SSET_INITIALIZER(&names);
    free(netns_list(&names));       /* Whoever goes on fails more plainly. */
    bool exists = sset_contains(&names, name);
    sset_destroy(&names);
    return exists;
}

/* Leaves only names; --json has nothing to say here.  False if none is left,
 * or something else is among them. */
static bool
take_names(int *argc, char *argv[])
{
    int n = 0;
    for (int i = 0; i < *argc; i++) {
        if (!weft_is_json(argv[i])) {
            if (argv[i][0] == '-') {
                return false;
            }
            argv[n++] = argv[i];
        }
    }
    *argc = n;
    return n > 0;
}

int
weft_netns_add(const struct weft_target *target OVS_UNUSED, int argc,
               char *argv[])
{
    if (!take_names(&argc, argv)) {
        return weft_misuse("usage: weft netns add NAME...");
    }
    int status = EXIT_SUCCESS;
    for (int i = 0; i < argc; i++) {
        status = (!netns_exists(argv[i]) && report(netns_add(argv[i]))
                  ? EXIT_FAILURE : status);
    }
    return status;
}

int
weft_netns_del(const struct weft_target *target, int argc, char *argv[])
{
    if (!take_names(&argc, argv)) {
        return weft_misuse("usage: weft netns del NAME...");
    }
    int status = EXIT_SUCCESS;
    for (int i = 0; i < argc; i++) {
        if (!netns_exists(argv[i])) {
            continue;
        }
        char *pid = xasprintf("%s/weftd.pid", ovs_rundir());
        if (!access(pid, F_OK) || target->given) {
            /* Without a daemon there is nothing to detach now; the next one
             * finds that the namespace has gone. */
            (void) weft_ask(target, "detach/netns", 1, &argv[i]);
        }
        free(pid);
        status = report(netns_del(argv[i])) ? EXIT_FAILURE : status;
    }
    return status;
}

int
weft_netns_list(const struct weft_target *target OVS_UNUSED, int argc,
                char *argv[])
{
    bool json = argc && weft_is_json(argv[0]);
    struct sset names = SSET_INITIALIZER(&names);
    char *error = netns_list(&names);
    const char **sorted = sset_sort(&names);
    struct json *array = json_array_create_empty();
    for (size_t i = 0; !error && i < sset_count(&names); i++) {
        if (json) {
            json_array_add(array, json_string_create(sorted[i]));
        } else {
            puts(sorted[i]);
        }
    }
    if (!error && json) {
        char *text = json_to_string(array, JSSF_PRETTY);
        puts(text);
        free(text);
    }
    json_destroy(array);
    free(sorted);
    sset_destroy(&names);
    return report(error);
}

int
weft_netns_exec(const struct weft_target *target OVS_UNUSED, int argc,
                char *argv[])
{
    if (argc < 2) {
        return weft_misuse("usage: weft netns exec NAME COMMAND...");
    }
    return report(netns_exec(argv[0], argv + 1));
}
