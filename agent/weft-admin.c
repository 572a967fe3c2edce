/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "agent/weft-admin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "overlay/peerlist.h"
#include "ovsdb/directoryrows.h"
#include "sset.h"
#include "util.h"

enum {
    TRIES_MAX = 100,                /* At each, somebody else was served. */
    HOSTS_SHOWN_MAX = 8,
};

static const char *const kinds[] = { "network", "router" };

/* What is, what shall be, and how one becomes the other. */
struct change {
    const struct admin_options *options; /* Borrowed, as those that follow. */
    const struct sections *touched;
    admin_change_func *func;
    const void *aux;
    /* The rest is of one try. */
    struct sections now, wanted;    /* Owned.  Normalized. */
    struct sections removed;        /* Owned.  Those of the networks. */
    struct json *rows[ARRAY_SIZE(kinds)]; /* Owned.  What 'now' is made of. */
    struct json *operations;        /* Owned. */
    struct json *report;            /* Owned.  An array. */
};

static admin_try_func try_change;
static void change_init(struct change *);
static void change_finish(struct change *);
static enum weft_db_result read_all(struct weft_db *, struct change *);
static char *prepare(struct change *);
static char *compare(struct change *);
static char *compare_one(struct change *, const struct section *now,
                         const struct section *wanted);
static void add_report(struct change *, const char *kind, const char *name,
                       const char *what);
static enum weft_db_result check_endpoints(struct weft_db *,
                                           const struct change *);
static struct json *vni_of(const struct section *);
static char *refuse_endpoints(const char *network, const struct json *rows);
static enum weft_db_result write_all(struct weft_db *, struct change *);
static void report_rest(struct change *);
static bool is_reported(const struct change *, const struct section *);
static int print_report(const struct change *);

bool
admin_take_options(int *argc, char *argv[], unsigned int allowed,
                   struct admin_options *options)
{
    static const struct {
        const char *name;
        unsigned int flag;
    } flags[] = {
        { "--check", ADMIN_CHECK },
        { "--replace", ADMIN_REPLACE },
        { "--yes", ADMIN_YES },
    };
    int n = 0;

    *options = (struct admin_options) { .db = NULL };
    for (int i = 0; i < *argc; i++) {
        size_t j = 0;

        while (j < ARRAY_SIZE(flags) && strcmp(argv[i], flags[j].name)) {
            j++;
        }
        if (j < ARRAY_SIZE(flags) && allowed & flags[j].flag) {
            options->flags |= flags[j].flag;
        } else if (weft_is_json(argv[i])) {
            options->json = true;
        } else if (!strncmp(argv[i], "--db=", 5)) {
            options->db = &argv[i][5];
        } else if (!strcmp(argv[i], "--db") && i + 1 < *argc) {
            options->db = argv[++i];
        } else if (argv[i][0] == '-' && argv[i][1]) {
            return false;
        } else {
            argv[n++] = argv[i];
        }
    }
    *argc = n;
    return true;
}

int
admin_run(const struct weft_target *target,
          const struct admin_options *options, admin_try_func *try, void *aux)
{
    struct weft_db *db = weft_db_open(target, options->db);
    enum weft_db_result result = db ? WEFT_DB_CONFLICT : WEFT_DB_FAILED;

    for (int i = 0; i < TRIES_MAX && result == WEFT_DB_CONFLICT; i++) {
        result = try(db, aux);
    }
    if (result == WEFT_DB_CONFLICT) {
        admin_fail(xstrdup("somebody else changes the directory all the "
                           "time: try again"));
    }
    weft_db_close(db);
    return result == WEFT_DB_DONE ? EXIT_SUCCESS : EXIT_FAILURE;
}

int
admin_change(const struct weft_target *target,
             const struct admin_options *options,
             const struct sections *touched, admin_change_func *func,
             const void *aux)
{
    struct change c = {
        .options = options, .touched = touched, .func = func, .aux = aux,
    };

    change_init(&c);
    int status = admin_run(target, options, try_change, &c);
    if (!status) {
        report_rest(&c);
        status = print_report(&c);
    }
    change_finish(&c);
    return status;
}

char *
admin_add_rows(const char *kind, const struct json *rows,
               struct sections *all)
{
    char *error = NULL;

    for (size_t i = 0; !error && i < json_array(rows)->n; i++) {
        error = directoryrows_to_section(kind, json_array(rows)->elems[i],
                                         all);
    }
    return error;
}

int
admin_fail(char *error)
{
    fprintf(stderr, "weft: %s\n", error);
    free(error);
    return EXIT_FAILURE;
}

int
admin_print(struct json *json)
{
    char *text = json_to_string(json, JSSF_PRETTY | JSSF_SORT);

    puts(text);
    free(text);
    json_destroy(json);
    return fflush(stdout) ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* An admin_try_func. */
static enum weft_db_result
try_change(struct weft_db *db, void *c_)
{
    struct change *c = c_;

    change_finish(c);
    change_init(c);
    enum weft_db_result result = read_all(db, c);
    if (result != WEFT_DB_DONE) {
        return result;
    }

    char *error = prepare(c);
    if (error) {
        admin_fail(error);
        return WEFT_DB_FAILED;
    }

    result = check_endpoints(db, c);
    if (result != WEFT_DB_DONE || c->options->flags & ADMIN_CHECK
        || !json_array(c->operations)->n) {
        return result;
    }
    return write_all(db, c);
}

static void
change_init(struct change *c)
{
    *c = (struct change) {
        .options = c->options,
        .touched = c->touched,
        .func = c->func,
        .aux = c->aux,
        .now = SECTIONS_INITIALIZER,
        .wanted = SECTIONS_INITIALIZER,
        .removed = SECTIONS_INITIALIZER,
        .operations = json_array_create_empty(),
        .report = json_array_create_empty(),
    };
}

static void
change_finish(struct change *c)
{
    sections_finish(&c->now);
    sections_finish(&c->wanted);
    sections_finish(&c->removed);
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        json_destroy(c->rows[i]);
    }
    json_destroy(c->operations);
    json_destroy(c->report);
}

static enum weft_db_result
read_all(struct weft_db *db, struct change *c)
{
    struct json *operations = json_array_create_empty();
    struct json *results;
    char *error = NULL;

    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        json_array_add(operations,
                       operation_select(directoryrows_table(kinds[i]), NULL,
                                      NULL, directoryrows_columns(kinds[i])));
    }
    enum weft_db_result result = weft_db_transact(db, operations, &results);
    if (result != WEFT_DB_DONE) {
        return result;
    }
    for (size_t i = 0; !error && i < ARRAY_SIZE(kinds); i++) {
        c->rows[i] = json_clone(operation_rows(results, i));
        error = admin_add_rows(kinds[i], c->rows[i], &c->now);
    }
    json_destroy(results);
    if (error) {
        admin_fail(error);
        return WEFT_DB_FAILED;
    }
    sections_normalize(&c->now);
    return WEFT_DB_DONE;
}

/* From what is to the operations that make it what is wanted. */
static char *
prepare(struct change *c)
{
    struct peerlist *list = NULL;

    sections_clone(&c->wanted, &c->now);
    char *error = c->func(&c->wanted, c->aux);
    if (!error) {
        error = peerlist_from_sections(NULL, c->wanted.a, c->wanted.n,
                                       &list);
        peerlist_destroy(list);
    }
    if (!error) {
        sections_normalize(&c->wanted);
        error = compare(c);
    }
    return error;
}

/* Both are in order. */
static char *
compare(struct change *c)
{
    size_t i = 0, j = 0;
    char *error = NULL;

    while (!error && (i < c->now.n || j < c->wanted.n)) {
        const struct section *now = i < c->now.n ? &c->now.a[i] : NULL;
        const struct section *wanted = (j < c->wanted.n ? &c->wanted.a[j]
                                        : NULL);
        int cmp = (!now ? 1 : !wanted ? -1 : section_compare(now, wanted));

        error = compare_one(c, cmp <= 0 ? now : NULL,
                            cmp >= 0 ? wanted : NULL);
        i += cmp <= 0;
        j += cmp >= 0;
    }
    return error;
}

/* One of both may be NULL. */
static char *
compare_one(struct change *c, const struct section *now,
            const struct section *wanted)
{
    const struct section *any = now ? now : wanted;
    struct json *operation = NULL;

    ovs_assert(any);
    const char *table = directoryrows_table(any->kind);
    if (!now) {
        operation = operation_insert(table, directoryrows_of_section(any));
        add_report(c, any->kind, any->name, "added");
    } else if (!wanted) {
        operation = operation_delete(table, "name",
                                   json_string_create(now->name));
        add_report(c, now->kind, now->name, "removed");
        if (!strcmp(now->kind, "network")) {
            sections_append(&c->removed, now);
        }
    } else if (!section_equal(now, wanted)) {
        struct json *row = directoryrows_of_section(wanted);

        if (!nullable_string_is_equal(section_get(now, "vni"),
                                      section_get(wanted, "vni"))) {
            json_destroy(row);
            return xasprintf("%s %s: vni %s cannot be changed to %s: remove "
                             "the network and add it again", now->kind,
                             now->name, section_get(now, "vni"),
                             section_get(wanted, "vni"));
        }
        /* Those never change. */
        json_destroy(shash_find_and_delete(json_object(row), "name"));
        json_destroy(shash_find_and_delete(json_object(row), "vni"));
        operation = operation_update(table, "name",
                                   json_string_create(now->name), row);
        add_report(c, wanted->kind, wanted->name, "changed");
    }
    if (operation) {
        json_array_add(c->operations, operation);
    }
    return NULL;
}

static void
add_report(struct change *c, const char *kind, const char *name,
           const char *what)
{
    struct json *one = json_object_create();

    json_object_put_string(one, "kind", kind);
    json_object_put_string(one, "name", name);
    json_object_put_string(one, "change", what);
    json_array_add(c->report, one);
}

/* A network is not removed as long as it has endpoints. */
static enum weft_db_result
check_endpoints(struct weft_db *db, const struct change *c)
{
    struct json *operations = json_array_create_empty();
    struct json *results;
    char *error = NULL;

    if (!c->removed.n) {
        json_destroy(operations);
        return WEFT_DB_DONE;
    }
    for (size_t i = 0; i < c->removed.n; i++) {
        json_array_add(operations, operation_select(
                           "Endpoint", "network", vni_of(&c->removed.a[i]),
                           json_array_create_2(json_string_create("host"),
                                               json_string_create("part"))));
    }
    enum weft_db_result result = weft_db_transact(db, operations, &results);
    if (result != WEFT_DB_DONE) {
        return result;
    }
    for (size_t i = 0; !error && i < c->removed.n; i++) {
        error = refuse_endpoints(c->removed.a[i].name,
                                 operation_rows(results, i));
    }
    json_destroy(results);
    if (error) {
        admin_fail(error);
        return WEFT_DB_FAILED;
    }
    return WEFT_DB_DONE;
}

static struct json *
vni_of(const struct section *network)
{
    unsigned int vni = 0;

    number_parse(section_get(network, "vni"), &vni);
    return json_integer_create(vni);
}

/* An owned message if there are 'rows' of endpoints, or NULL. */
static char *
refuse_endpoints(const char *network, const struct json *rows)
{
    struct sset hosts = SSET_INITIALIZER(&hosts);
    struct ds ds = DS_EMPTY_INITIALIZER;
    size_t n = 0;

    for (size_t i = 0; i < json_array(rows)->n; i++) {
        const struct json *row = json_array(rows)->elems[i];
        const char *host = operation_string(row, "host");

        n += operation_integer(row, "part") == 0;
        sset_add(&hosts, name_is_valid(host) ? host : "(a bad name)");
    }
    if (!json_array(rows)->n) {
        sset_destroy(&hosts);
        return NULL;
    }

    const char **names = sset_sort(&hosts);
    size_t n_hosts = sset_count(&hosts);
    ds_put_format(&ds, "network %s: has %"PRIuSIZE" endpoint%s, on ", network,
                  n, n == 1 ? "" : "s");
    for (size_t i = 0; i < MIN(n_hosts, HOSTS_SHOWN_MAX); i++) {
        ds_put_format(&ds, "%s%s", i ? ", " : "", names[i]);
    }
    if (n_hosts > HOSTS_SHOWN_MAX) {
        ds_put_format(&ds, " and %"PRIuSIZE" more hosts",
                      n_hosts - HOSTS_SHOWN_MAX);
    }
    ds_put_cstr(&ds, ": detach them first");
    free(names);
    sset_destroy(&hosts);
    return ds_steal_cstr(&ds);
}

/* All that was read is still so, or nothing is written. */
static enum weft_db_result
write_all(struct weft_db *db, struct change *c)
{
    struct json *operations = json_array_create_empty();
    struct json *results;

    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        json_array_add(operations,
                       operation_wait(directoryrows_table(kinds[i]), NULL,
                                      NULL, directoryrows_columns(kinds[i]),
                                      true, json_clone(c->rows[i])));
    }
    for (size_t i = 0; i < c->removed.n; i++) {
        json_array_add(operations, operation_wait(
                           "Endpoint", "network", vni_of(&c->removed.a[i]),
                           json_array_create_1(json_string_create("host")),
                           true, json_array_create_empty()));
    }
    for (size_t i = 0; i < json_array(c->operations)->n; i++) {
        json_array_add(operations,
                       json_clone(json_array(c->operations)->elems[i]));
    }
    enum weft_db_result result = weft_db_transact(db, operations, &results);
    json_destroy(results);
    return result;
}

/* What was asked for and did not have to be done. */
static void
report_rest(struct change *c)
{
    for (size_t i = 0; i < c->touched->n; i++) {
        const struct section *s = &c->touched->a[i];

        if (!is_reported(c, s)) {
            add_report(c, s->kind, s->name,
                       sections_find(&c->wanted, s->kind, s->name) != SIZE_MAX
                       ? "none" : "absent");
        }
    }
}

static bool
is_reported(const struct change *c, const struct section *s)
{
    for (size_t i = 0; i < json_array(c->report)->n; i++) {
        const struct json *one = json_array(c->report)->elems[i];

        if (!strcmp(operation_string(one, "kind"), s->kind)
            && !strcmp(operation_string(one, "name"), s->name)) {
            return true;
        }
    }
    return false;
}

static int
print_report(const struct change *c)
{
    if (c->options->json) {
        return admin_print(json_clone(c->report));
    }
    for (size_t i = 0; i < json_array(c->report)->n; i++) {
        const struct json *one = json_array(c->report)->elems[i];
        const char *name = operation_string(one, "name");
        const char *what = operation_string(one, "change");
        char *unsafe = text_refuse(name);

        printf("%s %s: %s%s\n", operation_string(one, "kind"),
               unsafe ? "(a bad name)" : name,
               c->options->flags & ADMIN_CHECK ? "to be " : "",
               !strcmp(what, "none") ? "is so already"
               : !strcmp(what, "absent") ? "is not there" : what);
        free(unsafe);
    }
    if (!json_array(c->report)->n) {
        puts("nothing to change");
    }
    return fflush(stdout) ? EXIT_FAILURE : EXIT_SUCCESS;
}
