"""The auth listener, and geod and geoctl that ask an auth-server: contract 2.3."""

import datetime
import json
import threading
import time

import pytest

from auth_double import FAULTS, REFUSALS, AuthDouble
from ip_api_double import IpApiDouble
from support.raw_http import eventually, message
from support.town import FAR, town
from support.world import run_geod, target

CAMERA = ("--server", "100-abcdef", "--camera", "0")
SECRET = "s3cr3t-t0k3n"
OWNER = {"owner_type": "user", "owner_id": "u1"}
STALE_AT_ONCE = {**OWNER, "max_age_s": 0}


def post(geod, body, headers=()):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    with geod.connect("auth") as connection:
        connection.send(message("/authorize", "POST", [("Content-Length", len(data)), *headers]) + data)
        return connection.read()


def authorize(geod, token="good", object_id="0", server="100-abcdef", **more):
    asked = {"token": token, "object_id": object_id, "server": server, **more}
    return post(geod, {name: value for name, value in asked.items() if value is not None})


def without_tokens():
    facts = town()
    del facts["tokens"], facts["grants"]
    return facts


def near(stage, url, **config):
    """Redirects, and knows no token itself."""
    return stage.geod(facts=without_tokens(), auth={"url": url}, **config)


@pytest.fixture(scope="module")
def geod(module_stage):
    return module_stage.geod(listen={"auth": "127.0.0.1:0"})


@pytest.fixture
def auth():
    with AuthDouble() as double:
        yield double


def key(token, camera="0"):
    return (token, "view", "camera", "100-abcdef", camera)


# --- the listener ---


def test_a_decision(geod):
    answer = authorize(geod)
    assert answer.status == 200 and answer.header("Content-Type") == "application/json"
    assert answer.header("Cache-Control") == "no-store" and answer.header("X-Request-Id")
    assert answer.header("Access-Control-Allow-Origin") is None
    # what is cached is told to be kept no longer than it is here
    kept = range(50, 61) if geod.world.mongo else [60]
    decision = answer.json()
    assert decision.pop("max_age_s") in kept and decision == {**OWNER, "expires_at": "2099-01-01T00:00:00Z"}
    guest = authorize(geod, "guest", "1").json()
    assert guest.pop("max_age_s") in kept and guest == {"owner_type": "user", "owner_id": "u-guest", "expires_at": None}
    assert authorize(geod, "busy", "100-abcdef", object_type="server").status == 200


@pytest.mark.parametrize("asked, status, code", [
    ({"token": "nobody"}, 401, "token_unknown"),
    ({"token": "expired"}, 401, "token_expired"),
    ({"token": "stranger"}, 403, "forbidden"),
    ({"token": "guest"}, 403, "forbidden"),
    ({"rights": "control"}, 403, "forbidden"),
    ({"server": "nowhere"}, 403, "forbidden"),
    ({"token": None}, 401, "missing_token"),
    ({"token": ""}, 400, "bad_request"),
    ({"server": None}, 400, "bad_request"),
    ({"object_id": "a b"}, 400, "bad_request"),
    ({"object_type": "node"}, 400, "bad_request"),
])
def test_a_refusal(geod, asked, status, code):
    answer = authorize(geod, **asked)
    assert (answer.status, answer.code) == (status, code)
    assert answer.header("Cache-Control") == "no-store"
    assert answer.header("WWW-Authenticate") == ("Bearer" if status == 401 else None)
    assert list(answer.json()) == ["title", "status", "code", "detail", "request_id"]


def test_other_methods_and_paths(geod):
    for method in ("GET", "HEAD", "PUT", "DELETE", "OPTIONS"):
        answer = geod.fetch("/authorize", "auth", method=method)
        assert answer.status == 405 and answer.header("Allow") == "POST", method
    assert geod.fetch("/flv", "auth").code == "no_such_path"


def test_the_listener_alone(stage):
    geod = stage.geod(listen={"auth": "127.0.0.1:0", "redirect": "", "verify": "", "admin": ""}, signing={"keys": []})
    assert set(geod.addresses) == {"auth"}
    answers = [authorize(geod, SECRET), authorize(geod), authorize(geod, server=None), authorize(geod, "guest", "1")]
    assert [answer.status for answer in answers] == [401, 200, 400, 200]
    lines = geod.world.log_lines(4)
    assert {(line["path"], line["listener"], line["method"]) for line in lines} == {("/authorize", "auth", "POST")}
    assert [(line["server"], line["camera"], line["owner"], line["code"]) for line in lines] == [
        ("100-abcdef", "0", None, "token_unknown"), ("100-abcdef", "0", "user/u1", "ok"), (None, "0", None, "bad_request"),
        ("100-abcdef", "1", "user/u-guest", "ok")]
    assert SECRET not in geod.world.access_log.read_text() + geod.stderr()


# --- a geod that asks another ---

TOKENS = ["good", "expired", "nobody", "stranger", "guest", "blocked", "unpaid", "busy", "a+b/c=d~"]


def test_redirects_are_as_if_the_store_were_asked(stage, geod):
    host, port = geod.addresses["auth"]
    far = near(stage, f"http://{host}:{port}")
    for token in TOKENS:
        for camera in ("0", "1", "ghost", "dark"):
            direct = geod.fetch(target(access_token=token, camera=camera))
            asked = far.fetch(target(access_token=token, camera=camera))
            assert (asked.status, asked.code) == (direct.status, direct.code), (token, camera)
            assert asked.header("WWW-Authenticate") == direct.header("WWW-Authenticate")
    assert far.world.log_lines(1)[0]["owner"] == "user/u1"


def test_one_geod_may_ask_itself(stage):
    with AuthDouble() as gone:
        pass
    geod = stage.geod(listen={"auth": f"127.0.0.1:{gone.port}"}, auth={"url": gone.url})
    assert geod.ask(access_token="good").status == 302
    assert geod.ask(access_token="nobody").code == "token_unknown"
    assert authorize(geod).status == 200
    assert len(geod.world.log_lines(5)) == 5, "no circle"


# --- how often it asks ---


def test_one_call_for_each_token_and_camera(stage, auth):
    tokens, cameras = [f"t{i}" for i in range(5)], [str(i) for i in range(4)]
    auth.tokens.update({token: OWNER for token in tokens[:-1]})
    geod = near(stage, auth.url)
    codes = []

    def ask_all():
        with geod.connect() as connection:
            for _ in range(25):
                codes.extend(connection.ask(target(access_token=t, camera=c)).code for t in tokens for c in cameras)

    threads = [threading.Thread(target=ask_all) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert auth.calls == {key(token, camera): 1 for token in tokens for camera in cameras}
    assert len(codes) == 4000 and codes.count("token_unknown") == 800 and codes.count("redirect") == 3200


def test_one_call_however_many_wait(stage, auth):
    auth.tokens["good"] = OWNER
    auth.open.clear()
    geod = near(stage, auth.url, deadline={"auth_ms": 50_000, "request_ms": 60_000})
    connections = [geod.connect() for _ in range(200)]
    try:
        for connection in connections:
            connection.send(message(target()))
        eventually(lambda: auth.count, "the auth-server is asked")
        assert geod.ask(access_token=None).code == "missing_token", "the loops are not held up"
        auth.open.set()
        assert {connection.read().status for connection in connections} == {302}
    finally:
        for connection in connections:
            connection.socket.close()
    assert auth.count == 1


def test_a_life_ends_and_it_asks_again(stage, auth):
    auth.tokens["good"] = {**OWNER, "max_age_s": 3600}
    geod = near(stage, auth.url, cache__tokens={"ttl_s": 1})
    start = time.monotonic()
    while auth.count < 3:
        assert geod.ask().status == 302
        assert auth.count <= 1 + (time.monotonic() - start), "one a second at most"
    del auth.tokens["good"]
    eventually(lambda: geod.ask().code == "token_unknown", "it is taken back")


def test_a_token_ends_at_its_second_though_its_decision_is_cached(stage, auth):
    end = int(time.time()) + 3
    ends_at = datetime.datetime.fromtimestamp(end, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    auth.tokens["good"] = {**OWNER, "expires_at": ends_at, "max_age_s": 3600}
    geod = near(stage, auth.url)
    assert geod.ask().status == 302
    auth.set_fault("error_500")  # what is known would serve for an hour, were it not for its end
    expired = 0
    while expired < 20:
        before = time.time()
        code = geod.ask().code
        if time.time() < end:
            assert code == "redirect"
        if before >= end:
            assert code == "token_expired"
            expired += 1


# --- trouble ---


@pytest.mark.parametrize("fault", FAULTS)
def test_trouble_is_no_refusal_and_what_is_known_serves(stage, auth, fault):
    auth.tokens.update(good=STALE_AT_ONCE, other=OWNER)
    geod = near(stage, auth.url, deadline={"auth_ms": 300, "request_ms": 20_000})
    assert geod.ask().status == 302
    auth.set_fault(fault, 60 if fault == "slow_answer" else 0.05)
    assert geod.ask().status == 302, "known, past its life"
    unknown = geod.ask(access_token=SECRET)
    assert (unknown.status, unknown.code) == (503, "upstream_unavailable")
    assert unknown.header("Retry-After") == ("7" if fault in REFUSALS else "1")
    assert geod.ask(access_token="other").code == "upstream_unavailable"
    auth.set_fault()
    eventually(lambda: geod.ask(access_token="other").status == 302, "nothing of it is kept")
    assert geod.ask(access_token=SECRET).code == "token_unknown"
    lines = geod.world.log_lines(6)
    assert max(line["duration_us"] for line in lines) < 10_000_000, "its own deadline ends it, not the request's"
    assert SECRET not in geod.world.access_log.read_text() + geod.stderr()


def test_it_is_left_alone_while_it_fails_and_comes_back_by_itself(stage, auth):
    auth.tokens["good"] = STALE_AT_ONCE
    geod = near(stage, auth.url)
    assert geod.ask().status == 302
    auth.set_fault("bare_401")
    for i in range(30):
        assert geod.ask(access_token=f"t{i}").code == "upstream_unavailable"
        assert geod.ask().status == 302
    assert auth.count < 15, "5 failures in a row open the breaker for 5 s"
    auth.set_fault()
    eventually(lambda: geod.ask(access_token="nobody").code == "token_unknown", "it is asked again")
    assert geod.ask().status == 302


def test_one_that_fails_now_and_then_is_told_but_does_not_fill_the_log(stage, auth):
    geod = near(stage, auth.url)

    def told():
        return [line for line in geod.stderr().splitlines() if "auth: failed requests: " in line]

    begin = time.monotonic()
    for i, fault in enumerate(["bare_401", "html_200", "error_500"] * 3):
        auth.set_fault(fault)
        assert geod.ask(access_token=f"t{i}").code == "upstream_unavailable"
        auth.set_fault()
        assert geod.ask(access_token=f"good{i}").code == "token_unknown", "never five in a row"
    [first] = eventually(told, "the first failure is told")[:1]
    assert "the last one: it answers with status 401" in first or "failed requests: 1," not in first, first
    assert len(told()) <= 1 + (time.monotonic() - begin) / 10
    assert "closed -> open" not in geod.stderr()


def test_who_asked_in_vain_does_not_ask_again(stage, auth):
    with IpApiDouble({"8.8.8.8": "invalid query"}, fault="slow_answer", delay=0.2) as ip_api:
        geod = near(stage, auth.url, resolver={"providers": ["ip-api"]}, **{"resolver__ip-api": {"url": ip_api.url}})
        auth.set_fault("error_500")
        tokens = [f"t{i}" for i in range(4)]  # too few for the breaker
        for i, token in enumerate(tokens):
            # locate takes long enough for the failure to be there when the request comes to authorize
            assert geod.ask(f"11.0.{i}.1", access_token=token).code == "upstream_unavailable"
        assert auth.calls == {key(token): 1 for token in tokens}


def test_gone_altogether(stage):
    with AuthDouble({"good": STALE_AT_ONCE}) as auth:
        geod = near(stage, auth.url)
        assert geod.ask().status == 302
    for _ in range(10):
        assert geod.ask().status == 302
        assert geod.ask(access_token="nobody").code == "upstream_unavailable"


def test_the_requests_own_deadline(stage, auth):
    auth.tokens["good"] = STALE_AT_ONCE
    geod = near(stage, auth.url, deadline={"auth_ms": 30_000, "request_ms": 300})
    assert geod.ask().status == 302
    auth.set_fault("never")
    answer = geod.ask(access_token="nobody")
    assert (answer.status, answer.code) == (504, "deadline_exceeded")
    line = geod.world.log_lines(2)[1]
    assert 250_000 < line["duration_us"] < 10_000_000


# --- geoctl ---


def test_geoctl_asks_it_too(stage, auth):
    auth.tokens.update(good={**OWNER, "expires_at": "2099-01-01T00:00:00Z"}, guest="forbidden", old="token_expired")
    world = stage.world(without_tokens(), auth={"url": auth.url})
    told = world.geoctl("--json", "token", "check", "good", *CAMERA)
    assert told.exit == 0 and told.json() == {**OWNER, "expires_at": "2099-01-01T00:00:00Z", "max_age_s": 60}
    assert [world.geoctl("token", "check", token, *CAMERA).exit for token in ("good", "guest", "old", "nobody")] == [0, 3, 3, 3]
    assert auth.calls[key("good")] == 2

    redirect = ("redirect", "--ip", "10.1.0.7", *CAMERA, "--token", "good")
    assert world.geoctl(*redirect).out.startswith("https://node-moscow-")
    trace = world.geoctl("--json", *redirect, "--explain").json()
    [step] = [step for step in trace["steps"] if step["step"] == "authorize"]
    assert step["source"] == "auth" and step["result"]["owner_id"] == "u1"
    # the clock that is set by hand counts for the token too
    assert "token_expired" in world.geoctl(*redirect, "--at", FAR.strftime("%Y-%m-%dT%H:%M:%SZ")).err

    auth.set_fault("error_500")
    for command in (("token", "check", "good", *CAMERA), redirect):
        told = world.geoctl(*command)
        assert told.exit == 5 and told.err.startswith("upstream_unavailable: auth"), told


# --- config ---


@pytest.mark.parametrize("config, fault", [
    ({"auth": {"url": "http://user:pass@127.0.0.1"}}, "auth.url: "),
    ({"auth": {"url": "ftp://127.0.0.1"}}, "auth.url: "),
    ({"listen": {"auth": "127.0.0.1:0", "redirect": ""}, "store": {"kind": "none"}}, "listen.auth: needs a store"),
])
def test_config_that_is_wrong(stage, config, fault):
    told = run_geod(stage.world(**config), "--check")
    assert told.exit == 2 and fault in told.err and "pass@" not in told.err, told
