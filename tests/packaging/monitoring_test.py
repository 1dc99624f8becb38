"""Alerts and the dashboard: they ask for metrics that there are, and each alert fires when it is to."""

import json
import re
import shutil
import urllib.request

from support.programs import SOURCE, run

FOLDER = SOURCE / "packaging" / "monitoring"
RULES = FOLDER / "geod.rules.yml"
TESTS = SOURCE / "tests" / "packaging" / "geod.rules.test.yml"


def metrics_in_code():
    return set(re.findall(r'"(geod_\w+)"', "".join(file.read_text() for file in (SOURCE / "apps" / "geod").glob("*.cpp"))))


def metrics_in(expression):
    """A histogram is asked for by its parts."""
    return set(re.findall(r"\b(geod_\w+?)(?:_bucket|_sum|_count)?\b", expression))


def expressions(panel):
    return [target["expr"] for target in panel.get("targets", [])]


def test_a_scrape_is_as_prometheus_wants_it(geod):
    with urllib.request.urlopen(f"http://{geod.addresses['admin']}/metrics", timeout=10) as answer:
        scrape = answer.read().decode()
    assert "geod_build_info" in scrape
    done = run("promtool", "check", "metrics", given=scrape)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout + done.stderr == ""


def test_rules_are_rules():
    done = run("promtool", "check", "rules", RULES)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_fires_and_does_not(tmp_path):
    for file in (RULES, TESTS):
        shutil.copy(file, tmp_path)
    done = run("promtool", "test", "rules", TESTS.name, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    alerts = re.findall(r"- alert: (\w+)", RULES.read_text())
    assert set(re.findall(r"labels: '\{alertname=\"(\w+)\"\}'", TESTS.read_text())) == set(alerts)


def samples(scrape):
    """[(name, (label, value), ..)]"""
    found = re.findall(r"^(\w+)(?:\{(.*)\})? \S+$", scrape, re.M)
    return [(name, *sorted(re.findall(r'(\w+)="([^"]*)"', labels))) for name, labels in found]


def test_alerts_are_tried_with_what_geod_exports(geod):
    """The same labels; and what there is only once it has happened is not there as 0 before."""
    with urllib.request.urlopen(f"http://{geod.addresses['admin']}/metrics", timeout=10) as answer:
        told = samples(answer.read().decode())
    labels = {name: {label for label, _ in rest} for name, *rest in told}
    tried = 0
    for name, given, values in re.findall(r"series: '(geod_\w+)\{(.*?)\}', values: '(.*?)'", TESTS.read_text()):
        of = dict(re.findall(r'(\w+)="([^"]*)"', given))
        assert of.pop("job") == "geod" and of.pop("instance")
        if name in labels:
            tried += 1
            assert set(of) == labels[name], name
        if name in ("geod_node_not_up", "geod_node_state_changes_total"):
            assert not values.startswith("0"), (name, values)
    assert tried > 20


def test_alerts_ask_for_metrics_that_there_are():
    asked = metrics_in(re.sub(r'(summary|description): ".*"', "", RULES.read_text()))
    assert asked and asked <= metrics_in_code()


def test_dashboard_asks_for_metrics_that_there_are(tmp_path):
    board = json.loads((FOLDER / "geod-dashboard.json").read_text())
    assert board["title"] == "geod" and len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    asked = [(panel["title"], text) for panel in board["panels"] for text in expressions(panel)]
    assert {name for _, text in asked for name in metrics_in(text)} <= metrics_in_code()
    assert {"geod_spills_total", "geod_credits", "geod_reloads_total"} <= {name for _, text in asked for name in metrics_in(text)}
    rules = "groups:\n- name: board\n  rules:\n"
    for i, (_, text) in enumerate(asked):
        plain = text.replace("$__rate_interval", "5m").replace("$job", ".*").replace("$instance", ".*")
        rules += f"  - record: panel:{i}\n    expr: {json.dumps(plain)}\n"
    (tmp_path / "board.yml").write_text(rules)
    done = run("promtool", "check", "rules", tmp_path / "board.yml")
    assert done.returncode == 0, done.stdout + done.stderr
