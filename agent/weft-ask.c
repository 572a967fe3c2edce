/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "agent/weft-ask.h"

#include <errno.h>
#include <glob.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "daemon.h"
#include "dirs.h"
#include "jsonrpc.h"
#include "unixctl.h"
#include "util.h"

static char *find_socket(const char *name);
static void handle_alarm(int number);
static int print_answer(const char *method, const char *answer);

int
weft_ask(const struct weft_target *target, const char *method, int argc,
         char *argv[])
{
    char *socket = find_socket(target->name);
    if (!socket) {
        return EXIT_FAILURE;
    }
    signal(SIGALRM, handle_alarm);
    alarm(target->timeout);

    struct jsonrpc *client;
    int error = unixctl_client_create(socket, &client);
    if (error) {
        fprintf(stderr, "weft: %s: %s: %s\n", socket, ovs_strerror(error),
                error == EACCES ? "run it as root, or as a member of the "
                "group that weftd serves" : "is weftd running?");
        free(socket);
        return EXIT_FAILURE;
    }
    free(socket);

    char *answer, *refusal;
    int status;
    error = unixctl_client_transact(client, method, argc, argv, &answer,
                                    &refusal);
    if (error) {
        fprintf(stderr, "weft: weftd ended before it answered: %s\n",
                ovs_retval_to_string(error));
        status = EXIT_FAILURE;
    } else if (refusal) {
        fflush(stdout);
        fprintf(stderr, "weft: %s", refusal);
        status = EXIT_FAILURE;
    } else {
        status = print_answer(method, answer);
    }
    jsonrpc_close(client);
    free(answer);
    free(refusal);
    return status;
}

/* As ovs-appctl does: a path, or a program's name, whose pid file says which
 * socket; without a pid file, the only socket there is. */
static char *
find_socket(const char *name)
{
    if (name[0] == '/') {
        return xstrdup(name);
    }
    char *pidfile = xasprintf("%s/%s.pid", ovs_rundir(), name);
    pid_t pid = read_pidfile(pidfile);
    free(pidfile);
    if (pid > 0) {
        return xasprintf("%s/%s.%ld.ctl", ovs_rundir(), name, (long int) pid);
    }

    char *pattern = xasprintf("%s/%s.*.ctl", ovs_rundir(), name);
    glob_t found;
    char *socket = NULL;
    if (!glob(pattern, 0, NULL, &found)) {
        if (found.gl_pathc == 1) {
            socket = xstrdup(found.gl_pathv[0]);
        }
        globfree(&found);
    }
    if (!socket) {
        fprintf(stderr, "weft: no %s found in %s: is it running?  Or give "
                "--target, or set OVS_RUNDIR\n", name, ovs_rundir());
    }
    free(pattern);
    return socket;
}

static void
handle_alarm(int number OVS_UNUSED)
{
    static const char text[] = "weft: weftd has not finished in time; it goes "
        "on: see \"weft status\", or give a longer --timeout\n";
    ssize_t ignore OVS_UNUSED = write(STDERR_FILENO, text, sizeof text - 1);
    _exit(EXIT_FAILURE);
}

/* Prints the daemon's answer; the first word of `weft status` in colour. */
static int
print_answer(const char *method, const char *answer)
{
    bool status = !strcmp(method, "status");
    bool bad = status && (strstr(answer, "NOT healthy")
                          || strstr(answer, "\"healthy\": false"));
    const char *end = strchr(answer, '\n');
    if (status && end && answer[0] != '{' && isatty(STDOUT_FILENO)
        && !getenv("NO_COLOR")) {
        printf("\033[%sm%.*s\033[0m", bad ? "31" : "32",
               (int) (end - answer), answer);
        answer = end;
    }
    fputs(answer, stdout);
    return bad || fflush(stdout) ? EXIT_FAILURE : EXIT_SUCCESS;
}
