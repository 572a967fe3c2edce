/* SPDX-License-Identifier: Apache-2.0 */

/* weft: the command.  Tells a misuse before it talks to anybody, hands the
 * rest to the daemon, prints what it answers. */

#include <config.h>
#include <getopt.h>
#include <glob.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "agent/netns.h"
#include "agent/textfile.h"
#include "command-line.h"
#include "daemon.h"
#include "dirs.h"
#include "fatal-signal.h"
#include "jsonrpc.h"
#include "openvswitch/json.h"
#include "openvswitch/vlog.h"
#include "overlay/publish.h"
#include "overlay/request.h"
#include "svec.h"
#include "unixctl.h"
#include "util.h"

enum { EXIT_USAGE = 2, TIMEOUT_S = 60, LIST_SIZE_MAX = 16 << 20 };

/* Of the words after the command's own. */
typedef int local_func(int argc, char *argv[]);

struct command {
    const char *words, *args, *help;
    local_func *local;              /* NULL: the daemon's. */
};

#define COMMAND(HANDLER, WORDS, ARGS, HELP)
#define LOCAL_COMMAND(HANDLER, WORDS, ARGS, HELP) \
    static local_func run_##HANDLER;
#include "agent/commands.def"

static const struct command commands[] = {
#define COMMAND(HANDLER, WORDS, ARGS, HELP) { WORDS, ARGS, HELP, NULL },
#define LOCAL_COMMAND(HANDLER, WORDS, ARGS, HELP) \
    { WORDS, ARGS, HELP, run_##HANDLER },
#include "agent/commands.def"
};

static char *target = NULL;         /* --target */
static unsigned int timeout = TIMEOUT_S;

static void parse_options(int argc, char *argv[]);
static const struct command *find_command(int argc, char *argv[], int *n);
static char *check_args(const struct command *, int argc, char *argv[]);
static int run_remote(const struct command *, int argc, char *argv[]);
static int run_attach_file(const char *path, bool json);
static int ask(const char *method, int argc, char *argv[]);
static char *find_socket(void);
static void usage(void);

static int
misuse(const char *message)
{
    fprintf(stderr, "weft: %s\n", message);
    return EXIT_USAGE;
}

int
main(int argc, char *argv[])
{
    ovs_set_program_name("weft", WEFT_VERSION);
    vlog_set_levels(NULL, VLF_ANY_DESTINATION, VLL_EMER);
    fatal_ignore_sigpipe();
    parse_options(argc, argv);
    argc -= optind;
    argv += optind;

    int n;
    const struct command *command = find_command(argc, argv, &n);
    if (!command) {
        return misuse(argc ? "no such command; see weft --help"
                      : "no command given; see weft --help");
    }
    argc -= n;
    argv += n;
    if (argc == 1 && (!strcmp(argv[0], "--help") || !strcmp(argv[0], "-h"))) {
        printf("usage: weft %s %s\n    %s\n", command->words, command->args,
               command->help);
        return EXIT_SUCCESS;
    }
    char *error = check_args(command, argc, argv);
    if (error) {
        int status = misuse(error);
        free(error);
        return status;
    }
    return (command->local ? command->local(argc, argv)
            : run_remote(command, argc, argv));
}

static void
handle_alarm(int number OVS_UNUSED)
{
    static const char text[] = "weft: weftd has not finished in time; it goes "
        "on: see \"weft status\", or give a longer --timeout\n";
    ssize_t ignore OVS_UNUSED = write(STDERR_FILENO, text, sizeof text - 1);
    _exit(EXIT_FAILURE);
}

static void
parse_options(int argc, char *argv[])
{
    enum { OPT_TARGET = UCHAR_MAX + 1, OPT_TIMEOUT };
    static const struct option options[] = {
        { "target", required_argument, NULL, 't' },
        { "timeout", required_argument, NULL, 'T' },
        { "help", no_argument, NULL, 'h' },
        { "version", no_argument, NULL, 'V' },
        { NULL, 0, NULL, 0 },
    };
    for (;;) {
        /* "+": the command's own options come behind it. */
        int c = getopt_long(argc, argv, "+t:T:hV", options, NULL);
        switch (c) {
        case -1:
            return;
        case 't':
            target = optarg;
            break;
        case 'T':
            if (!str_to_uint(optarg, 10, &timeout)) {
                exit(misuse("--timeout takes a number of seconds"));
            }
            break;
        case 'h':
            usage();
            exit(EXIT_SUCCESS);
        case 'V':
            ovs_print_version(0, 0);
            exit(EXIT_SUCCESS);
        default:
            exit(EXIT_USAGE);
        }
    }
}

/* The command that the first one or two words name; '*n' is how many. */
static const struct command *
find_command(int argc, char *argv[], int *n)
{
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
        struct svec words = SVEC_EMPTY_INITIALIZER;
        svec_parse_words(&words, commands[i].words);
        bool match = argc >= words.n;
        for (size_t j = 0; match && j < words.n; j++) {
            match = !strcmp(argv[j], words.names[j]);
        }
        *n = words.n;
        svec_destroy(&words);
        if (match) {
            return &commands[i];
        }
    }
    return NULL;
}

/* Counts what the argument text demands; what it says in brackets, bars and
 * dots the command checks by itself. */
static char *
check_args(const struct command *command, int argc, char *argv[])
{
    if (strpbrk(command->args, "[|") || strstr(command->args, "...")) {
        const char *first = command->args;
        return (argc || first[0] == '[' ? NULL
                : xasprintf("usage: weft %s %s", command->words, first));
    }
    struct svec wanted = SVEC_EMPTY_INITIALIZER;
    svec_parse_words(&wanted, command->args);
    size_t given = 0;
    bool odd = false;
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--json")) {
            odd = odd || (argv[i][0] == '-'
                          && !svec_contains(&wanted, argv[i]));
            given++;
        }
    }
    bool ok = given == wanted.n && !odd;
    svec_destroy(&wanted);
    return (ok ? NULL
            : xasprintf("usage: weft %s %s%s[--json]", command->words,
                        command->args, command->args[0] ? " " : ""));
}

static bool
is_json(const char *arg)
{
    return !strcmp(arg, "--json");
}

static char *
check_attach(int argc, char *argv[])
{
    const char **words = xmalloc((argc + 1) * sizeof *words);
    int n = 0;
    for (int i = 0; i < argc; i++) {
        if (!is_json(argv[i])) {
            words[n++] = argv[i];
        }
    }
    struct attach_request req;
    char *error = attach_request_parse(n, words, &req);
    if (!error) {
        attach_request_finish(&req);
    }
    free(words);
    return error;
}

/* Is it `attach --file`?  Then its path, or NULL if it is misused. */
static bool
parse_attach_file(int argc, char *argv[], const char **path, bool *json)
{
    bool is_file = false, odd = false;
    *path = NULL;
    *json = false;
    for (int i = 0; i < argc; i++) {
        if (is_json(argv[i])) {
            *json = true;
        } else if (!strncmp(argv[i], "--file=", 7) && !*path) {
            is_file = true;
            *path = argv[i] + 7;
        } else if (!strcmp(argv[i], "--file") && !*path) {
            is_file = true;
            *path = i + 1 < argc ? argv[++i] : NULL;
        } else {
            odd = true;
        }
    }
    if (odd || (*path && !**path)) {
        *path = NULL;
    }
    return is_file;
}

/* The number of a user.  Not getpwnam(), which a static program cannot have:
 * it looks in /etc/passwd alone. */
static char *
user_number(const char *user)
{
    unsigned int uid;
    FILE *passwd = number_parse(user, &uid) ? NULL : fopen("/etc/passwd", "r");
    char *number = NULL;
    struct passwd *entry;
    while (passwd && !number && (entry = fgetpwent(passwd))) {
        if (!strcmp(entry->pw_name, user)) {
            number = xasprintf("%u", (unsigned int) entry->pw_uid);
        }
    }
    if (passwd) {
        fclose(passwd);
    }
    return number ? number : xstrdup(user);
}

/* Puts numbers in place of users' names, then looks whether it is whole. */
static char *
check_tap(int argc, char *argv[])
{
    const char **words = xmalloc((argc + 1) * sizeof *words);
    int n = 0;
    for (int i = 0; i < argc; i++) {
        if (!strcmp(argv[i], "--owner") && i + 1 < argc) {
            argv[i + 1] = user_number(argv[i + 1]); /* Until the end. */
        } else if (!strncmp(argv[i], "--owner=", 8)) {
            argv[i] = xasprintf("--owner=%s", user_number(argv[i] + 8));
        }
        if (!is_json(argv[i])) {
            words[n++] = argv[i];
        }
    }
    struct attach_request req;
    char *error = tap_request_parse(n, words, &req);
    if (!error) {
        attach_request_finish(&req);
    }
    free(words);
    return error;
}

static char *
check_publish(const char *command, int argc, char *argv[])
{
    char *error = NULL;
    for (int i = 0; i < argc && !error; i++) {
        struct publish p;
        char *name = NULL;
        if (!is_json(argv[i])) {
            error = (!strcmp(command, "publish")
                     ? publish_parse(argv[i], &name, &p)
                     : publish_parse_port(argv[i], &p));
        }
        free(name);
    }
    return error;
}

static int
run_remote(const struct command *command, int argc, char *argv[])
{
    char *misused = (!strcmp(command->words, "tap") ? check_tap(argc, argv)
                     : !strcmp(command->words, "publish")
                     || !strcmp(command->words, "unpublish")
                     ? check_publish(command->words, argc, argv) : NULL);
    if (misused) {
        int status = misuse(misused);
        free(misused);
        return status;
    }
    if (!strcmp(command->words, "attach")) {
        const char *path;
        bool json;
        if (parse_attach_file(argc, argv, &path, &json)) {
            return (path ? run_attach_file(path, json)
                    : misuse("usage: weft attach --file LIST"));
        }
        char *error = check_attach(argc, argv);
        if (error) {
            int status = misuse(error);
            free(error);
            return status;
        }
    } else if (!strcmp(command->words, "detach")) {
        bool all = false, named = false;
        for (int i = 0; i < argc; i++) {
            if (argv[i][0] == '-' && !is_json(argv[i])
                && strcmp(argv[i], "--all")) {
                return misuse("usage: weft detach ENDPOINT... | --all");
            }
            all = all || !strcmp(argv[i], "--all");
            named = named || (argv[i][0] != '-');
        }
        if (all == named) {
            return misuse("usage: weft detach ENDPOINT... | --all");
        }
    }
    char *method = xstrdup(command->words);
    for (char *p = method; (p = strchr(p, ' ')); ) {
        *p = '/';
    }
    int status = ask(method, argc, argv);
    free(method);
    return status;
}

static int
run_attach_file(const char *path, bool json)
{
    struct textfile_stamp stamp;
    char *text;
    size_t size;
    char *error = textfile_read(path, LIST_SIZE_MAX, &text, &size, &stamp);
    if (error) {
        fprintf(stderr, "weft: %s\n", error);
        free(error);
        return EXIT_FAILURE;
    }
    int status = EXIT_FAILURE;
    if (strlen(text) != size) {
        fprintf(stderr, "weft: %s: has a null byte: not a list\n", path);
    } else {
        char *args[] = { text, CONST_CAST(char *, "--json") };
        status = ask("attach/many", 1 + json, args);
    }
    free(text);
    return status;
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

static int
ask(const char *method, int argc, char *argv[])
{
    char *socket = find_socket();
    if (!socket) {
        return EXIT_FAILURE;
    }
    signal(SIGALRM, handle_alarm);
    alarm(timeout);

    struct jsonrpc *client;
    int error = unixctl_client_create(socket, &client);
    if (error) {
        fprintf(stderr, "weft: %s: %s: is weftd running?\n", socket,
                ovs_strerror(error));
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
find_socket(void)
{
    const char *name = target ? target : "weftd";
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

/* Namespaces, which need no daemon. */

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
        if (!is_json(argv[i])) {
            if (argv[i][0] == '-') {
                return false;
            }
            argv[n++] = argv[i];
        }
    }
    *argc = n;
    return n > 0;
}

static int
run_netns_add(int argc, char *argv[])
{
    if (!take_names(&argc, argv)) {
        return misuse("usage: weft netns add NAME...");
    }
    int status = EXIT_SUCCESS;
    for (int i = 0; i < argc; i++) {
        status = (!netns_exists(argv[i]) && report(netns_add(argv[i]))
                  ? EXIT_FAILURE : status);
    }
    return status;
}

static int
run_netns_del(int argc, char *argv[])
{
    if (!take_names(&argc, argv)) {
        return misuse("usage: weft netns del NAME...");
    }
    int status = EXIT_SUCCESS;
    for (int i = 0; i < argc; i++) {
        if (!netns_exists(argv[i])) {
            continue;
        }
        char *pid = xasprintf("%s/weftd.pid", ovs_rundir());
        if (!access(pid, F_OK) || target) {
            /* Without a daemon there is nothing to detach now; the next one
             * finds that the namespace has gone. */
            (void) ask("detach/netns", 1, &argv[i]);
        }
        free(pid);
        status = report(netns_del(argv[i])) ? EXIT_FAILURE : status;
    }
    return status;
}

static int
run_netns_list(int argc, char *argv[])
{
    struct sset names = SSET_INITIALIZER(&names);
    char *error = netns_list(&names);
    const char **sorted = sset_sort(&names);
    struct json *array = json_array_create_empty();
    for (size_t i = 0; !error && i < sset_count(&names); i++) {
        if (argc && is_json(argv[0])) {
            json_array_add(array, json_string_create(sorted[i]));
        } else {
            puts(sorted[i]);
        }
    }
    if (!error && argc && is_json(argv[0])) {
        char *text = json_to_string(array, JSSF_PRETTY);
        puts(text);
        free(text);
    }
    json_destroy(array);
    free(sorted);
    sset_destroy(&names);
    return report(error);
}

static int
run_netns_exec(int argc, char *argv[])
{
    if (argc < 2) {
        return misuse("usage: weft netns exec NAME COMMAND...");
    }
    return report(netns_exec(argv[0], argv + 1));
}

static void
usage(void)
{
    printf("weft: attaches network namespaces to an overlay that weftd runs\n"
           "usage: weft [OPTION]... COMMAND [ARGUMENT]...\n\nCommands:\n");
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
        printf("  %s %s\n      %s\n", commands[i].words, commands[i].args,
               commands[i].help);
    }
    printf("\nEach takes --json.  A LIST has the arguments of one attach on "
           "each line;\n\"-\" is standard input.\n\n"
           "Options:\n"
           "  -t, --target=TARGET   weftd's name, or the path of its socket "
           "[weftd]\n"
           "  -T, --timeout=SECS    give up waiting [%d]\n"
           "  -h, --help\n  -V, --version\n\n"
           "Exit codes: 0 done, 1 failed, 2 usage.\n", TIMEOUT_S);
}
