"""Nodes that are checked by geod: the dead get no redirects, flapping ends, what a node says of itself counts. Contract 3."""

import socket
import threading
import time

import pytest

from support.nginx import Nginx, free_port
from support.raw_http import eventually
from support.town import MOSCOW, node, small
from support.world import ago

ILL = "location = /health {{ if (-f {folder}/ill) {{ return 500; }} {answer} }}"


class Nodes:
    """Each a stock nginx with a health page; `ill` makes it answer 500."""

    def __init__(self, folder):
        self.folder, self.all = folder, {}

    def add(self, name, answer="return 200;", **row):
        folder = self.folder / name
        folder.mkdir()
        nginx = Nginx(folder, free_port(), ILL.format(folder=folder, answer=answer))
        self.all[name] = nginx
        return {**node(name, "here"), "host": f"{name}.example.com", "check": f"http://127.0.0.1:{nginx.port}/health", **row}

    def __getitem__(self, name):
        return self.all[name]

    def ill(self, name, is_ill=True):
        mark = self.all[name].folder / "ill"
        mark.touch() if is_ill else mark.unlink()

    def stop(self):
        for nginx in self.all.values():
            nginx.stop()


@pytest.fixture
def nodes(tmp_path):
    them = Nodes(tmp_path)
    try:
        yield them
    finally:
        them.stop()


class Silent:
    """It accepts whoever comes, and says nothing."""

    def __init__(self, port):
        self.listener = socket.create_server(("127.0.0.1", port))
        self.taken = []
        self.thread = threading.Thread(target=self._accept)
        self.thread.start()

    def _accept(self):
        while True:
            try:
                self.taken.append(self.listener.accept()[0])
            except OSError:
                return

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        for each in (self.listener, *self.taken):
            each.close()


def told(geod, node):
    """What the log says of it, without the time."""
    return [line.split(" ", 1)[1] for line in geod.stderr().splitlines() if f" node {node}: " in line]


def served(geod, requests=150):
    """The nodes that so many requests were sent to."""
    return {geod.ask(MOSCOW).location.split("/")[2].split(".")[0] for _ in range(requests)}


@pytest.mark.files
def test_the_dead_get_no_redirects_after_two_intervals_and_the_timeout(stage, nodes):
    ends = {
        "killed": "it refused the connection", "frozen": "it did not answer in time",
        "wrong": "it answered with status 500", "silent": "it did not answer in time",
    }
    rows = [nodes.add(name) for name in (*ends, "well")]
    geod = stage.geod(facts=small(*rows), balance={"policy": "weighted"}, redirect={"allow_plain": True},
                      health={"interval_ms": 1000, "timeout_ms": 800, "panic_percent": 0, "slow_start_s": 0})
    assert served(geod) == {*ends, "well"}
    time.sleep(1.1)  # each has been checked, and was well
    assert set(geod.states().values()) == {"up"}

    nodes["silent"].kill()
    silent = Silent(nodes["silent"].port)
    nodes["killed"].kill()
    nodes["frozen"].freeze()
    nodes.ill("wrong")
    died = time.monotonic()
    try:
        time.sleep(2 * 1.0 + 0.8 + 0.3)  # and what the machine of the tests may be late
        assert served(geod) == {"well"}, f"{time.monotonic() - died} s later"
        for name, why in ends.items():
            assert told(geod, f"node-{name}") == [f"warn node node-{name}: up -> unhealthy, by check: {why}"]
        metrics = geod.fetch("/metrics", "admin").body.decode()
        for name in ends:
            assert f'geod_node_up{{node="node-{name}"}} 0' in metrics
            assert f'geod_node_state_changes_total{{node="node-{name}",to="unhealthy"}} 1' in metrics
        assert 'geod_node_up{node="node-well"} 1' in metrics
    finally:
        silent.close()

    nodes["silent"].start()
    nodes["killed"].start()
    nodes["frozen"].thaw()
    nodes.ill("wrong", False)
    eventually(lambda: set(geod.states().values()) == {"up"}, "all are up again")
    assert served(geod) == {*ends, "well"}
    assert told(geod, "node-killed")[1:] == ["info node node-killed: unhealthy -> up, by check"]


@pytest.mark.files
def test_a_1_hz_flapper_changes_state_at_most_three_times_then_not_at_all(stage, nodes):
    geod = stage.geod(facts=small(nodes.add("flapper"), nodes.add("well")),
                      health={"interval_ms": 100, "timeout_ms": 400, "slow_start_s": 0})
    for turn in range(16):  # half a second well, half a second ill
        nodes.ill("flapper", turn % 2 == 0)
        if turn == 9:
            so_far = told(geod, "node-flapper")
        time.sleep(0.5)
    assert 1 <= len(so_far) <= 3 and told(geod, "node-flapper") == so_far
    assert geod.states()["node-flapper"] == "unhealthy" and not told(geod, "node-well")


def test_what_a_check_says_of_its_node_counts(stage, nodes):
    full = nodes.add("full", 'return 200 \'{"load":1.0,"sessions":7}\';')
    free = nodes.add("free", 'return 200 \'{"load":0.25,"sessions":3}\';')
    geod = stage.geod(facts=small(full, free), balance={"policy": "weighted"}, health={"interval_ms": 200})
    load = lambda: {node["id"]: node["load"] for node in geod.fetch("/status.json", "admin").json()["nodes"]}
    eventually(lambda: load() == {"node-full": 1, "node-free": 0.25}, "both have been asked")
    eventually(lambda: served(geod, 40) == {"free"}, "who is full gets no more")
    assert set(geod.states().values()) == {"up"}


def test_of_the_store_and_the_check_the_newer_counts(stage, nodes):
    facts = small(nodes.add("a", 'return 200 \'{"load":0.25}\';'))
    facts["node_states"] = [{"id": "node-a", "seen_at": ago(5), "load": 1.0}]
    geod = stage.geod(facts=facts, health={"interval_ms": 200})
    eventually(lambda: geod.fetch("/status.json", "admin").json()["nodes"][0]["load"] == 0.25, "it has been asked")
    eventually(lambda: geod.ask(MOSCOW).location, "it is not full")


def test_a_path_for_all_nodes_is_asked_at_their_hosts(stage, nodes):
    rows = [nodes.add("a"), nodes.add("b")]
    for row, host in zip(rows, ("127.0.0.1", "localhost")):
        del row["check"]
        row.update(host=host, ports={"http": nodes[row["id"].removeprefix("node-")].port})
    geod = stage.geod(facts=small(*rows), redirect={"allow_plain": True}, health={"path": "/health", "interval_ms": 200})
    nodes.ill("b")
    eventually(lambda: geod.states() == {"node-a": "up", "node-b": "unhealthy"}, "b is found ill")
    assert told(geod, "node-a") == []


def test_a_check_that_cannot_be_made_says_nothing_of_the_node(stage, nodes):
    row = nodes.add("a")
    row["check"] = row["check"].replace("http:", "https:")
    geod = stage.geod(facts=small(row), health={"interval_ms": 100}, env={"SSL_CERT_FILE": "/nonexistent/authorities.pem"})
    eventually(lambda: told(geod, "node-a"), "it is told")
    time.sleep(0.5)
    assert told(geod, "node-a") == ["warn node node-a: it was not checked: the certificates of authorities cannot be read"]
    assert geod.states() == {"node-a": "up"}


def test_a_check_may_be_taken_away_while_geod_runs(stage, mongo, nodes):
    a = nodes.add("a")
    nodes.ill("a")
    facts = small(a, nodes.add("b"))
    world = stage.world(facts, store={**mongo.store(), "refresh_s": 1})
    assert world.geoctl("data", "import", world.data).exit == 0
    geod = world.geod()
    try:
        eventually(lambda: geod.states()["node-a"] == "unhealthy", "it is found ill")
        del a["check"]
        world.write_facts(facts)
        assert world.geoctl("data", "import", world.data).exit == 0
        eventually(lambda: geod.states()["node-a"] == "up", "nobody says that it is ill")
    finally:
        geod.stop()
    assert told(geod, "node-a")[1:] == ["info node node-a: unhealthy -> up, by check"]
