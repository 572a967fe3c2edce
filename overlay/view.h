/* SPDX-License-Identifier: Apache-2.0 */

#ifndef OVERLAY_VIEW_H
#define OVERLAY_VIEW_H 1

/* What a user sees: JSON objects as aligned tables, as lines, as the summary
 * of `weft status`.  The same objects, printed as they are, are --json.
 * Pure; called by the control commands. */

#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"

/* A column: the member of each row's object, and its title.  An array takes a
 * line for each element; a path below /run/netns is shown as its name. */
struct view_column {
    const char *key;
    const char *title;
};

/* 'rows' is an array of objects; 'columns' ends with a null key. */
void view_table(const struct json *rows, const struct view_column *columns,
                struct ds *);

/* One object: "key: value" lines. */
void view_object(const struct json *, struct ds *);

/* The summary.  Members of 'status': healthy (boolean); host, bridge,
 * directory, tunnels, endpoints (strings); problems (array of strings);
 * reports (array of objects with seconds_ago and text). */
void view_status(const struct json *status, struct ds *);

#endif /* overlay/view.h */
