/* SPDX-License-Identifier: Apache-2.0 */

#ifndef TESTS_FUZZ_LISTS_H
#define TESTS_FUZZ_LISTS_H 1

/* What a list that was accepted keeps of the promises of peerlist.h, wherever
 * it came from; for the fuzz targets that make one. */

#include "overlay/peerlist.h"

/* Aborts if one is broken.  'file' is what messages call the list. */
void lists_check(const char *file, const struct peerlist *list);

#endif /* tests/fuzz/lists.h */
