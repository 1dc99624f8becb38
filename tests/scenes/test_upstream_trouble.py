"""An upstream that is slow, lies or is asked by thousands at once: redirects carry on, and nobody waits for others."""

import pytest

from support.far import Far
from support.raw_http import eventually, message
from support.town import MOSCOW
from support.world import LONG, target

COLD = "77.88.55.60"  # no row of `networks` has it


def near(stage, far, resolve_ms=1500, request_ms=3000, listen=None, **http):
    return stage.geod(
        listen={"resolver": "127.0.0.1:0", **(listen or {})}, resolver={"url": far.url},
        deadline={"resolve_ms": resolve_ms, "request_ms": request_ms},
        http={"trusted_proxies": ["127.0.0.1/32"], "threads": 2, **http})


def resolve(geod, ip):
    return geod.fetch(f"/resolve?ip={ip}", "resolver")


def from_client(ip):
    return [("X-Forwarded-For", ip)]


def test_one_call_for_all_who_wait(stage):
    count = 10_000 if LONG else 1_000
    alone = {"redirect": "", "verify": ""}  # so that the descriptors are the resolver's
    with Far() as far:
        far.open.clear()
        geod = near(stage, far, resolve_ms=50_000, request_ms=60_000, listen=alone, max_connections=count + 100)
        connections = []
        try:
            for _ in range(count):
                connections.append(geod.connect("resolver"))
                connections[-1].send(message(f"/resolve?ip={COLD}"))
            eventually(lambda: far.asked, "the upstream is asked")
            assert resolve(geod, "10.1.0.7").status == 200, "the loops have been round since"
            far.open.set()
            answers = [connection.read() for connection in connections]
        finally:
            for connection in connections:
                connection.socket.close()
        assert {answer.status for answer in answers} == {200}
        assert {answer.json()["country_code"] for answer in answers} == {"RU"}
        assert far.asked == [COLD]


def test_known_clients_do_not_wait_for_unknown_ones(stage):
    with Far() as far:
        geod = near(stage, far, resolve_ms=15_000, request_ms=15_000)
        assert geod.ask(COLD).status == 302
        far.open.clear()
        waiting = [geod.connect() for _ in range(100)]
        try:
            for i, connection in enumerate(waiting):
                connection.send(message(target(), headers=from_client(f"8.8.{i}.8")))
            eventually(lambda: len(far.asked) > 1, "the upstream is asked")
            for _ in range(50):
                assert geod.ask(MOSCOW).location.startswith("https://node-moscow-")
                assert geod.ask(COLD).location.startswith("https://node-moscow-"), "from the cache"
            for connection in waiting:
                connection.socket.setblocking(False)
                with pytest.raises(BlockingIOError):
                    connection.socket.recv(1)
                connection.socket.settimeout(20)
            far.open.set()
            assert {connection.read().status for connection in waiting} == {302}
        finally:
            for connection in waiting:
                connection.socket.close()


def test_slow_upstream_costs_a_redirect_its_budget_at_most(stage):
    with Far() as far:
        far.open.clear()
        geod = near(stage, far, resolve_ms=300, request_ms=10_000)
        assert geod.ask(COLD).location.startswith("https://node-frankfurt-"), "the partner's default group"
        answer = resolve(geod, "8.8.8.8")
        assert answer.status == 503 and answer.code == "upstream_unavailable" and answer.header("Retry-After")
        [line] = [line for line in geod.world.log_lines(2) if line["path"] == "/flv"]
        assert (line["located_by"], line["degraded"], line["provider"], line["code"]) == ("default", True, None, "redirect")
        assert 250_000 < line["duration_us"] < 5_000_000


def test_deadline_of_the_request_itself(stage):
    with Far() as far:
        far.open.clear()
        geod = near(stage, far, resolve_ms=10_000, request_ms=300)
        answer = resolve(geod, "8.8.8.8")
        assert answer.status == 504 and answer.code == "deadline_exceeded"
        assert answer.header("Cache-Control") == "no-store"


@pytest.mark.parametrize("body", [
    b"", b"{", b"[]", b"null", b"<html>", b'{"ip":"77.88.55.60"}', b'{"country_code":7}', b"\xff" * 100,
    b'{"ip":"77.88.55.60","country_code":"RU","region_iso":"MOW","region":"Moscow","city":["Moscow"],"coordinates":null}',
    b'{"ip":"77.88.55.60","country_code":"RU","region_iso":null,"region":null,"city":null,"coordinates":[91,181]}',
])
def test_upstream_that_lies_is_not_believed(stage, body):
    with Far(body) as far:
        geod = near(stage, far)
        assert resolve(geod, COLD).code == "upstream_unavailable"
        assert geod.ask(COLD).location.startswith("https://node-frankfurt-")
        far.body = None
        answer = resolve(geod, COLD)
        assert answer.status == 200, "a lie is not kept"


def test_circle_of_geo_resolvers_ends(stage):
    with Far() as far:
        first = near(stage, far)
        host, port = first.addresses["resolver"]
    # `far` is gone; its address is the second's now, which asks the first one.
    world = stage.world(
        listen={"resolver": far.url.removeprefix("http://"), "redirect": "", "verify": ""},
        resolver={"url": f"http://{host}:{port}"})
    second = stage.geod(world)
    for geod in (first, second):
        answer = resolve(geod, COLD)
        assert answer.status == 503 and answer.code == "upstream_unavailable"
    assert resolve(first, "10.1.0.7").status == 200
