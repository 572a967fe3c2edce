/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "agent/weft-check.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "agent/weft.h"
#include "overlay/publish.h"
#include "overlay/request.h"
#include "svec.h"
#include "util.h"

static char *check_args(const char *words, const char *args, int argc,
                        char *argv[]);
static char *check_attach(int argc, char *argv[]);
static char *check_tap(int argc, char *argv[]);
static char *check_publish(const char *command, int argc, char *argv[]);
static char *check_detach(int argc, char *argv[]);

char *
weft_check(const char *words, const char *args, int argc, char *argv[])
{
    char *error = check_args(words, args, argc, argv);
    return (error ? error
            : !strcmp(words, "attach") ? check_attach(argc, argv)
            : !strcmp(words, "tap") ? check_tap(argc, argv)
            : !strcmp(words, "publish") || !strcmp(words, "unpublish")
            ? check_publish(words, argc, argv)
            : !strcmp(words, "detach") ? check_detach(argc, argv)
            : NULL);
}

bool
weft_check_attach_file(int argc, char *argv[], const char **path, bool *json)
{
    bool is_file = false, odd = false;
    *path = NULL;
    *json = false;
    for (int i = 0; i < argc; i++) {
        if (weft_is_json(argv[i])) {
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

/* Counts what the argument text demands; what it says in brackets, bars and
 * dots the command checks by itself. */
static char *
check_args(const char *words, const char *args, int argc, char *argv[])
{
    if (strpbrk(args, "[|") || strstr(args, "...")) {
        return (argc || args[0] == '[' ? NULL
                : xasprintf("usage: weft %s %s", words, args));
    }
    struct svec wanted = SVEC_EMPTY_INITIALIZER;
    svec_parse_words(&wanted, args);
    size_t given = 0;
    bool odd = false;
    for (int i = 0; i < argc; i++) {
        if (!weft_is_json(argv[i])) {
            odd = odd || (argv[i][0] == '-'
                          && !svec_contains(&wanted, argv[i]));
            given++;
        }
    }
    bool ok = given == wanted.n && !odd;
    svec_destroy(&wanted);
    return (ok ? NULL
            : xasprintf("usage: weft %s %s%s[--json]", words,
                        args, args[0] ? " " : ""));
}

static char *
check_request(int argc, char *argv[], request_parse_func *parse)
{
    const char **words = xmalloc((argc + 1) * sizeof *words);
    int n = 0;
    for (int i = 0; i < argc; i++) {
        if (!weft_is_json(argv[i])) {
            words[n++] = argv[i];
        }
    }
    struct attach_request req;
    char *error = parse(n, words, &req);
    if (!error) {
        attach_request_finish(&req);
    }
    free(words);
    /* The message is not in 'req'. */
    /* cppcheck-suppress returnDanglingLifetime */
    return error;
}

static char *
check_attach(int argc, char *argv[])
{
    const char *path;
    bool json;
    if (weft_check_attach_file(argc, argv, &path, &json)) {
        return path ? NULL : xstrdup("usage: weft attach --file LIST");
    }
    return check_request(argc, argv, attach_request_parse);
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
    for (int i = 0; i < argc; i++) {
        if (!strcmp(argv[i], "--owner") && i + 1 < argc) {
            argv[i + 1] = user_number(argv[i + 1]); /* Until the end. */
        } else if (!strncmp(argv[i], "--owner=", 8)) {
            argv[i] = xasprintf("--owner=%s", user_number(argv[i] + 8));
        }
    }
    return check_request(argc, argv, tap_request_parse);
}

static char *
check_publish(const char *command, int argc, char *argv[])
{
    char *error = NULL;
    for (int i = 0; i < argc && !error; i++) {
        struct publish p;
        char *name = NULL;
        if (!weft_is_json(argv[i])) {
            error = (!strcmp(command, "publish")
                     ? publish_parse(argv[i], &name, &p)
                     : publish_parse_port(argv[i], &p));
        }
        free(name);
    }
    return error;
}

static char *
check_detach(int argc, char *argv[])
{
    bool all = false, named = false, odd = false;
    for (int i = 0; i < argc; i++) {
        bool is_all = !strcmp(argv[i], "--all");
        all = all || is_all;
        named = named || argv[i][0] != '-';
        odd = odd || (argv[i][0] == '-' && !is_all && !weft_is_json(argv[i]));
    }
    return (odd || all == named
            ? xstrdup("usage: weft detach ENDPOINT... | --all") : NULL);
}
