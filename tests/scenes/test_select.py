"""Who may serve, who is chosen, who is refused and why: contract 3."""

import math
import random

import pytest

from support.town import FRANKFURT, MOSCOW, NEW_YORK, PETERSBURG, TOKYO, camera, many_cameras, node, server, small, town
from support.world import ago, target


def select(world, *arguments):
    output = world.geoctl("--json", "select", *arguments)
    assert output.exit == 0, output
    return output.json()


def chosen(world, ip=MOSCOW, *more):
    return select(world, "--ip", ip, *more)["node"]


def trace(world, *more, ip=MOSCOW):
    output = world.geoctl("--json", "redirect", "--ip", ip, "--server", "100-abcdef", "--camera", "0", "--token", "good", "--explain", *more)
    return output.json()


def verdicts(found):
    """{node: True (chosen) or its reason}; each node once."""
    out = {}
    for candidate in found["candidates"]:
        assert candidate["node"] not in out, f"{candidate['node']} twice"
        assert ("refused" in candidate) != bool(candidate.get("chosen"))
        out[candidate["node"]] = candidate.get("refused", True)
    return out


# --- fallbacks ---


def test_fallback_groups_are_tried_in_their_order(stage):
    facts = town()
    for n in facts["nodes"]:
        if n["group"] == "ru-msk":
            n["admin"] = "offline"
    assert chosen(stage.world(facts)) == "node-spb-1"
    facts.group("ru-msk")["fallback"] = ["eu", "ru-spb"]
    assert chosen(stage.world(facts)).startswith("node-frankfurt-")


def test_fallback_lists_are_not_followed_further(stage):
    facts = town()
    facts.group("asia")["fallback"] = ["us"]
    for n in facts["nodes"]:
        if n["group"] in ("asia", "us"):
            n["admin"] = "offline"
    output = stage.world(facts).geoctl("select", "--ip", TOKYO)
    assert output.exit == 4 and output.err.startswith("no_node:"), output


def test_all_groups_of_a_pattern_come_before_its_fallback_pattern(stage):
    facts = small(node("near-any", "here", patterns=["any"]), node("far-streaming", "there"))
    facts.row("patterns", id="streaming")["fallback"] = ["any"]
    found = select(stage.world(facts), "--ip", MOSCOW)
    assert (found["node"], found["group"], found["pattern"]) == ("node-far-streaming", "there", "streaming")
    facts.node("node-far-streaming")["admin"] = "offline"
    found = select(stage.world(facts), "--ip", MOSCOW)
    assert (found["node"], found["group"], found["pattern"]) == ("node-near-any", "here", "any")


def test_node_without_patterns_serves_all(stage):
    facts = small({**node("all", "here"), "patterns": []})
    world = stage.world(facts)
    for pattern in ("streaming", "any", "archive"):
        assert select(world, "--ip", MOSCOW, "--pattern", pattern)["node"] == "node-all"


def test_pattern_can_be_asked_for(stage):
    world = stage.world(small(node("s", "here"), node("a", "here", patterns=["archive"])))
    assert chosen(world, MOSCOW, "--pattern", "archive") == "node-a"
    assert chosen(world, MOSCOW) == "node-s"
    assert world.geoctl("select", "--ip", MOSCOW, "--pattern", "nope").exit == 2


# --- admissible or not ---


@pytest.mark.parametrize("admin, reason", [("drain", "drained"), ("offline", "offline")])
def test_drained_and_offline_nodes_get_no_clients(stage, admin, reason):
    world = stage.world(small(node("a", "here", admin=admin), node("b", "here")))
    assert chosen(world) == "node-b"
    assert verdicts(trace(world)) == {"node-a": reason, "node-b": True}


def test_each_reason_in_the_trace(stage):
    facts = small(
        node("drained", "here", admin="drain"), node("offline", "here", admin="offline"), node("unhealthy", "here"), node("stale", "here"),
        node("forbidden", "here", forbid=["DE>FR"], country="FR"), node("partner", "here", partners=["acme"]),
        {**node("pattern", "here"), "patterns": ["archive"]}, node("format", "here", formats=["hls"]), node("excluded", "here"),
        node("weight", "here", weight=0), node("good", "here"), node("good-too", "here"), node("far", "there"))
    facts["node_states"] = [
        {"id": "node-unhealthy", "seen_at": ago(1), "online": False}, {"id": "node-stale", "seen_at": ago(3600), "online": True},
        {"id": "node-good", "seen_at": ago(1), "online": True, "sessions": 1, "load": 0.1}]
    found = verdicts(trace(stage.world(facts), "--exclude", "node-excluded"))
    winner = [n for n, v in found.items() if v is True]
    assert len(winner) == 1 and winner[0] in ("node-good", "node-good-too")
    for name in ("drained", "offline", "unhealthy", "stale", "forbidden", "partner", "pattern", "format", "excluded", "weight"):
        assert found[f"node-{name}"] == name, found
    assert sorted(v for v in (found["node-good"], found["node-good-too"]) if v is not True) == ["not_first"]
    assert "node-far" not in found, "a group that was not visited"


def test_first_reason_of_several_is_told(stage):
    facts = small(node("a", "here", admin="drain", weight=0, formats=["hls"], partners=["acme"]),
                  node("b", "here", weight=0, formats=["hls"], partners=["acme"]),
                  node("c", "here", weight=0, formats=["hls"]), node("d", "here", weight=0), node("good", "here"))
    found = verdicts(trace(stage.world(facts), "--exclude", "node-a,node-b,node-c,node-d"))
    assert found == {"node-a": "drained", "node-b": "partner", "node-c": "format", "node-d": "excluded", "node-good": True}


def test_candidates_are_every_node_of_every_group_visited(stage):
    facts = small(node("a", "here", admin="offline"), {**node("b", "there", formats=["hls"]), "patterns": []}, {**node("c", "there"), "patterns": ["any"]})
    facts.row("patterns", id="streaming")["fallback"] = ["any"]
    found = trace(stage.world(facts))
    assert verdicts(found) == {"node-a": "offline", "node-b": "format", "node-c": True}
    assert {c["node"]: c["group"] for c in found["candidates"]} == {"node-a": "here", "node-b": "there", "node-c": "there"}


def test_verdict_is_that_of_the_last_pattern_tried(stage):
    facts = small({**node("a", "here"), "patterns": ["streaming"], "formats": ["hls"]}, {**node("b", "there"), "patterns": ["any"]})
    facts.row("patterns", id="streaming")["fallback"] = ["any"]
    assert verdicts(trace(stage.world(facts))) == {"node-a": "pattern", "node-b": True}


def test_weight_0_is_never_chosen(stage):
    facts = small(node("zero", "here", weight=0))
    facts["groups"][0]["fallback"] = []
    world = stage.world(facts)
    assert world.geoctl("select", "--ip", MOSCOW).exit == 4
    assert verdicts(trace(world)) == {"node-zero": "weight"}


def test_formats_of_a_node(stage):
    world = stage.world(small(node("flv", "here", formats=["flv"]), node("rest", "here", formats=["hls", "ws-fmp4"])))
    for form, name in (("flv", "node-flv"), ("hls", "node-rest"), ("ws-fmp4", "node-rest")):
        assert chosen(world, MOSCOW, "--format", form) == name


def test_partners_of_a_node(stage):
    geod = stage.geod(facts=small(node("acme", "here", partners=["acme"]), node("all", "there")))
    assert geod.ask(MOSCOW, redirect="0").json()["node"] == "node-all"
    assert geod.ask(MOSCOW, host="acme.example.com", redirect="0").json()["node"] == "node-acme"
    assert chosen(geod.world, MOSCOW, "--partner", "acme") == "node-acme"
    assert geod.world.geoctl("select", "--ip", MOSCOW, "--partner", "nope").exit == 2


def test_exclude_is_the_last_to_be_relaxed_and_only_then(stage):
    facts = small(node("a", "here"), node("b", "there"))
    world = stage.world(facts)
    assert chosen(world, MOSCOW, "--exclude", "node-a") == "node-b"
    assert chosen(world, MOSCOW, "--exclude", "node-a,node-b") == "node-a"
    facts.node("node-a")["admin"] = "drain"
    assert chosen(stage.world(facts), MOSCOW, "--exclude", "node-a,node-b") == "node-b"


# --- forbid ---


@pytest.mark.parametrize("forbid, client, served", [
    ([], MOSCOW, True), (["DE>US"], MOSCOW, False), (["DE>US"], PETERSBURG, True), (["RU>US"], PETERSBURG, False), (["*>US"], MOSCOW, False),
    (["DE>*"], MOSCOW, False), (["DE>*"], PETERSBURG, True), (["*>*"], PETERSBURG, False), (["US>DE"], MOSCOW, True), (["DE>RU"], MOSCOW, True),
    (["DE>US"], "10.9.0.1", True), (["*>US"], "10.9.0.1", False), (["DE>US"], "203.0.113.7", True), (["*>US"], "203.0.113.7", False),
    (["RU>US", "DE>US"], MOSCOW, False),
])
@pytest.mark.parametrize("of", ["group", "node"])
def test_forbid(stage, of, forbid, client, served):
    facts = small(node("american", "here", country="US"))
    facts.group("here").update(fallback=[])
    (facts.group("here") if of == "group" else facts.node("node-american"))["forbid"] = forbid
    output = stage.world(facts).geoctl("--json", "select", "--ip", client)
    assert output.exit == (0 if served else 4), output
    assert output.json().get("code") == (None if served else "no_node")


def test_country_of_a_node_is_its_groups_unless_it_says(stage):
    facts = small(node("a", "here"), node("b", "here", country="FR"))
    facts.group("here")["forbid"] = ["DE>DE"]
    world = stage.world(facts)
    assert verdicts(trace(world)) == {"node-a": "forbidden", "node-b": True}


def test_forbid_of_either_the_group_or_the_node_binds_in_a_fallback_too(stage):
    facts = small(node("a", "here", admin="offline"), node("b", "there"), there={"forbid": ["DE>US"]})
    world = stage.world(facts)
    assert world.geoctl("select", "--ip", MOSCOW).exit == 4
    assert chosen(world, PETERSBURG) == "node-b"


# --- reports ---


def test_node_without_a_report_is_eligible(stage):
    facts = small(node("a", "here"), node("b", "here"))
    facts["node_states"] = [{"id": "node-b", "seen_at": ago(1), "online": False}]
    assert verdicts(trace(stage.world(facts))) == {"node-a": True, "node-b": "unhealthy"}


def test_all_stale_means_the_reports_failed(stage):
    facts = small(node("a", "here", weight=100), node("b", "here", weight=0), node("c", "here", weight=0, admin="offline"))
    facts["node_states"] = [{"id": n["id"], "seen_at": ago(1000), "online": True} for n in facts["nodes"]]
    assert chosen(stage.world(facts)) == "node-a"


def test_one_fresh_report_makes_the_old_ones_stale(stage):
    facts = small(*(node(x, "here") for x in "abcd"))  # half of them healthy: no panic
    facts["node_states"] = [{"id": "node-a", "seen_at": ago(1000)}, {"id": "node-b", "seen_at": ago(1000)}, {"id": "node-c", "seen_at": ago(1)}]
    found = verdicts(trace(stage.world(facts)))
    assert found["node-a"] == found["node-b"] == "stale" and True in (found["node-c"], found["node-d"])


def test_age_of_a_report_is_configured(stage):
    facts = small(node("a", "here"), node("b", "here"))
    facts["node_states"] = [{"id": "node-a", "seen_at": ago(100)}, {"id": "node-b", "seen_at": ago(1)}]
    assert verdicts(trace(stage.world(facts)))["node-a"] == "stale"
    assert verdicts(trace(stage.world(facts, health={"report_max_age_s": 1000})))["node-a"] in (True, "not_first")


def test_geod_reads_reports_too(stage):
    facts = small(node("a", "here"), node("b", "here"))
    facts["node_states"] = [{"id": "node-a", "seen_at": ago(0), "online": False}]
    geod = stage.geod(facts=facts, health={"report_max_age_s": 3600})
    assert {geod.ask(MOSCOW, camera=str(c), redirect="0").json()["node"] for c in range(10)} == {"node-b"}


# --- what if ---


def test_down_acts_as_offline(stage):
    world = stage.world(small(node("a", "here"), node("b", "here"), node("c", "there")))
    assert chosen(world, MOSCOW, "--down", "node-a") == "node-b"
    assert chosen(world, MOSCOW, "--down", "node-a", "--down", "node-b") == "node-c"
    assert verdicts(trace(world, "--down", "node-a")) == {"node-a": "offline", "node-b": True}
    assert world.geoctl("select", "--ip", MOSCOW, "--down", "nope").exit == 2


# --- weights and movement ---


def shares(world, place, n):
    found = select(world, "--place", place, "-n", str(n))
    assert sorted(found) == ["nodes", "refused", "requests"]
    assert found["requests"] == n and found["refused"] == {}
    return found["nodes"]


def test_weights_hold_over_many_cameras(stage):
    facts = town()
    weights = {"node-moscow-1": 100, "node-moscow-2": 100, "node-moscow-3": 50}
    for n in (1, 7, 33):
        weights[f"node-more-{n}"] = n
        facts["nodes"].append(node(f"more-{n}", "ru-msk", weight=n))
    facts["nodes"].append(node("more-0", "ru-msk", weight=0))
    count, total = 100_000, sum(weights.values())
    seen = 0
    for row in shares(stage.world(facts), "RU/MOW", count):
        assert sorted(row) == ["group", "node", "requests", "share_percent", "weight_percent"]
        if row["node"] not in weights:
            assert row["requests"] == 0
            continue
        expected = count * weights[row["node"]] / total
        assert row["group"] == "ru-msk"
        assert abs(row["requests"] - expected) < 4.5 * math.sqrt(expected), row
        assert abs(row["share_percent"] - 100 * row["requests"] / count) < 0.1
        assert abs(row["weight_percent"] - 100 * weights[row["node"]] / total) < 0.1
        assert abs(row["share_percent"] - row["weight_percent"]) < 1
        seen += 1
    assert seen == len(weights)


def test_with_a_camera_all_requests_are_for_that_one(stage):
    found = select(stage.world(), "--ip", MOSCOW, "--server", "100-abcdef", "--camera", "0", "-n", "500")
    assert [row["requests"] for row in found["nodes"] if row["requests"]] == [500]


def test_draws_say_what_is_refused(stage):
    facts = small(node("a", "here", admin="offline"))
    found = stage.world(facts).geoctl("--json", "select", "--ip", MOSCOW, "-n", "50")
    assert found.json()["refused"] == {"no_node": 50}, found


COUNT = 1500


def picks(geod, cameras, client=MOSCOW):
    out = {}
    with geod.connect() as connection:
        for name in cameras:
            answer = connection.ask(target(server="100-many", camera=name, redirect="0"), headers=[("X-Forwarded-For", client)])
            assert answer.status == 200, answer
            out[name] = answer.json()["node"]
    return out


@pytest.fixture(scope="module")
def before(module_stage):
    """(cameras, picks on the town as it is)"""
    facts = town()
    cameras = many_cameras(facts, COUNT)
    return cameras, picks(module_stage.geod(facts=facts), cameras)


def changed_town(change):
    facts = town()
    many_cameras(facts, COUNT)
    change(facts)
    return facts


def test_choice_is_the_same_in_another_process(stage, before):
    assert picks(stage.geod(facts=changed_town(lambda f: None)), before[0]) == before[1]


def test_row_order_does_not_matter(stage, before):
    def shuffle(facts):
        dice = random.Random(6)
        for rows in facts.values():
            dice.shuffle(rows)

    assert picks(stage.geod(facts=changed_town(shuffle)), before[0]) == before[1]


@pytest.mark.parametrize("how", ["removed", "offline", "drain", "weight 0", "unhealthy"])
def test_losing_a_node_moves_exactly_its_own_cameras(stage, before, how):
    def lose(facts):
        lost = facts.node("node-moscow-2")
        if how == "removed":
            facts["nodes"].remove(lost)
        elif how == "weight 0":
            lost["weight"] = 0
        elif how == "unhealthy":
            facts["node_states"] = [{"id": "node-moscow-2", "seen_at": ago(0), "online": False}]
        else:
            lost["admin"] = how

    after = picks(stage.geod(facts=changed_town(lose), health={"report_max_age_s": 3600}), before[0])
    moved = {c for c in before[0] if after[c] != before[1][c]}
    assert moved == {c for c in before[0] if before[1][c] == "node-moscow-2"}
    assert moved
    to_first = sum(after[c] == "node-moscow-1" for c in moved)
    to_third = sum(after[c] == "node-moscow-3" for c in moved)
    assert to_first + to_third == len(moved)
    assert abs(to_first - len(moved) * 2 / 3) < 4.5 * math.sqrt(len(moved) * 2 / 9), "spread by weight"


def test_new_node_takes_only_its_share(stage, before):
    after = picks(stage.geod(facts=changed_town(lambda f: f["nodes"].append(node("moscow-4", "ru-msk", weight=50)))), before[0])
    moved = {c for c in before[0] if after[c] != before[1][c]}
    assert {after[c] for c in moved} == {"node-moscow-4"}
    expected = COUNT * 50 / 300
    assert abs(len(moved) - expected) < 4.5 * math.sqrt(expected)


def test_nodes_elsewhere_and_other_facts_move_nothing(stage, before):
    def other(facts):
        facts["nodes"].append(node("spb-2", "ru-spb"))
        facts["nodes"].remove(facts.node("node-tokyo-1"))
        facts["servers"].append(server("999-new"))
        facts["cameras"].append(camera("999-new", "0"))

    assert picks(stage.geod(facts=changed_town(other)), before[0]) == before[1]


def test_exclude_moves_only_the_excluded_nodes_cameras(before, stage):
    geod = stage.geod(facts=changed_town(lambda f: None))
    with geod.connect() as connection:
        for name in before[0][:200]:
            answer = connection.ask(target(server="100-many", camera=name, redirect="0", exclude="node-moscow-2"), headers=[("X-Forwarded-For", MOSCOW)])
            got = answer.json()["node"]
            assert (got == before[1][name]) == (before[1][name] != "node-moscow-2")


def test_camera_of_the_same_name_on_another_server_is_another_camera(stage):
    facts = town()
    first = many_cameras(facts, 200, "100-many")
    many_cameras(facts, 200, "200-many")
    geod = stage.geod(facts=facts)
    with geod.connect() as connection:
        nodes = {s: [connection.ask(target(server=s, camera=c, redirect="0"), headers=[("X-Forwarded-For", MOSCOW)]).json()["node"] for c in first]
                 for s in ("100-many", "200-many")}
    assert nodes["100-many"] != nodes["200-many"]


# --- the trace ---


def test_trace_walks_the_steps_in_order(stage):
    found = trace(stage.world())
    assert sorted(found) == ["candidates", "client_ip", "code", "location", "steps"]
    assert found["client_ip"] == MOSCOW and found["code"] == "redirect" and found["location"].startswith("https://node-moscow-")
    assert [s["step"] for s in found["steps"]] == ["locate", "group", "select", "authorize", "bill", "inspect", "sign"]
    assert all(s["duration_us"] >= 0 for s in found["steps"])
    assert found["steps"][0]["source"] == "networks"


def test_trace_of_a_refusal_carries_the_code(stage):
    world = stage.world()
    for token, code, exit_code in (("stranger", "forbidden", 3), ("nobody", "token_unknown", 3), ("blocked", "payment_required", 3)):
        output = world.geoctl("--json", "redirect", "--ip", NEW_YORK, "--server", "100-abcdef", "--camera", "0", "--token", token, "--explain")
        assert output.exit == exit_code and output.json()["code"] == code, output
        assert "location" not in output.json() or output.json()["location"] is None
    output = world.geoctl("--json", "redirect", "--ip", FRANKFURT, "--server", "100-abcdef", "--camera", "nope", "--token", "good", "--explain")
    assert output.exit == 4 and output.json()["code"] == "not_found"


def test_select_explains_too(stage):
    world = stage.world()
    found = world.geoctl("--json", "select", "--ip", MOSCOW, "--explain").json()
    assert [s["step"] for s in found["steps"]] == ["locate", "group", "select"]
    assert found["code"] == "redirect" and verdicts(found)
    shown = world.geoctl("select", "--ip", MOSCOW, "--explain", "--down", "node-moscow-1")
    assert shown.exit == 0 and "node-moscow-1" in shown.out and "offline" in shown.out
