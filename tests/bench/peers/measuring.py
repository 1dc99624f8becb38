"""One load on each in turn, several rounds, the order alternating; and the tables of what came of it."""
import json
import os
import pathlib
import socket
import statistics
import subprocess
import sys
import time

import world
from redirecting import is_wrong
from servers import LOAD_CORE

CONNECTIONS = 64
FIGURES = {  # of a row: what stands above it, and how it is written
    "requests_per_s": ("requests/s", ".0f"), "cpu_us_per_request": ("CPU us/request", ".2f"), "p50_us": ("p50 us", ".0f"),
    "p99_us": ("p99 us", ".0f"), "p99_9_us": ("p99.9 us", ".0f"), "rss_mb": ("RSS MB", ".0f")}


def write_targets(file, requests):
    file.write_text("".join(f"{target} {client}\n" for target, client in requests))
    return file


def load(server, targets, seconds, **settings):
    """wrk's, as load.lua says."""
    environment = {**os.environ, "TARGETS": str(targets), "HOST": world.HOST, **({"LOCATIONS": "1"} if server.checked else {}), **settings}
    before = server.cpu_s()
    done = subprocess.run(["taskset", "-c", LOAD_CORE, "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency",
                           "-s", str(pathlib.Path(__file__).with_name("load.lua")), server.url],
                          env=environment, capture_output=True, text=True, check=True)
    result = json.loads(done.stdout.splitlines()[-1])
    failed, why = result.pop("failed"), result.pop("why")
    if failed:
        sys.exit(f"{server.name}: {failed} requests failed: {why}")
    for location in result.pop("locations"):
        if wrong := is_wrong(server, location):
            sys.exit(f"{server.name}: {wrong}: {location}")
    result["requests_per_s"] = result["requests"] / result["seconds"]
    result["cpu_us_per_request"] = (server.cpu_s() - before) * 1e6 / result["requests"]
    result["rss_mb"] = server.rss_mb()
    return result


def wait_until_busy(server):
    """wrk reads its targets first."""
    before, deadline = server.cpu_s(), time.monotonic() + 30
    while server.cpu_s() < before + 0.05 and time.monotonic() < deadline:
        time.sleep(0.01)


def summary(rounds):
    """By row: each figure's median, lowest and highest over the rounds, each of which has a dict of figures by row."""
    return {row: {figure: [statistics.median(v), min(v), max(v)] for figure in figures if figure in FIGURES
                  for v in [[each[row][figure] for each in rounds]]}
            for row, figures in rounds[0].items()}


def measure(runs, arguments):
    """runs: by row of the table, what is called with the seconds and gives its figures."""
    for run in runs.values():
        run(1)  # warm
    return summary([{row: runs[row](arguments.seconds) for row in (runs if number % 2 == 0 else reversed(runs))}
                    for number in range(arguments.rounds)])


def table(title, result, spread=("requests_per_s", "cpu_us_per_request")):
    """spread: the figures that are shown with their lowest and highest."""
    figures = [figure for figure in FIGURES if figure in next(iter(result.values()))]
    names = max(26, *(len(row) + 2 for row in result))
    print(f"\n{title}: median (lowest .. highest)\n")
    print(" " * names + "".join(f"{FIGURES[figure][0]:>{26 if figure in spread else 9}}" if figure != "cpu_us_per_request" or figure in spread
                                else f"{'CPU us':>9}" for figure in figures))
    for row, of in result.items():
        line = f"{row:{names}}"
        for figure in figures:
            (middle, low, high), form = of[figure], FIGURES[figure][1]
            line += f"{f'{middle:{form}} ({low:{form}} .. {high:{form}})':>26}" if figure in spread else f"{middle:9{form}}"
        print(line)


def compare(result, figure, what, row, *others):
    """The row's median to that of the others."""
    print(f"{what}, {row} to: " + ", ".join(f"{other} {result[row][figure][0] / result[other][figure][0]:.2f}" for other in others))


class Kept:
    """A kept connection, for one request after the other."""

    def __init__(self, server):
        self.socket = socket.create_connection(("127.0.0.1", server.port), timeout=10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def get(self, target, client="127.0.0.1"):
        return self.ask(f"GET {target} HTTP/1.1\r\nHost: {world.HOST}\r\nX-Forwarded-For: {client}\r\n\r\n")

    def post(self, target, body):
        return self.ask(f"POST {target} HTTP/1.1\r\nHost: {world.HOST}\r\nContent-Length: {len(body)}\r\n\r\n{body}")

    def ask(self, request):
        """How long the answer took. It is short, and comes whole."""
        began = time.perf_counter()
        self.socket.sendall(request.encode())
        answer = self.socket.recv(65536).decode()
        took = time.perf_counter() - began
        if answer.split(" ", 2)[1:2] not in (["200"], ["302"]):
            sys.exit(f"{answer}\nfor {request}")
        return took


def probe(asks, seconds):
    """Each in turn, one at a time. asks: by row, what asks once and tells how long it took."""
    took = {row: [] for row in asks}
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        for row, ask in asks.items():
            took[row].append(ask() * 1e6)
    return {row: {"p50_us": statistics.median(times), "p99_us": statistics.quantiles(times, n=100)[98]} for row, times in took.items()}
