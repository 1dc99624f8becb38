"""What clients get while something geod asks is down at start, lost, slow or wrong: the table of README and geod(8), row by row.

Known clients are those whom the caches know; their entries live for a second here, so that what serves them is past its life."""

import datetime
import os
import threading
import time

import pytest

from support.raw_http import eventually, message
from support.roles import Relay
from support.town import MOSCOW, town
from support.world import LONG, World, ago, target, token_row

SHORT = {"ttl_s": 1, "stale_s": 600, "negative_ttl_s": 1}
REQUEST_MS = 3000


def limited():
    """The town, where "good" may watch four streams, and one runs."""
    facts = town()
    facts.row("users", id="u1")["tariff"] = "home"
    return facts


def world_on(tmp_path, mongo, facts=None, listen=None, **config):
    keys = {
        "listen": {"redirect": "127.0.0.1:0", "admin": "127.0.0.1:0", **(listen or {})},
        "deadline": {"request_ms": REQUEST_MS, "store_ms": 500},
        "cache.tokens": SHORT, "cache.billing": SHORT, "cache.usage": SHORT, "cache.devices": SHORT,
        **{key.replace("__", "."): value for key, value in config.items()},
    }
    return World(tmp_path / "world", town() if facts is None else facts, keys, mongo)


@pytest.fixture
def play(tmp_path, own_mongo):
    """play(facts, **config) -> a geod on a MongoDB of its own, which the scene may take away."""
    running = []

    def start(facts=None, **config):
        running.append(world_on(tmp_path, own_mongo, facts, **config).geod())
        return running[-1]

    yield start
    own_mongo.server.cont()
    for geod in running:
        try:
            geod.stop()
        finally:
            geod.kill()


@pytest.fixture
def relayed(tmp_path, mongo):
    """relayed(facts, **config) -> a geod, and the relay before its MongoDB, which may let nobody pass, or late."""
    relay, running = Relay(mongo, "geod"), []

    def start(facts=None, before=lambda relay: None, **config):
        world = world_on(tmp_path, mongo, facts, **config)
        world.config["store"] = {**world.config["store"], **relay.store()}
        world.write_config()
        before(relay)
        running.append(world.geod())
        return running[-1], relay

    with relay:
        yield start
        relay.late = {}
        for geod in running:
            try:
                geod.stop()
            finally:
                geod.kill()


def ready(geod):
    return geod.fetch("/readyz", "admin")


def source(geod):
    return geod.fetch("/status.json", "admin").json()["snapshot"]["source"]


def metric(geod, line):
    text = geod.fetch("/metrics", "admin").body.decode()
    return next((float(each.split()[-1]) for each in text.splitlines() if each.startswith(line)), None)


def watch(geod, camera="0", token="flv-fan"):
    """u-flv's tariff has no limit: no lease, no trip to the store."""
    return geod.ask(MOSCOW, camera=camera, access_token=token)


def past_their_life(geod):
    """What is cached is older than its ttl."""
    begin = time.monotonic()
    eventually(lambda: time.monotonic() > begin + 1.1, "a second passes")


# ---- the store ----


def test_store_down_at_start_without_a_snapshot(play, own_mongo, tmp_path):
    world_on(tmp_path, own_mongo)  # the data is there
    own_mongo.server.kill()
    world = World(tmp_path / "world", None, {"listen": {"redirect": "127.0.0.1:0", "admin": "127.0.0.1:0"}}, own_mongo)
    geod = world.geod()
    try:
        assert geod.fetch("/healthz", "admin").status == 200
        not_ready = ready(geod)
        assert (not_ready.status, not_ready.json()["ready"]) == (503, False) and not_ready.json()["reasons"]
        refused = watch(geod)
        assert (refused.status, refused.code) == (503, "upstream_unavailable") and int(refused.header("Retry-After")) >= 1
        assert metric(geod, "geod_ready") == 0 and metric(geod, "geod_snapshot_age_seconds") is None
        store, = geod.fetch("/status.json", "admin").json()["upstreams"]
        assert store["calls"] >= 1 and store["last_error"], "the start's own attempt"
        eventually(lambda: metric(geod, 'geod_upstream_state{upstream="store",state="closed"}') == 0, "the breaker opens, with no client there")
        own_mongo.server.start()
        eventually(lambda: ready(geod).status == 200, "geod takes up the topology by itself")
        assert metric(geod, "geod_ready") == 1 and metric(geod, 'geod_upstream_state{upstream="store",state="closed"}') == 1
        assert eventually(lambda: watch(geod).status == 302, "and serves")
        assert source(geod) == "mongodb"
    finally:
        geod.stop()


def test_killed_while_the_store_goes_down_it_starts_with_the_last_good_topology(tmp_path, own_mongo):
    world = world_on(tmp_path, own_mongo)
    geod = world.geod()
    try:
        eventually(lambda: list((world.path / "state").glob("topology-*.toml")), "the last good topology is kept")
    finally:
        geod.kill()
    own_mongo.server.kill()
    started = time.monotonic()
    again = world.geod()
    try:
        assert source(again) == "last_good" and ready(again).status == 200
        print(f"ready {time.monotonic() - started:.3f} s after it was started")
        assert "last good topology is in service" in again.stderr()
        assert watch(again).code == "upstream_unavailable", "nobody is known yet"
        own_mongo.server.start()
        eventually(lambda: watch(again).status == 302, "recovers by itself")
        eventually(lambda: source(again) == "mongodb", "the store's own again")
    finally:
        again.stop()


def test_a_store_that_is_silent_does_not_hold_the_end(play, own_mongo):
    geod = play(deadline={"request_ms": 9000, "store_ms": 9000})
    own_mongo.server.stop()
    time.sleep(2.5)  # until geod asks for the nodes' reports
    started = time.monotonic()
    geod.stop()
    assert time.monotonic() - started < 5 and "undone" not in geod.stderr()


def torn(file):
    text = file.read_bytes()
    file.write_bytes(text[: len(text) // 2])


def without_its_last_bytes(file):
    file.write_bytes(file.read_bytes()[:-10])


def a_fifo(file):
    file.unlink()
    os.mkfifo(file)


@pytest.mark.parametrize("spoil", [torn, without_its_last_bytes, a_fifo])
def test_a_snapshot_that_is_none_is_not_used(play, own_mongo, spoil):
    geod = play()
    file = eventually(lambda: list((geod.world.path / "state").glob("topology-*.toml")), "kept")[0]
    geod.stop()
    spoil(file)
    own_mongo.server.kill()
    again = geod.world.geod()
    try:
        assert ready(again).status == 503 and watch(again).code == "upstream_unavailable"
        assert file.name in again.stderr()
    finally:
        again.stop()


def load(geod, until, answers, cameras):
    """Known clients ask until they are told to stop; each answer with its time."""
    with geod.connect() as connection:
        at = 0
        while not until.is_set():
            begin = time.monotonic()
            headers = [("X-Forwarded-For", MOSCOW)]
            answer = connection.ask(target(camera=str(at % cameras), access_token="flv-fan"), headers=headers)
            answers.append((answer.status, answer.location or "", time.monotonic() - begin))
            at += 1


def under_load(geod, trouble, cameras=10, threads=4):
    for i in range(cameras):
        assert watch(geod, str(i)).status == 302
    until, answers = threading.Event(), []
    clients = [threading.Thread(target=load, args=(geod, until, answers, cameras)) for _ in range(threads)]
    for client in clients:
        client.start()
    try:
        trouble()
    finally:
        until.set()
        for client in clients:
            client.join()
    return answers


def check_served(answers):
    served = sum(status == 302 for status, _, _ in answers)
    assert len(answers) > 100 and served >= 0.999 * len(answers), f"{served} of {len(answers)} served"
    assert all(location.startswith("https://node-moscow-") for status, location, _ in answers if status == 302)
    assert max(duration for _, _, duration in answers) < REQUEST_MS / 1000 + 2, "nobody waits beyond the deadline"


@pytest.mark.parametrize("way", ["killed", "stopped"])
def test_store_lost_under_load(play, own_mongo, way):
    geod = play()
    server = own_mongo.server
    seconds = 15 if LONG else 5

    def trouble():
        server.kill() if way == "killed" else server.stop()
        begin = time.monotonic()
        eventually(lambda: metric(geod, "geod_cache_stale_total{cache=\"devices\"}") > 0, "stale answers serve")
        unknown = geod.ask(MOSCOW, access_token="never-seen")
        assert (unknown.status, unknown.code) == (503, "upstream_unavailable"), "fail closed"
        eventually(lambda: time.monotonic() > begin + seconds, "it stays away", seconds + 5)
        server.start() if way == "killed" else server.cont()
        eventually(lambda: geod.ask(MOSCOW, access_token="never-seen").code == "token_unknown", "recovers by itself")

    check_served(under_load(geod, trouble))
    assert metric(geod, 'geod_upstream_requests_total{upstream="store",result="failed"}') > 0
    eventually(lambda: metric(geod, 'geod_upstream_state{upstream="store",state="closed"}') == 1, "the breaker closes")


def test_store_lost_users_with_a_limit_pass_without_a_lease(play, own_mongo):
    geod = play(limited())
    assert geod.ask(MOSCOW, access_token="good").status == 302
    assert geod.world.log_lines(1)[0]["lease"] == "taken"
    assert geod.ask(MOSCOW, access_token="good").status == 302
    assert geod.world.log_lines(2)[1]["lease"] == "renewed"
    own_mongo.server.kill()
    answers = [geod.ask(MOSCOW, camera=str(i), access_token="good") for i in range(1)]
    assert [answer.status for answer in answers] == [302]
    assert geod.world.log_lines(3)[2]["lease"] == "none"


@pytest.mark.parametrize("on_unknown, known, unknown", [
    ("known_only", 302, 503), ("allow", 302, 302), ("refuse", 503, 503)])
def test_store_lost_billing_is_up_to_the_configuration(play, own_mongo, on_unknown, known, unknown):
    # two users' tokens and grants are known, but the second one's account never was
    geod = play(billing={"on_unknown": on_unknown}, cache__tokens={**SHORT, "ttl_s": 600},
                cache__devices={**SHORT, "ttl_s": 600})
    assert watch(geod).status == 302
    own_mongo.rows().users.update_one({"_id": "u-guest"}, {"$set": {"tariff": 5}})
    assert geod.ask(MOSCOW, camera="1", access_token="guest").code == "upstream_unavailable", "an unreadable account"
    past_their_life(geod)
    own_mongo.server.kill()
    assert watch(geod).status == known
    assert geod.ask(MOSCOW, camera="1", access_token="guest").status == unknown


def no_read_of_tokens(geod, relay):
    """A known client is served, and the store is not asked for it."""
    before = relay.asked.count(("find", "tokens"))
    assert watch(geod).status == 302
    return relay.asked.count(("find", "tokens")) == before


def test_store_slow(relayed):
    geod, relay = relayed(limited())
    assert watch(geod).status == 302
    assert geod.ask(MOSCOW, access_token="good").status == 302
    relay.late = {"leases": 2}
    refused = geod.ask("10.1.1.9", access_token="good")
    assert (refused.status, refused.code) == (503, "upstream_unavailable"), "a lease that was asked for"
    past_their_life(geod)
    relay.late = {"": 2}
    begin = time.monotonic()
    assert watch(geod).status == 302, "known, past its life"
    waited = time.monotonic() - begin
    assert 0.4 < waited < REQUEST_MS / 1000, "store_ms later"
    unknown = geod.ask(MOSCOW, access_token="never-seen")
    assert (unknown.status, unknown.code) == (503, "upstream_unavailable")

    def given_up():
        geod.ask(MOSCOW, access_token="never-seen")
        return metric(geod, 'geod_upstream_state{upstream="store",state="open"}') == 1

    eventually(given_up, "the breaker opens")
    past_their_life(geod)
    eventually(lambda: no_read_of_tokens(geod, relay), "from then on nobody waits")
    relay.late = {}
    eventually(lambda: geod.ask(MOSCOW, access_token="never-seen").code == "token_unknown", "recovers by itself")


def test_store_that_lets_nobody_read_is_as_one_that_is_lost(relayed):
    geod, relay = relayed()
    assert watch(geod).status == 302
    may, relay.may = relay.may, []
    past_their_life(geod)
    assert watch(geod).status == 302, "known, past its life"
    unknown = geod.ask(MOSCOW, access_token="never-seen")
    assert (unknown.status, unknown.code) == (503, "upstream_unavailable")
    eventually(lambda: "not authorized" in geod.stderr(), "why is told")
    relay.may = may
    eventually(lambda: geod.ask(MOSCOW, access_token="never-seen").code == "token_unknown", "recovers by itself")


def test_store_that_lets_nobody_write_refuses_who_needs_a_lease(relayed):
    geod, relay = relayed(limited())
    may, relay.may = relay.may, [({"find"}, "")]
    refused = geod.ask(MOSCOW, access_token="good")
    assert (refused.status, refused.code) == (503, "upstream_unavailable")
    assert watch(geod).status == 302, "who needs none goes on"
    relay.may = may
    eventually(lambda: geod.ask(MOSCOW, access_token="good").status == 302, "recovers by itself")


def test_store_wrong_answers_hurt_nobody_else(play, own_mongo):
    geod = play()
    rows = own_mongo.rows()
    rows.tokens.insert_many([
        {"_id": token_row("no-owner", "u1")["sha256"]},
        {"_id": token_row("odd-owner", "u1")["sha256"], "owner_type": "user", "owner_id": {"deep": [1]}},
        {"_id": token_row("odd-end", "u1")["sha256"], "owner_type": "user", "owner_id": "u1", "expires_at": "soon"},
    ])
    rows.grants.insert_one({"_id": "odd", "owner_type": "user", "owner_id": "u-stranger", "object_type": "camera",
                            "server": "100-abcdef", "object_id": "0", "rights": 7})
    for token in ("no-owner", "odd-owner", "odd-end"):
        assert geod.ask(MOSCOW, access_token=token).code == "upstream_unavailable", token
    assert geod.ask(MOSCOW, access_token="stranger").code == "forbidden", "a grant that cannot be read is none"
    assert watch(geod).status == 302
    log = geod.stderr()
    assert "tokens" in log and token_row("no-owner", "u1")["sha256"] in log and "grants" in log and "odd" in log
    assert metric(geod, 'geod_store_skipped_documents_total{collection="tokens"}') >= 3
    assert metric(geod, 'geod_upstream_state{upstream="store",state="closed"}') == 1, "bad documents do not count"
    rows.tokens.update_one({"_id": token_row("no-owner", "u1")["sha256"]},
                           {"$set": {"owner_type": "user", "owner_id": "u-flv"}})
    assert watch(geod, token="no-owner").status == 302, "mended, it serves at once"


def test_an_expired_token_is_refused_at_its_second_also_from_the_cache(play, own_mongo):
    facts = town()
    end = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0) + datetime.timedelta(seconds=4)
    facts.row("tokens", owner_id="u-flv")["expires_at"] = end
    geod = play(facts, cache__tokens={**SHORT, "ttl_s": 600})
    assert watch(geod).status == 302
    own_mongo.server.kill()
    while True:
        before = datetime.datetime.now(datetime.timezone.utc)
        answer = watch(geod)
        after = datetime.datetime.now(datetime.timezone.utc)
        if answer.status == 302:
            assert before < end, "served past its end"
        else:
            assert answer.code == "token_expired" and after >= end
            break


def test_a_revoked_token_is_refused_within_its_life_by_all_instances(play, own_mongo, tmp_path):
    life = {**SHORT, "ttl_s": 2}
    first = play(listen={"auth": "127.0.0.1:0"}, cache__tokens=life)
    host, port = first.addresses["auth"]
    behind = World(tmp_path / "behind", None, {**first.world.config, "auth": {"url": f"http://{host}:{port}"}}, own_mongo)
    all_of_them = [first, first.world.geod(), behind.geod()]
    try:
        begin = time.monotonic()
        while time.monotonic() < begin + 1:
            assert {watch(geod).status for geod in all_of_them} == {302}, "known to all, and asked for on and on"
        revoked = first.world.geoctl("token", "revoke", "flv-fan")
        begin = time.monotonic()
        assert revoked.exit == 0, revoked
        eventually(lambda: {watch(geod).code for geod in all_of_them} == {"token_unknown"}, "revoked")
        assert time.monotonic() - begin < life["ttl_s"] + 2, "a busy machine may take a little longer"
    finally:
        for geod in all_of_them[1:]:
            geod.stop()


# ---- the topology and what nodes report ----


def test_a_drained_node_is_seen_within_two_seconds_by_all_instances(play, own_mongo):
    first = play()
    all_of_them = [first, first.world.geod()]
    try:
        [chosen] = {watch(geod).location.split("//")[1].split(".")[0] for geod in all_of_them}
        for command, serves in (("drain", False), ("online", True)):
            assert first.world.geoctl("node", command, chosen).exit == 0
            begin = time.monotonic()
            eventually(lambda: {chosen in watch(geod).location for geod in all_of_them} == {serves}, command)
            assert time.monotonic() - begin < 2 + 2, "a busy machine may take a little longer"
    finally:
        all_of_them[1].stop()


def reporting(online=True):
    """The town, where the nodes in Moscow have just reported; and those nodes."""
    facts = town()
    moscow = [row["id"] for row in facts["nodes"] if row["group"] == "ru-msk"]
    facts["node_states"] = [{"id": node, "seen_at": ago(0), "online": online} for node in moscow]
    return facts, moscow


def test_node_states_lost(play, own_mongo):
    facts, moscow = reporting()
    geod = play(facts, health={"report_max_age_s": 3, "panic_percent": 0, "slow_start_s": 0})
    eventually(lambda: geod.states()[moscow[0]] == "stale", "the reports age")
    assert watch(geod).location.startswith("https://node-moscow-"), "all are old: the reports failed, not the nodes"
    own_mongo.rows().node_states.update_one({"_id": moscow[1]}, {"$set": {"seen_at": ago(-1)}})
    eventually(lambda: geod.states()[moscow[1]] == "up", "one reports again")
    assert watch(geod).location.startswith(f"https://{moscow[1]}."), "the others are stale now"
    own_mongo.rows().node_states.update_one({"_id": moscow[1]}, {"$set": {"seen_at": ago(-2), "online": False}})
    eventually(lambda: geod.states()[moscow[1]] == "unhealthy", "it says that it is not well")


def test_node_states_down_at_start(relayed, mongo):
    facts, moscow = reporting(online=False)

    def deny(relay):
        relay.may = [({"find"}, each) for each in mongo.rows().list_collection_names() if each != "node_states"]

    geod, relay = relayed(facts, deny)
    assert ready(geod).status == 200
    assert watch(geod).location.startswith("https://node-moscow-"), "a node that has not reported may serve"
    eventually(lambda: "node_states cannot be read" in geod.stderr(), "it is told")
    relay.may = [({"find"}, "")]
    eventually(lambda: geod.states()[moscow[0]] == "unhealthy", "reports are read by and by")
    assert "node_states are read again" in geod.stderr()


def test_node_states_slow(relayed, mongo):
    facts, moscow = reporting()
    geod, relay = relayed(facts, health={"report_max_age_s": 600})
    relay.late = {"node_states": 2}
    eventually(lambda: "node_states cannot be read" in geod.stderr(), "it is told")
    mongo.rows().node_states.update_one({"_id": moscow[0]}, {"$set": {"seen_at": ago(-1), "online": False}})
    for _ in range(20):
        assert watch(geod).status == 302
        assert geod.states()[moscow[0]] == "up", "the last report"
    relay.late = {}
    eventually(lambda: geod.states()[moscow[0]] == "unhealthy", "seen later")
    assert f"https://{moscow[0]}." not in watch(geod).location


def test_node_states_wrong(play, own_mongo):
    geod = play()
    rows = own_mongo.rows()
    rows.node_states.insert_many([
        {"_id": "node-moscow-1", "seen_at": "yesterday"}, {"_id": "node-moscow-2"}, {"_id": 5, "seen_at": ago(0)},
        {"_id": "nobody", "seen_at": ago(0)}, {"_id": "node-moscow-3", "seen_at": ago(0), "online": False}])

    eventually(lambda: geod.states()["node-moscow-3"] == "unhealthy", "what can be read counts")
    assert geod.states()["node-moscow-1"] == geod.states()["node-moscow-2"] == "up", "what cannot be read is none"
    assert watch(geod).status == 302


def test_a_topology_that_is_none_never_replaces_a_good_one(play, own_mongo):
    geod = play()
    versions = own_mongo.rows().versions
    versions.update_one({"_id": "topology"}, {"$set": {"version": "nowhere", "stamp": "x"}})
    eventually(lambda: "stays" in geod.stderr(), "it is told")
    assert watch(geod).status == 302
    versions.update_one({"_id": "topology"}, {"$set": {"schema": 99, "stamp": "y"}})
    eventually(lambda: "99" in geod.stderr(), "what an older geod cannot read is told")
    assert watch(geod).status == 302


def test_two_geods_never_write_one_snapshot(play, own_mongo, tmp_path):
    first = play()
    file = eventually(lambda: list((first.world.path / "state").glob("topology-*.toml")), "kept")[0]
    second = first.world.geod()
    try:
        eventually(lambda: "the last good topology is not kept" in second.stderr(), "the second one says so")
        assert file.exists() and watch(second).status == 302
    finally:
        second.stop()


# ---- leases ----


@pytest.mark.parametrize("geods", [1, 2])
def test_a_thousand_at_the_limit(play, own_mongo, geods):
    facts = limited()
    facts["usage"] = []
    first = play(facts)
    running = [first] + [first.world.geod() for _ in range(geods - 1)]
    count = 1000
    try:
        connections = [running[i % geods].connect() for i in range(count)]
        for i, connection in enumerate(connections):
            client = ("X-Forwarded-For", f"10.1.{i // 250}.{i % 250}")
            connection.send(request(client))
        answers = [connection.read() for connection in connections]
        for connection in connections:
            connection.socket.close()
        codes = [answer.code for answer in answers]
        assert codes.count("redirect") == 4, {code: codes.count(code) for code in set(codes)}
        assert set(codes) <= {"redirect", "limit_exceeded"}, {code: codes.count(code) for code in set(codes)}
    finally:
        for geod in running[1:]:
            geod.stop()


def request(client):
    return message(target(access_token="good"), headers=[client])


def test_head_takes_no_lease(play, own_mongo):
    geod = play(limited())
    for i in range(8):
        assert geod.ask(f"10.1.1.{i}", method="HEAD", access_token="good").status == 302
    assert own_mongo.rows().leases.count_documents({}) == 0


def test_a_lease_runs_out_by_itself(play, own_mongo):
    geod = play(limited(), billing={"lease_s": 2})
    facts_allow = 3  # of 4, one runs
    for i in range(facts_allow):
        assert geod.ask(f"10.1.1.{i}", access_token="good").status == 302
    assert geod.ask("10.1.1.9", access_token="good").code == "limit_exceeded"
    assert geod.ask("10.1.1.0", access_token="good").status == 302, "its own is renewed"
    listed = geod.world.geoctl("--json", "lease", "list", "u1").json_lines()
    assert len(listed) == facts_allow and {row["camera"] for row in listed} == {"0"}
    eventually(lambda: geod.ask("10.1.1.9", access_token="good").status == 302, "a lease ends")


def test_debug_tells_what_is_asked_of_the_store(play):
    geod = play(limited())
    assert geod.fetch("/log-level?level=trace", "admin", method="POST", host="localhost").status == 200
    assert geod.ask(MOSCOW, access_token="good").status == 302
    for line in (" debug store: 1 of tokens: answered, after ", " debug store: a write of leases: answered, after ",
                 " trace store: the topology: answered, after ", " trace the store: the topology is still ",
                 " trace store: node_states: answered, after ", " trace the store: reports of 0 nodes are known"):
        eventually(lambda: line in geod.stderr(), line)
