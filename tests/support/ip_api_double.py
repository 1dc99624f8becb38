#!/usr/bin/python3
"""A double of ip-api.com on loopback, as https://ip-api.com/docs describes it: GET /json/{ip}, POST /batch, the limits of
its free form with X-Rl and X-Ttl, 429 beyond them, `fields`, `lang`, `status: fail`, the paid form with `key`.

In a scene:

    from ip_api_double import IpApiDouble
    with IpApiDouble() as ip_api:
        ..  url = ip_api.url ..
        assert ip_api.calls["json"] == 1 and not ip_api.exceeded

Alone: prints its port, then answers until it is ended.

    ip_api_double.py [--window SECONDS] [--key KEY] [--fault KIND] [--delay SECONDS]
    curl localhost:PORT/_stats             {"calls":{"json":1,"batch":0},"addresses":1,"exceeded":0,..}
    curl -d '{"kind":"slow_body","delay":1}' localhost:PORT/_fault      {} again: none

Faults: slow_answer (nothing for `delay` seconds), slow_body (a byte each `delay` seconds), never (no answer),
cut_before_header, cut_after_header, wrong_json, wrong_charset (ISO 8859-1 bytes), error_500, no_calls_left (X-Rl: 0),
wrong_query (tells of other addresses), missing_entries (of a batch every second one)."""

import argparse
import collections
import ipaddress
import json
import math
import time
import urllib.parse

from http_double import HttpDouble, handler_for

LIMITS = {"json": 45, "batch": 15}  # calls per window of the free form, counted apart
BATCH_MAX = 100
DEFAULT_FIELDS = "country,countryCode,region,regionName,city,zip,lat,lon,timezone,isp,org,as,query,status,message"
PRIVATE = [ipaddress.ip_network(each) for each in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")]
FAULTS = (
    "slow_answer slow_body never cut_before_header cut_after_header wrong_json wrong_charset error_500 no_calls_left"
    " wrong_query missing_entries"
).split()

# countryCode, country, region, regionName, city, lat, lon; names in English and Russian
PLACES = [
    (("RU", "MOW", 55.7558, 37.6176), ("Russia", "Moscow", "Moscow"), ("Россия", "Москва", "Москва")),
    (("DE", "BE", 52.52, 13.405), ("Germany", "Land Berlin", "Berlin"), ("Германия", "Берлин", "Берлин")),
    (("US", "NY", 40.7128, -74.006), ("United States", "New York", "New York"), ("США", "Нью-Йорк", "Нью-Йорк")),
    (("JP", "13", 35.6895, 139.6917), ("Japan", "Tokyo", "Tokyo"), ("Япония", "Токио", "Токио")),
]


class IpApiDouble(HttpDouble):
    """`places` maps an address to a dict of ip-api's fields, or to the message of a `status: fail`; any other public address
    is in one of four cities. `key`: it is the paid form, and that is its key."""

    FAULTS = FAULTS

    def __init__(self, places=None, window=60.0, key=None, fault=None, delay=1.0):
        self.places, self.window, self.key = dict(places or {}), window, key
        self.calls = collections.Counter({"json": 0, "batch": 0})
        self.addresses = 0  # asked for, in all calls
        self.batch_sizes = []
        self.exceeded = 0  # calls beyond the limit, answered 429
        self.while_none_left = 0  # calls that came after X-Rl: 0 was sent and before its X-Ttl had passed
        self.most = {kind: 0 for kind in LIMITS}  # calls within any stretch of time as long as a window
        self.keys = collections.Counter()
        self._times = {kind: collections.deque() for kind in LIMITS}
        self._windows = {kind: (0.0, 0) for kind in LIMITS}  # start, calls within
        self._none_until = {kind: 0.0 for kind in LIMITS}
        super().__init__(0, fault, delay)

    def stats(self):
        with self._lock:
            return {
                "calls": dict(self.calls),
                "addresses": self.addresses,
                "batch_sizes": list(self.batch_sizes),
                "most": dict(self.most),
                "exceeded": self.exceeded,
                "while_none_left": self.while_none_left,
                "keys": dict(self.keys),
                "fault": self.fault,
            }

    # ---- the protocol ----

    def _count(self, kind, key):
        """-> (may it be answered, X-Rl, X-Ttl); the paid form has no limits and no such headers."""
        now = time.monotonic()
        with self._lock:
            self.calls[kind] += 1
            times = self._times[kind]
            times.append(now)
            while times[0] <= now - self.window:
                times.popleft()
            self.most[kind] = max(self.most[kind], len(times))
            if key is not None:
                self.keys[key] += 1
            if now < self._none_until[kind]:
                self.while_none_left += 1
            if self.key is not None:
                return True, None, None
            start, used = self._windows[kind]
            if now >= start + self.window:
                start, used = now, 0
            used += 1
            self._windows[kind] = start, used
            left = max(0, LIMITS[kind] - used)
            ttl = max(1, math.ceil(start + self.window - now))
            if used > LIMITS[kind]:
                self.exceeded += 1
                return False, 0, ttl
            if self.fault == "no_calls_left":
                left = 0
            if left == 0:
                self._none_until[kind] = now + ttl
            return True, left, ttl

    def _entry(self, query, fields, lang):
        try:
            ip = ipaddress.ip_address(query)
        except ValueError:
            ip = None
        place = self.places.get(query)
        if isinstance(place, str):
            entry = {"status": "fail", "message": place}
        elif place is not None:
            entry = {"status": "success", **place}
        elif ip is None:
            entry = {"status": "fail", "message": "invalid query"}
        elif any(ip in network for network in PRIVATE if network.version == ip.version):
            entry = {"status": "fail", "message": "private range"}
        elif not ip.is_global or ip.is_multicast:
            entry = {"status": "fail", "message": "reserved range"}
        else:
            entry = self._some_place(int(ip), lang)
        entry["query"] = "192.0.2.254" if self.fault == "wrong_query" else query
        return {name: value for name, value in entry.items() if name in fields}

    @staticmethod
    def _some_place(number, lang):
        (code, region, lat, lon), english, russian = PLACES[number % len(PLACES)]
        country, region_name, city = russian if lang == "ru" else english
        return {
            "status": "success",
            "country": country,
            "countryCode": code,
            "region": region,
            "regionName": region_name,
            "city": city,
            "lat": lat,
            "lon": lon,
        }

    def handler(double):
        class Handler(handler_for(double)):
            def do_GET(self):
                url = urllib.parse.urlsplit(self.path)
                query = dict(urllib.parse.parse_qsl(url.query))
                if url.path == "/_stats":
                    return self._send(200, json.dumps(double.stats()))
                if not url.path.startswith("/json/"):
                    return self._send(404, "404 page not found", kind="text/plain")
                address = urllib.parse.unquote(url.path[len("/json/") :])
                self._answer("json", query, lambda entry: entry(address), 1)

            def do_POST(self):
                url = urllib.parse.urlsplit(self.path)
                query = dict(urllib.parse.parse_qsl(url.query))
                body = self._body()
                if url.path == "/_fault":
                    return self._set_fault(body)
                if url.path != "/batch":
                    return self._send(404, "404 page not found", kind="text/plain")
                try:
                    wanted = [each if isinstance(each, str) else each["query"] for each in json.loads(body)]
                except (ValueError, TypeError, KeyError):
                    return self._send(422, "", kind="text/plain")
                with double._lock:
                    double.batch_sizes.append(len(wanted))
                if len(wanted) > BATCH_MAX:
                    double._count("batch", query.get("key"))
                    return self._send(422, "", kind="text/plain")
                kept = wanted[::2] if double.fault == "missing_entries" else wanted
                self._answer("batch", query, lambda entry: [entry(each) for each in kept], len(wanted))

            def _answer(self, kind, query, make, addresses):
                may, left, ttl = double._count(kind, query.get("key"))
                with double._lock:
                    double.addresses += addresses
                headers = {} if left is None else {"X-Rl": left, "X-Ttl": ttl}
                if self._holds_back():
                    return None
                fault, how = double.fault, self._how()
                if not may:
                    return self._send(429, "", headers, "text/plain")
                if double.key is not None and query.get("key") != double.key:
                    return self._send(403, "Invalid key", kind="text/plain")
                if fault == "error_500":
                    return self._send(500, "internal error", headers, "text/plain")
                fields = set(query.get("fields", DEFAULT_FIELDS).split(","))
                lang = query.get("lang", "en")
                body = json.dumps(make(lambda each: double._entry(each, fields, lang)), ensure_ascii=False).encode()
                if fault == "wrong_json":
                    body = body[: len(body) // 2] + b"<html>"
                if fault == "wrong_charset":
                    body = body.replace(b'"query"', '"note":"Zürich","query"'.encode("latin-1"))
                self._send(200, body, headers, "application/json; charset=utf-8", **how)

        return Handler


def main():
    parser = argparse.ArgumentParser(description="A double of ip-api.com on loopback; prints its port.")
    parser.add_argument("--window", type=float, default=60.0, metavar="SECONDS")
    parser.add_argument("--key", help="the paid form, with that key")
    parser.add_argument("--fault", choices=FAULTS)
    parser.add_argument("--delay", type=float, default=1.0, metavar="SECONDS")
    options = parser.parse_args()
    double = IpApiDouble(window=options.window, key=options.key, fault=options.fault, delay=options.delay)
    double.serve_alone()


if __name__ == "__main__":
    main()
