/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "agent/settings.h"

#include <errno.h>
#include <getopt.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "agent/conffile.h"
#include "agent/control-socket.h"
#include "agent/textfile.h"
#include "agent/tls.h"
#include "command-line.h"
#include "daemon.h"
#include "dirs.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/vlog.h"
#include "overlay/address.h"
#include "overlay/model.h"
#include "overlay/request.h"
#include "ovsdb-idl.h"
#include "stream-ssl.h"
#include "stream.h"
#include "util.h"

/* Every setting: the same word is the option's name and the key in weft.conf.
 * The usage text is made of this list. */
#define SETTING(NAME, ARG, HELP) SETTING_AS(NAME, #NAME, ARG, HELP)
#define SETTINGS                                                            \
    SETTING(name, "NAME", "this host's name [in a file: the peer whose "    \
            "address it has; in a database: the certificate's, else the "   \
            "machine's]")                                                   \
    SETTING(directory, "file:PATH|ssl:A:PORT,ssl:B:PORT...",                \
            "the shared list: a peer file, or the servers of a database "   \
            "[file:/etc/weft/peers.conf]")                                  \
    SETTING(address, "IP", "this host's address in the underlay, for a "    \
            "database [the one it speaks to the servers with]")             \
    SETTING(tunnels, "needed|all", "with a database: to hosts that share a "\
            "network with this one, or to all [needed]")                    \
    SETTING(bridge, "BRIDGE", "the integration bridge [br-weft]")           \
    SETTING(datapath, "auto|system|netdev", "OVS datapath; auto: system "   \
            "if the kernel has it [auto]")                                  \
    SETTING(underlay, "IFNAME", "datapath netdev: move this NIC and its "   \
            "addresses to bridge " SETTINGS_UNDERLAY_BRIDGE)                \
    SETTING_AS(private_key, "private-key", "FILE", "this host's key, for "  \
               "ssl: [" TLS_KEY "]")                                        \
    SETTING_AS(certificate, "certificate", "FILE", "the certificate for "   \
               "it [" TLS_CERT "]")                                         \
    SETTING_AS(ca_cert, "ca-cert", "FILE", "the certificate of who signs "  \
               "the servers' [" TLS_CA "]")                                 \
    SETTING(db, "DATABASE", "the local Open_vSwitch database "              \
            "[unix:RUNDIR/db.sock]")                                        \
    SETTING(group, "GROUP", "whose members may ask weftd, besides root "    \
            "[the one that weftd runs as, if not root's]")

enum {
#define SETTING_AS(NAME, WORD, ARG, HELP) SET_##NAME,
    SETTINGS
#undef SETTING_AS
    N_SETTINGS
};

static const struct {
    const char *name, *arg, *help;
    size_t offset;
} list[N_SETTINGS] = {
#define SETTING_AS(NAME, WORD, ARG, HELP) \
    { WORD, ARG, HELP, offsetof(struct settings, NAME) },
    SETTINGS
#undef SETTING_AS
};

BUILD_ASSERT_DECL((int) N_SETTINGS <= (int) SETTINGS_MAX);

static char **member(struct settings *, int setting);
static void parse_options(struct settings *, int argc, char *argv[],
                          bool *config_given);
static void read_config(struct settings *, bool must_exist);
static void set_defaults(struct settings *);
static void check(struct settings *);
static void use_certificates(const struct settings *);
static void usage(void);

void
settings_init(struct settings *s, int argc, char *argv[])
{
    bool config_given = false;
    *s = (struct settings) { .config = xstrdup("/etc/weft/weft.conf") };
    parse_options(s, argc, argv, &config_given);
    read_config(s, config_given);
    set_defaults(s);
    check(s);
    use_certificates(s);
}

void
settings_finish(struct settings *s)
{
    for (int i = 0; i < N_SETTINGS; i++) {
        free(*member(s, i));
    }
    free(s->config);
    free(s->unixctl);
}

static char **
member(struct settings *s, int setting)
{
    return ALIGNED_CAST(char **, (char *) s + list[setting].offset);
}

static void
parse_options(struct settings *s, int argc, char *argv[], bool *config_given)
{
    enum {
        OPT_FIRST_SETTING = UCHAR_MAX + 1,
        OPT_CONFIG = OPT_FIRST_SETTING + N_SETTINGS,
        OPT_UNIXCTL,
        DAEMON_OPTION_ENUMS,
        VLOG_OPTION_ENUMS,
        OPT_PEER_CA_CERT,
        SSL_OPTION_ENUMS,
    };
    static const struct option options[] = {
#define SETTING_AS(NAME, WORD, ARG, HELP) \
        { WORD, required_argument, NULL, OPT_FIRST_SETTING + SET_##NAME },
        SETTINGS
#undef SETTING_AS
        { "config", required_argument, NULL, OPT_CONFIG },
        { "unixctl", required_argument, NULL, OPT_UNIXCTL },
        { "help", no_argument, NULL, 'h' },
        { "version", no_argument, NULL, 'V' },
        DAEMON_LONG_OPTIONS,
        VLOG_LONG_OPTIONS,
        STREAM_SSL_LONG_OPTIONS,
        { NULL, 0, NULL, 0 },
    };
    char *short_options = ovs_cmdl_long_options_to_short_options(options);

    for (;;) {
        int c = getopt_long(argc, argv, short_options, options, NULL);
        if (c == -1) {
            break;
        }
        /* Open vSwitch's letters for three of them. */
        c = (c == 'p' ? OPT_FIRST_SETTING + SET_private_key
             : c == 'c' ? OPT_FIRST_SETTING + SET_certificate
             : c == 'C' ? OPT_FIRST_SETTING + SET_ca_cert : c);
        if (c >= OPT_FIRST_SETTING && c < OPT_CONFIG) {
            char **value = member(s, c - OPT_FIRST_SETTING);
            free(*value);
            *value = xstrdup(optarg);
            continue;
        }
        switch (c) {
        case OPT_CONFIG:
            free(s->config);
            s->config = xstrdup(optarg);
            *config_given = true;
            break;
        case OPT_UNIXCTL:
            free(s->unixctl);
            s->unixctl = xstrdup(optarg);
            break;
        case 'h':
        case 'V':
            free(short_options);
            settings_finish(s);
            if (c == 'h') {
                usage();
            } else {
                ovs_print_version(0, 0);
            }
            exit(EXIT_SUCCESS);
        DAEMON_OPTION_HANDLERS
        VLOG_OPTION_HANDLERS
        STREAM_SSL_OPTION_HANDLERS
        case OPT_PEER_CA_CERT:
            stream_ssl_set_peer_ca_cert_file(optarg);
            break;
        default:                    /* getopt_long() has said what is wrong. */
            exit(2);
        }
    }
    free(short_options);
    if (optind < argc) {
        ovs_error(0, "unexpected argument \"%s\": weftd takes options only; "
                  "see weftd --help", argv[optind]);
        exit(2);
    }
}

/* A conffile_take. */
static char *
take_key(const char *key, const char *value, int line, void *s_)
{
    struct settings *s = s_;
    for (int i = 0; i < N_SETTINGS; i++) {
        if (strcmp(key, list[i].name)) {
            continue;
        } else if (s->seen[i]) {
            return xasprintf("%s is given in line %d already: remove one",
                             key, s->seen[i]);
        }
        s->seen[i] = line;
        char **v = member(s, i);
        if (!*v) {                  /* An option goes before the file. */
            *v = xstrdup(value);
            s->lines[i] = line;
        }
        return NULL;
    }
    struct ds keys = DS_EMPTY_INITIALIZER;
    for (int i = 0; i < N_SETTINGS; i++) {
        ds_put_format(&keys, "%s%s", i ? ", " : "", list[i].name);
    }
    char *error = xasprintf("unknown key %s: write one of %s", key,
                            ds_cstr(&keys));
    ds_destroy(&keys);
    return error;
}

static void
read_config(struct settings *s, bool must_exist)
{
    struct textfile_stamp stamp;
    char *text;
    size_t size;
    char *error = textfile_read(s->config, SETTINGS_FILE_MAX, &text, &size,
                                &stamp);
    if (error) {
        struct stat st;
        if (!must_exist && stat(s->config, &st) && errno == ENOENT) {
            free(error);
            return;
        }
        ovs_fatal(0, "%s", error);
    }
    error = conffile_read(s->config, text, size, take_key, s);
    if (error) {
        ovs_fatal(0, "%s", error);
    }
    free(text);
}

static void
set_defaults(struct settings *s)
{
    static const char *values[N_SETTINGS] = {
        [SET_directory] = "file:/etc/weft/peers.conf",
        [SET_tunnels] = "needed",
        [SET_bridge] = "br-weft",
        [SET_datapath] = "auto",
    };
    for (int i = 0; i < N_SETTINGS; i++) {
        char **v = member(s, i);
        if (!*v && values[i]) {
            *v = xstrdup(values[i]);
        }
    }
    static const char *files[N_SETTINGS] = {
        [SET_private_key] = TLS_KEY,
        [SET_certificate] = TLS_CERT,
        [SET_ca_cert] = TLS_CA,
    };
    /* What `weft directory` has put there for the directory. */
    bool ssl = !strncmp(s->directory, "ssl:", 4);
    for (int i = 0; ssl && i < N_SETTINGS; i++) {
        char **v = member(s, i);
        if (!*v && files[i] && !access(files[i], F_OK)) {
            *v = xstrdup(files[i]);
        }
    }
    if (!s->db) {
        s->db = xasprintf("unix:%s/db.sock", ovs_rundir());
    }
}

/* Misuse of an option is 2, of the file 1. */
static void
refuse(const struct settings *s, int setting, const char *what)
{
    const char *value = *member(CONST_CAST(struct settings *, s), setting);
    if (s->lines[setting]) {
        ovs_fatal(0, "%s:%d: %s = %s: %s", s->config, s->lines[setting],
                  list[setting].name, value, what);
    }
    ovs_error(0, "--%s=%s: %s", list[setting].name, value, what);
    exit(2);
}

/* "10.0.0.1:6650" or "[fd00::1]:6650". */
static bool
is_address_and_port(char *s)
{
    char *colon = strrchr(s, ':');
    unsigned int port;
    if (!colon || !number_parse(colon + 1, &port) || !port || port > 65535) {
        return false;
    }
    *colon = '\0';
    bool v6 = s[0] == '[' && colon[-1] == ']';
    if (v6) {
        colon[-1] = '\0';
        s++;
    }
    struct in6_addr address;
    return address_parse(s, &address) && address_is_v4(&address) == !v6;
}

/* As stream_open() takes it. */
static bool
is_remote(char *s)
{
    return (!strncmp(s, "unix:", 5) ? s[5] != '\0'
            : (!strncmp(s, "ssl:", 4) || !strncmp(s, "tcp:", 4))
            && is_address_and_port(s + 4));
}

/* "ssl:A:6650,tcp:B:6650". */
static bool
is_database(const char *s)
{
    bool good = *s != '\0';
    while (good && *s) {
        size_t len = strcspn(s, ",");
        char *remote = xmemdup0(s, len);
        good = is_remote(remote);
        free(remote);
        s += len;
        if (good && *s) {
            good = *++s != '\0';
        }
    }
    return good;
}

static void
check_directory(struct settings *s)
{
    s->shared = strncmp(s->directory, "file:", 5) != 0;
    if (s->shared ? !is_database(s->directory) : !s->directory[5]) {
        refuse(s, SET_directory, "must be file:PATH, or ssl:IP:PORT, "
               "tcp:IP:PORT or unix:FILE, several with commas between");
    }
    struct in6_addr address;
    if (s->address && (!address_parse(s->address, &address)
                       || address_refuse_unicast(&address))) {
        refuse(s, SET_address, "must be an address of this host");
    }
    if (strcmp(s->tunnels, "needed") && strcmp(s->tunnels, "all")) {
        refuse(s, SET_tunnels, "must be needed or all");
    }
    if (s->shared) {
        return;
    }
    memmove(s->directory, s->directory + 5, strlen(s->directory + 5) + 1);
    if (s->directory[0] != '/') {
        /* The daemon does not stay in the directory it was started in. */
        char *path = abs_file_name(NULL, s->directory);
        free(s->directory);
        s->directory = path;
    }
}

/* Root's own group is everybody's who was never put into another. */
static void
check_group(struct settings *s)
{
    s->gid = getegid() ? getegid() : CONTROL_GROUP_NONE;
    if (s->group) {
        const struct group *group = getgrnam(s->group);
        if (!group) {
            refuse(s, SET_group, "there is no such group");
        }
        s->gid = group->gr_gid;
    }
}

static void
check(struct settings *s)
{
    check_directory(s);
    if (strcmp(s->datapath, "auto") && strcmp(s->datapath, "system")
        && strcmp(s->datapath, "netdev")) {
        refuse(s, SET_datapath, "must be auto, system or netdev");
    }
    if (s->name && !name_is_valid(s->name)) {
        refuse(s, SET_name, "must be " NAME_RULE);
    }
    char *error = ifname_refuse(s->bridge);
    if (error) {
        refuse(s, SET_bridge, error);
    }
    error = s->underlay ? ifname_refuse(s->underlay) : NULL;
    if (error) {
        refuse(s, SET_underlay, error);
    }
    if (stream_verify_name(s->db)) {
        refuse(s, SET_db, "must be unix:FILE, tcp:IP:PORT or ssl:IP:PORT");
    }
    check_group(s);
}

static void
use_certificates(const struct settings *s)
{
    static const int files[] = { SET_private_key, SET_certificate,
                                 SET_ca_cert };
    for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
        const char *file = *member(CONST_CAST(struct settings *, s),
                                   files[i]);
        if (file && access(file, R_OK)) {
            refuse(s, files[i], ovs_strerror(errno));
        }
    }
    if (s->private_key) {
        stream_ssl_set_private_key_file(s->private_key);
    }
    if (s->certificate) {
        stream_ssl_set_certificate_file(s->certificate);
    }
    if (s->ca_cert) {
        stream_ssl_set_ca_cert_file(s->ca_cert, false);
    }
}

static void
usage(void)
{
    printf("weftd: attaches network namespaces to an Open vSwitch overlay\n"
           "usage: weftd [OPTION]...\n\n"
           "Settings (also \"KEY = VALUE\" in weft.conf):\n");
    for (int i = 0; i < N_SETTINGS; i++) {
        char *left = xasprintf("--%s=%s", list[i].name, list[i].arg);
        printf("  %s\n      %s\n", left, list[i].help);
        free(left);
    }
    printf("\nOther options:\n"
           "  --config=FILE\n      settings [/etc/weft/weft.conf]\n"
           "  --unixctl=SOCKET\n      control socket\n"
           "  -h, --help\n  -V, --version\n");
    stream_usage("DATABASE", true, false, false);
    daemon_usage();
    vlog_usage();
}
