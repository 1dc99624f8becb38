"""geod under a service manager, which the scenes play: what it is told, the sockets it passes, its credentials, upgrades."""

import queue
import signal
import socket
import threading
import time

import pytest

from support import raw_http
from support.town import MOSCOW, town
from support.upgrades import upgrade_under_load
from support.world import run_geod, target


class Manager:
    """Hears what geod tells, all the time: one that does not listen would hold geod up."""

    def __init__(self, folder):
        self.path = str(folder / "notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.messages = queue.Queue()
        self.ear = threading.Thread(target=self.hear, daemon=True)
        self.ear.start()

    def hear(self):
        while message := self.socket.recv(4096):
            self.messages.put(message.decode())

    def say(self, message):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as mouth:
            mouth.sendto(message, self.path)

    def close(self):
        self.say(b"")
        self.ear.join()
        self.socket.close()

    def env(self, **more):
        return {"NOTIFY_SOCKET": self.path, **more}

    def next(self):
        """{"READY": "1"}"""
        return dict(line.split("=", 1) for line in self.messages.get(timeout=30).splitlines())

    def until(self, key):
        """All messages up to the first with that key."""
        heard = [self.next()]
        while key not in heard[-1]:
            heard.append(self.next())
        return heard


@pytest.fixture
def manager(tmp_path):
    it = Manager(tmp_path)
    yield it
    it.close()


def listening(address=("127.0.0.1", 0), family=socket.AF_INET):
    it = socket.socket(family)
    it.bind(address)
    it.listen(512)
    return it


def test_is_told_of_the_start_and_the_end(stage, manager):
    geod = stage.geod(env=manager.env())
    assert manager.next() == {"READY": "1"}
    host, port = geod.addresses["redirect"]
    assert f"redirect {host}:{port}" in manager.next()["STATUS"]
    geod.signal(signal.SIGTERM)
    told = manager.until("STOPPING")[-1]
    assert told["STOPPING"] == "1" and int(told["EXTEND_TIMEOUT_USEC"]) > 10_000_000
    assert geod.process.wait(15) == 0


@pytest.mark.parametrize("by", ["SIGHUP", "POST"])
def test_is_told_of_a_reload_until_it_is_done_or_refused(stage, manager, by):
    geod = stage.geod(env=manager.env())
    manager.until("STATUS")
    for ttl_s, outcome in ((77, "done"), (0, "refused; what is in service stays"), (78, "done")):
        geod.world.config["signing"]["ttl_s"] = ttl_s
        geod.world.write_config()
        begun = time.monotonic_ns() // 1000
        if by == "SIGHUP":
            geod.signal(signal.SIGHUP)
        else:
            geod.fetch("/reload", "admin", method="POST", host="localhost")
        told = manager.next()
        assert told["RELOADING"] == "1" and begun <= int(told["MONOTONIC_USEC"]) <= time.monotonic_ns() // 1000
        assert manager.next() == {"READY": "1"}
        assert geod.stderr().splitlines()[-1].endswith(f": {outcome}")


def test_ready_means_that_all_listeners_are_bound(stage, manager):
    world = stage.world()
    told, ready = [], threading.Event()

    def hear():
        told.append(manager.next())
        ready.set()

    ear = threading.Thread(target=hear)
    ear.start()
    geod = stage.geod(world, env=manager.env())
    ear.join(30)
    assert told == [{"READY": "1"}]
    for listener in ("redirect", "verify", "admin"):
        with geod.connect(listener):
            pass


def test_nobody_is_told_ready_of_a_start_that_fails(stage, manager):
    with listening() as taken:
        output = run_geod(stage.world(listen={"redirect": "127.0.0.1:%d" % taken.getsockname()[1]}), env=manager.env())
    assert output.exit == 2
    manager.say(b"NOTHING=more")
    assert manager.next() == {"NOTHING": "more"}


def test_status_says_why_nobody_can_be_served(stage, manager):
    facts = town()
    for node in facts["nodes"]:
        node["admin"] = "offline"
    stage.geod(facts=facts, env=manager.env())
    assert manager.until("STATUS")[-1]["STATUS"].endswith("; no node is eligible")


def test_watchdog_is_told_again_and_again(stage, manager):
    geod = stage.geod(env=manager.env(WATCHDOG_USEC="400000"))
    manager.until("STATUS")
    for _ in range(5):
        assert manager.next() == {"WATCHDOG": "1"}
    assert geod.ask(MOSCOW).status == 302
    assert geod.world.log_lines(1)  # the loops' rounds are no requests
    assert len(geod.world.access_log.read_text().splitlines()) == 1


def test_no_watchdog_is_told_where_none_is_wanted(stage, manager):
    for env in (manager.env(), manager.env(WATCHDOG_USEC="400000", WATCHDOG_PID="1")):
        geod = stage.geod(env=env)
        geod.stop()
        heard = manager.until("STOPPING")
        assert not [told for told in heard if "WATCHDOG" in told]


def test_passed_sockets_take_the_place_of_the_addresses(stage, tmp_path):
    path = tmp_path / "admin.sock"
    with listening() as redirect, listening() as verify, listening(str(path), socket.AF_UNIX) as admin:
        geod = stage.geod(listen={"redirect": "127.0.0.1:1", "verify": "", "admin": "127.0.0.1:1"},
                          sockets=[("redirect", redirect), ("verify", verify), ("admin", admin)])
        assert geod.addresses["redirect"] == redirect.getsockname()
        assert geod.addresses["verify"] == verify.getsockname()
        answer = geod.ask(MOSCOW)
        assert answer.status == 302
        host, _, uri = answer.location.removeprefix("https://").partition("/")
        assert geod.verify("/" + uri, host).status == 204
        assert f"listening on admin unix:{path}" in geod.stderr()
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
            client.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
            assert client.recv(4096).startswith(b"HTTP/1.1 200 ")
        geod.stop()
        # they are the manager's: they accept, for the next
        assert path.exists()
        with raw_http.Connection(redirect.getsockname()) as early:
            early.send(raw_http.message(target()))
            stage.geod(geod.world, sockets=[("redirect", redirect)], env={"GEO_LISTEN_ADMIN": "127.0.0.1:0"})
            assert early.read().status == 302


def test_a_reload_does_not_ask_for_a_restart_that_would_change_nothing(stage):
    """The passed socket is in the place of the address whatever that says; of a listener without one it is told."""
    with listening() as redirect:
        geod = stage.geod(sockets=[("redirect", redirect)])
        geod.world.config["listen"].update(redirect="127.0.0.1:1", verify="127.0.0.1:1")
        geod.world.write_config()
        reloaded = geod.fetch("/reload", "admin", method="POST", host="localhost")
        assert reloaded.json() == {"ok": True, "needs_restart": ["listen.verify"], "faults": []}
        assert geod.ask(MOSCOW).status == 302


def test_ipv6_socket(stage):
    with listening(("::1", 0), socket.AF_INET6) as redirect:
        geod = stage.geod(sockets=[("redirect", redirect)], http={"trusted_proxies": ["::1/128"]})
        assert geod.addresses["redirect"] == redirect.getsockname()[:2]
        assert geod.ask(MOSCOW).status == 302


def test_sockets_that_do_not_fit(stage, tmp_path):
    world = stage.world()

    def refused(*sockets, **config):
        output = run_geod(stage.world(**config) if config else world, sockets=sockets)
        assert output.exit == 2, output
        return output.err

    with listening() as good, listening() as other, listening(str(tmp_path / "u"), socket.AF_UNIX) as unix:
        assert 'the socket that is passed as "web" is no listener\'s: redirect, resolver, auth, verify, admin' in refused(("web", good))
        assert "as \"redirect\" is a unix socket; only admin's may be one" in refused(("redirect", unix))
        assert 'as "verify" is one of two' in refused(("verify", good), ("verify", other))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
            datagrams.bind(("127.0.0.1", 0))
            assert "is not one that streams are accepted from" in refused(("redirect", datagrams))
        with socket.socket() as silent:
            silent.bind(("127.0.0.1", 0))
            assert "is not one that streams are accepted from" in refused(("redirect", silent))
        with listening("\0geod-of-a-scene", socket.AF_UNIX) as nameless:
            assert "is a unix socket without a path" in refused(("admin", nameless))
    with listening(("0.0.0.0", 0)) as public:
        assert "admin.token_file" in refused(("admin", public))
        assert world.geod(sockets=[("redirect", public)]).stop() is None


def test_a_name_for_each_socket(stage):
    with listening() as redirect:
        output = run_geod(stage.world(), sockets=[("redirect:verify", redirect)])
        assert output.exit == 2 and "LISTEN_FDS, LISTEN_FDNAMES: not one name for each socket" in output.err, output


def test_check_leaves_passed_sockets_alone(stage):
    with listening() as redirect:
        output = run_geod(stage.world(), "--check", sockets=[("web", redirect)])
        assert output.exit == 0, output


def test_key_and_token_from_credentials(stage, tmp_path):
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    world = stage.world(signing={"keys": [{"id": "k1", "secret_file": "credential:signing-key"}]})
    (world.path / "k1.hex").rename(credentials / "signing-key")
    env = {"CREDENTIALS_DIRECTORY": str(credentials)}
    assert run_geod(world, "--check", env=env).exit == 0
    geod = stage.geod(world, env=env)
    answer = geod.ask(MOSCOW)
    host, _, uri = answer.location.removeprefix("https://").partition("/")
    assert geod.verify("/" + uri, host).status == 204
    output = run_geod(world)
    assert output.exit == 2 and "CREDENTIALS_DIRECTORY is not set" in output.err, output
    output = run_geod(world, "--check")  # by hand, outside the service
    assert output.exit == 0 and "credential:signing-key is not checked: CREDENTIALS_DIRECTORY is not set" in output.err, output
    (credentials / "signing-key").unlink()
    output = run_geod(world, env=env)
    assert output.exit == 2 and "signing-key" in output.err, output


def test_five_upgrades_under_load(stage, manager):
    world = stage.world(http={"drain_s": 20, "trusted_proxies": ["127.0.0.1/32"], "threads": 2})
    env = manager.env(GEO_LISTEN_ADMIN="127.0.0.1:0", GEO_LISTEN_VERIFY="")
    with listening() as redirect:
        running, answered = upgrade_under_load(
            5, lambda: stage.geod(world, env=env, sockets=[("redirect", redirect)]),
            lambda: raw_http.Connection(redirect.getsockname()),
            lambda connection, kept: connection.ask(target(), headers=() if kept else [("Connection", "close")]))
    running.stop()
    lines = world.log_lines(answered)
    assert len(lines) == answered and {line["status"] for line in lines} == {302}
