"""geod on the demo's config, at ports that the system picks."""

import json
import os
import queue
import signal
import subprocess
import tempfile
import threading

from .programs import BIN, SOURCE, environment


class Geod:
    def __init__(self, command=("geod", "--config", "config/demo/geod.toml"), **config):
        """config: GEO_SECTION_KEY beside the demo's."""
        self.state = tempfile.TemporaryDirectory()  # not in the tree
        listeners = {f"GEO_LISTEN_{name}": "127.0.0.1:0" for name in ("REDIRECT", "RESOLVER", "AUTH", "ADMIN", "VERIFY")}
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, process_group=0, cwd=SOURCE,
                                        env=environment(GEO_STORE_STATE_DIR=self.state.name, **{**listeners, **config}))
        self.addresses, said = {}, []
        for line in self.process.stderr:
            said.append(line)
            words = line.split()
            if words[1:4] == ["info", "listening", "on"]:
                self.addresses[words[4]] = words[5]
            if words[1:3] == ["info", "ready"]:
                break
        else:
            raise AssertionError("geod did not start: " + "".join(said))
        self.log = queue.Queue()
        self.readers = [threading.Thread(target=self.process.stderr.read), threading.Thread(target=self.read_log)]
        for reader in self.readers:  # so that geod never waits for one
            reader.start()

    def read_log(self):
        for line in self.process.stdout:
            self.log.put(json.loads(line))

    def stop(self):
        os.killpg(self.process.pid, signal.SIGTERM)
        status = self.process.wait(30)
        for reader in self.readers:
            reader.join()
        self.process.stdout.close()
        self.process.stderr.close()
        self.state.cleanup()
        return status
