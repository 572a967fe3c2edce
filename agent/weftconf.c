/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "agent/weftconf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "agent/settings.h"
#include "agent/textfile.h"
#include "openvswitch/dynamic-string.h"
#include "util.h"

enum {
    CLIENT_PORT = 6650,
    LINE_MAX_LEN = 198,             /* More than inih takes is refused. */
};

static char *make_line(const struct bundle *);
static bool is_directory(const char *line);

char *
weftconf_set_directory(const struct bundle *b)
{
    char *text = NULL;
    mode_t mode = 0644;
    struct stat st;
    if (!stat(WEFTCONF, &st)) {
        struct textfile_stamp stamp;
        size_t size;
        mode = st.st_mode & 07777;
        char *error = textfile_read(WEFTCONF, SETTINGS_FILE_MAX, &text, &size,
                                    &stamp);
        if (error) {
            return error;
        }
    } else if (errno != ENOENT) {
        return xasprintf("%s: %s", WEFTCONF, ovs_strerror(errno));
    }

    char *line = make_line(b);
    struct ds s = DS_EMPTY_INITIALIZER;
    bool put = false;
    for (const char *p = text; p && *p; ) {
        size_t n = strcspn(p, "\n");
        if (!is_directory(p)) {
            ds_put_format(&s, "%.*s\n", (int) n, p);
        } else if (!put) {
            ds_put_format(&s, "%s\n", line);
            put = true;
        }
        p += n + (p[n] != '\0');
    }
    if (!put) {
        ds_put_format(&s, "%s\n", line);
    }
    char *error = (text && !strcmp(text, ds_cstr(&s)) ? NULL
                   : textfile_write(WEFTCONF, ds_cstr(&s), mode));
    ds_destroy(&s);
    free(line);
    free(text);
    return error;
}

/* As many servers as a line may have: at least three are always among them,
 * and which ones they are does not matter. */
static char *
make_line(const struct bundle *b)
{
    struct svec remotes = bundle_remotes(b, CLIENT_PORT);
    struct ds s = DS_EMPTY_INITIALIZER;
    const char *remote;
    size_t i;
    ds_put_cstr(&s, "directory = ");
    SVEC_FOR_EACH (i, remote, &remotes) {
        if (s.length + 1 + strlen(remote) <= LINE_MAX_LEN) {
            ds_put_format(&s, "%s%s", i ? "," : "", remote);
        }
    }
    svec_destroy(&remotes);
    return ds_steal_cstr(&s);
}

/* As settings.c sees it: blanks before the key, and before = or :. */
static bool
is_directory(const char *line)
{
    static const char key[] = "directory";
    line += strspn(line, " \t");
    if (strncmp(line, key, sizeof key - 1)) {
        return false;
    }
    line += sizeof key - 1;
    line += strspn(line, " \t");
    return *line == '=' || *line == ':';
}
