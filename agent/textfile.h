/* SPDX-License-Identifier: Apache-2.0 */

#ifndef AGENT_TEXTFILE_H
#define AGENT_TEXTFILE_H 1

/* Reads a whole regular file that somebody else may be writing, or may have
 * replaced by something that is no file, and writes one so that nobody sees
 * half of it.  Called for the peer file, weft.conf, the lists of `weft attach
 * --file` and what `weft directory` keeps below /etc/weft. */

#include <sys/stat.h>
#include <sys/types.h>
#include "openvswitch/types.h"

/* What tells that a file is not the one it was, or may be read only now. */
struct textfile_stamp {
    dev_t dev;
    ino_t ino;
    off_t size;
    struct timespec mtime, ctime;
};

/* The stamp of what is at 'path', all zero if there is nothing. */
struct textfile_stamp textfile_stat(const char *path);
bool textfile_stamp_equal(const struct textfile_stamp *,
                          const struct textfile_stamp *);

/* Reads at most 'max' bytes of 'path' ("-": standard input) into the owned,
 * null-terminated '*textp'.  Returns NULL, or an owned message: not there, a
 * directory, a FIFO, too large, or changed while it was read. */
char *textfile_read(const char *path, size_t max, char **textp, size_t *sizep,
                    struct textfile_stamp *);

/* Puts 'text' in place of what is at 'path', or of what a symbolic link there
 * points to, in one step; the new file has 'mode'.  Returns NULL, or an owned
 * message. */
char *textfile_write(const char *path, const char *text, mode_t mode);

#endif /* agent/textfile.h */
