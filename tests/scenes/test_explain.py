"""/explain on the admin listener, contract 2.8: the trace by the production code, and nothing remembers that it was asked."""

import json
import re

import pytest

from support.raw_http import eventually
from support.town import FRANKFURT, MOSCOW, town
from support.world import ago

CAMERA = {"server": "100-abcdef", "camera": "0"}


def explain(geod, ip=MOSCOW, token=None, **parameters):
    query = "&".join(f"{key}={value}" for key, value in {"ip": ip, **parameters}.items() if value is not None)
    return geod.fetch(f"/explain?{query}", "admin", headers=[("X-Client-Token", token)] if token is not None else [])


def without_times(trace):
    """All of it but what no two requests have in common: durations, whether a cache had it, and the time of the URL's end."""
    for step in trace["steps"]:
        for key in ("duration_us", "cached"):
            step.pop(key)
        if step["step"] == "sign":
            step["result"].pop("expires_at")
    if "location" in trace:
        trace["location"] = re.sub(r"exp=\d+|sig=[\w-]+", "", trace["location"])
    return trace


@pytest.mark.parametrize("asked", [
    {}, {"format": "hls"}, {"exclude": "node-moscow-1"}, {"partner": "acme"}, {"server": "200-dark"}, {"camera": "nope"},
    {"token": "expired"}, {"token": "stranger"}, {"token": "a+b/c=d~"}, {"ip": FRANKFURT}, {"ip": "192.168.1.1"},
], ids=lambda asked: "-".join(asked.values()) or "plain")
def test_geoctl_tells_the_same(geod, asked):
    wanted = {"ip": MOSCOW, **CAMERA, "token": "good", **asked}
    answer = explain(geod, **wanted)
    assert answer.status == 200 and answer.header("Content-Type") == "application/json"
    options = [word for key, value in wanted.items() for word in (f"--{key}", value)]
    offline = geod.world.geoctl("--json", "redirect", *options, "--explain").json()
    assert without_times(answer.json()) == without_times(offline)


@pytest.mark.parametrize("asked", [{}, {"exclude": "node-moscow-1"}, {**CAMERA, "partner": "acme"}], ids=["plain", "exclude", "camera"])
def test_without_a_token_it_goes_up_to_select(geod, asked):
    trace = explain(geod, **asked).json()
    assert [step["step"] for step in trace["steps"]] == ["locate", "group", "select"]
    assert trace["code"] == "redirect" and "location" not in trace and trace["client_ip"] == MOSCOW
    options = [word for key, value in asked.items() for word in (f"--{key}", value)]
    offline = geod.world.geoctl("--json", "select", "--ip", MOSCOW, "--format", "flv", *options, "--explain").json()
    assert without_times(trace) == without_times(offline)


@pytest.mark.parametrize("asked, token, names", [
    ({"ip": None}, None, "ip: missing"), ({"ip": "x"}, None, "ip: not an address"), ({"ip": "1.2.3.4&ip=1.2.3.4"}, None, "ip: given twice"),
    ({"server": "100-abcdef"}, None, "camera: missing"), ({"camera": "0"}, "good", "server: missing"), ({}, "good", "server: missing"),
    ({"format": "mp4"}, None, "format: "), ({"partner": "nobody"}, None, "partner: "), ({"exclude": "a%20b"}, None, "exclude: "),
    (CAMERA, "", "X-Client-Token: "), ({**CAMERA, "access_token": "good"}, None, "access_token: .*X-Client-Token"),
])
def test_what_is_wrong_is_named(geod, asked, token, names):
    answer = explain(geod, token=token, **asked)
    assert answer.status == 400 and answer.code == "bad_request" and re.match(names, answer.json()["detail"]), answer.json()


def test_it_takes_get_alone(geod):
    assert geod.fetch("/explain?ip=10.1.0.7", "admin", method="POST").header("Allow") == "GET, HEAD"
    assert geod.fetch("/explain?ip=10.1.0.7", "admin", method="HEAD").status == 200


def counted(geod):
    """All that geod counts and keeps, but for ages, connections, and its own looks at a store elsewhere."""
    lines = geod.fetch("/metrics", "admin").body.decode().splitlines()
    metrics = [line for line in lines if not line.startswith("#") and "_age_seconds" not in line and
               "_connections{" not in line and 'upstream="store"' not in line]
    status = geod.fetch("/status.json", "admin").json()
    return set(metrics) | {f"{key} {json.dumps(row)}" for key in ("nodes", "groups") for row in status[key]} | {
        f"{name} {json.dumps(cache)}" for name, cache in status["caches"].items()}


@pytest.mark.parametrize("warm", [True, False], ids=["warm", "cold"])
def test_nothing_remembers_it(stage, warm):
    facts = town()
    facts["node_states"] = [{"id": "node-moscow-1", "seen_at": ago(0), "sessions": 3}]
    geod = stage.geod(facts=facts, health={"report_max_age_s": 3600})
    if warm:
        assert geod.ask(MOSCOW).status == 302
        if stage.server:  # asked for beside the answer
            eventually(lambda: 'geod_cache_entries{cache="usage"} 1' in counted(geod), "the usage is there")
    before = counted(geod)
    for token in ("good", None, "stranger", "nobody"):
        assert explain(geod, token=token, **CAMERA).status == 200
    assert counted(geod) ^ before == set()
    after = explain(geod, token="good", **CAMERA).json()
    chosen = [each["node"] for each in after["candidates"] if each.get("chosen")]
    assert f"https://{chosen[0]}." in geod.ask(MOSCOW).header("Location"), "the same node as the redirect"


def test_no_lease_is_taken(stage):
    facts = town()
    facts.row("users", id="u1")["tariff"] = "single"
    facts.row("usage", user="u1")["streams"] = 0
    geod = stage.geod(facts=facts)
    for _ in range(3):
        assert explain(geod, token="good", **CAMERA).json()["code"] == "redirect"


def test_upstreams_are_asked_aside(stage):
    """An auth-server and a geo-resolver far away: what /explain asks them is neither kept nor counted here."""
    far = stage.geod(listen={"redirect": "", "verify": "", "resolver": "127.0.0.1:0", "auth": "127.0.0.1:0"})
    url = {name: "http://{}:{}".format(*far.addresses[name]) for name in ("resolver", "auth")}
    near = stage.geod(auth={"url": url["auth"]}, resolver={"url": url["resolver"], "providers": ["networks"]})
    before = counted(near)
    trace = explain(near, ip="8.8.8.8", token="good", **CAMERA).json()
    assert trace["code"] == "redirect" and trace["steps"][3]["cached"] is False
    assert counted(near) ^ before == set()
    assert near.ask("8.8.8.8").status == 302
    assert explain(near, ip="8.8.8.8", token="good", **CAMERA).json()["steps"][3]["cached"] is True, "the redirect's own entry serves"
