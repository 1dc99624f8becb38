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
    assert sorted(re.findall(r"labels: '\{alertname=\"(\w+)\"\}'", TESTS.read_text())) == sorted(alerts)


def test_alerts_ask_for_metrics_that_there_are():
    asked = set(re.findall(r"\bgeod_\w+", re.sub(r'(summary|description): ".*"', "", RULES.read_text())))
    assert asked and asked <= metrics_in_code()


def test_dashboard_asks_for_metrics_that_there_are(tmp_path):
    board = json.loads((FOLDER / "geod-dashboard.json").read_text())
    assert board["title"] == "geod" and len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    asked = [(panel["title"], text) for panel in board["panels"] for text in expressions(panel)]
    assert {name for _, text in asked for name in re.findall(r"\bgeod_\w+", text)} <= metrics_in_code()
    rules = "groups:\n- name: board\n  rules:\n"
    for i, (_, text) in enumerate(asked):
        plain = text.replace("$__rate_interval", "5m").replace("$job", ".*").replace("$instance", ".*")
        rules += f"  - record: panel:{i}\n    expr: {json.dumps(plain)}\n"
    (tmp_path / "board.yml").write_text(rules)
    done = run("promtool", "check", "rules", tmp_path / "board.yml")
    assert done.returncode == 0, done.stdout + done.stderr
