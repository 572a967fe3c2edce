/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "overlay/pipeline.h"

#include "util.h"

const struct pipeline_table_info pipeline_tables[] = {
#define PIPELINE_TABLE(ID, NUMBER, NAME, MISS, PURPOSE, MEANING) \
    { TABLE_##ID, NAME, TABLE_##MISS, PURPOSE, MEANING },
#include "overlay/pipeline.def"
    { .name = NULL },
};

const struct pipeline_field_info pipeline_fields[] = {
#define PIPELINE_FIELD(ID, REG, HOLDS) { #ID, REG, HOLDS },
#include "overlay/pipeline.def"
    { .id = NULL },
};

const char *
pipeline_table_name(uint8_t table)
{
    for (const struct pipeline_table_info *t = pipeline_tables; t->name; t++) {
        if (t->id == table) {
            return t->name;
        }
    }
    return NULL;
}

bool
pipeline_goto_allowed(uint8_t from, uint8_t to)
{
    static const uint8_t steps[][2] = {
#define PIPELINE_TABLE(ID, NUMBER, NAME, MISS, PURPOSE, MEANING) \
    { TABLE_##ID, TABLE_##MISS },
#define PIPELINE_GOTO(FROM, TO) { TABLE_##FROM, TABLE_##TO },
#include "overlay/pipeline.def"
    };

    for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
        if (steps[i][0] == from && steps[i][1] == to) {
            return true;
        }
    }
    return false;
}

bool
pipeline_table_is_learned(uint8_t table)
{
    return table == TABLE_LEARNED || table == TABLE_LOCATED;
}

void
pipeline_table_map_init(struct ofputil_table_map *map)
{
    ofputil_table_map_init(map);
    for (const struct pipeline_table_info *t = pipeline_tables; t->name; t++) {
        ofputil_table_map_put(map, t->id, t->name);
    }
}

uint64_t
pipeline_cookie(enum cookie_category category, uint32_t object)
{
    return COOKIE_OURS | (uint64_t) category << 32 | object;
}

bool
pipeline_cookie_is_ours(uint64_t cookie)
{
    return (cookie & COOKIE_OURS_MASK) == COOKIE_OURS;
}

bool
pipeline_cookie_is_learned(uint64_t cookie)
{
    return cookie >> 32 == pipeline_cookie(COOKIE_LEARNED, 0) >> 32;
}

bool
pipeline_cookie_is_remote(uint64_t cookie)
{
    return cookie >> 32 == pipeline_cookie(COOKIE_REMOTE, 0) >> 32;
}

bool
pipeline_group_is_ours(uint32_t group)
{
    return (group & 0xff000000) == GROUP_PEERS
           || (group & 0xff000000) == GROUP_MEMBERS(0);
}
