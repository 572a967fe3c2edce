/* SPDX-License-Identifier: Apache-2.0 */

#ifndef TESTS_LINT_CONTAINERS_H
#define TESTS_LINT_CONTAINERS_H 1

/* Included before everything else when clang's analyser looks at a file.  It
 * cannot know that the neighbours of what stands in a list or a map point back
 * to it; so it takes what was taken out and freed to be there still, and each
 * loop that empties one looks like a use of freed memory.  For it those loops
 * get what they are at from somewhere. */

#include <config.h>
#include "openvswitch/hmap.h"
#include "openvswitch/list.h"

void *lint_any(const void *);

#undef LIST_FOR_EACH_POP
#define LIST_FOR_EACH_POP(ITEM, MEMBER, LIST) \
    while (((ITEM) = lint_any(LIST)) != NULL)
#undef LIST_FOR_EACH_SAFE
#define LIST_FOR_EACH_SAFE(ITEM, MEMBER, LIST) \
    while (((ITEM) = lint_any(LIST)) != NULL)
#undef HMAP_FOR_EACH_POP
#define HMAP_FOR_EACH_POP(ITEM, MEMBER, MAP) \
    while (((ITEM) = lint_any(MAP)) != NULL)
#undef HMAP_FOR_EACH_SAFE
#define HMAP_FOR_EACH_SAFE(ITEM, MEMBER, MAP) \
    while (((ITEM) = lint_any(MAP)) != NULL)

#endif /* tests/lint/containers.h */
