# fish completion for geoctl and geod. What there is to complete, their own --help tells.

# KIND<tab>NAME<tab>VALUE<tab>TEXT of each command, option and argument that `$argv --help` shows.
function __geo_help
    $argv --help 2>/dev/null </dev/null | awk '
    /^[^ ]/ { section = $1 }
    { line = substr($0, 3); gap = match(line, /  +/); head = gap ? substr(line, 1, gap - 1) : line
      text = gap ? substr(line, gap + RLENGTH) : ""; split(head, word, " ") }
    section == "Subcommands:" && /^  [a-z]/ { print "command\t" word[1] "\t\t" text }
    section == "Positionals:" && /^  [A-Z]/ { print "argument\t" word[1] "\t" word[1] "\t" text }
    section == "Options:" && /^  -/ { n = split(word[1], name, ","); for (i = 1; i <= n; ++i) print "option\t" name[i] "\t" word[2] "\t" text }'
end

function __geo
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l program $words[1]
    set -l top (__geo_help $program)
    set -l help $top
    set -l value ''
    set -l before ''
    set -l given
    set -l command
    for word in $words[2..]
        if test -n "$value"
            contains -- $before --config --data; and set -a given $before $word
            set value ''
        else if string match -q -- '-*' $word
            for line in $help $top
                set -l row (string split \t -- $line)
                if test $row[1] = option; and test "x$row[2]" = "x$word"
                    set value $row[3]
                    break
                end
            end
        else if string match -q -- "command"\t"$word"\t'*' $help
            set -a command $word
            set help (__geo_help $program $command)
        end
        set before $word
    end
    if test -z "$value"
        for line in $help $top
            set -l row (string split \t -- $line)
            string match -q -- '-*' $current; and test $row[1] = option; and printf '%s\t%s\n' $row[2] $row[4]
        end | sort -u
        for line in $help
            set -l row (string split \t -- $line)
            string match -q -- '-*' $current; and continue
            test $row[1] = command; and printf '%s\t%s\n' $row[2] $row[4]
            test $row[1] = argument; and test -z "$value"; and set value $row[3]
        end
    end
    switch $value
        case 'FILE*'
            __fish_complete_path $current
        case 'DIR*' OLD NEW
            __fish_complete_directories $current
        case FORMAT
            printf '%s\n' flv hls ws-fmp4
        case LEVEL
            printf '%s\n' error warn info debug trace
        case 'NODE*'
            $program $given node list 2>/dev/null </dev/null | awk 'NR > 1 { print $1 }'
    end
end

complete -c geoctl -f -a '(__geo)'
complete -c geod -f -a '(__geo)'
