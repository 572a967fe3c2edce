/* SPDX-License-Identifier: Apache-2.0 */

#ifndef OVSDB_OPERATION_H
#define OVSDB_OPERATION_H 1

/* The operations of a transaction as JSON, and what they answer: RFC 7047,
 * section 5.2.  Knows no table.  Called by directoryops.c and by the `weft`
 * commands that write the shared directory. */

#include "openvswitch/json.h"

/* Each returns an operation on the rows of 'table' where 'column' is 'value';
 * 'column' NULL: on all of them.  They take the JSON that they are given;
 * 'columns' is an array of names, or NULL: all. */
struct json *operation_select(const char *table, const char *column,
                              struct json *value, struct json *columns);
struct json *operation_delete(const char *table, const char *column,
                              struct json *value);
struct json *operation_update(const char *table, const char *column,
                              struct json *value, struct json *row);
struct json *operation_insert(const char *table, struct json *row);
/* The transaction fails with "timed out", unless what would be selected is
 * ('equal'), or is not, just 'rows'. */
struct json *operation_wait(const char *table, const char *column,
                            struct json *value, struct json *columns,
                            bool equal, struct json *rows);

/* The member of an object, if it is of that type, or NULL. */
const struct json *operation_member(const struct json *object,
                                    const char *name, enum json_type);
/* The rows of result 'i', that of a select; how many rows it is about. */
const struct json *operation_rows(const struct json *results, size_t i);
long long int operation_count(const struct json *results, size_t i);
/* The column of the row, or "" or 0 if it has no such value. */
const char *operation_string(const struct json *row, const char *column);
long long int operation_integer(const struct json *row, const char *column);

/* What a server says of a failed operation, of its <error> as text; owned. */
char *operation_error(const char *text);

#endif /* ovsdb/operation.h */
