"""Hostile bytes: a clear answer or a clean close, never a crash, never another client's delay."""

import random
import socket
import time

import pytest

from support import raw_http
from support.raw_http import talk
from support.town import MOSCOW
from support.world import target

HEAD = f"GET {target()} HTTP/1.1\r\nHost: geo.example.com\r\n".encode()
LISTENERS = ["redirect", "verify", "admin"]


@pytest.fixture(scope="module")
def geod(module_stage):
    """Waits a second at most for the rest of a request, or for the next one."""
    return module_stage.geod(http={"header_timeout_s": 1, "idle_timeout_s": 1, "trusted_proxies": ["127.0.0.1/32"]})


@pytest.fixture(autouse=True)
def still_answers(geod):
    yield
    started = time.monotonic()
    assert geod.ask(MOSCOW).status == 302
    assert geod.fetch("/healthz", "admin").status == 200
    assert time.monotonic() - started < 5


def refused(geod, data, listener="redirect"):
    """400, and the connection is closed: a request smuggled behind is never answered."""
    with geod.connect(listener) as connection:
        connection.send(data + HEAD + b"\r\n")
        answer = connection.read()
        assert answer.status == 400, answer
        assert connection.is_closed(), "the connection stays open after a framing fault"


FAULTS = {
    "length and chunked": b"Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked and length": b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
    "two lengths": b"Content-Length: 0\r\nContent-Length: 5\r\n\r\nHELLO",
    "two equal lengths": b"Content-Length: 0\r\nContent-Length: 0\r\n\r\n",
    "two codings": b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    "blank before the colon of length": b"Content-Length : 0\r\n\r\n",
    "tab before the colon of length": b"Content-Length\t: 0\r\n\r\n",
    "blank before the colon of coding": b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "two hosts": b"Host: evil.example.net\r\n\r\n",
    "two equal hosts": b"Host: geo.example.com\r\n\r\n",
    "body": b"Content-Length: 5\r\n\r\nHELLO",
    "chunked body": b"Transfer-Encoding: chunked\r\n\r\n5\r\nHELLO\r\n0\r\n\r\n",
    "length is no number": b"Content-Length: five\r\n\r\n",
    "length is negative": b"Content-Length: -1\r\n\r\n",
    "length is a list": b"Content-Length: 0, 0\r\n\r\n",
    "length with a sign": b"Content-Length: +0\r\n\r\n",
    "length is empty": b"Content-Length:\r\n\r\n",
    "coding nobody knows": b"Transfer-Encoding: gzip\r\n\r\n",
    "coding with a trick": b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("listener", LISTENERS)
@pytest.mark.parametrize("headers", FAULTS.values(), ids=FAULTS)
def test_framing_fault(geod, headers, listener):
    if listener == "redirect":
        refused(geod, HEAD + headers, listener)
    else:
        path = {"verify": "/verify", "admin": "/healthz"}[listener]
        refused(geod, f"GET {path} HTTP/1.1\r\nHost: geo.example.com\r\n".encode() + headers, listener)


def test_huge_length_is_refused_at_once(geod):
    for length in ("99999999999999999999999999", "18446744073709551616", "1000000"):
        with geod.connect() as connection:
            connection.send(HEAD + f"Content-Length: {length}\r\n\r\n".encode())
            assert connection.read().status in (400, 413)
            assert connection.is_closed()


def test_framing_fault_of_a_post(geod):
    refused(geod, b"POST /flv HTTP/1.1\r\nHost: geo.example.com\r\nContent-Length: 2\r\n\r\n{}")


def test_length_of_zero_is_no_body(geod):
    with geod.connect() as connection:
        for _ in range(2):
            assert connection.ask(target(), headers=[("Content-Length", "0")]).status == 302


def test_framing_refusal_of_ours_is_a_problem(geod):
    answer = talk(geod.addresses["redirect"], HEAD + FAULTS["two hosts"])[0]
    assert answer.json()["code"] == "bad_request"
    assert answer.header("X-Request-Id") and answer.header("Cache-Control") == "no-store"


def test_smuggled_request_is_never_answered(geod):
    smuggled = b"GET /flv?smuggled HTTP/1.1\r\nHost: geo.example.com\r\n\r\n"
    for headers in (b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"Content-Length: 0\r\nContent-Length: 60\r\n\r\n",
                    b"Transfer-Encoding : chunked\r\nContent-Length: 60\r\n\r\n0\r\n\r\n"):
        assert [a.status for a in talk(geod.addresses["redirect"], HEAD + headers + smuggled)] == [400]


# --- truncated ---


def test_request_cut_anywhere_is_closed_without_harm(geod):
    whole = HEAD + b"Accept: */*\r\n\r\n"
    for cut, answers in enumerate(raw_http.talk_all(geod.addresses["redirect"], [whole[:cut] for cut in range(len(whole))])):
        assert all(a.status in (400, 408) for a in answers), (whole[:cut], answers)
    assert geod.ask().status == 302


def test_request_in_single_bytes_is_served(geod):
    with geod.connect() as connection:
        for byte in HEAD + b"\r\n":
            connection.send(bytes([byte]))
        assert connection.read().status == 302


@pytest.mark.parametrize("data", [HEAD, b"GET /flv", b"G", b"\r\n", b""], ids=["no end", "no line", "a byte", "a line end", "nothing"])
def test_client_that_never_finishes_is_closed(geod, data):
    started = time.monotonic()
    with geod.connect() as connection:
        connection.send(data)
        try:
            assert connection.read().status in (400, 408)
            assert connection.is_closed()
        except raw_http.Closed:
            pass
    assert time.monotonic() - started < 8


def test_idle_connection_is_closed_in_the_end(geod):
    with geod.connect() as connection:
        assert connection.ask(target()).status == 302
        assert connection.is_closed()


def test_drip_feeding_does_not_extend_the_patience(geod):
    with geod.connect() as connection:
        connection.send(HEAD)
        connection.socket.settimeout(0.2)
        end = time.monotonic() + 10
        while connection.send(b"X-Drip: 1\r\n"):
            assert time.monotonic() < end, "a client that drips headers holds its connection for ever"
            try:
                connection._more()
            except TimeoutError:
                continue
            except raw_http.Closed:
                return


def test_client_that_leaves_without_reading(geod):
    for _ in range(50):
        with geod.connect() as connection:
            connection.send((HEAD + b"\r\n") * 20)


# --- too large ---


@pytest.mark.parametrize("data", [
    HEAD + b"X-Big: " + b"x" * 1_000_000 + b"\r\n\r\n",
    HEAD + b"".join(b"X-%d: %s\r\n" % (i, b"y" * 90) for i in range(10_000)) + b"\r\n",
    HEAD + b"X-Forwarded-For: " + b"10.0.0.1, " * 100_000 + b"10.0.0.1\r\n\r\n",
    b"GET /flv?server=" + b"a" * 1_000_000 + b" HTTP/1.1\r\nHost: geo.example.com\r\n\r\n",
    b"GET /" + b"a" * 1_000_000,
    b"A" * 1_000_000,
    b"\r\n" * 100_000,
], ids=["one header", "10,000 headers", "X-Forwarded-For", "query", "path", "method", "blank lines"])
def test_a_megabyte(geod, data):
    answers = talk(geod.addresses["redirect"], data)
    assert len(answers) <= 1
    for answer in answers:
        assert answer.status in (400, 405, 413, 414, 431, 501), answer
        assert answer.json()["status"] == answer.status


def test_another_version(geod):
    answer, = talk(geod.addresses["redirect"], b"GET /flv HTTP/2.0\r\nHost: geo.example.com\r\n\r\n")
    assert (answer.status, answer.json()["status"], answer.json()["code"]) == (505, 505, "bad_request")


@pytest.mark.parametrize("more", ["&" + "&".join(f"p{i}=1" for i in range(2000)), "&" * 10_000, "&x" * 5000], ids=["p=1", "&", "&x"])
def test_many_parameters(stage, more):
    """Served or refused, but at once: the client has nothing more to say."""
    geod = stage.geod()
    started = time.monotonic()
    with geod.connect() as connection:
        try:
            assert connection.ask(target() + more).status in (302, 400, 414, 431)
        except raw_http.Closed as rest:
            assert not rest.args[0]
    assert time.monotonic() - started < 5, "the client is left waiting"


# --- NUL and other bytes ---


@pytest.mark.parametrize("data", [
    b"GET /flv?server=100-abcdef&camera=0\x00&access_token=good HTTP/1.1\r\nHost: geo.example.com\r\n\r\n",
    b"GET /fl\x00v?server=100-abcdef&camera=0&access_token=good HTTP/1.1\r\nHost: geo.example.com\r\n\r\n",
    b"GET\x00 /flv HTTP/1.1\r\nHost: geo.example.com\r\n\r\n",
    HEAD + b"X: a\x00b\r\n\r\n",
    HEAD + b"X\x00: b\r\n\r\n",
    b"\x00" * 1000,
], ids=["query", "path", "method", "header value", "header name", "only"])
def test_nul_bytes(geod, data):
    for answer in talk(geod.addresses["redirect"], data):
        assert answer.status < 500 or answer.status == 501, answer


def test_percent_nul_is_refused_and_named(geod):
    for query, name in (("server=100-abcdef%00&camera=0", "server"), ("server=100-abcdef&camera=0%00", "camera")):
        answer = geod.fetch(f"/flv?{query}&access_token=good")
        assert answer.status == 400 and name in answer.json()["detail"]
    assert geod.fetch("/flv%00?server=100-abcdef&camera=0&access_token=good").status in (400, 404)


def test_over_long_ids(geod):
    for size in (65, 1000, 10_000):
        assert geod.ask(camera="c" * size).status in (400, 414, 431)
        assert geod.ask(server="c" * size).status in (400, 414, 431)


def test_control_bytes_never_come_back_in_headers(geod):
    for bad in ("%0d%0aX-Evil:%201", "%0aX-Evil:%201", "%0d%0a%0d%0a<html>"):
        for query in (f"server={bad}&camera=0&access_token=good", f"server=100-abcdef&camera=0&access_token={bad}"):
            answer = geod.fetch("/flv?" + query)
            assert answer.status == 400 and answer.header("X-Evil") is None


@pytest.mark.parametrize("line", [
    b"GET", b"GET ", b"GET /flv", b"GET  /flv HTTP/1.1", b"GET /flv HTTP/9.9", b"GET /flv HTTP/1.1 x", b"GET /flv HTTQ/1.1",
    b" GET /flv HTTP/1.1", b"GET\t/flv\tHTTP/1.1", b"GET /f lv HTTP/1.1", b"\xff\xfe /flv HTTP/1.1", b"GET flv HTTP/1.1",
    b"GET * HTTP/1.1", b"OPTIONS * HTTP/1.1", b"CONNECT geo.example.com:443 HTTP/1.1", b"PRI * HTTP/2.0", b"GET /%zz HTTP/1.1",
    b"GET /../../etc/passwd HTTP/1.1", b"GET \\flv HTTP/1.1", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
])
def test_strange_request_line(geod, line):
    for answer in talk(geod.addresses["redirect"], line + b"\r\nHost: geo.example.com\r\n\r\n"):
        assert 200 <= answer.status < 500 or answer.status in (501, 505), answer
        assert answer.location is None


@pytest.mark.parametrize("header", [
    b"no colon", b": no name", b" folded: x", b"Bad Name: x", b"X: \xff\xfe", b"X:" + b" " * 5000, b"=: x", b"\x01: x"])
def test_strange_header(geod, header):
    for answer in talk(geod.addresses["redirect"], HEAD + header + b"\r\n\r\n"):
        assert answer.status in (302, 400, 413, 431), answer


def test_garbage(geod):
    dice = random.Random(3)
    messages = [dice.randbytes(dice.randrange(1, 600)) + b"\r\n\r\n" for _ in range(200)]
    for answers in raw_http.talk_all(geod.addresses["redirect"], messages):
        for answer in answers:
            assert 400 <= answer.status < 500 or answer.status in (501, 505), answer
    assert geod.ask().status == 302


def test_mutated_requests(geod):
    dice = random.Random(4)
    messages = []
    for _ in range(600):
        data = bytearray(HEAD + b"X-Forwarded-For: 10.1.0.7\r\nAccept: */*\r\n\r\n")
        for _ in range(dice.randrange(1, 4)):
            data[dice.randrange(len(data))] = dice.randrange(256)
        messages.append(bytes(data))
    for batch in (messages[:300], messages[300:]):
        for data, answers in zip(batch, raw_http.talk_all(geod.addresses["redirect"], batch)):
            for answer in answers:
                assert answer.status < 500 or answer.status in (501, 505), (data, answer)
                assert not answer.location or "://node-" in answer.location
    assert geod.ask().status == 302


# --- targets and Host ---


def test_absolute_form_names_no_host_of_its_own(geod):
    for authority in ("geo.example.com", "evil.example.net"):
        with geod.connect() as connection:
            answer = connection.ask(f"http://{authority}" + target())
        assert answer.status in (302, 400), answer
        if answer.location:
            assert "://node-" in answer.location


def test_host_missing(geod):
    [answer] = talk(geod.addresses["redirect"], raw_http.message(target(), host=None))
    assert answer.status == 400
    assert b"HTTP/1.1" not in answer.body


def test_host_empty_or_odd_is_nobodys_name(geod):
    for host in ("", "geo.example.com:", "geo.example.com:99999999", "[::1]:8080", "a" * 2000, "geo.example.com/x", "ге.рф".encode().decode("latin-1")):
        answer = geod.ask(MOSCOW, host=host)
        assert answer.status in (302, 400), (host, answer)
        if answer.location:
            assert "://node-moscow-" in answer.location


# --- many at once ---


def test_pipelined_requests_are_answered_in_order(geod):
    cameras = [str(i % 10) for i in range(40)]
    with geod.connect() as connection:
        connection.send(b"".join(raw_http.message(target(camera=c, redirect="0")) for c in cameras))
        for camera in cameras:
            assert f"&camera={camera}&" in connection.read().json()["location"]


def test_refusals_in_a_pipeline_do_not_mix_up_answers(geod):
    with geod.connect() as connection:
        connection.send(raw_http.message(target(camera="a b")) + raw_http.message(target()) + raw_http.message("/nope") + raw_http.message(target()))
        assert [connection.read().status for _ in range(4)] == [400, 302, 404, 302]


def test_hundreds_of_idle_connections_delay_nobody(stage):
    geod = stage.geod()
    idle = []
    try:
        for i in range(400):
            idle.append(geod.connect())
            if i % 2:
                idle[-1].send(HEAD)
        slowest = 0.0
        for _ in range(100):
            started = time.monotonic()
            assert geod.ask(MOSCOW).status == 302
            slowest = max(slowest, time.monotonic() - started)
        assert slowest < 2
        for connection in idle[1::2]:
            connection.send(b"\r\n")
        assert [c.read().status for c in idle[1::2]] == [302] * 200, "those who were waiting are served"
    finally:
        for connection in idle:
            connection.socket.close()


def test_reset_in_the_middle(geod):
    for _ in range(50):
        connection = geod.connect()
        connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        connection.send(HEAD)
        connection.socket.close()
