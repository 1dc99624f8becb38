"""How nodes fare, in a running geod: reports, drains, and what is told of it. Contract 2.7, 2.8 and 3."""

import re

from support.raw_http import eventually
from support.town import town
from support.world import ago


def changes(geod):
    text = geod.fetch("/metrics", "admin").body.decode()
    return {tuple(found[:2]): int(float(found[2])) for found in
            re.findall(r'geod_node_state_changes_total\{node="([^"]+)",to="([^"]+)"\} (\S+)', text)}


def report(geod, **fields):
    facts = town()
    facts["node_states"] = [{"id": "node-moscow-1", "seen_at": ago(0), **fields}]
    geod.world.write_facts(facts)


def test_a_change_of_state_is_one_line_and_counts(stage):
    geod = stage.geod()
    assert geod.states()["node-moscow-1"] == "up" and changes(geod) == {}
    report(geod, online=False)
    eventually(lambda: geod.states()["node-moscow-1"] == "unhealthy", "it is read again")
    assert changes(geod) == {("node-moscow-1", "unhealthy"): 1}
    report(geod, online=True)
    eventually(lambda: geod.states()["node-moscow-1"] == "up", "it is read again")
    assert changes(geod) == {("node-moscow-1", "unhealthy"): 1, ("node-moscow-1", "up"): 1}
    lines = [line.split(" ", 2)[1:] for line in geod.stderr().splitlines() if "node node-moscow-1: " in line]
    assert lines == [["warn", "node node-moscow-1: up -> unhealthy, by report"],
                     ["info", "node node-moscow-1: unhealthy -> up, by report"]]


def test_what_a_start_finds_is_a_line_as_later_changes_are(stage):
    facts = town()
    facts.node("node-moscow-2")["admin"] = "drain"  # no change: that is how it was given
    facts["node_states"] = [{"id": "node-moscow-1", "seen_at": ago(0), "online": False},
                            {"id": "node-frankfurt-1", "seen_at": ago(3600)},
                            {"id": "node-frankfurt-2", "seen_at": ago(0)}]
    geod = stage.geod(facts=facts)
    assert geod.states()["node-moscow-1"] == "unhealthy" and geod.states()["node-frankfurt-1"] == "stale"
    assert changes(geod) == {("node-moscow-1", "unhealthy"): 1, ("node-frankfurt-1", "stale"): 1}
    lines = [line.split(" ", 1)[1] for line in geod.stderr().splitlines() if " node node-" in line]
    assert sorted(lines) == ["warn node node-frankfurt-1: up -> stale, by report",
                             "warn node node-moscow-1: up -> unhealthy, by report"]
