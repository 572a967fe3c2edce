#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# hardening.sh [FILE...]: shows what in programs and libraries makes the life
# of an attacker harder, as checksec(1) does, and fails where it lacks.
# Without a FILE it looks at what a build tree has made.
#
#   pie     loaded at an address that nobody knows
#   relro   what the loader has filled in is read-only, all of it from the start
#   nx      no stack, and nothing else that can be written, can be run
#   path    no path of libraries is written into it
#   stack   overflows of a buffer on the stack are seen (-fstack-protector)
#   fortify so are those of known size in libc's functions (_FORTIFY_SOURCE)
#   flags   gcc's record of what shows nowhere else: stack clash protection,
#           and on x86 control-flow protection
#
# A "-" stands where a file cannot tell: a library is not linked yet, a program
# that is linked statically has libc's own checks in it.
set -u
if [ $# = 0 ]; then
    set -- ./weftd ./weft ./liboverlay.a "$OVS_LIB"
fi
export LC_ALL=C
status=0
needed='-fstack-protector-strong -fstack-clash-protection'
case $(uname -m) in
x86_64 | i?86) needed="$needed -fcf-protection" ;;
esac

# has TEXT PATTERN: prints yes or no.
has() {
    if printf '%s\n' "$1" | grep -qE -e "$2"; then echo yes; else echo no; fi
}

not() {
    if [ "$1" = yes ]; then echo no; else echo yes; fi
}

linked() {
    head=$(readelf -hW "$1")
    segments=$(readelf -lW "$1")
    dynamic=$(readelf -dW "$1")
    pie=$(has "$head" 'Type: +DYN')
    relro=$(has "$segments" GNU_RELRO)
    if [ "$(has "$dynamic" 'BIND_NOW|Flags:.* NOW')" = no ]; then
        relro=no
    fi
    nx=$(not "$(has "$segments" '^ +(GNU_STACK|LOAD) .* RWE ')")
    [ "$(has "$segments" GNU_STACK)" = yes ] || nx=no
    path=$(not "$(has "$dynamic" '\((RPATH|RUNPATH|TEXTREL)\)')")
    if [ "$(has "$segments" INTERP)" = yes ]; then
        symbols=$(readelf --dyn-syms -W "$1")
    fi
}

# What every unit was compiled with; nothing if there is no record.
recorded() {
    readelf -p .debug_str "$1" 2>&1 | sed -n 's/.* GNU C[0-9]* //p'
}

compiled() {
    stack=- fortify=- flags=-
    if [ -n "$symbols" ]; then
        stack=$(has "$symbols" 'UND __stack_chk_fail')
        fortify=$(has "$symbols" 'UND __[a-z]+_chk(@|$)')
    fi
    records=$(recorded "$1")
    if [ -n "$records" ]; then
        flags=yes
        for flag in $needed; do
            if printf '%s\n' "$records" | grep -qv -e "$flag"; then
                flags=no
            fi
        done
    fi
    # What is not optimized cannot be fortified.
    case " ${CFLAGS--O2} " in
    *' -O0 '*) fortify=- ;;
    esac
}

line='%-26s %5s %6s %5s %5s %6s %8s %6s\n'
# shellcheck disable=SC2059  # It is the line's form.
printf "$line" file pie relro nx path stack fortify flags
for file; do
    pie=- relro=- nx=- path=- symbols=
    case $file in
    *.a)
        symbols=$(readelf -sW "$file") || status=1 ;;
    *)
        linked "$file" || status=1 ;;
    esac
    compiled "$file"
    # shellcheck disable=SC2059
    printf "$line" "$(basename "$file")" "$pie" "$relro" "$nx" "$path" \
        "$stack" "$fortify" "$flags"
    case " $pie $relro $nx $path $stack $fortify $flags " in
    *' no '*) status=1 ;;
    esac
done
[ $status = 0 ] || echo "hardening: what says no lacks"
exit $status
