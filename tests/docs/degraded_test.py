"""What happens when something fails: one table, in README.md and in geod(8)."""

import re

from support.mdoc import Page, plain
from support.programs import SOURCE, config_keys

README = (SOURCE / "README.md").read_text(encoding="utf-8")
PAGE = Page(SOURCE / "man" / "geod.8").subsections("WHEN SOMETHING FAILS")
UPSTREAMS = ["store", "auth-server", "resolver", "node_states"]
WAYS = ["down at start", "lost", "slow", "wrong answers"]


def table(head):
    """The rows of README's table, as a reader sees them."""
    part = README[README.index(f"\n| {head} |") + 1:].split("\n\n")[0]
    return [[cell.strip().replace("`", "") for cell in line.strip("|").split("|")] for line in part.splitlines()[2:]]


def test_one_table():
    told = []
    for upstream, section in PAGE.items():
        ways = [line.removeprefix(".Em ") for line in section.lines if line.startswith(".Em ")]
        cells = [(item.head[0], plain(item.body)) for item in section.items if item.head[0] != "Sy"]
        assert [name for name, _ in cells] == ["gets", "from", "for"] * len(ways), upstream
        told += [[upstream, way, *(text for _, text in cells[3 * at:3 * at + 3])] for at, way in enumerate(ways)]
    rows = table("upstream | it is")
    assert [row[:2] for row in rows] == [[upstream, way] for upstream in UPSTREAMS for way in WAYS]
    assert told == rows


def test_keys_and_metrics():
    told = [[upstream, *(plain(item.body) for item in section.items if item.head[0] == "Sy")] for upstream, section in PAGE.items()]
    rows = table("upstream | keys that govern it")
    assert [row[0] for row in rows] == UPSTREAMS and told == rows
    known = set(config_keys()[0])
    sections = {name.rpartition(".")[0] for name in known}
    in_code = set(re.findall(r'"(geod_\w+)"', (SOURCE / "apps" / "geod" / "metrics.cpp").read_text()))
    for _, keys, metrics in rows:
        for key in keys.split(", "):
            section, name = re.fullmatch(r"\[([\w.-]+)\](?: (\w+))?", key).groups()
            assert f"{section}.{name}" in known if name else section in sections, key
        assert set(metrics.split(", ")) <= in_code
