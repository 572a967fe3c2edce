/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "overlay/jsontext.h"

#include <string.h>

static void in_string(struct jsontext *, char);
static void begin(struct jsontext *, char);
static void outside(struct jsontext *, char);

size_t
jsontext_feed(struct jsontext *t, const char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (t->string) {
            in_string(t, bytes[i]);
        } else if (t->state == JSONTEXT_BLANK) {
            begin(t, bytes[i]);
        } else {
            outside(t, bytes[i]);
        }
        if (t->state > JSONTEXT_INSIDE) {
            return i + 1;
        }
    }
    return n;
}

static void
in_string(struct jsontext *t, char c)
{
    if (t->escape) {
        t->escape = false;
    } else if (c == '\\') {
        t->escape = true;
    } else if (c == '"') {
        t->string = false;
    }
}

static void
begin(struct jsontext *t, char c)
{
    if (c == '{') {
        t->state = JSONTEXT_INSIDE;
        t->depth = 1;
    } else if (!c || !strchr(" \t\r\n", c)) {
        t->state = JSONTEXT_NO_OBJECT;
    }
}

static void
outside(struct jsontext *t, char c)
{
    switch (c) {
    case '"':
        t->string = true;
        break;
    case '{':
    case '[':
        t->depth++;
        t->values++;
        break;
    case ',':
        t->values++;
        break;
    case ':':
        t->members++;
        break;
    case '}':
    case ']':
        /* Whether it is the right one of both, the parser will say. */
        t->depth--;
        break;
    default:
        break;
    }
    t->state = (t->depth > JSONTEXT_DEPTH_MAX
                || t->members > JSONTEXT_MEMBERS_MAX
                || t->values > JSONTEXT_VALUES_MAX ? JSONTEXT_TOO_MUCH
                : t->depth ? JSONTEXT_INSIDE : JSONTEXT_WHOLE);
}
