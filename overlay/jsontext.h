/* SPDX-License-Identifier: Apache-2.0 */

#ifndef OVERLAY_JSONTEXT_H
#define OVERLAY_JSONTEXT_H 1

/* Where one JSON object of a stream of bytes ends, and whether what builds it
 * would cost little: found without building anything, because that is what a
 * stranger's bytes are not to be trusted with.  Whether it is JSON at all is
 * Open vSwitch's parser to say, of the whole text.  Called by the control
 * socket.  Pure. */

#include <stdbool.h>
#include <stddef.h>

/* Of one object.  The largest request is a list of names to detach. */
enum {
    JSONTEXT_DEPTH_MAX = 16,        /* Objects and arrays in each other. */
    JSONTEXT_MEMBERS_MAX = 64,      /* Of all its objects: each a ':'. */
    JSONTEXT_VALUES_MAX = 131072,   /* Behind a ',', '[' or '{'. */
};

enum jsontext_state {
    JSONTEXT_BLANK,                 /* Only white space until now. */
    JSONTEXT_INSIDE,
    JSONTEXT_WHOLE,
    JSONTEXT_NO_OBJECT,             /* Begins with something else. */
    JSONTEXT_TOO_MUCH,              /* Beyond one of the maxima. */
};

struct jsontext {                   /* All zero: nothing was read yet. */
    enum jsontext_state state;
    bool string;                    /* Within "...". */
    bool escape;                    /* Behind its \. */
    int depth, members, values;
};

/* Reads on, and returns how many of the 'n' bytes belong to the object or to
 * the white space before it: all of them in the first two states, those up to
 * its end when it is whole, those up to the offence in the others.  Not to be
 * called again in the last three. */
size_t jsontext_feed(struct jsontext *, const char *bytes, size_t n);

#endif /* overlay/jsontext.h */
