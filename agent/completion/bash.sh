
_weft() {
    local words=() word value cur
    # bash cuts at each "=" and ":"; options are told apart without "=".
    for word in "${COMP_WORDS[@]:1:COMP_CWORD}"; do
        [ "$word" = "=" ] || words+=("$word")
    done
    cur=${COMP_WORDS[COMP_CWORD]}
    if [ "$cur" = "=" ]; then
        cur=
        words+=("")
    fi
    COMPREPLY=()
    while IFS=$'\t' read -r value _; do
        case $value in
        @prefix*) ;;
        @FILES)
            compopt -o filenames 2>/dev/null
            while IFS= read -r word; do
                COMPREPLY+=("$word")
            done < <(compgen -f -- "$cur") ;;
        "$cur"*) COMPREPLY+=("$value") ;;
        esac
    done < <(__weft_candidates "${words[@]}")
}
complete -F _weft weft
