"""geod and geoctl with the ip-api provider, against a double that speaks the service's protocol and counts its calls."""

import json

import pytest

from ip_api_double import FAULTS, IpApiDouble
from support.raw_http import eventually, message
from support.town import town

MOSCOW_IP, NEW_YORK_IP = "77.88.55.60", "8.8.8.8"
PLACES = {
    MOSCOW_IP: {"countryCode": "RU", "region": "MOW", "regionName": "Moscow", "city": "Москва", "lat": 55.75, "lon": 37.61},
    NEW_YORK_IP: {"countryCode": "US", "region": "NY", "regionName": "New York", "city": "New York", "lat": 40.7128, "lon": -74.006},
    "1.2.3.4": "invalid query",
    "1.2.3.5": "reserved range",
    "1.2.3.6": "private range",
}


@pytest.fixture
def ip_api():
    with IpApiDouble(PLACES) as double:
        yield double
        assert not double.exceeded and not double.while_none_left, double.stats()


def geod_on(stage, double, providers=("networks", "ip-api"), **config):
    config.setdefault("http", {"trusted_proxies": ["127.0.0.1/32"], "threads": 2})
    return stage.geod(listen={"resolver": "127.0.0.1:0"}, resolver={"providers": list(providers)},
                      **{"resolver__ip-api": {"url": double.url}, **config})


def resolve(geod, ip):
    return geod.fetch(f"/resolve?ip={ip}", "resolver")


def post(geod, ips):
    body = json.dumps({"ips": ips}).encode()
    with geod.connect("resolver") as connection:
        connection.send(message("/resolve", "POST", [("Content-Length", len(body))]) + body)
        return connection.read()


def addresses(count):
    return [f"11.{i >> 8 & 255}.{i & 255}.1" for i in range(count)]


def test_an_address_is_located_once_and_kept(stage, ip_api):
    geod = geod_on(stage, ip_api)
    expected = {"ip": MOSCOW_IP, "country_code": "RU", "region_iso": "MOW", "region": "Moscow", "city": "Москва",
                "coordinates": [55.75, 37.61], "provider": "ip-api"}
    assert resolve(geod, MOSCOW_IP).json() == {**expected, "cached": False}
    assert resolve(geod, MOSCOW_IP).json() == {**expected, "cached": True}
    assert ip_api.calls == {"json": 1, "batch": 0}
    # and serves redirects
    assert geod.ask(NEW_YORK_IP).header("Location").startswith("https://node-newyork-1.")
    line = geod.world.log_lines(3)[2]
    assert (line["located_by"], line["provider"], line["group"]) == ("ip-api", "ip-api", "us")


@pytest.mark.parametrize("ip, code", [("1.2.3.4", "unknown_address"), ("1.2.3.5", "reserved_address"), ("1.2.3.6", "reserved_address")])
def test_what_it_fails_on(stage, ip_api, ip, code):
    geod = geod_on(stage, ip_api)
    assert [resolve(geod, ip).code for _ in range(2)] == [code, code]
    assert ip_api.calls["json"] == 1, "'there is none' is kept too"


def test_own_reserved_addresses_are_told_to_nobody(stage, ip_api):
    geod = geod_on(stage, ip_api)
    assert resolve(geod, "192.168.1.1").code == "reserved_address"
    assert ip_api.calls == {"json": 0, "batch": 0}


def test_misses_go_together(stage, ip_api):
    answer = post(geod_on(stage, ip_api), addresses(250))
    assert {place["provider"] for place in answer.json()["locations"]} == {"ip-api"}
    # how many ask within the few milliseconds of gathering is the machine's affair; that they go together is ours
    assert ip_api.calls["json"] == 0 and sum(ip_api.batch_sizes) == 250 and max(ip_api.batch_sizes) <= 100
    assert 3 <= ip_api.calls["batch"] <= 12, ip_api.batch_sizes


def test_a_thousand_cold_addresses_in_a_second(stage, ip_api):
    geod = geod_on(stage, ip_api, deadline={"resolve_ms": 2000, "request_ms": 5000})
    connections = [geod.connect("resolver") for _ in range(50)]
    try:
        asked = addresses(1000)
        for i, connection in enumerate(connections):
            connection.send(b"".join(message(f"/resolve?ip={ip}") for ip in asked[i::50]))
        answers = [connection.read() for connection in connections for _ in range(20)]
    finally:
        for connection in connections:
            connection.socket.close()
    # each connection's requests come one after the other, so 50 addresses at most wait at once
    assert ip_api.most["batch"] <= 15 and ip_api.most["json"] <= 45
    codes = {answer.code for answer in answers}
    assert codes <= {"redirect", "upstream_unavailable"}, codes
    located = sum(answer.status == 200 for answer in answers)
    assert located >= 15 * 20, f"{located} located by {ip_api.stats()}"
    for answer in answers:
        if answer.status != 200:
            assert 1 <= int(answer.header("Retry-After")) <= 60


def test_used_up_it_is_left_alone(stage, ip_api):
    geod = geod_on(stage, ip_api)
    ip_api.set_fault("no_calls_left")
    assert resolve(geod, MOSCOW_IP).status == 200  # the last one, of /json
    assert resolve(geod, NEW_YORK_IP).status == 200  # the last one, of /batch
    refused = [resolve(geod, ip) for ip in addresses(20)]
    assert {answer.code for answer in refused} == {"upstream_unavailable"}
    assert all(50 <= int(answer.header("Retry-After")) <= 60 for answer in refused)
    assert sum(ip_api.calls.values()) == 2
    # the redirect carries on
    redirected = geod.ask("11.9.9.9")
    assert redirected.status == 302 and "frankfurt" in redirected.header("Location")
    line = geod.world.log_lines(23)[-1]
    assert (line["located_by"], line["degraded"], line["group"]) == ("default", True, "eu")
    assert resolve(geod, MOSCOW_IP).json()["cached"] is True


def test_away_it_is_answered_for_from_the_stale_window(stage):
    with IpApiDouble(PLACES) as ip_api:
        geod = geod_on(stage, ip_api, cache__places={"ttl_s": 1, "stale_s": 600})
        assert geod.ask(NEW_YORK_IP).status == 302
        ip_api.set_fault("cut_before_header")

        def is_stale():
            geod.ask(NEW_YORK_IP)
            return geod.world.log_lines(1)[-1]["located_by"] == "stale"

        eventually(is_stale, "its life has passed")
        line = geod.world.log_lines(1)[-1]
        assert (line["group"], line["degraded"], line["cached"][0]) == ("us", False, "places")
        assert resolve(geod, NEW_YORK_IP).header("Cache-Control") == "private, max-age=0"
        assert resolve(geod, MOSCOW_IP).code == "upstream_unavailable"
        told = geod.fetch("/status.json", "admin").json()["resolver"]["providers"][1]
        assert told["name"] == "ip-api" and told["last_error"]


@pytest.mark.parametrize("fault", [f for f in FAULTS if f not in ("no_calls_left", "missing_entries")])
def test_trouble_is_no_answer(stage, fault):
    with IpApiDouble(PLACES, fault=fault, delay=5) as ip_api:
        geod = geod_on(stage, ip_api, deadline={"resolve_ms": 300, "request_ms": 3000})
        answer = resolve(geod, MOSCOW_IP)
        assert (answer.status, answer.code) == (503, "upstream_unavailable"), fault
        redirected = geod.ask(NEW_YORK_IP)
        assert redirected.status == 302 and "frankfurt" in redirected.header("Location"), fault
        ip_api.set_fault()  # so that no thread of the double outlives the scene by much


def test_the_key_is_told_to_the_service_alone(stage, tmp_path):
    with IpApiDouble(PLACES, key="s3cr3t-key") as ip_api:
        (tmp_path / "ip-api.key").write_text("s3cr3t-key\n")
        geod = geod_on(stage, ip_api, **{"resolver__ip-api": {"url": ip_api.url, "key_file": str(tmp_path / "ip-api.key")}})
        for ip in addresses(60):  # no limit of the free form
            assert resolve(geod, ip).status == 200
        assert set(ip_api.keys) == {"s3cr3t-key"} and sum(ip_api.calls.values()) == 60
        ip_api.set_fault("error_500")
        assert resolve(geod, MOSCOW_IP).code == "upstream_unavailable"
        told = geod.fetch("/status.json", "admin").body + geod.fetch("/metrics", "admin").body + geod.stderr().encode()
        assert b"error" in told and b"s3cr3t" not in told
        shown = geod.world.geoctl("config", "show")
        assert "s3cr3t" not in shown.out


def test_geoctl_asks_in_batches_and_answers_in_order(stage, ip_api):
    world = stage.world(resolver={"providers": ["networks", "ip-api"]}, **{"resolver__ip-api": {"url": ip_api.url}})
    asked = addresses(230)
    answers = world.geoctl("--json", "resolve", "-", stdin="\n".join(asked)).json_lines()
    assert [answer["ip"] for answer in answers] == asked
    assert {answer["provider"] for answer in answers} == {"ip-api"}
    assert ip_api.calls["batch"] <= 10 and ip_api.calls["json"] <= 10, ip_api.stats()


def test_it_completes_what_a_table_knows_in_part(stage, ip_api):
    geod = stage.geod(
        facts=town() | {"networks": [{"cidr": "77.88.0.0/16", "country": "RU"}]}, listen={"resolver": "127.0.0.1:0"},
        resolver={"providers": ["networks", "ip-api"], "complete": True}, **{"resolver__ip-api": {"url": ip_api.url}})
    assert resolve(geod, MOSCOW_IP).json() == {
        "ip": MOSCOW_IP, "country_code": "RU", "region_iso": "MOW", "region": "Moscow", "city": "Москва",
        "coordinates": [55.75, 37.61], "provider": "networks", "cached": False}
