"""The servers that redirect. The client's address comes in X-Forwarded-For from a trusted proxy, which is what loads them."""
import base64
import hashlib
import hmac
import shutil
import urllib.parse

import world
from servers import LOAD_CORE, NGINX_GEOIP2, NGINX_JS, Geod, Nginx, Server

TTL_S = 300


def group_text():
    return "\n".join(f"    {country} {group};" for country, group in sorted(world.GROUP_OF.items()))


class GeodRedirect(Geod):
    """The whole decision: locate, group, choose, authorize, bill, inspect, sign."""

    checked = "signature"
    filled = False  # its topology
    settings = {"signing.keys": [{"id": "k1", "secret_file": "k1.hex"}], "balance.nearest": False,
                "http.trusted_proxies": ["127.0.0.1/32"]}

    def command(self):
        world.write_store(self.folder / "data", self.filled)
        (self.folder / "k1.hex").write_text(world.SECRET.hex())
        (self.folder / "k1.hex").chmod(0o600)
        self.settings["tls.redirect" if self.certificate else "listen.redirect"] = f"127.0.0.1:{self.port}"
        if self.certificate:
            self.settings |= {"tls.certificate_file": self.certificate, "tls.key_file": self.certificate}
        return super().command()


class NginxRedirect(Nginx):
    """A bare 302 to the group's first node, by geoip2 and a map of countries."""

    checked = "group"
    logged = '"client_ip":"$http_x_forwarded_for","server":"$arg_server","camera":"$arg_camera","group":"$group"'
    answer = "return 302 https://node-$group-0.example.com$request_uri;"
    headers = "add_header Cache-Control no-store always; add_header X-Request-Id $request_id always;"

    def http(self):
        return f"""  map_hash_max_size 4096;
  geoip2 {self.databases[0]} {{
    $country source=$http_x_forwarded_for country_code;
  }}
  map $country $group {{
    default {world.DEFAULT_GROUP};
{group_text()}
  }}"""

    def location(self):
        return f"    location = /flv {{\n      {self.headers}\n      {self.answer}\n    }}"


SIGNED = """
  js_import sign from sign.js;
  js_set $signed sign.location;
  split_clients "$arg_server/$arg_camera" $number { 33.4% 0; 33.3% 1; * 2; }"""
SIGN_JS = """
import crypto from 'crypto';
const secret = Buffer.from('%s', 'hex');
function location(r) {
  const v = r.variables, host = 'node-' + v.group + '-' + v.number + '.example.com';
  const target = '/flv?server=' + v.arg_server + '&camera=' + v.arg_camera + '&token=' + v.arg_access_token +
      '&exp=' + (Math.floor(Date.now() / 1000) + %d) + '&kid=k1';
  return 'https://' + host + target + '&sig=' + crypto.createHmac('sha256', secret).update(host + target).digest('base64url');
}
export default { location };
"""


class NginxSigned(NginxRedirect):
    """By camera to one of the group's nodes, the URL signed as geod signs it."""

    name = "nginx + split, HMAC in njs"
    checked = "signature"
    modules = [NGINX_GEOIP2, NGINX_JS]
    answer = "return 302 $signed;"

    def http(self):
        return super().http() + SIGNED

    def command(self):
        (self.folder / "sign.js").write_text(SIGN_JS % (world.SECRET.hex(), TTL_S))
        return super().command()


class Yes(Nginx):
    """Permits all. On the core of the load: all of the other one is the server's that is measured."""

    name = "yes"
    core = LOAD_CORE
    modules = []

    def location(self):
        return "    return 204;"


class NginxAuthorized(NginxSigned):
    """The same, once another nginx, which says yes to all, has been asked; that one's CPU is not counted."""

    name = "nginx + auth_request"
    # try_files: `return` would answer before auth_request is asked
    answer = "auth_request /yes; try_files /none @redirect;"

    def __init__(self, folder, databases, log=False, certificate=None):
        super().__init__(folder, databases, log, certificate)
        self.yes = Yes(self.folder)

    def http(self):
        return super().http() + f"\n  upstream yes {{ server 127.0.0.1:{self.yes.port}; keepalive 64; keepalive_requests 1000000000; }}"

    def location(self):
        return super().location() + f"""
    location @redirect {{ {self.headers} return 302 $signed; }}
    location = /yes {{
      internal; proxy_pass http://yes; proxy_http_version 1.1; proxy_set_header Connection '';
      proxy_pass_request_body off; proxy_set_header Content-Length '';
    }}"""

    def start(self):
        self.yes.start()
        return super().start()

    def stop(self):
        super().stop()
        self.yes.stop()


class Haproxy(Server):
    """A constant 302 to the node that a map of networks names: no city file, no group by country."""

    name = "HAProxy map"
    checked = "node"

    def __init__(self, folder, _databases, log=False, certificate=None):
        super().__init__(folder, log, certificate)

    def command(self):
        hosts = [host for group in world.GROUPS for host in world.nodes_of(group)]
        (self.folder / "networks.map").write_text("".join(f"{i}.0.0.0/8 {hosts[i % len(hosts)]}\n" for i in range(1, 224)))
        log = "log stdout format raw local0\n  log-format '{\"ts\":\"%T\",\"client_ip\":\"%[var(txn.client)]\",\"peer_ip\":\"%ci\"," \
              "\"method\":\"%HM\",\"path\":\"%HP\",\"status\":%ST,\"duration_ms\":%Ta}'\n" if self.log else ""
        tls = f"ssl crt {self.certificate}" if self.certificate else ""
        (self.folder / "haproxy.cfg").write_text(f"""
global
  nbthread 1
  maxconn 9000
defaults
  mode http
  timeout client 60s
  timeout http-keep-alive 60s
  timeout http-request 10s
frontend redirect
  bind 127.0.0.1:{self.port} backlog 4096 {tls}
  {log}
  unique-id-format %{{+X}}o%pid%Ts%rt
  http-request set-var(txn.client) req.hdr_ip(X-Forwarded-For,-1)
  http-after-response set-header Cache-Control no-store
  http-after-response set-header X-Request-Id %[unique-id]
  http-request redirect location https://%[var(txn.client),map_ip({self.folder}/networks.map,{hosts[0]})]%[capture.req.uri] code 302
""")
        return [shutil.which("haproxy") or "/usr/sbin/haproxy", "-db", "-f", str(self.folder / "haproxy.cfg")]


class Bare(Server):
    """An epoll loop that answers the same 302 to whatever comes: the limit."""

    name = "bare epoll loop"
    checked = "nothing"
    # as long as geod's own
    answer = "https://node-de-fra-0.example.com/flv?server=100-000000&camera=0&token=" + world.token_of(0) + "&exp=1800000000&kid=k1&sig=" + "x" * 43

    def __init__(self, folder, program):
        super().__init__(folder)
        self.program = program

    def command(self):
        return [self.program, str(self.port), self.answer]


def is_wrong(server, location):
    """What is wrong with a Location, whoever got it; nothing where it is a node's and signed, as far as the server does that."""
    if server.checked == "nothing":
        return None if location == server.answer else "another Location"
    if urllib.parse.urlsplit(location).netloc not in world.HOSTS:
        return "no node"
    if server.checked != "signature":
        return None
    text, _, signature = location.removeprefix("https://").partition("&sig=")
    right = base64.urlsafe_b64encode(hmac.digest(world.SECRET, text.encode(), hashlib.sha256)).decode().rstrip("=")
    return None if signature == right else "a bad signature"


def is_wrong_for(server, target, country, location):
    """.. or that is not what this request has to get."""
    url = urllib.parse.urlsplit(location)
    asked, got = (dict(urllib.parse.parse_qsl(each.query)) for each in (urllib.parse.urlsplit(target), url))
    if server.checked != "nothing" and any(got.get(name) != asked[name] for name in ("server", "camera")):
        return "another camera"
    if server.checked in ("group", "signature") and url.netloc not in world.nodes_of(world.GROUP_OF.get(country, world.DEFAULT_GROUP)):
        return f"no node of the group of {country}"
    return is_wrong(server, location)
