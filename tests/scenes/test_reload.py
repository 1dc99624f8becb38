"""Reading everything anew while geod runs: all of it counts, or nothing. Contract 2.8."""

import base64
import json
import os
import signal
import socket
import subprocess
import threading

import pytest

from support.raw_http import eventually
from support.town import MOSCOW, node, small, town
from support.world import target


HERE = f"SIGHUP of uid {os.getuid()}"


def reloads(geod):
    """["reload, by SIGHUP: done"]"""
    lines = [line.split(" audit ", 1)[1] for line in geod.stderr().splitlines() if " audit reload, by " in line]
    return [line.replace(HERE, "SIGHUP") for line in lines]


def hang_up(geod):
    """SIGHUP, and what the log says of it."""
    before = len(reloads(geod))
    geod.signal(signal.SIGHUP)
    return eventually(lambda: reloads(geod)[before:], "it has read everything anew")[0]


def chosen(geod):
    return geod.ask(MOSCOW).location.split("/")[2].split(".")[0]


@pytest.mark.files
def test_data_counts_from_a_reload_on(stage):
    geod = stage.geod(facts=small(node("a", "here")))
    assert chosen(geod) == "node-a"
    facts = small(node("b", "here"))
    facts["tokens"] = [each for each in facts["tokens"] if each["owner_id"] != "u-guest"]
    geod.world.write_facts(facts)
    assert chosen(geod) == "node-a"
    assert hang_up(geod) == "reload, by SIGHUP: done"
    assert chosen(geod) == "node-b"
    assert geod.ask(MOSCOW, access_token="guest").code == "token_unknown"


@pytest.mark.files
def test_what_is_wrong_is_told_and_changes_nothing(stage):
    geod = stage.geod(facts=small(node("a", "here")))
    facts = small(node("b", "here"))
    facts["nodes"][0]["weight"] = -1
    geod.world.write_facts(facts)
    geod.world.config["signing"]["ttl_s"] = 0
    geod.world.write_config()
    assert hang_up(geod) == "reload, by SIGHUP: refused; what is in service stays"
    errors = [line for line in geod.stderr().splitlines() if " error " in line]
    assert any("nodes.weight" in line and "topology.toml:" in line for line in errors)
    assert any("signing.ttl_s" in line and "geod.toml:" in line for line in errors)
    assert chosen(geod) == "node-a"
    geod.world.config["signing"]["ttl_s"] = 60
    geod.world.write_config()
    geod.world.write_facts(small(node("b", "here")))
    assert hang_up(geod) == "reload, by SIGHUP: done"
    assert chosen(geod) == "node-b"


def test_keys_are_read_anew(stage):
    geod = stage.geod()
    world = geod.world
    new = bytes(range(32, 64))
    world.key("k2", new)
    world.config["signing"]["keys"].append({"id": "k2", "secret_file": "k2.hex"})
    world.config["signing"]["active"] = "k2"
    world.write_config()
    old_url = geod.ask(MOSCOW).location
    assert "kid=k1" in old_url
    assert hang_up(geod) == "reload, by SIGHUP: done"
    url = geod.ask(MOSCOW).location
    assert "kid=k2" in url
    for each in (old_url, url):  # both hold at the nodes' gate
        host, uri = each.removeprefix("https://").split("/", 1)
        assert geod.verify("/" + uri, host).status == 204


def test_what_takes_a_restart_is_told(stage):
    geod = stage.geod()
    geod.world.config["listen"]["resolver"] = "127.0.0.1:0"
    geod.world.config["http"]["threads"] = 3
    geod.world.config["signing"]["ttl_s"] = 77
    geod.world.write_config()
    for _ in range(2):  # as long as they are not in force
        assert hang_up(geod) == "reload, by SIGHUP: done, but these take a restart: listen.resolver, http.threads"
    assert geod.ask(MOSCOW).status == 302


def test_what_is_kept_for_the_next_start_follows_the_config(stage):
    geod = stage.geod()
    geod.world.config["store"]["state_dir"] = "elsewhere"
    geod.world.write_config()
    assert hang_up(geod) == "reload, by SIGHUP: done"
    eventually(lambda: list((geod.world.path / "elsewhere").glob("topology-*.toml")), "the topology is kept there")


@pytest.mark.files
def test_what_is_known_of_nodes_outlives_a_reload(stage):
    facts = small(node("a", "here"), node("b", "here"))
    facts["nodes"][0]["admin"] = "drain"
    geod = stage.geod(facts=facts)
    since = geod.fetch("/status.json", "admin").json()["nodes"]
    assert hang_up(geod) == "reload, by SIGHUP: done"
    assert geod.fetch("/status.json", "admin").json()["nodes"] == since
    facts["nodes"][0]["admin"] = "online"
    geod.world.write_facts(facts)
    assert hang_up(geod) == "reload, by SIGHUP: done"
    eventually(lambda: "audit node node-a: drain -> up, by admin" in geod.stderr(), "its change is told")


def test_caches_are_kept_where_their_config_is(stage):
    geod = stage.geod()
    entries = lambda: geod.fetch("/status.json", "admin").json()["caches"]["devices"]["entries"]
    for i in range(5):
        geod.ask(MOSCOW, camera=str(i))
    known = entries()
    assert hang_up(geod) == "reload, by SIGHUP: done"
    assert entries() == known


@pytest.mark.files
def test_fifty_reloads_under_load_fail_no_request(stage):
    """Good ones and bad ones in turn, on kept connections and fresh ones."""
    geod = stage.geod(facts=town())
    bad, answers, ending = town(), [], threading.Event()
    bad["nodes"][0]["group"] = "nowhere"

    def ask(connection):
        while not ending.is_set():
            answer = connection.ask(target(), headers=[("X-Forwarded-For", MOSCOW)]) if connection else geod.ask(MOSCOW)
            answers.append(answer.status)

    threads = [threading.Thread(target=ask, args=(each,)) for each in (geod.connect(), geod.connect(), None)]
    for each in threads:
        each.start()
    try:
        for turn in range(50):
            geod.world.write_facts(bad if turn % 2 else town())
            assert ("done" if turn % 2 == 0 else "refused") in hang_up(geod)
    finally:
        ending.set()
        for each in threads:
            each.join()
    assert len(answers) > 100 and set(answers) == {302}


# ---- by HTTP


def post(geod, target, headers=(), host=None):
    host = host or "127.0.0.1:%d" % geod.addresses["admin"][1]
    return geod.fetch(target, "admin", method="POST", headers=list(headers), host=host)


def last_reload(geod):
    return geod.fetch("/status.json", "admin").json()["last_reload"]


def reload_counts(geod):
    text = geod.fetch("/metrics", "admin").body.decode()
    return [int(text.split(f'geod_reloads_total{{result="{result}"}} ')[1].split()[0]) for result in ("ok", "refused")]


def last_reload_ok(geod):
    return int(geod.fetch("/metrics", "admin").body.decode().split("\ngeod_last_reload_ok ")[1].split()[0])


@pytest.mark.files
def test_by_http_it_is_the_same(stage):
    geod = stage.geod(facts=small(node("a", "here")))
    assert last_reload(geod) is None and reload_counts(geod) == [0, 0] and last_reload_ok(geod) == 1
    geod.world.config["listen"]["resolver"] = "127.0.0.1:0"
    geod.world.write_config()
    geod.world.write_facts(small(node("b", "here")))
    done = post(geod, "/reload")
    assert (done.status, done.json()) == (200, {"ok": True, "needs_restart": ["listen.resolver"], "faults": []})
    assert chosen(geod) == "node-b" and last_reload(geod)["ok"] is True and reload_counts(geod) == [1, 0]

    facts = small(node("c", "here"))
    facts["nodes"][0]["weight"] = -1
    geod.world.write_facts(facts)
    refused = post(geod, "/reload")
    assert (refused.status, refused.code) == (422, "invalid_config")
    fault, = refused.json()["faults"]
    assert fault["file"].endswith("topology.toml") and fault["key"] == "nodes.weight" and fault["line"] > 0 and fault["col"] > 0
    assert chosen(geod) == "node-b" and last_reload(geod)["ok"] is False and reload_counts(geod) == [1, 1]
    assert last_reload_ok(geod) == 0
    told = reloads(geod)
    assert told[-1] == "reload, by POST /reload of 127.0.0.1: refused; what is in service stays"
    geod.world.write_facts(small(node("c", "here")))
    assert post(geod, "/reload").status == 200 and last_reload_ok(geod) == 1


@pytest.mark.files
def test_what_it_says_of_nodes_is_so_when_it_is_answered(stage):
    facts = small(node("a", "here"), node("b", "here"))
    geod = stage.geod(facts=facts)
    for i in range(20):
        facts["nodes"][0]["admin"], state = ("drain", "drain") if i % 2 == 0 else ("online", "up")
        geod.world.write_facts(facts)
        assert post(geod, "/reload").status == 200
        assert geod.states()["node-a"] == state
    told = [line.split(" audit ", 1)[1] for line in geod.stderr().splitlines() if " audit node " in line]
    assert sorted(told) == ["node node-a: drain -> up, by admin"] * 10 + ["node node-a: up -> drain, by admin"] * 10, "each once"


def test_the_level_of_the_log_is_set_until_it_is_read_anew(stage):
    geod = stage.geod()
    assert post(geod, "/log-level?level=error").json() == {"level": "error"}
    assert " audit log level error, by POST /log-level of 127.0.0.1\n" in geod.stderr()
    assert hang_up(geod) == "reload, by SIGHUP: done"  # who had it do something is told at any level
    geod.world.config["log"]["level"] = "warn"
    geod.world.write_config()
    assert post(geod, "/reload").status == 200
    for wrong in ("/log-level", "/log-level?level=", "/log-level?level=loud", "/log-level?level=info&level=info"):
        answer = post(geod, wrong)
        assert (answer.status, answer.code) == (400, "bad_request") and "level" in answer.json()["detail"]
    assert geod.fetch("/log-level?level=info", "admin").status == 405


def test_audit_says_who_over_a_unix_socket(stage, tmp_path):
    path = tmp_path / "admin.sock"
    geod = stage.geod(listen={"admin": f"unix:{path}"})
    for ask, line in (("/reload", "reload, by POST /reload of uid {}: done"), ("/log-level?level=error", "log level error, by POST /log-level of uid {}")):
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
            client.sendall(f"POST {ask} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n".encode())
            assert client.recv(4096).startswith(b"HTTP/1.1 200 ")
        assert f" audit {line.format(os.getuid())}\n" in geod.stderr()


def test_pages_of_others_can_ask_for_nothing(stage):
    geod = stage.geod()
    port = geod.addresses["admin"][1]
    for headers, host in (([("Origin", "https://evil.example")], None), ([("Origin", "null")], None), ([], "evil.example"),
                          ([("Origin", f"http://evil.example:{port}")], f"evil.example:{port}")):
        for target_ in ("/reload", "/log-level?level=error"):
            answer = post(geod, target_, headers, host)
            assert (answer.status, answer.code) == (403, "forbidden")
    assert reload_counts(geod) == [0, 0]
    assert post(geod, "/reload", [("Origin", f"http://localhost:{port}")], f"localhost:{port}").status == 200


def test_a_token_is_asked_for_but_for_health(stage):
    world = stage.world(admin={"token_file": "admin.token"})
    (world.path / "admin.token").write_text("open sesame, 1\n".replace(" ", "-"))
    (world.path / "admin.token").chmod(0o600)
    geod = stage.geod(world)
    shown = [("Authorization", "Bearer open-sesame,-1")]
    for path in ("/healthz", "/readyz"):
        assert geod.fetch(path, "admin").status == 200
    for path in ("/status.json", "/metrics", "/explain?ip=10.1.0.7"):
        assert geod.fetch(path, "admin").code == "missing_token"
        assert geod.fetch(path, "admin", headers=[("Authorization", "Bearer guess")]).code == "token_unknown"
        assert geod.fetch(path, "admin", headers=shown).status == 200
    assert post(geod, "/reload").code == "missing_token"
    assert post(geod, "/reload", shown, "geod.example.com").status == 200
    (world.path / "admin.token").write_text("another\n")
    assert hang_up(geod) == "reload, by SIGHUP: done"
    assert geod.fetch("/metrics", "admin", headers=shown).code == "token_unknown"
    assert "sesame" not in geod.stderr()


def basic(pair):
    return [("Authorization", "Basic " + base64.b64encode(pair.encode()).decode())]


def test_the_token_is_a_browsers_password_too(stage):
    token = "pass:word/+?"
    world = stage.world(admin={"token_file": "admin.token"})
    (world.path / "admin.token").write_text(token)
    (world.path / "admin.token").chmod(0o600)
    geod = stage.geod(world)

    def challenges(path, **keys):
        return sorted(value for name, value in geod.fetch(path, "admin", **keys).headers if name.lower() == "www-authenticate")

    for path in ("/", "/app.js", "/app.css", "/icon.svg"):
        assert challenges(path) == ['Basic realm="geod"', "Bearer"], "the page has a browser ask"
    assert challenges("/", headers=basic("ops:guess")) == ['Basic realm="geod"', "Bearer"]
    assert challenges("/status.json") == ["Bearer"], "what it fetches does not, every 2 s"
    for pair in (f":{token}", f"ops:{token}", f"o:{token}", f"op:{token}"):  # with and without padding
        for path in ("/", "/app.js", "/status.json", "/metrics"):
            assert geod.fetch(path, "admin", headers=basic(pair)).status == 200
    for pair in (token, "ops:", f"{token}:ops", f"ops:{token} ", f"ops:{token[:-1]}"):
        assert geod.fetch("/status.json", "admin", headers=basic(pair)).status == 401
    for line in ("Basic", "Basic ", "Basic =", "Basic ====", "Basic !!!!", f"Basic {token}", "Basic OmE", f"Digest {token}"):
        assert geod.fetch("/status.json", "admin", headers=[("Authorization", line)]).status == 401
    port = geod.addresses["admin"][1]
    assert post(geod, "/reload", [*basic(f":{token}"), ("Origin", "https://evil.example")]).code == "forbidden", "a browser remembers it"
    assert post(geod, "/reload", [*basic(f":{token}"), ("Origin", "null")]).code == "forbidden"
    assert post(geod, "/reload", [*basic(f":{token}"), ("Origin", f"http://localhost:{port}")], f"localhost:{port}").status == 200
    url = f"http://127.0.0.1:{port}/status.json"
    assert json.loads(subprocess.run(["curl", "-sf", "-u", f":{token}", url], capture_output=True, check=True, timeout=30).stdout)["nodes"]
    assert "word" not in geod.stderr()


@pytest.mark.files
def test_health_checks_follow_a_reload(stage):
    facts = small(node("a", "here", check="http://127.0.0.1:9/health"), node("b", "here"))
    geod = stage.geod(facts=facts, health={"interval_ms": 3600000})
    geod.world.config["health"]["interval_ms"] = 100
    geod.world.write_config()
    assert hang_up(geod) == "reload, by SIGHUP: done"
    eventually(lambda: "node node-a: up -> unhealthy, by check" in geod.stderr(), "it is checked as often as asked")
