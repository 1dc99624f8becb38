"""geoctl resolve and geodata: files alone, each provider's say, upstreams asked ahead, progress on a terminal."""

import json
import os
import pty
import re
import select
import subprocess
import time

import pytest

from ip_api_double import IpApiDouble
from support import city
from support.far import Far
from support.raw_http import eventually
from support.town import town
from support.world import BIN, environment, geoctl

DAY = 86400


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return city.put(tmp_path_factory.mktemp("city") / "city.mmdb", build_epoch=int(time.time()) - 10 * DAY)


@pytest.fixture(scope="module")
def old_file(tmp_path_factory):
    return city.put(tmp_path_factory.mktemp("old") / "old.mmdb", build_epoch=int(time.time()) - 91 * DAY)


# --- files alone ---


def test_files_need_no_config(file, tmp_path):
    (tmp_path / "geod.toml").write_text("this is no config")
    output = geoctl("--json", "resolve", "--file", file, "77.88.55.60", "9.9.9.9", "10.1.0.1", cwd=tmp_path)
    found, unknown, reserved = output.json_lines()
    assert (found["city"], found["provider"], found["cached"]) == ("Moscow", "maxmind", False), output
    assert (unknown["code"], reserved["code"]) == ("unknown_address", "reserved_address")
    assert output.exit == 4


def test_the_first_file_that_knows_it_answers(file, tmp_path):
    other = city.put(tmp_path / "other.mmdb", {"77.88.0.0/16": ("FR", "", "", "Paris|", "", ""), "9.9.9.0/24": ("CH", "", "", "", "", "")})
    lines = geoctl("--json", "resolve", "--file", file, "--file", other, "77.88.55.60", "9.9.9.9").json_lines()
    assert [line["country_code"] for line in lines] == ["RU", "CH"]


def test_every_unusable_file_is_named(file, tmp_path):
    (tmp_path / "text.mmdb").write_text("no database")
    output = geoctl("resolve", "--file", tmp_path / "missing.mmdb", "--file", file, "--file", tmp_path / "text.mmdb", "8.8.8.8")
    assert output.exit == 2 and output.out == "", output
    assert "missing.mmdb" in output.err and "text.mmdb" in output.err and "city.mmdb" not in output.err


@pytest.mark.parametrize("arguments", [["--provider", "maxmind", "--file", "x.mmdb"], ["--trace", "--csv"]])
def test_options_that_exclude_each_other(arguments):
    output = geoctl("resolve", *arguments, "8.8.8.8")
    assert output.exit == 2 and "exclude each other" in output.err, output


# --- each provider's say ---


@pytest.fixture(scope="module")
def world(module_stage, file):
    facts = town()
    facts["networks"].append({"cidr": "77.88.0.0/16", "country": "RU"})
    return module_stage.world(facts, resolver={"providers": ["networks", "maxmind"]}, resolver__maxmind={"files": [str(file)]})


def test_trace_asks_all_of_them(world):
    lines = world.geoctl("--json", "resolve", "--trace", "77.88.55.60", "8.8.8.8", "10.200.0.1", "x").json_lines()
    assert [line["ip"] for line in lines] == ["77.88.55.60", "8.8.8.8", "10.200.0.1", "x"]
    assert [list(line) for line in lines] == [["ip", "answer", "providers"]] * 4
    both, one, reserved, none = lines
    assert both["answer"] == world.geoctl("--json", "resolve", "77.88.55.60").json()
    assert [(p["provider"], p["result"]) for p in both["providers"]] == [("networks", "found"), ("maxmind", "found")]
    assert list(both["providers"][0]) == ["provider", "result", "location", "detail", "cached", "duration_us"]
    assert [p["location"]["city"] for p in both["providers"]] == [None, "Moscow"]
    assert [p["result"] for p in one["providers"]] == ["unknown_address", "found"] and one["answer"]["provider"] == "maxmind"
    assert one["providers"][0]["location"] is None
    assert [p["result"] for p in reserved["providers"]] == ["unknown_address", "reserved_address"]
    assert reserved["answer"]["code"] == "reserved_address" and reserved["answer"]["ip"] == "10.200.0.1"
    assert none["answer"]["code"] == "bad_request" and none["providers"] == []


def test_trace_for_people(world):
    output = world.geoctl("resolve", "--trace", "77.88.55.60", "9.9.9.9")
    assert output.exit == 4 and output.err == "unknown_address: no provider knows 9.9.9.9\n"
    assert re.search(r"^> +networks +RU .* us +found$", output.out, re.M), output
    assert re.search(r"^ +maxmind +RU +MOW +Moscow +Moscow .* us +found$", output.out, re.M), output
    assert re.search(r"^ +maxmind +- .* us +unknown_address", output.out, re.M), output


def test_trace_tells_of_an_upstream_that_fails(stage):
    with Far(body=b"{}") as far:
        world = stage.world(resolver={"providers": ["networks", "remote"]}, resolver__remote={"url": far.url})
        line = world.geoctl("--json", "resolve", "--trace", "8.8.8.8").json()
    assert line["answer"]["code"] == "upstream_unavailable"
    say = line["providers"][1]
    assert (say["provider"], say["result"], say["location"]) == ("remote", "upstream_unavailable", None) and say["detail"], say


def test_trace_of_what_was_just_asked_for_is_not_cached(stage):
    with Far() as far:
        world = stage.world(resolver={"providers": ["networks", "remote"]}, resolver__remote={"url": far.url})
        first, again = world.geoctl("--json", "resolve", "--trace", "8.8.8.8", "8.8.8.8").json_lines()
    assert first["answer"]["cached"] is False and first["providers"][1]["cached"] is False
    assert again["answer"]["cached"] is True and again["providers"][1]["cached"] is True
    assert far.asked == ["8.8.8.8"]


# --- one of the providers ---


def test_one_provider_alone(world):
    assert world.geoctl("--json", "resolve", "--provider", "maxmind", "77.88.55.60").json()["provider"] == "maxmind"
    output = world.geoctl("resolve", "--provider", "ip-api", "77.88.55.60")
    assert output.exit == 2 and "networks, maxmind" in output.err, output


def test_the_far_resolver_alone(stage):
    with Far() as far:
        world = stage.world(resolver={"providers": ["networks"], "url": far.url})
        assert world.geoctl("--json", "resolve", "10.1.0.7").json()["provider"] == "networks"
        assert world.geoctl("--json", "resolve", "--provider", "remote", "10.1.0.7").json()["provider"] == "remote"
        assert world.geoctl("resolve", "--provider", "maxmind", "10.1.0.7").exit == 2


# --- upstreams are asked ahead ---


def test_upstream_is_asked_for_many_before_the_first_answers(stage):
    ips = [f"8.8.{i}.8" for i in range(50)]
    with Far() as far:
        far.open.clear()
        world = stage.world(resolver={"url": far.url}, deadline={"resolve_ms": 50_000, "request_ms": 60_000})
        process = subprocess.Popen([BIN / "geoctl", "--config", world.config_file, "--json", "resolve", "-"], stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, text=True, env=environment())
        try:
            process.stdin.write("\n".join(ips) + "\n")
            process.stdin.flush()
            eventually(lambda: len(far.asked) > 1, "more than one address is asked for at once")
            far.open.set()
            lines = [json.loads(process.stdout.readline()) for _ in ips]  # with the input still open
            process.stdin.close()
            assert process.wait(20) == 0
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
    assert [line["ip"] for line in lines] == ips
    assert {line["cached"] for line in lines} == {False}


def test_misses_gather_into_batches(stage):
    ips = [f"8.{i // 250}.{i % 250}.8" for i in range(600)]
    with IpApiDouble() as double:
        world = stage.world(resolver={"providers": ["networks", "ip-api"]}, **{"resolver.ip-api": {"url": double.url}})
        output = world.geoctl("--json", "resolve", "-", stdin="\n".join(ips + ips[:10]))
    lines = output.json_lines()
    assert [line["ip"] for line in lines] == ips + ips[:10]
    assert {line.get("provider") for line in lines} == {"ip-api"}, output
    assert [line["cached"] for line in lines] == [False] * 600 + [True] * 10
    assert double.addresses == 600 and sum(double.calls.values()) <= 15, double.stats()


# --- city databases ---


def test_geodata_json(file):
    found = geoctl("--json", "geodata", file).json()
    assert list(found) == ["path", "type", "build_epoch", "age_s", "ip_version", "networks", "bytes"]
    assert (found["path"], found["type"], found["ip_version"]) == (str(file), "GeoLite2-City", 6)
    assert found["networks"] == len(city.CITIES) and found["bytes"] > 0
    assert 10 * DAY <= found["age_s"] < 11 * DAY


def test_geodata_for_people(file):
    output = geoctl("geodata", file)
    assert output.exit == 0 and output.err == "", output
    assert "GeoLite2-City" in output.out and "10 days" in output.out and "IPv6" in output.out


def test_old_files_are_noted(old_file, file):
    output = geoctl("geodata", old_file, file)
    assert output.exit == 0 and "old.mmdb is 91 days old" in output.err and "city.mmdb" not in output.err, output
    assert geoctl("--json", "geodata", old_file).json()["age_s"] >= 91 * DAY


def test_old_files_are_noted_once_where_people_read(stage, old_file):
    world = stage.world(resolver={"providers": ["maxmind"]}, resolver__maxmind={"files": [str(old_file)]})
    for arguments in (["--file", old_file], []):
        for form, notes in (([], 1), (["--csv"], 0), (["--json"], 0)):
            output = world.geoctl("resolve", *arguments, *form, "8.8.8.8", "77.88.55.60")
            assert output.exit == 0 and output.err.count("days old") == notes, output


def test_a_file_from_the_future_is_not_old(tmp_path):
    far = city.put(tmp_path / "future.mmdb", build_epoch=2 ** 63)
    output = geoctl("--json", "geodata", far)
    assert output.exit == 0 and output.err == "", output
    assert (output.json()["build_epoch"], output.json()["age_s"]) == (2 ** 63, 0)
    assert geoctl("geodata", far).exit == 0


def test_unusable_files_are_told_beside_good_ones(file, tmp_path):
    (tmp_path / "text.mmdb").write_text("no database")
    output = geoctl("--json", "geodata", tmp_path / "text.mmdb", file, tmp_path / "missing.mmdb")
    first, good, last = output.json_lines()
    assert output.exit == 2 and good["path"] == str(file)
    assert "text.mmdb" in first["detail"] and "missing.mmdb" in last["detail"]
    assert geoctl("geodata").exit == 2


# --- progress ---


class Terminal:
    """geoctl with standard error on a terminal; its answers go to a pipe, the addresses come from one."""

    def __init__(self, *arguments, env=None):
        self.leader, follower = pty.openpty()
        self.process = subprocess.Popen([BIN / "geoctl", *map(str, arguments)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=follower, text=True, env=environment({"TERM": "xterm", **(env or {})}))
        os.close(follower)
        self.shown = ""

    def ask(self, ip):
        self.process.stdin.write(ip + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def look(self):
        try:
            while select.select([self.leader], [], [], 0)[0] and (data := os.read(self.leader, 65536)):
                self.shown += data.decode()
        except OSError:  # Linux says EIO when the other side is closed
            pass
        return self.shown

    def end(self):
        self.process.stdin.close()
        status = self.process.wait(20)
        self.look()
        os.close(self.leader)
        self.process.stdout.close()
        return status


def test_progress_comes_when_it_takes_long_and_goes_at_the_end(file):
    terminal = Terminal("--json", "resolve", "--file", file, "-", env={"NO_COLOR": "1"})
    assert terminal.ask("8.8.8.8")["ip"] == "8.8.8.8"
    asked = 1
    deadline = time.monotonic() + 20
    while "addresses" not in terminal.look() and time.monotonic() < deadline:
        terminal.ask("8.8.8.8")
        asked += 1
    assert terminal.end() == 0
    assert re.search(r"\r\d+ addresses, \d+/s", terminal.shown), (asked, terminal.shown)
    assert "\x1b" not in terminal.shown
    last = terminal.shown.rstrip("\r").rsplit("\r", 1)[-1]
    assert last.strip() == "", terminal.shown


def test_no_progress_for_what_is_quick(file):
    terminal = Terminal("--json", "resolve", "--file", file, "-")
    terminal.ask("8.8.8.8")
    assert terminal.end() == 0 and terminal.shown == ""


def test_no_progress_where_nobody_looks(file):
    process = subprocess.Popen([BIN / "geoctl", "--json", "resolve", "--file", file, "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True, env=environment())
    begun = time.monotonic()
    while time.monotonic() < begun + 1.5:
        process.stdin.write("8.8.8.8\n")
        process.stdin.flush()
        process.stdout.readline()
    assert process.communicate(timeout=20)[1] == ""


def test_progress_of_a_file_tells_how_much_is_left(file, tmp_path):
    addresses = tmp_path / "addresses"
    addresses.write_text("8.8.8.8\n" * 3_000_000)
    leader, follower = pty.openpty()
    with open(addresses, "rb") as stdin:
        process = subprocess.Popen([BIN / "geoctl", "--json", "resolve", "--file", file, "-"], stdin=stdin, stdout=subprocess.DEVNULL,
                                   stderr=follower, env=environment({"TERM": "xterm"}))
    os.close(follower)
    shown = b""
    try:
        while not re.search(rb"\r\[#*-*\] +\d+%  \d+ addresses, \d+/s, \d+ s left", shown):
            assert select.select([leader], [], [], 20)[0], shown
            shown += os.read(leader, 4096)
    finally:
        process.kill()
        process.wait()
        os.close(leader)
