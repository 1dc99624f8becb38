"""Whose address it is: contract 2.6. The URL is bound to it (`cip`), so the answer tells."""

import socket
from urllib.parse import unquote

import pytest

from support import signing

TRUSTED = ["127.0.0.1", "10.0.0.0/8", "2001:db8:f::/48"]
STRANGER = "127.0.0.2"  # a loopback address nobody trusts
XFF, FWD = "X-Forwarded-For", "Forwarded"


@pytest.fixture(scope="module")
def geod(module_stage):
    return module_stage.geod(http={"trusted_proxies": TRUSTED}, signing={"bind_client_ip": True})


def client_seen(geod, headers, source=None):
    answer = geod.fetch("/flv?server=100-abcdef&camera=0&access_token=good", headers=headers, source=source)
    assert answer.status == 302, answer
    return unquote(signing.parameter(answer.location, "cip"))


WALKS = [
    ([], "127.0.0.1"),
    ([(XFF, "203.0.113.7")], "203.0.113.7"),
    ([(XFF, "198.51.100.1, 203.0.113.7")], "203.0.113.7"),
    ([(XFF, "198.51.100.1,203.0.113.7,10.0.0.1")], "203.0.113.7"),
    ([(XFF, "198.51.100.1 ,\t203.0.113.7 , 10.0.0.1 ")], "203.0.113.7"),
    ([(XFF, "198.51.100.1"), (XFF, "203.0.113.7, 10.0.0.1"), (XFF, "10.0.0.2")], "203.0.113.7"),
    ([(XFF, "203.0.113.7:51234")], "203.0.113.7"),
    ([(XFF, "203.0.113.7:51234, 10.0.0.1:80")], "203.0.113.7"),
    ([(XFF, "2001:DB8:0:0::7")], "2001:db8::7"),
    ([(XFF, "[2001:db8::7]")], "2001:db8::7"),
    ([(XFF, "[2001:db8::7]:443, 2001:db8:f::1")], "2001:db8::7"),
    ([(XFF, "::ffff:203.0.113.7")], "203.0.113.7"),
    ([(XFF, "203.0.113.7, ::ffff:10.0.0.1")], "203.0.113.7"),
    ([(XFF, "10.0.0.1, 10.0.0.2")], "10.0.0.1"),
    ([(XFF, "203.0.113.9, garbage, 10.0.0.1")], "10.0.0.1"),
    ([(XFF, "203.0.113.9, 10.0.0.2, unknown, 10.0.0.1, 10.0.0.3")], "10.0.0.1"),
    ([(XFF, "garbage")], "127.0.0.1"),
    ([(XFF, "203.0.113.7, 256.0.0.1")], "127.0.0.1"),
    ([(XFF, "010.0.0.1")], "127.0.0.1"),
    ([(XFF, "203.0.113.7:notaport")], "127.0.0.1"),
    ([(XFF, "garbage, 203.0.113.7")], "203.0.113.7"),
    ([(FWD, "for=203.0.113.7")], "203.0.113.7"),
    ([(FWD, "for=198.51.100.1, for=203.0.113.7;proto=https;by=10.0.0.1")], "203.0.113.7"),
    ([(FWD, "proto=https;For=203.0.113.7;host=geo.example.com, FOR=10.0.0.1")], "203.0.113.7"),
    ([(FWD, 'for="203.0.113.7:8080"')], "203.0.113.7"),
    ([(FWD, 'for="[2001:db8::7]:4711", for=10.0.0.1')], "2001:db8::7"),
    ([(FWD, 'for="[2001:db8::7]"')], "2001:db8::7"),
    ([(FWD, 'host="a,for=1.2.3.4;b";for=203.0.113.7')], "203.0.113.7"),
    ([(FWD, "for=198.51.100.1"), (FWD, "for=203.0.113.7, for=10.0.0.1")], "203.0.113.7"),
    ([(FWD, "for=203.0.113.9, for=unknown, for=10.0.0.1")], "10.0.0.1"),
    ([(FWD, "for=203.0.113.9, for=_hidden")], "127.0.0.1"),
    ([(FWD, "for=203.0.113.9, proto=https")], "127.0.0.1"),
    ([(FWD, "for=10.0.0.1, for=10.0.0.2")], "10.0.0.1"),
    ([(FWD, "for=203.0.113.7"), (XFF, "198.51.100.1")], "203.0.113.7"),
    ([(XFF, "198.51.100.1"), (FWD, "for=203.0.113.7")], "203.0.113.7"),
    ([(FWD, 'for="203.0.113.7')], "127.0.0.1"),
]


@pytest.mark.parametrize("headers, client", WALKS, ids=[" | ".join(f"{n} {v}" for n, v in h) or "none" for h, _ in WALKS])
def test_walk_through_trusted_proxies(geod, headers, client):
    assert client_seen(geod, headers) == client


@pytest.mark.parametrize("headers, client", WALKS, ids=range(len(WALKS)))
def test_nobody_else_changes_the_address(geod, headers, client):
    assert client_seen(geod, headers, source=STRANGER) == STRANGER


def test_no_parameter_and_no_other_header_changes_it(geod):
    answer = geod.fetch("/flv?server=100-abcdef&camera=0&access_token=good&ip=1.2.3.4&cip=1.2.3.4&client_ip=1.2.3.4",
                        headers=[("X-Real-IP", "1.2.3.4"), ("Client-IP", "1.2.3.4"), ("True-Client-IP", "1.2.3.4")])
    assert signing.parameter(answer.location, "cip") == "127.0.0.1"


def test_without_trusted_proxies_the_peer_is_the_client(stage):
    geod = stage.geod(http={"trusted_proxies": []}, signing={"bind_client_ip": True})
    assert client_seen(geod, [(XFF, "203.0.113.7"), (FWD, "for=203.0.113.7")]) == "127.0.0.1"


def test_log_has_both_addresses(stage):
    geod = stage.geod(http={"trusted_proxies": TRUSTED})
    geod.ask("203.0.113.7, 10.0.0.1")
    geod.fetch("/flv", source=STRANGER, headers=[(XFF, "203.0.113.7")])
    first, second = geod.world.log_lines(2)
    assert (first["client_ip"], first["peer_ip"]) == ("203.0.113.7", "127.0.0.1")
    assert (second["client_ip"], second["peer_ip"]) == (STRANGER, STRANGER)


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as it:
            it.bind(("::1", 0))
        return True
    except OSError:
        return False


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6 loopback")
def test_ipv6_listener_serves_ipv4_too_and_unmaps_it(stage):
    geod = stage.geod(listen={"redirect": "[::]:0"}, http={"trusted_proxies": ["127.0.0.1"]}, signing={"bind_client_ip": True})
    port = geod.addresses["redirect"][1]
    geod.addresses["redirect"] = ("127.0.0.1", port)
    assert client_seen(geod, []) == "127.0.0.1"
    assert client_seen(geod, [(XFF, "203.0.113.7")]) == "203.0.113.7"
    geod.addresses["redirect"] = ("::1", port)
    assert client_seen(geod, [(XFF, "203.0.113.7")]) == "::1"


@pytest.mark.parametrize("request_id", ["abc", "A-b_c.9", "x" * 64])
def test_request_id_of_a_trusted_proxy_is_taken_over(geod, request_id):
    for target in ("/flv", "/flv?server=100-abcdef&camera=0&access_token=good"):
        assert geod.fetch(target, headers=[("X-Request-Id", request_id)]).header("X-Request-Id") == request_id


@pytest.mark.parametrize("request_id", ["", "x" * 65, "a b", "a/b", "a\"b", "caf\xe9", "a,b"])
def test_malformed_request_id_is_ignored(geod, request_id):
    answer = geod.fetch("/flv?server=100-abcdef&camera=0&access_token=good", headers=[("X-Request-Id", request_id)])
    assert answer.status == 302
    assert answer.header("X-Request-Id") not in (None, "", request_id)


def test_request_id_of_others_is_ignored(geod):
    answer = geod.fetch("/flv", source=STRANGER, headers=[("X-Request-Id", "mine")])
    assert answer.header("X-Request-Id") not in (None, "", "mine")
