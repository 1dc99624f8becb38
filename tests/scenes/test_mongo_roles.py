"""The roles of packaging/mongodb/roles.js are enough for all that geod, geoctl and nodes do, and no more than that."""

import pymongo
import pytest

from support.raw_http import eventually
from support.roles import Relay, roles
from support.town import MOSCOW, town
from support.world import ago

ROWS = {"tokens", "grants", "users", "tariffs", "usage", "servers", "cameras",
        "patterns", "partners", "groups", "places", "networks", "nodes"}


def limited():
    """The town, where "good" may watch four streams."""
    facts = town()
    facts.row("users", id="u1")["tariff"] = "home"
    facts["usage"] = [row for row in facts.get("usage", []) if row["user"] != "u1"]
    return facts


@pytest.fixture
def world(stage, mongo):
    """The town in a MongoDB that nobody guards."""
    world = stage.world(limited(), store=mongo.store())
    assert world.geoctl("data", "import", world.data).exit == 0
    return world


def under(world, relay):
    world.config["store"] = {**world.config["store"], **relay.store()}
    world.write_config()
    return world


def client(relay):
    return pymongo.MongoClient(relay.uri, serverSelectionTimeoutMS=60_000)


def test_geod(stage, mongo, world):
    with Relay(mongo, "geod") as relay:
        geod = stage.geod(under(world, relay))
        assert geod.ask(MOSCOW, access_token="good").status == 302
        assert geod.ask("10.1.1.9", access_token="good").status == 302
        assert [line["lease"] for line in world.log_lines(2)] == ["taken", "taken"]
        assert geod.ask(MOSCOW, camera="1", access_token="guest").status == 302, "who owns nothing has a grant"
        read = {("find", each) for each in ROWS | {"node_states", "versions", "leases"}}
        eventually(lambda: read <= relay.done, "all is read")
        assert relay.refused == []
        assert {pair for pair in relay.done if pair[0] != "find"} == {("insert", "leases"), ("update", "leases")}


def test_geoctl(mongo, world, tmp_path):
    with Relay(mongo, "geoctl") as relay:
        under(world, relay)
        mongo.rows().client.drop_database(mongo.database)
        facts = limited()
        assert world.geoctl("data", "import", world.data).exit == 0
        facts["cameras"] = facts["cameras"][1:]
        facts.row("users", id="u1")["blocked"] = True
        world.write_facts(facts)
        for command in (["data", "import", world.data], ["data", "diff", world.data], ["data", "export", tmp_path / "out"],
                        ["node", "drain", "node-moscow-1"], ["node", "list"], ["token", "revoke", "good"],
                        ["lease", "list", "u1"]):
            told = world.geoctl(*command)
            assert told.exit == 0, told
        assert relay.refused == []
        assert {action for action, _ in relay.done} == set.union(*(actions for actions, _ in roles()["geoctl"]))


def test_who_only_looks_does_with_that_of_geod(mongo, world, tmp_path):
    with Relay(mongo, "geod") as relay:
        under(world, relay)
        for command in (["data", "diff", world.data], ["data", "export", tmp_path / "out"], ["node", "list"],
                        ["lease", "list", "u1"], ["data", "import", world.data, "--dry-run"]):
            told = world.geoctl(*command)
            assert told.exit == 0, told
        assert relay.refused == []
        assert world.geoctl("token", "revoke", "good").exit == 5
        assert relay.refused == [("remove", "tokens")]


@pytest.mark.parametrize("role, collection, row", [
    ("geo_node", "node_states", {"seen_at": ago(0), "online": True, "load": 0.4}),
    ("geo_usage", "usage", {"streams": 2, "reported_at": ago(0)}),
])
def test_who_reports(mongo, world, role, collection, row):
    with Relay(mongo, role) as relay, client(relay) as reporter:
        rows = reporter[mongo.database]
        for _ in range(2):
            rows[collection].update_one({"_id": "u1"}, {"$set": row}, upsert=True)
        assert relay.done == {("update", collection), ("insert", collection)} and relay.refused == []
        for refused in (lambda: rows.tokens.find_one(), lambda: rows[collection].delete_one({"_id": "u1"}),
                        lambda: rows.users.insert_one({"_id": "u9"})):
            with pytest.raises(pymongo.errors.OperationFailure):
                refused()
