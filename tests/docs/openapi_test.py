"""packaging/openapi/geod.json against a geod that runs: every path, every example, every answer by its schema."""

import base64
import http.client
import json
from urllib.parse import quote

import jsonschema
import pytest

from support.daemon import Geod
from support.mdoc import Page
from support.programs import SOURCE

FILE = SOURCE / "packaging" / "openapi" / "geod.json"
API = json.loads(FILE.read_text())
OPERATIONS = [(path, method) for path, item in API["paths"].items() for method in item if method != "servers"]


def listener_of(path):
    return API["paths"][path]["servers"][0]["description"].removeprefix("[listen] ")


def whole(part):
    """What it refers to, where it does."""
    if "$ref" not in part:
        return part
    _, section, name = part["$ref"].removeprefix("#/").split("/")
    return API["components"][section][name]


def parameters(path, method):
    return [whole(each) for each in API["paths"][path][method].get("parameters", [])]


def ask(geod, path, method, leave_out=(), more=None, body=None):
    """The operation's example, as it stands there; `leave_out` without those parameters, with `more` headers."""
    operation = API["paths"][path][method]
    given = [each for each in parameters(path, method) if "example" in each and each["name"] not in leave_out]
    query = "&".join(f"{each['name']}={quote(each['example'], safe='')}" for each in given if each["in"] == "query")
    headers = {**{each["name"]: each["example"] for each in given if each["in"] == "header"}, **(more or {})}
    if "requestBody" in operation and body is None:
        [(headers["Content-Type"], content)] = operation["requestBody"]["content"].items()
        validate(content["schema"], content["example"])
        body = json.dumps({name: value for name, value in content["example"].items() if name not in leave_out})
    connection = http.client.HTTPConnection(geod.addresses[listener_of(path)], timeout=30)
    try:
        connection.request(method.upper(), path + ("?" + query if query else ""), body, headers)
        answer = connection.getresponse()
        return answer, answer.read()
    finally:
        connection.close()


def validate(schema, value):
    resolver = jsonschema.RefResolver("", API)
    jsonschema.Draft202012Validator(schema, resolver=resolver).validate(value)


def check(path, method, answer, body):
    """Status, type and body are as the description has them."""
    told = whole(API["paths"][path][method]["responses"][str(answer.status)])
    for name in told.get("headers", {}):
        assert answer.getheader(name), name
    if "content" not in told:
        assert body == b""
        return
    [(kind, content)] = told["content"].items()
    assert answer.getheader("Content-Type").split(";")[0] == kind
    validate(content["schema"], json.loads(body) if kind.endswith("json") else body.decode())


def test_it_is_served_as_it_stands(geod):
    answer, body = ask(geod, "/openapi.json", "get")
    assert answer.status == 200 and body == FILE.read_bytes()


def test_it_is_well_formed():
    assert API["openapi"].startswith("3.1.")
    for name, schema in API["components"]["schemas"].items():
        assert isinstance(schema, dict), name
        jsonschema.Draft202012Validator.check_schema(schema)
    ids = [API["paths"][path][method]["operationId"] for path, method in OPERATIONS]
    assert len(ids) == len(set(ids))


def test_its_paths_are_those_of_the_man_page():
    rows = Page(SOURCE / "man" / "geod.8")["LISTENERS"].rows
    told = {(row[0], path) for row in rows for path in row[1].split()}
    assert {(listener_of(path), path) for path in API["paths"]} == told


@pytest.mark.parametrize("path, method", OPERATIONS)
def test_example(geod, path, method):
    answer, body = ask(geod, path, method)
    check(path, method, answer, body)
    if path != "/verify":  # whose example is long over
        assert answer.status == (204 if method == "options" else 200), body


@pytest.mark.parametrize("path, method, name", [
    (path, method, each["name"]) for path, method in OPERATIONS for each in parameters(path, method)
    if each.get("required") or each["name"] == "access_token"] + [("/authorize", "post", "token"), ("/authorize", "post", "object_id")])
def test_what_lacks_is_refused_as_it_says(geod, path, method, name):
    answer, body = ask(geod, path, method, [name])
    assert answer.status in (400, 401, 403) or (name == "format" and answer.status == 400), body
    check(path, method, answer, body)


# ---- what every operation may meet


def test_each_method_of_the_man_page_is_there():
    rows = Page(SOURCE / "man" / "geod.8")["LISTENERS"].rows
    told = {(path, method.strip().lower()) for row in rows for path in row[1].split() for method in row[2].split(",")}
    assert set(OPERATIONS) == told


@pytest.mark.parametrize("path, method", [each for each in OPERATIONS if "requestBody" not in API["paths"][each[0]][each[1]]])
def test_a_body_where_none_is_taken(geod, path, method):
    answer, body = ask(geod, path, method, body=b"none is taken here")
    assert answer.status == 400
    check(path, method, answer, body)


def test_a_body_that_is_no_json(geod):
    for path, method in OPERATIONS:
        if "requestBody" in API["paths"][path][method]:
            answer, body = ask(geod, path, method, body=b"{")
            assert answer.status == 400
            check(path, method, answer, body)


ADMIN = [each for each in OPERATIONS if listener_of(each[0]) == "admin"]
OPEN = ["/healthz", "/readyz"]


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    """A geod whose admin listener asks for a token."""
    file = tmp_path_factory.mktemp("admin") / "admin.token"
    file.write_text("t0ken-of-operators\n")
    file.chmod(0o600)
    daemon = Geod(GEO_ADMIN_TOKEN_FILE=str(file))
    yield daemon
    assert daemon.stop() == 0


@pytest.mark.parametrize("path, method", ADMIN)
def test_with_a_token_file(guarded, path, method):
    basic = base64.b64encode(b"anyone:t0ken-of-operators").decode()
    shown = [({}, 401), ({"Authorization": "Bearer another"}, 401), ({"Authorization": "Bearer t0ken-of-operators"}, 200),
             ({"Authorization": f"Basic {basic}"}, 200)]
    for headers, status in shown:
        answer, body = ask(guarded, path, method, more=headers)
        assert answer.status == (200 if path in OPEN else status), (headers, body)
        check(path, method, answer, body)


@pytest.mark.parametrize("path, method", ADMIN)
def test_of_another_host(geod, path, method):
    answer, body = ask(geod, path, method, more={"Host": "elsewhere.example.com"})
    assert answer.status == (200 if path in OPEN else 403), body
    check(path, method, answer, body)


def test_each_operation_names_who_may_ask():
    for path, method in ADMIN:
        told = API["paths"][path][method].get("security")
        assert told == (None if path in OPEN else [{}, {"bearer": []}, {"basic": []}]), (path, method)
