#!/usr/bin/python3
"""Holds every #include of libgeo to libgeo/rooms.dep: a room includes itself and the rooms its line names, nothing else.

usage: rooms.py SOURCE_DIR     prints each arrow that must not be; exit 1 if there is one"""
import pathlib
import re
import sys

root = pathlib.Path(sys.argv[1]) / "libgeo"
allowed = {}
for line in (root / "rooms.dep").read_text().splitlines():
    if line and not line.startswith("#"):
        room, others = line.split(":")
        allowed[room] = set(others.split())

CORE = ["base", "client", "place", "resolve", "balance", "auth", "billing", "devices", "sign", "redirect"]
CORE_LIBRARIES = {"fmt", "tl", "xxhash.h", "openssl", "arpa"}  # what the core's sources may take from outside std


def room_of(path):
    """libgeo/include/geo/base/ip.h, libgeo/src/base/ip.cpp -> base; include/geo/place.h -> place;
    include/geo/io/mongo_admin.h -> io/mongo"""
    parts = path.relative_to(root).with_suffix("").parts
    parts = parts[2:] if parts[0] == "include" else parts[1:]
    name = "/".join([parts[0], parts[1].split("_")[0]]) if parts[0] == "io" else parts[0]
    if name not in allowed:
        sys.exit(f"{path}: room {name} is not in rooms.dep")
    return name


def included_room(name):
    parts = name.removesuffix(".h").split("/")
    return "/".join([parts[1], parts[2].split("_")[0]]) if parts[1] == "io" else parts[1]


bad = []
seen = set()
files = sorted([*root.rglob("*.h"), *root.rglob("*.cpp")])
for path in files:
    room = room_of(path)
    seen.add(room)
    public = "include" in path.relative_to(root).parts
    for number, line in enumerate(path.read_text().splitlines(), 1):
        match = re.match(r'\s*#\s*include\s*(["<])([^">]+)[">]', line)
        if not match:
            continue
        name = match.group(2)
        where = f"{path.relative_to(root.parent)}:{number}"
        if name.startswith("geo/"):
            other = included_room(name)
            if other != room and other not in allowed[room]:
                bad.append(f"{where}: {room} may not include {name}")
        elif match.group(1) == '"':
            other = room if (path.parent / name).exists() else room_of(root / "src" / name)
            if other != room and other not in allowed[room]:
                bad.append(f"{where}: {room} may not include {name}")
        else:
            outside = name.split("/")[0]
            is_std = "." not in name and "/" not in name
            if public and not is_std and outside not in {"fmt", "tl"}:
                bad.append(f"{where}: a public header shows {name}")
            if room in CORE and not is_std and outside not in CORE_LIBRARIES:
                bad.append(f"{where}: the core may not include {name}")
            if room in CORE and name in {"random", "thread", "fstream", "iostream", "filesystem"}:
                bad.append(f"{where}: the core may not include {name}")

for room in allowed:
    if room not in seen:
        bad.append(f"rooms.dep: there is no room {room}")
order = list(allowed)
for room, others in allowed.items():
    for other in others:
        if other not in order or order.index(other) >= order.index(room):
            bad.append(f"rooms.dep: the arrow {room} -> {other} does not point down")

print("\n".join(bad) if bad else f"{len(files)} files in {len(seen)} rooms: every arrow points down")
sys.exit(1 if bad else 0)
