"""What geod counts, contract 2.7: known labels from the start, the sum of requests as many as the access log's lines.

GEO_LONG=1: a million requests by wrk on all listeners; a million cameras."""

import json
import os
import re
import signal
import subprocess
from collections import Counter
from urllib.parse import urlsplit

import pytest

from ip_api_double import IpApiDouble
from support import raw_http, tls
from support.raw_http import eventually, message
from support.tls import Authority
from support.town import ALL_FORMATS, FRANKFURT, MOSCOW, NEW_YORK, PETERSBURG, camera, grant, node, server, small, town
from support.world import LONG, ago, target

LISTENERS = ["redirect", "resolver", "auth", "verify"]
EVERYWHERE = {"listen": {name: "127.0.0.1:0" for name in [*LISTENERS, "admin"]}}
STEPS = "locate group select authorize bill inspect sign".split()
REASONS = "first unavailable excluded overloaded exclude_ignored fallback_group fallback_pattern panic".split()
SERIES_MAX = 2000


def metrics(geod):
    """{(name, (label, value), ..): number}"""
    found = {}
    for line in geod.fetch("/metrics", "admin").body.decode().splitlines():
        if not line.startswith("#"):
            name, labels, value = re.fullmatch(r'(\w+)(?:\{(.*)\})? (\S+)', line).groups()
            key = (name, *sorted(re.findall(r'(\w+)="([^"]*)"', labels or "")))
            assert key not in found, line
            found[key] = float(value)
    return found


def of(found, name):
    """{label values in the order of their names, one as itself: number}"""
    values = {key[1:]: value for key, value in found.items() if key[0] == name}
    return {labels[0][1] if len(labels) == 1 else tuple(value for _, value in labels): value for labels, value in values.items()}


def requests(found):
    """{(listener, format, code): number} of those that there were"""
    counted = of(found, "geod_requests_total")
    return Counter({(listener, form, code): int(value) for (code, form, listener), value in counted.items() if value})


def logged(geod, count):
    lines = geod.world.log_lines(count)
    return Counter((line["listener"], line["format"] or "", line["code"]) for line in lines)


def as_logged(geod):
    """What was counted, once the log has as many lines."""
    counted = requests(metrics(geod))
    assert logged(geod, counted.total()) == counted
    return counted


def post(geod, listener, path, body, headers=()):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    with geod.connect(listener) as connection:
        connection.send(message(path, "POST", [("Content-Length", len(data)), *headers]) + data)
        return connection.read("POST")


# ---- from the start


def test_each_metric_is_there_from_the_start(stage):
    found = metrics(stage.geod(**EVERYWHERE))
    names = {key[0] for key in found}
    assert {"geod_build_info", "geod_log_dropped_total", "geod_snapshot_age_seconds", "geod_credits"} <= names
    counted = of(found, "geod_requests_total")
    assert set(counted.values()) == {0} and {listener for _, _, listener in counted} == set(LISTENERS)
    for form in ALL_FORMATS:
        assert {("redirect", form, "redirect"), ("no_node", form, "redirect"), ("ok", form, "redirect")} <= set(counted)
    assert ("redirect", "", "redirect") not in counted, "a redirect has a format"
    assert {("bad_request", "", each) for each in LISTENERS} <= set(counted)
    for name, label, values in (("geod_request_duration_seconds", "listener", LISTENERS), ("geod_step_duration_seconds", "step", STEPS)):
        for part in ("count", "sum"):
            assert of(found, f"{name}_{part}") == dict.fromkeys(values, 0)
        bounds = [float(labels[0][1]) for key, *labels in found if key == name + "_bucket" and (label, values[0]) in labels]
        assert bounds[0] == 5e-6 and bounds[-2:] == [3, float("inf")] and bounds == sorted(bounds)
    assert of(found, "geod_chosen_total") == dict.fromkeys(REASONS, 0)
    assert found["geod_log_dropped_total",] == 0 and found["geod_credits",] == 0
    assert found["geod_ready",] == 1 and found["geod_last_reload_ok",] == 1
    assert set(of(found, "geod_spills_total").values()) == {0}


def test_a_listener_that_is_off_has_no_series(stage):
    found = metrics(stage.geod(listen={"redirect": "", "verify": "", "resolver": "127.0.0.1:0"}))
    assert {listener for _, _, listener in of(found, "geod_requests_total")} == {"resolver"}
    assert set(of(found, "geod_request_duration_seconds_count")) == {"resolver"}


# ---- the sum


def redirects_of_all_kinds(geod):
    for path in ("/flv", "/hls", "/ws-fmp4"):
        geod.ask(MOSCOW, path=path)
        geod.ask(MOSCOW, path=path, redirect="0")
        geod.ask(MOSCOW, path=path, method="HEAD")
        geod.fetch(path, method="OPTIONS")
    geod.ask(MOSCOW, path="/stream", format="hls")
    geod.fetch("/stream", method="OPTIONS")
    geod.fetch("*", method="OPTIONS")


def refusals_of_many_codes(geod):
    for request in (
        {"camera": ""}, {"access_token": None}, {"access_token": None, "path": "/stream"}, {"access_token": "nobody"},
        {"access_token": "expired"}, {"access_token": "stranger"}, {"access_token": "unpaid"}, {"access_token": "blocked"},
        {"access_token": "flv-fan", "path": "/hls"}, {"access_token": "busy"}, {"camera": "nope"}, {"camera": "dark"},
        {"server": "200-dark"}, {"camera": "flv-cam", "path": "/hls"}, {"path": "/stream"}, {"path": "/stream", "format": "mp4"},
    ):
        geod.ask(MOSCOW, **request)
    geod.fetch("/flv", method="DELETE")
    geod.fetch("/stream", method="PATCH")
    for listener in LISTENERS:
        geod.fetch("/nothing", listener)
        geod.fetch("/\u00fe?a", listener)
        geod.fetch("x", listener)


def requests_of_the_others(geod):
    for ip in ("10.1.0.7", "10.3.0.7", "8.8.8.8", "127.0.0.1", "x"):
        geod.fetch(f"/resolve?ip={ip}", "resolver")
    geod.fetch("/resolve?ip=10.1.0.7", "resolver", method="HEAD")
    geod.fetch("/resolve", "resolver", method="PUT")
    post(geod, "resolver", "/resolve", {"ips": ["10.1.0.7", "x"]})
    post(geod, "resolver", "/resolve", b"{")
    post(geod, "resolver", "/resolve", b" " * 70000)  # too long: refused when it has come
    for token, right in (("good", "view"), ("expired", "view"), ("nobody", "view"), ("stranger", "view")):
        post(geod, "auth", "/authorize", {"token": token, "rights": right, "server": "100-abcdef", "object_id": "0"})
    post(geod, "auth", "/authorize", {"server": "100-abcdef", "object_id": "0"})
    post(geod, "auth", "/authorize", {})
    geod.fetch("/authorize", "auth")
    signed = urlsplit(geod.ask(MOSCOW).location)
    uri, host = f"{signed.path}?{signed.query}", signed.netloc
    geod.verify(uri, host)
    geod.verify(uri + "0", host)
    geod.fetch("/verify", "verify")
    geod.fetch("/verify", "verify", method="POST")


def faults_of_framing(geod):
    head = b"GET /flv?server=a HTTP/1.1\r\nHost: geo.example.com\r\n"
    refused = [head + headers for headers in (b"Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                                              b"Host: evil.example.net\r\n\r\n", b"Content-Length: 5\r\n\r\nHELLO")]
    torn = [head, b"GET", b"\x00\r\n\r\n", b"POST /resolve HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n{"]
    for listener in LISTENERS:
        raw_http.talk_all(geod.addresses[listener], refused + torn)


def mixed_run(geod):
    redirects_of_all_kinds(geod)
    refusals_of_many_codes(geod)
    requests_of_the_others(geod)
    faults_of_framing(geod)


def test_requests_are_the_access_logs_lines(stage):
    geod = stage.geod(**EVERYWHERE)
    before = set(metrics(geod))
    mixed_run(geod)
    geod.fetch("/healthz", "admin")
    counted = as_logged(geod)
    assert len(counted) > 35 and {listener for listener, _, _ in counted} == set(LISTENERS)
    assert {code for _, _, code in counted} >= {
        "ok", "redirect", "bad_request", "missing_token", "token_unknown", "token_expired", "forbidden", "payment_required",
        "format_not_in_tariff", "not_found", "offline", "format_unavailable", "reserved_address", "unknown_address",
        "no_such_path", "method_not_allowed"}
    assert counted["redirect", "flv", "redirect"] >= 4 and counted["redirect", "flv", "ok"] == 1
    after = metrics(geod)
    assert set(after) == before, "all that may occur was there as 0"
    durations = of(after, "geod_request_duration_seconds_count")
    assert durations == {each: sum(n for (listener, _, _), n in counted.items() if listener == each) for each in LISTENERS}
    assert all(of(after, "geod_request_duration_seconds_sum")[each] > 0 for each in LISTENERS)
    assert sum(of(after, "geod_chosen_total").values()) == sum(n for (_, _, code), n in counted.items() if code == "redirect")


def test_with_tls_it_is_the_same_listener(stage, tmp_path):
    authority = Authority(tmp_path / "authority")
    authority.make()
    geod = stage.geod(tls={"redirect": "127.0.0.1:0", **authority.files()})
    before = set(metrics(geod))
    geod.ask(MOSCOW)
    with tls.Connection(geod.addresses["tls.redirect"], authority.client()) as connection:
        connection.ask(target(), headers=[("X-Forwarded-For", MOSCOW)])
    assert as_logged(geod) == {("redirect", "flv", "redirect"): 2}
    found = metrics(geod)
    assert set(found) == before and of(found, "geod_request_duration_seconds_count")["redirect"] == 2


def test_who_asks_too_often_is_counted(stage):
    geod = stage.geod(limits={"requests_per_s": 3}, **EVERYWHERE)
    before = set(metrics(geod))
    for listener, path in (("redirect", target()), ("redirect", "/nothing"), ("resolver", "/resolve?ip=10.1.0.7")):
        headers = [("X-Forwarded-For", "198.51.100.1")]
        with geod.connect(listener) as connection:
            connection.send(message(path, headers=headers) * 20)
            for _ in range(20):
                connection.read()
    counted = as_logged(geod)
    assert {("redirect", "flv", "rate_limited"), ("redirect", "", "rate_limited"), ("resolver", "", "rate_limited")} <= set(counted)
    assert set(metrics(geod)) == before


def test_buckets_add_up(stage):
    geod = stage.geod()
    for _ in range(20):
        geod.ask(MOSCOW)
    found = metrics(geod)
    for name in ("geod_request_duration_seconds", "geod_step_duration_seconds"):
        for labels, count in of(found, f"{name}_count").items():
            buckets = [value for key, value in found.items() if key[0] == f"{name}_bucket" and labels in [v for _, v in key[1:]]]
            assert buckets == sorted(buckets) and buckets[-1] == count


def test_without_an_access_log_they_are_counted_all_the_same(stage):
    geod = stage.geod(log={"access": "off"})
    for _ in range(3):
        geod.ask(MOSCOW)
    assert requests(metrics(geod)) == {("redirect", "flv", "redirect"): 3}


def test_lines_that_were_dropped_are_told(stage):
    geod = stage.geod(log={"access": "/dev/full"})
    for _ in range(5):
        geod.ask(MOSCOW)
    eventually(lambda: metrics(geod)["geod_log_dropped_total",] == 5, "all five are dropped, and counted")
    assert requests(metrics(geod)).total() == 5


def test_a_reload_keeps_them(stage):
    geod = stage.geod(**EVERYWHERE)
    mixed_run(geod)
    before = metrics(geod)
    geod.world.write_facts(small(node("a", "here")))
    geod.signal(signal.SIGHUP)
    eventually(lambda: metrics(geod)["geod_reloads_total", ("result", "ok")] == 1, "the reload is done")
    after = metrics(geod)
    kept = [key for key in before if key[0].startswith(("geod_requests", "geod_request_duration", "geod_step", "geod_chosen"))]
    assert len(kept) > 200 and {key: after[key] for key in kept} == {key: before[key] for key in kept}


def test_explain_is_in_none_of_them(stage):
    geod = stage.geod(**EVERYWHERE)
    before = metrics(geod)
    assert geod.fetch("/explain?ip=10.1.0.7&server=100-abcdef&camera=0", "admin", headers=[("X-Client-Token", "good")]).status == 200
    after = metrics(geod)
    counted = [key for key in before if key[0].endswith(("_total", "_count", "_bucket", "_sum")) and after[key] != before[key]]
    # geod looks at a store elsewhere by itself
    assert [key for key in counted if not (stage.server and ("upstream", "store") in key)] == []


# ---- steps


def test_a_single_request_is_in_the_count_of_each_step(stage):
    geod = stage.geod()
    assert geod.ask(MOSCOW).status == 302
    found = metrics(geod)
    assert of(found, "geod_step_duration_seconds_count") == dict.fromkeys(STEPS, 1)
    spent = of(found, "geod_step_duration_seconds_sum")
    assert 0 < sum(spent.values()) <= of(found, "geod_request_duration_seconds_sum")["redirect"]


def test_a_refusal_has_the_steps_up_to_its_own(stage):
    geod = stage.geod()
    assert geod.ask(MOSCOW, access_token="unpaid").status == 402
    geod.ask(MOSCOW, access_token=None)  # takes none
    assert of(metrics(geod), "geod_step_duration_seconds_count") == {step: 1 if step in STEPS[:5] else 0 for step in STEPS}


def test_a_request_that_waits_is_counted_once(stage):
    with IpApiDouble({"77.88.55.60": {"countryCode": "RU", "region": "MOW", "city": "Moscow", "lat": 55.75, "lon": 37.61}}) as double:
        geod = stage.geod(resolver={"providers": ["networks", "ip-api"]}, **{"resolver__ip-api": {"url": double.url}})
        assert of(metrics(geod), "geod_provider_budget") == {("json", "ip-api"): 45, ("batch", "ip-api"): 15}
        assert geod.ask("77.88.55.60").status == 302
        found = metrics(geod)
        assert of(found, "geod_provider_budget") == {("json", "ip-api"): 44, ("batch", "ip-api"): 15}
    assert as_logged(geod) == {("redirect", "flv", "redirect"): 1}
    assert of(found, "geod_step_duration_seconds_count") == dict.fromkeys(STEPS, 1)
    assert of(found, "geod_step_duration_seconds_sum")["locate"] > 0.001, "a call over the network"


# ---- why that node


def test_why_it_was_that_node(stage):
    facts = town()
    facts.node("node-spb-1")["admin"] = "drain"
    geod = stage.geod(facts=facts, balance={"balance_factor": 1.25})
    chosen = geod.ask(MOSCOW, redirect="0").json()["node"]
    geod.ask(MOSCOW, exclude=chosen)
    geod.ask(NEW_YORK, exclude="node-newyork-1,node-frankfurt-1,node-frankfurt-2")
    geod.ask(PETERSBURG)
    found = of(metrics(geod), "geod_chosen_total")
    assert found == {**dict.fromkeys(REASONS, 0), "first": 1, "excluded": 1, "exclude_ignored": 1, "fallback_group": 1}
    for _ in range(30):  # the same camera by many
        geod.ask(FRANKFURT)
    found = of(metrics(geod), "geod_chosen_total")
    assert found["overloaded"] > 0 and sum(found.values()) == 34


def test_credits_and_what_is_under_way(stage):
    facts = small(node("a", "here", capacity=100), node("b", "there"))
    facts["node_states"] = [{"id": "node-a", "seen_at": ago(0), "sessions": 40}]
    geod = stage.geod(facts=facts, health={"report_max_age_s": 3600})
    for _ in range(3):
        assert geod.ask("10.1.0.7").status == 302
    found = metrics(geod)
    assert of(found, "geod_group_under_way") == {"here": 43, "there": 0} and found["geod_credits",] == 3


def test_who_is_not_up_and_how(stage):
    facts = small(node("a", "here"), node("b", "here"), node("c", "here", admin="drain"))
    facts["node_states"] = [{"id": "node-b", "seen_at": ago(0), "online": False}]
    geod = stage.geod(facts=facts)
    found = metrics(geod)
    assert of(found, "geod_node_up") == {"node-a": 1, "node-b": 0, "node-c": 0}
    assert of(found, "geod_node_not_up") == {("node-b", "unhealthy"): 1, ("node-c", "drain"): 1}
    assert found["geod_ready",] == 1


def test_nobody_is_eligible(stage):
    geod = stage.geod(facts=small(node("a", "here", admin="offline")))
    assert metrics(geod)["geod_ready",] == 0 and geod.fetch("/readyz", "admin").status == 503


# ---- how many series


def big(cameras):
    facts = town()
    facts["nodes"] = [node(f"n{i}", facts["groups"][i % len(facts["groups"])]["id"], capacity=1000) for i in range(200)]
    facts["servers"].append(server("900-big"))
    facts["cameras"] += [camera("900-big", f"c{i}") for i in range(cameras)]
    facts["grants"].append(grant("u1", "server", "900-big", "900-big"))
    return facts


@pytest.mark.files
def test_series_stay_below_two_thousand(stage):
    """200 nodes, each of which has been in all five states, all listeners on, a million cameras (a few thousand, but for GEO_LONG=1)."""
    cameras = 1_000_000 if LONG else 3000
    facts = big(cameras)
    geod = stage.geod(stage.world(facts, **EVERYWHERE, resolver={"providers": ["networks", "ip-api"]},
                                  **{"resolver__ip-api": {"url": "http://127.0.0.1:9"}}))
    mixed_run(geod)
    changed = {key: facts[key] for key in ("patterns", "partners", "groups", "places", "networks", "nodes")}

    def become(state, admin, reports):
        again = changed["nodes"][0].get("admin", "online") != admin
        for each in changed["nodes"]:
            each["admin"] = admin
        geod.world.write_facts({**changed, "node_states": reports})
        if again:
            geod.signal(signal.SIGHUP)

        def all_are():
            found = of(metrics(geod), "geod_node_state_changes_total")
            return len([1 for key in found if state in key]) == 200

        eventually(all_are, f"all are {state}", 300 if LONG else 30)  # a reload reads the million cameras anew

    def reports(online, at):
        return [{"id": each["id"], "seen_at": at, "online": online} for each in changed["nodes"]]

    become("unhealthy", "online", reports(False, ago(0)))
    become("stale", "online", reports(True, ago(3600)))
    become("drain", "drain", reports(True, ago(0)))
    become("offline", "offline", reports(True, ago(0)))
    become("up", "online", reports(True, ago(-10)))
    with geod.connect() as connection:
        for i in range(2000):
            connection.ask(target(server="900-big", camera=f"c{cameras * i // 2000}"))
    found = metrics(geod)
    assert len(of(found, "geod_node_state_changes_total")) == 1000
    up = 200 - len(of(found, "geod_node_not_up"))  # of which each would have one more, were it not
    assert len(found) + up < SERIES_MAX - 50, Counter(key[0] for key in found).most_common()
    assert not any("c1" in value or "900-big" in value for key in found for _, value in key[1:])


# ---- a million requests


SCRIPT = """
local targets, at = {}, 0
for line in io.lines(os.getenv("TARGETS")) do targets[#targets + 1] = line:gsub("\\\\r", "\\r"):gsub("\\\\n", "\\n") end
function request() at = at % #targets + 1; return targets[at] end
"""


def wire(method, path, *headers, body=""):
    lines = [f"{method} {path} HTTP/1.1", "Host: geo.example.com", *headers, *([f"Content-Length: {len(body)}"] if body else [])]
    return "\\r\\n".join(lines) + "\\r\\n\\r\\n" + body


def load():
    """By listener: requests of all kinds that wrk can send."""
    ips = [f"X-Forwarded-For: 10.{1 + i % 5}.{i % 256}.7" for i in range(500)]
    ask = {"token": "good", "server": "100-abcdef", "object_id": "0"}
    return {
        "redirect": [wire("GET", target(f"/{ALL_FORMATS[i % 3]}", camera=str(i % 11), **({"redirect": "0"} if i % 4 == 0 else {})), ip)
                     for i, ip in enumerate(ips)] + [wire("HEAD", target(), ips[0]), wire("OPTIONS", "/flv"), wire("GET", "/nothing")] + [
                         wire("GET", target(access_token=each), ips[0]) for each in ("nobody", "unpaid", "stranger", None, "expired")],
        "resolver": [wire("GET", f"/resolve?ip=10.{i % 7}.0.{i}") for i in range(200)] + [
            wire("GET", "/resolve?ip=127.0.0.1"), wire("PUT", "/resolve"), wire("POST", "/resolve", body=json.dumps({"ips": ["10.1.0.7"]}))],
        "auth": [wire("POST", "/authorize", body=json.dumps({**ask, "token": each})) for each in ("good", "nobody", "expired")],
        "verify": [wire("GET", "/verify"), wire("GET", "/verify", "X-Original-URI: /flv?server=1")],
    }


@pytest.mark.skipif(not LONG, reason="GEO_LONG=1: a million requests")
def test_a_million_requests(stage):
    geod = stage.geod(**EVERYWHERE)
    script = geod.world.path / "load.lua"
    script.write_text(SCRIPT)
    running = True
    while running:
        done = []
        for listener, lines in load().items():
            file = geod.world.path / f"{listener}.targets"
            file.write_text("\n".join(lines) + "\n")
            url = "http://{}:{}/".format(*geod.addresses[listener])
            seconds = 8 if listener == "redirect" else 2
            done.append(subprocess.Popen(["wrk", "-t1", "-c16", f"-d{seconds}s", "-s", script, url], env={"TARGETS": str(file), "PATH": "/usr/bin"},
                                         stdout=subprocess.DEVNULL))
        assert [each.wait() for each in done] == [0, 0, 0, 0]
        running = requests(metrics(geod)).total() < 1_000_000
    lines = Counter()
    with open(geod.world.access_log, "rb") as log:

        def agree():  # what wrk had sent when it left is still answered, and the log is written a moment later
            found = metrics(geod)
            while (text := log.readline()).endswith(b"\n"):
                line = json.loads(text)
                lines[line["listener"], line["format"] or "", line["code"]] += 1
            log.seek(-len(text), os.SEEK_CUR)  # the rest of that line is still to come
            return found if requests(found).total() == lines.total() + found["geod_log_dropped_total",] else None

        found = eventually(agree, "as many requests as lines, and those that were dropped", 60)
    counted, dropped = requests(found), int(found["geod_log_dropped_total",])
    print(f"{counted.total()} requests, {lines.total()} lines, {dropped} dropped")
    assert all(counted[key] >= count for key, count in lines.items())
    if not dropped:
        assert lines == counted
    assert sum(of(found, "geod_request_duration_seconds_count").values()) == counted.total()
    steps = of(found, "geod_step_duration_seconds_count")
    assert 0 < steps["sign"] <= steps["locate"] <= sum(n for (listener, _, _), n in counted.items() if listener == "redirect")
