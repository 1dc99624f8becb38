"""An HTTP client that sends exactly the bytes it is told and reads answers strictly."""

import json
import socket
import time

HOST = "geo.example.com"
TIMEOUT_S = 20


class Closed(Exception):
    """The server closed (or reset) the connection before a whole answer."""


class Response:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body

    def header(self, name):
        found = [v for key, v in self.headers if key.lower() == name.lower()]
        assert len(found) <= 1, f"header {name} is there {len(found)} times: {found}"
        return found[0] if found else None

    def json(self):
        return json.loads(self.body)

    @property
    def location(self):
        return self.header("Location")

    @property
    def code(self):
        """The contract's code: of a problem, or that of success."""
        if self.status == 302:
            return "redirect"
        if (self.header("Content-Type") or "").startswith("application/problem+json"):
            return self.json()["code"]
        return "redirect" if self.status == 200 else None

    def __repr__(self):
        return f"<{self.status} {self.headers} {self.body[:300]!r}>"


class Connection:
    def __init__(self, address, source=None):
        self.socket = socket.create_connection(address, TIMEOUT_S, (source, 0) if source else None)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        """False when the server has closed already; its answer may still be readable."""
        try:
            self.socket.sendall(data if isinstance(data, bytes) else data.encode("latin-1"))
            return True
        except (BrokenPipeError, ConnectionResetError):
            return False

    def end_sending(self):
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError:  # the server has closed already
            pass

    def _more(self):
        try:
            data = self.socket.recv(65536)
        except ConnectionResetError:
            data = b""
        if not data:
            raise Closed(self.buffer)
        self.buffer += data

    def _until(self, mark):
        while mark not in self.buffer:
            self._more()
        head, self.buffer = self.buffer.split(mark, 1)
        return head

    def _exactly(self, size):
        while len(self.buffer) < size:
            self._more()
        body, self.buffer = self.buffer[:size], self.buffer[size:]
        return body

    def read(self, method="GET"):
        lines = self._until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        version, status = lines[0].split(" ")[:2]
        assert version in ("HTTP/1.0", "HTTP/1.1"), lines[0]
        headers = [tuple(part.strip() for part in line.split(":", 1)) for line in lines[1:]]
        response = Response(int(status), headers, b"")
        if method == "HEAD" or response.status in (204, 304) or response.status < 200:
            return response
        if response.header("Transfer-Encoding"):
            while size := int(self._until(b"\r\n").split(b";")[0], 16):
                response.body += self._exactly(size)
                assert self._exactly(2) == b"\r\n"
            self._until(b"\r\n")
        elif (length := response.header("Content-Length")) is not None:
            response.body = self._exactly(int(length))
        else:
            try:
                while True:
                    self._more()
            except Closed:
                response.body, self.buffer = self.buffer, b""
        return response

    def ask(self, target, method="GET", headers=(), host=HOST):
        self.send(message(target, method, headers, host))
        return self.read(method)

    def is_closed(self):
        """True when the server closes within the deadline and says nothing more."""
        try:
            self._more()
            return False
        except Closed:
            return True
        except TimeoutError:
            return False


def message(target, method="GET", headers=(), host=HOST, version="HTTP/1.1"):
    lines = [f"{method} {target} {version}"]
    if host is not None:
        lines.append(f"Host: {host}")
    lines += [f"{name}: {v}" for name, v in headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def fetch(address, target, method="GET", headers=(), host=HOST, source=None):
    with Connection(address, source) as connection:
        return connection.ask(target, method, headers, host)


def talk(address, data):
    """Sends bytes, ends sending, returns all answers until the server closes: [] is a clean close without a word."""
    return talk_all(address, [data])[0]


def talk_all(address, messages):
    """The same for many connections at once, since some are closed only when the server's patience ends."""
    connections, answers = [], []
    try:
        for data in messages:
            connections.append(Connection(address))
            if connections[-1].send(data):
                connections[-1].end_sending()
        for connection in connections:
            answers.append(list(_until_closed(connection)))
    finally:
        for connection in connections:
            connection.socket.close()
    return answers


def _until_closed(connection):
    try:
        while True:
            yield connection.read()
    except Closed as rest:
        assert not rest.args[0], f"closed in the middle of an answer: {rest.args[0]!r}"


def eventually(condition, what, deadline_s=TIMEOUT_S):
    """Polls until the condition gives something true."""
    end = time.monotonic() + deadline_s
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < end, f"did not happen within {deadline_s} s: {what}"
        time.sleep(0.01)
