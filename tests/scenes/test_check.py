"""geoctl check: cases and shares, what-ifs, how the outcome is told, and faults with their places: contract 4."""

import os
import pty
import re
import subprocess
from xml.etree import ElementTree

import pytest

from support.town import FRANKFURT, MOSCOW, PETERSBURG, node, small, town
from support.world import BIN, ago, environment, geoctl

CAMERA = 'server = "100-abcdef"\ncamera = "0"\n'


@pytest.fixture
def world(stage):
    return stage.world()


def case(expect, *lines, ip=MOSCOW, camera=True):
    client = f'ip = "{ip}"\n' if ip else ""
    return "\n".join(["[[case]]", client + (CAMERA if camera else ""), *lines, f"expect = {{ {expect} }}", ""])


def written(world, text, name="checks.toml"):
    file = world.path / name
    file.write_text(text)
    return file


def check(world, text, *arguments, **keys):
    return world.geoctl("check", written(world, text), *arguments, **keys)


def outcomes(world, text):
    output = world.geoctl("--json", "check", written(world, text))
    found = output.json_lines()
    assert output.exit == (0 if all(each["ok"] for each in found) else 6), output
    return found


def holds(world, text):
    found = outcomes(world, text)
    assert found and all(each["ok"] for each in found), found
    return found


def fails(world, text):
    found = outcomes(world, text)
    assert found and not any(each["ok"] for each in found), found
    return found


# --- cases ---


def test_example_of_the_contract(stage):
    facts = town()
    facts["nodes"] = [n for n in facts["nodes"] if n["id"] != "node-moscow-3"]
    holds(stage.world(facts), f"""
[[case]]
name = "Moscow stays in Moscow"
ip = "{MOSCOW}"
server = "100-abcdef"
camera = "0"
down = ["node-moscow-1"]
expect = {{ group = "ru-msk", node = ["node-moscow-2", "node-moscow-1"] }}
[[case]]
name = "expired token"
ip = "{MOSCOW}"
server = "100-abcdef"
camera = "0"
token = "expired"
expect = {{ code = "token_expired" }}
[[share]]
name = "weights hold"
place = "RU/MOW"
requests = 10000
expect = {{ "node-moscow-1" = 50.0, "node-moscow-2" = 50.0 }}
tolerance = 2.0
""")


@pytest.mark.parametrize("expect", [
    'group = "ru-msk"', 'group = ["eu", "ru-msk"]', 'pattern = "streaming"', 'code = "redirect"',
    'node = ["node-moscow-1", "node-moscow-2", "node-moscow-3"]', 'group = "ru-msk", code = "redirect", pattern = ["any", "streaming"]',
])
def test_expectations_that_hold(world, expect):
    holds(world, case(expect))


@pytest.mark.parametrize("expect", [
    'group = "eu"', 'node = "node-spb-1"', 'pattern = "any"', 'code = "no_node"', 'group = "ru-msk", node = "node-spb-1"',
])
def test_expectations_that_do_not(world, expect):
    found, = fails(world, case(expect))
    assert found["got"]["group"] == "ru-msk" and found["got"]["code"] == "redirect"


def test_answer_is_that_of_select_and_of_redirect(world):
    chosen = world.geoctl("--json", "select", "--ip", MOSCOW, "--server", "100-abcdef", "--camera", "0").json()
    for token in ([], ['token = "good"']):
        found, = holds(world, case('code = "redirect"', *token))
        assert {key: found["got"][key] for key in ("node", "group", "pattern")} == {key: chosen[key] for key in ("node", "group", "pattern")}


def test_place_partner_pattern_and_format(stage):
    facts = small(node("plain", "here"), node("acme", "here", partners=["acme"]), node("hls", "here", formats=["hls"], weight=1000000),
                  node("archive", "there", patterns=["archive"]))
    world = stage.world(facts)
    holds(world, case('node = "node-acme"', 'place = "DE"', 'partner = "acme"', 'format = "flv"', 'down = ["node-plain"]', ip=None))
    holds(world, case('code = "no_node"', 'place = "DE"', 'format = "flv"', 'down = ["node-plain"]', ip=None))
    holds(world, case('node = "node-hls"', 'place = "DE"', ip=None))
    holds(world, case('node = "node-plain"', 'place = "DE"', 'format = "flv"', ip=None))
    holds(world, case('node = "node-archive", pattern = "archive"', 'place = "DE"', 'pattern = "archive"', ip=None))
    holds(world, case('node = "node-plain"', 'place = "DE"', 'exclude = ["node-hls"]', ip=None, camera=False))


@pytest.mark.parametrize("token, code", [
    ("good", "redirect"), ("expired", "token_expired"), ("nobody", "token_unknown"), ("stranger", "forbidden"),
    ("blocked", "payment_required"), ("flv-fan", "redirect"), ("busy", "limit_exceeded"),
])
def test_with_a_token_a_case_goes_all_the_way(world, token, code):
    holds(world, case(f'code = "{code}"', f'token = "{token}"'))


def test_without_a_token_nobody_asks_for_rights_and_devices(world):
    holds(world, '[[case]]\nip = "10.1.0.7"\nserver = "200-dark"\ncamera = "none"\nexpect = { code = "redirect" }\n')
    holds(world, case('code = "offline"', 'token = "good"').replace("100-abcdef", "200-dark"))


@pytest.mark.files
def test_with_data_alone_sign_is_skipped(world):
    text = written(world, case('group = "ru-msk", code = "redirect"', 'token = "good"'))
    assert geoctl("--data", world.data, "check", text).exit == 0
    (world.path / "k1.hex").unlink()
    assert geoctl("--data", world.data, "check", text).exit == 0
    # nobody signs where no case has a token
    assert world.geoctl("check", written(world, case('group = "ru-msk"'), "plain.toml")).exit == 0
    assert world.geoctl("check", text).exit == 2


# --- what if ---


def test_down_and_drain(world):
    holds(world, case('group = "ru-spb"', 'down = ["node-moscow-1"]', 'drain = ["node-moscow-2", "node-moscow-3"]'))
    found, = fails(world, case('group = "ru-msk"', 'down = ["node-moscow-1", "node-moscow-2"]', 'drain = ["node-moscow-2", "node-moscow-3"]'))
    refused = {each["node"]: each.get("refused") for each in found["trace"]["candidates"]}
    assert refused == {"node-moscow-1": "offline", "node-moscow-2": "offline", "node-moscow-3": "drained", "node-spb-1": None}


def test_a_what_if_is_of_its_check_alone(world):
    down = 'down = ["node-moscow-1", "node-moscow-2", "node-moscow-3"]'
    holds(world, case('group = "ru-msk"') + case('group = "ru-spb"', down) + case('group = "ru-msk"') + case('group = "ru-spb"', down))


def test_down_brings_no_node_back(stage):
    facts = town()
    facts.node("node-spb-1")["admin"] = "offline"
    holds(stage.world(facts), case('group = "ru-msk"', 'drain = []', ip=PETERSBURG))


def loaded(**reports):
    facts = small(node("a", "here", capacity=100), node("b", "here", capacity=100), node("c", "there", capacity=100))
    facts["node_states"] = [{"id": f"node-{name}", **report} for name, report in reports.items()]
    return facts


def test_load_fills_a_node(stage):
    world = stage.world(loaded())
    holds(world, case('node = "node-b"', "load = { node-a = 1.0 }"))
    holds(world, case('node = "node-a"', "load = { node-b = 1 }"))
    found, = holds(world, case('node = "node-c"', "load = { node-a = 1.5, node-b = 1.0 }"))
    assert found["got"]["group"] == "there"


def test_load_stands_for_that_part_of_the_capacity(stage):
    """90 of 100 are under way: 10 more fit, the other one has no limit as long as nobody knows what it has."""
    world = stage.world(loaded())
    share = '[[share]]\nplace = "DE"\nrequests = 100\nload = { node-a = 0.9 }\nexpect = { node-a = 10, node-b = 90 }\ntolerance = 0\n'
    holds(world, share)
    spilled = share.replace("node-a = 0.9 }", "node-a = 0.9, node-b = 0.8 }").replace("node-b = 90 }", "node-b = 20, node-c = 70 }")
    holds(world, spilled)


def test_a_load_leaves_others_with_what_they_report(stage):
    fresh = {"seen_at": ago(1), "sessions": 100}
    assert holds(stage.world(loaded(b=fresh)), case('node = "node-a"', "load = { node-a = 0.5 }"))
    assert holds(stage.world(loaded(a=fresh, b=fresh)), case('node = "node-a"', "load = { node-a = 0.5 }"))


def test_old_reports_of_a_whole_group_stay_unknown_beside_a_load(stage):
    """One fresh report would make the others stale, and nodes that a case does not name would fall away."""
    old = {"seen_at": ago(3600), "sessions": 1}
    world = stage.world(loaded(a=old, b=old))
    holds(world, case('group = "here"') + case('node = "node-b"', "load = { node-a = 1.0 }"))


def test_a_stale_node_stays_stale_beside_a_load(stage):
    world = stage.world(loaded(a={"seen_at": ago(3600), "sessions": 1}, b={"seen_at": ago(1), "sessions": 1}))
    holds(world, case('node = "node-b"') + case('node = "node-c"', "load = { node-b = 1.0 }"))


@pytest.mark.parametrize("at", ["2019-06-01T00:00:00Z", '"2019-06-01T00:00:00Z"', "1559347200", '"1559347200"', '"2019-06-01T02:00:00+02:00"'])
def test_at_is_the_clock(world, at):
    holds(world, case('code = "token_expired"', 'token = "expired"') + case('code = "redirect"', 'token = "expired"', f"at = {at}"))
    holds(world, case('code = "payment_required"', 'token = "unpaid"') + case('code = "redirect"', 'token = "unpaid"', f"at = {at}"))


def test_at_is_the_clock_of_reports_too(stage):
    facts = loaded(a={"seen_at": ago(3600), "sessions": 100}, b={"seen_at": ago(7200), "sessions": 1})
    at = (ago(3599)).strftime("%Y-%m-%dT%H:%M:%SZ")
    holds(stage.world(facts), case('node = "node-c"', f"at = {at}"))  # a is full then, b has been silent


# --- shares ---


def share(expect, *lines, place="RU/MOW"):
    return "\n".join(["[[share]]", f'place = "{place}"', *lines, f"expect = {{ {expect} }}", ""])


def test_shares_are_those_of_select(world):
    drawn = world.geoctl("--json", "select", "--place", "RU/MOW", "-n", "5000").json()
    found, = holds(world, share("node-moscow-1 = 40, node-moscow-2 = 40, node-moscow-3 = 20", "requests = 5000"))
    assert found["got"] == {each["node"]: each["share_percent"] for each in drawn["nodes"]}


def test_tolerance_is_in_percentage_points(world):
    found, = holds(world, share("node-moscow-1 = 40.0", "requests = 1000", "tolerance = 100"))
    got = found["got"]["node-moscow-1"]
    off = round(abs(got - 40.0), 3)
    assert off > 0
    holds(world, share("node-moscow-1 = 40.0", "requests = 1000", f"tolerance = {off:.3f}"))
    fails(world, share("node-moscow-1 = 40.0", "requests = 1000", f"tolerance = {off - 0.01:.3f}"))


def test_share_of_one_camera_with_the_bound_on(stage):
    facts = small(node("a", "here"), node("b", "here"))
    one = share("node-a = 50, node-b = 50", CAMERA, "requests = 1000", "tolerance = 20", place="DE")
    holds(stage.world(facts, balance={"balance_factor": 1.25}), one)
    fails(stage.world(facts, balance={"balance_factor": 0.0}), one)


def test_share_counts_spill_and_refusals(stage):
    world = stage.world(loaded())
    full = "load = { node-a = 0.5, node-b = 0.5, node-c = 0.5 }"
    found, = fails(world, share("node-a = 25, node-b = 25", "requests = 200", full, "tolerance = 0.1", place="DE").replace("node-b = 25", "node-b = 26"))
    assert found["got"] == {"node-a": 25, "node-b": 25, "node-c": 25}
    output = check(world, share("node-a = 99", "requests = 200", full, place="DE"))
    assert output.exit == 6 and "50 of 200 refused: no_node" in output.out


def test_what_ifs_of_a_share(world):
    holds(world, share("node-moscow-2 = 66.7, node-moscow-3 = 33.3", 'down = ["node-moscow-1"]'))
    holds(world, share("node-moscow-1 = 0, node-spb-1 = 100", 'drain = ["node-moscow-1", "node-moscow-2", "node-moscow-3"]', "tolerance = 0"))


def test_checks_do_not_see_each_others_requests(stage):
    text = share("node-a = 50, node-b = 50", CAMERA, "requests = 1000", "tolerance = 20", place="DE")
    found = outcomes(stage.world(small(node("a", "here"), node("b", "here")), balance={"balance_factor": 1.25}), text + text)
    assert found[0]["got"] == found[1]["got"]


# --- how it is told ---

MIXED = (case('group = "ru-msk"', 'name = "first # one"') + case('group = "eu"', 'name = "<second> & \\"other\\""')
         + share("node-moscow-1 = 1", 'name = "third"', "requests = 100"))


def tap(text):
    """[(ok, name, {key: value})] of TAP 14, checked against its grammar as far as we use it."""
    lines = text.splitlines()
    assert lines[0] == "TAP version 14"
    count = int(re.fullmatch(r"1\.\.(\d+)", lines[1])[1])
    found, i = [], 2
    while i < len(lines):
        ok, number, name = re.fullmatch(r"(not ok|ok) (\d+) - (.*)", lines[i]).groups()
        assert int(number) == len(found) + 1
        assert not re.search(r"(?<!\\)#", name), "a directive"
        i += 1
        block = []
        if i < len(lines) and lines[i] == "  ---":
            end = lines.index("  ...", i)
            block = lines[i + 1:end]
            assert all(line == "" or line.startswith("  ") for line in block)
            i = end + 1
        found.append((ok == "ok", name.replace("\\#", "#"), "\n".join(block)))
    assert len(found) == count
    return found


def test_tap_on_a_pipe(world):
    output = check(world, MIXED)
    assert output.exit == 6 and output.err == ""
    first, second, third = tap(output.out)
    assert first == (True, "first # one", "")
    ok, name, block = second
    assert not ok and name == '<second> & "other"'
    assert 'expected: "group=eu code=redirect"' in block and 'got: "group=ru-msk node=node-moscow-' in block
    assert "file: " in block and "line: 8" in block
    for step in ("locate", "group", "select"):
        assert step in block
    assert "chosen" in block and "not_first" in block
    assert not third[0] and "node-moscow-1=1.00%, each within 2.00 points" in third[2] and "EXPECTED" in third[2]


def test_json_is_one_object_a_line(world):
    first, second, third = outcomes(world, MIXED)
    assert [each["name"] for each in (first, second, third)] == ["first # one", '<second> & "other"', "third"]
    assert [each["ok"] for each in (first, second, third)] == [True, False, False]
    assert second["expected"] == {"group": ["eu"], "code": "redirect"}
    assert second["got"]["group"] == "ru-msk" and second["line"] == 8
    assert [step["step"] for step in second["trace"]["steps"]] == ["locate", "group", "select"]
    assert "trace" not in first and third["expected"] == {"node-moscow-1": 1}


def test_text_on_a_terminal(world):
    file = written(world, MIXED)
    leader, follower = pty.openpty()
    done = subprocess.Popen([BIN / "geoctl", "--config", world.config_file, "check", file], stdout=follower, stderr=follower,
                            env=environment({"NO_COLOR": "1", "TERM": "xterm"}))
    os.close(follower)
    text = b""
    while True:
        try:
            part = os.read(leader, 65536)
        except OSError:
            break
        if not part:
            break
        text += part
    os.close(leader)
    assert done.wait(timeout=30) == 6
    lines = text.decode().replace("\r\n", "\n").splitlines()
    assert lines[0] == str(file) and lines[1] == "  ok      first # one"
    assert '  FAILED  <second> & "other" line 8' in lines
    assert any(re.fullmatch(r" +expected  group=eu code=redirect", line) for line in lines)
    assert any(re.match(r" +got       group=ru-msk node=node-moscow-\d pattern=streaming code=redirect", line) for line in lines)
    assert any("1  locate" in line for line in lines)
    assert lines[-1] == "3 checks, 2 failed"


def test_junit(world):
    other = written(world, case('code = "redirect"'), "other.toml")
    out = world.path / "out.xml"
    out.write_text("what was there before, and longer than what comes" * 1000)
    file = written(world, MIXED)
    output = world.geoctl("check", file, other, "--junit", out)
    assert output.exit == 6 and len(tap(output.out)) == 4
    root = ElementTree.parse(out).getroot()
    assert root.tag == "testsuites" and (root.get("tests"), root.get("failures"), root.get("errors")) == ("4", "2", "0")
    suites = root.findall("testsuite")
    assert [(s.get("name"), s.get("tests"), s.get("failures")) for s in suites] == [(str(file), "3", "2"), (str(other), "1", "0")]
    cases = root.findall("testsuite/testcase")
    assert [c.get("name") for c in cases] == ["first # one", '<second> & "other"', "third", "case 1"]
    assert all(c.get("classname") and float(c.get("time")) >= 0 for c in cases)
    assert [len(c.findall("failure")) for c in cases] == [0, 1, 1, 0]
    failure = cases[1].find("failure")
    assert failure.get("message").startswith("expected group=eu code=redirect, got group=ru-msk")
    assert "select" in failure.text and "not_first" in failure.text and "\n" in failure.text


def test_junit_that_cannot_be_written(world):
    output = check(world, MIXED, "--junit", world.path / "no" / "such" / "folder.xml")
    assert output.exit == 2 and output.err.startswith("bad_request: junit: ") and "folder.xml" in output.err


def test_all_hold(world):
    output = check(world, case('group = "ru-msk"') + case('group = "eu"', ip=FRANKFURT))
    assert output.exit == 0 and [ok for ok, _, _ in tap(output.out)] == [True, True]


def test_no_token_and_no_signature_in_any_outcome(world):
    """What CI keeps of a run is read by more people than may view the camera."""
    token = "a+b/c=d~"
    out = world.path / "out.xml"
    for arguments in ([], ["--json"]):
        file = written(world, case('code = "forbidden"', f'token = "{token}"'))
        output = world.geoctl(*arguments, "check", file, "--junit", out)
        assert output.exit == 6 and "authorize" in output.out
        for text in (output.out, out.read_text()):
            assert token not in text and "a%2Bb" not in text and "sig=" not in text


# --- faults ---

FAULTS = [
    ('[[case]]\nip = "10.1.0.7"\nip4 = 1\nexpect = { group = "eu" }', 3, 1, "case.ip4", "unknown key"),
    ('[[case]]\nip = "10.1.0.7"\nexpect = { grp = "eu" }', 3, 12, "case.expect.grp", "unknown key"),
    ('[[case]]\nip = "10.1.0.7"\nexpect = { group = "mars" }', 3, 20, "case.expect.group", 'no group "mars"'),
    ('[[case]]\nip = "10.1.0.7"\nexpect = { node = ["node-spb-1",\n  "node-x"] }', 4, 3, "case.expect.node", 'no node "node-x"'),
    ('[[case]]\nip = "10.1.0.7"\nexpect = { pattern = "x" }', 3, 22, "case.expect.pattern", 'no pattern "x"'),
    ('[[case]]\nip = "10.1.0.7"\nexpect = { code = "gone" }', 3, 19, "case.expect.code", "expected redirect or the code of a refusal"),
    ('[[case]]\nip = "10.1.0.7"\nexpect = { }', 3, 10, "case.expect", "expected one or more of"),
    ('[[case]]\nip = "10.1.0.7"\nexpect = "eu"', 3, 10, "case.expect", "expected a table"),
    ('[[case]]\nip = "10.1.0.7"', 1, 1, "case.expect", "missing"),
    ('[[case]]\nip = "10.1.0.300"\nexpect = { group = "eu" }', 2, 6, "case.ip", "expected an IP address"),
    ('[[case]]\nexpect = { group = "eu" }', 1, 1, "case.ip", "missing"),
    ('[[case]]\nip = "10.1.0.7"\nplace = "RU"\nexpect = { group = "eu" }', 3, 9, "case.place", "either ip or place"),
    ('[[case]]\nplace = "Russia"\nexpect = { group = "eu" }', 2, 9, "case.place", "expected a place"),
    ('[[case]]\nplace = "RU"\ncamera = "0"\nexpect = { group = "eu" }', 1, 1, "case.server", "missing"),
    ('[[case]]\nplace = "RU"\ncamera = "a b"\nserver = "s"\nexpect = { group = "eu" }', 3, 10, "case.camera", "expected 1-64"),
    ('[[case]]\nplace = "RU"\ntoken = "good"\nexpect = { group = "eu" }', 1, 1, "case.server", "missing; a request with a token"),
    ('[[case]]\nplace = "RU"\ntoken = ""\nexpect = { group = "eu" }', 3, 9, "case.token", "expected 1-4096 visible ASCII"),
    ('[[case]]\nplace = "RU"\npartner = "x"\nexpect = { group = "eu" }', 3, 11, "case.partner", 'no partner "x"'),
    ('[[case]]\nplace = "RU"\npattern = "x"\nexpect = { group = "eu" }', 3, 11, "case.pattern", 'no pattern "x"'),
    ('[[case]]\nplace = "RU"\nformat = "mp4"\nexpect = { group = "eu" }', 3, 10, "case.format", "expected one of flv"),
    ('[[case]]\nplace = "RU"\nexclude = ["node-spb-1", "node-spb-1", "node-spb-1", "node-spb-1", "node-spb-1"]\nexpect = { group = "eu" }', 3, 11, "case.exclude", "at most 4"),
    ('[[case]]\nplace = "RU"\ndown = ["node-spb-1", "node-x"]\nexpect = { group = "eu" }', 3, 23, "case.down", 'no node "node-x"'),
    ('[[case]]\nplace = "RU"\ndown = "node-spb-1"\nexpect = { group = "eu" }', 3, 8, "case.down", "expected an array of strings"),
    ('[[case]]\nplace = "RU"\ndrain = ["node-x"]\nexpect = { group = "eu" }', 3, 10, "case.drain", 'no node "node-x"'),
    ('[[case]]\nplace = "RU"\nload = { node-x = 0.5 }\nexpect = { group = "eu" }', 3, 10, "case.load.node-x", 'no node "node-x"'),
    ('[[case]]\nplace = "RU"\nload = { node-spb-1 = -1 }\nexpect = { group = "eu" }', 3, 23, "case.load.node-spb-1", "expected a number from 0"),
    ('[[case]]\nplace = "RU"\nat = "noon"\nexpect = { group = "eu" }', 3, 6, "case.at", "expected a time"),
    ('[[case]]\nplace = "RU"\nat = 2026-01-01T00:00:00\nexpect = { group = "eu" }', 3, 6, "case.at", "add Z"),
    ('[[share]]\nplace = "RU"\nexpect = { node-x = 50 }', 3, 12, "share.expect.node-x", 'no node "node-x"'),
    ('[[share]]\nplace = "RU"\nexpect = { node-spb-1 = 101 }', 3, 25, "share.expect.node-spb-1", "from 0 to 100"),
    ('[[share]]\nplace = "RU"\nexpect = { }', 3, 10, "share.expect", "found an empty one"),
    ('[[share]]\nplace = "RU"', 1, 1, "share.expect", "missing"),
    ('[[share]]\nplace = "RU"\nrequests = 0\nexpect = { node-spb-1 = 1 }', 3, 12, "share.requests", "from 1"),
    ('[[share]]\nplace = "RU"\ntolerance = -1\nexpect = { node-spb-1 = 1 }', 3, 13, "share.tolerance", "from 0 to 100"),
    ('[[share]]\nplace = "RU"\ntoken = "good"\nexpect = { node-spb-1 = 1 }', 3, 1, "share.token", "unknown key"),
    ('[[cases]]\nplace = "RU"', 1, 3, "cases", "unknown table"),
    ("", 1, 1, "case", "missing; expected a [[case]] or a [[share]]"),
    ("# nothing yet\n", 1, 1, "case", "missing"),
    ('[[case]\n', 1, 8, "", ""),
]


@pytest.mark.parametrize("text, line, col, key, message", FAULTS, ids=[f"{each[3]}-{i}" for i, each in enumerate(FAULTS)])
def test_each_fault_has_its_place(module_world, text, line, col, key, message):
    file = written(module_world, text)
    output = module_world.geoctl("check", file)
    assert output.exit == 2 and output.out == ""
    told = output.err.splitlines()
    assert len(told) == 1, output
    found = re.fullmatch(rf"{re.escape(str(file))}:(\d+):(\d+): (?:([\w.-]+): )?(.*)", told[0])
    assert found, output
    assert (int(found[1]), int(found[2])) == (line, col), output
    assert (found[3] or "") == key and message in found[4], output


@pytest.fixture(scope="module")
def module_world(module_stage):
    return module_stage.world()


def test_all_faults_of_all_files_in_one_run(world):
    one = written(world, case('group = "mars"', 'nmae = "x"') + share("node-x = 1"), "one.toml")
    two = written(world, case('code = "gone"', 'down = ["node-y"]'), "two.toml")
    missing = world.path / "zero.toml"
    output = world.geoctl("check", two, one, missing)
    assert output.exit == 2 and output.out == ""
    places = [re.match(r"(.*?):(\d+):\d+: (?:([\w.-]+): )?", line) for line in output.err.splitlines()]
    assert [(p[1].rsplit("/")[-1], p[3]) for p in places] == [
        ("one.toml", "case.nmae"), ("one.toml", "case.expect.group"), ("one.toml", "share.expect.node-x"),
        ("two.toml", "case.down"), ("two.toml", "case.expect.code"), ("zero.toml", None)]
    assert output.err.splitlines()[-1].startswith(f"{missing}:1:1: no such file")
    # nothing was decided, nothing is written
    out = world.path / "out.xml"
    assert world.geoctl("check", one, "--junit", out).exit == 2 and not out.exists()
    problem = world.geoctl("--json", "check", one).json()
    assert problem["code"] == "invalid_config" and len(problem["faults"]) == 3
    assert set(problem["faults"][0]) == {"file", "line", "col", "key", "message"}


def test_a_token_is_in_no_fault(world):
    output = check(world, case('group = "ru-msk"', 'token = "not a token"'))
    assert output.exit == 2 and "case.token" in output.err and "not a token" not in output.err


def test_arguments(world):
    assert world.geoctl("check").exit == 2
    assert world.geoctl("check", written(world, case('group = "ru-msk"')), "--junit").exit == 2
    done = world.geoctl("--data", world.path / "none", "check", written(world, case('group = "ru-msk"')))
    assert done.exit == 2 and "topology.toml" in done.err
