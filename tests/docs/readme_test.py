"""Every command that a README shows as ```sh works, and prints what the ```text block right below it says.

GEO_DOCS_UPDATE=1 writes what they print into the READMEs instead.
"""

import os
import re
import shutil

import pytest

from support.programs import SOURCE, run

READMES = [SOURCE / "README.md", SOURCE / "config" / "demo" / "README.md", SOURCE / "libgeo" / "README.md"]
BLOCK = re.compile(r"^```sh\n(?P<commands>.*?)^```\n(?:\n```text\n(?P<output>.*?)^```\n)?", re.S | re.M)
# The demo's ports; the test's geod has others.
PORTS = {"127.0.0.1:8080": "redirect", "127.0.0.1:8081": "admin", "127.0.0.1:8082": "verify"}
# What differs from run to run.
VOLATILE = [
    (r" +\[([a-z, ]*?)\d+\.\d us\]", r" [\1_ us]"),
    (r"\bexp=\d+", "exp=_"),
    (r"\bsig=[\w-]{43}", "sig=_"),
    (r"(?m)^Date: .*$", "Date: _"),
    (r"(?m)^X-Request-Id: .*$", "X-Request-Id: _"),
    (r'"request_id":"\w+"', '"request_id":"_"'),
    (r'"expires_at":"[^"]+"', '"expires_at":"_"'),
]


def settled(text, commands):
    """Without what differs; with --at, a URL does not."""
    for pattern, word in VOLATILE:
        if "--at " not in commands or pattern.startswith(" "):
            text = re.sub(pattern, word, text)
    return text


@pytest.mark.parametrize("readme", READMES, ids=lambda file: str(file.relative_to(SOURCE)))
def test_commands(readme, geod, tmp_path):
    # where a reader stands: the root of the tree, but nothing is written there
    for name in ("config", "packaging"):
        (tmp_path / name).symlink_to(SOURCE / name)
    text = readme.read_text(encoding="utf-8")
    blocks = list(BLOCK.finditer(text))
    assert text.count("```sh\n") == len(blocks)
    new, end = "", 0
    for block in blocks:
        commands = block["commands"]
        script = commands
        for port, listener in PORTS.items():
            script = script.replace(port, geod.addresses[listener])
        done = run(shutil.which("bash"), "-c", f"exec 2>&1\nset -u\n{script}", cwd=tmp_path)
        shown = "\n".join(line.rstrip() for line in done.stdout.splitlines()).rstrip("\n") + "\n"
        assert done.returncode == 0, f"{commands}\n{shown}"
        if block["output"] is None:
            continue
        new += text[end:block.start("output")] + shown
        end = block.end("output")
        if "GEO_DOCS_UPDATE" not in os.environ:
            assert settled(shown, commands) == settled(block["output"], commands), commands
    if "GEO_DOCS_UPDATE" in os.environ and blocks:
        readme.write_text(new + text[end:], encoding="utf-8")


def test_links_lead_somewhere():
    for readme in READMES:
        for target in re.findall(r"\]\(([^)#]+)\)", readme.read_text(encoding="utf-8")):
            assert target.startswith("https://") or (readme.parent / target).exists(), f"{readme}: {target}"


def test_gate_of_nginx_is_the_one_that_is_tried():
    tried = (SOURCE / "tests" / "scenes" / "test_nginx_node.py").read_text()
    tried = tried.replace("{{", "{").replace("}}", "}").replace("{verify}", "127.0.0.1:8082")
    tried = {line.strip() for line in tried.splitlines()}
    for file in ("README.md", "man/geod.8"):
        text = (SOURCE / file).read_text(encoding="utf-8")
        gate = re.search(r"^location = /_verify \{\n.*?^location .*?^\}\n", text, re.S | re.M)[0]
        assert {line.strip() for line in gate.splitlines() if "#" not in line} <= tried, file


def test_presets_and_folders():
    text = READMES[0].read_text(encoding="utf-8")
    presets = set(re.findall(r'"name": "(\w+)"', (SOURCE / "CMakePresets.json").read_text())) - {"base"}
    part = text[text.index("\n| preset |"):]
    assert set(re.findall(r"^\| `(\w+)` \|", part[:part.index("\n\n")], re.M)) == presets
    part = text[text.index("\n| folder |"):]
    for folder in re.findall(r"^\| `([\w/]+)` \|", part[:part.index("\n\n")], re.M):
        assert (SOURCE / folder).is_dir(), folder
