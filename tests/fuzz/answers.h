/* SPDX-License-Identifier: Apache-2.0 */

#ifndef TESTS_FUZZ_ANSWERS_H
#define TESTS_FUZZ_ANSWERS_H 1

/* What the fuzz targets of packet answers share: how bytes become a frame, and
 * that it is met with silence or with a reply that packet_check() takes. */

#include "tests/packet.h"

/* A frame that has been answered. */
struct answered {
    enum answer_why why;
    const struct packet_fixture *fixture;
    const uint8_t *frame;
    struct packet_reply reply;
};

/* Aborts if something else is wrong with the reply. */
typedef void answers_check(const struct answered *);

/* The bytes are a frame. */
void answers_frame(enum answer_why, const uint8_t *, size_t, answers_check *);

/* The first byte chooses: is the rest a frame, or a message in the first or
 * in the second packet of 'around'; has the network DNS and routes? */
void answers_message(enum answer_why, const struct packet around[2],
                     const uint8_t *, size_t, answers_check *);

#endif /* tests/fuzz/answers.h */
