/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "agent/underlay-text.h"

#include <linux/if_addr.h>
#include <stdlib.h>
#include <string.h>
#include "openvswitch/util.h"
#include "overlay/address.h"
#include "util.h"

/* A word for a number.  What has none is written as the number. */
struct word {
    uint32_t number;
    const char *name;               /* NULL at the end. */
};

static const struct word types[] = {
    { RTN_UNICAST, "unicast" },
    { RTN_LOCAL, "local" },
    { RTN_BROADCAST, "broadcast" },
    { RTN_ANYCAST, "anycast" },
    { RTN_MULTICAST, "multicast" },
    { 0, NULL },
};

static const struct word protocols[] = {
    { RTPROT_KERNEL, "kernel" },
    { RTPROT_BOOT, "boot" },
    { RTPROT_STATIC, "static" },
    { RTPROT_RA, "ra" },
    { RTPROT_DHCP, "dhcp" },
    { 0, NULL },
};

static const struct word scopes[] = {
    { RT_SCOPE_UNIVERSE, "global" },
    { RT_SCOPE_SITE, "site" },
    { RT_SCOPE_LINK, "link" },
    { RT_SCOPE_HOST, "host" },
    { 0, NULL },
};

static const char *const offloads[] = {     /* By RTNL_GRO and RTNL_LRO. */
    [0] = "",
    [RTNL_GRO] = "gro",
    [RTNL_LRO] = "lro",
    [RTNL_GRO | RTNL_LRO] = "gro,lro",
};

static const struct word prefs[] = {    /* RFC 4191, section 2.1. */
    { 0, "medium" },
    { 1, "high" },
    { 3, "low" },
    { 0, NULL },
};

static const struct word metrics[] = {
    { RTAX_MTU, "mtu" },
    { RTAX_WINDOW, "window" },
    { RTAX_RTT, "rtt" },
    { RTAX_RTTVAR, "rttvar" },
    { RTAX_SSTHRESH, "ssthresh" },
    { RTAX_CWND, "cwnd" },
    { RTAX_ADVMSS, "advmss" },
    { RTAX_REORDERING, "reordering" },
    { RTAX_HOPLIMIT, "hoplimit" },
    { RTAX_INITCWND, "initcwnd" },
    { RTAX_FEATURES, "features" },
    { RTAX_RTO_MIN, "rto_min" },
    { RTAX_INITRWND, "initrwnd" },
    { RTAX_QUICKACK, "quickack" },
    { RTAX_FASTOPEN_NO_COOKIE, "fastopen_no_cookie" },
    { 0, NULL },
};

static const struct word address_flags[] = {
    { IFA_F_NODAD, "nodad" },
    { IFA_F_HOMEADDRESS, "home" },
    { IFA_F_MANAGETEMPADDR, "mngtmpaddr" },
    { IFA_F_NOPREFIXROUTE, "noprefixroute" },
    { IFA_F_MCAUTOJOIN, "autojoin" },
    { 0, NULL },
};

/* Words that are taken one by one from a copy of a text. */
struct words {
    char *copy, *save;
    const char *word;               /* The last one; NULL at the end. */
};

static void words_init(struct words *, const char *text);
static char *words_finish(struct words *, bool ok);
static bool next(struct words *);
static bool is(const struct words *, const char *word);
static bool take_prefix(struct words *, struct prefix *);
static bool take_ip(struct words *, struct in6_addr *);
static bool take_u32(struct words *, uint32_t *);
static bool take_named(struct words *, const struct word names[], uint8_t *);
static bool take_string(struct words *, char *, size_t size);
static bool take_address_option(struct words *, struct rtnl_addr *);
static bool take_route_option(struct words *, struct rtnl_route *);
static bool take_gateway(struct words *, struct rtnl_route *);
static bool take_metric(struct words *, struct rtnl_route *);
static const struct word *find(const struct word[], const char *name);
static void put_named(struct ds *, const char *what, const struct word[],
                      uint32_t number);
static void put_ip(struct ds *, const char *what, const struct in6_addr *);
static void put_seconds(struct ds *, const char *what, uint32_t seconds);
static void put_metrics(struct ds *, const struct rtnl_route *);

void
underlay_format_address(const struct rtnl_addr *a, struct ds *s)
{
    if (a->has_peer) {
        address_format(&a->ip.addr, s);
        ds_put_cstr(s, " peer ");
        prefix_format(&(struct prefix) { a->peer, a->ip.len }, s);
    } else {
        prefix_format(&a->ip, s);
    }
    if (a->has_broadcast) {
        put_ip(s, "brd", &a->broadcast);
    }
    if (a->scope != RT_SCOPE_UNIVERSE) {
        put_named(s, "scope", scopes, a->scope);
    }
    if (a->label[0] && !strpbrk(a->label, " ,")) {
        ds_put_format(s, " label %s", a->label);
    }
    if (a->metric) {
        ds_put_format(s, " metric %"PRIu32, a->metric);
    }
    if (a->protocol) {
        ds_put_format(s, " proto %d", a->protocol);
    }
    for (const struct word *f = address_flags; f->name; f++) {
        if (a->flags & f->number) {
            ds_put_format(s, " %s", f->name);
        }
    }
    if (a->valid_lft != UINT32_MAX) {
        put_seconds(s, "valid_lft", a->valid_lft);
    }
    if (a->preferred_lft != UINT32_MAX) {
        put_seconds(s, "preferred_lft", a->preferred_lft);
    }
}

char *
underlay_parse_address(const char *text, struct rtnl_addr *a)
{
    struct words w;
    *a = (struct rtnl_addr) {
        .scope = RT_SCOPE_UNIVERSE,
        .valid_lft = UINT32_MAX,
        .preferred_lft = UINT32_MAX,
    };
    words_init(&w, text);
    bool ok = next(&w);
    if (ok && strchr(w.word, '/')) {
        char *error = prefix_parse(w.word, &a->ip);
        ok = !error;
        free(error);
    } else if (ok) {
        struct prefix peer = { .len = 0 };
        a->has_peer = ok = (address_parse(w.word, &a->ip.addr)
                            && next(&w) && is(&w, "peer")
                            && take_prefix(&w, &peer)
                            && prefix_is_v4(&peer) == prefix_is_v4(&a->ip));
        if (ok) {
            a->peer = peer.addr;
            a->ip.len = peer.len;
        }
    }
    while (ok && next(&w)) {
        ok = take_address_option(&w, a);
    }
    return words_finish(&w, ok);
}

void
underlay_format_route(const struct rtnl_route *r, struct ds *s)
{
    if (r->type && r->type != RTN_UNICAST) {
        put_named(s, NULL, types, r->type);
        ds_put_char(s, ' ');
    }
    prefix_format(&r->dst, s);
    if (r->has_gateway) {
        bool same = address_is_v4(&r->gateway) == prefix_is_v4(&r->dst);
        put_ip(s, same ? "via" : "via inet6", &r->gateway);
    }
    if (r->protocol != RTPROT_BOOT) {
        put_named(s, "proto", protocols, r->protocol);
    }
    if (r->scope != RT_SCOPE_UNIVERSE) {
        put_named(s, "scope", scopes, r->scope);
    }
    if (r->has_src) {
        put_ip(s, "src", &r->src);
    }
    if (r->metric) {
        ds_put_format(s, " metric %"PRIu32, r->metric);
    }
    if (r->onlink) {
        ds_put_cstr(s, " onlink");
    }
    put_metrics(s, r);
    if (r->pref) {
        put_named(s, "pref", prefs, r->pref);
    }
    if (r->expires) {
        put_seconds(s, "expires", r->expires);
    }
}

char *
underlay_parse_route(const char *text, struct rtnl_route *r)
{
    struct words w;
    *r = (struct rtnl_route) {
        .type = RTN_UNICAST,
        .protocol = RTPROT_BOOT,
        .scope = RT_SCOPE_UNIVERSE,
    };
    words_init(&w, text);
    bool ok = next(&w);
    const struct word *type = ok ? find(types, w.word) : NULL;
    if (type) {
        r->type = type->number;
        ok = next(&w);
    }
    if (ok) {
        char *error = prefix_parse(w.word, &r->dst);
        ok = !error;
        free(error);
    }
    while (ok && next(&w)) {
        ok = take_route_option(&w, r);
    }
    return words_finish(&w, ok);
}

static void
words_init(struct words *w, const char *text)
{
    *w = (struct words) { .copy = xstrdup(text) };
}

/* Returns NULL if all was 'ok', or else an owned message. */
static char *
words_finish(struct words *w, bool ok)
{
    char *unsafe = ok || !w->word ? NULL : text_refuse(w->word);
    char *error = (ok ? NULL
                   : unsafe ? xasprintf("a word has a %s", unsafe)
                   : w->word ? xasprintf("\"%s\" is not understood", w->word)
                   : xstrdup("a word lacks at the end"));
    free(unsafe);
    free(w->copy);
    return error;
}

static bool
next(struct words *w)
{
    w->word = strtok_r(w->save ? NULL : w->copy, " ", &w->save);
    return w->word != NULL;
}

static bool
is(const struct words *w, const char *word)
{
    return !strcmp(w->word, word);
}

static bool
take_prefix(struct words *w, struct prefix *p)
{
    char *error = next(w) ? prefix_parse(w->word, p) : xstrdup("");
    bool ok = !error;
    free(error);
    return ok;
}

static bool
take_ip(struct words *w, struct in6_addr *ip)
{
    return next(w) && address_parse(w->word, ip);
}

/* A number, or one of seconds. */
static bool
take_u32(struct words *w, uint32_t *number)
{
    if (!next(w)) {
        return false;
    }
    size_t len = strlen(w->word);
    bool seconds = len > 3 && !strcmp(&w->word[len - 3], "sec");
    char *digits = xmemdup0(w->word, len - (seconds ? 3 : 0));
    unsigned int value;
    bool ok = number_parse(digits, &value);
    free(digits);
    *number = ok ? value : 0;
    return ok;
}

static bool
take_named(struct words *w, const struct word names[], uint8_t *number)
{
    if (!next(w)) {
        return false;
    }
    const struct word *name = find(names, w->word);
    unsigned int value = name ? name->number : 0;
    bool ok = name || (number_parse(w->word, &value) && value <= UINT8_MAX);
    *number = value;
    return ok;
}

static bool
take_string(struct words *w, char *s, size_t size)
{
    if (!next(w) || strlen(w->word) >= size) {
        return false;
    }
    ovs_strzcpy(s, w->word, size);
    return true;
}

static bool
take_address_option(struct words *w, struct rtnl_addr *a)
{
    const struct word *flag = find(address_flags, w->word);
    if (flag) {
        a->flags |= flag->number;
        return true;
    } else if (is(w, "brd")) {
        return a->has_broadcast = take_ip(w, &a->broadcast);
    } else if (is(w, "scope")) {
        return take_named(w, scopes, &a->scope);
    } else if (is(w, "label")) {
        return take_string(w, a->label, sizeof a->label);
    } else if (is(w, "metric")) {
        return take_u32(w, &a->metric);
    } else if (is(w, "proto")) {
        return take_named(w, &(struct word) { 0, NULL }, &a->protocol);
    } else if (is(w, "valid_lft")) {
        return take_u32(w, &a->valid_lft);
    } else if (is(w, "preferred_lft")) {
        return take_u32(w, &a->preferred_lft);
    }
    return false;
}

static bool
take_route_option(struct words *w, struct rtnl_route *r)
{
    if (is(w, "via")) {
        return take_gateway(w, r);
    } else if (is(w, "proto")) {
        return take_named(w, protocols, &r->protocol);
    } else if (is(w, "scope")) {
        return take_named(w, scopes, &r->scope);
    } else if (is(w, "src")) {
        return r->has_src = take_ip(w, &r->src);
    } else if (is(w, "metric")) {
        return take_u32(w, &r->metric);
    } else if (is(w, "onlink")) {
        return r->onlink = true;
    } else if (is(w, "congctl")) {
        return take_string(w, r->congctl, sizeof r->congctl);
    } else if (is(w, "pref")) {
        return take_named(w, prefs, &r->pref);
    } else if (is(w, "expires")) {
        return take_u32(w, &r->expires);
    }
    return take_metric(w, r);
}

static bool
take_gateway(struct words *w, struct rtnl_route *r)
{
    r->has_gateway = (next(w) && (!is(w, "inet6") || next(w))
                      && address_parse(w->word, &r->gateway));
    return r->has_gateway;
}

/* "mtu 1400", or "mtu lock 1400". */
static bool
take_metric(struct words *w, struct rtnl_route *r)
{
    const struct word *metric = find(metrics, w->word);
    if (!metric || !next(w)) {
        return false;
    }
    if (is(w, "lock")) {
        r->metrics[RTAX_LOCK] |= 1u << metric->number;
        if (!next(w)) {
            return false;
        }
    }
    unsigned int value;
    bool ok = number_parse(w->word, &value);
    r->metrics[metric->number] = ok ? value : 0;
    return ok;
}

static const struct word *
find(const struct word words[], const char *name)
{
    for (; words->name; words++) {
        if (!strcmp(words->name, name)) {
            return words;
        }
    }
    return NULL;
}

static void
put_named(struct ds *s, const char *what, const struct word words[],
          uint32_t number)
{
    if (what) {
        ds_put_format(s, " %s ", what);
    }
    for (; words->name; words++) {
        if (words->number == number) {
            ds_put_cstr(s, words->name);
            return;
        }
    }
    ds_put_format(s, "%"PRIu32, number);
}

static void
put_ip(struct ds *s, const char *what, const struct in6_addr *ip)
{
    ds_put_format(s, " %s ", what);
    address_format(ip, s);
}

static void
put_seconds(struct ds *s, const char *what, uint32_t seconds)
{
    ds_put_format(s, " %s %"PRIu32"sec", what, seconds);
}

static void
put_metrics(struct ds *s, const struct rtnl_route *r)
{
    for (const struct word *m = metrics; m->name; m++) {
        bool locked = (r->metrics[RTAX_LOCK] & 1u << m->number) != 0;
        if (r->metrics[m->number] || locked) {
            ds_put_format(s, " %s %s%"PRIu32, m->name, locked ? "lock " : "",
                          r->metrics[m->number]);
        }
    }
    if (r->congctl[0] && !strpbrk(r->congctl, " ,")) {
        ds_put_format(s, " congctl %s", r->congctl);
    }
}

const char *
underlay_format_offloads(unsigned int on)
{
    return offloads[on & (RTNL_GRO | RTNL_LRO)];
}

unsigned int
underlay_parse_offloads(const char *text)
{
    for (unsigned int on = 1; on < ARRAY_SIZE(offloads); on++) {
        if (!strcmp(text, offloads[on])) {
            return on;
        }
    }
    return 0;
}
