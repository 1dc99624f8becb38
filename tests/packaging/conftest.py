import os
import pathlib
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "docs"))  # the programs, and geod on the demo's config

import pytest  # noqa: E402

from support.daemon import Geod  # noqa: E402
from support.programs import SOURCE  # noqa: E402


@pytest.fixture(scope="session")
def geod():
    daemon = Geod()
    yield daemon
    assert daemon.stop() == 0


@pytest.fixture(scope="session")
def build():
    return pathlib.Path(os.environ.get("GEO_BUILD", SOURCE / "build" / "dev")).resolve()
