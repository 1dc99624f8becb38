"""/status.json and /metrics, contract 2.7 and 2.8, as far as they are there."""

import re
import socket
import time

from support import city
from support.raw_http import eventually
from support.town import MOSCOW, NOWHERE, TOKYO, town
from support.world import ago

BUILT = int(time.time()) - 1000


def world_of(stage, **config):
    facts = town()
    facts.node("node-moscow-2")["admin"] = "drain"
    facts.node("node-moscow-3")["admin"] = "offline"
    facts["node_states"] = [
        {"id": "node-spb-1", "seen_at": ago(3600), "online": True},
        {"id": "node-tokyo-1", "seen_at": ago(0), "online": False},
        {"id": "node-frankfurt-1", "seen_at": ago(0), "online": True, "load": 0.25},
    ]
    world = stage.world(facts, **{
        "listen": {"resolver": "127.0.0.1:0"}, "resolver": {"providers": ["networks", "maxmind"]},
        "resolver__maxmind": {"files": ["city.mmdb"]}, "health": {"report_max_age_s": 600}, **config})
    city.put(world.path / "city.mmdb", build_epoch=BUILT)
    return world


def status(geod):
    answer = geod.fetch("/status.json", "admin")
    assert answer.status == 200 and answer.header("Content-Type") == "application/json"
    assert answer.header("Cache-Control") == "no-store"
    return answer.json()


def metrics(geod):
    """{(name, labels as they stand): value}, each line checked against the text format."""
    answer = geod.fetch("/metrics", "admin")
    assert answer.status == 200 and answer.header("Content-Type").startswith("text/plain; version=0.0.4")
    found = {}
    for line in answer.body.decode().splitlines():
        if line.startswith("#"):
            assert re.match(r"# (HELP|TYPE) geod_\w+ ", line), line
            continue
        name, labels, value = re.fullmatch(r'(geod_\w+)(?:\{((?:\w+="[^"]*",?)*)\})? (\S+)', line).groups()
        assert (name, labels or "") not in found, line
        found[name, labels or ""] = float(value)
    return found


def test_status(stage):
    geod = stage.geod(world_of(stage))
    found = status(geod)
    assert set(found) == {"version", "uptime_s", "snapshot", "nodes", "groups", "caches", "last_reload", "resolver",
                          "upstreams"}
    assert re.fullmatch(r"\d+\.\d+\.\d+", found["version"]) and 0 <= found["uptime_s"] < 60
    assert found["snapshot"]["source"] == ("mongodb" if geod.world.mongo else "files")
    assert 0 <= found["snapshot"]["age_s"] < 60
    nodes = {node["id"]: node for node in found["nodes"]}
    assert {name.removeprefix("node-"): node["state"] for name, node in nodes.items()} == {
        "moscow-1": "up", "moscow-2": "drain", "moscow-3": "offline", "spb-1": "stale", "frankfurt-1": "up",
        "frankfurt-2": "up", "newyork-1": "up", "tokyo-1": "unhealthy"}
    assert nodes["node-frankfurt-1"] == {
        "id": "node-frankfurt-1", "group": "eu", "state": "up", "reason": "report", "since": None, "weight": 100, "load": 0.25}
    assert nodes["node-moscow-2"]["reason"] == "admin"
    assert {group["id"]: group["nodes"] for group in found["groups"]} == {"ru-msk": 3, "ru-spb": 1, "eu": 2, "us": 1, "asia": 1}
    [moscow] = [group for group in found["groups"] if group["id"] == "ru-msk"]
    assert moscow == {"id": "ru-msk", "nodes": 3, "coordinates": [55.75, 37.61], "under_way": 0, "redirects": 0, "served_by": []}
    assert found["caches"]["places"]["entries"] == 0
    [file] = found["resolver"]["files"]
    assert file["path"] == str(geod.world.path / "city.mmdb") and file["type"] == "GeoLite2-City"
    assert file["build_epoch"] == BUILT and 1000 <= file["age_s"] < 1100
    assert file["networks"] == len(city.CITIES) and file["bytes"] > 0


def test_status_and_metrics_count_what_providers_said(stage):
    geod = stage.geod(world_of(stage))
    before = metrics(geod)
    for ip in ("10.1.0.7", "77.88.55.60", "1.2.3.4", "1.2.3.5"):
        geod.fetch(f"/resolve?ip={ip}", "resolver")
    geod.ask(MOSCOW)
    after = metrics(geod)
    for provider, result, count in (("networks", "found", 2), ("networks", "unknown", 3), ("networks", "failed", 0),
                                    ("maxmind", "found", 1), ("maxmind", "unknown", 2), ("maxmind", "failed", 0)):
        key = "geod_provider_requests_total", f'provider="{provider}",result="{result}"'
        assert before[key] == 0, "known labels are there from the start"
        assert after[key] == count, key
    assert {p["name"]: (p["state"], p["last_error"], p["calls"]) for p in status(geod)["resolver"]["providers"]} == {
        "networks": ("closed", None, 5), "maxmind": ("closed", None, 3)}
    assert geod.fetch("/reload", "admin", method="POST").status == 200
    again = metrics(geod)
    for key, count in after.items():
        if key[0] == "geod_provider_requests_total":
            assert again[key] == count, "a reload keeps all counts"


def served(geod):
    """{client's group: {group that served: redirects}}, all of the last minute; the sums are checked."""
    found = {}
    for group in status(geod)["groups"]:
        found[group["id"]] = {flow["group"]: flow["redirects"] for flow in group["served_by"]}
        assert group["redirects"] == sum(found[group["id"]].values())
        assert all(flow["last_minute"] == flow["redirects"] for flow in group["served_by"])
    return {group: flows for group, flows in found.items() if flows}


def spills(geod):
    return {labels: value for (name, labels), value in metrics(geod).items() if name == "geod_spills_total" and value > 0}


def test_whose_clients_are_served_where(stage):
    geod = stage.geod(world_of(stage))
    assert served(geod) == {} and spills(geod) == {}
    for client in (MOSCOW, MOSCOW, NOWHERE):
        assert geod.ask(client).status == 302
    assert served(geod) == {"ru-msk": {"ru-msk": 2}, "eu": {"eu": 1}} and spills(geod) == {}
    for _ in range(3):  # whose only node is unhealthy
        assert geod.ask(TOKYO).status == 302
    assert geod.ask(NOWHERE, host="acme.example.com").status == 302  # by its partner's default group
    assert geod.ask(MOSCOW, access_token="stranger").code == "forbidden"
    geod.fetch(f"/explain?ip={TOKYO}", "admin")
    want = {"ru-msk": {"ru-msk": 2}, "eu": {"eu": 1}, "us": {"us": 1}, "asia": {"us": 3}}
    assert served(geod) == want and spills(geod) == {'group="asia"': 3}
    assert geod.fetch("/reload", "admin", method="POST", host="localhost").status == 200
    assert served(geod) == want and spills(geod) == {'group="asia"': 3}, "a reload keeps them"
    geod.ask(TOKYO)
    assert served(geod)["asia"] == {"us": 4}


def test_metrics_of_caches_and_ages(stage):
    geod = stage.geod(world_of(stage))
    found = metrics(geod)
    for name in ("hits_total", "misses_total", "entries"):
        assert found[f"geod_cache_{name}", 'cache="places"'] == 0
    assert 1000 <= found["geod_database_age_seconds", f'file="{geod.world.path}/city.mmdb"'] < 1100
    assert 0 <= found["geod_snapshot_age_seconds", ""] < 60
    assert [value for (name, labels), value in found.items() if name == "geod_build_info" and "version=" in labels] == [1]


def test_upstream_that_fails_is_told_and_counted(stage):
    far = stage.geod(world_of(stage))
    host, port = far.addresses["resolver"]
    near = stage.geod(listen={"resolver": "127.0.0.1:0"}, resolver={"url": f"http://{host}:{port}"})
    for ip in ("77.88.55.60", "77.88.55.60", "1.2.3.4"):
        near.fetch(f"/resolve?ip={ip}", "resolver")
    found = metrics(near)
    assert found["geod_provider_requests_total", 'provider="remote",result="found"'] == 1
    assert found["geod_provider_requests_total", 'provider="remote",result="unknown"'] == 1
    assert found["geod_cache_misses_total", 'cache="places"'] >= 2 and found["geod_cache_hits_total", 'cache="places"'] >= 1
    assert found["geod_cache_entries", 'cache="places"'] == 2
    far.stop()
    for i in range(8):
        assert near.fetch(f"/resolve?ip=8.8.8.{i}", "resolver").status == 503
    [remote] = [p for p in status(near)["resolver"]["providers"] if p["name"] == "remote"]
    assert remote["state"] in ("open", "half_open") and remote["last_error"]
    assert metrics(near)["geod_provider_requests_total", 'provider="remote",result="failed"'] >= 5
    assert metrics(near)["geod_provider_state", 'provider="remote",state="closed"'] == 0
    eventually(lambda: re.search(r"warn provider remote: closed -> open: \S", near.stderr()), "the change is told")


def test_get_and_head_alone(stage):
    geod = stage.geod(world_of(stage))
    for path in ("/healthz", "/status.json", "/metrics"):
        assert geod.fetch(path, "admin", method="HEAD").status == 200
        refused = geod.fetch(path, "admin", method="POST")
        assert refused.status == 405 and refused.header("Allow") == "GET, HEAD"
    assert geod.fetch("/nothing", "admin").code == "no_such_path"


def test_without_a_token_no_other_name_is_answered(stage, tmp_path):
    """A page whose name was made to point here must not read who serves whom."""
    path = tmp_path / "admin.sock"
    geod = stage.geod(world_of(stage))
    port = geod.addresses["admin"][1]
    for asked in ("/status.json", "/metrics", "/explain?ip=10.1.0.7", "/", "/app.js", "/openapi.json"):
        for host in ("evil.example", f"evil.example:{port}", "localhost.evil.example", "127.0.0.1.evil.example"):
            answer = geod.fetch(asked, "admin", host=host)
            assert (answer.status, answer.code) == (403, "forbidden"), (asked, host)
        for host in ("localhost", f"LOCALHOST:{port}", "127.0.0.1", f"[::1]:{port}", "192.0.2.7:80"):
            assert geod.fetch(asked, "admin", host=host).status == 200, (asked, host)
    for asked in ("/healthz", "/readyz"):
        assert geod.fetch(asked, "admin", host="evil.example").status == 200
    world = stage.world(listen={"admin": f"unix:{path}"})
    stage.geod(world)
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        client.sendall(b"GET /status.json HTTP/1.1\r\nHost: geod.example\r\nConnection: close\r\n\r\n")
        assert client.recv(4096).startswith(b"HTTP/1.1 200 ")
    world = stage.world(admin={"token_file": "admin.token"})
    (world.path / "admin.token").write_text("open-sesame-open-sesame")
    shown = [("Authorization", "Bearer open-sesame-open-sesame")]
    assert stage.geod(world).fetch("/status.json", "admin", host="geod.example", headers=shown).status == 200


def test_who_is_refused_is_told_and_counted(stage):
    world = stage.world(admin={"token_file": "admin.token"})
    (world.path / "admin.token").write_text("open-sesame-open-sesame")
    geod = stage.geod(world)
    told = lambda: re.findall(r" warn admin: refused requests: (\d+), the last one: (.*)\n", geod.stderr())
    geod.fetch("/metrics", "admin")  # a browser is asked for it then
    for _ in range(20):
        assert geod.fetch("/status.json?token=guess", "admin", headers=[("Authorization", "Bearer guess-guess")]).status == 401
    eventually(lambda: sum(int(count) for count, _ in told()) == 20, "all are told")
    assert {last for _, last in told()} == {"/status.json of 127.0.0.1: token_unknown"}
    geod.fetch("/reload", "admin", method="POST", headers=[("Authorization", "Bearer open-sesame-open-sesame"), ("Origin", "https://evil.example")])
    eventually(lambda: told()[-1] == ("1", "/reload of 127.0.0.1: forbidden"), "and whose page it was not")
    assert "guess" not in geod.stderr() and len(told()) < 10
    assert re.search(r" warn admin\.token_file: \S+/admin\.token: everybody may read this secret", geod.stderr())


def test_store_of_none(stage):
    world = world_of(stage, listen={"resolver": "127.0.0.1:0", "redirect": "", "verify": ""}, store={"kind": "none"})
    found = status(stage.geod(world))
    assert found["snapshot"] is None and found["nodes"] == [] and found["groups"] == []
