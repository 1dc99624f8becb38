"""packaging/openapi/geod.json against a geod that runs: every path, every example, every answer by its schema."""

import http.client
import json
from urllib.parse import quote

import jsonschema
import pytest

from support.mdoc import Page
from support.programs import SOURCE

FILE = SOURCE / "packaging" / "openapi" / "geod.json"
API = json.loads(FILE.read_text())
OPERATIONS = [(path, method) for path, item in API["paths"].items() for method in item if method != "servers"]


def listener_of(path):
    return API["paths"][path]["servers"][0]["description"].removeprefix("[listen] ")


def ask(geod, path, method, leave_out=()):
    """The operation's example, as it stands there; `leave_out` without those parameters."""
    operation = API["paths"][path][method]
    given = [each for each in operation.get("parameters", []) if "example" in each and each["name"] not in leave_out]
    query = "&".join(f"{each['name']}={quote(each['example'], safe='')}" for each in given if each["in"] == "query")
    headers = {each["name"]: each["example"] for each in given if each["in"] == "header"}
    body = None
    if "requestBody" in operation:
        [(headers["Content-Type"], content)] = operation["requestBody"]["content"].items()
        validate(content["schema"], content["example"])
        body = json.dumps(content["example"])
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
    told = API["paths"][path][method]["responses"][str(answer.status)]
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
        assert answer.status == 200, body


@pytest.mark.parametrize("path, method, name", [
    (path, method, each["name"]) for path, method in OPERATIONS for each in API["paths"][path][method].get("parameters", [])
    if each.get("required") or each["name"] == "access_token"])
def test_what_lacks_is_refused_as_it_says(geod, path, method, name):
    answer, body = ask(geod, path, method, [name])
    assert answer.status in (400, 401, 403) or (name == "format" and answer.status == 400), body
    check(path, method, answer, body)
