/* SPDX-License-Identifier: Apache-2.0 */

#ifndef AGENT_WEFT_CHECK_H
#define AGENT_WEFT_CHECK_H 1

/* Tells the misuse of a command before anybody is asked.  Called by weft.c;
 * what the words mean is overlay/'s to say. */

#include <stdbool.h>

/* 'words' and 'args' are of commands.def.  NULL, or an owned message.  Users'
 * names in 'argv' are replaced by their numbers, which live on. */
char *weft_check(const char *words, const char *args, int argc, char *argv[]);

/* Are these the arguments of `attach --file`?  Then '*path' is the list's, or
 * NULL if it is misused. */
bool weft_check_attach_file(int argc, char *argv[], const char **path,
                            bool *json);

#endif /* agent/weft-check.h */
