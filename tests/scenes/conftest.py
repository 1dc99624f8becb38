"""End-to-end scenes: a world of facts, geod and geoctl as a user gets them, a request, the answer.

GEO_SCENES_STORE=mongodb runs them on MongoDB instead of files. GEO_BIN names the folder with the programs (default build/dev/bin); GEO_LONG=1 runs the long forms."""

import os
import pathlib
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))  # doubles of what cannot run here

import pytest  # noqa: E402

from support.mongo import GIVEN, Mongo, Server  # noqa: E402
from support.town import town  # noqa: E402
from support.world import BIN, World  # noqa: E402


ON_MONGODB = os.environ.get("GEO_SCENES_STORE") == "mongodb"


def pytest_collection_modifyitems(config, items):
    """What is about files, or has a MongoDB of its own anyway, is no part of the run on MongoDB."""
    if ON_MONGODB:
        out = [item for item in items if item.get_closest_marker("files") or "own_mongo" in item.fixturenames]
        items[:] = [item for item in items if item not in out]
        config.hook.pytest_deselected(items=out)


def pytest_sessionstart(session):
    for program in ("geod", "geoctl"):
        if not (BIN / program).exists():
            pytest.exit(f"{BIN / program} is not there; build first, or set GEO_BIN", returncode=3)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    """What the geods of a failed scene had to say is told with it."""
    report = (yield).get_result()
    if report.failed:
        stages = [each for each in item.funcargs.values() if isinstance(each, Stage)]
        for geod in (geod for each in stages for geod in each.running):
            report.sections.append((geod.stderr_file.name, geod.stderr()[-4000:]))


class Stage:
    """Makes worlds and runs geod on them; takes all down at the end."""

    def __init__(self, folder, server=None):
        """server: of MongoDB, where the worlds' data is there."""
        self.folder = folder
        self.server = server
        self.worlds = 0
        self.running = []
        self.databases = []

    def world(self, facts=None, **config):
        self.worlds += 1
        facts = town() if facts is None else facts
        mongo = None
        if self.server and config.get("store", {}).get("kind", "files") == "files":
            mongo = Mongo(self.server.server)
            self.databases.append(mongo)
        config = {k.replace("__", "."): v for k, v in config.items()}
        return World(self.folder / f"world-{self.worlds}", facts, config, mongo)

    def geod(self, world=None, facts=None, env=None, sockets=(), under=(), **config):
        geod = (world or self.world(facts, **config)).geod(env, sockets, under)
        self.running.append(geod)
        return geod

    def clear(self):
        faults = []
        for geod in self.running:
            try:
                geod.stop()
            except AssertionError as fault:
                faults.append(str(fault))
            finally:
                geod.kill()
        for database in self.databases:
            database.close()
        assert not faults, "\n".join(faults)


class Shared:
    """The server of all scenes; `server` is None where it is not ours."""

    def __init__(self, server):
        self.server = server


@pytest.fixture(scope="session")
def store_server(request):
    """Where worlds keep their data: None is files."""
    return Shared(request.getfixturevalue("mongo_server")) if ON_MONGODB else None


@pytest.fixture
def stage(tmp_path, store_server):
    it = Stage(tmp_path, store_server)
    yield it
    it.clear()


@pytest.fixture(scope="module")
def module_stage(tmp_path_factory, store_server):
    it = Stage(tmp_path_factory.mktemp("town"), store_server)
    yield it
    it.clear()


@pytest.fixture(scope="module")
def geod(module_stage):
    """geod on the town as it is; scenes that share it change nothing."""
    return module_stage.geod()


@pytest.fixture(scope="session")
def mongo_server(tmp_path_factory):
    if GIVEN:
        yield None
        return
    server = Server(tmp_path_factory.mktemp("mongo"))
    yield server
    server.kill()


@pytest.fixture
def mongo(mongo_server):
    """An empty database on a server that all scenes share: none may kill it."""
    it = Mongo(mongo_server)
    yield it
    it.close()


@pytest.fixture
def own_mongo(tmp_path):
    """An empty database on a server of the scene's own, to be killed, stopped and started again."""
    server = Server(tmp_path / "mongo")
    yield Mongo(server)
    server.kill()
