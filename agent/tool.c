/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "agent/tool.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "openvswitch/dynamic-string.h"
#include "process.h"
#include "util.h"

enum { EXIT_NOT_FOUND = 127 };

static void print_command(const struct svec *argv);
static void exec_tool(char **argv, int out, int err) OVS_NO_RETURN;
static char *read_back(int fd);
static char *describe(const char *tool, int status, char *said);

void
tool_add_words(struct svec *argv, ...)
{
    va_list args;
    va_start(args, argv);
    const char *arg;
    while ((arg = va_arg(args, const char *))) {
        svec_add(argv, arg);
    }
    va_end(args);
}

char *
tool_run(enum tool_echo echo, struct svec *argv, char **output)
{
    if (output) {
        *output = NULL;
    }
    if (echo == TOOL_PRINT) {
        print_command(argv);
    }
    svec_terminate(argv);

    /* Files in memory, not pipes: a tool that puts a daemon in the background
     * would hold a pipe open, and two would need a poll loop. */
    int out = memfd_create("out", MFD_CLOEXEC);
    int err = memfd_create("err", MFD_CLOEXEC);
    char *error = NULL;
    pid_t pid = out < 0 || err < 0 ? -1 : fork();
    if (!pid) {
        exec_tool(argv->names, out, err);
    } else if (pid < 0) {
        error = xasprintf("%s: cannot be started: %s", argv->names[0],
                          ovs_strerror(errno));
    } else {
        int status;
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
            continue;
        }
        if (status) {
            error = describe(argv->names[0], status, read_back(err));
        } else if (output) {
            *output = read_back(out);
        }
    }
    if (out >= 0) {
        close(out);
    }
    if (err >= 0) {
        close(err);
    }
    svec_destroy(argv);
    return error;
}

/* As a shell would take it. */
static void
print_command(const struct svec *argv)
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
        "@%+=:,./_-";
    struct ds s = DS_EMPTY_INITIALIZER;
    for (size_t i = 0; i < argv->n; i++) {
        const char *arg = argv->names[i];
        ds_put_char(&s, i ? ' ' : '+');
        ds_put_cstr(&s, i ? "" : " ");
        if (*arg && !arg[strspn(arg, plain)]) {
            ds_put_cstr(&s, arg);
            continue;
        }
        ds_put_char(&s, '\'');
        for (const char *p = arg; *p; p++) {
            if (*p == '\'') {
                ds_put_cstr(&s, "'\\''");
            } else {
                ds_put_char(&s, *p);
            }
        }
        ds_put_char(&s, '\'');
    }
    puts(ds_cstr(&s));
    fflush(stdout);
    ds_destroy(&s);
}

static void
exec_tool(char **argv, int out, int err)
{
    umask(077);                     /* Sockets, databases, keys. */
    dup2(out, STDOUT_FILENO);
    dup2(err, STDERR_FILENO);
    execvp(argv[0], argv);
    fprintf(stderr, "%s", ovs_strerror(errno));
    fflush(stderr);
    _exit(EXIT_NOT_FOUND);
}

/* All that was written to a file in memory.  Owned. */
static char *
read_back(int fd)
{
    struct ds s = DS_EMPTY_INITIALIZER;
    char buf[4096];
    ssize_t n;
    lseek(fd, 0, SEEK_SET);
    while ((n = read(fd, buf, sizeof buf)) > 0) {
        ds_put_buffer(&s, buf, n);
    }
    return ds_steal_cstr(&s);
}

/* One line: the last one that the tool said, which tells most, but for
 * ovs-appctl, which says "server returned an error" behind the error.  Frees
 * 'said'. */
static char *
describe(const char *tool, int status, char *said)
{
    const char *last = "";
    char *save = NULL;
    for (char *line = strtok_r(said, "\n", &save); line;
         line = strtok_r(NULL, "\n", &save)) {
        if (!strstr(line, ": server returned an error")) {
            last = line;
        }
    }
    char *error;
    if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_NOT_FOUND) {
        error = xasprintf("%s: %s: install the package that has it", tool,
                          last);
    } else if (*last) {
        /* Most begin with their name. */
        size_t n = strlen(tool);
        error = (!strncmp(last, tool, n) && last[n] == ':' ? xstrdup(last)
                 : xasprintf("%s: %s", tool, last));
    } else {
        char *why = process_status_msg(status);
        error = xasprintf("%s: failed: %s", tool, why);
        free(why);
    }
    free(said);
    return error;
}
