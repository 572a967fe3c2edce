/* SPDX-License-Identifier: Apache-2.0 */

#ifndef AGENT_TOOL_H
#define AGENT_TOOL_H 1

/* Runs an ordinary tool (ovsdb-tool, openssl and so on) to its end, without a
 * shell, and shows the user what it runs.  Called by the `weft directory`
 * commands alone: weftd itself runs nothing. */

#include "svec.h"

enum tool_echo {
    TOOL_QUIET,                 /* It only looks. */
    TOOL_PRINT,                 /* "+ ovsdb-tool ...", fit for a shell. */
};

/* Adds the arguments. */
#define tool_add(ARGV, ...) \
    tool_add_words(ARGV, __VA_ARGS__, (const char *) NULL)
void tool_add_words(struct svec *argv, ...) __attribute__((sentinel));

/* Runs 'argv', and frees it; the files and sockets that it makes are for its
 * own user alone.  Returns NULL, or an owned line that says what failed.  What
 * it printed goes to the owned '*output', where that is not NULL; '*output' is
 * NULL after an error. */
char *tool_run(enum tool_echo, struct svec *argv, char **output);

#endif /* agent/tool.h */
