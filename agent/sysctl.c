/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "agent/sysctl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>
#include "util.h"

static int
open_setting(const char *name, int flags)
{
    char *path = xasprintf("/proc/sys/net/%s", name);
    int fd = open(path, flags | O_CLOEXEC);
    int error = errno;
    free(path);
    if (fd < 0) {
        return -error;
    }
    return fd;
}

int
sysctl_get(const char *name, int *value)
{
    int fd = open_setting(name, O_RDONLY);
    if (fd < 0) {
        return fd;
    }
    char text[32];
    ssize_t n = read(fd, text, sizeof text - 1);
    int error = n < 0 ? -errno : 0;
    close(fd);
    if (!error) {
        text[n] = '\0';
        *value = atoi(text);
    }
    return error;
}

static int
write_setting(const char *name, int value)
{
    int fd = open_setting(name, O_WRONLY);
    if (fd < 0) {
        return fd;
    }
    char text[16];
    int n = snprintf(text, sizeof text, "%d\n", value);
    int error = write(fd, text, n) == n ? 0 : -errno;
    close(fd);
    return error;
}

char *
sysctl_set(const char *name, int value, bool *changed)
{
    int old;
    int error = sysctl_get(name, &old);
    if (!error && old != value) {
        error = write_setting(name, value);
        if (changed) {
            *changed = true;
        }
    }
    return (error
            ? xasprintf("could not set net/%s to %d: %s", name, value,
                        ovs_strerror(-error))
            : NULL);
}

void
sysctl_restore(const struct smap *before)
{
    const struct smap_node *node;
    SMAP_FOR_EACH (node, before) {
        /* Of a link that has gone there is nothing to restore. */
        (void) write_setting(node->key, atoi(node->value));
    }
}
