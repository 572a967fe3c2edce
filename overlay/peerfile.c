/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "overlay/peerfile.h"

#include <ini.h>
#include <stdlib.h>
#include <string.h>
#include "openvswitch/util.h"
#include "util.h"

struct reader {
    struct peerdraft *draft;        /* Borrowed. */
    const char *pos, *end;          /* What is left of the text.  Borrowed. */
    bool key_expected;              /* inih was given a line with a key. */
};

static bool check_size(struct peerdraft *, const char *text, size_t size);
static char *next_line(char *buf, int size, void *reader_);
static int take_key(void *reader_, const char *section, const char *name,
                    const char *value);
static bool check_understood(const struct reader *);
static bool copy_line(struct peerdraft *, char *buf, const char *line,
                      size_t len);

bool
peerfile_read(const char *text, size_t size, struct peerdraft *d)
{
    struct reader r = { .draft = d, .pos = text, .end = text };

    if (!check_size(d, text, size)) {
        return false;
    }
    if (size) {
        r.end += size;
    }
    if (size >= 3 && !memcmp(text, "\xef\xbb\xbf", 3)) {
        r.pos += 3;             /* Windows's byte order mark. */
    }

    /* A positive value is the line of an error, of which check_understood()
     * or take_key() know more. */
    if (ini_parse_stream(next_line, &r, take_key, &r) < 0) {
        peerdraft_refuse(d, "inih is out of memory");
    }
    return check_understood(&r) && peerdraft_end(d);
}

static bool
check_size(struct peerdraft *d, const char *text, size_t size)
{
    if (size > PEERLIST_SIZE_MAX || (size && text[size - 1] != '\n')) {
        d->here.line = 1;
        for (size_t i = 0; i < MIN(size, PEERLIST_SIZE_MAX); i++) {
            d->here.line += text[i] == '\n';
        }
        return size > PEERLIST_SIZE_MAX
               ? peerdraft_refuse(d, "the file goes on after %d bytes: "
                                  "shorten it", PEERLIST_SIZE_MAX)
               : peerdraft_refuse(d, "the last line has no newline, as in a "
                                  "file cut short: copy the file again, or "
                                  "end the line");
    }
    return true;
}

/* An ini_reader: gives inih one line more.  Nothing goes on after an error,
 * so that the first one is the one that is told. */
static char *
next_line(char *buf, int size, void *reader_)
{
    struct reader *r = reader_;
    struct peerdraft *d = r->draft;

    if (!check_understood(r) || r->pos == r->end) {
        return NULL;
    }

    /* check_size() has seen that there is a newline. */
    const char *line = r->pos;
    size_t len = (const char *) memchr(line, '\n', r->end - line) - line;
    int max = MIN(PEERLIST_LINE_MAX, size - 1);

    r->pos += len + 1;
    d->here.line++;
    if (len && line[len - 1] == '\r') {
        len--;
    }
    if (len > max) {
        peerdraft_refuse(d, "the line has more than %d bytes: shorten it",
                         max);
        return NULL;
    }

    if (!copy_line(d, buf, line, len)) {
        return NULL;
    }

    /* inih would not tell of a section without keys. */
    if (buf[0] == '[') {
        return peerdraft_section(d, buf) ? buf : NULL;
    }
    r->key_expected = buf[0] && buf[0] != ';';
    return buf;
}

/* An ini_handler.  What inih says is the section's name may be cut short. */
static int
take_key(void *reader_, const char *section OVS_UNUSED, const char *name,
         const char *value)
{
    struct reader *r = reader_;

    r->key_expected = false;
    return peerdraft_key(r->draft, name, value);
}

/* Has inih made a key and a value of the line that it was given last? */
static bool
check_understood(const struct reader *r)
{
    return !r->key_expected
           ? !r->draft->error
           : peerdraft_refuse(r->draft, "not a [section], KEY = VALUE or ; "
                              "comment: write one of these");
}

static bool
copy_line(struct peerdraft *d, char *buf, const char *line, size_t len)
{
    /* inih would take an indented line for more of the one before. */
    while (len && (*line == ' ' || *line == '\t')) {
        line++;
        len--;
    }
    memcpy(buf, line, len);
    buf[len] = '\0';
    if (strlen(buf) != len) {
        return peerdraft_refuse(d, "control byte 0x00: remove it");
    }
    for (char *p = buf; *p; p++) {
        *p = *p == '\t' ? ' ' : *p;
    }

    char *error = text_refuse(buf);
    if (error) {
        peerdraft_refuse(d, "%s", error);
        free(error);
        return false;
    }

    /* inih knows # at the start of a line only, and ; in any place. */
    for (char *p = buf; *p; p++) {
        if (*p == '#' && (p == buf || p[-1] == ' ')) {
            *p = '\0';
            break;
        }
    }
    return true;
}
