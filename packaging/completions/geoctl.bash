# bash completion for geoctl and geod. What there is to complete, their own --help tells.

# KIND<tab>NAME<tab>VALUE of each command, option and argument that `$@ --help` shows.
_geo_help() {
  "$@" --help 2>/dev/null </dev/null | awk '
    /^[^ ]/ { section = $1 }
    { line = substr($0, 3); gap = match(line, /  +/); head = gap ? substr(line, 1, gap - 1) : line; split(head, word, " ") }
    section == "Subcommands:" && /^  [a-z]/ { print "command\t" word[1] "\t" }
    section == "Positionals:" && /^  [A-Z]/ { print "argument\t" word[1] "\t" word[1] }
    section == "Options:" && /^  -/ { n = split(word[1], name, ","); for (i = 1; i <= n; ++i) print "option\t" name[i] "\t" word[2] }'
}

_geo() {
  local program=$1 current=$2 i word help value='' command=() given=() names=()
  local top
  top=$(_geo_help "$program")
  help=$top
  # words before the cursor: the command they name, and the option whose value is next
  for ((i = 1; i < COMP_CWORD; ++i)); do
    word=${COMP_WORDS[i]}
    if [[ $word == = ]]; then
      continue
    elif [[ -n $value ]]; then
      [[ ${COMP_WORDS[i - 1]} != --config && ${COMP_WORDS[i - 1]} != --data ]] || given+=("${COMP_WORDS[i - 1]}" "$word")
      value=''
    elif [[ $word == -* ]]; then
      value=$(awk -F '\t' -v word="$word" '$1 == "option" && $2 == word { print $3; exit }' <<<"$help"$'\n'"$top")
    elif grep -q "^command"$'\t'"$word"$'\t' <<<"$help"; then
      command+=("$word")
      help=$(_geo_help "$program" "${command[@]}")
    fi
  done
  [[ $current != = ]] || current=''
  if [[ -z $value && $current == -* ]]; then
    mapfile -t names < <(awk -F '\t' '$1 == "option" { print $2 }' <<<"$help"$'\n'"$top" | sort -u)
    mapfile -t COMPREPLY < <(compgen -W "${names[*]}" -- "$current")
    return
  fi
  if [[ -z $value ]]; then
    mapfile -t names < <(awk -F '\t' '$1 == "command" { print $2 }' <<<"$help")
    mapfile -t COMPREPLY < <(compgen -W "${names[*]}" -- "$current")
    value=$(awk -F '\t' '$1 == "argument" { print $3; exit }' <<<"$help")
  fi
  case $value in
    FILE*) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$current") ;;
    DIR* | OLD | NEW) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- "$current") ;;
    LEVEL) mapfile -t COMPREPLY < <(compgen -W "error warn info debug trace" -- "$current") ;;
    FORMAT) mapfile -t COMPREPLY < <(compgen -W "flv hls ws-fmp4" -- "$current") ;;
    NODE*) mapfile -t COMPREPLY < <(compgen -W "$("$program" "${given[@]}" node list 2>/dev/null </dev/null | awk 'NR > 1 { print $1 }')" -- "$current") ;;
  esac
}

complete -F _geo geoctl geod
