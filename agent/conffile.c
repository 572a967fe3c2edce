/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "agent/conffile.h"

#include <ini.h>
#include <stdlib.h>
#include <string.h>
#include "openvswitch/dynamic-string.h"
#include "overlay/model.h"
#include "util.h"

struct reader {
    const char *file;               /* Borrowed. */
    const char *pos, *end;          /* What is left of the text.  Borrowed. */
    int line;                       /* That inih was given last. */
    bool key_expected;              /* In it, and not seen yet. */
    conffile_take *take;
    void *aux;
    char *error;                    /* Owned.  The first one. */
};

static char *next_line(char *buf, int size, void *reader_);
static int take_key(void *reader_, const char *section, const char *key,
                    const char *value);
static void check_understood(struct reader *);
static void OVS_PRINTF_FORMAT(2, 3) refuse(struct reader *,
                                           const char *format, ...);
static size_t mark_len(const char *text, size_t size);
static size_t line_len(const char *line, size_t size);
static bool gives(const char *line, size_t n, const char *key);

char *
conffile_read(const char *file, const char *text, size_t size,
              conffile_take *take, void *aux)
{
    struct reader r = {
        .file = file,
        .pos = text + mark_len(text, size),
        .end = text + size,
        .take = take,
        .aux = aux,
    };
    /* A positive value is a line without a key, of which check_understood()
     * tells. */
    if (ini_parse_stream(next_line, &r, take_key, &r) < 0 && !r.error) {
        r.error = xasprintf("%s: inih is out of memory", file);
    }
    check_understood(&r);
    return r.error;
}

char *
conffile_set(const char *text, size_t size, const char *key, const char *line,
             size_t *newsize)
{
    struct ds s = DS_EMPTY_INITIALIZER;
    bool put = false;
    size_t at = mark_len(text, size);
    ds_put_buffer(&s, text, at);
    while (at < size) {
        size_t n = line_len(&text[at], size - at);
        if (!gives(&text[at], n, key)) {
            ds_put_buffer(&s, &text[at], n);
            ds_put_char(&s, '\n');
        } else if (!put) {
            ds_put_format(&s, "%s\n", line);
            put = true;
        }
        at += n + 1;                /* The last line may have no newline. */
    }
    if (!put) {
        ds_put_format(&s, "%s\n", line);
    }
    *newsize = s.length;
    return ds_steal_cstr(&s);
}

/* An ini_reader: gives inih one line more. */
static char *
next_line(char *buf, int size, void *reader_)
{
    struct reader *r = reader_;
    check_understood(r);
    if (r->error || r->pos >= r->end) {
        return NULL;
    }
    const char *line = r->pos;
    size_t len = line_len(line, r->end - line);
    r->pos += len + 1;
    r->line++;
    if (len && line[len - 1] == '\r') {
        len--;
    }

    /* inih would take an indented line for more of the one before. */
    while (len && (*line == ' ' || *line == '\t')) {
        line++;
        len--;
    }
    if (mark_len(line, len)) {
        /* inih would pass over one behind blanks; conffile_set() does not. */
        refuse(r, "a byte order mark that does not come first: remove it");
        return NULL;
    }
    if (len >= size) {
        refuse(r, "the line has more than %d bytes: shorten it", size - 1);
        return NULL;
    }
    memcpy(buf, line, len);
    buf[len] = '\0';
    if (strlen(buf) != len) {
        refuse(r, "control byte 0x00: remove it");
        return NULL;
    }
    for (char *p = buf; *p; p++) {
        *p = *p == '\t' ? ' ' : *p;
    }

    char *error = text_refuse(buf);
    if (error) {
        refuse(r, "%s", error);
        free(error);
        return NULL;
    } else if (buf[0] == '[') {
        refuse(r, "%s: there are no sections here: remove it", buf);
        return NULL;
    }
    r->key_expected = buf[0] && !strchr(";#", buf[0]);
    return buf;
}

/* An ini_handler. */
static int
take_key(void *reader_, const char *section OVS_UNUSED, const char *key,
         const char *value)
{
    struct reader *r = reader_;
    r->key_expected = false;
    char *error = r->error ? NULL : r->take(key, value, r->line, r->aux);
    if (error) {
        refuse(r, "%s", error);
        free(error);
    }
    return !r->error;
}

/* inih passes over a line that it does not understand until the end. */
static void
check_understood(struct reader *r)
{
    if (r->key_expected) {
        refuse(r, "not a setting \"KEY = VALUE\" or a comment: write one of "
               "these");
    }
}

static void
refuse(struct reader *r, const char *format, ...)
{
    if (!r->error) {
        va_list args;
        va_start(args, format);
        char *what = xvasprintf(format, args);
        va_end(args);
        r->error = xasprintf("%s:%d: %s", r->file, r->line, what);
        free(what);
    }
}

/* Of Windows's byte order mark. */
static size_t
mark_len(const char *text, size_t size)
{
    return size >= 3 && !memcmp(text, "\xef\xbb\xbf", 3) ? 3 : 0;
}

/* Of the first of 'size' bytes, without its newline. */
static size_t
line_len(const char *line, size_t size)
{
    const char *newline = memchr(line, '\n', size);
    return newline ? newline - line : size;
}

/* As conffile_read() sees it. */
static bool
gives(const char *line, size_t n, const char *key)
{
    size_t len = strlen(key);
    while (n && (*line == ' ' || *line == '\t')) {
        line++;
        n--;
    }
    if (n < len || memcmp(line, key, len)) {
        return false;
    }
    while (len < n && (line[len] == ' ' || line[len] == '\t')) {
        len++;
    }
    return len < n && (line[len] == '=' || line[len] == ':');
}
