/* SPDX-License-Identifier: Apache-2.0 */

#ifndef OVERLAY_REFUSAL_H
#define OVERLAY_REFUSAL_H 1

/* Why what an endpoint sends is not let through, and how often that was, as
 * values, JSON and words: refusal.def.  Called by compile, by the agent, which
 * reads the counters, and by view, which prints them. */

#include <stdbool.h>
#include <stdint.h>
#include "openvswitch/json.h"

enum refusal {
    REFUSAL_NONE,
#define REFUSAL(ID, NUMBER, KIND, KEY, TITLE, WHAT) REFUSAL_##ID = NUMBER,
#include "overlay/refusal.def"
    REFUSAL_END,
};

enum refusal_kind {
    REFUSAL_KIND_REFUSED,           /* No honest endpoint sends it. */
    REFUSAL_KIND_IGNORED,           /* Ordinary systems do. */
};

struct refusal_info {
    enum refusal id;
    enum refusal_kind kind;
    const char *key;                /* In JSON: "source-mac". */
    const char *title;              /* For people: "source MAC". */
    const char *what;
};

/* In the order of the list; ends with a null key. */
extern const struct refusal_info refusals[];

/* Is it counted by a flow of table refused?  Else by the port's meter. */
bool refusal_has_flow(enum refusal);

struct refusal_counts {
    uint64_t n[REFUSAL_END];        /* Packets, by enum refusal. */
};

/* {"source-mac":0,...}: those of a kind. */
struct json *refusal_counts_to_json(const struct refusal_counts *,
                                    enum refusal_kind);
/* "source MAC 3, protocol 1" of such an object: those that are not 0.  Owned;
 * "" if there are none. */
char *refusal_counts_text(const struct json *);

#endif /* overlay/refusal.h */
