#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Holds the rooms to their rules: includes run agent -> ovsdb -> overlay only,
# and the pure library needs no symbol of the outside world.
set -u
src=${srcdir:-.}
status=0

fail() {
    echo "purity: $1"
    status=1
}

found=$(grep -nE '#include "(agent|ovsdb)/' "$src"/overlay/*.[ch]) &&
    fail "overlay/ includes another room: $found"
found=$(grep -nE '#include "agent/' "$src"/ovsdb/*.[ch]) &&
    fail "ovsdb/ includes agent/: $found"
found=$(grep -nE '#include [<"](libmnl|event2|nftables|sys/socket|unistd|fcntl|time|sys/time)' \
        "$src"/overlay/*.[ch]) &&
    fail "overlay/ includes what it may not: $found"
found=$(grep -nE '#include [<"](libmnl|event2|nftables|linux/)|openvswitch/(rconn|vconn|ofp-)' \
        "$src"/ovsdb/*.[ch]) &&
    fail "ovsdb/ includes what it may not: $found"

forbidden='socket|connect|bind|open|open64|fopen|fopen64|read|write|unlink
stat|getenv|time|clock_gettime|gettimeofday|time_msec|time_wall_msec|vlog
mnl_.*|event_.*|nft_.*|poll_.*|random_.*|rand|fork|setns|ioctl|unixctl_.*
ovsdb_.*|ovsrec_.*|jsonrpc_.*|stream_.*|rconn_.*|fprintf|printf|puts'
pattern=$(echo "$forbidden" | tr '\n' '|' | sed 's/|$//')
found=$(nm -u liboverlay.a | awk '$1 == "U" { print $2 }' | sort -u |
        grep -E "^($pattern)(@.*)?\$") &&
    fail "liboverlay.a needs: $found"
nm -u liboverlay.a | grep -q xmalloc || fail "nm saw nothing"
exit $status
