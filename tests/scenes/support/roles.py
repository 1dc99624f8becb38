"""packaging/mongodb/roles.js in force: a relay before a MongoDB that lets pass what a role may do, for servers that know no roles."""

import re
import socket
import struct
import threading
from urllib.parse import urlsplit

import bson

from support.world import REPO

SCRIPT = REPO / "packaging" / "mongodb" / "roles.js"
FREE = {"hello", "isMaster", "ismaster", "ping", "saslStart", "saslContinue", "endSessions", "killCursors"}
NEEDS = {"find": {"find"}, "getMore": {"find"}, "insert": {"insert"}, "update": {"update"}, "delete": {"remove"},
         "createIndexes": {"createIndex", "createCollection"}}
OP_MSG = 2013


def roles():
    """{role: [(actions, collection)]}; "" is every collection."""
    block = re.search(r"const roles = \{\n(.*?)\n\};", SCRIPT.read_text(), re.S)[1]
    return {name: [(set(re.findall(r'"(\w+)"', actions)), collection)
                   for actions, collection in re.findall(r'may\((\[[^]]*\]), "(\w*)"\)', body)]
            for name, body in re.findall(r"^  (\w+): \[(.*)\],$", block, re.M)}


class Relay:
    """A MongoDB as a user with that role has it. `done`: the pairs (action, collection) that passed; `refused`: that did not;
    `asked`: (command, collection) of every message. `late`: what is asked of a collection waits, {collection: seconds}; "" is every collection."""

    def __init__(self, mongo, role):
        self.database = mongo.database
        self.may = roles()[role]
        self.done, self.refused, self.asked, self.late = set(), [], [], {}
        self.ended = threading.Event()
        parts = urlsplit(mongo.uri)
        self.server = (parts.hostname, parts.port)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.uri = mongo.uri.replace(f"{parts.hostname}:{parts.port}", f"127.0.0.1:{self.listener.getsockname()[1]}")
        self.open = []
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.ended.set()
        for each in [self.listener, *self.open]:
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            each.close()

    def store(self):
        """geod.toml's [store]."""
        return {"kind": "mongodb", "uri": self.uri, "database": self.database}

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
                server = socket.create_connection(self.server)
            except OSError:
                return
            self.open += [client, server]
            threading.Thread(target=self._serve, args=(client, server), daemon=True).start()

    def _serve(self, client, server):
        try:
            while (message := receive(client)) is not None:
                denied = self._denied(message)
                if denied is None:
                    server.sendall(message)
                    denied = receive(server)
                if denied is None:
                    break
                client.sendall(denied)
        except OSError:
            pass
        for each in (client, server):
            each.close()

    def _denied(self, message):
        """The answer to who may not."""
        if struct.unpack_from("<i", message, 12)[0] != OP_MSG:
            return None
        command, sections = documents(message)
        name = next(iter(command))
        if name in FREE:
            return None
        collection = command["collection" if name == "getMore" else name]
        self.asked.append((name, collection))
        self.ended.wait(self.late.get(collection, self.late.get("", 0)))
        actions = set(NEEDS.get(name, {name}))
        if any(each.get("upsert") for each in [*command.get("updates", []), *sections]):
            actions.add("insert")
        pairs = {(action, collection) for action in actions}
        if command["$db"] == self.database and all(self._may(*pair) for pair in pairs):
            self.done |= pairs
            return None
        self.refused += sorted(pairs)
        body = bson.encode({"ok": 0.0, "code": 13, "codeName": "Unauthorized", "errmsg": f"not authorized to execute {name}"})
        return struct.pack("<iiiiiB", 21 + len(body), 1, struct.unpack_from("<i", message, 4)[0], OP_MSG, 0, 0) + body

    def _may(self, action, collection):
        return any(action in actions and where in ("", collection) for actions, where in self.may)


def receive(connection):
    """A whole message; None: the end."""
    out = b""
    while (missing := (4 if len(out) < 4 else struct.unpack_from("<i", out)[0]) - len(out)) > 0:
        some = connection.recv(missing)
        if not some:
            return None
        out += some
    return out


def documents(message):
    """The command, and what comes with it in sections of its own."""
    at, command, more = 20, None, []
    end = len(message) - (4 if struct.unpack_from("<I", message, 16)[0] & 1 else 0)
    while at < end:
        kind, size = struct.unpack_from("<Bi", message, at)
        if kind == 0:
            command = bson.decode(message[at + 1:at + 1 + size])
        else:
            more += bson.decode_all(message[message.index(b"\0", at + 5) + 1:at + 1 + size])
        at += 1 + size
    return command, more
