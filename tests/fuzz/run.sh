#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A short run of each fuzz target that is named over its seeds: by libFuzzer,
# for its part of FUZZ_SECONDS, if the targets are linked with it, else over
# MUTATIONS of the seeds.
set -u
src=${srcdir:-.}
seconds=$((${FUZZ_SECONDS:-76} / $#))
[ "$seconds" -gt 0 ] || seconds=1
passed=0
failed=0
for target; do
    target=${target##*/fuzz_}
    program=tests/fuzz/fuzz_$target
    seeds=$src/tests/fuzz/seeds/$target
    dict=$src/tests/fuzz/$target.dict
    [ -e "$dict" ] || dict=
    if "$program" -help=1 2>&1 | grep -q libFuzzer; then
        corpus=$(mktemp -d)
        "$program" -max_total_time="$seconds" -print_final_stats=0 \
            -verbosity=0 ${dict:+"-dict=$dict"} \
            "$corpus" "$seeds"
        status=$?
        rm -rf "$corpus"
    else
        "$program" -n "${MUTATIONS:-20000}" "$seeds"/*
        status=$?
    fi
    if [ $status = 0 ]; then
        passed=$((passed + 1))
    else
        echo "fuzz: $target failed"
        failed=$((failed + 1))
    fi
done
echo "fuzz: $passed passed, $failed failed"
[ $failed = 0 ]
