# SPDX-License-Identifier: Apache-2.0
# Shared by bash and zsh: what may stand in place of the last word.  Commands,
# arguments and options are those that "weft --help" tells, so there is no list
# here that could differ from it; values are asked of a weftd that runs.

# __weft_candidates WORD...: lines "WORD<tab>HELP"; or "@FILES", for the shell.
__weft_candidates() {
    local line
    command weft --help 2>/dev/null | command awk '
    function offer(word, help) { print word "\t" help }
    function value(kind, at,    parts, n, i) {
        n = split(kind, parts, "|")
        for (i = 1; i <= n; i++) {
            if (parts[i] ~ /^[a-z]/) { offer(parts[i]); continue }
            if (at ~ /^(network (set|del)|--network)$/ ||
                parts[i] == "NETWORK") print "@network"
            else if (at ~ /^router (set|del)$/ || parts[i] == "ROUTER")
                print "@router"
            else if (at ~ /^peer remove$/ || parts[i] == "PEER")
                print "@peer"
            else if (at ~ /^netns (del|exec)$/ || parts[i] == "NETNS")
                print "@netns"
            else if (parts[i] == "ENDPOINT") print "@endpoint"
            else if (parts[i] == "IFNAME") print "@link"
            else if (parts[i] ~ /^HOSTPORT\[/) print "@publish"
            else if (parts[i] ~ /^(BUNDLE|FILE|LIST|COMMAND)$/) print "@FILES"
        }
    }
    function options(args,    tokens, n, i, name) {
        n = split(args, tokens, " ")
        n_options = n_places = 0
        for (i = 1; i <= n; i++) {
            if (tokens[i] == "|") continue
            if (tokens[i] ~ /^\[?--/) {
                name = tokens[i]
                gsub(/[][]/, "", name)
                option[++n_options] = name
                takes[name] = ""
                if (tokens[i] !~ /]$/ && i < n && tokens[i + 1] !~ /^[[|]/) {
                    takes[name] = tokens[++i]
                    gsub(/[][.]/, "", takes[name])
                }
            } else if (tokens[i] !~ /^\|/) {
                place[++n_places] = tokens[i]
                if (tokens[i] ~ /\.\.\.$/) place_repeats = n_places
                sub(/\.\.\.$/, "", place[n_places])
                if (place[n_places] ~ /^\[/)
                    gsub(/[][]/, "", place[n_places])
            }
        }
        option[++n_options] = "--json"
        takes["--json"] = ""
    }
    function arguments(c, from,    i, prefix, name, seen, rest) {
        options(args[c])
        seen = 0
        for (i = from; i < n; i++) {
            if (word[i] ~ /^--/ && (word[i] in takes)) {
                if (takes[word[i]] == "") continue
                if (i + 1 == n) { value(takes[word[i]], word[i]); return }
                i++
            } else if (word[i] !~ /^-./) seen++
        }
        if (cur ~ /^-/ || (!n_places && cur == "")) {
            name = cur
            if (sub(/=.*/, "", name) && takes[name] != "") {
                print "@prefix " name "="
                value(takes[name], name)
                return
            }
            for (i = 1; i <= n_options; i++) offer(option[i])
            return
        }
        seen = seen < n_places ? seen + 1 : place_repeats
        if (seen) value(place[seen], words[c])
        if (cur == "" && n_options > 1 && (!seen || place_repeats))
            for (i = 1; i <= n_options; i++) offer(option[i])
    }
    BEGIN {
        n = ARGC - 1
        for (i = 1; i <= n; i++) word[i] = ARGV[i]
        cur = word[n]
        ARGC = 1
    }
    /^Commands:/ { part = "commands"; next }
    /^Options:/ { part = "options"; next }
    /^$/ { part = "" }
    part == "commands" && /^  [a-z]/ {
        words[++n_commands] = ""
        for (i = 1; i <= NF && $i ~ /^[a-z]+$/; i++)
            words[n_commands] = words[n_commands] (i > 1 ? " " : "") $i
        for (; i <= NF; i++)
            args[n_commands] = args[n_commands] " " $i
        next
    }
    part == "commands" { sub(/^ +/, ""); help[n_commands] = $0 }
    part == "options" {
        for (i = 1; i <= NF && $i ~ /^-/; i++) {
            name = $i
            sub(/,$/, "", name)
            if (sub(/=.*/, "", name)) own_takes[name] = own_takes[last] = 1
            own[++n_own] = last = name
        }
    }
    END {
        for (i = 1; i < n && word[i] ~ /^-/; i++)
            if ((word[i] in own_takes) && ++i == n) exit
        if (i > n) exit
        if (i == n && cur ~ /^-/) {
            for (j = 1; j <= n_own; j++) offer(own[j])
            exit
        }
        two = i + 1 < n ? word[i] " " word[i + 1] : ""
        for (c = 1; c <= n_commands; c++) {
            split(words[c], w, " ")
            if (i == n && !(w[1] in said)) {
                said[w[1]] = 1
                offer(w[1], words[c] == w[1] ? help[c] : "")
            } else if (i + 1 == n && w[2] != "" && w[1] == word[i])
                offer(w[2], help[c])
            if (words[c] == two) { arguments(c, i + 2); exit }
        }
        for (c = 1; i < n && c <= n_commands; c++)
            if (words[c] == word[i]) { arguments(c, i + 1); exit }
    }' "$@" | while IFS= read -r line; do
        case $line in
        @prefix*) printf '%s\n' "$line" ;;
        @FILES) printf '%s\n' "$line" ;;
        @netns) command weft netns list 2>/dev/null ;;
        @link) command ls /sys/class/net 2>/dev/null ;;
        @publish)
            command weft -T 1 publish list --json 2>/dev/null |
                command grep -o '"hostport": *[0-9]*' |
                command sed 's/.*[: ]//' ;;
        @*)
            command weft -T 1 "${line#@}" list --json 2>/dev/null |
                command grep -o '"name": *"[^"]*"' |
                command sed 's/.*"\([^"]*\)"/\1/' ;;
        *) printf '%s\n' "$line" ;;
        esac
    done
}
