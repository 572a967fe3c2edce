/* SPDX-License-Identifier: Apache-2.0 */

#ifndef TESTS_FUZZ_TEXT_H
#define TESTS_FUZZ_TEXT_H 1

/* What the fuzz targets of texts and rows share. */

#include <stddef.h>
#include <stdint.h>

/* 'error', which may be NULL and is freed, is one line that can be shown and
 * begins with 'prefix'. */
void text_check_refusal(char *error, const char *prefix);

/* The bytes as a string, which a zero byte ends.  Owned. */
char *text_of(const uint8_t *, size_t);

#endif /* tests/fuzz/text.h */
