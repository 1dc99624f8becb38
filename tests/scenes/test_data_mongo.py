"""What operators do to a store in MongoDB: import, export, diff, nodes, tokens, leases; and an import that is killed."""

import datetime
import os
import random
import re
import shlex
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

import bson
import pytest

from support import raw_http
from support.town import town
from support.world import BIN, LONG, REPO, environment, geoctl, run_geod

DEMO = REPO / "config" / "demo"
FILES = ("topology.toml", "accounts.toml", "devices.toml")


@pytest.fixture
def world(stage, mongo):
    """A world whose store is an empty database; its town is in `world.data`."""
    return stage.world(store=mongo.store())


@pytest.fixture
def full(world):
    assert world.geoctl("data", "import", world.data).exit == 0
    return world


def rewrite(world, change):
    facts = town()
    change(facts)
    world.write_facts(facts)


def texts(folder):
    return {name: (folder / name).read_text() for name in FILES}


# ---- what README shows


def test_readme(mongo, tmp_path):
    begins = "export GEO_STORE_KIND=mongodb GEO_STORE_URI=mongodb://127.0.0.1:27017"
    block = re.search(rf"^```bash\n({begins}\n.*?)^```$", (REPO / "README.md").read_text(), re.S | re.M)[1]
    block = block.replace("mongodb://127.0.0.1:27017", shlex.quote(mongo.uri)).replace("/tmp/copy", str(tmp_path / "copy"))
    env = environment({"PATH": f"{BIN}:{os.environ['PATH']}", "GEO_STORE_DATABASE": mongo.database})
    done = subprocess.run(["bash", "-ec", block], capture_output=True, text=True, timeout=120, env=env, cwd=REPO, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert geoctl("data", "validate", tmp_path / "copy").exit == 0
    assert mongo.rows().nodes.find_one({"id": "node-moscow-1"})["admin"] == "drain"


# ---- import, export, diff


def test_what_was_imported_comes_out_again(world, tmp_path):
    imported = world.geoctl("--json", "data", "import", DEMO)
    assert imported.exit == 0 and imported.json()["topology"] is True
    assert world.geoctl("data", "export", tmp_path / "out").exit == 0
    assert geoctl("data", "validate", tmp_path / "out").exit == 0
    assert world.geoctl("data", "diff", tmp_path / "out").exit == 0
    assert world.geoctl("data", "diff", DEMO).exit == 0
    assert world.geoctl("data", "export", tmp_path / "again").exit == 0
    assert texts(tmp_path / "out") == texts(tmp_path / "again")


def test_a_second_import_changes_nothing(full, mongo):
    before = mongo.rows().versions.find_one({"_id": "topology"})
    again = full.geoctl("--json", "data", "import", full.data)
    assert again.exit == 0 and again.json() == {"topology": False, "written": 0, "removed": 0}
    assert mongo.rows().versions.find_one({"_id": "topology"}) == before
    assert "equal already" in full.geoctl("data", "import", full.data).out


def test_a_dry_run_writes_nothing(world, mongo):
    told = world.geoctl("data", "import", world.data, "--dry-run")
    assert told.exit == 0 and "+ nodes node-moscow-1\n" in told.out
    assert mongo.rows().list_collection_names() == []


def test_diff_tells_each_row_and_value(full):
    def change(facts):
        facts.node("node-moscow-1")["weight"] = 50.0
        facts["nodes"] = [row for row in facts["nodes"] if row["id"] != "node-tokyo-1"]
        facts.add("cameras", server="100-abcdef", id="new", online=True, streams=["flv"])

    rewrite(full, change)
    told = full.geoctl("data", "diff", full.data)
    assert told.exit == 6
    assert told.out.splitlines() == ["~ nodes node-moscow-1: weight 100 -> 50", "- nodes node-tokyo-1", "+ cameras 100-abcdef/new"]
    assert full.geoctl("--json", "data", "diff", full.data).json_lines()[0] == {
        "table": "nodes", "key": "node-moscow-1", "change": "changed",
        "values": [{"key": "weight", "before": "100", "after": "50"}]}
    assert full.geoctl("data", "import", full.data).exit == 0
    assert full.geoctl("data", "diff", full.data).exit == 0


def test_bad_data_is_not_imported(full, mongo):
    rewrite(full, lambda facts: facts.node("node-moscow-1").update(group="nowhere"))
    refused = full.geoctl("data", "import", full.data)
    assert refused.exit == 2 and "nodes.group: no group" in refused.err
    assert mongo.rows().nodes.count_documents({}) == len(town()["nodes"])


def test_every_document_that_cannot_be_read_is_told(full, mongo, tmp_path):
    mongo.rows().cameras.insert_one({"_id": "100-abcdef/bad", "online": "yes", "streams": ["flv"]})
    mongo.rows().users.insert_one({"_id": "bad", "tariff": 7})
    for command in ("export", "diff"):
        refused = full.geoctl("data", command, tmp_path / "out" if command == "export" else full.data)
        assert refused.exit == 2
        assert "cameras 100-abcdef/bad: online: expected true or false" in refused.err
        assert "users bad: tariff: expected a string" in refused.err
    assert not (tmp_path / "out").exists()
    assert full.geoctl("data", "import", full.data).exit == 0
    assert full.geoctl("data", "diff", full.data).exit == 0


def test_more_streams_than_leases_are_kept_account_of_is_noted(world):
    rewrite(world, lambda facts: facts.row("tariffs", id="home").update(max_streams=5001))
    told = world.geoctl("data", "import", world.data)
    assert told.exit == 0 and told.err.startswith("note: tariffs home: max_streams 5001: "), told


def test_an_empty_store_is_neither_exported_nor_listed(world, tmp_path):
    for command in (["data", "export", tmp_path / "out"], ["node", "list"]):
        refused = world.geoctl(*command)
        assert refused.exit == 2 and refused.err.startswith("invalid_config: the store ") and "holds no topology" in refused.err
        assert refused.out == ""
    assert not (tmp_path / "out").exists()


def test_an_export_writes_all_or_nothing_and_for_its_owner_alone(full, tmp_path):
    out = tmp_path / "out"
    assert full.geoctl("data", "export", out).exit == 0
    assert {(out / name).stat().st_mode & 0o777 for name in FILES} == {0o600}, "they hold hashes of tokens"
    before = texts(out)
    assert full.geoctl("node", "drain", "node-moscow-1").exit == 0
    (out / "devices.toml").unlink()
    (out / "devices.toml").mkdir()
    refused = full.geoctl("data", "export", out)
    assert refused.exit == 2 and refused.err == f"bad_request: {out}/devices.toml: cannot be written: is no regular file\n"
    assert (out / "topology.toml").read_text() == before["topology.toml"]
    assert {path.name for path in out.iterdir()} == set(FILES), "nothing else is left"


def test_a_newer_schema_is_left_alone(full, mongo):
    mongo.rows().versions.update_one({"_id": "topology"}, {"$set": {"schema": 2}})
    for arguments in (["data", "import", full.data], ["data", "diff", full.data], ["node", "list"], ["node", "drain", "node-tokyo-1"]):
        refused = full.geoctl(*arguments)
        assert refused.exit == 2 and "the store has schema 2" in refused.err, refused


@pytest.mark.files
def test_files_are_no_target(stage):
    world = stage.world()
    for command in ("import", "export", "diff"):
        refused = world.geoctl("data", command, world.data)
        assert refused.exit == 2 and '[store] kind is "files"' in refused.err


def closed_port():
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


def answer_logins(connection):
    """Greets, and answers every login that there is no such user."""
    with connection:
        while len(header := connection.recv(16, socket.MSG_WAITALL)) == 16:
            length, number, _, kind = struct.unpack("<iiii", header)
            connection.recv(length - 16, socket.MSG_WAITALL)
            if kind == 2004:  # OP_QUERY: a greeting
                said = struct.pack("<iqii", 8, 0, 0, 1) + bson.encode({"ok": 1, "ismaster": True, "maxWireVersion": 17})
            else:  # OP_MSG
                said = struct.pack("<iB", 0, 0) + bson.encode({"ok": 0, "code": 18, "errmsg": "no user geo with s3cret"})
            connection.sendall(struct.pack("<iiii", 16 + len(said), 1, number, 1 if kind == 2004 else 2013) + said)


@pytest.fixture
def doorkeeper():
    """The port of a server that lets nobody in."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=answer_logins, args=(connection,), daemon=True).start()

    thread = threading.Thread(target=serve)
    thread.start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()


def check_every_command(stage, port, why):
    """Each ends long before a patience of its own would, and tells whom it asked, what became of it, and no secret."""
    world = stage.world(
        store={"kind": "mongodb", "uri": f"mongodb://geo:s3cret@127.0.0.1:{port}/?authSource=admin", "database": "geo"},
        deadline={"store_ms": 200, "request_ms": 600})
    camera = ["--server", "100-abcdef", "--camera", "0"]
    for arguments in (["data", "import", world.data], ["data", "import", world.data, "--dry-run"], ["data", "diff", world.data],
                      ["data", "export", world.path / "out"], ["node", "list"], ["node", "drain", "node-tokyo-1"],
                      ["token", "revoke", "good"], ["lease", "list", "u1"], ["token", "check", "good", *camera],
                      ["billing", "check", "u1", *camera], ["select", "--ip", "10.1.1.1"], ["resolve", "10.1.1.1"],
                      ["redirect", "--ip", "10.1.1.1", "--token", "good", *camera]):
        began = time.monotonic()
        told = world.geoctl(*arguments)
        assert time.monotonic() - began < 4, told
        assert told.exit == 5 and told.err.startswith(f"upstream_unavailable: the store 127.0.0.1:{port}/geo: {why}"), told
        assert "s3cret" not in told.err + told.out, told


def test_a_store_that_refuses_connections(stage):
    check_every_command(stage, closed_port(), "not reachable: connection refused")


def test_a_store_that_is_silent(stage, own_mongo):
    own_mongo.server.stop()
    check_every_command(stage, own_mongo.server.port, "timed out: no answer within")


def test_a_store_that_refuses_the_login(stage, doorkeeper):
    check_every_command(stage, doorkeeper, "authentication failed")


def test_a_check_tells_of_a_password_that_is_not_taken(stage, doorkeeper):
    world = stage.world(store={"kind": "mongodb", "uri": f"mongodb://geo:s3cret@127.0.0.1:{doorkeeper}/", "database": "geo"})
    told = run_geod(world, "--check")
    assert told.exit == 2 and "store: authentication failed" in told.err and "s3cret" not in told.err, told
    told = world.geoctl("config", "check")
    assert told.exit == 6 and "authentication failed" in told.out + told.err, told


def test_the_uri_may_be_in_a_file(stage, mongo):
    store = mongo.store()
    world = stage.world(store={**store, "uri": "", "uri_file": "store.uri"})
    (world.path / "store.uri").write_text(store["uri"] + "\n")
    assert world.geoctl("data", "import", world.data).exit == 0


# ---- killed, two at once


@pytest.fixture(scope="module")
def big(tmp_path_factory):
    """More rows than one step writes; another topology than the town's."""
    folder = tmp_path_factory.mktemp("big")
    maker = REPO / "tests" / "support" / "make_store.py"
    subprocess.run([sys.executable, maker, "--cameras", "6000", "--grants", "2000", folder], check=True)
    return folder


def start_import(world, folder):
    return subprocess.Popen([BIN / "geoctl", "--config", world.config_file, "data", "import", folder],
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment())


def nodes(world):
    listed = world.geoctl("--json", "node", "list")
    assert listed.exit == 0, listed
    return {row["id"] for row in listed.json_lines()}


MIDWAY = [("tokens", 1), ("nodes", 1), ("cameras", 1), ("cameras", 3000), ("grants", 1)]  # so many more rows are there


def import_midway(world, mongo, directory, seed, places):
    """One that has come to one of these places, or to its end."""
    collection, rows = random.Random(seed).choice(places)
    store = mongo.rows()[collection]
    enough = store.count_documents({}) + rows
    running = start_import(world, directory)
    while running.poll() is None and store.count_documents({}) < enough:
        pass
    return running


@pytest.mark.parametrize("seed", range(20 if LONG else 4))
def test_an_import_that_is_killed_leaves_nothing_half(full, mongo, big, seed):
    old = nodes(full)
    running = import_midway(full, mongo, big, seed, [*MIDWAY, ("usage", 0)])
    running.kill()
    running.wait()
    assert nodes(full) in (old, {"node-1"})
    mongo.rows().versions.delete_one({"_id": "import"})  # as when 10 s have passed
    assert full.geoctl("data", "import", big).exit == 0
    assert full.geoctl("data", "diff", big).exit == 0
    assert nodes(full) == {"node-1"} and mongo.rows().nodes.count_documents({}) == 1


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_an_import_that_is_told_to_end_gives_its_lock_back(full, mongo, big, end):
    running, _ = stop_import(full, mongo, big)
    running.send_signal(end)
    running.send_signal(signal.SIGCONT)
    assert running.wait(60) == -end
    assert mongo.rows().versions.find_one({"_id": "import"}) is None
    assert full.geoctl("data", "import", big).exit == 0
    assert full.geoctl("data", "diff", big).exit == 0


@pytest.mark.parametrize("way", ["killed", "stopped"])
@pytest.mark.parametrize("seed", range(6 if LONG else 2))
def test_an_import_that_loses_the_store_leaves_nothing_half(stage, own_mongo, big, way, seed):
    world = stage.world(store=own_mongo.store())
    assert world.geoctl("data", "import", world.data).exit == 0
    old = nodes(world)
    running = import_midway(world, own_mongo, big, seed, MIDWAY)
    server = own_mongo.server
    if way == "killed":
        server.kill()
        assert running.wait(60) in (0, 5)
        server.start()
    else:
        server.stop()
        if LONG:
            assert running.wait(90) in (0, 5), "the answer to a thousand rows may take 30 s, then it gives up"
        running.kill()
        running.wait()
        server.cont()
    assert nodes(world) in (old, {"node-1"})
    own_mongo.rows().versions.delete_one({"_id": "import"})  # as when 10 s have passed
    assert world.geoctl("data", "import", big).exit == 0
    assert world.geoctl("data", "diff", big).exit == 0
    assert nodes(world) == {"node-1"} and own_mongo.rows().nodes.count_documents({}) == 1


@pytest.mark.skipif(not LONG, reason="GEO_LONG=1: minutes on the servers of the tests")
def test_a_large_import_shows_how_far_it_is_and_stays_below_a_gibibyte(world, tmp_path):
    folder = tmp_path / "large"
    maker = REPO / "tests" / "support" / "make_store.py"
    subprocess.run([sys.executable, maker, "--cameras", "200000", "--grants", "50000", folder], check=True)
    leader, follower = os.openpty()
    running = subprocess.Popen([BIN / "geoctl", "--config", world.config_file, "data", "import", folder],
                               stdout=subprocess.PIPE, stderr=follower, env=environment(), text=True)
    os.close(follower)
    shown = b""
    while True:
        try:
            some = os.read(leader, 65536)
        except OSError:  # the other side is closed
            break
        shown += some
    os.close(leader)
    out = running.stdout.read()
    _, status, usage = os.wait4(running.pid, 0)
    running.returncode = os.waitstatus_to_exitcode(status)
    assert running.returncode == 0, shown[-500:]
    assert "; a new version of the topology holds" in out
    parts = [int(part) for part in re.findall(rb"\[[#-]{20}\] +(\d+)%", shown)]
    assert len(parts) > 5 and parts == sorted(parts) and parts[0] < 50, "it shows how far it is"
    assert usage.ru_maxrss < 1024 * 1024, f"{usage.ru_maxrss} KiB"
    assert world.geoctl("data", "diff", folder).exit == 0


def test_the_lock_of_a_dead_import_lapses(full, mongo):
    in_10_s = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=10)
    mongo.rows().versions.insert_one({"_id": "import", "owner": "host-9/4711/0", "until": in_10_s})
    refused = full.geoctl("data", "import", full.data)
    assert refused.exit == 5 and "another import is under way, host host-9, process 4711" in refused.err
    while (again := full.geoctl("data", "import", full.data)).exit == 5:
        assert datetime.datetime.now(datetime.timezone.utc) < in_10_s + datetime.timedelta(seconds=60)
    assert again.exit == 0


def stop_import(world, mongo, folder):
    """An import that has the lock, has switched nothing yet, and sleeps."""
    before = mongo.rows().versions.find_one({"_id": "topology"})
    while True:
        running = start_import(world, folder)
        raw_http.eventually(lambda: mongo.rows().versions.find_one({"_id": "import"}) or running.poll() is not None, "an import")
        running.send_signal(signal.SIGSTOP)
        lock = mongo.rows().versions.find_one({"_id": "import"})
        if lock and mongo.rows().versions.find_one({"_id": "topology"}) == before:
            return running, lock
        running.send_signal(signal.SIGCONT)
        running.wait()
        assert world.geoctl("data", "import", world.data).exit == 0
        before = mongo.rows().versions.find_one({"_id": "topology"})


def test_whoever_lost_the_lock_gives_up(full, mongo, big):
    running, lock = stop_import(full, mongo, big)
    try:
        refused = full.geoctl("data", "import", full.data)
        assert refused.exit == 5 and f"process {running.pid}" in refused.err
        # it sleeps past its time, and somebody else takes over
        mongo.rows().versions.update_one({"_id": "import", "owner": lock["owner"]}, {"$set": {"until": town_time(0)}})
        assert full.geoctl("data", "import", DEMO).exit == 0
        switched = mongo.rows().versions.find_one({"_id": "topology"})
    finally:
        running.send_signal(signal.SIGCONT)
    assert running.wait() == 5
    assert mongo.rows().versions.find_one({"_id": "topology"}) == switched


def town_time(seconds):
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)


# ---- by hand


def test_a_node_is_drained_in_mongodb(full, mongo):
    before = mongo.rows().versions.find_one({"_id": "topology"})
    assert full.geoctl("node", "drain", "node-moscow-1").exit == 0
    after = mongo.rows().versions.find_one({"_id": "topology"})
    assert after["version"] == before["version"] and after["stamp"] != before["stamp"]
    told = {row["id"]: row for row in full.geoctl("--json", "node", "list").json_lines()}
    assert told["node-moscow-1"] == {"id": "node-moscow-1", "group": "ru-msk", "admin": "drain", "online": None, "seen_at": None, "load": None}
    assert told["node-moscow-2"]["admin"] == "online"
    assert full.geoctl("node", "online", "node-moscow-1").exit == 0
    assert full.geoctl("data", "diff", full.data).exit == 0
    assert full.geoctl("node", "drain", "node-9").exit == 4


def test_reports_are_listed(full, mongo):
    mongo.rows().node_states.insert_one({"_id": "node-tokyo-1", "seen_at": town_time(1_800_000_000), "online": False, "load": 0.5})
    told = {row["id"]: row for row in full.geoctl("--json", "node", "list").json_lines()}
    assert told["node-tokyo-1"] == {"id": "node-tokyo-1", "group": "asia", "admin": "online", "online": False,
                                    "seen_at": "2027-01-15T08:00:00Z", "load": 0.5}
    assert "2027-01-15T08:00:00Z" in full.geoctl("node", "list").out


def test_what_cannot_be_read_takes_no_other_node_away(full, mongo):
    rows = mongo.rows()
    version = rows.versions.find_one({"_id": "topology"})["version"]
    rows.nodes.update_one({"_id": f"{version}/node-tokyo-1"}, {"$set": {"weight": "x"}})
    stray = bson.ObjectId()
    rows.node_states.insert_many([{"_id": stray, "seen_at": "x"}, {"_id": "node-moscow-1", "seen_at": "x"},
                                  {"_id": "node-moscow-2", "seen_at": town_time(1_800_000_000)}])
    for flags in ([], ["--json"]):
        told = full.geoctl(*flags, "node", "list")
        assert told.exit == 0
        assert "node-moscow-1" in told.out and "2027-01-15T08:00:00Z" in told.out and "node-tokyo-1" not in told.out
        lines = told.err.splitlines()
        assert len(lines) == 3 and all(line.endswith("; it is skipped") for line in lines)
        for document in (f"nodes {version}/node-tokyo-1: weight: ", f"node_states {stray}: ", "node_states node-moscow-1: seen_at: "):
            assert sum(document in line for line in lines) == 1, told.err


@pytest.mark.files
def test_a_node_is_drained_in_files(stage):
    world = stage.world()
    before = (world.data / "topology.toml").read_text()
    drained = world.geoctl("node", "drain", "node-moscow-1")
    assert drained.exit == 0 and "reload" in drained.err
    told = {row["id"]: row["admin"] for row in world.geoctl("--json", "node", "list").json_lines()}
    assert told["node-moscow-1"] == "drain" and told["node-moscow-2"] == "online"
    after = (world.data / "topology.toml").read_text()
    assert len(after.splitlines()) - len(before.splitlines()) in (0, 1)
    assert world.geoctl("node", "drain", "node-9").exit == 4
    assert (world.data / "topology.toml").read_text() == after


@pytest.mark.parametrize("kind", ["files", "mongodb"])
def test_a_token_is_revoked_once(request, stage, kind):
    world = stage.world() if kind == "files" else request.getfixturevalue("full")
    check = ("--server", "100-abcdef", "--camera", "0")
    if kind == "files":
        assert world.geoctl("token", "check", "good", *check).exit == 0
    revoked = world.geoctl("token", "revoke", "-", stdin="good\n")
    assert revoked.exit == 0 and "good" not in revoked.out + revoked.err
    if kind == "files":
        assert world.geoctl("token", "check", "good", *check).exit == 3
    again = world.geoctl("token", "revoke", "good")
    assert again.exit == 3 and "token_unknown" in again.err
    assert world.geoctl("token", "revoke", "not well formed").exit == 2


def test_leases_of_a_user(full):
    assert full.geoctl("lease", "list", "u1").exit == 0
    assert full.geoctl("--json", "lease", "list", "u1").out == ""
    assert geoctl("--data", full.data, "lease", "list", "u1").exit == 2


@pytest.mark.parametrize("rev", [{"rev": "one"}, {}])
def test_leases_that_cannot_be_read_are_no_empty_list(full, mongo, rev):
    mongo.rows().leases.insert_one({"_id": "u1", **rev, "leases": {}})
    told = full.geoctl("lease", "list", "u1")
    assert told.exit == 5 and told.err.startswith("upstream_unavailable: ") and ": leases u1: rev: " in told.err, told
