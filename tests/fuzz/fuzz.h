/* SPDX-License-Identifier: Apache-2.0 */

#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H 1

/* What every fuzz target defines, and libFuzzer or standalone.c calls. */

#include <stddef.h>
#include <stdint.h>

/* Returns 0.  Aborts if something is wrong. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif /* tests/fuzz/fuzz.h */
