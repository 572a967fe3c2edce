#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A short run of each fuzz target over its seeds: by libFuzzer for SECONDS if
# the targets are linked with it, else over MUTATIONS of the seeds.
set -u
src=${srcdir:-.}
seconds=${SECONDS_EACH:-10}
passed=0
failed=0
for target in dhcp4 dhcp6 dns icmp jsontext nd peerlist request; do
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
