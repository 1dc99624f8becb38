"""A world is a folder with data, keys and geod.toml; geod and geoctl run on it."""

import datetime
import fcntl
import hashlib
import json
import os
import re
import signal
import subprocess
from pathlib import Path
from urllib.parse import quote

from support import raw_http, toml
from support.signing import VECTOR_SECRET

REPO = Path(__file__).resolve().parents[3]
BIN = Path(os.environ.get("GEO_BIN", REPO / "build/dev/bin")).resolve()
LONG = os.environ.get("GEO_LONG") == "1"
SANITIZER = re.compile(r"(Address|Leak|Thread|Memory|UndefinedBehavior)Sanitizer|runtime error:")
LISTENING = re.compile(r"listening on ([\w.]+) (?:\[(.+)\]|(\S+)):(\d+)\s*$")
FILE_OF = {
    "topology.toml": ["patterns", "partners", "groups", "places", "networks", "nodes"],
    "accounts.toml": ["tokens", "grants", "users", "tariffs", "usage"],
    "devices.toml": ["servers", "cameras"],
    "states.toml": ["node_states"],
}


def ago(seconds):
    return datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=seconds)


def token_row(token, owner, **more):
    row = {"sha256": hashlib.sha256(token.encode()).hexdigest(), "owner_type": "user", "owner_id": owner}
    return {**row, **more}


def environment(extra=None):
    """The caller's, without anything that geod or geoctl would take as configuration."""
    plain = {k: v for k, v in os.environ.items() if not k.startswith(("GEO_", "GEOCTL_")) and k != "NO_COLOR"}
    # libmongoc says so on stderr where a killed process of the same number left its counters in shared memory
    return {**plain, "MONGOC_DISABLE_SHM": "1", **(extra or {})}


def clean(stderr):
    assert not SANITIZER.search(stderr), f"a sanitizer reports:\n{stderr}"


class Facts(dict):
    """Tables of rows, to be changed by a scene before it writes them."""

    def row(self, table, **keys):
        for row in self[table]:
            if all(row.get(key) == v for key, v in keys.items()):
                return row
        raise KeyError(f"no row {keys} in {table}")

    def node(self, node):
        return self.row("nodes", id=node)

    def group(self, group):
        return self.row("groups", id=group)

    def add(self, table, **keys):
        self.setdefault(table, []).append(keys)
        return keys


class World:
    def __init__(self, path, facts=None, config=None, mongo=None):
        """mongo: a database of its own, where the store is there instead of in files."""
        self.mongo = mongo
        self.path = Path(path)
        self.path.mkdir(parents=True, exist_ok=True)
        self.data = self.path / "data"
        self.data.mkdir(exist_ok=True)
        self.config_file = self.path / "geod.toml"
        self.access_log = self.path / "access.log"
        self.secret = VECTOR_SECRET
        self.key("k1", self.secret)
        self.config = {
            "listen": {"redirect": "127.0.0.1:0", "verify": "127.0.0.1:0", "admin": "127.0.0.1:0"},
            "store": {"kind": "files", "dir": "data", "state_dir": "state"},
            "resolver": {"providers": ["networks"]},
            "signing": {"active": "k1", "ttl_s": 300, "keys": [{"id": "k1", "secret_file": "k1.hex"}]},
            "balance": {"balance_factor": 0.0},
            "http": {"trusted_proxies": ["127.0.0.1/32"], "threads": 2, "max_connections": 2000},
            "log": {"access": "access.log"},
        }
        for section, keys in (config or {}).items():
            self.config[section] = {**self.config.get(section, {}), **keys}
        if mongo:
            self.config["store"] = {**self.config["store"], **mongo.store()}
        self.write_config()
        if facts is not None:
            self.write_facts(facts)

    def key(self, name, secret):
        (self.path / f"{name}.hex").write_text(secret.hex() + "\n")
        (self.path / f"{name}.hex").chmod(0o600)

    def write_config(self):
        self.config_file.write_text(toml.sections(self.config))

    def write_facts(self, facts):
        for file, tables in FILE_OF.items():
            rows = {table: facts[table] for table in tables if table in facts}
            if rows:
                (self.data / file).write_text(toml.rows(rows))
        if self.mongo:
            self.fill(facts)

    def fill(self, facts):
        """The same facts in MongoDB."""
        config = self.path / "import.toml"  # the world's own may be wrong on purpose
        config.write_text(toml.sections({"store": self.mongo.store(), "deadline": {"store_ms": 10000}}))
        imported = geoctl("--config", config, "data", "import", self.data)
        assert imported.exit == 0, imported
        reports = [{**row, "_id": row["id"]} for row in facts.get("node_states", [])]
        states = self.mongo.rows().node_states
        states.delete_many({})
        if reports:
            states.insert_many(reports)

    def geoctl(self, *arguments, **keys):
        return geoctl("--config", self.config_file, *arguments, **keys)

    def geod(self, env=None, sockets=(), under=()):
        return Geod(self, env, sockets, under)

    def log_lines(self, count):
        """The access log once it has at least `count` lines; one that is being written is not there yet."""

        def read():
            lines = self.access_log.read_text().split("\n")[:-1] if self.access_log.exists() else []
            return lines if len(lines) >= count else None

        return [json.loads(line) for line in raw_http.eventually(read, f"{count} lines in the access log")]


class Output:
    def __init__(self, arguments, process):
        self.arguments = [str(a) for a in arguments]
        self.exit = process.returncode
        self.out = process.stdout
        self.err = process.stderr

    def json(self):
        lines = self.json_lines()
        assert len(lines) == 1, f"one JSON object expected: {self}"
        return lines[0]

    def json_lines(self):
        return [json.loads(line) for line in self.out.splitlines()]

    def __repr__(self):
        return f"geoctl {' '.join(self.arguments)}\nexit {self.exit}\nstdout: {self.out}\nstderr: {self.err}"


def geoctl(*arguments, stdin="", env=None, cwd=None):
    process = subprocess.run(
        [BIN / "geoctl", *map(str, arguments)], input=stdin, capture_output=True, text=True, timeout=120,
        env=environment(env), cwd=cwd, check=False)
    clean(process.stderr)
    return Output(arguments, process)


def run_geod(world, *arguments, env=None, sockets=()):
    """geod as a command that ends by itself."""
    process = pass_sockets(sockets, [BIN / "geod", "--config", world.config_file, *arguments], stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE, text=True, env=environment(env), cwd="/")
    try:
        process.stdout, process.stderr = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    clean(process.stderr)
    return Output(arguments, process)


def pass_sockets(sockets, command, **keys):
    """The process, with sockets as a service manager passes them: from descriptor 3 on, named in LISTEN_FDNAMES."""
    if not sockets:
        return subprocess.Popen(command, **keys)
    high = [fcntl.fcntl(each, fcntl.F_DUPFD, 100) for _, each in sockets]  # out of the way of 3, 4, ..
    moves = " ".join(f"{3 + i}<&{fd} {fd}<&-" for i, fd in enumerate(high))
    names = ":".join(name for name, _ in sockets)
    script = f'exec {moves}; export LISTEN_PID=$$ LISTEN_FDS={len(high)} LISTEN_FDNAMES={names}; exec "$@"'
    try:
        return subprocess.Popen(["bash", "-c", script, "bash", *command], pass_fds=high, **keys)
    finally:
        for fd in high:
            os.close(fd)


class Geod:
    """A running geod. Its addresses are read from what it prints."""

    def __init__(self, world, env=None, sockets=(), under=()):
        """sockets: those that it is passed, as (listener, socket). under: the command that runs it."""
        self.world = world
        self.addresses = {}
        self.stderr_file = world.path / f"geod-{os.urandom(3).hex()}.stderr"
        with open(self.stderr_file, "wb") as stderr:
            self.process = pass_sockets(sockets, [*under, BIN / "geod", "--config", world.config_file], stdout=subprocess.DEVNULL,
                                        stderr=stderr, env=environment(env), cwd="/")
        raw_http.eventually(self._is_ready, "geod gets ready", 30)

    def stderr(self):
        return self.stderr_file.read_text(errors="replace")

    def _is_ready(self):
        for line in self.stderr().splitlines():
            if found := LISTENING.search(line):
                self.addresses[found[1]] = (found[2] or found[3], int(found[4]))
            elif line.rstrip().endswith("ready"):
                return True
        assert self.process.poll() is None, f"geod ended with {self.process.returncode}:\n{self.stderr()}"
        return False

    def signal(self, number):
        self.process.send_signal(number)

    def stop(self):
        """Ends it in order: exit 0, and no sanitizer has anything to say."""
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
        try:
            code = self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"geod did not end within 15 s of SIGTERM:\n{self.stderr()}") from None
        clean(self.stderr())
        assert code == 0, f"geod ended with {code}:\n{self.stderr()}"

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def connect(self, listener="redirect", source=None):
        return raw_http.Connection(self.addresses[listener], source)

    def fetch(self, target, listener="redirect", **keys):
        if listener == "admin":  # is asked of its address
            keys.setdefault("host", "{}:{}".format(*self.addresses["admin"]))
        return raw_http.fetch(self.addresses[listener], target, **keys)

    def states(self):
        """By node: up, drain, offline, unhealthy, stale."""
        return {node["id"]: node["state"] for node in self.fetch("/status.json", "admin").json()["nodes"]}

    def ask(self, client=None, path="/flv", host=raw_http.HOST, method="GET", headers=(), **parameters):
        """One redirect request; the client's address comes through the trusted proxy."""
        headers = list(headers)
        if client:
            headers.append(("X-Forwarded-For", client))
        return self.fetch(target(path, **parameters), host=host, method=method, headers=headers)

    def verify(self, uri, host, client=None, **keys):
        return self.fetch("/verify", "verify", headers=verify_headers(uri, host, client), **keys)


def verify_headers(uri, host, client=None):
    headers = [("X-Original-URI", uri), ("X-Original-Host", host)]
    return headers + [("X-Real-IP", client)] if client else headers


def target(path="/flv", server="100-abcdef", camera="0", access_token="good", **more):
    """None leaves a parameter out."""
    query = {"server": server, "camera": camera, "access_token": access_token, **more}
    return path + "?" + "&".join(f"{k}={quote(v, safe=',:')}" for k, v in query.items() if v is not None)
