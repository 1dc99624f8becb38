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
    """name, port, and what the kernel says of its processes."""

    name = ""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder) / re.sub(r"\W+", "-", self.name)
        self.folder.mkdir(parents=True)
        self.port = free_port()
        self.process = None

    def command(self):
        raise NotImplementedError

    def start(self):
        with open(self.folder / "output", "wb") as output:
            self.process = subprocess.Popen(["taskset", "-c", SERVER_CORE, *self.command()], stdout=output, stderr=output,
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


class GeodResolver(Server):
    name = "geod"

    def __init__(self, folder, geod, databases, log):
        self.geod, self.databases, self.log = geod, databases, log
        super().__init__(folder)

    def command(self):
        access = str(self.folder / "access.log") if self.log else "off"
        (self.folder / "geod.toml").write_text(
            f'[listen]\nredirect = ""\nadmin = ""\nresolver = "127.0.0.1:{self.port}"\n[store]\nkind = "none"\n'
            f'[resolver]\nproviders = ["maxmind"]\n[resolver.maxmind]\nfiles = {json.dumps(self.databases)}\n'
            f'[http]\nthreads = 1\n[log]\naccess = "{access}"\nlevel = "warn"\n')
        return [self.geod, "--config", "geod.toml"]


class NginxResolver(Server):
    """Answers the same object from the same file, as text put together by `return`."""

    name = "nginx geoip2"
    fields = {"cc": "country_code", "region": "state1", "city": "city", "lat": "latitude", "lon": "longitude"}

    def __init__(self, folder, databases, log):
        self.databases, self.log = databases, log
        super().__init__(folder)

    def command(self):
        looked_up = "".join(f"    ${short} source=$arg_ip {full};\n" for short, full in self.fields.items())
        access = "log_format line escape=json '{\"ts\":\"$time_iso8601\",\"request_id\":\"$request_id\",\"client_ip\":\"$remote_addr\"," \
                 "\"method\":\"$request_method\",\"path\":\"$uri\",\"status\":$status,\"city\":\"$city\",\"duration_s\":$request_time}';\n" \
                 f"  access_log {self.folder}/access.log line;" if self.log else "access_log off;"
        (self.folder / "nginx.conf").write_text(f"""
load_module {NGINX_GEOIP2};
daemon off; worker_processes 1; pid {self.folder}/pid; error_log {self.folder}/error.log warn;
events {{ worker_connections 4096; }}
http {{
  {access}
  keepalive_requests 1000000000;
  geoip2 {self.databases[0]} {{
{looked_up}  }}
  server {{
    listen 127.0.0.1:{self.port} reuseport;
    default_type application/json;
    location = /resolve {{
      add_header Cache-Control "private, max-age=86400"; add_header X-Request-Id $request_id;
      return 200 '{{"ip":"$arg_ip","country_code":"$cc","region_iso":null,"region":"$region","city":"$city","coordinates":[$lat,$lon],"provider":"maxmind","cached":false}}';
    }}
  }}
}}
""")
        return [shutil.which("nginx") or "/usr/sbin/nginx", "-c", str(self.folder / "nginx.conf"), "-p", str(self.folder)]


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
    missing = [what for what in ("wrk", "taskset", "nginx", "haproxy") if shutil.which(what) is None]
    missing += [module for module in (NGINX_GEOIP2, NGINX_JS) if not pathlib.Path(module).exists()]
    if missing:
        sys.exit(f"missing: {', '.join(missing)}; install what BENCH_PACKAGES in packaging/lib.sh names")
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
