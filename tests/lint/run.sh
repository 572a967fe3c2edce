#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What compilers and cppcheck find without running anything, in all that is
# written in C here.  usage: run.sh [gcc|clang|cppcheck]...   [all three]
# From the environment: srcdir, LINT_CPPFLAGS, LINT_JOBS.  Any finding is a
# failure.  A false alarm is made none where it is raised: by an assertion that
# says what the tool could not know, or by a comment that says why.
set -u
src=${srcdir:-.}
jobs=${LINT_JOBS:-$(nproc 2>/dev/null || echo 2)}
passed=0
failed=0

files() {
    ls "$src"/agent/*.c "$src"/ovsdb/*.c "$src"/overlay/*.c "$src"/tests/*.c \
        "$src"/tests/[!l]*/*.c "$src"/tests/system/faults/*.c
}

# each CC FLAG...: compiles every file, into nothing.
each() {
    # shellcheck disable=SC2086
    files | xargs -P "$jobs" -n 1 "$@" '-DWEFT_VERSION="0"' \
        '-DWEFT_PKGDATADIR="/"' $LINT_CPPFLAGS -std=gnu11 -Werror -c \
        -o /dev/null
}

lint_gcc() {
    each gcc -fanalyzer
}

# scan-build puts its analyser before clang, as $CC.  With a third of the usual
# patience with each function it takes half the time.
lint_clang() {
    reports=$(mktemp -d) || return 1
    scan-build -o "$reports" --use-cc=clang --status-bugs \
        -analyzer-config max-nodes=75000 "$src"/tests/lint/run.sh scan
    scan_status=$?
    # The place of each finding; the pages that explain them stay.
    grep -rhoE '^<!-- (BUGDESC|BUGFILE|BUGLINE) .*' "$reports"
    if [ $scan_status = 0 ]; then
        rm -rf "$reports"
    else
        echo "lint: see the pages in $reports"
    fi
    return $scan_status
}

# cppcheck reads no headers but ours: ovs.cfg tells it what it has to know.
lint_cppcheck() {
    files | cppcheck -q -j "$jobs" --file-list=- --error-exitcode=1 \
        --enable=warning,performance,portability --inline-suppr --std=c11 \
        --library=posix,gnu --library="$src"/tests/lint/ovs.cfg \
        --suppressions-list="$src"/tests/lint/cppcheck.supp \
        -D_GNU_SOURCE=1 -D__linux__=1 -D__GNUC__=12 -I"$src" \
        --template='{file}:{line}: {severity}: {message} [{id}]'
}

if [ "${1-}" = scan ]; then
    each "$CC" -include "$src"/tests/lint/containers.h
    exit
fi
[ $# -gt 0 ] || set -- gcc clang cppcheck
for tool; do
    began=$(date +%s)
    echo "lint: $tool"
    if lint_"$tool"; then
        passed=$((passed + 1))
        echo "lint: $tool is content, after $(($(date +%s) - began)) s"
    else
        failed=$((failed + 1))
        echo "lint: $tool has findings, after $(($(date +%s) - began)) s"
    fi
done
echo "$passed passed, $failed failed"
[ $failed = 0 ]
