"""A MongoDB for scenes: GEO_TEST_MONGODB_URI, else `mongod` on PATH, else what tests/support/mongo/build made.

None is there: the scene is skipped, or with GEO_REQUIRE_MONGODB=1 failed. One that is there and does not start is a failure."""

import itertools
import os
import shutil
import signal
import socket
import subprocess

import pymongo
import pytest

from support.world import REPO

LAUNCHER = os.environ.get("GEO_MONGO_SERVER") or str(REPO / "build/mongo-server/mongo-server")
GIVEN = os.environ.get("GEO_TEST_MONGODB_URI")
names = itertools.count(1)


def missing():
    why = "no MongoDB server: tests/support/mongo/build build/mongo-server makes one"
    (pytest.fail if os.environ.get("GEO_REQUIRE_MONGODB") else pytest.skip)(why)


def command(folder, port):
    mongod = shutil.which("mongod")
    if mongod:
        if port == 0:
            with socket.create_server(("127.0.0.1", 0)) as free:
                port = free.getsockname()[1]
        flags = ["--quiet", "--nounixsocket", "--bind_ip", "127.0.0.1", "--port", str(port), "--dbpath", str(folder)]
        return [mongod, *flags], f"mongodb://127.0.0.1:{port}"
    if os.access(LAUNCHER, os.X_OK):
        return [LAUNCHER, str(folder), str(port)], None
    return None, None


class Server:
    """A process of ours, to be killed and stopped; its data and its port outlive it."""

    def __init__(self, folder):
        self.folder = folder
        self.folder.mkdir(parents=True, exist_ok=True)
        self.process = None
        self.port = 0
        self.start()

    def start(self):
        arguments, self.uri = command(self.folder, self.port)
        if not arguments:
            missing()
        self.process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
        if not self.uri:
            self.uri = self.process.stdout.readline().strip()
        assert self.uri, "there is a MongoDB server, but it does not start"
        self.port = int(self.uri.rsplit(":", 1)[1])
        self.until_it_answers()

    def until_it_answers(self):
        with pymongo.MongoClient(self.uri, serverSelectionTimeoutMS=60_000) as client:
            client.admin.command("ping")

    def kill(self):
        """As when the power fails."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()

    def stop(self):
        """It holds its connections and answers nobody."""
        self.process.send_signal(signal.SIGSTOP)

    def cont(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.until_it_answers()

    def restart(self):
        self.kill()
        self.start()


class Mongo:
    """A database of the scene's own on a server; `server` is None where it is not ours to kill."""

    def __init__(self, server=None):
        self.server = server
        self.uri = server.uri if server else GIVEN
        self.database = f"geo_scene_{os.getpid()}_{next(names)}"

    def rows(self):
        """The database as pymongo has it: mongo.rows().tokens.insert_one({..})."""
        return pymongo.MongoClient(self.uri, serverSelectionTimeoutMS=60_000)[self.database]

    def store(self):
        """geod.toml's [store]."""
        return {"kind": "mongodb", "uri": self.uri, "database": self.database}

    def close(self):
        with pymongo.MongoClient(self.uri, serverSelectionTimeoutMS=60_000) as client:
            client.drop_database(self.database)
