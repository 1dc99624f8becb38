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
cut_before_header, cut_after_header, wrong_json, no_owner, wrong_types, bad_time, wrong_content_type, html_200, error_500,
bare_401, bare_403 (no code of the contract), other_code_403, redirect, unavailable (503 in the contract's form), limited (429,
likewise)."""

import argparse
import collections
import http.server
import json
import socket
import threading

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
    "wrong_content_type": (200, "text/plain", '{"owner_type":"user","owner_id":"u1"}'),
    "html_200": (200, "text/html", "<html>Log in</html>"),
    "error_500": (500, "text/plain", "internal error"),
    "bare_401": (401, "text/plain", "Unauthorized"),
    "bare_403": (403, "application/json", "{}"),
    "redirect": (302, "text/html", "<html>Log in</html>"),
}
REFUSALS = {"other_code_403": "format_not_in_tariff", "unavailable": "upstream_unavailable", "limited": "rate_limited"}
FAULTS = ["slow_answer", "slow_body", "never", "cut_before_header", "cut_after_header", *ODD, *REFUSALS]


class AuthDouble:
    """`tokens` maps a token to the object that is answered, or to the code of a refusal; any other is unknown."""

    def __init__(self, tokens=None, port=0, fault=None, delay=1.0):
        self.tokens = dict(tokens or {})
        self.fault, self.delay = fault, delay
        self.calls = collections.Counter()  # (token, rights, object_type, server, object_id)
        self.headers = []  # of each call
        self.open = threading.Event()  # until then nobody is answered
        self.open.set()
        self._lock = threading.Lock()
        self._ended = threading.Event()

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 1024

        self._server = Server(("127.0.0.1", port), self._handler())
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._connections = set()
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Gone, with all of its connections; another may take its port."""
        self._ended.set()
        self.open.set()
        self._server.shutdown()
        self._server.server_close()
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            cut(connection)
        self._thread.join()

    def set_fault(self, kind=None, delay=1.0):
        if kind is not None and kind not in FAULTS:
            raise ValueError(f"{kind}: none of {' '.join(FAULTS)}")
        self.fault, self.delay = kind, delay

    @property
    def count(self):
        with self._lock:
            return sum(self.calls.values())

    def _handler(double):
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def log_message(self, *_):
                pass

            def setup(self):
                super().setup()
                with double._lock:
                    double._connections.add(self.connection)

            def finish(self):
                with double._lock:
                    double._connections.discard(self.connection)
                try:
                    super().finish()
                except OSError:
                    pass  # the client has gone

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                if self.path == "/_fault":
                    wanted = json.loads(body)
                    double.set_fault(wanted.get("kind"), wanted.get("delay", 1.0))
                    return self._send(200, "{}")
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
                fault, delay = double.fault, double.delay
                if fault == "cut_before_header":
                    return self._cut()
                if fault == "never":
                    double._ended.wait()
                    return self._cut()
                if fault == "slow_answer":
                    double._ended.wait(delay)
                if fault in ODD:
                    status, kind, body = ODD[fault]
                    return self._send(status, body, kind=kind, headers={"Location": "/login"} if status == 302 else {})
                if fault in REFUSALS:
                    return self._refuse(REFUSALS[fault], {"Retry-After": "7"})
                answer = double.tokens.get(token, "token_unknown")
                how = {"pace": delay if fault == "slow_body" else None, "stop": fault == "cut_after_header"}
                if isinstance(answer, str):
                    return self._refuse(answer, **how)
                self._send(200, json.dumps(answer), **how)

            def _refuse(self, code, headers=None, **how):
                status = PROBLEMS[code]
                body = json.dumps({"title": code, "status": status, "code": code, "detail": "", "request_id": None})
                self._send(status, body, headers, "application/problem+json", **how)

            def _send(self, status, body, headers=None, kind="application/json", pace=None, stop=False):
                body = body.encode()
                try:
                    self.send_response(status)
                    fields = {"Content-Type": kind, "Content-Length": len(body), "Cache-Control": "no-store", **(headers or {})}
                    for name, value in fields.items():
                        self.send_header(name, str(value))
                    self.end_headers()
                    if stop:
                        return self._cut()
                    if pace is None:
                        return self.wfile.write(body)
                    for byte in body:
                        self.wfile.write(bytes([byte]))
                        if double._ended.wait(pace):
                            return self._cut()
                except OSError:
                    self.close_connection = True  # the client has gone

            def _cut(self):
                self.close_connection = True
                cut(self.connection)

        return Handler


def cut(connection):
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass


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
    print(double.port, flush=True)
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        double.close()


if __name__ == "__main__":
    main()
