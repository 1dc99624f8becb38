"""The built programs, run as a reader of the documentation would."""

import os
import pathlib
import re
import subprocess
from dataclasses import dataclass, field

SOURCE = pathlib.Path(__file__).resolve().parents[3]
BIN = pathlib.Path(os.environ.get("GEO_BIN", SOURCE / "build" / "dev" / "bin")).resolve()


def environment(**more):
    """Nobody's own settings; sanitizers keep theirs."""
    kept = {name: value for name, value in os.environ.items() if name.endswith("SAN_OPTIONS") or name == "HOME"}
    return {**kept, "PATH": f"{BIN}:/usr/bin:/bin:/usr/sbin:/sbin", "LC_ALL": "C.UTF-8", "MONGOC_DISABLE_SHM": "1", **more}


def run(*command, given="", cwd=SOURCE, **more):
    done = subprocess.run([str(word) for word in command], input=given, capture_output=True, text=True, timeout=120, cwd=cwd,
                          env=environment(**more))
    assert done.returncode >= 0, f"{command}: {done.stderr}"
    return done


@dataclass
class Help:
    """What --help says: {"--config": "FILE"}, {"IP"}, ["resolve"]"""
    options: dict = field(default_factory=dict)
    positionals: set = field(default_factory=set)
    subcommands: list = field(default_factory=list)


def help_of(*command):
    shown, found, part = run(*command, "--help").stdout, Help(), ""
    for line in shown.splitlines():
        if title := re.fullmatch(r"(\w+):", line):
            part = title[1]
        elif not line:
            part = ""
        elif part == "Options" and (option := re.match(r"  (-\S+?)(?: (\S+?))?(?: REQUIRED)?(?:  |$)", line)):
            for name in option[1].split(","):
                found.options[name] = option[2] or ""
        elif part == "Positionals" and (word := re.match(r"  (\S+)", line)):
            found.positionals.add(word[1])
        elif part == "Subcommands" and (word := re.match(r"  (\S+)", line)):
            found.subcommands.append(word[1])
    assert "--help" in found.options, shown
    return found


def geoctl_commands():
    """{"token check": Help}, the commands that do something."""
    found = {}

    def walk(path):
        here = help_of("geoctl", *path)
        if path and not here.subcommands:
            found[" ".join(path)] = here
        for name in here.subcommands:
            walk([*path, name])

    walk([])
    return found


@dataclass
class Key:
    type: str
    default: str
    meaning: str


def config_keys():
    """{"listen.redirect": Key}, from `geoctl config show` on the defaults."""
    shown = run("geoctl", "config", "show", cwd="/").stdout
    found, section, meaning, kind, default = {}, None, "", "", ""
    for line in shown.splitlines():
        if title := re.fullmatch(r"\[(.+)\]", line):
            section = title[1]
        elif line.startswith("#   "):
            kind, default = line[4:].rsplit("; default ", 1)
        elif line.startswith("# "):
            meaning = line[2:]
        elif key := re.fullmatch(r"(\w+) = (.*)", line):
            assert key[2] == default, line
            found[f"{section}.{key[1]}"] = Key(kind, default, meaning)
    assert found, shown
    return found, shown
