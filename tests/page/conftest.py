"""The status page in a browser (Debian's chromium, headless), with a real geod behind it.

Without browser or driver the tests are skipped, with GEO_REQUIRE_BROWSER=1 they fail; GEO_REQUIRE_AXE=1 says the same of
axe-core, which npm fetches."""

import os
import pathlib
import shutil
import subprocess
import sys
import tarfile

sys.dont_write_bytecode = True
SCENES = pathlib.Path(__file__).resolve().parents[1] / "scenes"
sys.path.insert(0, str(SCENES))  # its worlds and its town

import pytest  # noqa: E402

from support.town import town  # noqa: E402
from support.world import REPO, World, ago  # noqa: E402

AXE = "axe-core@4.10.3"


def missing(what, why):
    (pytest.fail if os.environ.get(f"GEO_REQUIRE_{what}") else pytest.skip)(why)


class Site:
    """A geod and its page; it may go and come back at the same address."""

    def __init__(self, folder, facts, config=None):
        self.facts = facts
        self.world = World(folder, facts, {"health": {"report_max_age_s": 3600}, **(config or {})})
        self.env = {}

    def start(self):
        self.geod = self.world.geod(self.env)
        host, port = self.geod.addresses["admin"]
        self.env = {"GEO_LISTEN_ADMIN": f"{host}:{port}"}
        self.url = f"http://{host}:{port}/"
        return self

    def stop(self):
        self.geod.stop()

    def report(self, node, **keys):
        self.facts.row("node_states", id=node).update(keys, seen_at=ago(0))
        self.world.write_facts(self.facts)


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    facts = town()
    facts.node("node-moscow-2")["admin"] = "drain"
    facts["node_states"] = [
        {"id": "node-moscow-1", "seen_at": ago(0), "online": True, "load": 0.9},
        {"id": "node-frankfurt-1", "seen_at": ago(0), "online": True, "load": 0.25},
        {"id": "node-tokyo-1", "seen_at": ago(0), "online": False},
    ]
    it = Site(tmp_path_factory.mktemp("site") / "world", facts).start()
    yield it
    it.geod.kill()


@pytest.fixture
def another(tmp_path):
    """Makes a site of this test's own."""
    made = []

    def make(facts, **config):
        made.append(Site(tmp_path / f"world{len(made)}", facts, config))
        return made[-1]

    yield make
    for it in made:
        if hasattr(it, "geod"):
            it.geod.kill()


@pytest.fixture(scope="session")
def driver():
    try:
        from selenium import webdriver
        from selenium.webdriver.chrome.service import Service
    except ImportError:
        missing("BROWSER", "no selenium: install python3-selenium")
    for program in ("chromium", "chromedriver"):
        if shutil.which(program) is None:
            missing("BROWSER", f"no {program}: install chromium and chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for flag in ("--headless=new", "--disable-gpu", "--disable-dev-shm-usage", "--window-size=1440,1000"):
        options.add_argument(flag)
    if os.geteuid() == 0:
        options.add_argument("--no-sandbox")  # which root cannot have
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    it = webdriver.Chrome(service=Service(shutil.which("chromedriver")), options=options)
    yield it
    it.quit()


@pytest.fixture(scope="session")
def axe():
    """The text of axe-core, by the npm client; kept in the build directory."""
    kept = REPO / "build" / "axe-core" / f"{AXE.split('@')[1]}.js"
    if kept.exists():
        return kept.read_text()
    if shutil.which("npm") is None:
        missing("AXE", "no axe-core: install npm, which fetches it")
    kept.parent.mkdir(parents=True, exist_ok=True)
    packed = subprocess.run(
        ["npm", "pack", "--silent", "--no-update-notifier", "--fetch-retries=1", "--fetch-timeout=30000", AXE],
        cwd=kept.parent, capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL, check=False)
    archive = kept.parent / (packed.stdout.split() or ["none"])[-1]
    if packed.returncode != 0 or not archive.is_file():
        missing("AXE", f"no axe-core: npm cannot fetch {AXE}: {packed.stderr.strip()[:300]}")
    with tarfile.open(archive) as tar:
        text = tar.extractfile("package/axe.min.js").read()
    partial = kept.with_suffix(f".{os.getpid()}")
    partial.write_bytes(text)
    partial.rename(kept)
    archive.unlink()
    return text.decode()
