#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# build.sh TREE DIR: builds the Debian package of a tree, from a copy of what
# is not made, into DIR.  WEFT_OVS_BUILD: see debian/rules.
set -eu
tree=$(cd "$1" && pwd)
mkdir -p "$2"
dir=$(cd "$2" && pwd)
rm -rf "$dir/src" "$dir"/weft_* "$dir"/weft-dbgsym_*
mkdir "$dir/src"
if [ -e "$tree/.git" ]; then
    (cd "$tree" && git -c safe.directory='*' ls-files -z -co \
        --exclude-standard | tar --null -T - -c) | tar -C "$dir/src" -x
else
    tar -C "$tree" --exclude=./_build --exclude=./build-aux \
        --exclude=./autom4te.cache -c . | tar -C "$dir/src" -x
fi
cd "$dir/src"
exec dpkg-buildpackage -b -us -uc
