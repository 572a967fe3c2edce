/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "ovsdb/directoryrows.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "openvswitch/json.h"
#include "openvswitch/shash.h"
#include "openvswitch/util.h"
#include "util.h"

enum column_type { TEXT, NUMBER, SWITCH };

static const struct column {
    const char *kind;               /* Of the section. */
    const char *key, *name;
    enum column_type type;
} columns[] = {
    { "network", "vni", "vni", NUMBER },
    { "network", "subnet", "subnet", TEXT },
    { "network", "gateway", "gateway", TEXT },
    { "network", "mac-prefix", "mac_prefix", TEXT },
    { "network", "external", "external", TEXT },
    { "network", "dhcp", "dhcp", SWITCH },
    { "network", "dns", "dns", TEXT },
    { "network", "route", "route", TEXT },
    { "router", "networks", "networks", TEXT },
    { "peer", "address", "address", TEXT },
    { "peer", "port", "port", NUMBER },
};

static bool add_set(struct section *, const struct column *,
                    const struct json *);
static bool add_atom(struct section *, const struct column *,
                     const struct json *);
static struct json *make_set(const struct section *, const struct column *);
static struct json *make_atom(const struct column *, const char *value);

const char *
directoryrows_table(const char *kind)
{
    return (!strcmp(kind, "network") ? "Network"
            : !strcmp(kind, "router") ? "Router" : "Host");
}

struct json *
directoryrows_columns(const char *kind)
{
    struct json *names = json_array_create_empty();

    json_array_add(names, json_string_create("name"));
    for (size_t i = 0; i < ARRAY_SIZE(columns); i++) {
        if (!strcmp(columns[i].kind, kind)) {
            json_array_add(names, json_string_create(columns[i].name));
        }
    }
    return names;
}

char *
directoryrows_to_section(const char *kind, const struct json *row,
                         struct sections *all)
{
    const struct json *name = (row->type == JSON_OBJECT
                               ? shash_find_data(json_object(row), "name")
                               : NULL);

    if (!name || name->type != JSON_STRING) {
        return xasprintf("a %s without a name", kind);
    }

    struct section *s = sections_add(all, kind, json_string(name));
    for (size_t i = 0; i < ARRAY_SIZE(columns); i++) {
        const struct column *c = &columns[i];
        const struct json *value = (strcmp(c->kind, kind) ? NULL
                                    : shash_find_data(json_object(row),
                                                      c->name));

        if (value && !add_set(s, c, value)) {
            char *unsafe = text_refuse(s->name);
            char *error = xasprintf("%s %s: column %s has no such value", kind,
                                    unsafe ? "with a bad name" : s->name,
                                    c->name);

            free(unsafe);
            sections_remove(all, all->n - 1);
            return error;
        }
    }
    return NULL;
}

struct json *
directoryrows_of_section(const struct section *s)
{
    struct json *row = json_object_create();

    json_object_put_string(row, "name", s->name);
    for (size_t i = 0; i < ARRAY_SIZE(columns); i++) {
        if (!strcmp(columns[i].kind, s->kind)) {
            json_object_put(row, columns[i].name, make_set(s, &columns[i]));
        }
    }
    return row;
}

/* RFC 7047, section 5.1: <set> is an <atom> or ["set", [<atom>, ...]]. */
static bool
add_set(struct section *s, const struct column *c, const struct json *value)
{
    if (value->type != JSON_ARRAY) {
        return add_atom(s, c, value);
    }

    const struct json_array *pair = json_array(value);
    if (pair->n != 2 || pair->elems[0]->type != JSON_STRING
        || strcmp(json_string(pair->elems[0]), "set")
        || pair->elems[1]->type != JSON_ARRAY) {
        return false;
    }

    const struct json_array *atoms = json_array(pair->elems[1]);
    for (size_t i = 0; i < atoms->n; i++) {
        if (!add_atom(s, c, atoms->elems[i])) {
            return false;
        }
    }
    return true;
}

static bool
add_atom(struct section *s, const struct column *c, const struct json *atom)
{
    switch (c->type) {
    case TEXT:
        if (atom->type == JSON_STRING) {
            section_add(s, c->key, json_string(atom));
            return true;
        }
        break;
    case NUMBER:
        if (atom->type == JSON_INTEGER) {
            char *text = xasprintf("%"PRId64, json_integer(atom));

            section_add(s, c->key, text);
            free(text);
            return true;
        }
        break;
    case SWITCH:
        if (atom->type == JSON_TRUE || atom->type == JSON_FALSE) {
            section_add(s, c->key, atom->type == JSON_TRUE ? "on" : "off");
            return true;
        }
        break;
    }
    return false;
}

static struct json *
make_set(const struct section *s, const struct column *c)
{
    struct json *atoms = json_array_create_empty();

    for (size_t i = 0; i < s->n; i++) {
        if (!strcmp(s->keys[i].name, c->key)) {
            json_array_add(atoms, make_atom(c, s->keys[i].value));
        }
    }
    return json_array_create_2(json_string_create("set"), atoms);
}

static struct json *
make_atom(const struct column *c, const char *value)
{
    unsigned int number = 0;

    switch (c->type) {
    case TEXT:
        return json_string_create(value);
    case NUMBER:
        number_parse(value, &number);
        return json_integer_create(number);
    case SWITCH:
        return json_boolean_create(!strcmp(value, "on"));
    }
    OVS_NOT_REACHED();
}
