/* SPDX-License-Identifier: Apache-2.0 */

/* weft: the command.  Tells a misuse before it talks to anybody, hands the
 * rest to the daemon, prints what it answers. */

#include <config.h>
#include "agent/weft.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "agent/textfile.h"
#include "agent/weft-ask.h"
#include "agent/weft-check.h"
#include "fatal-signal.h"
#include "openvswitch/vlog.h"
#include "svec.h"
#include "util.h"

enum { TIMEOUT_S = 60, LIST_SIZE_MAX = 16 << 20 };

static const struct command {
    const char *words, *args, *help;
    weft_local_func *local;         /* NULL: the daemon's. */
} commands[] = {
#define COMMAND(HANDLER, WORDS, ARGS, HELP) { WORDS, ARGS, HELP, NULL },
#define LOCAL_COMMAND(HANDLER, WORDS, ARGS, HELP) \
    { WORDS, ARGS, HELP, weft_##HANDLER },
#include "agent/commands.def"
};

static void parse_options(int argc, char *argv[], struct weft_target *);
static const struct command *find_command(int argc, char *argv[], int *n);
static int run_remote(const struct weft_target *, const char *words, int argc,
                      char *argv[]);
static void usage(void);

int
main(int argc, char *argv[])
{
    ovs_set_program_name("weft", WEFT_VERSION);
    vlog_set_levels(NULL, VLF_ANY_DESTINATION, VLL_EMER);
    fatal_ignore_sigpipe();
    struct weft_target target = { .name = "weftd", .timeout = TIMEOUT_S };
    parse_options(argc, argv, &target);
    argc -= optind;
    argv += optind;

    int n;
    const struct command *command = find_command(argc, argv, &n);
    if (!command) {
        return weft_misuse(argc ? "no such command; see weft --help"
                      : "no command given; see weft --help");
    }
    argc -= n;
    argv += n;
    if (argc == 1 && (!strcmp(argv[0], "--help") || !strcmp(argv[0], "-h"))) {
        printf("usage: weft %s %s\n    %s\n", command->words, command->args,
               command->help);
        return EXIT_SUCCESS;
    }
    char *error = weft_check(command->words, command->args, argc, argv);
    if (error) {
        int status = weft_misuse(error);
        free(error);
        return status;
    }
    return (command->local ? command->local(&target, argc, argv)
            : run_remote(&target, command->words, argc, argv));
}

int
weft_misuse(const char *message)
{
    fprintf(stderr, "weft: %s\n", message);
    return EXIT_USAGE;
}

int
weft_usage(const char *words)
{
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
        if (!strcmp(commands[i].words, words)) {
            fprintf(stderr, "weft: usage: weft %s %s\n", words,
                    commands[i].args);
        }
    }
    return EXIT_USAGE;
}

bool
weft_is_json(const char *arg)
{
    return !strcmp(arg, "--json");
}

static void
parse_options(int argc, char *argv[], struct weft_target *target)
{
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
            target->name = optarg;
            target->given = true;
            break;
        case 'T':
            if (!str_to_uint(optarg, 10, &target->timeout)) {
                exit(weft_misuse("--timeout takes a number of seconds"));
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

static int
run_attach_file(const struct weft_target *target, const char *path, bool json)
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
        status = weft_ask(target, "attach/many", 1 + json, args);
    }
    free(text);
    return status;
}

static int
run_remote(const struct weft_target *target, const char *words, int argc,
           char *argv[])
{
    const char *path;
    bool json;
    if (!strcmp(words, "attach")
        && weft_check_attach_file(argc, argv, &path, &json)) {
        return run_attach_file(target, path, json);
    }
    char *method = xstrdup(words);
    for (char *p = method; (p = strchr(p, ' ')); ) {
        *p = '/';
    }
    int status = weft_ask(target, method, argc, argv);
    free(method);
    return status;
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
