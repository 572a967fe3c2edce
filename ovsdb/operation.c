/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "ovsdb/operation.h"

#include "openvswitch/shash.h"
#include "util.h"

static struct json *
make_op(const char *name, const char *table, const char *column,
        struct json *value)
{
    struct json *op = json_object_create();
    struct json *where = json_array_create_empty();
    if (column) {
        json_array_add(where, json_array_create_3(json_string_create(column),
                                                  json_string_create("=="),
                                                  value));
    }
    json_object_put_string(op, "op", name);
    json_object_put_string(op, "table", table);
    json_object_put(op, "where", where);
    return op;
}

struct json *
operation_select(const char *table, const char *column, struct json *value,
                 struct json *columns)
{
    struct json *op = make_op("select", table, column, value);
    if (columns) {
        json_object_put(op, "columns", columns);
    }
    return op;
}

struct json *
operation_delete(const char *table, const char *column, struct json *value)
{
    return make_op("delete", table, column, value);
}

struct json *
operation_update(const char *table, const char *column, struct json *value,
                 struct json *row)
{
    struct json *op = make_op("update", table, column, value);
    json_object_put(op, "row", row);
    return op;
}

struct json *
operation_insert(const char *table, struct json *row)
{
    struct json *op = json_object_create();
    json_object_put_string(op, "op", "insert");
    json_object_put_string(op, "table", table);
    json_object_put(op, "row", row);
    return op;
}

struct json *
operation_wait(const char *table, const char *column, struct json *value,
               struct json *columns, bool equal, struct json *rows)
{
    struct json *op = make_op("wait", table, column, value);
    json_object_put(op, "timeout", json_integer_create(0));
    json_object_put(op, "columns", columns);
    json_object_put_string(op, "until", equal ? "==" : "!=");
    json_object_put(op, "rows", rows);
    return op;
}

const struct json *
operation_member(const struct json *object, const char *name,
                 enum json_type type)
{
    const struct json *value = (object->type == JSON_OBJECT
                                ? shash_find_data(json_object(object), name)
                                : NULL);
    return value && value->type == type ? value : NULL;
}

const struct json *
operation_rows(const struct json *results, size_t i)
{
    return operation_member(json_array(results)->elems[i], "rows",
                            JSON_ARRAY);
}

long long int
operation_count(const struct json *results, size_t i)
{
    return operation_integer(json_array(results)->elems[i], "count");
}

const char *
operation_string(const struct json *row, const char *column)
{
    const struct json *value = operation_member(row, column, JSON_STRING);
    return value ? json_string(value) : "";
}

long long int
operation_integer(const struct json *row, const char *column)
{
    const struct json *value = operation_member(row, column, JSON_INTEGER);
    return value ? json_integer(value) : 0;
}

char *
operation_error(const char *text)
{
    struct json *error = json_from_string(text);
    char *said = NULL;
    if (error->type == JSON_OBJECT) {
        const char *details = operation_string(error, "details");
        const char *reason = operation_string(error, "io-error");
        said = xasprintf("%s%s%s", (details[0] ? details
                                    : operation_string(error, "error")),
                         reason[0] ? ": " : "", reason);
    }
    json_destroy(error);
    return said ? said : xstrdup(text);
}
