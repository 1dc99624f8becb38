"""What is told of MongoDB against libgeo: collections, indexes, the roles' script."""

import json
import os
import re
import shutil
import subprocess

import pytest

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


def run_roles(known):
    """The commands that the script gives, on a server of our own where those roles and users are there already."""
    stub = """
      const known = new Set(%s), given = [];
      const server = {runCommand(command) {
        const [name] = Object.values(command), [what] = Object.keys(command);
        if (what === "rolesInfo") return {roles: known.has(name) ? [{}] : []};
        if (what === "usersInfo") return {users: known.has(name) ? [{}] : []};
        given.push(command);
        return {ok: 1};
      }};
      const db = {getSiblingDB: () => server}, print = () => {}, passwordPrompt = () => "asked for";
      process.on("exit", () => console.log(JSON.stringify(given)));
    """ % json.dumps(known)
    done = subprocess.run(["node", "-"], input=stub + ROLES.read_text(), capture_output=True, text=True,
                          env={"PATH": os.environ["PATH"], "GEO_GEOD_PASSWORD": "given"})
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.skipif(not shutil.which("node"), reason="no node")
def test_roles_are_made_once_and_set_again():
    names = ["geod", "geoctl", "geo_node", "geo_usage"]
    first = run_roles([])
    assert [command["createRole"] for command in first[:4]] == names
    assert first[4:] == [{"createUser": name, "pwd": "given" if name == "geod" else "asked for", "roles": [name]} for name in names]
    again = run_roles(names)
    assert [command["updateRole"] for command in again[:4]] == names
    assert [command["privileges"] for command in again[:4]] == [command["privileges"] for command in first[:4]]
    assert again[4:] == [{"updateUser": name, "roles": [name]} for name in names]
