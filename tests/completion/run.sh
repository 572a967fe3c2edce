#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# run.sh SHELL: every command and every option that "weft --help" tells is
# completed, and nothing else is; quickly and in silence without a weftd.
set -eu
shell=$1
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
mkdir "$dir/run"
export OVS_RUNDIR="$dir/run" PATH="$PWD:$PATH"
failed=0

# completed WORD...: what may stand for the last one, sorted, on one line.
completed() {
    case $shell in
    bash)
        bash -c '. agent/completion/weft.bash
            COMP_WORDS=(weft "$@") COMP_CWORD=$#
            _weft
            printf "%s\n" "${COMPREPLY[@]}"' - "$@" ;;
    zsh)
        # Outside of a line editor, so its builtins are what prints.
        zsh -f -c 'compadd() {
                while [[ $1 != -- ]]; do shift; done
                shift
                print -rl -- "$@" | grep "^$PREFIX"
            }
            _files() { print -rl -- ${PREFIX}*(N) }
            words=(weft "$@") CURRENT=$#words PREFIX=${words[-1]}
            . agent/completion/_weft' - "$@" ;;
    esac 2>&1 | LC_ALL=C sort -u | tr '\n' ' ' | sed 's/^ *//; s/ *$//'
}

# expect "WANTED" WORD...
expect() {
    wanted=$1
    shift
    got=$(completed "$@")
    if [ "$got" != "$wanted" ]; then
        echo "$shell: weft $*<tab>: \"$got\", not \"$wanted\""
        failed=1
    fi
}

set_of() {
    tr ' ' '\n' | LC_ALL=C sort -u | sed '/^$/d' | tr '\n' ' ' |
        sed 's/ $//'
}

weft --help | sed -n '/^Commands:/,/^$/s/^  \([a-z].*\)/\1/p' >"$dir/lines"
[ "$(wc -l <"$dir/lines")" -ge 40 ] || { echo "no commands?"; exit 1; }
sed 's/\([a-z]*\).*/\1/' "$dir/lines" | tr '\n' ' ' >"$dir/first"
expect "$(set_of <"$dir/first")" ""
for first in $(set_of <"$dir/first"); do
    seconds=$(sed -n "s/^$first \([a-z]\{1,\}\)\( .*\)\{0,1\}$/\1/p" \
        "$dir/lines" | set_of)
    [ -z "$seconds" ] && continue
    for second in $seconds; do
        got=" $(completed "$first" "$second") "
        case $got in
        *" $second "*) ;;
        *)
            echo "$shell: weft $first $second<tab>: \"$got\""
            failed=1 ;;
        esac
    done
done
while read -r line; do
    options=$(printf '%s\n' "--json $line" | grep -oe '--[a-z-]*' | set_of)
    words=$(printf '%s\n' "$line" | sed 's/^\([a-z]*\( [a-z]\{1,\}\)\{0,1\}\)\( .*\)\{0,1\}$/\1/')
    # shellcheck disable=SC2086
    expect "$options" $words --
done <"$dir/lines"
expect "--help --target --timeout --version" --

# In the ways people write.
expect "attach" at
expect "attach" -T 3 att
expect "" --target ""
expect "accept admit" directory a
expect "auto dhcp" attach red --ip ""
expect "qemu" tap vm1 --print q
expect "--network" attach red --net
expect "" nonsense ""
expect "lo" who l
touch "$dir/bundle.pem"
expect "$dir/bundle.pem" directory join "$dir/bun"
# Nobody answers.
expect "" endpoint show ""
expect "" attach red --network ""

[ $failed = 0 ] && echo "$shell: all completed"
exit $failed
