"""geod(8) against a geod that runs: its listeners, their paths and methods, the keys of its log."""

import http.client
import json
import re

from support.mdoc import Page
from support.programs import SOURCE

PAGE = Page(SOURCE / "man" / "geod.8")
LISTENERS = [(row[0], row[1].split(), row[2]) for row in PAGE["LISTENERS"].rows]


def ask(address, method, path, body=None, **headers):
    connection = http.client.HTTPConnection(address, timeout=30)
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    body = answer.read().decode()
    connection.close()
    return answer, body


def test_listeners_paths_and_methods(geod):
    assert {row[0] for row in LISTENERS} == set(geod.addresses)
    for listener, paths, methods in LISTENERS:
        for path in paths:
            answer, body = ask(geod.addresses[listener], "GET", path)
            assert answer.status != 404, body
            answer, _ = ask(geod.addresses[listener], "DELETE", path)
            assert (answer.status, answer.headers["Allow"]) == (405, methods)
        others = [path for name, paths, _ in LISTENERS if name != listener for path in paths]
        for path in others + ["/nothing"]:
            assert json.loads(ask(geod.addresses[listener], "GET", path)[1])["code"] == "no_such_path", path


def test_healthz(geod):
    told = PAGE[("LISTENERS", "GET /healthz")].lines[0].removeprefix(".Li ")
    assert ask(geod.addresses["admin"], "GET", "/healthz")[1] == told


def test_json_of_a_redirect(geod):
    target = "/flv?server=100-abcdef&camera=0&access_token=demo-alice&redirect=0"
    answer, body = ask(geod.addresses["redirect"], "GET", target)
    shown = PAGE[("LISTENERS", "GET /flv, /hls, /ws-fmp4, /stream")].displays[0]
    assert answer.status == 200 and list(json.loads(body)) == list(json.loads(shown))


def test_json_of_an_address(geod):
    shown = PAGE[("LISTENERS", "GET /resolve")].displays[0]
    answer, body = ask(geod.addresses["resolver"], "GET", "/resolve?ip=10.1.0.1")
    assert answer.status == 200 and list(json.loads(body)) == list(json.loads(shown))


def test_json_of_a_decision(geod):
    section = PAGE[("LISTENERS", "POST /authorize")]
    asked = {"token": "demo-alice", "object_id": "0", "server": "100-abcdef"}
    answer, body = ask(geod.addresses["auth"], "POST", "/authorize", json.dumps(asked))
    assert answer.status == 200 and list(json.loads(body)) == list(json.loads(section.displays[0]))
    for item in section.items:
        answer, body = ask(geod.addresses["auth"], "POST", "/authorize", json.dumps({**asked, item.head[1]: 1}))
        assert answer.status == 400 and json.loads(body)["detail"].startswith(item.head[1] + ":"), body


def test_keys_of_the_status(geod):
    items = PAGE[("LISTENERS", "GET /status.json")].items
    told = [name.strip(",") for item in items for name in item.head[1:] if name.strip(" ,")]
    assert list(json.loads(ask(geod.addresses["admin"], "GET", "/status.json")[1])) == told


def scraped(geod):
    """{metric: its labels; None where it has no values yet}, {label: its values}"""
    metrics, values = {}, {}
    for line in ask(geod.addresses["admin"], "GET", "/metrics")[1].splitlines():
        if line.startswith("# TYPE "):
            metrics[line.split()[2]] = None
        elif not line.startswith("#"):
            name = re.match(r"\w+", line)[0]
            labels = dict(re.findall(r'(\w+)="([^"]*)"', line))
            labels.pop("le", None)
            of = name if name in metrics else name.rsplit("_", 1)[0]  # a histogram's part
            assert metrics[of] in (None, set(labels)), line
            metrics[of] = set(labels)
            for label, value in labels.items():
                values.setdefault(label, set()).add(value)
    return metrics, values


def test_metrics_and_their_labels(geod):
    items = PAGE[("LISTENERS", "GET /metrics")].items
    told = {item.head[1]: set(item.head[3:]) for item in items if item.head[1].startswith("geod_")}
    metrics, values = scraped(geod)
    assert set(told) == set(metrics)
    assert {name: told[name] for name, labels in metrics.items() if labels is not None} == {
        name: labels for name, labels in metrics.items() if labels is not None}
    assert [item.head[1] for item in items if not item.head[1].startswith("geod_")] == sorted(
        values["reason"], key=[item.head[1] for item in items].index)
    text = " ".join(PAGE[("LISTENERS", "GET /metrics")].lines)
    assert all(re.search(rf"\b{step}\b", text) for step in values["step"])


def test_parameters_are_all_known(geod):
    for item in PAGE[("LISTENERS", "GET /flv, /hls, /ws-fmp4, /stream")].items:
        name = item.head[1]
        answer, body = ask(geod.addresses["redirect"], "GET", f"/stream?{name}=&{name}=")
        assert answer.status == 400 and json.loads(body)["detail"].startswith(name + ":"), body


def test_problem_body(geod):
    answer, body = ask(geod.addresses["redirect"], "GET", "/flv?server=100-abcdef&camera=0&access_token=nobody")
    shown = json.loads(next(text for text in PAGE["REFUSALS"].displays))
    told = json.loads(body)
    assert {**told, "request_id": ""} == {**shown, "request_id": ""} and list(told) == list(shown)
    assert len(told["request_id"]) == len(shown["request_id"])


def test_keys_of_the_access_log(geod):
    ask(geod.addresses["redirect"], "GET", "/flv?server=100-abcdef&camera=0&access_token=demo-alice")
    ask(geod.addresses["resolver"], "GET", "/resolve")
    ask(geod.addresses["auth"], "POST", "/authorize", "{}")
    ask(geod.addresses["verify"], "GET", "/verify")
    told, seen = [item.head[1] for item in PAGE["ACCESS LOG"].items], set()
    while seen != {"redirect", "resolver", "auth", "verify"}:
        line = geod.log.get(timeout=30)
        assert set(line) == set(told) - ({"reason"} if line["listener"] != "verify" else set())
        seen.add(line["listener"])
