"""What `geoctl log-level debug` and `trace` show: what was asked of others and what came of it, who was checked, whose connection ended."""

import re
import ssl

import pytest

from auth_double import AuthDouble
from ip_api_double import IpApiDouble
from support import raw_http, tls
from support.raw_http import eventually
from support.town import node, small
from support.world import target

PLACE = {"countryCode": "RU", "region": "MOW", "regionName": "Moscow", "city": "Moscow", "lat": 55.75, "lon": 37.61}
TOOK = r", after \d+\.\d ms$"


def lines(geod, level):
    """What it said on that level, without the time."""
    return [line.split(f" {level} ", 1)[1] for line in geod.stderr().splitlines() if re.match(rf"\S+ {level} ", line)]


def says(geod, level, pattern):
    return eventually(lambda: [line for line in lines(geod, level) if re.search(pattern, line)], f"{level}: {pattern}")


def post(geod, path):
    return geod.fetch(path, "admin", method="POST", host="localhost")


def set_level(geod, level):
    assert post(geod, f"/log-level?level={level}").status == 200


def test_calls_to_upstreams(stage):
    with AuthDouble() as auth, IpApiDouble({"77.88.55.60": PLACE}) as ip_api:
        geod = stage.geod(auth={"url": auth.url}, resolver={"providers": ["networks", "ip-api"]}, **{"resolver__ip-api": {"url": ip_api.url}})
        geod.ask("10.1.0.7", access_token="hush-before")
        assert lines(geod, "debug") == lines(geod, "trace") == [], "only when it is asked for"
        set_level(geod, "debug")
        geod.ask("77.88.55.60", access_token="hush-hush")
        says(geod, "debug", r"^auth: /authorize: status 401" + TOOK)
        says(geod, "debug", r"^ip-api: /json of 1: status 200" + TOOK)
        assert post(geod, "/reload").status == 200
        set_level(geod, "debug")
    geod.ask("10.1.0.7", access_token="hush-after")
    says(geod, "debug", r"^auth: /authorize: .*refused.*" + TOOK)
    assert "hush" not in geod.stderr() and "77.88.55.60" not in geod.stderr(), "never what was asked for"


def test_checks(stage):
    with IpApiDouble({}) as well:
        facts = small(node("ill", "here", check="http://127.0.0.1:9/health"), node("well", "here", check=f"{well.url}/_stats"))
        geod = stage.geod(facts=facts, health={"interval_ms": 100})
        set_level(geod, "debug")
        says(geod, "debug", r"^node node-ill: its check failed: it refused the connection" + TOOK)
        assert not any("passed" in line for line in lines(geod, "debug"))
        set_level(geod, "trace")
        says(geod, "trace", r"^node node-well: its check passed" + TOOK)
        set_level(geod, "info")


def test_handshakes_that_fail(stage, tmp_path):
    authority = tls.Authority(tmp_path)
    authority.make()
    geod = stage.geod(tls={"redirect": "127.0.0.1:0", **authority.files()})
    address = geod.addresses["tls.redirect"]
    set_level(geod, "debug")
    failed = r"^redirect: the TLS handshake of 127\.0\.0\.1 failed: "
    with raw_http.Connection(address) as plain:
        plain.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        says(geod, "debug", failed + "http request$")
    with pytest.raises(OSError):
        tls.Connection(address, authority.client(version=ssl.TLSVersion.TLSv1_1))
    says(geod, "debug", failed + "unsupported protocol$")
    with pytest.raises(ssl.SSLError):  # it does not know the authority
        with tls.Connection(address, ssl.create_default_context()) as connection:
            connection.ask("/")
    says(geod, "debug", failed + ".*unknown ca$")
    with raw_http.Connection(address) as gone:
        gone.send(b"\x16\x03\x01")
    says(geod, "debug", failed + "the client has gone$")


def test_connections_that_end_by_a_timeout(stage):
    geod = stage.geod(http={"header_timeout_s": 1})
    set_level(geod, "debug")
    with geod.connect() as connection:
        connection.send(b"GET " + target().encode())
        says(geod, "debug", r"^redirect: a connection of 127\.0\.0\.1 is closed: its request did not come within 1 s$")
