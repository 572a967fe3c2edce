/* SPDX-License-Identifier: Apache-2.0 */

#ifndef AGENT_WEFT_H
#define AGENT_WEFT_H 1

/* What the files of the `weft` command share.  weft.c has the command line and
 * hands on to the others: weft-check.c tells a misuse, weft-ask.c talks to the
 * daemon, weft-netns.c and weft-directory*.c do what needs no daemon. */

#include <stdbool.h>

enum { EXIT_USAGE = 2 };

/* Whom to ask, as the options say. */
struct weft_target {
    const char *name;               /* "weftd", or the path of a socket. */
    bool given;                     /* By --target. */
    unsigned int timeout;           /* Seconds; 0: none. */
};

/* Does a command by itself.  The arguments are those after the command's own
 * words.  Returns the exit code. */
typedef int weft_local_func(const struct weft_target *, int argc,
                            char *argv[]);
#define COMMAND(HANDLER, WORDS, ARGS, HELP)
#define LOCAL_COMMAND(HANDLER, WORDS, ARGS, HELP) \
    weft_local_func weft_##HANDLER;
#include "agent/commands.def"

/* Says so and returns EXIT_USAGE. */
int weft_misuse(const char *message);
/* Says how the command of these words is used, and returns EXIT_USAGE. */
int weft_usage(const char *words);
bool weft_is_json(const char *arg);

#endif /* agent/weft.h */
