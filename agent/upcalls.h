/* SPDX-License-Identifier: Apache-2.0 */

#ifndef AGENT_UPCALLS_H
#define AGENT_UPCALLS_H 1

/* Looks every few seconds whether the kernel datapath loses the packets that
 * it has no flow for and that vswitchd is to see.  Only to be run where the
 * datapath is the kernel's. */

struct upcalls;

struct upcalls *upcalls_create(void);
void upcalls_destroy(struct upcalls *);
void upcalls_run(struct upcalls *);
void upcalls_wait(const struct upcalls *);

/* NULL, or what is wrong.  Owned. */
char *upcalls_problem(const struct upcalls *);

#endif /* agent/upcalls.h */
