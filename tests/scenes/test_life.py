"""Start, health, stop: contract 2.8, as far as it is there."""

import contextlib
import fcntl
import json
import os
import pathlib
import re
import resource
import signal
import socket
import subprocess
import threading
import time

import pytest

from support import raw_http, toml
from support.raw_http import Closed
from support.town import MOSCOW, node, small
from support.world import BIN, environment, run_geod, target


def test_healthz(geod):
    answer = geod.fetch("/healthz", "admin")
    assert answer.status == 200
    assert geod.fetch("/healthz", "admin", method="HEAD").status == 200


def test_only_configured_listeners_are_served(stage):
    geod = stage.geod(listen={"verify": "", "admin": ""})
    assert set(geod.addresses) == {"redirect"}
    assert geod.ask(MOSCOW).status == 302


def test_each_listener_serves_its_own_paths_only(geod):
    for path, listener in (("/flv", "admin"), ("/healthz", "redirect"), ("/verify", "redirect"), ("/flv", "verify"), ("/healthz", "verify")):
        assert geod.fetch(path, listener).code == "no_such_path", (path, listener)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_ends_with_0(stage, number):
    geod = stage.geod()
    geod.signal(number)
    assert geod.process.wait(15) == 0


def test_request_under_way_is_finished(stage):
    geod = stage.geod()
    whole = raw_http.message(target())
    with geod.connect() as under_way, geod.connect() as idle:
        assert idle.ask(target()).status == 302
        under_way.send(whole[:40])
        geod.ask(MOSCOW)  # the server has been round since
        geod.signal(signal.SIGTERM)
        raw_http.eventually(lambda: not accepts(geod.addresses["redirect"]), "no new connections")
        under_way.send(whole[40:])
        answer = under_way.read()
        assert answer.status == 302
        assert answer.header("Connection").lower() == "close"
        assert under_way.is_closed()
    assert geod.process.wait(15) == 0
    assert [line["status"] for line in geod.world.log_lines(3) if line["path"] == "/flv"] == [302] * 3


def accepts(address):
    try:
        with raw_http.Connection(address) as connection:
            connection.ask("/nope")
        return True
    except (OSError, Closed):
        return False


def test_idle_connection_may_send_one_more_request(stage):
    geod = stage.geod()
    with geod.connect() as idle:
        assert idle.ask(target()).status == 302
        geod.signal(signal.SIGTERM)
        answer = idle.ask(target())
        assert answer.status == 302
        assert answer.header("Connection") is None or answer.header("Connection").lower() == "close"
    assert geod.process.wait(15) == 0


def test_it_is_not_ready_while_it_stops(stage):
    geod = stage.geod()
    with geod.connect("admin") as check, geod.connect() as under_way:
        assert check.ask("/readyz").status == 200
        under_way.send(raw_http.message(target())[:40])
        geod.ask(MOSCOW)
        geod.signal(signal.SIGTERM)
        raw_http.eventually(lambda: not accepts(geod.addresses["redirect"]), "no new connections")
        answer = check.ask("/readyz")
        assert (answer.status, answer.json()) == (503, {"ready": False, "reasons": ["geod is stopping"]})
        # whoever comes now still sees how it is getting on
        assert (geod.fetch("/healthz", "admin").status, geod.fetch("/readyz", "admin").status) == (200, 503)
        metrics = lambda: geod.fetch("/metrics", "admin").body.decode()  # noqa: E731
        assert "\ngeod_ready 0\n" in metrics()
        raw_http.eventually(lambda: '\ngeod_connections{listener="redirect",state="open"} 1\n' in metrics(), "one is left")
        under_way.send(raw_http.message(target())[40:])
        assert under_way.read().status == 302
    assert geod.process.wait(15) == 0
    assert not accepts(geod.addresses["admin"])


def test_answered_is_done_whether_or_not_the_client_has_closed(stage):
    geod = stage.geod(http={"drain_s": 2})
    with geod.connect() as connection:
        connection.send(raw_http.message(target())[:40])
        geod.ask(MOSCOW)
        geod.signal(signal.SIGTERM)
        raw_http.eventually(lambda: not accepts(geod.addresses["redirect"]), "no new connections")
        time.sleep(1)
        connection.send(raw_http.message(target())[40:])
        assert connection.read().status == 302
        assert geod.process.wait(15) == 0
    assert "still open" not in geod.stderr() and "undone" not in geod.stderr()


def test_client_that_never_finishes_does_not_hold_the_end(stage):
    geod = stage.geod(http={"drain_s": 1, "trusted_proxies": []})
    with geod.connect() as connection:
        connection.send(raw_http.message(target())[:40])
        geod.ask()
        started = time.monotonic()
        geod.signal(signal.SIGTERM)
        assert geod.process.wait(15) == 0
        assert time.monotonic() - started < 6


def test_no_request_is_lost_at_the_end(stage):
    """Clients on keep-alive connections: each request that was sent is answered, or its connection was closed before it."""
    geod = stage.geod()
    answered, torn = [], []

    def client(it):
        with it as connection:
            while True:
                if not connection.send(raw_http.message(target())):
                    return
                try:
                    answer = connection.read()
                except Closed as rest:
                    if rest.args[0]:
                        torn.append(rest.args[0])
                    return
                answered.append(answer.status)
                if (answer.header("Connection") or "").lower() == "close":
                    return

    clients = [threading.Thread(target=client, args=[geod.connect()]) for _ in range(8)]
    for it in clients:
        it.start()
    raw_http.eventually(lambda: len(answered) > 200, "requests are under way")
    geod.signal(signal.SIGTERM)
    for it in clients:
        it.join(20)
        assert not it.is_alive()
    assert geod.process.wait(15) == 0
    assert not torn and set(answered) == {302}
    assert len(geod.world.access_log.read_text().splitlines()) == len(answered)


@pytest.mark.files
def test_killed_it_serves_what_the_last_reload_brought(stage):
    """What is kept for a start without a store is what was in service last, however that came."""
    world = stage.world(facts=small(node("a", "here")))
    geod = world.geod()
    try:
        kept = raw_http.eventually(lambda: list((world.path / "state").glob("topology-*.toml")), "the topology is kept")[0]
        world.write_facts(small(node("b", "here")))
        geod.signal(signal.SIGHUP)
        raw_http.eventually(lambda: "node-b" in kept.read_text(), "the new one is kept")
    finally:
        geod.kill()
    (world.path / "data" / "topology.toml").write_text("[[nodes]\n")
    started = time.monotonic()
    again = stage.geod(world)
    assert again.fetch("/readyz", "admin").status == 200
    print(f"ready {time.monotonic() - started:.3f} s after it was started")
    assert again.fetch("/status.json", "admin").json()["snapshot"]["source"] == "last_good"
    assert again.ask(MOSCOW).location.startswith("https://node-b.")


def test_bind_failure_ends_with_2_and_names_the_address(stage):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        for listener in ("redirect", "verify", "admin"):
            output = run_geod(stage.world(listen={listener: address}))
            assert output.exit == 2 and address in output.err, output


def test_two_geods_do_not_share_a_port(stage):
    first = stage.geod()
    address = "127.0.0.1:%d" % first.addresses["redirect"][1]
    output = run_geod(stage.world(listen={"redirect": address}))
    assert output.exit == 2 and address in output.err, output
    assert first.ask().status == 302


def test_check_of_a_good_config(stage):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        world = stage.world(listen={"redirect": "127.0.0.1:%d" % taken.getsockname()[1]})
        output = run_geod(world, "--check")
        assert output.exit == 0, output  # it binds nothing
        assert not world.access_log.exists()


@pytest.mark.parametrize("text, line, key", [
    ("\n[signing]\nttl = 5\n", 3, "signing.ttl"), ('[listen]\nredirect = "nowhere"\n', 2, "listen.redirect"), ("[lissten]\n", 1, "lissten"),
    ('[http]\ntrusted_proxies = ["x"]\n', 2, "http.trusted_proxies")])
def test_bad_config_ends_with_2_and_says_where(stage, text, line, key):
    world = stage.world()
    section = re.search(r"\[(.+)\]", text)[1]
    world.config_file.write_text(text + toml.sections({n: k for n, k in world.config.items() if n != section}))
    for arguments in ([], ["--check"]):
        output = run_geod(world, *arguments)
        assert output.exit == 2, output
        assert re.search(rf"geod\.toml:{line}:\d+: {re.escape(key)}: \S", output.err), output


def test_all_that_is_wrong_is_told_in_one_run(stage):
    """Whatever else in the section of a key is wrong, and whatever else there is."""
    world = stage.world(listen={"admin": "127.0.0.1:0", "redirect": "127.0.0.1:0"}, lissten={"redirect": "x"},
                        resolver={"providers": ["networks", "maxmind", "ip-api"], "languag": "en"},
                        resolver__maxmind={"files": ["none.mmdb"]},
                        resolver__ip_api={"url": "ftp://x"}, admin={"token_file": "none.token", "tokn": "x"},
                        tls={"redirect": "127.0.0.1:0", "certificate_file": "none.pem", "key_file": "none.key", "cert": "x"},
                        log={"access": "none/access.log", "levl": "x"})
    world.config["resolver.ip-api"] = {**world.config.pop("resolver.ip_api"), "key_file": "none.key2"}
    world.config["signing"].update(keys=[{"id": "k2", "secret_file": "none.hex"}], tl_s=5)
    world.write_config()
    (world.data / "accounts.toml").write_text("[[users]]\n")
    expected = {"lissten", "resolver.languag", "resolver.maxmind.files", "resolver.ip-api.url", "resolver.ip-api.key_file",
                "admin.token_file", "admin.tokn", "tls.certificate_file", "tls.key_file", "tls.cert", "log.access", "log.levl",
                "signing.active", "signing.keys", "signing.tl_s"}
    for arguments in ([], ["--check"]):
        output = run_geod(world, *arguments)
        assert output.exit == 2
        assert set(re.findall(r"geod\.toml:\d+:\d+: ([\w.-]+): ", output.err)) == expected, output
        if not world.mongo:
            assert "accounts.toml:" in output.err


def test_broken_config(stage):
    world = stage.world()
    for text in ("[signing\n", "x = = 1\n", "\x00\x01", "a = " + "[" * 5000):
        world.config_file.write_text(text)
        output = run_geod(world)
        assert output.exit == 2 and re.search(r"geod\.toml:\d+:\d+: ", output.err), output
    world.config_file.unlink()
    output = run_geod(world)
    assert output.exit == 2 and "geod.toml" in output.err


def test_signals_that_come_while_it_starts_are_seen_to_when_it_has(stage):
    world = stage.world()
    text = world.config_file.read_text()
    world.config_file.write_text(text + "# a long one\n" * (16 << 20 >> 4))
    process = subprocess.Popen([BIN / "geod", "--config", world.config_file], stderr=subprocess.PIPE, text=True, cwd="/",
                               env=environment())
    fds = f"/proc/{process.pid}/fd"

    def reads():
        try:
            return str(world.config_file) in [os.readlink(f"{fds}/{fd}") for fd in os.listdir(fds)]
        except OSError:
            return False

    try:
        end = time.monotonic() + 20
        while not reads():
            assert time.monotonic() < end and process.poll() is None
        process.send_signal(signal.SIGHUP)
        whole = world.path / "whole.toml"
        whole.write_text(text)
        whole.replace(world.config_file)
        told = next((line for line in process.stderr if "audit reload, by SIGHUP" in line), None)
        assert told and told.endswith(": done\n")
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 0
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


@pytest.mark.files
def test_check_can_be_interrupted(stage):
    with socket.create_server(("127.0.0.1", 0)) as silent:  # a store that never answers
        world = stage.world(store={"kind": "mongodb", "uri": "mongodb://127.0.0.1:%d" % silent.getsockname()[1]},
                            deadline={"store_ms": 60000})
        process = subprocess.Popen([BIN / "geod", "--config", world.config_file, "--check"], cwd="/", env=environment())
        try:
            silent.accept()[0].close()
            process.send_signal(signal.SIGINT)
            assert process.wait(8) == -signal.SIGINT
        finally:
            process.kill()
            process.wait()


def test_a_limit_of_file_sizes_costs_lines_not_the_process(stage):
    geod = stage.geod()
    usual = resource.prlimit(geod.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(geod.process.pid, resource.RLIMIT_FSIZE, (0, usual[1]))
    for _ in range(2):  # its audit line has nowhere to go
        assert geod.fetch("/log-level?level=info", "admin", method="POST").status == 200
    assert geod.ask(MOSCOW).status == 302
    resource.prlimit(geod.process.pid, resource.RLIMIT_FSIZE, usual)


def test_whoever_does_not_read_its_messages_holds_nothing_up(stage):
    """stderr is a pipe that is full, and stays so."""
    admin = stage.folder / "admin.sock"
    world = stage.world(listen={"admin": f"unix:{admin}"}, log={"level": "trace", "access": "off"}, http={"drain_s": 3})

    def ask(method, path):
        asked = ["curl", "-sS", "-m", "20", "--unix-socket", admin, "-X", method, "-o", "/dev/null", "-w", "%{http_code}", f"http://localhost{path}"]
        return subprocess.run(asked, capture_output=True, text=True, check=True).stdout

    unread, full = os.pipe()
    fcntl.fcntl(full, fcntl.F_SETPIPE_SZ, 4096)
    os.write(full, b"x" * 4096)
    process = subprocess.Popen([BIN / "geod", "--config", world.config_file], stderr=full, stdout=subprocess.DEVNULL, cwd="/",
                               env=environment())
    try:
        raw_http.eventually(admin.exists, "geod starts")
        for asked in (("POST", "/reload"), ("POST", "/log-level?level=info"), ("GET", "/healthz"), ("GET", "/metrics")):
            assert ask(*asked) == "200"
        assert len(os.read(unread, 4096)) == 4096
        assert ask("POST", "/log-level?level=info") == "200"
        told = os.read(unread, 4096).decode().splitlines()
        assert re.search(r" warn lines of this log that were not taken in time and are lost: [1-9]", told[0]), told
        assert " audit log level " in told[1], told
        os.set_blocking(full, False)
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(full, b"x")
        os.set_blocking(full, True)
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 0
    finally:
        process.kill()
        process.wait()
        os.close(unread)
        os.close(full)


def test_bad_config_ends_with_2_where_nobody_can_be_told(stage):
    world = stage.world()
    world.config_file.write_text("[signing\n")
    command = 'exec "$0" --config "$1" --check 2>&-'
    assert subprocess.run(["sh", "-c", command, BIN / "geod", world.config_file], check=False).returncode == 2


def test_messages_without_a_stderr_go_nowhere_else(stage):
    """The first file that geod opens is not its new stderr."""
    world = stage.world()
    command = 'exec "$0" --config "$1" 2>&-'
    process = subprocess.Popen(["sh", "-c", command, BIN / "geod", world.config_file], cwd="/")
    try:
        raw_http.eventually(world.access_log.exists, "geod starts")
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 0
    finally:
        process.kill()
        process.wait()
    assert world.access_log.read_text() == ""


def test_missing_key_file_ends_with_2_and_is_named(stage):
    world = stage.world()
    (world.path / "k1.hex").unlink()
    for arguments in ([], ["--check"]):
        output = run_geod(world, *arguments)
        assert output.exit == 2 and "k1.hex" in output.err, output


def test_secret_of_less_than_32_bytes_is_refused_and_not_shown(stage):
    world = stage.world()
    world.key("k1", bytes(range(65, 96)))
    output = run_geod(world)
    assert output.exit == 2 and "k1.hex" in output.err, output
    assert bytes(range(65, 96)).hex() not in output.err


def test_admin_on_a_public_address_needs_a_token_file(stage):
    world = stage.world(listen={"admin": "0.0.0.0:0"})
    for arguments in ([], ["--check"]):
        output = run_geod(world, *arguments)
        assert output.exit == 2 and re.search(r"admin\.token_file|listen\.admin", output.err), output


def test_unknown_option(stage):
    output = run_geod(stage.world(), "--nonsense")
    assert output.exit == 2 and "nonsense" in output.err


def test_paths_are_relative_to_the_config(stage):
    """Every geod of this suite runs in /; its data, keys and log lie beside its config."""
    geod = stage.geod()
    geod.ask()
    assert json.loads(geod.world.access_log.read_text().splitlines()[0] if geod.world.log_lines(1) else "{}")["status"] == 302


def test_stderr_says_what_it_serves(geod):
    for listener, (host, port) in geod.addresses.items():
        assert host == "127.0.0.1" and port > 0
        assert f"listening on {listener} {host}:{port}" in geod.stderr()


def test_every_thread_leaves_signals_to_the_main_one(stage):
    """A thread that does not block them would be ended by the first that comes at a bad moment, and geod with it."""
    geod = stage.geod(listen={"resolver": "127.0.0.1:0"}, resolver={"providers": ["networks", "remote", "ip-api"]},
                      **{"resolver__remote": {"url": "http://127.0.0.1:9"}, "resolver__ip-api": {"url": "http://127.0.0.1:9"}})
    for task in pathlib.Path(f"/proc/{geod.process.pid}/task").iterdir():
        if task.name == str(geod.process.pid):
            continue  # waits for them
        status = (task / "status").read_text()
        blocked = int(re.search(r"^SigBlk:\s*(\w+)", status, re.M)[1], 16)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            assert blocked >> (number - 1) & 1, f"{number.name} ends the thread {re.search(r'Name:.*', status)[0]}"
