"""The resolver listener: contract 2.2, over networks, a city database and another geo-resolver."""

import itertools
import json
import os
import re
import shutil
import signal
import threading

import pytest

from support import city, raw_http
from support.raw_http import eventually, message
from support.town import town
from support.world import LONG

FACTS = {
    "networks": [
        {"cidr": "10.1.0.0/16", "group": "eu"},
        {"cidr": "10.2.0.0/16", "country": "RU", "region": "MOW", "city": "Москва", "coordinates": [55.75, 37.61]},
        {"cidr": "10.3.0.0/16", "country": "RU", "region": "Moscow Oblast"},
        {"cidr": "8.8.8.0/28", "country": "DE"},
    ],
}
KEYS = ["ip", "country_code", "region_iso", "region", "city", "coordinates", "provider", "cached"]
LISTEN = {"resolver": "127.0.0.1:0"}
CITY = {"providers": ["networks", "maxmind"]}


def located(ip, provider, cached=False, **known):
    return {**dict.fromkeys(KEYS), "ip": ip, "provider": provider, "cached": cached, **known}


def resolver_world(stage, facts=None, **config):
    facts = town() | FACTS if facts is None else facts
    world = stage.world(facts, **{"listen": LISTEN, "resolver": CITY, "resolver__maxmind": {"files": ["city.mmdb"]}, **config})
    city.put(world.path / "city.mmdb")
    city.settle(world.path / "city.mmdb", 0)
    return world


@pytest.fixture(scope="module")
def geod(module_stage):
    return module_stage.geod(resolver_world(module_stage))


def resolve(geod, ip, **keys):
    return geod.fetch(f"/resolve?ip={ip}", "resolver", **keys)


def post(geod, body, headers=()):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    with geod.connect("resolver") as connection:
        connection.send(message("/resolve", "POST", [("Content-Length", len(data)), *headers]) + data)
        return connection.read()


MOSCOW = {"country_code": "RU", "region_iso": "MOW", "region": "Moscow", "city": "Moscow", "coordinates": [55.75, 37.61]}


# --- one address ---


@pytest.mark.parametrize("ip, answer", [
    ("77.88.55.60", located("77.88.55.60", "maxmind", **MOSCOW)),
    ("2a02:6b8::2:242", located("2a02:6b8::2:242", "maxmind", **MOSCOW)),
    ("5.9.1.1", located("5.9.1.1", "maxmind", country_code="DE")),
    ("8.8.8.1", located("8.8.8.1", "networks", country_code="DE")),
    ("8.8.8.200", located("8.8.8.200", "maxmind", country_code="US", region_iso="CA", region="California",
                          city="Mountain View", coordinates=[37.42, -122.08])),
    ("10.1.0.1", located("10.1.0.1", "networks")),
    ("10.2.0.1", located("10.2.0.1", "networks", country_code="RU", region_iso="MOW", city="Москва", coordinates=[55.75, 37.61])),
    ("10.3.0.1", located("10.3.0.1", "networks", country_code="RU", region="Moscow Oblast")),
    ("::ffff:77.88.55.60", located("77.88.55.60", "maxmind", **MOSCOW)),
    ("2A02:06B8:0:0:0:0:0:1", located("2a02:6b8::1", "maxmind", **MOSCOW)),
    ("2a02%3A6b8%3A%3A1", located("2a02:6b8::1", "maxmind", **MOSCOW)),
])
def test_known_address(geod, ip, answer):
    response = resolve(geod, ip)
    assert response.status == 200
    assert response.header("Content-Type") == "application/json"
    assert response.header("Cache-Control") == "private, max-age=86400"
    assert response.header("X-Request-Id")
    assert response.header("Access-Control-Allow-Origin") is None
    assert response.json() == answer
    assert list(response.json()) == KEYS


@pytest.mark.parametrize("ip, code", [
    ("1.2.3.4", "unknown_address"), ("2606:4700::1", "unknown_address"), ("2002:102:304::1", "unknown_address"),
    ("2001:0:1::1", "unknown_address"), ("192.168.1.1", "reserved_address"), ("127.0.0.1", "reserved_address"),
    ("224.0.0.1", "reserved_address"), ("255.255.255.255", "reserved_address"), ("::1", "reserved_address"),
    ("fe80::1", "reserved_address"), ("ff02::1", "reserved_address"), ("2001:db8:ffff::1", "reserved_address"),
])
def test_address_nobody_knows(geod, ip, code):
    response = resolve(geod, ip)
    assert response.status == 404
    assert response.header("Content-Type") == "application/problem+json"
    assert response.header("Cache-Control") == "no-store"
    problem = response.json()
    assert problem["code"] == code and problem["status"] == 404
    assert problem["request_id"] == response.header("X-Request-Id")


@pytest.mark.parametrize("query", [
    "", "?", "?x=1", "?ip", "?ip=", "?ip=1.2.3.4&ip=1.2.3.4", "?ip=1.2.3.4&ip=", "?ip=1.2.3", "?ip=1.2.3.04", "?ip=256.1.1.1",
    "?ip=[::1]", "?ip=1.2.3.4:80", "?ip=fe80::1%25eth0", "?ip=%201.2.3.4", "?ip=1.2.3.4%20", "?ip=example.com", "?ip=%zz",
    "?ip=1.2.3.4%00", "?IP=1.2.3.4",
])
def test_parameter_that_is_wrong(geod, query):
    response = geod.fetch("/resolve" + query, "resolver")
    assert response.status == 400 and response.code == "bad_request"
    assert response.json()["detail"].startswith("ip: ")
    assert response.header("Cache-Control") == "no-store"


def test_unknown_parameters_are_passed_over(geod):
    assert geod.fetch("/resolve?a=b&ip=77.88.55.60&lang=ru&&=", "resolver").json()["country_code"] == "RU"


def test_head_and_other_methods(geod):
    whole, head = resolve(geod, "77.88.55.60"), resolve(geod, "77.88.55.60", method="HEAD")
    assert head.status == 200 and head.header("Content-Length") == whole.header("Content-Length")
    assert head.header("Cache-Control") == whole.header("Cache-Control")
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"):
        response = resolve(geod, "77.88.55.60", method=method)
        assert response.status == 405 and response.header("Allow") == "GET, HEAD, POST", method
    for path in ("/", "/flv", "/resolve/", "/Resolve", "/healthz"):
        assert geod.fetch(path, "resolver").code == "no_such_path", path


def test_names_in_the_configured_language(stage):
    geod = stage.geod(resolver_world(stage, resolver={**CITY, "language": "ru"}))
    assert resolve(geod, "77.88.55.60").json()["city"] == "Москва"
    assert resolve(geod, "8.8.8.200").json()["city"] == "Mountain View"


def test_resolver_alone_needs_no_store(stage):
    world = resolver_world(stage, listen={**LISTEN, "redirect": "", "verify": ""}, store={"kind": "none"})
    geod = stage.geod(world)
    assert resolve(geod, "77.88.55.60").status == 200
    assert resolve(geod, "10.2.0.1").code == "reserved_address", "there are no networks without a store"


# --- many addresses ---


def test_post_answers_in_order(geod):
    ips = ["8.8.8.200", "77.88.55.60", "10.1.0.1", "8.8.8.200", "::ffff:5.9.0.1"]
    response = post(geod, {"ips": ips})
    assert response.status == 200 and response.header("Content-Type") == "application/json"
    assert response.header("Cache-Control") == "private, max-age=86400"
    assert response.json() == {"locations": [resolve(geod, ip).json() for ip in ips]}


def test_post_tells_each_failure_in_its_place(geod):
    response = post(geod, {"ips": ["77.88.55.60", "1.2.3.4", "192.168.0.1", "x" * 300, "10.1.0.1", "\"\n<", ""]})
    assert response.status == 200 and response.header("Cache-Control") == "no-store"
    found = response.json()["locations"]
    assert [(one["ip"], one.get("status"), one.get("code")) for one in found] == [
        ("77.88.55.60", None, None), ("1.2.3.4", 404, "unknown_address"), ("192.168.0.1", 404, "reserved_address"),
        ("x" * 64, 400, "bad_request"), ("10.1.0.1", None, None), ("\"\n<", 400, "bad_request"), ("", 400, "bad_request")]


def test_post_of_a_thousand(geod):
    ips = [f"77.88.{i // 250}.{i % 250}" for i in range(1000)]
    assert [one["ip"] for one in post(geod, {"ips": ips}).json()["locations"]] == ips
    assert post(geod, {"ips": ips + ["::1"]}).code == "bad_request"
    assert post(geod, {"ips": []}).json() == {"locations": []}


@pytest.mark.parametrize("body", [
    b"", b"{", b"[]", b"null", b"\"77.88.55.60\"", b"ips=77.88.55.60", b"{}", b'{"ips":null}', b'{"ips":{}}', b'{"ips":"::1"}',
    b'{"ips":[1]}', b'{"ips":["::1",["::1"]]}', b'{"ips":["::1"]}x', b'{"ips":["::1",]}', b'\xff\xfe', b'{"ips":["\xff"]}',
    b'{"ips":["::1"],"x":' + b"[" * 20_000 + b"]" * 20_000 + b"}",
])
def test_post_of_something_else(geod, body):
    response = post(geod, body)
    assert response.status == 400 and response.code == "bad_request"
    assert response.header("Cache-Control") == "no-store"


# --- bodies and framing ---

HEAD = b"POST /resolve HTTP/1.1\r\nHost: geo.example.com\r\n"
BODY = b'{"ips":["77.88.55.60"]}'
LENGTH = b"Content-Length: %d\r\n" % len(BODY)
SMUGGLED = message("/resolve?ip=8.8.8.1")


def test_body_in_chunks_and_in_single_bytes(geod):
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (BODY[:5], BODY[5:6], BODY[6:])) + b"0\r\n\r\n"
    with geod.connect("resolver") as connection:
        connection.send(HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunks)
        assert len(connection.read().json()["locations"]) == 1
    with geod.connect("resolver") as connection:
        for byte in HEAD + LENGTH + b"\r\n" + BODY:
            connection.send(bytes([byte]))
        assert len(connection.read().json()["locations"]) == 1


def test_client_that_waits_for_100_continue(geod):
    with geod.connect("resolver") as connection:
        connection.send(HEAD + LENGTH + b"Expect: 100-continue\r\n\r\n")
        assert connection.read().status == 100
        connection.send(BODY)
        assert connection.read().status == 200


def test_pipeline_with_bodies(geod):
    with geod.connect("resolver") as connection:
        connection.send((HEAD + LENGTH + b"\r\n" + BODY + SMUGGLED) * 20)
        for _ in range(20):
            assert "locations" in connection.read().json()
            assert connection.read().json()["ip"] == "8.8.8.1"


@pytest.mark.parametrize("data", [
    HEAD + LENGTH + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    HEAD + b"Transfer-Encoding: chunked\r\n" + LENGTH + b"\r\n0\r\n\r\n",
    HEAD + LENGTH + LENGTH + b"\r\n" + BODY,
    HEAD + b"Content-Length: 0\r\n" + LENGTH + b"\r\n" + BODY,
    HEAD + LENGTH + b"Content-Length: 0\r\n\r\n" + BODY,
    HEAD + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    HEAD + b"Transfer-Encoding: gzip\r\n\r\n",
    HEAD + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    HEAD + b"Content-Length : 0\r\n\r\n",
    HEAD + b"Content-Length: five\r\n\r\n",
    HEAD + b"Content-Length: +5\r\n\r\n",
    HEAD + b"Content-Length:\r\n\r\n",
    HEAD + b"Content-Length: 99999999999999999999\r\n\r\n",
    HEAD + b"Content-Length: 65537\r\n\r\n",
    HEAD + b"Host: evil.example.net\r\n" + LENGTH + b"\r\n" + BODY,
    b"GET /resolve?ip=::1 HTTP/1.1\r\nHost: geo.example.com\r\n" + LENGTH + b"\r\n" + BODY,
    HEAD + b"Transfer-Encoding: chunked\r\n\r\nx\r\n" + BODY + b"\r\n0\r\n\r\n",
], ids=itertools.count())
def test_framing_fault_with_a_body(geod, data):
    """400 or 413 and the end. A length that is no number the library refuses in its own words, after two heads."""
    with geod.connect("resolver") as connection:
        connection.send(data + SMUGGLED)
        answer = connection.read("HEAD")
        assert answer.status in (400, 413), answer
        with pytest.raises(raw_http.Closed) as rest:
            while True:
                connection._more()
        assert b"HTTP/1.1 200" not in rest.value.args[0], "what follows is taken for a request"
    assert resolve(geod, "77.88.55.60").status == 200


def test_body_cut_anywhere_is_closed_without_harm(geod):
    whole = HEAD + LENGTH + b"\r\n" + BODY
    for answers in raw_http.talk_all(geod.addresses["resolver"], [whole[:cut] for cut in range(len(whole))]):
        assert answers == []


def test_slow_body_is_not_waited_for(stage):
    world = resolver_world(stage, http={"header_timeout_s": 1, "trusted_proxies": ["127.0.0.1/32"]})
    geod = stage.geod(world)
    with geod.connect("resolver") as connection:
        connection.send(HEAD + LENGTH + b"\r\n" + BODY[:-1])
        assert connection.is_closed()


# --- the log ---


def test_log_lines(stage):
    geod = stage.geod(resolver_world(stage))
    resolve(geod, "77.88.55.60", headers=[("X-Request-Id", "one"), ("X-Forwarded-For", "203.0.113.9")])
    resolve(geod, "1.2.3.4")
    post(geod, {"ips": ["77.88.55.60", "8.8.8.1"]})
    geod.fetch("/secret?ip=1.2.3.4", "resolver")
    lines = geod.world.log_lines(4)
    assert all(line["listener"] == "resolver" for line in lines)
    assert [(line["path"], line["method"], line["status"], line["code"], line["located_by"], line["provider"]) for line in lines] == [
        ("/resolve", "GET", 200, "ok", "maxmind", "maxmind"), ("/resolve", "GET", 404, "unknown_address", None, None),
        ("/resolve", "POST", 200, "ok", None, None), ("other", "GET", 404, "no_such_path", None, None)]
    assert lines[0]["request_id"] == "one" and lines[0]["client_ip"] == "203.0.113.9"
    assert not any(line["degraded"] or line["cached"] for line in lines)


# --- another geo-resolver ---


def url_of(geod):
    host, port = geod.addresses["resolver"]
    return f"http://{host}:{port}"


@pytest.fixture
def near(stage, geod):
    """Asks the other one for all that its own networks do not know."""
    return stage.geod(facts=near_facts(), listen=LISTEN, resolver={"url": url_of(geod)})


def near_facts():
    return town() | {"networks": [{"cidr": "10.9.0.0/16", "country": "JP"}]}


def test_asks_the_other_and_keeps_the_answer(near):
    first, second = resolve(near, "77.88.55.60"), resolve(near, "77.88.55.60")
    assert first.json() == located("77.88.55.60", "remote", **MOSCOW)
    assert second.json() == located("77.88.55.60", "remote", True, **MOSCOW)
    left = [int(re.fullmatch(r"private, max-age=(\d+)", r.header("Cache-Control"))[1]) for r in (first, second)]
    assert 86_000 < left[1] <= left[0] <= 86_400
    assert resolve(near, "10.9.0.1").json()["provider"] == "networks"
    assert resolve(near, "10.2.0.1").json()["city"] == "Москва", "the far one decides on reserved addresses"
    for code, ip in (("unknown_address", "1.2.3.4"), ("reserved_address", "192.168.1.1")):
        assert [resolve(near, ip).code for _ in range(2)] == [code, code]
    lines = near.world.log_lines(2)
    assert [(line["located_by"], line["provider"], line["cached"]) for line in lines[:2]] == [
        ("remote", "remote", []), ("cache", "remote", ["places"])]


def test_post_waits_for_the_other_too(near):
    answer = post(near, {"ips": ["77.88.55.60", "1.2.3.4", "10.9.0.1", "77.88.55.60"]})
    assert [one.get("code", one.get("country_code")) for one in answer.json()["locations"]] == ["RU", "unknown_address", "JP", "RU"]


def test_hops_that_are_malformed(geod):
    for value in ("x", "-1", "", "1.5"):
        response = resolve(geod, "77.88.55.60", headers=[("Geo-Hops", value)])
        assert response.status == 400 and "Geo-Hops" in response.json()["detail"], value
    assert resolve(geod, "77.88.55.60", headers=[("Geo-Hops", "1")]).status == 200


def test_other_is_away(stage):
    """503 for the unknown, the cached go on; redirects carry on with the partner's default group."""
    far = stage.geod(resolver_world(stage))
    near = stage.geod(facts=near_facts(), listen=LISTEN, resolver={"url": url_of(far)})
    assert resolve(near, "77.88.55.60").status == 200
    far.stop()
    away = resolve(near, "8.8.8.200")
    assert away.status == 503 and away.code == "upstream_unavailable"
    assert away.header("Retry-After") and away.header("Cache-Control") == "no-store"
    assert resolve(near, "77.88.55.60").json()["cached"] is True
    assert near.ask("77.88.55.60").location.startswith("https://node-moscow-")
    assert near.ask("8.8.8.200").location.startswith("https://node-frankfurt-")
    lines = [line for line in near.world.log_lines(5) if line["path"] == "/flv"]
    assert [(line["located_by"], line["degraded"], line["provider"]) for line in lines] == [
        ("cache", False, "remote"), ("default", True, None)]


# --- a database that changes under load ---


class Load:
    """Asks without a pause, over connections that stay; every answer has to be one of those that are allowed."""

    def __init__(self, geod, allowed, threads=3):
        self.faults, self.answers, self.ending = [], 0, False
        self.geod, self.allowed = geod, allowed
        self.threads = [threading.Thread(target=self._run) for _ in range(threads)]
        for thread in self.threads:
            thread.start()

    def _run(self):
        try:
            with self.geod.connect("resolver") as connection:
                while not self.ending:
                    answer = connection.ask("/resolve?ip=77.88.55.60")
                    self.answers += 1
                    if answer.status != 200 or answer.json()["city"] not in self.allowed:
                        self.faults.append(answer)
        except Exception as fault:  # noqa: BLE001  told by end()
            self.faults.append(fault)

    def end(self):
        self.ending = True
        for thread in self.threads:
            thread.join()
        assert not self.faults, self.faults[:3]
        assert self.answers > 100


def one_city(name):
    return {"77.88.0.0/18": ("RU", "MOW", "Moscow|", name + "|", "55.75", "37.61")}


@pytest.mark.parametrize("way", ["renamed over", "overwritten in place"])
def test_database_is_swapped_under_load(stage, way):
    rounds = 50 if LONG else 6
    world = resolver_world(stage)
    file = world.path / "city.mmdb"
    geod = stage.geod(world)
    load = Load(geod, {"Moscow"} | {f"City {i}" for i in range(rounds)})
    try:
        for i in range(rounds):
            fresh = city.write(file, one_city(f"City {i}"))
            if way == "renamed over":
                os.replace(fresh, file)
            else:
                shutil.copyfile(fresh, file)
            city.settle(file, i - 1000)
            geod.signal(signal.SIGHUP)
            eventually(lambda: resolve(geod, "77.88.55.60").json()["city"] == f"City {i}", f"swap {i}")
    finally:
        load.end()
    eventually(lambda: geod.stderr().count(f"{file} is in service") == 1 + rounds, "each is told of once")


def test_changed_database_is_noticed_without_a_signal(stage):
    world = resolver_world(stage)
    geod = stage.geod(world)
    city.put(world.path / "city.mmdb", one_city("Zelenograd"))
    eventually(lambda: resolve(geod, "77.88.55.60").json()["city"] == "Zelenograd", "the new database serves")


def test_reload_takes_a_database_as_it_is_now(stage):
    """However new it is: who has written it and reloads at once is told what came of it."""
    world = resolver_world(stage)
    file = world.path / "city.mmdb"
    geod = stage.geod(world)
    os.replace(city.write(world.path / "new.mmdb", one_city("Zelenograd")), file)
    assert geod.fetch("/reload", "admin", method="POST").status == 200
    assert resolve(geod, "77.88.55.60").json()["city"] == "Zelenograd"
    file.write_bytes(b"no database\n" * 100)
    refused = geod.fetch("/reload", "admin", method="POST")
    assert refused.status == 422 and [each["key"] for each in refused.json()["faults"]] == ["resolver.maxmind.files"]
    assert resolve(geod, "77.88.55.60").json()["city"] == "Zelenograd"


@pytest.mark.parametrize("harm", ["truncated", "empty", "text", "other type", "gone"])
def test_bad_database_leaves_the_old_one_in_service(stage, harm):
    world = resolver_world(stage)
    file = world.path / "city.mmdb"
    geod = stage.geod(world)
    whole = file.read_bytes()
    if harm == "gone":
        file.unlink()
    elif harm == "other type":
        city.put(file, one_city("Nowhere"), kind="GeoLite2-Country")
    else:
        file.write_bytes({"truncated": whole[: len(whole) // 2], "empty": b"", "text": b"no database\n" * 100}[harm])
    if harm != "gone":
        city.settle(file, -1000)
    eventually(lambda: re.search(rf"error .*{file}.*stays in service", geod.stderr()), "the fault is told")
    geod.signal(signal.SIGHUP)
    eventually(lambda: ": refused; what is in service stays" in geod.stderr(), "nor is it reloaded")
    assert resolve(geod, "77.88.55.60").json()["city"] == "Moscow"
    assert geod.fetch("/status.json", "admin").json()["resolver"]["files"][0]["build_epoch"] == 1_800_000_000
    file.write_bytes(whole.replace(b"Moscow", b"Moskva"))
    city.settle(file, -500)
    eventually(lambda: resolve(geod, "77.88.55.60").json()["city"] == "Moskva", "a good one is taken up again")
    assert len(re.findall(r" error .*what was read before stays in service", geod.stderr())) == 1, "told once"


# --- indexes that are kept for the next start ---


KEPT = ", by its index that was kept"


def kept(world, count=1):
    """The indexes in the state directory, once there are so many."""
    return eventually(lambda: len(found := list((world.path / "state").glob("city-*.index"))) == count and found, f"{count} kept")


def served(geod):
    """What geod said of its databases when it was ready."""
    return [line for line in geod.stderr().splitlines() if "is in service" in line]


def test_second_start_reads_the_index_that_the_first_one_kept(stage):
    world = resolver_world(stage)
    first = stage.geod(world)
    answers = [resolve(first, ip).json() for ip in ("77.88.55.60", "2a02:6b8::1", "5.9.0.1", "2001:4860::1")]
    [file] = kept(world)
    assert file.stat().st_mode & 0o777 == 0o600
    first.stop()
    second = stage.geod(world)
    assert not served(first)[0].endswith(KEPT) and served(second)[0].endswith(KEPT)
    assert [resolve(second, ip).json() for ip in ("77.88.55.60", "2a02:6b8::1", "5.9.0.1", "2001:4860::1")] == answers
    assert resolve(second, "1.2.3.4").status == 404


def test_damaged_index_is_told_and_built_anew(stage):
    world = resolver_world(stage)
    geod = stage.geod(world)
    [file] = kept(world)
    geod.stop()
    whole = file.read_bytes()
    for harm in (whole[:-1], whole[:60], b"", b"no index" * 100, whole[:-50] + bytes([whole[-50] ^ 1]) + whole[-49:], whole + b"x"):
        file.write_bytes(harm)
        again = stage.geod(world)
        assert resolve(again, "77.88.55.60").json()["city"] == "Moscow"
        told = [line for line in again.stderr().splitlines() if " warn " in line]
        assert len(told) == 1 and f"{file}: is " in told[0] and told[0].endswith("; the index is built anew"), told
        eventually(lambda: file.read_bytes() == whole, "and kept again")
        again.stop()


def test_index_is_of_one_content_and_one_language(stage):
    world = resolver_world(stage)
    file = world.path / "city.mmdb"
    first = stage.geod(world)
    [index] = kept(world)
    first.stop()
    stamp, bytes_ = file.stat().st_mtime, file.read_bytes()
    file.write_bytes(bytes_.replace(b"Mountain View", b"Mountain Tops"))
    os.utime(file, (stamp, stamp))
    old = index.read_bytes()
    other_content = stage.geod(world)
    assert resolve(other_content, "8.8.8.100").json()["city"] == "Mountain Tops"
    eventually(lambda: index.read_bytes() != old, "that one is kept instead")
    other_content.stop()
    world.config["resolver"]["language"] = "ru"
    world.write_config()
    other_language = stage.geod(world)
    assert resolve(other_language, "77.88.55.60").json()["city"] == "Москва"
    for geod in (other_content, other_language):
        assert not served(geod)[0].endswith(KEPT) and " warn " not in geod.stderr()


def test_index_of_a_database_that_changes_while_geod_runs_is_kept_too(stage):
    world = resolver_world(stage)
    geod = stage.geod(world)
    [index] = kept(world)
    old = index.read_bytes()
    city.put(world.path / "city.mmdb", one_city("Zelenograd"))
    eventually(lambda: index.read_bytes() != old, "the new one is kept")
    geod.stop()
    again = stage.geod(world)
    assert served(again)[0].endswith(KEPT) and resolve(again, "77.88.55.60").json()["city"] == "Zelenograd"


def test_index_of_a_database_that_is_no_more_configured_is_removed(stage):
    world = resolver_world(stage)
    shutil.copyfile(world.path / "city.mmdb", world.path / "other.mmdb")
    world.config["resolver.maxmind"] = {"files": ["city.mmdb", "other.mmdb"]}
    world.write_config()
    geod = stage.geod(world)
    both = kept(world, 2)
    world.config["resolver.maxmind"] = {"files": ["other.mmdb"]}
    world.write_config()
    assert geod.fetch("/reload", "admin", method="POST").status == 200
    assert kept(world)[0] in both


def test_without_a_state_directory_geod_serves_all_the_same(stage):
    world = resolver_world(stage, store={"kind": "files", "dir": "data", "state_dir": "state"})
    (world.path / "state").write_text("no directory")
    geod = stage.geod(world)
    eventually(lambda: "the index of a city database is not kept" in geod.stderr(), "it is told")
    assert resolve(geod, "77.88.55.60").json()["city"] == "Moscow"
    [line] = [line for line in geod.stderr().splitlines() if "the index of a city database" in line]
    assert " warn " in line and f"{world.path / 'state'}: cannot be made: " in line
