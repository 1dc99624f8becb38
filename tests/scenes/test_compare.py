"""geoctl compare: what a change moves, and what two geods then really do."""

import bisect
import itertools
import random

import pytest
from support.town import MOSCOW, NEW_YORK, TOKYO, many_cameras, node, town
from support.world import LONG, target

SIZE = ["--requests", "4000", "--rate", "100", "--cameras", "500", "--length-s", "10"]


def compare(old, new, *arguments, status=0, size=SIZE):
    output = old.geoctl("--json", "compare", old.data, new.data, *size, *arguments)
    assert output.exit == status, output
    return output.json()


def changed(stage, change, **config):
    old, new = town(), town()
    change(new)
    return stage.world(old, **config), stage.world(new, **config)


def test_nothing_moves_between_equal_stores(stage):
    old, new = changed(stage, lambda facts: None, balance={"balance_factor": 1.25})
    assert compare(old, new, "--fail-above", "0%") == {
        "requests": 4000, "moved_percent": 0, "cameras_moved_percent": 0, "lost": 0, "gained": 0, "farther_percent": 0, "moves": []}


def test_row_order_moves_nothing(stage):
    old, new = changed(stage, lambda facts: facts["nodes"].reverse())
    assert compare(old, new)["moved_percent"] == 0


def test_a_node_that_is_gone_moves_its_own_requests_alone(stage):
    def change(facts):
        facts["nodes"] = [each for each in facts["nodes"] if each["id"] != "node-moscow-2"]

    old, new = changed(stage, change)
    found = compare(old, new)
    assert found["moves"] and {move["from"] for move in found["moves"]} == {"node-moscow-2"}
    assert {move["to"] for move in found["moves"]} == {"node-moscow-1", "node-moscow-3"}
    assert sum(move["requests"] for move in found["moves"]) == pytest.approx(found["moved_percent"] * 40)
    assert [move["requests"] for move in found["moves"]] == sorted((move["requests"] for move in found["moves"]), reverse=True)
    assert (found["lost"], found["gained"]) == (0, 0)


def test_who_loses_the_last_node_is_lost_and_back_again_gained(stage):
    def change(facts):
        facts["nodes"] = [each for each in facts["nodes"] if each["group"] != "asia"]
        facts.group("asia")["fallback"] = []

    old, new = changed(stage, change)
    found = compare(old, new)
    assert found["lost"] > 500 and found["gained"] == 0
    assert found["moves"] == [{"from": "node-tokyo-1", "to": None, "requests": found["lost"]}]
    assert found["moved_percent"] == pytest.approx(found["lost"] / 40)
    back = compare(new, old)
    assert back["moves"] == [{"from": None, "to": "node-tokyo-1", "requests": found["lost"]}]
    assert back["gained"] == found["lost"] and back["lost"] == 0


def test_who_gets_farther(stage):
    def away(facts):
        facts.node("node-tokyo-1")["coordinates"] = [0.0, 0.0]

    def near(facts):
        facts.node("node-tokyo-1")["coordinates"] = [35.68, 139.69]

    old, new = changed(stage, away)
    found = compare(old, new)
    assert found["moved_percent"] == 0, "the node is the same, it stands elsewhere"
    assert 15 < found["farther_percent"] < 25  # whose coordinates are known: one of five networks of equal size
    same, still = changed(stage, near)
    assert compare(same, still)["farther_percent"] == 0


def test_what_ifs_of_one_store(stage):
    world = stage.world()
    down = compare(world, world, "--down", "node-moscow-1")
    assert {move["from"] for move in down["moves"]} == {"node-moscow-1"}
    assert compare(world, world, "--drain", "node-moscow-1") == down


def test_a_change_that_moves_too_much_fails(stage):
    world = stage.world()
    moved = compare(world, world, "--down", "node-tokyo-1")["moved_percent"]
    assert 10 < moved < 30
    failed = world.geoctl("compare", world.data, world.data, *SIZE, "--down", "node-tokyo-1", "--fail-above", "5%")
    assert failed.exit == 6 and "more than 5%" in failed.err and "node-tokyo-1" in failed.out
    compare(world, world, "--down", "node-tokyo-1", "--fail-above", "40", status=0)


def test_the_config_is_that_of_both(stage):
    """With `weighted` requests roll dice, the same ones in both."""
    old, new = changed(stage, lambda facts: None, balance={"policy": "weighted"})
    assert compare(old, new)["moved_percent"] == 0


@pytest.mark.parametrize("arguments, told", [
    (["--fail-above", "much"], "fail-above"),
    (["--fail-above", "101%"], "fail-above"),
    (["--down", "nobody"], "down"),
    (["--rate", "0"], "rate"),
], ids=str)
def test_what_is_wrong_is_named(stage, arguments, told):
    world = stage.world()
    output = world.geoctl("compare", world.data, world.data, *arguments)
    assert output.exit == 2 and told in output.err and output.out == ""


@pytest.mark.files
def test_a_store_with_faults_is_refused(stage):
    old, new = changed(stage, lambda facts: facts.node("node-tokyo-1").update(group="nowhere"))
    output = old.geoctl("compare", old.data, new.data)
    assert output.exit == 2 and "nodes.group" in output.err


@pytest.mark.parametrize("policy", ["affinity", "nearest"])
def test_the_forecast_is_what_two_geods_then_do(stage, policy):
    """The same requests to a geod on the old store and one on the new; then the old one's access log through compare."""
    requests = 100_000 if LONG else 3_000
    old_facts, new_facts = forecast_town(), forecast_town()
    new_facts.node("node-moscow-1")["weight"] = 150
    new_facts["nodes"] = [each for each in new_facts["nodes"] if each["id"] != "node-frankfurt-2"]
    new_facts["nodes"].append(node("moscow-4", "ru-msk", 50))
    cameras = many_cameras(old_facts, 1000)
    many_cameras(new_facts, 1000)
    settings = {"balance": {"policy": policy, "balance_factor": 1.25}, "http": {"trusted_proxies": ["127.0.0.1/32"], "threads": 1}}
    old, new = stage.world(old_facts, **settings), stage.world(new_facts, **settings)
    geods = [stage.geod(old), stage.geod(new)]
    connections = [geod.connect() for geod in geods]
    weights = list(itertools.accumulate(1 / (k + 1) ** 1.1 for k in range(len(cameras))))
    draw = random.Random(1)
    moved = 0
    for i in range(requests):
        camera = cameras[bisect.bisect(weights, draw.random() * weights[-1])]
        client = draw.choice([MOSCOW, MOSCOW, NEW_YORK, "10.3.0.7", TOKYO])
        nodes = [ask(connection, client, camera) for connection in connections]
        moved += nodes[0] != nodes[1]
    old.log_lines(requests)
    found = compare(old, new, "--traffic", old.access_log, "--no-reports", size=[])
    assert found["requests"] == requests
    assert moved > requests / 20
    # three thousand have not warmed up: a few that fade a second later count for more
    assert found["moved_percent"] == pytest.approx(100 * moved / requests, abs=0.5 if LONG else 1.5)


def forecast_town():
    facts = town()
    for each in facts["nodes"]:
        each.setdefault("coordinates", facts.group(each["group"])["coordinates"])
    return facts


def ask(connection, client, camera):
    answer = connection.ask(target(server="100-many", camera=camera), headers=[("X-Forwarded-For", client), ("Accept", "application/json")])
    assert answer.status == 200, answer
    return answer.json()["node"]
