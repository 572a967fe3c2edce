/* SPDX-License-Identifier: Apache-2.0 */

#ifndef TESTS_FUZZ_ROWTEXT_H
#define TESTS_FUZZ_ROWTEXT_H 1

/* How the fuzz targets that read Interface rows have them: as lines. */

#include <stddef.h>
#include <stdint.h>
#include "smap.h"

/* Each line "KEY=VALUE" goes into 'ids', or, if it begins with a blank, into
 * 'options', unless that is NULL; other lines are passed over. */
void rowtext_parse(const uint8_t *, size_t, struct smap *ids,
                   struct smap *options);

#endif /* tests/fuzz/rowtext.h */
