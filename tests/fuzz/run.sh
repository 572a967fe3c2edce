#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A short run of each fuzz target that is named over its seeds: by libFuzzer,
# for its part of FUZZ_SECONDS, if the targets are linked with it, else over
# MUTATIONS of the seeds.  Of a target that fails the end of what it printed is
# shown last, and what it failed on stays in tests/fuzz/crashes.
set -u
src=${srcdir:-.}
seconds=$((${FUZZ_SECONDS:-76} / $#))
[ "$seconds" -gt 0 ] || seconds=1
passed=0
failed=
crashes=tests/fuzz/crashes
dir=$(mktemp -d) || exit
trap 'rm -rf "$dir"' EXIT
mkdir -p "$crashes" || exit
for target; do
    target=${target##*/fuzz_}
    program=tests/fuzz/fuzz_$target
    seeds=$src/tests/fuzz/seeds/$target
    dict=$src/tests/fuzz/$target.dict
    [ -e "$dict" ] || dict=
    if "$program" -help=1 2>&1 | grep -q libFuzzer; then
        mkdir "$dir/$target"
        "$program" -max_total_time="$seconds" -print_final_stats=0 \
            -verbosity=0 ${dict:+"-dict=$dict"} \
            -artifact_prefix="$crashes/$target-" \
            "$dir/$target" "$seeds" >"$dir/$target.log" 2>&1
        status=$?
        rm -rf "${dir:?}/$target"
    else
        "$program" -n "${MUTATIONS:-20000}" "$seeds"/* >"$dir/$target.log" 2>&1
        status=$?
    fi
    if [ $status = 0 ]; then
        passed=$((passed + 1))
        echo "$target: ok"
    else
        failed="$failed $target"
        echo "$target: failed with status $status"
    fi
done
for target in $failed; do
    echo
    echo "fuzz: $target failed:"
    grep -v '# Uses: ' "$dir/$target.log" | tail -n 60
done
set -- $failed
echo "fuzz: $passed passed, $# failed${failed:+:$failed}"
[ $# = 0 ]
