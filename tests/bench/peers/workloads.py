"""The workloads of requests that nobody waits for."""
import concurrent.futures
import contextlib
import functools
import http.client
import itertools
import json
import os
import pathlib
import socket
import ssl
import statistics
import struct
import subprocess
import sys
import threading
import time

import world
from bench import SAMPLE, ask, known_addresses
from measuring import CONNECTIONS, Kept, compare, load, measure, wait_until_busy, write_targets
from redirecting import Bare, GeodRedirect, Haproxy, NginxAuthorized, NginxRedirect, NginxSigned
from servers import GeodResolver, NginxResolver, free_port, running

IDLE_CONNECTIONS = 10000


def has_city(place):
    return place.get("city") and place["region"] and place["coordinates"] and '"' not in place["city"] + place["region"]


def resolve(bench):
    for log in (False, True):
        folder = bench.folder / f"resolve-{log}"
        servers = [GeodResolver(folder, bench.geod, bench.databases, log), NginxResolver(folder, bench.databases, log)]
        with running(servers):
            addresses = list(known_addresses(servers[0], has_city))
            for address in addresses[:SAMPLE]:
                ours, theirs = (ask(server, f"/resolve?ip={address}") for server in servers)
                # geod tells a file's float as the shortest decimal that reads back the same, nginx with five digits
                close = all(abs(a - b) < 1e-4 for a, b in zip(ours.pop("coordinates"), theirs.pop("coordinates")))
                if ours != theirs or not close:
                    sys.exit(f"{address}: the answers differ:\n{ours}\n{theirs}")
            targets = write_targets(folder / "targets", [(f"/resolve?ip={address}", "") for address in addresses])
            bench.measured(f"GET /resolve, {len(addresses)} addresses, access logs {'on' if log else 'off'}", servers, targets)


def redirecting(bench, name, peers, certificate=None, how="warm keep-alive", bare=False, **settings):
    """geod and peers under the same load, without and with access logs."""
    for log in (False, True):
        folder = bench.folder / f"{name}-{log}"
        servers = [GeodRedirect(folder, bench.geod, bench.databases, log, certificate),
                   *(peer(folder, bench.databases, log, certificate) for peer in peers)]
        if bare and not log:
            servers.append(Bare(folder, bench.arguments.bin / "bench_bare"))
        with running(servers):
            for server in servers:
                bench.check(server)
            title = f"GET /flv, {len(bench.requests)} requests, {how(servers) if callable(how) else how}, access logs {'on' if log else 'off'}"
            bench.measured(title, servers, bench.targets, **settings)


def redirect(bench):
    redirecting(bench, "redirect", [NginxRedirect, NginxSigned, NginxAuthorized, Haproxy], bare=True)


def fresh(bench):
    redirecting(bench, "fresh", [NginxRedirect, Haproxy], how="one a connection", FIELDS="Connection: close\r\n")


def tls_of(servers):
    """The version and cipher that all of them agree on with the same client."""
    agreed = set()
    for server in servers:
        with socket.create_connection(("127.0.0.1", server.port)) as plain, \
                ssl._create_unverified_context().wrap_socket(plain, server_hostname=world.HOST) as tls:
            agreed.add(f"{tls.version()} {tls.cipher()[0]}")
    if len(agreed) != 1:
        sys.exit(f"they do not speak the same TLS: {agreed}")
    return f"{agreed.pop()}, keep-alive"


def tls(bench):
    certificate = bench.folder / "certificate.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-subj", f"/CN={world.HOST}", "-keyout", certificate, "-out", f"{certificate}.chain"], check=True, capture_output=True)
    with open(certificate, "a") as key:
        key.write(pathlib.Path(f"{certificate}.chain").read_text())
    redirecting(bench, "tls", [NginxRedirect, Haproxy], str(certificate), tls_of)


@contextlib.contextmanager
def idle_connections(server, target, client):
    """Each has had an answer, and keeps quiet."""
    connections = [Kept(server) for _ in range(IDLE_CONNECTIONS)]
    for connection in connections:
        connection.get(target, client)
    yield
    for connection in connections:
        connection.socket.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            sys.exit(f"{server.name}: closed an idle connection: {connection.socket.recv(1)}")
        # no TIME_WAIT: the next round needs the ports
        connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.socket.close()


def idle(bench):
    servers = [GeodRedirect(bench.folder / "idle", bench.geod, bench.databases), NginxRedirect(bench.folder / "idle", bench.databases)]

    def beside(server, seconds):
        with idle_connections(server, *bench.requests[0]):
            return load(server, bench.targets, seconds)
    with running(servers):
        runs, memory = {}, {}
        for server in servers:
            bench.check(server)
            load(server, bench.targets, 1)
            before = server.rss_mb()
            with idle_connections(server, *bench.requests[0]):
                memory[server.name] = (server.rss_mb() - before) * 2**20 / IDLE_CONNECTIONS
            runs[server.name] = functools.partial(load, server, bench.targets)
            runs[f"{server.name}, {IDLE_CONNECTIONS} idle"] = functools.partial(beside, server)
        result = bench.show("GET /flv, full load beside idle connections", measure(runs, bench.arguments), spread=("requests_per_s", "p99_us"))
        for name, size in memory.items():
            result[f"{name}, {IDLE_CONNECTIONS} idle"]["bytes_of_an_idle_connection"] = [size] * 3
            compare(result, "p99_us", "p99", f"{name}, {IDLE_CONNECTIONS} idle", name)
        print("memory of an idle connection: " + ", ".join(f"{name} {size:.0f} bytes" for name, size in memory.items()))


class FilledGeod(GeodRedirect):
    filled = True


class Reloads:
    """Replaces geod's topology by one in which every node has another weight."""

    def __init__(self, geod, admin_port):
        self.geod, self.admin_port = geod, admin_port
        self.topologies = itertools.cycle([world.topology(filled=True, weight=weight).encode() for weight in (200, 100)])

    def ask_admin(self, method, path):
        connection = http.client.HTTPConnection("127.0.0.1", self.admin_port, timeout=60)
        connection.request(method, path)
        return json.load(connection.getresponse())

    def version(self):
        return self.ask_admin("GET", "/status.json")["snapshot"]["version"]

    def one(self):
        """How long it takes until the new one serves, in seconds."""
        file = self.geod.folder / "data" / "topology.toml"
        file.with_suffix(".new").write_bytes(next(self.topologies))
        os.replace(file.with_suffix(".new"), file)
        began = time.monotonic()
        answer = self.ask_admin("POST", "/reload")
        if not answer.get("ok"):
            sys.exit(f"refused: {answer}")
        return time.monotonic() - began

    def every_second(self, took, enough):
        wait_until_busy(self.geod)
        while not enough.is_set():
            took.append(self.one())
            enough.wait(max(0, 1 - took[-1]))


def reload(bench):
    admin, rounds = free_port(), bench.arguments.rounds
    geod = FilledGeod(bench.folder / "reload", bench.geod, bench.databases, settings={"listen.admin": f"127.0.0.1:{admin}"})
    reloads = Reloads(geod, admin)
    under_load = []

    def beside(seconds, **settings):
        enough = threading.Event()
        with concurrent.futures.ThreadPoolExecutor(1) as other:
            reloading = other.submit(reloads.every_second, under_load, enough)
            try:
                result = load(geod, bench.targets, seconds, **settings)
            finally:
                enough.set()
            reloading.result()
        return result

    with running([geod]):
        bench.check(geod)
        before, cpu_before = reloads.version(), geod.cpu_s()
        alone = [reloads.one()]
        if reloads.version() == before:
            sys.exit("the topology has not changed")
        alone += [reloads.one() for _ in range(rounds - 1)]
        cpu = (geod.cpu_s() - cpu_before) / rounds
        # about half of what it can bear: the one core is the reload's too
        pause = max(1, round(2000 * CONNECTIONS / load(geod, bench.targets, 2)["requests_per_s"]))
        result = bench.show(f"GET /flv, half load ({pause} ms before each request) beside reloads", measure(
            {"geod": functools.partial(load, geod, bench.targets, PAUSE_MS=str(pause)),
             "geod, a reload a second": functools.partial(beside, PAUSE_MS=str(pause))}, bench.arguments),
            spread=("requests_per_s", "p99_9_us"))
        compare(result, "p99_9_us", "p99.9", "geod, a reload a second", "geod")
        for what, took in ("alone", alone), ("under load", under_load):
            print(f"reload, {what}: {statistics.median(took):.2f} s ({min(took):.2f} .. {max(took):.2f})")
            result["geod, a reload a second"][f"reload {what}, s"] = [statistics.median(took), min(took), max(took)]
        print(f"CPU of a reload: {cpu:.2f} s")
        bench.check(geod)
