"""One JSON object a line, and never a token: contract 2.7."""

import fcntl
import json
import os
import re
import signal
import stat
import time
from datetime import datetime, timezone

import pytest

from support import raw_http, signing
from support.town import MOSCOW, NOWHERE, town
from support.world import run_geod, target

KEYS = set("ts request_id client_ip peer_ip method path format server camera partner status code located_by provider group "
           "pattern node owner lease duration_us listener".split())
MORE = re.compile(r"degraded|cached|.*_cached|cached_.*")


def test_redirect_in_the_log(stage):
    geod = stage.geod()
    before = time.time()
    answer = geod.ask(MOSCOW, path="/hls", camera="3", redirect="0")
    [line] = geod.world.log_lines(1)
    assert KEYS <= set(line) and all(MORE.fullmatch(key) for key in set(line) - KEYS), set(line) ^ KEYS
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["ts"])
    stamp = datetime.strptime(line["ts"], "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=timezone.utc).timestamp()
    assert before - 1 <= stamp <= time.time() + 1
    assert line["request_id"] == answer.header("X-Request-Id")
    assert (line["client_ip"], line["peer_ip"]) == (MOSCOW, "127.0.0.1")
    assert (line["method"], line["path"], line["format"]) == ("GET", "/hls", "hls")
    assert (line["server"], line["camera"], line["partner"]) == ("100-abcdef", "3", "default")
    assert (line["status"], line["code"], line["listener"]) == (200, "redirect", "redirect")
    assert (line["located_by"], line["provider"]) == ("networks", "networks")
    assert (line["group"], line["pattern"], line["node"]) == ("ru-msk", "streaming", answer.json()["node"])
    assert "u1" in str(line["owner"])
    assert line["duration_us"] >= 0
    assert not line.get("degraded")


def test_client_that_was_not_located_is_degraded(stage):
    geod = stage.geod()
    geod.ask(NOWHERE)
    geod.ask(NOWHERE, host="acme.example.com")
    first, second = geod.world.log_lines(2)
    assert (first["located_by"], first["degraded"], first["group"], first["status"]) == ("default", True, "eu", 302)
    assert (second["group"], second["partner"]) == ("us", "acme")


def test_refusals_are_logged_with_their_code(stage):
    geod = stage.geod()
    for request in (dict(camera=""), dict(access_token=None), dict(access_token="stranger"), dict(camera="nope"), dict(access_token="expired")):
        geod.ask(MOSCOW, **request)
    geod.fetch("/flv", method="DELETE")
    lines = geod.world.log_lines(6)
    assert [(line["status"], line["code"]) for line in lines] == [
        (400, "bad_request"), (401, "missing_token"), (403, "forbidden"), (404, "not_found"), (401, "token_expired"), (405, "method_not_allowed")]
    assert all(KEYS <= set(line) for line in lines)


def test_unknown_path_is_logged_as_other(stage):
    geod = stage.geod()
    for path in ("/nope", "/flv/secret-in-a-path", "/" + "x" * 3000, "/%22%0a"):
        geod.fetch(path)
    for line in geod.world.log_lines(4):
        assert (line["path"], line["status"], line["code"]) == ("other", 404, "no_such_path")


def test_known_paths_and_methods(stage):
    geod = stage.geod()
    for path in ("/flv", "/hls", "/ws-fmp4", "/stream"):
        geod.ask(path=path, method="HEAD", format="flv" if path == "/stream" else None)
    geod.ask(method="OPTIONS")
    lines = geod.world.log_lines(5)
    assert [line["path"] for line in lines] == ["/flv", "/hls", "/ws-fmp4", "/stream", "/flv"]
    assert [line["method"] for line in lines] == ["HEAD"] * 4 + ["OPTIONS"]
    assert lines[3]["format"] == "flv"


def test_verify_listener_is_logged(stage):
    geod = stage.geod()
    _, host, uri = signing.split(geod.ask(MOSCOW).location)
    geod.verify(uri, host)
    geod.verify(uri, "evil.example.net")
    lines = [line for line in geod.world.log_lines(3) if line["listener"] == "verify"]
    assert [line["status"] for line in lines] == [204, 403]
    assert lines[0]["path"] == "/verify" and "reason" not in lines[0]
    assert (lines[1]["code"], lines[1]["reason"]) == ("forbidden", "wrong_host")


def test_neither_token_nor_signature_anywhere(stage):
    """Wherever a client puts them: log, errors and the application log stay clean."""
    secret = "S3cr3tT0k3nXYZ"
    world = stage.world(signing={"bind_client_ip": True}, redirect={"pass_through": ["q"]})
    geod = stage.geod(world)
    told = []
    told.append(geod.ask(access_token=secret))
    told.append(geod.ask(access_token=secret + "%00"))
    told.append(geod.ask(access_token=None, headers=[("Authorization", f"Bearer {secret}")]))
    told.append(geod.ask(access_token=None, headers=[("Authorization", f"Bearer {secret} x")]))
    told.append(geod.ask(access_token=secret, camera="a b"))
    told.append(geod.fetch(f"/{secret}?access_token={secret}"))
    told.append(geod.fetch(f"/flv?access_token={secret}&access_token={secret}"))
    good = geod.ask(access_token="a+b/c=d~")
    sig = signing.parameter(good.location, "sig")
    _, host, uri = signing.split(good.location)
    told.append(geod.verify(uri, host, "127.0.0.1"))
    told.append(geod.verify(uri + "x", host))
    told.append(geod.verify(uri, "evil.example.net"))
    log = json.dumps(world.log_lines(11)) + geod.stderr() + "".join(str(a.body) + str(a.headers) for a in told)
    for hidden in (secret, sig, "a+b/c=d~", "a%2Bb", world.secret.hex()):
        assert hidden not in log, hidden


def test_what_clients_send_cannot_break_a_line(stage):
    geod = stage.geod()
    for value in ("%22,%22x%22:%22", "%0a%7b%7d", "%5c", "%ff%fe", "%E2%80%A8", "\xff"):
        geod.fetch(f"/flv?server={value}&camera={value}&access_token=good", host="evil\"}\\")
    for method in ("B\"REW", "GET"):
        geod.fetch("/flv", method=method)
    lines = geod.world.access_log.read_bytes
    raw_http.eventually(lambda: lines().count(b"\n") >= 7, "the lines are there")
    for line in lines().splitlines():
        assert isinstance(json.loads(line.decode("utf-8")), dict)


def test_file_is_for_owner_and_group(stage):
    geod = stage.geod()
    geod.ask()
    geod.world.log_lines(1)
    assert stat.S_IMODE(geod.world.access_log.stat().st_mode) == 0o640


def reload(geod, by):
    if by == "POST":
        return geod.fetch("/reload", "admin", method="POST")
    before = geod.stderr().count(" audit reload, by ")
    geod.signal(signal.SIGHUP)
    raw_http.eventually(lambda: geod.stderr().count(" audit reload, by ") > before, "it has read everything anew")
    return None


@pytest.mark.parametrize("by", ["SIGHUP", "POST"])
def test_file_is_reopened_on_a_reload(stage, by):
    geod = stage.geod()
    geod.ask(camera="1")
    log = geod.world.access_log
    geod.world.log_lines(1)
    old = log.rename(log.with_suffix(".1"))
    geod.ask(camera="2")
    raw_http.eventually(lambda: len(old.read_text().splitlines()) == 2, "still written to the renamed file")
    reload(geod, by)
    assert log.exists(), "the file is there again"
    geod.ask(camera="3")
    assert [line["camera"] for line in geod.world.log_lines(1)] == ["3"]
    assert len(old.read_text().splitlines()) == 2
    assert stat.S_IMODE(log.stat().st_mode) == 0o640


@pytest.mark.parametrize("by", ["SIGHUP", "POST"])
def test_log_that_cannot_be_reopened_refuses_the_reload_and_the_old_one_stays(stage, by):
    world = stage.world(log={"access": "logs/access.log"})
    (world.path / "logs").mkdir()
    geod = stage.geod(world)
    (world.path / "logs").rename(world.path / "moved")
    answer = reload(geod, by)
    line = next(i for i, each in enumerate(world.config_file.read_text().splitlines(), 1) if each.startswith("access = "))
    message = f"{world.path}/logs/access.log: cannot be opened: No such file or directory"
    assert f" error {world.config_file}:{line}:10: log.access: {message}\n" in geod.stderr()
    assert geod.stderr().rstrip().endswith(": refused; what is in service stays")
    if answer:
        assert answer.status == 422
        assert answer.json()["faults"] == [
            {"file": str(world.config_file), "line": line, "col": 10, "key": "log.access", "message": message}]
    geod.ask(camera="7")
    raw_http.eventually(lambda: '"camera":"7"' in (world.path / "moved/access.log").read_text(), "the old one is written on")
    (world.path / "logs").mkdir()
    reload(geod, by)
    assert geod.stderr().rstrip().endswith(": done") and (world.path / "logs/access.log").exists()


def test_file_is_reopened_whatever_comes_of_the_rest(stage):
    """Its name is the one in service; who rotates it does not wait for whoever edits the config."""
    geod = stage.geod()
    geod.ask(camera="1")
    geod.world.log_lines(1)
    geod.world.access_log.rename(geod.world.access_log.with_suffix(".1"))
    geod.world.config["signing"]["ttl_s"] = 0
    geod.world.write_config()
    assert reload(geod, "POST").status == 422
    geod.ask(camera="2")
    assert [line["camera"] for line in geod.world.log_lines(1)] == ["2"]


@pytest.mark.parametrize("access, why", [("none/access.log", "No such file or directory"), ("data", "Is a directory"),
                                         ("k1.hex/access.log", "Not a directory")])
def test_log_that_cannot_be_opened_is_told_by_a_check_and_by_a_reload(stage, access, why):
    geod = stage.geod()
    world = geod.world
    world.config["log"]["access"] = access
    world.write_config()
    told = f"log.access: {world.path}/{access}: cannot be opened: {why}"
    for arguments in ([], ["--check"]):
        output = run_geod(world, *arguments)
        assert output.exit == 2 and re.search(rf"geod\.toml:\d+:10: {re.escape(told)}\n", output.err), output
    checked = world.geoctl("config", "check")
    assert checked.exit == 0 and f"note: {told}" in checked.err, "who checks it may be another user, or elsewhere"
    refused = reload(geod, "POST")
    assert refused.status == 422 and [each["key"] for each in refused.json()["faults"]] == ["log.access"]


def test_lines_that_a_reader_does_not_take_are_counted_at_the_end(stage):
    world = stage.world(log={"access": "pipe"}, http={"drain_s": 1})
    os.mkfifo(world.path / "pipe")
    reader = os.open(world.path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    try:
        fcntl.fcntl(reader, fcntl.F_SETPIPE_SZ, 4096)
        geod = stage.geod(world)
        with geod.connect() as connection:
            for _ in range(100):
                assert connection.ask(target()).status == 302
        geod.signal(signal.SIGTERM)
        assert geod.process.wait(15) == 0
        written = b""
        while some := os.read(reader, 65536):
            written += some
    finally:
        os.close(reader)
    lost = re.search(r" warn access log: (\d+) lines could not be written in time\n", geod.stderr())
    assert lost and 0 < int(lost[1]) == 100 - written.count(b"\n")


def test_lines_are_appended_to_an_existing_file(stage):
    world = stage.world()
    world.access_log.write_text('{"old":true}\n')
    stage.geod(world).ask()
    lines = world.log_lines(2)
    assert lines[0] == {"old": True} and lines[1]["status"] == 302


def test_masked_addresses(stage):
    geod = stage.geod(log={"mask_client_ip": True})
    for client in ("203.0.113.77", "2001:db8:1:2:3:4:5:6", MOSCOW):
        geod.ask(client)
    lines = geod.world.log_lines(3)
    assert [line["client_ip"] for line in lines] == ["203.0.113.0", "2001:db8:1::", "10.1.0.0"]
    assert lines[2]["group"] == "ru-msk", "only the log is masked"


def test_access_log_can_be_off(stage):
    geod = stage.geod(log={"access": "off"})
    assert geod.ask().status == 302
    geod.stop()
    assert not geod.world.access_log.exists() and "100-abcdef" not in geod.stderr()


def test_access_log_on_stderr(stage):
    geod = stage.geod(log={"access": "stderr"})
    request_id = geod.ask().header("X-Request-Id")
    raw_http.eventually(lambda: request_id in geod.stderr(), "the line is on stderr")


def test_lost_lines_are_told_with_their_cause(stage):
    """While it serves, and those of the last moment too."""
    geod = stage.geod(log={"access": "/dev/full"})
    told = "lines dropped: No space left on device"
    geod.ask()
    raw_http.eventually(lambda: told in geod.stderr(), "the loss is told")
    assert geod.ask().status == 302
    geod.stop()
    assert sum(int(n) for n in re.findall(r"access log: (\d+) " + told, geod.stderr())) == 2


def test_named_pipe_without_a_reader_does_not_hold_the_start(stage):
    world = stage.world(log={"access": "pipe"})
    os.mkfifo(world.path / "pipe")
    output = run_geod(world)
    assert output.exit == 2 and re.search(r"log\.access: .*/pipe: ", output.err), output


def test_every_request_has_its_line(stage):
    facts = town()
    geod = stage.geod(facts=facts)
    ids = []
    with geod.connect() as connection:
        for i in range(2000):
            ids.append(connection.ask(target(camera=str(i % 10))).header("X-Request-Id"))
    geod.stop()
    lines = [json.loads(line) for line in geod.world.access_log.read_text().splitlines()]
    assert [line["request_id"] for line in lines] == ids or sorted(line["request_id"] for line in lines) == sorted(ids)
