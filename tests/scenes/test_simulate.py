"""geoctl simulate: traffic, load, events and figures, by geod's own code."""

import json
import xml.etree.ElementTree as ElementTree

import pytest
from support import city
from support.town import node, town

SIZE = ["--requests", "4000", "--rate", "100", "--cameras", "500", "--length-s", "10"]


def simulate(world, *arguments, size=SIZE):
    output = world.geoctl("--json", "simulate", *size, *arguments)
    assert output.exit == 0, output
    assert output.err == "", output
    return output.json()


def row(figures, node_id):
    return next(each for each in figures["nodes"] if each["node"] == node_id)


def picks(world, *arguments, size=SIZE):
    file = world.path / "picks.jsonl"
    simulate(world, "--picks", file, *arguments, size=size)
    return [json.loads(line) for line in file.read_text().splitlines()]


@pytest.fixture(scope="module")
def world(module_stage):
    return module_stage.world()


def test_figures_are_those_of_the_contract(world):
    figures = simulate(world)
    assert list(figures) == ["seed", "requests", "refused", "nodes", "peak_over_mean", "distance_km", "spill_percent", "nodes_per_camera"]
    assert list(figures["nodes"][0]) == ["node", "group", "requests", "share_percent", "weight_percent", "running_max"]
    assert (figures["seed"], figures["requests"], figures["refused"]) == (1, 4000, {})
    assert sum(each["requests"] for each in figures["nodes"]) == 4000
    assert figures["spill_percent"] == 0 and figures["peak_over_mean"] > 1 and 1 <= figures["nodes_per_camera"] < 5
    moscow = [row(figures, f"node-moscow-{i}") for i in (1, 2, 3)]
    assert [each["weight_percent"] for each in moscow] == [40, 40, 20]
    assert sum(each["share_percent"] for each in moscow) == pytest.approx(100, abs=0.01)


def test_the_same_seed_gives_the_same_bytes(world):
    def run(*arguments):
        svg, file = world.path / "a.svg", world.path / "a.jsonl"
        out = world.geoctl("--json", "simulate", *SIZE, "--svg", svg, "--picks", file, *arguments)
        assert out.exit == 0, out
        return out.out, svg.read_bytes(), file.read_bytes()

    assert run("--seed", "7") == run("--seed", "7")
    assert run("--seed", "7")[2] != run("--seed", "8")[2]


def test_picks_add_up_to_the_figures(world):
    figures, lines = simulate(world), picks(world)
    assert len(lines) == 4000
    assert list(lines[0]) == ["t", "client_ip", "server", "camera", "group", "node", "code"]
    for each in figures["nodes"]:
        assert sum(line["node"] == each["node"] for line in lines) == each["requests"]
    times = [line["t"] for line in lines]
    assert times == sorted(times) and 36 < times[-1] < 44
    pairs = {(line["camera"], line["node"]) for line in lines}
    assert figures["nodes_per_camera"] == pytest.approx(len(pairs) / len({line["camera"] for line in lines}), abs=0.001)
    assert {line["code"] for line in lines} == {"redirect"}


def test_choices_are_those_of_select(stage):
    """With the bound off nothing but client and camera decides."""
    world = stage.world()
    for line in picks(world, size=["--requests", "20"]):
        chosen = world.geoctl("--json", "select", "--ip", line["client_ip"], "--server", line["server"], "--camera", line["camera"]).json()
        assert (chosen["node"], chosen["group"]) == (line["node"], line["group"])


def test_a_node_that_is_down_gets_nothing_until_it_is_up(world):
    lines = picks(world, "--event", "10:down:node-moscow-1", "--event", "20:up:node-moscow-1", "--event", "30:drain:node-moscow-1")
    times = [line["t"] for line in lines if line["node"] == "node-moscow-1"]
    assert any(t < 10 for t in times) and any(20 <= t < 30 for t in times)
    assert not any(10 <= t < 20 or t >= 30 for t in times)


def test_a_group_that_is_down_spills_and_one_without_fallbacks_refuses(stage):
    facts = town()
    facts.group("us")["fallback"] = []
    world = stage.world(facts)
    figures = simulate(world, "--event", "0:down:node-tokyo-1", "--event", "20:down:node-newyork-1")
    assert 10 < figures["spill_percent"] < 40
    assert row(figures, "node-tokyo-1")["requests"] == 0
    assert set(figures["refused"]) == {"no_node"} and 500 < figures["refused"]["no_node"] < 1500
    lines = picks(world, "--event", "0:down:node-newyork-1")
    refused = [line for line in lines if line["code"] == "no_node"]
    assert refused and all(line["node"] is None and line["group"] == "us" for line in refused)


def test_capacity_binds_with_reports_and_not_without(stage):
    facts = town()
    for each in facts["nodes"]:
        each["capacity"] = 30
    world = stage.world(facts)
    figures = simulate(world)
    assert all(each["running_max"] <= 30 for each in figures["nodes"])
    assert figures["refused"]["no_node"] > 100
    assert simulate(world, "--no-reports")["refused"] == {}
    # each of three fills what it sees
    assert max(each["running_max"] for each in simulate(world, "--geods", "3")["nodes"]) > 30


def test_bounded_load_holds_the_popular_camera_down(stage):
    popular = ["--requests", "20000", "--rate", "500", "--cameras", "1", "--length-s", "5"]

    def peak(factor):
        return simulate(stage.world(one_group(), balance={"balance_factor": factor}), size=popular)["peak_over_mean"]

    assert peak(1.25) < 1.4
    assert peak(0) == pytest.approx(4, abs=0.01)  # one of four has it all


def one_group():
    facts = town()
    facts["groups"] = [{"id": "eu", "coordinates": [50.11, 8.68], "country": "DE"}]
    facts["networks"] = [{"cidr": "10.1.0.0/16", "group": "eu"}]
    facts["places"] = []
    for partner in facts["partners"]:
        partner["default_group"] = "eu"
    facts["nodes"] = [node(str(i), "eu", 100) for i in range(4)]
    return facts


def twenty_nodes():
    facts = one_group()
    facts["nodes"] = [node(str(i), "eu", (100, 200, 400)[i % 3]) for i in range(20)]
    return facts


POPULAR = ["--requests", "40000", "--cameras", "100000", "--zipf", "1.1", "--rate", "200", "--length-s", "30"]


def test_popular_cameras_spread_over_few_nodes_and_the_others_stay_where_they_are(stage):
    """tests/bench/simulation has the figures."""
    world = stage.world(twenty_nodes(), balance={"balance_factor": 1.25})
    figures, lines = simulate(world, size=POPULAR), picks(world, size=POPULAR)
    plain = picks(stage.world(twenty_nodes(), balance={"balance_factor": 0}), size=POPULAR)
    first = {line["camera"]: line["node"] for line in plain}
    assert figures["peak_over_mean"] <= 1.25
    assert figures["nodes_per_camera"] <= 1.15
    rare = [line for line in lines if int(line["camera"]) > 200]
    assert len(rare) > 10000
    assert sum(line["node"] == first[line["camera"]] for line in rare) >= 0.9 * len(rare)


def test_a_node_that_is_lost_moves_its_own_cameras_and_few_others(stage):
    def moved(factor):
        world = stage.world(twenty_nodes(), balance={"balance_factor": factor})
        before, after = picks(world, size=POPULAR), picks(world, "--event", "0:down:node-8", size=POPULAR)
        own = {line["camera"] for line in before if line["node"] == "node-8"}
        of_moved = {old["camera"] for old, new in zip(before, after) if old["node"] != new["node"]}
        others = {line["camera"] for line in before} - own
        return len(of_moved & own) / len(own), len(of_moved & others) / len(others)

    assert moved(0) == (1, 0)
    own, others = moved(1.25)
    assert own == 1 and others <= 0.02


def test_least_loaded_stays_even_however_old_reports_are(stage):
    facts = one_group()
    facts["nodes"] = [node(str(i), "eu", 100) for i in range(10)]
    size = ["--requests", "90000", "--cameras", "100000", "--rate", "1000", "--length-s", "30"]
    assert simulate(stage.world(facts, balance={"policy": "least_loaded"}), size=size)["peak_over_mean"] <= 1.15


def test_traffic_of_an_access_log_is_asked_again(stage):
    world = stage.world()
    geod = stage.geod(world)
    for camera in ("0", "1", "2"):
        assert geod.ask("10.1.0.7", camera=camera).status == 302
    assert geod.ask("10.2.0.7", camera="0", access_token="nobody").status == 401
    logged = [line for line in world.log_lines(4) if line["code"] == "redirect"]
    lines = picks(world, "--traffic", world.access_log, size=[])
    assert [(line["client_ip"], line["camera"], line["node"]) for line in lines] == [("10.1.0.7", each["camera"], each["node"]) for each in logged]
    assert lines[0]["t"] == 0 and lines[-1]["t"] < 60


def test_traffic_of_addresses_is_asked_in_their_order(world):
    file = world.path / "addresses"
    file.write_text("10.1.0.1\n10.5.0.1\n\n2001:db8:2::1\n203.0.113.9\n")
    lines = picks(world, "--traffic", file, size=[])
    assert [line["client_ip"] for line in lines] == ["10.1.0.1", "10.5.0.1", "2001:db8:2::1", "203.0.113.9"]
    assert [line["group"] for line in lines] == ["ru-msk", "asia", "ru-spb", "eu"]


def test_clients_come_from_the_city_database_where_there_is_one(stage):
    world = stage.world(resolver={"providers": ["networks", "maxmind"]}, resolver__maxmind={"files": ["city.mmdb"]})
    city.put(world.path / "city.mmdb")
    lines = picks(world)
    found = {line["client_ip"].split(".")[0] for line in lines if ":" not in line["client_ip"]}
    assert found == {"5", "77", "8"}
    share = [sum(line["client_ip"].startswith(start) for line in lines) / len(lines) for start in ("5.9.", "77.88.", "2a02:6b8:", "2001:4860:")]
    # half by each family; 65,536, 16,384 and 256 addresses of IPv4, two /32 of IPv6
    addresses = 65536 + 16384 + 256
    assert share == pytest.approx([0.5 * 65536 / addresses, 0.5 * 16384 / addresses, 0.25, 0.25], abs=0.03)
    far = simulate(world)["distance_km"]
    assert 0 <= far["median"] <= far["p90"] <= far["p99"] < 20015


def test_distance_is_the_great_circle_between_client_and_node(stage):
    facts = one_group()
    facts["networks"] = [{"cidr": "10.1.0.0/16", "country": "DE", "coordinates": [0.0, 90.0]}]
    facts["groups"][0]["coordinates"] = [0.0, 0.0]
    far = simulate(stage.world(facts))["distance_km"]
    assert far == {"median": 10007.5, "p90": 10007.5, "p99": 10007.5}
    assert simulate(stage.world(one_group()))["distance_km"] is None


def test_the_picture_is_svg_and_says_what_it_is_of(world):
    file = world.path / "load & more.svg"
    simulate(world, "--svg", file, "--event", "10:down:node-moscow-1")
    root = ElementTree.parse(file).getroot()
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    text = " ".join(each.text or "" for each in root.iter("{http://www.w3.org/2000/svg}text"))
    for word in ("seed 1", "load & more.svg", "node-moscow-1 down", "ru-msk", "4,000 requests", "warm-up"):
        assert word in text, word


def test_people_get_a_table(world):
    output = world.geoctl("simulate", *SIZE)
    assert output.exit == 0
    lines = output.out.splitlines()
    assert lines[0].split() == ["NODE", "GROUP", "REQUESTS", "SHARE", "WEIGHT", "RUNNING", "MAX"]
    assert any(line.startswith("peak over mean") for line in lines)


@pytest.mark.parametrize("arguments, told", [
    (["--event", "10:down:nobody"], "there is no node"),
    (["--event", "10:sideways:node-moscow-1"], "none of down, up and drain"),
    (["--event", "soon:down:node-moscow-1"], "no number of seconds"),
    (["--event", "-1:down:node-moscow-1"], "no number of seconds"),
    (["--event", "10"], "SECOND:down|up|drain:NODE"),
    (["--requests", "0"], "requests"),
    (["--requests", "1e3"], "requests"),
    (["--rate", "0"], "rate"),
    (["--rate", "nan"], "rate"),
    (["--rate", "0.001"], "rate: 100000 requests at 0.001 a second take more than 31 days"),
    (["--zipf", "-1"], "zipf"),
    (["--length-s", "x"], "length-s"),
    (["--seed", "-1"], "seed"),
    (["--geods", "0"], "geods"),
    (["--requests", "10", "--traffic", "/dev/null"], "--traffic or --requests"),
    (["--traffic", "/nowhere/access.log"], "/nowhere/access.log"),
    (["--traffic", "/dev/null"], "no addresses"),
    (["--svg", "/nowhere/load.svg"], "svg: /nowhere/load.svg"),
    (["--picks", "/nowhere/picks"], "picks: /nowhere/picks"),
], ids=lambda value: " ".join(value) if isinstance(value, list) else "")
def test_what_is_wrong_is_named(world, arguments, told):
    output = world.geoctl("simulate", *arguments)
    assert output.exit == 2 and told in output.err and output.out == "", output


def test_a_city_database_that_cannot_be_used_is_named(stage):
    world = stage.world(resolver={"providers": ["maxmind"]}, resolver__maxmind={"files": ["city.mmdb"]})
    (world.path / "city.mmdb").write_text("nothing")
    output = world.geoctl("simulate")
    assert output.exit == 2 and "city.mmdb" in output.err


def test_upstreams_are_not_asked(stage):
    world = stage.world(resolver={"providers": ["networks", "ip-api"]}, **{"resolver.ip-api": {"url": "http://127.0.0.1:1"}})
    output = world.geoctl("--json", "simulate", *SIZE)
    assert output.exit == 0 and "ip-api is not asked" in output.err
