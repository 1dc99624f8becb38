"""What is told of MongoDB against libgeo: collections, indexes, the roles' script."""

import re
import shutil
import subprocess

from support.mdoc import Page, plain
from support.programs import SOURCE

PAGE = Page(SOURCE / "man" / "geod.8")
CONFIG = Page(SOURCE / "man" / "geod.toml.5")
ROLES = SOURCE / "packaging" / "mongodb" / "roles.js"
ROWS = (SOURCE / "libgeo" / "src" / "io" / "mongo" / "rows.cpp").read_text()
OF_ROWS = set(re.findall(r'kAbout<[\w:]+>\{"(\w+)"', ROWS))
COLLECTIONS = OF_ROWS | {"leases", "versions"}


def test_collections():
    told = {row[0] for row in PAGE["THE STORE IN MONGODB"].rows if re.fullmatch(r"\w+", row[0])}
    assert told == COLLECTIONS
    tables = {title.split("[[")[1].rstrip("]") for title in CONFIG.subsections("THE STORE IN FILES")}
    assert OF_ROWS == tables


def test_index():
    fields = re.findall(r'"(\w+)"', re.search(r"kGranted\{(.*?)\}", ROWS)[1])
    assert f"on {', '.join(fields)}." in plain(PAGE["THE STORE IN MONGODB"].lines)


def test_schema():
    schema = re.search(r"kSchema = (\d+);", (SOURCE / "libgeo" / "src" / "io" / "mongo" / "version.h").read_text())[1]
    text = "\n".join(PAGE["THE STORE IN MONGODB"].lines)
    assert f"schema: {schema}}}" in text and f"above {schema} is" in text


def test_roles_name_collections_that_there_are():
    text = ROLES.read_text()
    named = set(re.findall(r'may\(\[[^]]*\], "(\w*)"\)', text))
    assert text.count("may([") == len(re.findall(r'may\(\[[^]]*\], "(\w*)"\)', text)) and named - {""} <= COLLECTIONS
    assert {"leases", "node_states", "usage"} <= named
    if shutil.which("node"):
        done = subprocess.run(["node", "--check", str(ROLES)], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


def test_roles_hold_no_password():
    text = ROLES.read_text()
    assert re.findall(r"pwd: ?(\S+?),", text) == ["password"]
    assert re.findall(r"password = (\S+?);", text) == ["process.env[users[name]]", "passwordPrompt()"]
