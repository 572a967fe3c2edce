/* SPDX-License-Identifier: Apache-2.0 */

#ifndef AGENT_WEFT_DIRECTORY_H
#define AGENT_WEFT_DIRECTORY_H 1

/* The commands of `weft` that set up and grow the shared directory.  They run
 * ordinary tools and print what they run.  weft-directory.c makes and grows a
 * cluster, weft-directory-run.c starts, ends and leaves what there is,
 * weft-directory-hosts.c has those that lead other hosts to it,
 * weft-directory-status.c looks; weft-directory-options.c reads their words.
 */

#include "agent/bundle.h"
#include "agent/weft.h"

/* What the words behind a command say; a member is NULL or false if they do
 * not.  Borrowed from argv, but for 'address'. */
struct weft_directory_options {
    char *address;              /* As address_format() writes it.  Owned. */
    const char *name;           /* check_self() fills in the default. */
    char hostname[256];
    const char *schema;
    const char *output;
    bool insecure;
    bool yes;
    const char *word;           /* The one that is no option. */
};

/* Reads the options that 'allowed' has ("address name"), and one word more if
 * 'word'.  False if there is anything else. */
bool weft_directory_parse(int argc, char *argv[], const char *allowed,
                          bool word, struct weft_directory_options *);

/* Says 'error', and frees it.  Returns the exit code. */
int weft_directory_report(char *error);

/* NULL, or why 'name' cannot be a host's; owned. */
char *weft_directory_check_name(const char *name);

/* Starts the server that exists, if it does not run, and refreshes. */
char *weft_directory_run(void);

/* The transport and the servers of the cluster, as its members know them, or
 * those other than this one.  '*b' is to be finished in any case. */
char *weft_directory_servers(bool others, struct bundle *b);

/* What a server knows by now of all servers: into the bundle for further ones
 * and into weft.conf.  Returns NULL, or an owned message. */
char *weft_directory_refresh(void);

#endif /* agent/weft-directory.h */
