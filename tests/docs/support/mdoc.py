"""Reads our man pages as far as the tests need it: sections, the items of their lists, displays.

    .Sh SECTION
    .Ss subsection
    .It Fl -config Ar FILE          one Item: its head, and the lines up to the next one
"""

import re
from dataclasses import dataclass, field

ESCAPES = {r"\(dq": '"', r"\-": "-", r"\e": "\\", r"\:": "", r"\&": ""}
INLINE = {"Li", "Va", "Sx", "Xr", "Pa", "Ev", "Dv", "Em", "Fl", "Cm", "Ar", "Pq", "Dq", "No", "Sy", "Nm"}


def unescaped(text):
    return re.sub(r"\\(\(dq|[-e:&])", lambda found: ESCAPES[found[0]], text)


def words(line):
    """The arguments of a macro line."""
    return [unescaped(word) for word in line.split()[1:]]


def plain(lines):
    """What a reader sees of text and macro lines, in one line."""
    out = []
    for line in lines:
        if line in (".br", ".Pp"):
            continue
        if not line.startswith("."):
            out.append(unescaped(line))
            continue
        shown = [word for word in [line.split()[0][1:], *words(line)] if word not in INLINE]
        out.append(re.sub(r" ([.,;:]+)(?= |$)", r"\1", " ".join(shown)))
    return " ".join(" ".join(out).split())


@dataclass
class Item:
    head: list
    body: list = field(default_factory=list)

    @property
    def options(self):
        """{"--config"} of `Fl -config Ar FILE`"""
        return {"-" + word for before, word in zip(self.head, self.head[1:]) if before == "Fl"}

    @property
    def argument(self):
        at = [i for i, word in enumerate(self.head) if word == "Ar"]
        return " ".join(self.head[at[0] + 1:]) if at else ""


@dataclass
class Section:
    lines: list = field(default_factory=list)

    @property
    def items(self):
        found, current = [], None
        for line in self.lines:
            if line == ".It" or line.startswith(".It "):
                current = Item(words(line))
                found.append(current)
            elif line == ".El":
                current = None
            elif current is not None:
                current.body.append(line)
        return found

    @property
    def rows(self):
        """Of a `.Bl -column`: the cells, without the header."""
        rows = [" ".join(item.head).split(" Ta ") for item in self.items if "Ta" in item.head]
        return [[re.sub(r"^(Li|Sy) ", "", cell) for cell in row] for row in rows if not row[0].startswith("Sy ")]

    @property
    def displays(self):
        """The texts of `.Bd -literal` and `.Dl`."""
        found, inside = [], None
        for line in self.lines:
            if line.startswith(".Bd -literal"):
                inside = []
            elif line == ".Ed":
                found.append("\n".join(inside))
                inside = None
            elif inside is not None:
                inside.append(unescaped(line))
            elif line.startswith(".Dl "):
                found.append(unescaped(line[4:]))
        return found


class Page:
    def __init__(self, path):
        self.path = path
        self.lines = path.read_text(encoding="utf-8").splitlines()
        self.sections, section, subsection = {}, None, None
        for line in self.lines:
            if line.startswith(".Sh "):
                section, subsection = line[4:], None
            elif line.startswith(".Ss "):
                subsection = line[4:]
            elif section is not None:
                self.sections.setdefault((section, subsection), Section()).lines.append(line)

    def __getitem__(self, name):
        return self.sections[name if isinstance(name, tuple) else (name, None)]

    def subsections(self, section):
        return {name[1]: content for name, content in self.sections.items() if name[0] == section and name[1]}
