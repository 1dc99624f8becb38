"""geod and geoctl answer the same: the URL, the node, the code. GEO_LONG=1 tries 10,000 combinations."""

import concurrent.futures
import random
import time

import pytest

from support import signing
from support.town import many_cameras, town
from support.world import LONG, target

COMBINATIONS = 10_000 if LONG else 300
HOSTS = {"geo.example.com": "default", "acme.example.com": "acme", "unknown.example.com": "default"}


def varied_town():
    facts = town()
    many_cameras(facts, 500)
    facts["nodes"][0]["partners"] = ["acme"]
    facts["nodes"][1]["formats"] = ["flv", "hls"]
    facts.node("node-spb-1")["admin"] = "drain"
    facts.group("asia")["forbid"] = ["US>*", "*>JP"]
    facts["node_states"] = []
    return facts


def combination(dice, nodes):
    """One request, as geod and as geoctl are asked."""
    client = dice.choice([
        f"10.{dice.randrange(1, 7)}.{dice.randrange(256)}.{dice.randrange(256)}", f"2001:db8:{dice.randrange(4)}::{dice.randrange(1, 9999):x}",
        f"{dice.randrange(1, 224)}.{dice.randrange(256)}.{dice.randrange(256)}.{dice.randrange(1, 255)}", f"::ffff:10.1.0.{dice.randrange(256)}"])
    server, camera = dice.choice([("100-many", f"c{dice.randrange(500)}")] * 8 + [
        ("100-abcdef", dice.choice(["0", "5", "dark", "flv-cam", "nope", "a b"])), ("200-dark", "0"), ("300-acme", "0"), ("900-none", "0")])
    token = dice.choice(["good"] * 8 + ["expired", "stranger", "blocked", "nobody", "flv-fan", "guest", "a+b/c=d~", None])
    exclude = ",".join(dice.sample(nodes, dice.randrange(1, 5))) if dice.random() < 0.4 else None
    return {"client": client, "server": server, "camera": camera, "token": token, "exclude": exclude,
            "format": dice.choice(["flv", "hls", "ws-fmp4"]), "host": dice.choice(list(HOSTS))}


def ask_geod(connection, it):
    wanted = target("/" + it["format"], it["server"], it["camera"], it["token"], exclude=it["exclude"], redirect="0")
    answer = connection.ask(wanted, host=it["host"], headers=[("X-Forwarded-For", it["client"])])
    return answer.json()


def ask_geoctl(world, it, at, *more):
    arguments = ["--json", "redirect", "--ip", it["client"], "--server", it["server"], "--camera", it["camera"],
                 "--format", it["format"], "--partner", HOSTS[it["host"]], "--at", at, *more]
    for option in ("token", "exclude"):
        arguments += [f"--{option}", it[option]] if it[option] is not None else []
    return world.geoctl(*arguments).json()


def essence(body):
    """What both must agree in."""
    if "code" in body:
        return {key: body[key] for key in ("code", "status", "title")}
    return body


def compare(geod, combinations, geoctl_world=None, *more):
    with geod.connect() as connection:
        asked = []
        for it in combinations:
            body = ask_geod(connection, it)
            at = int(signing.parameter(body["location"], "exp")) - 300 if "location" in body else int(time.time())
            asked.append((it, body, at))
    with concurrent.futures.ThreadPoolExecutor(2) as workers:
        answers = workers.map(lambda a: ask_geoctl(geoctl_world or geod.world, a[0], a[2], *more), asked)
        for (it, body, _), offline in zip(asked, answers):
            assert essence(offline) == essence(body), it
    return [body.get("code", "redirect") for _, body, _ in asked]


@pytest.fixture(scope="module")
def geod(module_stage):
    return module_stage.geod(facts=varied_town(), health={"report_max_age_s": 3600})


def test_random_combinations(geod):
    dice = random.Random(7)
    nodes = [n["id"] for n in varied_town()["nodes"]] + ["node-nobody-knows"]
    codes = compare(geod, [combination(dice, nodes) for _ in range(COMBINATIONS)])
    assert codes.count("redirect") > COMBINATIONS / 5
    assert len(set(codes)) > 7, set(codes)


@pytest.mark.parametrize("down", [["node-moscow-1"], ["node-moscow-2", "node-moscow-3"], ["node-frankfurt-1", "node-newyork-1", "node-tokyo-1"]])
def test_what_if_agrees_with_a_geod_on_a_topology_edited_so(stage, geod, down):
    facts = varied_town()
    for name in down:
        facts.node(name)["admin"] = "offline"
    edited = stage.geod(facts=facts, health={"report_max_age_s": 3600})
    dice = random.Random(8)
    nodes = [n["id"] for n in facts["nodes"]]
    options = [word for name in down for word in ("--down", name)]
    compare(edited, [combination(dice, nodes) for _ in range(COMBINATIONS // 10)], geod.world, *options)


def test_bound_url_agrees_too(stage):
    geod = stage.geod(facts=varied_town(), signing={"bind_client_ip": True}, redirect={"token": "drop"})
    dice = random.Random(9)
    compare(geod, [combination(dice, [n["id"] for n in town()["nodes"]]) for _ in range(20)])


def test_explain_tells_the_same_as_the_redirect(geod):
    dice = random.Random(10)
    nodes = [n["id"] for n in varied_town()["nodes"]]
    for _ in range(40):
        it = combination(dice, nodes)
        at = int(time.time())
        plain, trace = ask_geoctl(geod.world, it, at), ask_geoctl(geod.world, it, at, "--explain")
        assert trace["code"] == plain.get("code", "redirect")
        if "location" in plain:
            assert trace["location"] == plain["location"]
            assert [c["node"] for c in trace["candidates"] if c.get("chosen")] == [plain["node"]]
