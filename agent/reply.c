/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "agent/reply.h"

#include <stdlib.h>
#include <string.h>
#include "openvswitch/dynamic-string.h"
#include "unixctl.h"
#include "util.h"

bool
reply_take_json(int *argc, const char *argv[])
{
    int all = *argc;
    int n = 0;
    /* Moves it behind them, because the caller frees each of them once. */
    for (int i = 0; i < all; i++) {
        const char *arg = argv[i];
        if (!i || strcmp(arg, "--json")) {
            argv[i] = argv[n];
            argv[n++] = arg;
        }
    }
    *argc = n;
    return n < all;
}

bool
reply_check_args(struct unixctl_conn *conn, int argc, const char *argv[],
                 int n, const char *usage)
{
    if (argc == n + 1) {
        return true;
    }
    reply_error(conn, xasprintf("%s: usage: %s %s", argv[0], argv[0], usage));
    return false;
}

void
reply_json(struct unixctl_conn *conn, struct json *json)
{
    char *text = json_to_string(json, JSSF_PRETTY | JSSF_SORT);
    unixctl_command_reply(conn, text);
    free(text);
    json_destroy(json);
}

void
reply_rows(struct unixctl_conn *conn, struct json *rows, bool json,
           const struct view_column *columns)
{
    if (json) {
        reply_json(conn, rows);
        return;
    }
    struct ds s = DS_EMPTY_INITIALIZER;
    view_table(rows, columns, &s);
    unixctl_command_reply(conn, ds_cstr(&s));
    ds_destroy(&s);
    json_destroy(rows);
}

void
reply_view(struct unixctl_conn *conn, struct json *value, bool json,
           void (*view)(const struct json *, struct ds *))
{
    if (json) {
        reply_json(conn, value);
        return;
    }
    struct ds s = DS_EMPTY_INITIALIZER;
    view(value, &s);
    unixctl_command_reply(conn, ds_cstr(&s));
    ds_destroy(&s);
    json_destroy(value);
}

void
reply_error(struct unixctl_conn *conn, char *error)
{
    unixctl_command_reply_error(conn, error);
    free(error);
}
