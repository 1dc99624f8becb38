"""What is refused before anything is looked up: contract 2.1."""

import pytest

from support.town import MOSCOW
from support.world import target

GOOD = "server=100-abcdef&camera=0&access_token=good"


def check(answer, parameter):
    assert answer.status == 400, answer
    assert answer.json()["code"] == "bad_request"
    assert parameter in answer.json()["detail"], answer.json()


BAD_IDS = {
    "empty": "", "65 long": "a" * 65, "1000 long": "a" * 1000, "plus": "a+b", "space": "a%20b", "slash": "a/b",
    "encoded slash": "a%2Fb", "NUL": "a%00b", "NUL alone": "%00", "newline": "a%0Ab", "Cyrillic": "%D0%BA1",
    "raw high byte": "\xe9", "half an escape": "a%", "one digit": "a%4", "no hex": "a%zz", "percent": "a%25",
    "at": "a@b", "comma": "a,b", "star": "*", "tilde": "a~b", "DEL": "a%7F", "quote": "%22",
}


@pytest.mark.parametrize("value", BAD_IDS.values(), ids=BAD_IDS)
@pytest.mark.parametrize("name", ["server", "camera"])
def test_bad_id(geod, name, value):
    good = {"server": "100-abcdef", "camera": "0"}
    query = "&".join(f"{k}={value if k == name else v}" for k, v in good.items())
    check(geod.fetch(f"/flv?{query}&access_token=good"), name)


@pytest.mark.parametrize("name", ["server", "camera"])
def test_missing_id(geod, name):
    check(geod.ask(**{name: None}), name)


@pytest.mark.parametrize("query, name", [
    ("server&camera=0&access_token=good", "server"),
    ("server=100-abcdef&camera&access_token=good", "camera"),
    (GOOD + "&server=100-abcdef", "server"),
    (GOOD + "&camera=0", "camera"),
    (GOOD + "&camera=1", "camera"),
    (GOOD + "&access_token=good", "access_token"),
    (GOOD + "&format=flv&format=flv", "format"),
    (GOOD + "&exclude=node-spb-1&exclude=node-spb-1", "exclude"),
    (GOOD + "&redirect=0&redirect=0", "redirect"),
    (GOOD + "&format=", "format"),
    (GOOD + "&format=rtsp", "format"),
    (GOOD + "&format=FLV", "format"),
    (GOOD + "&format=hls", "format"),
    (GOOD + "&exclude=", "exclude"),
    (GOOD + "&exclude=a,b,c,d,e", "exclude"),
    (GOOD + "&exclude=a,,b", "exclude"),
    (GOOD + "&exclude=node%20x", "exclude"),
    (GOOD + "&exclude=" + "n" * 65, "exclude"),
    (GOOD + "&redirect=", "redirect"),
    (GOOD + "&redirect=2", "redirect"),
    (GOOD + "&redirect=yes", "redirect"),
    ("server=100-abcdef&camera=0&access_token=", "access_token"),
    ("server=100-abcdef&camera=0&access_token=a%20b", "access_token"),
    ("server=100-abcdef&camera=0&access_token=a%00", "access_token"),
    ("server=100-abcdef&camera=0&access_token=%0d%0aX:y", "access_token"),
    ("server=100-abcdef&camera=0&access_token=%C3%A9", "access_token"),
    ("server=100-abcdef&camera=0&access_token=" + "t" * 4097, "access_token"),
])
def test_bad_parameter_is_named(geod, query, name):
    check(geod.fetch("/flv?" + query), name)


def test_stream_needs_a_format(geod):
    check(geod.ask(path="/stream"), "format")
    check(geod.ask(path="/stream", format="mp4"), "format")


def test_no_query_at_all(geod):
    check(geod.fetch("/flv"), "server")
    check(geod.fetch("/flv?"), "server")


def test_token_of_4096_is_looked_up(geod):
    assert geod.ask(access_token="t" * 4096).code == "token_unknown"
    assert geod.ask(access_token=None, headers=[("Authorization", "Bearer " + "t" * 4096)]).code == "token_unknown"


def test_four_excluded_nodes_are_fine(geod):
    assert geod.ask(MOSCOW, exclude="node-moscow-1,node-moscow-2,node-moscow-3,node-spb-1").status == 302


def test_id_of_64_is_fine(geod):
    assert geod.ask(camera="c" * 64).code == "not_found"


def test_token_twice_in_two_places(geod):
    check(geod.ask(headers=[("Authorization", "Bearer good")]), "access_token")


def test_two_authorization_headers(geod):
    answer = geod.ask(access_token=None, headers=[("Authorization", "Bearer good"), ("Authorization", "Bearer good")])
    assert answer.status == 400, answer


@pytest.mark.parametrize("value", ["Bearer", "Bearer ", "Bearer a b", "Bearer " + "t" * 4097, "Bearer caf\xe9"])
def test_malformed_bearer_header(geod, value):
    answer = geod.ask(access_token=None, headers=[("Authorization", value)])
    assert (answer.status, answer.code) in ((400, "bad_request"), (401, "missing_token")), answer


def test_another_authorization_scheme_is_no_token(geod):
    assert geod.ask(access_token=None, headers=[("Authorization", "Basic Z29vZDpnb29k")]).code == "missing_token"


# --- order of refusal: parameters, then the missing token, then the steps ---


def test_bad_parameter_comes_before_missing_token(geod):
    for bad in (dict(camera="a b"), dict(server=None), dict(format="x"), dict(exclude="a b"), dict(redirect="7")):
        assert geod.ask(access_token=None, **bad).code == "bad_request"


def test_missing_token_comes_before_the_steps(geod):
    for request in (dict(camera="nope"), dict(server="200-dark"), dict(camera="flv-cam", path="/hls")):
        assert geod.ask(access_token=None, **request).code == "missing_token"


def test_malformed_token_comes_before_the_steps(geod):
    assert geod.ask(camera="nope", access_token="a b").code == "bad_request"


def test_head_refuses_alike(geod):
    assert geod.ask(method="HEAD", camera="").status == 400
    assert geod.ask(method="HEAD", access_token=None).status == 401


def test_parameters_may_hold_an_equals_sign_and_stray_ampersands(geod):
    assert geod.fetch("/flv?&&" + GOOD + "&&x=a=b&").status == 302


def test_case_of_names_matters(geod):
    check(geod.fetch("/flv?Server=100-abcdef&camera=0&access_token=good"), "server")


def test_fragment_is_no_part_of_a_query(geod):
    assert geod.fetch(target() + "#x").status in (302, 400, 401)


def test_url_that_gets_too_long_is_refused(stage):
    """Three bytes for each slash; what no client would take is told as such, and logged as such."""
    geod = stage.geod(redirect={"pass_through": ["p", "q"]})
    good = target(camera="1") + "&p=" + "/" * 3000
    answer = geod.fetch(good)
    assert answer.status == 302 and "%2F" * 3000 in answer.location
    for bad in (good + "&q=" + "/" * 3000, "/flv?" + GOOD + "&p=" + "/" * 4096 + "&q=" + "/" * 4096):
        check(geod.fetch(bad), "too long")
    assert [(line["status"], line["code"]) for line in geod.world.log_lines(3)] == [
        (302, "redirect"), (400, "bad_request"), (400, "bad_request")]
