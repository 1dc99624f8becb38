"""What one client gets ([limits] requests_per_s, contract 2.1), and what all of them get together: connections."""

import contextlib

import pytest

from support import raw_http
from support.raw_http import eventually
from support.town import MOSCOW
from support.world import target
from test_reload import hang_up

CLIENT, OTHER = "198.51.100.1", "198.51.100.2"
FEW = {"requests_per_s": 3}  # more than that come within a second on any machine


def ask(geod, client, count=1, path=target(), listener="redirect", **keys):
    """The codes of so many requests, sent before an answer is read."""
    headers = [("X-Forwarded-For", client)] if client else []
    method = keys.get("method", "GET")
    with geod.connect(listener) as connection:
        connection.send(raw_http.message(path, method, headers) * count)
        answers = [connection.read(method) for _ in range(count)]
    return [each.code or each.status for each in answers], answers


@pytest.fixture(scope="module")
def geod(module_stage):
    return module_stage.geod(limits=FEW, listen={"resolver": "127.0.0.1:0"})


def test_a_seconds_worth_is_answered_and_the_rest_refused(geod):
    codes, answers = ask(geod, CLIENT, 40)
    assert codes[:3] == ["redirect"] * 3
    assert codes.count("rate_limited") >= 30
    refused = next(each for each in answers if each.status == 429)
    assert refused.header("Retry-After") == "1"
    assert refused.json()["detail"] == "more than 3 requests a second"
    assert refused.header("Access-Control-Allow-Origin") == "*"


def test_others_are_not_held_up_by_it(geod):
    ask(geod, "198.51.100.3", 40)
    assert ask(geod, OTHER, 3)[0] == ["redirect"] * 3


def test_allowance_comes_back_though_the_client_goes_on_asking(geod):
    ask(geod, "198.51.100.4", 40)
    eventually(lambda: ask(geod, "198.51.100.4")[0] == ["redirect"], "a third of a second is over")


def test_parameters_are_not_looked_at(geod):
    ask(geod, "198.51.100.5", 40)
    for path in ("/flv?camera=!", "/nope"):
        codes = ask(geod, "198.51.100.5", 20, path)[0]
        assert codes.count("rate_limited") >= 15


def test_an_ipv6_network_is_one_client(geod):
    for i in range(20):
        ask(geod, f"2001:db8:7:7::{i:x}", 3)
    assert "rate_limited" in ask(geod, "2001:db8:7:7:8::9", 20)[0]
    assert ask(geod, "2001:db8:7:8::1", 3)[0] == ["redirect"] * 3


def test_one_allowance_for_redirects_and_the_resolver(geod):
    path = f"/resolve?ip={MOSCOW}"
    codes = ask(geod, "198.51.100.6", 40, path, "resolver")[0]
    assert codes[:3] == [200] * 3 or codes[:3] == ["redirect"] * 3
    assert codes.count("rate_limited") >= 30
    assert "rate_limited" in ask(geod, "198.51.100.6", 20)[0]


def test_a_trusted_proxy_that_asks_for_itself_has_none(geod):
    """As another geod does, of which this one is the resolver."""
    assert "rate_limited" not in ask(geod, None, 40)[0]


def test_verify_and_admin_have_none(geod):
    for listener, path in (("verify", "/verify"), ("admin", "/healthz")):
        assert "rate_limited" not in ask(geod, "198.51.100.7", 40, path, listener)[0]


def test_refusals_are_logged(stage):
    geod = stage.geod(limits=FEW)
    codes = ask(geod, CLIENT, 40)[0]
    lines = geod.world.log_lines(40)
    assert [line["code"] for line in lines] == codes
    refused = [line for line in lines if line["code"] == "rate_limited"]
    assert refused and all((line["status"], line["path"], line["client_ip"]) == (429, "/flv", CLIENT) for line in refused)


def serves(connection):
    connection.socket.settimeout(0.5)
    try:
        return connection.ask(target()).status == 302
    except TimeoutError:
        return False


def test_as_many_connections_as_there_may_be_and_no_more(stage):
    geod = stage.geod(http={"max_connections": 8, "threads": 4})
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(geod.connect()) for _ in range(16)]
        served = [client for client in clients if serves(client)]
        assert len(served) == 8
        assert "no more connections are accepted for now" in geod.stderr()
        served[0].socket.close()
        eventually(lambda: any(serves(client) for client in clients if client not in served), "the next one's turn")


def test_viewers_leave_descriptors_for_the_rest(stage):
    """A hard limit of 200 descriptors, and 300 viewers who only connect."""
    geod = stage.geod(under=["prlimit", "--nofile=200:200"])
    with contextlib.ExitStack() as stack:
        for _ in range(300):
            stack.enter_context(geod.connect())
        assert geod.fetch("/readyz", "admin").status == 200
        assert geod.fetch("/reload", "admin", method="POST").status == 200
    assert "only 200 descriptors are allowed" in geod.stderr()


def test_off_by_default_and_changed_by_a_reload(stage):
    geod = stage.geod()
    assert set(ask(geod, CLIENT, 40)[0]) == {"redirect"}
    geod.world.config["limits"] = FEW
    geod.world.write_config()
    assert hang_up(geod) == "reload, by SIGHUP: done"
    assert "rate_limited" in ask(geod, CLIENT, 40)[0]
    geod.world.config["limits"] = {"requests_per_s": 0}
    geod.world.write_config()
    assert hang_up(geod) == "reload, by SIGHUP: done"
    assert set(ask(geod, CLIENT, 40)[0]) == {"redirect"}
