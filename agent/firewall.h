/* SPDX-License-Identifier: Apache-2.0 */

#ifndef AGENT_FIREWALL_H
#define AGENT_FIREWALL_H 1

/* Tables of nftables, by libnftables: ours are replaced whole in one
 * transaction, those of others are only looked at. */

#include <event2/event.h>
#include <stdbool.h>

/* Runs commands as nft(8) takes them.  Returns NULL or an owned message. */
char *firewall_run(const char *commands);

/* What `nft list WHAT` prints, owned; NULL if it cannot be listed. */
char *firewall_list(const char *what);

/* Makes 'what' (of firewall_list()) what 'commands' make of it, unless it is
 * still as '*installed' has it: what it was listed as when we made it, owned,
 * NULL if that is not known.  '*changed': somebody had changed it.  Returns
 * NULL or an owned message; then '*installed' is NULL. */
char *firewall_keep(const char *what, const char *commands, char **installed,
                    bool *changed);

/* The chains of others that drop what they do not accept, hooked to forward,
 * without a rule that names 'link': one owned line, or NULL if there is
 * none. */
char *firewall_foreign_drop(const char *link);

/* Calls 'changed' when somebody, ourselves included, has changed the
 * ruleset. */
struct firewall_monitor;
struct firewall_monitor *firewall_monitor_create(
    struct event_base *, void (*changed)(void *aux), void *aux);
void firewall_monitor_destroy(struct firewall_monitor *);

#endif /* agent/firewall.h */
