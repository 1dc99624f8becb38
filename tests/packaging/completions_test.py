"""What the shells complete is what --help says: each command, each option, in bash, zsh and fish."""

import pytest

from support.programs import SOURCE, help_of, run

FOLDER = SOURCE / "packaging" / "completions"
BASH = """
source "$1"; shift
compopt() { :; }
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
_geo "$1" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
printf '%s\\n' "${COMPREPLY[@]}"
"""
# zsh's own functions take what is to be shown; here they print it.
ZSH = """
_describe() { local each; for each in "${(@P)@[-1]}"; do print -r -- "${each%%:*}"; done }
_files() { if [[ $1 == -/ ]]; then print -rl -- *(N/); else print -rl -- *(N); fi }
compadd() { print -rl -- "$@"; }
file=$1; shift
words=("$@") CURRENT=$#
source $file
"""
FISH = """
source $argv[1]
complete -C (string join ' ' -- (string escape -- $argv[2..-2]) $argv[-1])
"""


def bash(*words, cwd):
    return run("bash", "-c", BASH, "bash", FOLDER / "geoctl.bash", *words, cwd=cwd).stdout


def zsh(*words, cwd):
    return run("zsh", "-f", "-c", ZSH, "zsh", FOLDER / "_geoctl", *words, cwd=cwd).stdout


def fish(*words, cwd):
    shown = run("fish", "--no-config", "-c", FISH, FOLDER / "geoctl.fish", *words, cwd=cwd, HOME=str(cwd)).stdout
    return "\n".join(line.split("\t")[0] for line in shown.splitlines())


@pytest.fixture(params=[bash, zsh, fish], ids=lambda shell: shell.__name__)
def complete(request, tmp_path):
    folder = tmp_path / "here"
    folder.mkdir()
    (folder / "some.toml").touch()
    (folder / "somewhere").mkdir()

    def ask(*words):
        return {line.rstrip("/") for line in request.param(*words, cwd=folder).splitlines() if line}

    return ask


def every_level():
    """["geoctl"], ["geoctl", "data"], ["geoctl", "data", "diff"] .. with what their help says."""
    todo = [["geoctl"], ["geod"]]
    while todo:
        words = todo.pop()
        here = help_of(*words)
        yield words, here
        todo += [[*words, name] for name in here.subcommands]


LEVELS = list(every_level())
TOP = {words[0]: here.options for words, here in LEVELS if len(words) == 1}


def test_commands(complete):
    for words, here in LEVELS:
        if here.subcommands:
            assert complete(*words, "") == set(here.subcommands), words


def test_options(complete):
    for words, here in LEVELS:
        shown = {name for name in complete(*words, "--") if name.startswith("--")}
        assert shown == {name for name in {**here.options, **TOP[words[0]]} if name.startswith("--")}, words


def test_part_of_a_word(complete):
    assert "diff" in complete("geoctl", "data", "d")
    assert "--config" in complete("geoctl", "redirect", "--conf")


def test_values(complete):
    demo = SOURCE / "config" / "demo"
    assert complete("geoctl", "redirect", "--format", "") == {"flv", "hls", "ws-fmp4"}
    assert complete("geoctl", "log-level", "") == {"error", "warn", "info", "debug", "trace"}
    assert {"some.toml", "somewhere"} <= complete("geod", "--config", "")
    assert complete("geoctl", "--data", "") == {"somewhere"}
    nodes = {line.split()[0] for line in run("geoctl", "--data", demo, "node", "list").stdout.splitlines()[1:]}
    assert len(nodes) > 3
    assert complete("geoctl", "--data", demo, "node", "drain", "") == nodes
    assert complete("geoctl", "--data", demo, "select", "--place", "RU", "--down", "") == nodes


def test_an_option_with_a_value_is_no_command(complete):
    assert complete("geoctl", "--config", "data", "config", "") == set(help_of("geoctl", "config").subcommands)
