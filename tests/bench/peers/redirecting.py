"""The servers that redirect. The client's address comes in X-Forwarded-For from a trusted proxy, which is what loads them."""
import base64
import hashlib
import hmac
import json
import shutil
import subprocess
import urllib.parse

import world
from servers import LOAD_CORE, NGINX_GEOIP2, NGINX_JS, Server, free_port

TTL_S = 300


def group_text():
    return "\n".join(f"    {country} {group};" for country, group in sorted(world.GROUP_OF.items()))


class GeodRedirect(Server):
    """The whole decision: locate, group, choose, authorize, bill, inspect, sign."""

    name = "geod"
    checked = "signature"

    def __init__(self, folder, geod, databases, log):
        self.geod, self.databases, self.log = geod, databases, log
        super().__init__(folder)

    def command(self):
        access = str(self.folder / "access.log") if self.log else "off"
        world.write_store(self.folder / "data")
        (self.folder / "k1.hex").write_text(world.SECRET.hex())
        (self.folder / "k1.hex").chmod(0o600)
        (self.folder / "geod.toml").write_text(
            f'[listen]\nredirect = "127.0.0.1:{self.port}"\nadmin = ""\n[resolver]\nproviders = ["maxmind"]\n'
            f'[resolver.maxmind]\nfiles = {json.dumps(self.databases)}\n[signing]\nkeys = [{{ id = "k1", secret_file = "k1.hex" }}]\n'
            f'[balance]\nnearest = false\n[http]\nthreads = 1\ntrusted_proxies = ["127.0.0.1/32"]\n'
            f'[log]\naccess = "{access}"\nlevel = "warn"\n')
        return [self.geod, "--config", "geod.toml"]


class Nginx(Server):
    """A bare 302 to the group's first node, by geoip2 and a map of countries."""

    name = "nginx geoip2"
    checked = "group"
    modules = [NGINX_GEOIP2]
    extra = ""  # in http
    location = "return 302 https://node-$group-0.example.com$request_uri;"

    def __init__(self, folder, databases, log):
        self.databases, self.log = databases, log
        super().__init__(folder)

    def command(self):
        access = "log_format line escape=json '{\"ts\":\"$time_iso8601\",\"request_id\":\"$request_id\"," \
                 "\"client_ip\":\"$http_x_forwarded_for\",\"peer_ip\":\"$remote_addr\",\"method\":\"$request_method\",\"path\":\"$uri\"," \
                 "\"server\":\"$arg_server\",\"camera\":\"$arg_camera\",\"status\":$status,\"group\":\"$group\"," \
                 f"\"duration_s\":$request_time}}';\n  access_log {self.folder}/access.log line buffer=64k flush=1s;" \
            if self.log else "access_log off;"
        load = "".join(f"load_module {module};\n" for module in self.modules)
        (self.folder / "nginx.conf").write_text(f"""
{load}daemon off; worker_processes 1; pid {self.folder}/pid; error_log {self.folder}/error.log warn;
events {{ worker_connections 20000; }}
http {{
  {access}
  keepalive_requests 1000000000;
  map_hash_max_size 4096;
  geoip2 {self.databases[0]} {{
    $country source=$http_x_forwarded_for country_code;
  }}
  map $country $group {{
    default {world.DEFAULT_GROUP};
{group_text()}
  }}
{self.extra}
  server {{
    listen 127.0.0.1:{self.port} reuseport backlog=4096;
    location = /flv {{
      add_header Cache-Control no-store always; add_header X-Request-Id $request_id always;
      {self.location}
    }}
  }}
}}
""")
        return [shutil.which("nginx") or "/usr/sbin/nginx", "-c", str(self.folder / "nginx.conf"), "-p", str(self.folder)]


SIGNED = """
  js_import sign from sign.js;
  js_set $signed sign.location;
  split_clients "$arg_server/$arg_camera" $number { 33.4% 0; 33.3% 1; * 2; }
"""
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


class NginxSigned(Nginx):
    """By camera to one of the group's nodes, the URL signed as geod signs it."""

    name = "nginx + split, HMAC in njs"
    checked = "signature"
    modules = [NGINX_GEOIP2, NGINX_JS]
    extra = SIGNED
    location = "return 302 $signed;"

    def command(self):
        (self.folder / "sign.js").write_text(SIGN_JS % (world.SECRET.hex(), TTL_S))
        return super().command()


class NginxAuthorized(NginxSigned):
    """The same, once another nginx, which says yes to all, has been asked; that one's CPU is not counted."""

    name = "nginx + auth_request"

    def __init__(self, folder, databases, log):
        super().__init__(folder, databases, log)
        self.yes, self.yes_port = None, free_port()
        self.extra = SIGNED + f"  upstream yes {{ server 127.0.0.1:{self.yes_port}; keepalive 64; keepalive_requests 1000000000; }}\n"
        # try_files: `return` would answer before auth_request is asked
        self.location = "auth_request /yes; try_files /none @redirect;\n    }\n" \
                        "    location @redirect { add_header Cache-Control no-store always; add_header X-Request-Id $request_id always;\n" \
                        "      return 302 $signed;\n    }\n" \
                        "    location = /yes { internal; proxy_pass http://yes; proxy_http_version 1.1; proxy_set_header Connection '';\n" \
                        "      proxy_pass_request_body off; proxy_set_header Content-Length '';"

    def start(self):
        folder = self.folder / "yes"
        folder.mkdir()
        (folder / "nginx.conf").write_text(
            f"daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log warn; events {{ worker_connections 1024; }}\n"
            f"http {{ access_log off; keepalive_requests 1000000000; server {{ listen 127.0.0.1:{self.yes_port}; return 204; }} }}\n")
        # on the core of the load: all of the other one is the server's that is measured
        self.yes = subprocess.Popen(["taskset", "-c", LOAD_CORE, "nginx", "-c", str(folder / "nginx.conf"), "-p", str(folder)],
                                    stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return super().start()

    def stop(self):
        super().stop()
        self.yes.terminate()
        self.yes.wait()


class Haproxy(Server):
    """A constant 302 to the node that a map of networks names: no city file, no group by country."""

    name = "HAProxy map"
    checked = "node"

    def __init__(self, folder, log):
        self.log = log
        self.collector = None
        super().__init__(folder)

    def command(self):
        hosts = [host for group in world.GROUPS for host in world.nodes_of(group)]
        (self.folder / "networks.map").write_text("".join(f"{i}.0.0.0/8 {hosts[i % len(hosts)]}\n" for i in range(1, 224)))
        log = "log stdout format raw local0\n  log-format '{\"ts\":\"%T\",\"client_ip\":\"%[var(txn.client)]\",\"peer_ip\":\"%ci\"," \
              "\"method\":\"%HM\",\"path\":\"%HP\",\"status\":%ST,\"duration_ms\":%Ta}'\n" if self.log else ""
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
  bind 127.0.0.1:{self.port} backlog 4096
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
    url = "https://node-de-fra-0.example.com/flv?server=100-000000&camera=0&token=" + world.token_of(0) + "&exp=1800000000&kid=k1&sig=" + "x" * 43

    def __init__(self, folder, program):
        self.program = program
        super().__init__(folder)

    def command(self):
        return [self.program, str(self.port), self.url]


def is_right(server, target, client, country, location):
    """Nothing where the server's answer to a request is what it has to be, else what is wrong with it."""
    url = urllib.parse.urlsplit(location)
    asked = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(target).query))
    got = dict(urllib.parse.parse_qsl(url.query))
    if server.checked == "nothing":
        return None if location == server.url else "another Location"
    if got.get("server") != asked["server"] or got.get("camera") != asked["camera"]:
        return "another camera"
    if server.checked == "node":
        return None if any(url.netloc in world.nodes_of(group) for group in world.GROUPS) else "no node"
    if url.netloc not in world.nodes_of(world.GROUP_OF.get(country, world.DEFAULT_GROUP)):
        return f"no node of the group of {country}"
    if server.checked == "group":
        return None
    text, _, signature = location.removeprefix("https://").partition("&sig=")
    right = base64.urlsafe_b64encode(hmac.digest(world.SECRET, text.encode(), hashlib.sha256)).decode().rstrip("=")
    return None if signature == right else "a bad signature"
