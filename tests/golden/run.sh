#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Compares what each scenario compiles to with its .flows, and the page with
# docs/pipeline.md.  "run.sh --update" writes them instead.
set -u
src=${srcdir:-.}
golden=${GOLDEN:-tests/golden/golden}
status=0
out=$(mktemp) || exit 1
trap 'rm -f "$out"' EXIT

compare() {             # EXPECTED ARGUMENT...
    expected=$1
    shift
    "$golden" "$@" >"$out" || { status=1; return; }
    if [ "${update:-no}" = yes ]; then
        cp "$out" "$expected"
    elif ! diff -u "$expected" "$out"; then
        echo "golden: $expected differs; if that is right: make golden-update"
        status=1
    fi
}

if [ "${1:-}" = --update ]; then update=yes; fi
for scenario in "$src"/tests/golden/*.conf; do
    compare "${scenario%.conf}.flows" "$scenario"
done
compare "$src/docs/pipeline.md" --page "$src/tests/golden/page.conf"
exit $status
