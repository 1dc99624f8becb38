"""A stock nginx, as a video node is one."""

import shutil
import signal
import socket
import subprocess

from support import raw_http

CONF = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {folder}/t1;
    proxy_temp_path {folder}/t2;
    fastcgi_temp_path {folder}/t3;
    uwsgi_temp_path {folder}/t4;
    scgi_temp_path {folder}/t5;
    {http}
}}
"""
NODE = """server {{
        listen 127.0.0.1:{port};
        {locations}
    }}"""


def need(program):
    found = shutil.which(program) or shutil.which(program, path="/usr/sbin:/sbin:/usr/local/sbin")
    assert found, f"{program} is not installed"
    return found


def free_port():
    with socket.socket() as it:
        it.bind(("127.0.0.1", 0))
        return it.getsockname()[1]


def write_conf(folder, http):
    """All that nginx writes is in `folder`; http: what it serves."""
    (folder / "nginx.conf").write_text(CONF.format(folder=folder, http=http))


class Nginx:
    """One process, so that whoever is killed is all of it."""

    def __init__(self, folder, port, locations):
        self.folder, self.port = folder, port
        write_conf(folder, NODE.format(port=port, locations=locations))
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            [need("nginx"), "-p", self.folder, "-e", self.folder / "error.log", "-c", self.folder / "nginx.conf"],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        raw_http.eventually(self._accepts, "nginx accepts")

    def _accepts(self):
        assert self.process.poll() is None, self.process.stderr.read().decode()
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            return True
        except OSError:
            return False

    def freeze(self):
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self):
        self.process.send_signal(signal.SIGCONT)

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stderr.close()

    def stop(self):
        if self.process.poll() is not None:
            return
        self.thaw()
        self.process.terminate()
        self.process.wait(10)
        self.process.stderr.close()
