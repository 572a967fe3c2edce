/* SPDX-License-Identifier: Apache-2.0 */

#ifndef OVERLAY_PIPELINE_H
#define OVERLAY_PIPELINE_H 1

/* The tables, their names and steps, and the cookies, out of pipeline.def.
 * Called by compile, plan (names) and the agent (which tables to watch). */

#include <stdbool.h>
#include <stdint.h>
#include "openvswitch/ofp-table.h"

enum pipeline_table {
#define PIPELINE_TABLE(ID, NUMBER, NAME, MISS, PURPOSE, MEANING) \
    TABLE_##ID = NUMBER,
#include "overlay/pipeline.def"
};
enum { TABLE_DROP = 255 };          /* A miss that goes nowhere. */

struct pipeline_table_info {
    enum pipeline_table id;
    const char *name;
    uint8_t miss;                   /* TABLE_DROP or a table. */
    const char *purpose;
    const char *meaning;            /* Of a miss. */
};

/* In the order of the pipeline; ends with a null name. */
extern const struct pipeline_table_info pipeline_tables[];

struct pipeline_field_info {
    const char *id, *reg, *holds;
};
extern const struct pipeline_field_info pipeline_fields[];

/* "classify"; NULL if there is no such table. */
const char *pipeline_table_name(uint8_t table);

/* May a flow of table 'from' send a packet to table 'to'? */
bool pipeline_goto_allowed(uint8_t from, uint8_t to);

/* Is it filled by the switch itself, where nothing tells us what is on other
 * hosts? */
bool pipeline_table_is_learned(uint8_t table);

/* The tables' names for libopenvswitch's printers and parsers.  Destroy with
 * ofputil_table_map_destroy(). */
void pipeline_table_map_init(struct ofputil_table_map *);

/* Cookies: 16 bits that say "Weft's", 8 bits of category, 32 of the object.
 * Whatever has other upper bits is foreign and never touched. */
#define COOKIE_OURS UINT64_C(0x5746000000000000)
#define COOKIE_OURS_MASK UINT64_C(0xffff000000000000)
enum cookie_category {
    COOKIE_STATIC = 1,
    COOKIE_NETWORK,                 /* Object: VNI. */
    COOKIE_PEER,                    /* Object: the peer's id. */
    COOKIE_ENDPOINT,                /* Object: its OpenFlow port. */
    COOKIE_LEARNED,                 /* Object: the peer's id. */
    COOKIE_EXTERNAL,
    COOKIE_REMOTE,                  /* Object: a hash of network and MAC, below
                                     * COOKIES_REMOTE. */
};
/* A switch finds the flows of one cookie without a look at all others, so that
 * many flows can be read in portions.  Enough that a portion is small, few
 * enough that the questions are not more than the answers. */
enum { COOKIES_REMOTE = 1024 };
uint64_t pipeline_cookie(enum cookie_category, uint32_t object);
bool pipeline_cookie_is_ours(uint64_t cookie);
bool pipeline_cookie_is_learned(uint64_t cookie);

bool pipeline_cookie_is_remote(uint64_t cookie);

/* Groups of ours: the endpoints of a network here, all peers, and the peers
 * that have endpoints of a network. */
#define GROUP_PEERS UINT32_C(0x57000000)
#define GROUP_NETWORK(VNI) (GROUP_PEERS | (VNI))
#define GROUP_MEMBERS(VNI) (UINT32_C(0x58000000) | (VNI))
bool pipeline_group_is_ours(uint32_t group);

/* What learn() may hold for one peer, and for how many seconds unused. */
enum { LEARN_MAX = 4096, LEARN_IDLE_S = 300 };

/* The controller's id of our connection: packets for the agent go to it
 * alone. */
enum { CONTROLLER_ID = 0x5746 };

/* Packets a second, and at once, that one port may have the agent look at. */
enum { METER_RATE = 100, METER_BURST = 50 };

#endif /* overlay/pipeline.h */
