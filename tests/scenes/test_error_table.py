"""Each row of the contract's error table, through HTTP and through geoctl."""

import re

import pytest

from support import raw_http
from support.town import MOSCOW, camera, town
from support.world import geoctl, target

PROBLEM_KEYS = ["title", "status", "code", "detail", "request_id"]

# what the client sends, what it gets: code, HTTP status, geoctl's exit code
ROWS = [
    (dict(camera="a b"), "bad_request", 400, 2),
    (dict(server=None), "bad_request", 400, 2),
    (dict(access_token=None), "missing_token", 401, 3),
    (dict(access_token="nobody-knows-this"), "token_unknown", 401, 3),
    (dict(access_token="expired"), "token_expired", 401, 3),
    (dict(access_token="stranger"), "forbidden", 403, 3),
    (dict(access_token="guest"), "forbidden", 403, 3),
    (dict(access_token="blocked"), "payment_required", 402, 3),
    (dict(access_token="unpaid"), "payment_required", 402, 3),
    (dict(access_token="flv-fan", path="/hls"), "format_not_in_tariff", 403, 3),
    (dict(access_token="busy"), "limit_exceeded", 429, 3),
    (dict(camera="nope"), "not_found", 404, 4),
    (dict(access_token="guest", camera="ghost"), "not_found", 404, 4),
    (dict(access_token="guest", server="900-none"), "not_found", 404, 4),
    (dict(server="300-acme"), "not_found", 404, 4),
    (dict(camera="dark"), "offline", 409, 4),
    (dict(server="200-dark"), "offline", 409, 4),
    (dict(camera="flv-cam", path="/hls"), "format_unavailable", 406, 4),
]
NAMES = ["-".join([row[1], *map(str, row[0].values())]) for row in ROWS]


def nobody_serves():
    facts = town()
    for node in facts["nodes"]:
        node["admin"] = "offline"
    return facts


@pytest.fixture(scope="module")
def empty(module_stage):
    return module_stage.geod(facts=nobody_serves())


def check_problem(answer, code, status):
    assert answer.status == status, answer
    assert answer.header("Content-Type").split(";")[0] == "application/problem+json"
    problem = answer.json()
    assert sorted(problem) == sorted(PROBLEM_KEYS)
    assert (problem["code"], problem["status"]) == (code, status)
    assert problem["request_id"] == answer.header("X-Request-Id")
    assert problem["title"] and isinstance(problem["detail"], str)
    assert answer.header("Cache-Control") == "no-store"
    assert answer.location is None
    assert (answer.header("WWW-Authenticate") or "").startswith("Bearer") == (status == 401)
    assert ((answer.header("Retry-After") or "").isdigit()) == (status in (429, 503))
    if status in (429, 503):
        assert int(answer.header("Retry-After")) > 0


def redirect_arguments(ip=MOSCOW, path="/flv", server="100-abcdef", camera="0", access_token="good", exclude=None):
    arguments = ["redirect", "--ip", ip, "--format", path[1:]]
    for option, v in (("--server", server), ("--camera", camera), ("--token", access_token), ("--exclude", exclude)):
        arguments += [option, v] if v is not None else []
    return arguments


def check_refusal(world, arguments, code, status, exit_code):
    plain = world.geoctl(*arguments)
    assert plain.exit == exit_code, plain
    assert plain.out == "", plain
    assert re.match(rf"{code}: \S", plain.err), plain
    assert plain.err.count("\n") == 1, plain
    json = world.geoctl("--json", *arguments)
    assert json.exit == exit_code, json
    problem = json.json()
    assert (problem["code"], problem["status"]) == (code, status), json
    assert problem["title"] and isinstance(problem["detail"], str)


@pytest.mark.parametrize("request_, code, status, exit_code", ROWS, ids=NAMES)
def test_row_through_http(geod, request_, code, status, exit_code):
    check_problem(geod.ask(MOSCOW, **request_), code, status)


@pytest.mark.parametrize("request_, code, status, exit_code", ROWS, ids=NAMES)
def test_row_through_geoctl(geod, request_, code, status, exit_code):
    check_refusal(geod.world, redirect_arguments(**request_), code, status, exit_code)


def test_no_node_through_http(empty):
    check_problem(empty.ask(MOSCOW), "no_node", 503)


def test_no_node_through_geoctl(empty):
    check_refusal(empty.world, redirect_arguments(), "no_node", 503, 4)
    check_refusal(empty.world, ["select", "--ip", MOSCOW], "no_node", 503, 4)


def test_no_such_path_through_http(geod):
    for path in ("/", "/flv/", "/FLV", "/flv/x", "//flv", "/index.html", "/healthz", "/verify"):
        check_problem(geod.fetch(target(path)), "no_such_path", 404)
    check_problem(geod.fetch("/flv", "verify"), "no_such_path", 404)
    check_problem(geod.fetch("/flv", "admin"), "no_such_path", 404)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "TRACE", "get", "BREW"])
def test_method_not_allowed_through_http(geod, method):
    answer = geod.fetch(target(), method=method, headers=[("Content-Length", "0")])
    check_problem(answer, "method_not_allowed", 405)
    assert {m.strip() for m in answer.header("Allow").split(",")} == {"GET", "HEAD", "OPTIONS"}


def test_method_not_allowed_on_verify(geod):
    answer = geod.fetch("/verify", "verify", method="POST", headers=[("Content-Length", "0")])
    check_problem(answer, "method_not_allowed", 405)
    assert "GET" in answer.header("Allow")


@pytest.mark.parametrize("address", [
    "10.99.0.1", "127.0.0.1", "192.168.1.1", "169.254.1.1", "100.64.0.1", "0.0.0.0", "255.255.255.255", "224.0.0.1",
    "203.0.113.7", "::1", "fe80::1", "fc00::1", "ff02::1", "2001:db8:9::1", "::ffff:10.99.0.1"])
def test_reserved_address_through_geoctl(geod, address):
    output = geod.world.geoctl("resolve", address)
    assert output.exit == 4 and output.err.startswith("reserved_address: "), output
    problem = geod.world.geoctl("--json", "resolve", address).json()
    assert (problem["code"], problem["status"]) == ("reserved_address", 404)


@pytest.mark.parametrize("address", ["8.8.8.8", "2a00:1450::1", "2002:808:808::1", "2001:0:808:808::1"])
def test_unknown_address_through_geoctl(geod, address):
    output = geod.world.geoctl("resolve", address)
    assert output.exit == 4 and output.err.startswith("unknown_address: "), output
    problem = geod.world.geoctl("--json", "resolve", address).json()
    assert (problem["code"], problem["status"], problem["ip"]) == ("unknown_address", 404, address)


def test_invalid_config_through_geoctl(stage):
    world = stage.world()
    world.config["signing"]["ttl_s"] = "soon"
    world.write_config()
    for arguments in (["resolve", MOSCOW], ["select", "--ip", MOSCOW], redirect_arguments()):
        output = world.geoctl(*arguments)
        assert output.exit == 2, output
        assert re.search(r"geod\.toml:\d+:\d+: signing\.ttl_s: \S", output.err), output
        output = world.geoctl("--json", *arguments)
        assert output.exit == 2 and output.json_lines()[0]["code"] == "invalid_config", output


@pytest.mark.files
def test_invalid_data_through_geoctl(stage):
    facts = town()
    facts.node("node-spb-1")["weight"] = -1
    world = stage.world(facts)
    output = world.geoctl(*redirect_arguments())
    assert output.exit == 2, output
    assert re.search(r"topology\.toml:\d+:\d+: nodes\.weight: \S", output.err), output


def test_usage_errors_of_geoctl_are_exit_2(geod):
    for arguments in (["nonsense"], ["redirect", "--nope"], [], ["select", "--ip"], ["redirect", "--ip", "not-an-ip"],
                      ["select", "--ip", "10.1.0.7", "-n", "none"], ["verify"], ["select", "--down", "node-moscow-1"]):
        output = geod.world.geoctl(*arguments)
        assert output.exit == 2 and output.err, output


# --- a client that has no right learns nothing ---

THINGS = [dict(camera="0"), dict(camera="nope"), dict(camera="dark"), dict(camera="flv-cam", path="/hls"),
          dict(server="900-nowhere"), dict(server="200-dark"), dict(server="300-acme")]


def shown(answer, request):
    """All that the client sees, without the ids it named itself and what differs every time."""
    detail = answer.json()["detail"]
    for said in (request.get("camera", "0"), request.get("server", "100-abcdef"), request.get("path", "/flv")[1:]):
        detail = re.sub(rf"(?<![\w-]){said}(?![\w-])", "*", detail)
    headers = [(name, v) for name, v in answer.headers if name.lower() not in ("x-request-id", "date", "content-length")]
    return answer.status, headers, answer.json()["title"], detail


@pytest.mark.parametrize("token, code", [
    ("stranger", "forbidden"), ("nobody-knows-this", "token_unknown"), ("expired", "token_expired"), (None, "missing_token")])
def test_who_has_no_right_learns_nothing(geod, empty, token, code):
    seen = set()
    for request in THINGS:
        for server in (geod, empty):
            answer = server.ask(MOSCOW, access_token=token, **request)
            assert answer.json()["code"] == code, (request, answer)
            assert "node-" not in answer.body.decode()
            seen.add(str(shown(answer, request)))
    assert len(seen) == 1, seen


def test_who_has_not_paid_learns_nothing(geod, empty):
    for token, code in (("blocked", "payment_required"), ("busy", "limit_exceeded")):
        for request in (dict(camera="0"), dict(camera="nope"), dict(camera="dark")):
            for server in (geod, empty):
                assert server.ask(MOSCOW, access_token=token, **request).code == code, (token, request)


def test_same_order_of_answers_through_geoctl(geod, empty):
    for world in (geod.world, empty.world):
        for request in (dict(camera="0"), dict(camera="nope")):
            for token, code in (("stranger", "forbidden"), ("blocked", "payment_required")):
                output = world.geoctl(*redirect_arguments(access_token=token, **request))
                assert output.err.startswith(code + ":"), output


def test_steps_answer_in_their_order(geod, empty):
    assert geod.ask(MOSCOW, access_token="flv-fan", path="/hls", camera="nope").code == "format_not_in_tariff"
    assert geod.ask(MOSCOW, camera="nope").code == "not_found"
    assert empty.ask(MOSCOW, camera="nope").code == "no_node"
    assert empty.ask(MOSCOW, camera="dark").code == "no_node"


def test_token_good_for_another_camera_only_is_forbidden(geod):
    assert geod.ask(MOSCOW, access_token="guest", camera="1").status == 302
    assert geod.ask(MOSCOW, access_token="guest", camera="2").code == "forbidden"
    assert geod.ask(MOSCOW, access_token="guest", server="400-other").status == 302
    assert geod.ask(MOSCOW, server="400-other").code == "forbidden"


def test_right_other_than_view_is_no_right(stage):
    facts = town()
    facts.row("grants", owner_id="u-guest", object_id="1")["rights"] = ["control"]
    assert stage.geod(facts=facts).ask(MOSCOW, access_token="guest", camera="1").code in ("forbidden",)


def test_offline_camera_and_unavailable_format(stage):
    facts = town()
    facts["cameras"].append(camera("100-abcdef", "empty", streams=[]))
    facts["cameras"].append(camera("100-abcdef", "dark-flv", online=False, streams=["flv"]))
    geod = stage.geod(facts=facts)
    assert geod.ask(MOSCOW, camera="empty").code == "format_unavailable"
    assert geod.ask(MOSCOW, camera="dark-flv", path="/hls").code in ("offline", "format_unavailable")


def test_detail_never_repeats_the_token(geod):
    for token in ("nobody-knows-this", "x" * 5000, "stranger"):
        assert token not in geod.ask(access_token=token).body.decode()
        for json in ([], ["--json"]):
            output = geod.world.geoctl(*json, *redirect_arguments(access_token=token))
            assert token not in output.out + output.err


def test_problem_is_read_as_json_whatever_the_id_holds(geod):
    for bad in ('%22%7D', '%5C%22', '%0A%0D', '%C3%A9', '%FF', '%E2%80%A8'):
        check_problem(geod.fetch(f"/flv?server={bad}&camera=0&access_token=good"), "bad_request", 400)


def test_problem_after_problem_on_one_connection(geod):
    with raw_http.Connection(geod.addresses["redirect"]) as connection:
        for _ in range(3):
            for request, code, status, _ in ROWS:
                check_problem(connection.ask(target(**request)), code, status)


def test_geoctl_without_config_or_data_says_so():
    output = geoctl("--config", "/nonexistent/geod.toml", "resolve", "10.1.0.7")
    assert output.exit == 2 and "/nonexistent/geod.toml" in output.err, output
