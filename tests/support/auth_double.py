#!/usr/bin/python3
"""A double of an auth-server on loopback, as the contract's 2.3 describes it: POST /authorize.

In a scene:

    from auth_double import AuthDouble
    with AuthDouble() as auth:
        auth.tokens["good"] = {"owner_type": "user", "owner_id": "u1", "max_age_s": 60}
        ..  url = auth.url ..
        assert auth.calls["good", "view", "camera", "100-abcdef", "0"] == 1

Alone: prints its port, then answers until it is ended; every token is the user u1's.

    auth_double.py [--fault KIND] [--delay SECONDS]
    curl -d '{"token":"T","object_id":"0","server":"100-abcdef"}' localhost:PORT/authorize
    curl -d '{"kind":"slow_body","delay":1}' localhost:PORT/_fault      {} again: none

Faults: slow_answer (nothing for `delay` seconds), slow_body (a byte each `delay` seconds), never (no answer),
cut_before_header, cut_after_header, wrong_json, no_owner, wrong_types, bad_time, owner_twice, wrong_content_type, html_200,
error_500, bare_401, bare_403 (no code of the contract), other_code_403, redirect, unavailable (503 in the contract's form), limited (429,
likewise)."""

import argparse
import collections
import json
import threading

from http_double import HttpDouble, handler_for

PROBLEMS = {
    "token_unknown": 401, "token_expired": 401, "forbidden": 403, "bad_request": 400, "no_such_path": 404,
    "upstream_unavailable": 503, "rate_limited": 429, "format_not_in_tariff": 403,
}
# (status, content type, body) in the place of an answer
ODD = {
    "wrong_json": (200, "application/json", '{"owner_type":"user","own'),
    "no_owner": (200, "application/json", '{"owner_type":"user"}'),
    "wrong_types": (200, "application/json", '{"owner_type":"user","owner_id":7,"max_age_s":"60"}'),
    "bad_time": (200, "application/json", '{"owner_type":"user","owner_id":"u1","expires_at":"tomorrow"}'),
    "owner_twice": (200, "application/json", '{"owner_type":"user","owner_id":"u1","owner_id":"u-flv"}'),
    "wrong_content_type": (200, "text/plain", '{"owner_type":"user","owner_id":"u1"}'),
    "html_200": (200, "text/html", "<html>Log in</html>"),
    "error_500": (500, "text/plain", "internal error"),
    "bare_401": (401, "text/plain", "Unauthorized"),
    "bare_403": (403, "application/json", "{}"),
    "redirect": (302, "text/html", "<html>Log in</html>"),
}
REFUSALS = {"other_code_403": "format_not_in_tariff", "unavailable": "upstream_unavailable", "limited": "rate_limited"}
FAULTS = ["slow_answer", "slow_body", "never", "cut_before_header", "cut_after_header", *ODD, *REFUSALS]


class AuthDouble(HttpDouble):
    """`tokens` maps a token to the object that is answered, or to the code of a refusal; any other is unknown."""

    FAULTS = FAULTS

    def __init__(self, tokens=None, port=0, fault=None, delay=1.0):
        self.tokens = dict(tokens or {})
        self.calls = collections.Counter()  # (token, rights, object_type, server, object_id)
        self.headers = []  # of each call
        self.open = threading.Event()  # until then nobody is answered
        self.open.set()
        super().__init__(port, fault, delay)

    def close(self):
        self.open.set()
        super().close()

    @property
    def count(self):
        with self._lock:
            return sum(self.calls.values())

    def handler(double):
        class Handler(handler_for(double)):
            def do_POST(self):
                body = self._body()
                if self.path == "/_fault":
                    return self._set_fault(body)
                if self.path != "/authorize":
                    return self._refuse("no_such_path")
                try:
                    asked = json.loads(body)
                    key = (asked["token"], asked.get("rights", "view"), asked.get("object_type", "camera"), asked["server"],
                           asked["object_id"])
                except (ValueError, TypeError, KeyError):
                    return self._refuse("bad_request")
                with double._lock:
                    double.calls[key] += 1
                    double.headers.append(dict(self.headers))
                double.open.wait()
                self._answer(key[0])

            def _answer(self, token):
                if self._holds_back():
                    return None
                fault, how = double.fault, self._how()
                if fault in ODD:
                    status, kind, body = ODD[fault]
                    return self._send(status, body, kind=kind, headers={"Location": "/login"} if status == 302 else {})
                if fault in REFUSALS:
                    return self._refuse(REFUSALS[fault], {"Retry-After": "7"})
                answer = double.tokens.get(token, "token_unknown")
                if isinstance(answer, str):
                    return self._refuse(answer, **how)
                self._send(200, json.dumps(answer), **how)

            def _refuse(self, code, headers=None, **how):
                status = PROBLEMS[code]
                body = json.dumps({"title": code, "status": status, "code": code, "detail": "", "request_id": None})
                self._send(status, body, headers, "application/problem+json", **how)

            def _send(self, status, body, headers=None, *rest, **how):
                super()._send(status, body, {"Cache-Control": "no-store", **(headers or {})}, *rest, **how)

        return Handler


class Anyone(dict):
    def get(self, *_):
        return {"owner_type": "user", "owner_id": "u1", "expires_at": None, "max_age_s": 60}


def main():
    parser = argparse.ArgumentParser(description="A double of an auth-server on loopback; prints its port.")
    parser.add_argument("--fault", choices=FAULTS)
    parser.add_argument("--delay", type=float, default=1.0, metavar="SECONDS")
    options = parser.parse_args()
    double = AuthDouble(fault=options.fault, delay=options.delay)
    double.tokens = Anyone()
    double.serve_alone()


if __name__ == "__main__":
    main()
