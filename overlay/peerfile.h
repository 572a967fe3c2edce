/* SPDX-License-Identifier: Apache-2.0 */

#ifndef OVERLAY_PEERFILE_H
#define OVERLAY_PEERFILE_H 1

/* How a peer file is written: bytes, lines, comments, INI.  Called by
 * peerlist.c only; what the sections and keys mean is peerdraft.c's. */

#include "overlay/peerdraft.h"

/* Reads all of the 'size' bytes at 'text' into '*d', which is new.  False if
 * something was refused. */
bool peerfile_read(const char *text, size_t size, struct peerdraft *d);

#endif /* overlay/peerfile.h */
