/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "overlay/view.h"

#include <stdlib.h>
#include "openvswitch/shash.h"
#include "overlay/refusal.h"
#include "util.h"

#define NETNS_PREFIX "/run/netns/"

/* Between columns. */
enum { GAP = 2, COLUMNS_MAX = 16 };

static size_t cell_lines(const struct json *);
static char *cell_line(const struct json *, size_t line);
static void end_line(struct ds *);

void
view_table(const struct json *rows, const struct view_column *columns,
           struct ds *s)
{
    const struct json_array *array = json_array(rows);
    size_t width[COLUMNS_MAX];
    size_t n_columns = 0;

    for (const struct view_column *c = columns; c->key; c++) {
        size_t i = n_columns++;
        width[i] = strlen(c->title);
        for (size_t r = 0; r < array->n; r++) {
            const struct json *cell = shash_find_data(
                json_object(array->elems[r]), c->key);
            for (size_t line = 0; line < cell_lines(cell); line++) {
                char *text = cell_line(cell, line);
                width[i] = MAX(width[i], strlen(text));
                free(text);
            }
        }
    }

    for (size_t i = 0; i < n_columns; i++) {
        ds_put_format(s, "%-*s", i + 1 < n_columns ? (int) width[i] + GAP : 0,
                      columns[i].title);
    }
    end_line(s);
    for (size_t r = 0; r < array->n; r++) {
        const struct shash *row = json_object(array->elems[r]);
        size_t lines = 1;
        for (size_t i = 0; i < n_columns; i++) {
            lines = MAX(lines, cell_lines(shash_find_data(row,
                                                          columns[i].key)));
        }
        for (size_t line = 0; line < lines; line++) {
            for (size_t i = 0; i < n_columns; i++) {
                char *text = cell_line(shash_find_data(row, columns[i].key),
                                       line);
                ds_put_format(s, "%-*s", (i + 1 < n_columns
                                          ? (int) width[i] + GAP : 0), text);
                free(text);
            }
            end_line(s);
        }
    }
}

void
view_object(const struct json *object, struct ds *s)
{
    const struct shash_node **nodes = shash_sort(json_object(object));
    size_t n = shash_count(json_object(object));
    size_t width = 0;

    for (size_t i = 0; i < n; i++) {
        width = MAX(width, strlen(nodes[i]->name));
    }
    for (size_t i = 0; i < n; i++) {
        size_t lines = cell_lines(nodes[i]->data);
        for (size_t line = 0; line < lines; line++) {
            char *text = cell_line(nodes[i]->data, line);
            ds_put_format(s, "%-*s  %s\n", (int) width,
                          line ? "" : nodes[i]->name, text);
            free(text);
        }
    }
    free(nodes);
}

static void
put_string(const struct json *status, const char *key, struct ds *s)
{
    const struct json *value = shash_find_data(json_object(status), key);
    if (value) {
        ds_put_format(s, "%-10s %s\n", key, json_string(value));
    }
}

void
view_status(const struct json *status, struct ds *s)
{
    const struct shash *members = json_object(status);
    const struct json *healthy = shash_find_data(members, "healthy");
    const struct json *problems = shash_find_data(members, "problems");
    const struct json *reports = shash_find_data(members, "reports");

    ds_put_format(s, "%-10s %s\n", "weft",
                  healthy->type == JSON_TRUE ? "healthy" : "NOT healthy");
    for (size_t i = 0; i < json_array(problems)->n; i++) {
        ds_put_format(s, "  ! %s\n",
                      json_string(json_array(problems)->elems[i]));
    }
    put_string(status, "host", s);
    put_string(status, "bridge", s);
    put_string(status, "directory", s);
    put_string(status, "tunnels", s);
    put_string(status, "endpoints", s);
    for (size_t i = 0; i < json_array(reports)->n; i++) {
        const struct shash *r = json_object(json_array(reports)->elems[i]);
        ds_put_format(s, "%-10s %lld s ago: %s\n", i ? "" : "lately",
                      (long long int) json_integer(
                          shash_find_data(r, "seconds_ago")),
                      json_string(shash_find_data(r, "text")));
    }
}

/* An object is counters by reason, of which those that are not 0 are told. */
static size_t
cell_lines(const struct json *cell)
{
    if (cell && cell->type == JSON_OBJECT) {
        char *text = refusal_counts_text(cell);
        size_t n = text[0] ? 1 : 0;
        free(text);
        return n;
    }
    return cell && cell->type == JSON_ARRAY ? json_array(cell)->n : 1;
}

/* Owned. */
static char *
cell_line(const struct json *cell, size_t line)
{
    if (cell && cell->type == JSON_ARRAY) {
        return (line < json_array(cell)->n
                ? cell_line(json_array(cell)->elems[line], 0) : xstrdup(""));
    } else if (!cell || line) {
        return xstrdup("");
    } else if (cell->type == JSON_OBJECT) {
        return refusal_counts_text(cell);
    } else if (cell->type == JSON_STRING) {
        const char *text = json_string(cell);
        size_t n = strlen(NETNS_PREFIX);
        return xstrdup(strncmp(text, NETNS_PREFIX, n) ? text : text + n);
    }
    return json_to_string(cell, JSSF_SORT);
}

/* Without blanks at its end. */
static void
end_line(struct ds *s)
{
    while (ds_last(s) == ' ') {
        ds_truncate(s, s->length - 1);
    }
    ds_put_char(s, '\n');
}
