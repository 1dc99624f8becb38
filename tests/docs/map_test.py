"""libgeo/README.md against the tree: rooms, headers, files, libraries."""

import re

from support.programs import SOURCE

TEXT = (SOURCE / "libgeo" / "README.md").read_text(encoding="utf-8")
GEO = SOURCE / "libgeo" / "include" / "geo"


def table(head):
    part = TEXT[TEXT.index(f"\n| {head} |") + 1:].split("\n\n")[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in part.splitlines()[2:]]


def test_rooms():
    rules = (SOURCE / "libgeo" / "rooms.dep").read_text()
    assert {row[0].strip("`") for row in table("room")} == set(re.findall(r"^([\w/]+):", rules, re.M))


def test_headers():
    told = {header for row in table("room") for header in re.findall(r"`([\w/*]+\.h)`", row[2])}
    found = {str(file.relative_to(GEO)) for file in GEO.rglob("*.h")}
    assert {("base/*.h" if name.startswith("base/") else name) for name in found} == told


def test_files_that_it_names():
    for name in set(re.findall(r"`((?:src|tests|base)/[\w/]+\.\w+)`", TEXT)):
        assert any((root / name).is_file() for root in (SOURCE / "libgeo", SOURCE, GEO)), name


def test_libraries():
    """Each library that CMake links is explained, and none that it does not."""
    names = {"toml++": "tomlplusplus", "libmaxminddb": "maxminddb", "OpenSSL (libcrypto)": "OpenSSL::Crypto", "xxHash": "xxhash",
             "tl-expected": "tl::expected", "fmt": "fmt::fmt", "libsystemd": "systemd", "CLI11": "CLI11::CLI11",
             "GoogleTest": "GTest::", "OpenSSL (libssl)": "OpenSSL::SSL", "Poco Net, NetSSL": "Poco::NetSSL",
             "Poco JSON": "Poco::JSON", "Poco MongoDB": "Poco::MongoDB", "libmongoc": "mongoc", "libcurl": "curl", "prometheus-cpp (core)": "prometheus-cpp::core", "google-benchmark": "benchmark::benchmark"}
    told = {name for row in table("library") for name in [row[0]]} - {"pytest, pymongo", "nginx, ffmpeg, haproxy", "cryptography", "mongo-java-server, H2", "chromium, selenium, axe-core",
                                                                  "jsonschema"}
    assert told == set(names)
    files = [*(SOURCE / "libgeo").glob("CMakeLists.txt"), *(SOURCE / "apps").rglob("CMakeLists.txt"),
             *(SOURCE / "tests").rglob("CMakeLists.txt")]
    linked = " ".join(found for file in files for found in re.findall(r"target_link_libraries\((.*?)\)", file.read_text(), re.S))
    for name, target in names.items():
        assert target in linked, name
    known = {"GTest", "OpenSSL", "CLI11", "PkgConfig", "fmt", "tl", "Threads", "geo", "Poco", "cpp", "benchmark"}
    assert set(re.findall(r"\b(\w+)::", linked)) <= known
    assert set(re.findall(r"PkgConfig::(\w+)", linked)) <= set(names.values())
