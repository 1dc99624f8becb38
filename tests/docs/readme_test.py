"""Every command that a README shows as ```sh works, and prints what the ```text block right below it says.
GEO_DOCS_UPDATE=1 writes what they print into the READMEs instead.

What takes more than the demo is a ```bash block: a daemon, a database, a machine of its own. Each is tried too, here or elsewhere.
"""

import json
import os
import re
import shutil

import pytest

from support.daemon import Geod
from support.programs import SOURCE, run

READMES = [SOURCE / "README.md", SOURCE / "config" / "demo" / "README.md", SOURCE / "libgeo" / "README.md"]
BLOCK = re.compile(r"^```sh\n(?P<commands>.*?)^```\n(?:\n```text\n(?P<output>.*?)^```\n)?", re.S | re.M)
# The demo's ports; the test's geod has others.
PORTS = {"127.0.0.1:8080": "redirect", "127.0.0.1:8081": "admin", "127.0.0.1:8082": "verify", "127.0.0.1:8083": "resolver",
         "127.0.0.1:8084": "auth"}
# What differs from run to run.
VOLATILE = [
    (r" +\[([a-z, ]*?)\d+\.\d us\]", r" [\1_ us]"),
    (r"\bexp=\d+", "exp=_"),
    (r"\bsig=[\w-]{43}", "sig=_"),
    (r"(?m)^Date: .*$", "Date: _"),
    (r"(?m)^X-Request-Id: .*$", "X-Request-Id: _"),
    (r'"request_id":"\w+"', '"request_id":"_"'),
    (r'"expires_at":"[^"]+"', '"expires_at":"_"'),
    (r'"duration_us":[\d.]+', '"duration_us":_'),
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


# How the ```bash blocks begin. What they start besides the demo's listeners; what they ask of city databases; what tries them elsewhere.
STARTS = {
    "geod --config config/demo/geod.toml --check": set(),
    "GEO_LISTEN_RESOLVER=": {"resolver"},
    "GEO_LISTEN_AUTH=": {"auth"},
}
ASKS = ["geoctl geodata ", "geoctl resolve --file "]
ELSEWHERE = {
    "packaging/demo": ["packaging/try-in-chroot"],
    "export GEO_STORE_KIND=mongodb": ["tests/scenes/test_data_mongo.py"],
    "apt-get install ": ["packaging/try-packages", "packaging/try-systemd"],
    "cmake --preset ": ["packaging/demo", "packaging/test"],
    "g++ ": ["tests/consumer/run.sh"],
}
BASH = [block for readme in READMES for block in re.findall(r"^```bash\n(.*?)^```$", readme.read_text(encoding="utf-8"), re.S | re.M)]


def block(begins):
    return next(text for text in BASH if text.startswith(begins))


def commands(begins):
    """One by one, without what is said of them."""
    lines = [re.sub(r" +#.*", "", line) for line in block(begins).splitlines()]
    return [command for line in lines for command in line.split(" && ")]


def test_every_block_is_tried():
    known = [*STARTS, *ASKS, *ELSEWHERE]
    for text in BASH:
        assert sum(text.startswith(begins) for begins in known) == 1, f"nothing tries this:\n{text}"
    assert len(BASH) == len(known)
    kinds = {kind for readme in READMES for kind in re.findall(r"^ *```+ *(\S+)", readme.read_text(encoding="utf-8"), re.M)}
    assert kinds == {"sh", "text", "bash"} | {"cmake", "haproxy", "nginx", "toml", "yaml"}  # these show files


@pytest.mark.parametrize("begins", STARTS)
def test_daemons_start(begins):
    script = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:0", block(begins))
    daemon = Geod(["bash", "-c", f"trap : TERM\n{script}"], GEO_LISTEN_RESOLVER="", GEO_LISTEN_AUTH="")
    assert daemon.stop() == 0
    assert set(daemon.addresses) == {"redirect", "admin", "verify"} | STARTS[begins]


@pytest.mark.parametrize("begins", ASKS)
def test_city_databases_are_asked(begins, tmp_path):
    for version, network in ((4, "77.88.0.0/18"), (6, "2a02:6b8::/32")):
        made = run("make_mmdb", "--schema", "flat", "--type", f"city ipv{version}", "--ip-version", version, "--build-epoch", 1780617600,
                   tmp_path / f"dbip-city-ipv{version}.mmdb", given=f"{network}\tRU\t\tMoscow\tMoscow\t55.7558\t37.6173\n")
        assert made.returncode == 0, made.stderr
    done = run("bash", "-c", f"exec 2>&1\n{block(begins)}", cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    told = re.search(rf"^```bash\n{re.escape(block(begins))}```\n\n```text\n(.*?)^```", READMES[0].read_text(encoding="utf-8"), re.S | re.M)[1]

    def alike(text):
        """As old as it is today, and as large as the real ones."""
        lines = [" ".join(re.sub(r"\b\d+ days", "_ days", line).split()) for line in text.splitlines()]
        return sorted(re.sub(r"(IPv\d) \d+ \d+", r"\1 _ _", line) for line in lines)

    assert alike(done.stdout) == alike(told)


def words_of(begins):
    return "\n".join((SOURCE / place).read_text() for place in ELSEWHERE[begins])


def test_the_two_commands_are_run_in_a_bare_debian():
    assert commands("packaging/demo") == ["packaging/demo", "packaging/test"]
    assert " demo | test " in words_of("packaging/demo") and 'inside "/root/geod/packaging/$1"' in words_of("packaging/demo")


def test_the_store_in_mongodb_is_run_among_the_scenes():
    assert block("export GEO_STORE_KIND").split("\n")[0] in words_of("export GEO_STORE_KIND=mongodb")


def test_packages_and_units_are_run_where_they_may_be_installed():
    run_there = re.findall(r"as_readme '(.*?)'", words_of("apt-get install "))
    for line in block("apt-get install ").splitlines():
        assert [begins for begins in run_there if line.startswith(begins)], line
    made = re.search(r'(?m)^PACKAGES="(.*)"$', (SOURCE / "packaging" / "lib.sh").read_text())[1].split()
    assert set(re.findall(r" \./([\w-]+)_\*\.deb", block("apt-get install "))) <= set(made)
    text = READMES[0].read_text(encoding="utf-8")
    named = re.search(r"makes the packages: (.*?)\.", text, re.S)[1]
    assert set(re.findall(r"`([\w-]+)`", named)) == set(made)
    units = {file.name.removesuffix(".in") for file in (SOURCE / "packaging" / "systemd").iterdir()}
    asked = re.findall(r"systemctl \w+ (?:--\w+ )?([\w@]+(?:\.\w+)?)", text)
    assert asked and {unit if "." in unit else f"{unit}.service" for unit in asked} <= units


def test_presets_that_are_built_and_tested():
    presets = json.loads((SOURCE / "CMakePresets.json").read_text())
    kinds = {"cmake --preset": "configurePresets", "cmake --build --preset": "buildPresets", "ctest --preset": "testPresets"}
    for command in commands("cmake --preset "):
        words, preset = command.rsplit(" ", 1)
        assert preset in {known["name"] for known in presets[kinds[words]]}, command
        assert words in words_of("cmake --preset "), command


def test_another_project_is_built_so():
    for words in ("-std=c++20", *(f"pkg-config {option} geo" for option in re.findall(r"--(?:cflags|libs)", block("g++ ")))):
        assert words in words_of("g++ "), words


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


# What config/demo/README.md promises: each refusal can be had from the demo, so.
ASK = ["redirect", "--ip", "77.88.55.60", "--server", "100-abcdef", "--camera", "0"]
REFUSALS = {
    "bad_request": [[*ASK[:-1], "a/b", "--token", "demo-alice"]],
    "missing_token": [ASK],
    "token_unknown": [[*ASK, "--token", "nobody"]],
    "token_expired": [[*ASK, "--token", "demo-alice-old"]],
    "forbidden": [[*ASK, "--token", "demo-grace"], [*ASK[:-1], "1", "--token", "demo-bob"]],
    "payment_required": [[*ASK, "--token", "demo-carol"], [*ASK, "--token", "demo-dave"]],
    "format_not_in_tariff": [[*ASK, "--token", "demo-erin", "--format", "flv"]],
    "limit_exceeded": [[*ASK, "--token", "demo-frank"]],
    "not_found": [[*ASK[:-1], "9", "--token", "demo-alice"],
                  ["redirect", "--ip", "77.88.55.60", "--server", "300-acme01", "--camera", "0", "--token", "demo-acme"]],
    "offline": [[*ASK[:-1], "1", "--token", "demo-alice"],
                ["redirect", "--ip", "77.88.55.60", "--server", "101-c0ffee", "--camera", "0", "--token", "demo-alice"]],
    "format_unavailable": [[*ASK[:-1], "2", "--token", "demo-alice", "--format", "flv"]],
    "no_node": [["redirect", "--ip", "10.99.0.1", *ASK[3:], "--token", "demo-alice"]],
    "reserved_address": [["resolve", "192.168.0.1"]],
    "unknown_address": [["resolve", "1.1.1.1"]],
}


def test_refusals_of_the_demo():
    text = READMES[1].read_text(encoding="utf-8")
    told = {code: how for code, how in re.findall(r"^\| `(\w+)` \| (.*) \|$", text, re.M)}
    assert set(told) == set(REFUSALS)
    for code, commands in REFUSALS.items():
        for command in commands:
            done = run("geoctl", "--config", SOURCE / "config" / "demo" / "geod.toml", "--json", *command)
            assert f'"code":"{code}"' in done.stdout, f"{command}\n{done.stdout}{done.stderr}"
            for word in re.findall(r"`(demo-[a-z-]+|nobody|\d+-\w+|[\d.]+)`", told[code]):
                assert word in " ".join(" ".join(other) for other in commands), f"{code}: {word}"
    served = run("geoctl", "--config", SOURCE / "config" / "demo" / "geod.toml", *ASK, "--token", "demo-alice")
    assert served.returncode == 0, served.stderr
