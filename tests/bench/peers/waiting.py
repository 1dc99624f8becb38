"""The workloads of requests for which geod has to ask others, who take their time."""
import concurrent.futures
import functools
import itertools
import json
import sys

import world
from bench import SAMPLE, ask, check
from measuring import Kept, compare, load, measure, probe, summary, wait_until_busy, write_targets
from redirecting import GeodRedirect
from servers import Upstream, running

RESOLVER_MS, AUTH_MS = 5, 2


class Waiting:
    """geod, which asks a slow resolver where clients are, and a slow auth-server who they are; and those never seen."""

    def __init__(self, bench, name):
        self.bench, self.folder = bench, bench.folder / name
        countries = [group.split()[0] for _, group in world.GROUPS.values()]
        program = bench.arguments.bin / "bench_upstream"
        self.resolver = Upstream(self.folder, program, "resolver", RESOLVER_MS, countries)
        self.auth = Upstream(self.folder, program, "auth-server", AUTH_MS, countries)
        self.geod = GeodRedirect(self.folder, bench.geod, bench.databases, settings={
            "resolver.providers": ["remote"], "resolver.remote.url": self.resolver.url, "auth.url": self.auth.url,
            "cache.tokens.ttl_s": 3600})
        self.country_of = lambda client: countries[int(client.rpartition(".")[2]) % len(countries)]
        self.new_client = (f"11.{number >> 16}.{number >> 8 & 255}.{number & 255}" for number in itertools.count()).__next__
        self.new_token = (f"new-{number}" for number in itertools.count()).__next__
        self.known_clients = [f"12.0.{number // 250}.{number % 250}" for number in range(1000)]
        self.known = list(world.requests(self.known_clients, bench.arguments.requests, 2))

    def warm(self):
        """Each camera's right is asked for, and each client's place."""
        requests = list(zip(world.targets(), itertools.cycle(self.known_clients)))
        targets = write_targets(self.folder / "all", requests)
        asked = 0
        while asked < len(requests):
            asked += load(self.geod, targets, 5)["requests"]

    def check(self):
        for target, client in self.known[:SAMPLE]:
            check(self.geod, target, client, self.country_of(client))
            client = self.new_client()
            check(self.geod, world.with_token(target, self.new_token()), client, self.country_of(client))

    def asks(self, *rows):
        """What asks once, by row of a table."""
        geod, resolver, auth = (Kept(server) for server in (self.geod, self.resolver, self.auth))
        target, client = self.known[0]
        all_of_them = {
            "resolver": lambda: resolver.get(f"/resolve?ip={self.new_client()}"),
            "auth-server": lambda: auth.post("/authorize", json.dumps({"token": self.new_token()})),
            "geod, known": lambda: geod.get(target, client),
            "geod, new client": lambda: geod.get(target, self.new_client()),
            "geod, new token": lambda: geod.get(world.with_token(target, self.new_token()), client),
            "geod, new client and token": lambda: geod.get(world.with_token(target, self.new_token()), self.new_client())}
        return {row: all_of_them[row] for row in rows or all_of_them}

    def load_with(self, requests, rows, told, seconds):
        """requests: gives those of a round. rows: asked one at a time meanwhile; what came of that goes to told."""
        requests = list(requests())
        targets = write_targets(self.folder / "new", requests)
        with concurrent.futures.ThreadPoolExecutor(1) as beside:
            def one_at_a_time():
                wait_until_busy(self.geod)
                return probe(self.asks(*rows), seconds * 0.8)
            probing = beside.submit(one_at_a_time)
            result = load(self.geod, targets, seconds)
            told.append(probing.result())
        if result["requests"] > len(requests):
            sys.exit(f"{result['requests']} requests in a round, but only {len(requests)} are new: --requests")
        return result

    def never_twice(self, what):
        """That each key has been asked for in one call, and how many there were."""
        counts = self.bench.results[f"calls, {what}"] = {upstream.name: ask(upstream, "/asked") for upstream in (self.resolver, self.auth)}
        for name, asked in counts.items():
            print(f"{name}: {asked['keys']} keys in {asked['calls']} calls, {asked['distinct']} of them different")
            if asked["keys"] != asked["distinct"]:
                sys.exit("a key was asked for twice")

    def measure(self, what, requests, rows):
        """Under a load of requests beside one where all is known, and one at a time: beside that load, and alone."""
        seconds, rounds = self.bench.arguments.seconds, self.bench.arguments.rounds
        told = []
        with running([self.resolver, self.auth, self.geod]):
            self.warm()
            self.check()
            result = self.bench.show(f"GET /flv, {what}, resolver {RESOLVER_MS} ms, auth-server {AUTH_MS} ms", measure({
                "geod, all known": functools.partial(load, self.geod, write_targets(self.folder / "known", self.known)),
                f"geod, {what}": functools.partial(self.load_with, requests, rows, told)}, self.bench.arguments))
            compare(result, "cpu_us_per_request", "server CPU per request", f"geod, {what}", "geod, all known")
            latencies = ("p50_us", "p99_us")
            beside = self.bench.show(f"one at a time, beside full load, {what}", summary(told[1:]), spread=latencies)
            compare(beside, "p50_us", "p50", *reversed(rows))
            alone = self.bench.show(f"one at a time, no load, {what}", summary([probe(self.asks(), seconds) for _ in range(rounds)]),
                                    spread=latencies)
            for row, slowest in ("geod, new client", "resolver"), ("geod, new token", "auth-server"), ("geod, new client and token", "resolver"):
                compare(alone, "p50_us", "p50", row, slowest)
            self.never_twice(what)


def cold(bench):
    waiting = Waiting(bench, "cold")

    def requests():
        # two at once ask for the same client
        for number, (target, client) in enumerate(waiting.known):
            if number % 200 == 0:
                new = waiting.new_client()
            yield target, new if number % 200 < 2 else client
    waiting.measure("1 % of clients new", requests, ["resolver", "geod, new client"])


def tokens(bench):
    waiting = Waiting(bench, "tokens")
    waiting.measure("every token new", lambda: ((world.with_token(target, waiting.new_token()), client) for target, client in waiting.known),
                    ["auth-server", "geod, new token"])
