import pytest

from support.daemon import Geod


@pytest.fixture(scope="session")
def geod():
    daemon = Geod()
    yield daemon
    assert daemon.stop() == 0
