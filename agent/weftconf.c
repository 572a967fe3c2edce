/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "agent/weftconf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "agent/conffile.h"
#include "agent/settings.h"
#include "agent/textfile.h"
#include "openvswitch/dynamic-string.h"
#include "util.h"

enum {
    CLIENT_PORT = 6650,
    LINE_MAX_LEN = 198,             /* More than inih takes is refused. */
};

static char *make_line(const struct bundle *);

char *
weftconf_set_directory(const struct bundle *b)
{
    char *text = NULL;
    size_t size = 0;
    mode_t mode = 0644;
    struct stat st;
    if (!stat(WEFTCONF, &st)) {
        struct textfile_stamp stamp;
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
    size_t newsize;
    char *new = conffile_set(text ? text : "", size, "directory", line,
                             &newsize);
    char *error = (text && newsize == size && !memcmp(text, new, size) ? NULL
                   : strlen(new) != newsize
                   ? xasprintf("%s: has a null byte: remove it", WEFTCONF)
                   : textfile_write(WEFTCONF, new, mode));
    free(new);
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
