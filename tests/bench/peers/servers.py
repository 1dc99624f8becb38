"""The servers that are compared: each is started on loopback with one thread that serves, bound to one core."""
import contextlib
import json
import os
import pathlib
import re
import resource
import shutil
import socket
import subprocess
import sys
import time

TICKS = os.sysconf("SC_CLK_TCK")
SERVER_CORE, LOAD_CORE = "0", "1"
NGINX_GEOIP2, NGINX_JS = (f"/usr/lib/nginx/modules/ngx_http_{name}_module.so" for name in ("geoip2", "js"))
IDLE_S = 600  # longer than any round: nobody closes a connection that is kept


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def descendants(pid):
    found = [pid]
    for known in found:
        for task in pathlib.Path(f"/proc/{known}/task").glob("*"):
            try:
                found += [int(child) for child in (task / "children").read_text().split()]
            except OSError:
                pass
    return found


class Server:
    """name, port, and what the kernel says of its processes. certificate: a PEM file with its key, it speaks TLS."""

    name = ""
    core = SERVER_CORE
    checked = ""  # of those that redirect: what of a Location can be checked

    def __init__(self, folder, log=False, certificate=None):
        self.folder = pathlib.Path(folder) / re.sub(r"\W+", "-", self.name)
        self.folder.mkdir(parents=True)
        self.log, self.certificate = log, certificate
        self.port = free_port()
        self.url = f"{'https' if certificate else 'http'}://127.0.0.1:{self.port}"
        self.process = None

    def command(self):
        raise NotImplementedError

    def start(self):
        with open(self.folder / "output", "wb") as output:
            self.process = subprocess.Popen(["taskset", "-c", self.core, *self.command()], stdout=output, stderr=output,
                                            cwd=self.folder, stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return self
            time.sleep(0.02)
        raise SystemExit(f"{self.name} does not serve:\n{(self.folder / 'output').read_text()[-2000:]}")

    def stop(self):
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def cpu_s(self):
        """User and system time of all its processes so far."""
        total = 0
        for pid in descendants(self.process.pid):
            try:
                fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            total += int(fields[11]) + int(fields[12])
        return total / TICKS

    def rss_mb(self):
        total = 0
        for pid in descendants(self.process.pid):
            try:
                status = pathlib.Path(f"/proc/{pid}/status").read_text()
            except OSError:
                continue
            total += int(re.search(r"VmRSS:\s+(\d+)", status)[1])
        return total / 1024


def toml(value):
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {toml(each)}" for key, each in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(value)


class Geod(Server):
    """settings: of geod.toml, beside those that all of them have."""

    name = "geod"
    settings = {}

    def __init__(self, folder, program, databases, log=False, certificate=None, settings=None):
        super().__init__(folder, log, certificate)
        self.program = program
        self.settings = {
            "listen.redirect": "", "listen.admin": "", "resolver.providers": ["maxmind"], "resolver.maxmind.files": databases,
            "http.threads": 1, "http.idle_timeout_s": IDLE_S, "log.level": "warn",
            "log.access": str(self.folder / "access.log") if log else "off", **self.settings, **(settings or {})}

    def command(self):
        (self.folder / "geod.toml").write_text("".join(f"{key} = {toml(value)}\n" for key, value in self.settings.items()))
        return [self.program, "--config", "geod.toml"]


class GeodResolver(Geod):
    settings = {"store.kind": "none"}

    def command(self):
        self.settings["listen.resolver"] = f"127.0.0.1:{self.port}"
        return super().command()


class Nginx(Server):
    """Its configuration but for http(), what stands before the server, and location(), what stands in it."""

    name = "nginx geoip2"
    modules = [NGINX_GEOIP2]
    logged = ""  # fields of its access log, as JSON

    def __init__(self, folder, databases=(), log=False, certificate=None):
        super().__init__(folder, log, certificate)
        self.databases = databases

    def http(self):
        return ""

    def location(self):
        raise NotImplementedError

    def command(self):
        load = "".join(f"load_module {module};\n" for module in self.modules)
        access = "log_format line escape=json '{\"ts\":\"$time_iso8601\",\"request_id\":\"$request_id\",\"peer_ip\":\"$remote_addr\"," \
                 f"\"method\":\"$request_method\",\"path\":\"$uri\",\"status\":$status,{self.logged},\"duration_s\":$request_time}}';\n" \
                 f"  access_log {self.folder}/access.log line buffer=64k flush=1s;" if self.log else "access_log off;"
        tls = f"ssl_certificate {self.certificate}; ssl_certificate_key {self.certificate}; ssl_protocols TLSv1.2 TLSv1.3;" \
            if self.certificate else ""
        (self.folder / "nginx.conf").write_text(f"""
{load}daemon off; worker_processes 1; pid {self.folder}/pid; error_log {self.folder}/error.log warn;
events {{ worker_connections 20000; }}
http {{
  {access}
  keepalive_requests 1000000000; keepalive_timeout {IDLE_S}s;
{self.http()}
  server {{
    listen 127.0.0.1:{self.port} {"ssl " if tls else ""}reuseport backlog=4096;
    {tls}
{self.location()}
  }}
}}
""")
        return [shutil.which("nginx") or "/usr/sbin/nginx", "-c", str(self.folder / "nginx.conf"), "-p", str(self.folder)]


class NginxResolver(Nginx):
    """Answers the same object as geod from the same file, as text put together by `return`."""

    logged = '"client_ip":"$arg_ip","city":"$city"'
    fields = {"cc": "country_code", "region": "state1", "city": "city", "lat": "latitude", "lon": "longitude"}

    def http(self):
        looked_up = "".join(f"    ${short} source=$arg_ip {full};\n" for short, full in self.fields.items())
        return f"  geoip2 {self.databases[0]} {{\n{looked_up}  }}"

    def location(self):
        return """    location = /resolve {
      default_type application/json;
      add_header Cache-Control "private, max-age=86400"; add_header X-Request-Id $request_id;
      return 200 '{"ip":"$arg_ip","country_code":"$cc","region_iso":null,"region":"$region","city":"$city","coordinates":[$lat,$lon],"provider":"maxmind","cached":false}';
    }"""


class Upstream(Server):
    """A geo-resolver and auth-server that answers after `delay_ms`, and counts; on the core of the load, its CPU is not counted."""

    core = LOAD_CORE

    def __init__(self, folder, program, name, delay_ms, countries):
        self.name, self.program, self.delay_ms, self.countries = name, program, delay_ms, countries
        super().__init__(folder)

    def command(self):
        return [self.program, str(self.port), str(self.delay_ms), *self.countries]


@contextlib.contextmanager
def running(servers):
    """All of them, to the end of the block."""
    started = []
    try:
        for server in servers:
            started.append(server)
            server.start()
        yield
    finally:
        for server in started:
            server.stop()


def require_peers():
    missing = [what for what in ("wrk", "taskset", "nginx", "haproxy", "openssl") if shutil.which(what) is None]
    missing += [module for module in (NGINX_GEOIP2, NGINX_JS) if not pathlib.Path(module).exists()]
    if missing:
        sys.exit(f"missing: {', '.join(missing)}; install what BENCH_PACKAGES in packaging/lib.sh names")
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
