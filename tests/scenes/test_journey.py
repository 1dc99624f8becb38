"""A request for a camera becomes a signed redirect: contract 1, 2.1, 2.5."""

import datetime
import time

import pytest

from support import raw_http, signing
from support.town import FRANKFURT, MOSCOW, NEW_YORK, NOWHERE, PETERSBURG, TOKYO, node, town
from support.world import target

SCHEME = {"flv": "https", "hls": "https", "ws-fmp4": "wss"}


def expected(geod, url, path, **more):
    """The URL that contract 2.5 wants, for the node and the second that `url` has."""
    scheme, authority, _ = signing.split(url)
    host, _, port = authority.partition(":")
    return signing.node_url(
        geod.world.secret, scheme, host, path, exp=int(signing.parameter(url, "exp")), port=int(port) if port else None,
        **{"server": "100-abcdef", "camera": "0", "token": "good", **more})


def host_of(url):
    return signing.split(url)[1]


def only_group(facts, group, *keep):
    """Leaves just the named nodes in a group."""
    facts["nodes"] = [n for n in facts["nodes"] if n["group"] != group or n["id"] in keep]
    return facts


# --- the redirect itself ---


@pytest.mark.parametrize("client, group", [
    (MOSCOW, "moscow"), ("2001:db8:1::7", "moscow"), (PETERSBURG, "spb"), ("2001:db8:2:3:4:5:6:7", "spb"),
    (FRANKFURT, "frankfurt"), (NEW_YORK, "newyork"), (TOKYO, "tokyo"), (NOWHERE, "frankfurt"),
    ("2001:db8:ffff::1", "frankfurt"),
])
def test_client_is_sent_to_a_node_of_its_group(geod, client, group):
    answer = geod.ask(client)
    assert answer.status == 302
    assert host_of(answer.location).startswith(f"node-{group}-")


def test_location_is_signed_as_the_contract_says(geod):
    before = int(time.time())
    answer = geod.ask(MOSCOW)
    after = int(time.time())
    assert answer.status == 302
    assert answer.body == b""
    assert answer.location == expected(geod, answer.location, "/flv")
    assert before + 300 <= int(signing.parameter(answer.location, "exp")) <= after + 300
    assert [name for name, _ in signing.parameters(answer.location)] == ["server", "camera", "token", "exp", "kid", "sig"]


@pytest.mark.parametrize("form, scheme", SCHEME.items())
def test_each_format_has_its_path_and_scheme(geod, form, scheme):
    url = geod.ask(MOSCOW, path=f"/{form}").location
    assert url.startswith(f"{scheme}://node-moscow-")
    assert url == expected(geod, url, f"/{form}")


@pytest.mark.parametrize("form", SCHEME)
def test_stream_with_format_is_the_same_as_the_formats_own_path(geod, form):
    url = geod.ask(MOSCOW, path="/stream", format=form).location
    assert url == expected(geod, url, f"/{form}")


def test_format_may_repeat_what_the_path_says(geod):
    url = geod.ask(MOSCOW, path="/hls", format="hls").location
    assert url == expected(geod, url, "/hls")


def test_port_other_than_the_schemes_default_is_in_the_url_and_signed(geod):
    for form in SCHEME:
        url = geod.ask(NEW_YORK, path=f"/{form}").location
        assert host_of(url) == "node-newyork-1.example.com:8443"
        assert url == expected(geod, url, f"/{form}")


def test_host_comes_from_the_topology_never_from_the_request(geod):
    for host in ("evil.example.net", "node-tokyo-1.example.com", "geo.example.com:8080", "GEO.Example.COM"):
        answer = geod.ask(MOSCOW, host=host, headers=[("X-Forwarded-Host", "evil.example.net")])
        assert host_of(answer.location).startswith("node-moscow-")


def test_the_same_camera_goes_to_the_same_node(geod):
    assert len({host_of(geod.ask(MOSCOW, camera="3").location) for _ in range(20)}) == 1


# --- token ---


def test_bearer_header_is_as_good_as_the_parameter(geod):
    for scheme in ("Bearer", "bearer"):
        url = geod.ask(MOSCOW, access_token=None, headers=[("Authorization", f"{scheme} good")]).location
        assert url == expected(geod, url, "/flv")


def test_plus_in_a_token_is_a_plus_and_the_url_encodes_it(geod):
    for spelled in ("a+b/c=d~", "a%2Bb%2Fc%3Dd%7E", "a%2bb%2fc%3dd%7e"):
        answer = geod.fetch("/flv?server=100-abcdef&camera=0&access_token=" + spelled)
        assert answer.status == 302, answer
        assert signing.parameter(answer.location, "token") == "a%2Bb%2Fc%3Dd~"
        assert answer.location == expected(geod, answer.location, "/flv", token="a+b/c=d~")


def test_token_can_be_kept_from_nodes(stage):
    geod = stage.geod(redirect={"token": "drop"})
    url = geod.ask(MOSCOW).location
    assert "good" not in url
    assert url == expected(geod, url, "/flv", token=None)


# --- other parameters ---


def test_ids_are_compared_after_decoding_and_written_encoded(geod):
    answer = geod.fetch("/flv?server=%31%30%30%2Dabcdef&camera=%30&access_token=g%6f%6Fd")
    assert answer.location == expected(geod, answer.location, "/flv")
    strange = "A.z_9:x-" + "y" * 56
    answer = geod.ask(camera=strange)
    assert signing.parameter(answer.location, "camera") == strange.replace(":", "%3A")
    assert answer.location == expected(geod, answer.location, "/flv", camera=strange)


def test_order_of_parameters_in_the_request_does_not_matter(geod):
    answer = geod.fetch("/flv?access_token=good&camera=0&server=100-abcdef")
    assert answer.location == expected(geod, answer.location, "/flv")


def test_unlisted_parameters_are_dropped(geod):
    url = geod.ask(quality="hd", exp="1", kid="k9", sig="AAAA", cip="1.2.3.4", token="other").location
    assert url == expected(geod, url, "/flv")


def test_listed_parameters_are_passed_in_the_configured_order(stage):
    geod = stage.geod(redirect={"pass_through": ["quality", "lang"]})
    url = geod.ask(other="no", lang="ру ö&=", quality="hd").location
    assert url == expected(geod, url, "/flv", passed=[("quality", "hd"), ("lang", "ру ö&=")])
    url = geod.ask(lang="de").location
    assert url == expected(geod, url, "/flv", passed=[("lang", "de")])


def test_url_can_be_bound_to_the_clients_address(stage):
    geod = stage.geod(signing={"bind_client_ip": True})
    for client, cip in ((MOSCOW, MOSCOW), ("2001:DB8:1:0::7", "2001:db8:1::7"), ("::ffff:10.1.0.7", "10.1.0.7")):
        url = geod.ask(client).location
        assert url == expected(geod, url, "/flv", cip=cip)
        assert host_of(url).startswith("node-moscow-")


def test_query_order_with_everything_in_it(stage):
    geod = stage.geod(signing={"bind_client_ip": True, "ttl_s": 60}, redirect={"pass_through": ["q"]})
    now = int(time.time())
    url = geod.ask("2001:db8:1::7", q="1").location
    assert [name for name, _ in signing.parameters(url)] == ["server", "camera", "token", "q", "cip", "exp", "kid", "sig"]
    assert 0 <= int(signing.parameter(url, "exp")) - now - 60 <= 2


# --- JSON ---


def test_json_form_has_all_keys(geod):
    answer = geod.ask(MOSCOW, redirect="0")
    assert answer.status == 200
    assert answer.header("Content-Type").split(";")[0] == "application/json"
    body = answer.json()
    assert list(body) == ["location", "node", "group", "pattern", "format", "expires_at", "alternates"]
    assert body["location"] == expected(geod, body["location"], "/flv")
    assert host_of(body["location"]) == body["node"] + ".example.com"
    assert (body["group"], body["pattern"], body["format"]) == ("ru-msk", "streaming", "flv")
    exp = datetime.datetime.fromtimestamp(int(signing.parameter(body["location"], "exp")), datetime.timezone.utc)
    assert body["expires_at"] == exp.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert body["location"] == geod.ask(MOSCOW).location or body["expires_at"] != geod.ask(MOSCOW, redirect="0").json()["expires_at"]


def test_alternates_are_the_next_nodes_each_signed(geod):
    body = geod.ask(MOSCOW, path="/ws-fmp4", redirect="0").json()
    assert len(body["alternates"]) == 2
    for url in body["alternates"]:
        assert url == expected(geod, url, "/ws-fmp4")
    assert len({host_of(url) for url in [body["location"], *body["alternates"]]}) == 3


def test_alternate_is_where_the_camera_goes_without_the_first_node(geod):
    for camera in "0123456789":
        body = geod.ask(MOSCOW, camera=camera, redirect="0").json()
        without = geod.ask(MOSCOW, camera=camera, redirect="0", exclude=body["node"]).json()
        assert host_of(body["alternates"][0]) == host_of(without["location"])


def test_lonely_node_has_no_alternate_of_its_own(stage):
    facts = town()
    facts["nodes"] = [node("only", "eu")]
    body = stage.geod(facts=facts).ask(MOSCOW, redirect="0").json()
    assert body["node"] == "node-only" and body["group"] == "eu" and body["alternates"] == []


@pytest.mark.parametrize("accept, redirect, status", [
    (None, None, 302), ("*/*", None, 302), ("text/html", None, 302), ("application/json", None, 200),
    ("application/json", "1", 302), ("application/json", "0", 200), ("text/html", "0", 200), (None, "1", 302),
])
def test_redirect_or_json_as_the_client_asks(geod, accept, redirect, status):
    headers = [("Accept", accept)] if accept else []
    answer = geod.ask(MOSCOW, headers=headers, redirect=redirect)
    assert answer.status == status
    assert (answer.location is not None) == (status == 302)


# --- methods and headers ---


def test_head_is_get_without_the_body(geod):
    answer = geod.ask(MOSCOW, method="HEAD")
    assert answer.status == 302
    assert answer.location == expected(geod, answer.location, "/flv")
    with geod.connect() as connection:
        assert connection.ask(target(redirect="0"), method="HEAD").status == 200
        assert connection.ask(target(), method="GET").status == 302, "the HEAD's answer had a body"
    assert geod.ask(MOSCOW, method="HEAD", access_token="wrong").status == 401


def test_options_tells_a_browser_that_it_may(geod):
    answer = geod.ask(method="OPTIONS", access_token=None, headers=[
        ("Origin", "https://player.example.org"), ("Access-Control-Request-Method", "GET"),
        ("Access-Control-Request-Headers", "authorization")])
    assert answer.status in (200, 204)
    assert answer.header("Access-Control-Allow-Origin") == "*"
    assert "GET" in answer.header("Access-Control-Allow-Methods")
    assert "authorization" in answer.header("Access-Control-Allow-Headers").lower()
    assert answer.body == b""


def every_answer(geod):
    yield "302", geod.ask(MOSCOW)
    yield "json", geod.ask(MOSCOW, redirect="0")
    yield "head", geod.ask(MOSCOW, method="HEAD")
    yield "options", geod.ask(method="OPTIONS")
    yield "bad request", geod.ask(camera="")
    yield "no token", geod.ask(access_token=None)
    yield "forbidden", geod.ask(access_token="stranger")
    yield "not found", geod.ask(camera="nope")
    yield "no path", geod.fetch("/nope")
    yield "no method", geod.ask(method="DELETE")


def test_every_redirect_answer_has_the_common_headers(geod):
    seen = set()
    for name, answer in every_answer(geod):
        assert answer.header("Cache-Control") == "no-store", (name, answer)
        assert answer.header("Access-Control-Allow-Origin") == "*", (name, answer)
        request_id = answer.header("X-Request-Id")
        assert request_id and request_id not in seen, (name, answer)
        seen.add(request_id)


def test_answers_of_other_listeners_have_them_too(geod):
    for answer in (geod.fetch("/healthz", "admin"), geod.fetch("/nope", "admin"), geod.fetch("/nope", "verify"),
                   geod.fetch("/verify", "verify"), geod.verify(*reversed(signing.split(geod.ask().location)[1:]))):
        assert answer.header("Cache-Control") == "no-store", answer
        assert answer.header("X-Request-Id"), answer


def test_cors_names_only_configured_origins(stage):
    geod = stage.geod(http={"cors_origins": ["https://a.example.org", "https://b.example.org"]})
    for origin in ("https://a.example.org", "https://b.example.org"):
        for answer in (geod.ask(headers=[("Origin", origin)]), geod.ask(camera="", headers=[("Origin", origin)])):
            assert answer.header("Access-Control-Allow-Origin") == origin
            assert "origin" in (answer.header("Vary") or "").lower()
    for headers in ([], [("Origin", "https://evil.example.org")], [("Origin", "https://a.example.org.evil.net")], [("Origin", "null")]):
        answer = geod.ask(headers=headers)
        assert answer.status == 302
        assert answer.header("Access-Control-Allow-Origin") not in ("*", "https://evil.example.org", "null")


# --- exclude, partners, plain nodes ---


def test_exclude_is_honoured(geod):
    first = geod.ask(MOSCOW, redirect="0").json()["node"]
    second = geod.ask(MOSCOW, redirect="0", exclude=first).json()["node"]
    third = geod.ask(MOSCOW, redirect="0", exclude=f"{first},{second}").json()
    assert {first, second, third["node"]} == {"node-moscow-1", "node-moscow-2", "node-moscow-3"}
    everyone = "node-moscow-1,node-moscow-2,node-moscow-3"
    assert geod.ask(MOSCOW, redirect="0", exclude=everyone).json()["node"] == "node-spb-1"
    for url in third["alternates"]:
        assert host_of(url).split(".")[0] not in (first, second)


def test_exclude_is_ignored_when_nobody_else_is_left(stage):
    facts = town()
    facts["nodes"] = [node("only", "eu")]
    answer = stage.geod(facts=facts).ask(MOSCOW, redirect="0", exclude="node-only")
    assert answer.status == 200 and answer.json()["node"] == "node-only"


def test_exclude_of_a_node_nobody_knows_changes_nothing(geod):
    assert geod.ask(MOSCOW, redirect="0", exclude="node-nope").json()["node"] == geod.ask(MOSCOW, redirect="0").json()["node"]


def test_partner_is_known_by_the_host(geod):
    for host in ("acme.example.com", "ACME.example.com", "acme.example.com:8080"):
        assert geod.ask(NOWHERE, host=host, redirect="0").json()["group"] == "us"
        assert geod.ask(NOWHERE, host=host, server="300-acme").status == 302
    assert geod.ask(NOWHERE, host="unknown.example.com", redirect="0").json()["group"] == "eu"
    assert geod.ask(NOWHERE, server="300-acme").code == "not_found"


def plain_town():
    facts = town()
    facts["nodes"] = [
        {**node("plain", "ru-msk"), "ports": {"http": 8080, "ws": 8081}},
        {**node("both", "us"), "ports": {"http": 8080, "ws": 8080, "https": 443, "wss": 443}},
    ]
    facts.group("us")["fallback"] = []
    facts.group("ru-msk")["fallback"] = []
    return facts


def test_plain_nodes_serve_only_when_allowed(stage):
    strict = stage.geod(facts=plain_town())
    assert strict.ask(MOSCOW).code == "no_node"
    assert strict.ask(NEW_YORK).status == 302


def test_allowed_plain_nodes_get_plain_urls_others_do_not(stage):
    geod = stage.geod(facts=plain_town(), redirect={"allow_plain": True})
    url = geod.ask(MOSCOW).location
    assert url.startswith("http://node-plain.example.com:8080/flv?")
    assert url == expected(geod, url, "/flv")
    url = geod.ask(MOSCOW, path="/ws-fmp4").location
    assert url.startswith("ws://node-plain.example.com:8081/ws-fmp4?")
    assert url == expected(geod, url, "/ws-fmp4")
    assert geod.ask(NEW_YORK).location.startswith("https://node-both.example.com/flv?")
    assert geod.ask(NEW_YORK, path="/ws-fmp4").location.startswith("wss://node-both.example.com/ws-fmp4?")


def test_default_ports_of_plain_schemes_stay_out_of_the_url(stage):
    facts = plain_town()
    facts.node("node-plain")["ports"] = {"http": 80, "ws": 80}
    geod = stage.geod(facts=facts, redirect={"allow_plain": True})
    assert host_of(geod.ask(MOSCOW).location) == "node-plain.example.com"
    assert host_of(geod.ask(MOSCOW, path="/ws-fmp4").location) == "node-plain.example.com"


def test_node_host_may_be_upper_case_or_an_ipv6_literal(stage):
    facts = only_group(town(), "ru-msk", "node-moscow-1")
    facts.node("node-moscow-1")["host"] = "Node-Moscow-1.EXAMPLE.com"
    facts.node("node-spb-1").update(host="[2001:db8::5]", ports={"https": 8443})
    geod = stage.geod(facts=facts)
    url = geod.ask(MOSCOW).location
    assert host_of(url) == "node-moscow-1.example.com"
    assert url == expected(geod, url, "/flv")
    url = geod.ask(PETERSBURG).location
    assert host_of(url) == "[2001:db8::5]:8443"
    signed, sig = url[len("https://"):].rsplit("&sig=", 1)
    assert sig == signing.signature(geod.world.secret, signed)
    assert geod.verify(signing.split(url)[2], "[2001:db8::5]:8443").status == 204


# --- what the redirect says, the node's gate accepts ---


@pytest.mark.parametrize("form", SCHEME)
def test_verify_listener_accepts_what_redirect_signed(geod, form):
    body = geod.ask(MOSCOW, path=f"/{form}", redirect="0").json()
    for url in [body["location"], *body["alternates"]]:
        _, authority, uri = signing.split(url)
        assert geod.verify(uri, authority).status == 204


def test_keep_alive_connection_serves_one_request_after_another(geod):
    with geod.connect() as connection:
        for camera in "0123456789" * 3:
            answer = connection.ask(target(camera=camera))
            assert signing.parameter(answer.location, "camera") == camera


def test_http_1_0_client_without_host_is_served_as_the_default_partners(geod):
    with geod.connect() as connection:
        connection.send(raw_http.message(target(), host=None, version="HTTP/1.0"))
        assert connection.read().status == 302
        assert connection.is_closed()
