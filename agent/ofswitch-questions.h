/* SPDX-License-Identifier: Apache-2.0 */

#ifndef AGENT_OFSWITCH_QUESTIONS_H
#define AGENT_OFSWITCH_QUESTIONS_H 1

/* The questions about counters that a switch was asked, and its answers:
 * called by ofswitch.c, which has the connection.  A list holds those that
 * have no answer yet; each is its asker's, who may take it back. */

#include "agent/ofswitch.h"
#include "openvswitch/list.h"
#include "openvswitch/ofpbuf.h"

/* Adds 'q', about 'port', to the list, and what asks it to 'messages'. */
void ofswitch_questions_ask(struct ovs_list *questions, ofp_port_t port,
                            bool meter, struct ofswitch_question *q,
                            struct ovs_list *messages);
/* Was the message for one of them? */
bool ofswitch_questions_take(struct ovs_list *questions, struct ofpbuf *msg);
/* There will be no answers. */
void ofswitch_questions_lose(struct ovs_list *questions);

#endif /* agent/ofswitch-questions.h */
