"""Proxies in front of geod, configured as README says ("In front of geod"): stock nginx, stock HAProxy."""

import re
import socket
import subprocess
import threading

import pytest

from support import raw_http, tls
from support.nginx import free_port, need, write_conf
from support.raw_http import eventually
from support.tls import Authority
from support.town import MOSCOW
from support.world import REPO, target

README = (REPO / "README.md").read_text(encoding="utf-8")


def snippet(language, **places):
    """README's own, with other places: {what stands there: what to put there}."""
    part = README[README.index("\n## In front of geod"):]
    text = re.search(rf"^```{language}\n(.*?)^```$", part, re.S | re.M)[1]
    for old, new in places.items():
        assert old in text, f"README's snippet has no {old}"
        text = text.replace(old, new)
    return text


class Tap:
    """Passes bytes on, and counts the connections that bring them."""

    def __init__(self, to):
        self.to, self.count = to, 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            self.count += 1
            server = socket.create_connection(self.to)
            for ends in ((client, server), (server, client)):
                threading.Thread(target=self._pass, args=ends, daemon=True).start()

    @staticmethod
    def _pass(source, sink):
        try:
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def close(self):
        self.listener.close()


class Proxy:
    def __init__(self, kind, folder, geod, authority):
        self.geod, self.authority = geod, authority
        self.tap = Tap(geod.addresses["redirect"])
        self.port = free_port()
        files = authority.files()
        if kind == "nginx":
            text = snippet("nginx", **{
                "127.0.0.1:8080": self.tap.address, "listen 443": f"listen 127.0.0.1:{self.port}",
                "/etc/ssl/private/geo.example.com.pem": files["certificate_file"],
                "/etc/ssl/private/geo.example.com.key": files["key_file"]})
            write_conf(folder, text)
            command = [need("nginx"), "-p", folder, "-e", folder / "error.log", "-c", folder / "nginx.conf"]
        else:
            both = folder / "both.pem"
            both.write_text("".join(open(file, encoding="ascii").read() for file in files.values()))
            text = snippet("haproxy", **{
                "127.0.0.1:8080": self.tap.address, "bind :443": f"bind 127.0.0.1:{self.port}",
                "/etc/haproxy/geo.example.com.pem": str(both), "port 8081": "port %d" % geod.addresses["admin"][1]})
            (folder / "haproxy.cfg").write_text("global\n    nbthread 1\n\n" + text)
            command = [need("haproxy"), "-db", "-f", folder / "haproxy.cfg"]
        with open(folder / "output", "wb") as output:
            self.output = folder / "output"
            self.process = subprocess.Popen(command, stdout=output, stderr=output)
        eventually(self._serves, f"{kind} serves")

    def _serves(self):
        assert self.process.poll() is None, self.output.read_text()
        try:
            return self.ask().status == 302
        except OSError:
            return False

    def ask(self, *headers, path=target()):
        return tls.fetch(("127.0.0.1", self.port), self.authority.client(), path, headers=list(headers))

    def line_of(self, answer):
        """What geod's log says of that request."""
        name = answer.header("X-Request-Id")
        find = lambda: [line for line in self.geod.world.log_lines(1) if line["request_id"] == name]
        return eventually(find, "it is in geod's log")[0]

    def stop(self):
        self.process.terminate()
        self.process.wait(10)
        self.tap.close()


@pytest.fixture(scope="module", params=["nginx", "haproxy"])
def proxy(request, module_stage, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    authority = Authority(folder / "authority")
    authority.make()
    geod = module_stage.geod(http={"trusted_proxies": ["127.0.0.1/32"], "idle_timeout_s": 75})
    it = Proxy(request.param, folder, geod, authority)
    yield it
    it.stop()


def test_redirect_passes_as_it_is(proxy):
    answer = proxy.ask()
    assert answer.status == 302
    assert answer.location.startswith("https://node-")
    assert answer.header("Cache-Control") == "no-store"
    assert answer.header("Access-Control-Allow-Origin") == "*"


def test_client_is_who_asks_the_proxy_and_nobody_else(proxy):
    """127.0.0.1 is what the proxy sees; what a client says of itself is not believed."""
    for forged in ([("X-Forwarded-For", MOSCOW)], [("Forwarded", f"for={MOSCOW}")], [("X-Real-IP", MOSCOW)]):
        line = proxy.line_of(proxy.ask(*forged))
        assert (line["client_ip"], line["peer_ip"]) == ("127.0.0.1", "127.0.0.1"), forged


def test_client_is_told_to_geod(proxy):
    """By another loopback address than the proxy's own."""
    with raw_http.Connection(("127.0.0.1", proxy.port), source="127.0.0.9") as connection:
        connection.socket = proxy.authority.client().wrap_socket(connection.socket, server_hostname=raw_http.HOST)
        line = proxy.line_of(connection.ask(target()))
    assert (line["client_ip"], line["peer_ip"]) == ("127.0.0.9", "127.0.0.1")


def test_request_id_is_the_proxys(proxy):
    ids = {proxy.ask(("X-Request-Id", "forged")).header("X-Request-Id") for _ in range(3)}
    assert len(ids) == 3 and "forged" not in ids
    assert all(len(each) in (32, 36) for each in ids), "geod's own have 16 digits"


def test_host_is_kept(proxy):
    with raw_http.Connection(("127.0.0.1", proxy.port)) as connection:
        connection.socket = proxy.authority.client().wrap_socket(connection.socket, server_hostname=raw_http.HOST)
        known = proxy.line_of(connection.ask(target(), host=raw_http.HOST))
        other = proxy.line_of(connection.ask(target(server="300-acme"), host="acme.example.com"))
    assert known["partner"] == "default" and other["partner"] == "acme"


def test_connections_to_geod_are_kept(proxy):
    before = proxy.tap.count
    for _ in range(30):
        assert proxy.ask().status == 302
    assert proxy.tap.count - before <= 2, "thirty clients, one after the other"


def test_answers_to_a_websocket_handshake_pass(proxy):
    handshake = [("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Version", "13"),
                 ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")]
    redirect = proxy.ask(*handshake, path=target("/ws-fmp4"))
    assert redirect.status == 302 and redirect.location.startswith("wss://node-")
    asked = proxy.ask(*handshake, ("Accept", "application/json"), path=target("/ws-fmp4"))
    assert asked.status == 200 and asked.json()["location"].startswith("wss://node-")


def test_refusals_pass_with_their_problem(proxy):
    answer = proxy.ask(path=target(access_token=None))
    assert (answer.status, answer.code) == (401, "missing_token")
    assert answer.header("WWW-Authenticate") == "Bearer"
