/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "overlay/request.h"

#include <limits.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "openvswitch/dynamic-string.h"
#include "openvswitch/util.h"
#include "overlay/address.h"
#include "packets.h"
#include "svec.h"
#include "util.h"

#define BLANKS " \t\r\n"

/* Like all functions below, returns NULL or an owned message. */
typedef char *take_func(struct attach_request *, const char *value);
static take_func take_network, take_name, take_ip;
static take_func take_mac, take_ifname, take_mtu;
static take_func take_owner, take_print, take_move;

enum { ATTACH = 1 << 0, TAP = 1 << 1 };
enum { N_OPTIONS = 9 };
static const struct option {
    const char *name;
    int commands;                   /* That have it. */
    bool many;                      /* May be given more than once. */
    bool bare;                      /* Has no value. */
    take_func *take;
} options[N_OPTIONS] = {
    { "--network", ATTACH | TAP, false, false, take_network },
    { "--name", ATTACH, false, false, take_name },
    { "--ip", ATTACH | TAP, true, false, take_ip },
    { "--mac", ATTACH | TAP, false, false, take_mac },
    { "--ifname", ATTACH, false, false, take_ifname },
    { "--mtu", ATTACH | TAP, false, false, take_mtu },
    { "--owner", TAP, false, false, take_owner },
    { "--print", TAP, false, false, take_print },
    { "--move", ATTACH | TAP, false, true, take_move },
};

static char *parse(int argc, const char *const argv[],
                   struct attach_request *);
static char *parse_args(int argc, const char *const argv[],
                        struct attach_request *);
static char *parse_option(int argc, const char *const argv[], int *i,
                          bool given[N_OPTIONS], struct attach_request *);
static char *refuse_option(const char *arg, int command);
static char *take_what(struct attach_request *, const char *value);
static char *refuse_words(int argc, const char *const argv[]);
static char *refuse_netns(const char *netns);
static char *take_word(const char **linep, struct ds *word);

char *
attach_request_parse(int argc, const char *const argv[],
                     struct attach_request *req)
{
    *req = (struct attach_request) { .owner = UINT32_MAX };
    char *error = parse(argc, argv, req);

    if (!error && !req->ifname) {
        req->ifname = xstrdup("eth0");
    }
    return error;
}

char *
tap_request_parse(int argc, const char *const argv[],
                  struct attach_request *req)
{
    *req = (struct attach_request) { .tap = true, .owner = UINT32_MAX };
    return parse(argc, argv, req);
}

void
attach_request_finish(struct attach_request *req)
{
    if (req) {
        free(req->netns);
        free(req->network);
        free(req->name);
        free(req->ifname);
        memset(req, 0, sizeof *req);
    }
}

struct attach_request *
attach_request_clone(const struct attach_request *req)
{
    struct attach_request *clone = xmemdup(req, sizeof *req);
    clone->netns = nullable_xstrdup(req->netns);
    clone->network = nullable_xstrdup(req->network);
    clone->name = nullable_xstrdup(req->name);
    clone->ifname = nullable_xstrdup(req->ifname);
    return clone;
}

char *
request_split(const char *line, int *argcp, char ***argvp)
{
    struct svec words = SVEC_EMPTY_INITIALIZER;
    struct ds word = DS_EMPTY_INITIALIZER;
    char *error = strlen(line) <= REQUEST_LINE_MAX ? NULL
                  : xasprintf("more than %d bytes: shorten the line",
                              REQUEST_LINE_MAX);

    line += strspn(line, BLANKS);
    while (!error && *line && *line != '#') {
        ds_clear(&word);
        error = words.n < REQUEST_ARGS_MAX ? take_word(&line, &word)
                : xasprintf("more than %d words: remove some",
                            REQUEST_ARGS_MAX);
        svec_add(&words, ds_cstr(&word));
        line += strspn(line, BLANKS);
    }
    ds_destroy(&word);

    *argcp = 0;
    *argvp = NULL;
    if (error) {
        svec_destroy(&words);
    } else {
        svec_terminate(&words);
        *argcp = words.n;
        *argvp = words.names;
    }
    return error;
}

void
request_words_free(char **argv)
{
    for (size_t i = 0; argv && argv[i]; i++) {
        free(argv[i]);
    }
    free(argv);
}

char *
ifname_refuse(const char *ifname)
{
    size_t len = strlen(ifname);
    bool ok = len && len < IFNAMSIZ
              && strcmp(ifname, ".") && strcmp(ifname, "..");

    /* To the kernel's isspace() 0xa0 is a space, and "eth%d" is an order to
     * choose a number. */
    for (size_t i = 0; ok && i < len; i++) {
        unsigned char c = ifname[i];

        ok = c > 0x20 && c != 0x7f && c != 0xa0 && !strchr("/:%", c);
    }
    return ok ? NULL
           : xasprintf("must be 1 to %d bytes, none of them / : %% blank or "
                       "control", IFNAMSIZ - 1);
}

char *
request_default_name(const char *netns)
{
    const char *slash = strrchr(netns, '/');
    char *name = !strncmp(netns, "pid:", 4) ? xasprintf("pid-%s", &netns[4])
                 : xstrdup(slash ? &slash[1] : netns);

    if (!name_is_valid(name)) {
        free(name);
        return NULL;
    }
    return name;
}

static char *
parse(int argc, const char *const argv[], struct attach_request *req)
{
    char *error = refuse_words(argc, argv);

    if (!error) {
        error = parse_args(argc, argv, req);
    }
    if (error) {
        char *message = xasprintf("%s: %s", req->tap ? "tap" : "attach",
                                  error);

        attach_request_finish(req);
        free(error);
        return message;
    }
    req->ip_auto = req->ip_auto || !req->n_ips;
    return NULL;
}

static char *
parse_args(int argc, const char *const argv[], struct attach_request *req)
{
    bool given[N_OPTIONS] = { false };
    bool options_end = false;

    for (int i = 0; i < argc; i++) {
        char *error = NULL;

        if (!options_end && !strcmp(argv[i], "--")) {
            options_end = true;
        } else if (!options_end && argv[i][0] == '-') {
            error = parse_option(argc, argv, &i, given, req);
        } else {
            error = take_what(req, argv[i]);
        }
        if (error) {
            return error;
        }
    }
    if (req->tap) {
        return req->name ? NULL : xstrdup("no NAME: write one");
    } else if (!req->netns) {
        return xstrdup("no NETNS: write a name, pid:N or a path");
    }
    if (!req->name) {
        char *name = request_default_name(req->netns);

        if (!name) {
            return xasprintf("%s gives no endpoint's name: add --name, "
                             NAME_RULE, req->netns);
        }
        free(name);
    }
    return NULL;
}

/* Parses argv[*i], which begins with a dash, and sets '*i' to the last word
 * that belongs to it. */
static char *
parse_option(int argc, const char *const argv[], int *i,
             bool given[N_OPTIONS], struct attach_request *req)
{
    int command = req->tap ? TAP : ATTACH;
    const char *arg = argv[*i];
    size_t len = strcspn(arg, "=");

    for (size_t j = 0; j < N_OPTIONS; j++) {
        const struct option *option = &options[j];

        if (strlen(option->name) != len || strncmp(arg, option->name, len)
            || !(option->commands & command)) {
            continue;
        }
        if (given[j] && !option->many) {
            return xasprintf("%s is given twice: remove one", option->name);
        }
        if (option->bare && arg[len]) {
            return xasprintf("%s has no value: remove it", option->name);
        }
        if (!option->bare && !arg[len] && *i + 1 >= argc) {
            return xasprintf("%s has no value: write one", option->name);
        }
        given[j] = true;

        const char *value = (option->bare ? NULL
                             : arg[len] ? &arg[len + 1] : argv[++*i]);
        char *error = option->take(req, value);
        if (error) {
            char *message = xasprintf("%s %s", option->name, error);

            free(error);
            return message;
        }
        return NULL;
    }
    return refuse_option(arg, command);
}

static char *
refuse_option(const char *arg, int command)
{
    struct ds ds = DS_EMPTY_INITIALIZER;
    const char *separator = "";

    ds_put_format(&ds, "unknown option %s: write one of ", arg);
    for (size_t i = 0; i < N_OPTIONS; i++) {
        if (options[i].commands & command) {
            ds_put_format(&ds, "%s%s", separator, options[i].name);
            separator = ", ";
        }
    }
    return ds_steal_cstr(&ds);
}

/* The word without a dash: NETNS or NAME. */
static char *
take_what(struct attach_request *req, const char *value)
{
    char **what = req->tap ? &req->name : &req->netns;

    if (*what) {
        return xasprintf("%s: %s is already %s: write one of them", value,
                         req->tap ? "NAME" : "NETNS", *what);
    } else if (req->tap) {
        return take_name(req, value);
    }
    req->netns = xstrdup(value);
    return refuse_netns(value);
}

static char *
refuse_words(int argc, const char *const argv[])
{
    if (argc > REQUEST_ARGS_MAX) {
        return xasprintf("more than %d words: remove some", REQUEST_ARGS_MAX);
    }
    for (int i = 0; i < argc; i++) {
        char *error = strlen(argv[i]) <= REQUEST_LINE_MAX
                      ? text_refuse(argv[i])
                      : xasprintf("more than %d bytes: shorten it",
                                  REQUEST_LINE_MAX);

        if (error) {
            char *message = xasprintf("word %d: %s", i + 1, error);

            free(error);
            return message;
        }
    }
    return NULL;
}

static char *
refuse_netns(const char *netns)
{
    unsigned int pid;

    if (!netns[0] || !strcmp(netns, ".") || !strcmp(netns, "..")) {
        return xasprintf("\"%s\" is no NETNS: write a name, pid:N or a path",
                         netns);
    }
    if (!strncmp(netns, "pid:", 4)) {
        if (!number_parse(&netns[4], &pid) || pid < 1 || pid > INT_MAX) {
            return xasprintf("%s: not a process's id: write pid:N", netns);
        }
    } else if (strchr(netns, '/') && netns[0] != '/') {
        /* weftd does not share the user's working directory. */
        return xasprintf("%s: not an absolute path: write one that begins "
                         "with /", netns);
    }
    return NULL;
}

static char *
take_network(struct attach_request *req, const char *value)
{
    req->network = xstrdup(value);
    return name_is_valid(value) ? NULL
           : xasprintf("%s: not a network's name: write "NAME_RULE, value);
}

static char *
take_name(struct attach_request *req, const char *value)
{
    req->name = xstrdup(value);
    return name_is_valid(value) ? NULL
           : xasprintf("%s: not an endpoint's name: write "NAME_RULE, value);
}

static char *
take_ip(struct attach_request *req, const char *value)
{
    struct prefix p;

    if (!strcmp(value, "auto")) {
        req->ip_auto = true;
        return NULL;
    } else if (!strcmp(value, "dhcp")) {
        req->ip_dhcp = true;
        return NULL;
    }
    if (req->n_ips >= ENDPOINT_IPS_MAX) {
        return xasprintf("%s: more than %d addresses: remove some", value,
                         ENDPOINT_IPS_MAX);
    }

    char *error = prefix_parse(value, &p);
    if (error) {
        return error;
    }

    const char *reason = address_refuse_unicast(&p.addr);
    if (!reason) {
        reason = prefix_refuse_host(&p, &p.addr);
    }
    if (reason) {
        return xasprintf("%s %s: write another", value, reason);
    }
    for (size_t i = 0; i < req->n_ips; i++) {
        if (ipv6_addr_equals(&req->ips[i].addr, &p.addr)) {
            return xasprintf("%s is given twice: remove one", value);
        }
    }
    req->ips[req->n_ips++] = p;
    return NULL;
}

static char *
take_mac(struct attach_request *req, const char *value)
{
    char canonical[ETH_ADDR_STRLEN + 1];

    /* eth_addr_from_string() also takes "a:57:1:2:3:4" and "00a:...". */
    bool ok = eth_addr_from_string(value, &req->mac);
    snprintf(canonical, sizeof canonical, ETH_ADDR_FMT,
             ETH_ADDR_ARGS(req->mac));
    if (!ok || strcasecmp(value, canonical)
        || eth_addr_is_multicast(req->mac) || eth_addr_is_zero(req->mac)) {
        return xasprintf("%s: not a unicast MAC address: write one like "
                         "0a:57:0a:01:00:05", value);
    }
    return NULL;
}

static char *
take_ifname(struct attach_request *req, const char *value)
{
    char *error = ifname_refuse(value);

    if (error) {
        char *message = xasprintf("%s: %s", value, error);

        free(error);
        return message;
    }
    req->ifname = xstrdup(value);
    return NULL;
}

static char *
take_mtu(struct attach_request *req, const char *value)
{
    unsigned int mtu;

    if (!number_parse(value, &mtu) || mtu < MTU_MIN || mtu > MTU_MAX) {
        return xasprintf("%s is not within %d..%d", value, MTU_MIN, MTU_MAX);
    }
    req->mtu = mtu;
    return NULL;
}

/* A name has become a number before it gets here: see agent/user.h. */
static char *
take_owner(struct attach_request *req, const char *value)
{
    unsigned int uid;

    if (!number_parse(value, &uid) || uid >= UINT32_MAX) {
        return xasprintf("%s: not a user's number", value);
    }
    req->owner = uid;
    return NULL;
}

static char *
take_print(struct attach_request *req, const char *value)
{
    req->print_qemu = !strcmp(value, "qemu");
    return req->print_qemu ? NULL
           : xasprintf("%s: write --print qemu", value);
}

static char *
take_move(struct attach_request *req, const char *value OVS_UNUSED)
{
    req->move = true;
    return NULL;
}

/* Moves '*linep' behind the word that begins there. */
static char *
take_word(const char **linep, struct ds *word)
{
    const char *s = *linep;
    char quote = '\0';

    for (; *s && (quote || !strchr(BLANKS, *s)); s++) {
        if (*s == quote) {
            quote = '\0';
        } else if (!quote && (*s == '\'' || *s == '"')) {
            quote = *s;
        } else if (*s == '\\' && quote != '\'') {
            if (!*++s) {
                return xstrdup("a \\ at the end escapes nothing: remove it");
            }
            ds_put_char(word, *s);
        } else {
            ds_put_char(word, *s);
        }
    }
    *linep = s;
    return quote ? xasprintf("a word is not ended: add a %c", quote) : NULL;
}
