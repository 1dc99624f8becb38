#!/usr/bin/env python3
"""Writes a store of any size: make_store.py --cameras N --grants N DIR. The same arguments give the same bytes."""
import argparse
import hashlib
import pathlib

CAMERAS_PER_SERVER = 4
SERVERS_PER_USER = 5

TOPOLOGY = """\
[[groups]]
id = "eu"
coordinates = [50.11, 8.68]
country = "DE"

[[nodes]]
id = "node-1"
host = "node-1.example.com"
group = "eu"

[[partners]]
id = "default"
hosts = ["geo.example.com"]
default_group = "eu"
"""


def accounts(users, grants, cameras):
    for n in range(grants):
        # nobody needs a grant for a camera of their own
        camera = n * 7919 % max(cameras, 1)
        yield (f'[[grants]]\nowner_type = "user"\nowner_id = "u{n % users}"\nobject_type = "camera"\n'
               f'server = "s{camera // CAMERAS_PER_SERVER}"\nobject_id = "{camera % CAMERAS_PER_SERVER}"\n'
               'rights = ["view"]\n\n')
    yield '[[tariffs]]\nid = "home"\nformats = ["flv", "hls", "ws-fmp4"]\nmax_streams = 4\n\n'
    for n in range(users):
        digest = hashlib.sha256(f"token-{n}".encode()).hexdigest()
        yield (f'[[tokens]]  # token-{n}\nsha256 = "{digest}"\nowner_type = "user"\nowner_id = "u{n}"\n'
               'expires_at = 2035-01-01T00:00:00Z\n\n')
        yield f'[[users]]\nid = "u{n}"\ntariff = "home"\n\n'


def devices(servers, users, cameras):
    for n in range(cameras):
        yield (f'[[cameras]]\nserver = "s{n // CAMERAS_PER_SERVER}"\nid = "{n % CAMERAS_PER_SERVER}"\nonline = true\n'
               'streams = ["flv", "hls", "ws-fmp4"]\n\n')
    for n in range(servers):
        yield (f'[[servers]]\nid = "s{n}"\ndc = "dc-{n % 10}"\nonline = true\nowner_type = "user"\n'
               f'owner_id = "u{n // SERVERS_PER_USER % users}"\n\n')


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cameras", type=int, default=200_000)
    parser.add_argument("--grants", type=int, default=50_000)
    parser.add_argument("dir", type=pathlib.Path)
    args = parser.parse_args()
    servers = -(-args.cameras // CAMERAS_PER_SERVER)
    users = max(1, -(-servers // SERVERS_PER_USER))
    args.dir.mkdir(parents=True, exist_ok=True)
    for name, parts in [("topology", [TOPOLOGY]), ("accounts", accounts(users, args.grants, args.cameras)),
                        ("devices", devices(servers, users, args.cameras))]:
        with open(args.dir / f"{name}.toml", "w", encoding="utf-8") as out:
            out.writelines(parts)


if __name__ == "__main__":
    main()
