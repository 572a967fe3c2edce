/* SPDX-License-Identifier: Apache-2.0 */

/* What weftd may do more than another process, and what of it it keeps.
 *
 * Called once by main, when the log, the pid file and the control socket are
 * there and before anything that others say is read.  Knows nothing of the
 * agent: the list of capabilities, with the reason for each, is all there is
 * to say. */

#ifndef WEFT_AGENT_PRIVILEGES_H
#define WEFT_AGENT_PRIVILEGES_H 1

/* Gives up all capabilities but those that the agent needs, for good: also
 * those that a program it ran could get back.  What the process was started
 * without is told in the log, with what will not work.
 *
 * Capabilities belong to a thread, and pass on to those that it makes: there
 * must be no other thread yet. */
void privileges_drop(void);

#endif /* agent/privileges.h */
