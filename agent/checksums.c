/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "agent/checksums.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "agent/netns.h"
#include "openvswitch/util.h"

static uint64_t sum_pairs(FILE *);
static uint64_t sum_columns(FILE *);

uint64_t
checksums_wrong(int netns)
{
    static const struct {
        const char *path;
        uint64_t (*sum)(FILE *);
    } files[] = {
        { "/proc/thread-self/net/snmp", sum_columns },
        { "/proc/thread-self/net/snmp6", sum_pairs },
    };
    uint64_t sum = 0;
    for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
        int fd = netns_open_file(netns, files[i].path);
        FILE *file = fd < 0 ? NULL : fdopen(fd, "r");
        if (file) {
            sum += files[i].sum(file);
            fclose(file);
        }
    }
    return sum;
}

/* "Udp6InCsumErrors 3". */
static uint64_t
sum_pairs(FILE *file)
{
    static const char wanted[] = "InCsumErrors";
    uint64_t sum = 0, value;
    char name[64];
    while (fscanf(file, "%63s %"SCNu64, name, &value) == 2) {
        size_t n = strlen(name), suffix = sizeof wanted - 1;
        if (n > suffix && !strcmp(name + n - suffix, wanted)) {
            sum += value;
        }
    }
    return sum;
}

/* "Tcp: ... InErrs OutRsts InCsumErrors", and below it "Tcp: ... 0 4 3". */
static uint64_t
sum_columns(FILE *file)
{
    uint64_t sum = 0;
    char names[1024], values[1024];
    while (fgets(names, sizeof names, file)
           && fgets(values, sizeof values, file)) {
        char *at = names, *to = values, *name, *value;
        while ((name = strsep(&at, " \n")) && (value = strsep(&to, " \n"))) {
            if (!strcmp(name, "InCsumErrors")) {
                sum += strtoull(value, NULL, 10);
            }
        }
    }
    return sum;
}
