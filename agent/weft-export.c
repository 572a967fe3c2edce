/* SPDX-License-Identifier: Apache-2.0 */

/* The shared directory as a peer file, and a peer file into the directory. */

#include <config.h>
#include "agent/weft.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "agent/textfile.h"
#include "agent/weft-admin.h"
#include "openvswitch/json.h"
#include "overlay/peerlist.h"
#include "ovsdb/directoryrows.h"
#include "sset.h"
#include "util.h"

/* A file, for import. */
struct import {
    struct sections sections;       /* Owned.  Networks and routers. */
    bool replace;
};

static admin_try_func read_directory;
static char *take_results(const struct json *results, struct sections *);
static void drop_bad_peers(struct sections *);
static int write_sections(const struct sections *, const char *path);
static char *read_file(const char *path, struct sections *, size_t *n_peers);
static admin_change_func take_file;

static const char *const kinds[] = { "network", "router", "peer" };

int
weft_directory_export(const struct weft_target *target, int argc,
                      char *argv[])
{
    struct sections all = SECTIONS_INITIALIZER;
    struct admin_options options;

    if (!admin_take_options(&argc, argv, 0, &options) || argc > 1
        || options.json) {
        return weft_misuse("usage: weft directory export [FILE]");
    }

    int status = admin_run(target, &options, read_directory, &all);
    if (!status) {
        status = write_sections(&all, argc ? argv[0] : "-");
    }
    sections_finish(&all);
    return status;
}

int
weft_directory_import(const struct weft_target *target, int argc,
                      char *argv[])
{
    struct import import = { .sections = SECTIONS_INITIALIZER };
    const struct sections none = SECTIONS_INITIALIZER;
    struct admin_options options;
    size_t n_peers;

    if (!admin_take_options(&argc, argv, ADMIN_CHECK | ADMIN_REPLACE, &options)
        || argc != 1) {
        return weft_misuse("usage: weft directory import FILE [--check] "
                           "[--replace]");
    }
    import.replace = options.flags & ADMIN_REPLACE;

    char *error = read_file(argv[0], &import.sections, &n_peers);
    int status = (error ? admin_fail(error)
                  : admin_change(target, &options, &none, take_file, &import));
    if (!status && n_peers) {
        fprintf(stderr, "weft: %s: %"PRIuSIZE" [peer] section%s passed over: "
                "hosts publish themselves\n", argv[0], n_peers,
                n_peers == 1 ? "" : "s");
    }
    sections_finish(&import.sections);
    return status;
}

static enum weft_db_result
read_directory(struct weft_db *db, void *all)
{
    struct json *operations = json_array_create_empty();
    struct json *results;

    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        json_array_add(operations,
                       operation_select(directoryrows_table(kinds[i]), NULL,
                                      NULL, directoryrows_columns(kinds[i])));
    }
    enum weft_db_result result = weft_db_transact(db, operations, &results);
    char *error = result == WEFT_DB_DONE ? take_results(results, all) : NULL;
    if (error) {
        admin_fail(error);
        result = WEFT_DB_FAILED;
    }
    json_destroy(results);
    return result;
}

/* Networks and routers are a person's: an error among them is told.  Peers are
 * their hosts': one that is wrong is left out. */
static char *
take_results(const struct json *results, struct sections *all)
{
    struct peerlist *list = NULL;
    char *error = NULL;

    for (size_t i = 0; !error && i < ARRAY_SIZE(kinds); i++) {
        if (!strcmp(kinds[i], "peer")) {
            error = peerlist_from_sections(NULL, all->a, all->n, &list);
            peerlist_destroy(list);
        }
        error = (error ? error
                 : admin_add_rows(kinds[i], operation_rows(results, i), all));
    }
    if (!error) {
        sections_normalize(all);
        drop_bad_peers(all);
    }
    return error;
}

static void
drop_bad_peers(struct sections *all)
{
    struct sset addresses = SSET_INITIALIZER(&addresses);

    for (size_t i = all->n; i-- > 0; ) {
        const struct section *s = &all->a[i];
        struct peerlist *list = NULL;
        char *error = NULL;

        if (!strcmp(s->kind, "peer")) {
            error = peerlist_from_sections(NULL, s, 1, &list);
            peerlist_destroy(list);
            if (!error && !sset_add(&addresses, section_get(s, "address"))) {
                error = xasprintf("peer %s: another peer has its address",
                                  s->name);
            }
        }
        if (error) {
            fprintf(stderr, "weft: left out: %s\n", error);
            free(error);
            sections_remove(all, i);
        }
    }
    sset_destroy(&addresses);
}

static int
write_text(FILE *file, const char *text)
{
    return fputs(text, file) < 0 || fflush(file) ? errno : 0;
}

static int
write_sections(const struct sections *all, const char *path)
{
    char *text = sections_format(all);
    int error;

    if (!strcmp(path, "-")) {
        error = write_text(stdout, text);
    } else {
        FILE *file = fopen(path, "w");

        error = file ? write_text(file, text) : errno;
        if (file && fclose(file) && !error) {
            error = errno;
        }
    }
    free(text);
    return error ? admin_fail(xasprintf("%s: %s", path, ovs_strerror(error)))
           : EXIT_SUCCESS;
}

/* The networks and routers of the file at 'path', and how many peers. */
static char *
read_file(const char *path, struct sections *all, size_t *n_peers)
{
    struct textfile_stamp stamp;
    struct peerlist *list = NULL;
    size_t size;
    char *text;
    char *error = textfile_read(path, PEERLIST_SIZE_MAX, &text, &size, &stamp);

    *n_peers = 0;
    if (!error) {
        error = peerlist_parse_sections(path, text, size, &list, all);
        free(text);
        peerlist_destroy(list);
    }
    for (size_t i = error ? 0 : all->n; i-- > 0; ) {
        if (!strcmp(all->a[i].kind, "peer")) {
            sections_remove(all, i);
            ++*n_peers;
        }
    }
    return error;
}

/* Sections of the file take the place of those that are. */
static char *
take_file(struct sections *wanted, const void *import_)
{
    const struct import *import = import_;
    const struct sections *file = &import->sections;

    for (size_t i = wanted->n; i-- > 0; ) {
        const struct section *s = &wanted->a[i];

        if (import->replace
            || sections_find(file, s->kind, s->name) != SIZE_MAX) {
            sections_remove(wanted, i);
        }
    }
    for (size_t i = 0; i < file->n; i++) {
        sections_append(wanted, &file->a[i]);
    }
    return NULL;
}
