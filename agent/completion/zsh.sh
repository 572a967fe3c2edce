
_weft() {
    local value help prefix= files=
    local -a values shown
    while IFS=$'\t' read -r value help; do
        case $value in
        @prefix*) prefix=${value#@prefix } ;;
        @FILES) files=yes ;;
        *)
            values+=("$prefix$value")
            shown+=("$value${help:+  -- $help}") ;;
        esac
    done < <(__weft_candidates "${(@)words[2,CURRENT]}")
    (( $#values )) && compadd -l -d shown -- "${(@)values}"
    [[ -z $files ]] || _files
}
_weft "$@"
