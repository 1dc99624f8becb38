"""The world that all redirecting servers know: groups by country, nodes, cameras and who owns them, and a million requests."""
import bisect
import hashlib
import itertools
import random

HOST = "geo.example.com"
NODES_A_GROUP = 3
OWNERS, SERVERS, CAMERAS_A_SERVER = 2000, 5000, 4
FILLED_GROUPS, FILLED_NODES, FILLED_PLACES = 1000, 10000, 100000
SECRET = bytes(range(32))

# group: where it is, and the countries whose clients it serves; everybody else is the first one's
GROUPS = {
    "de-fra": ((50.11, 8.68), "DE AT CH CZ PL SK HU SI LI LU"),
    "fr-par": ((48.86, 2.35), "FR BE ES PT MC AD"),
    "gb-lon": ((51.51, -0.13), "GB IE NL IS"),
    "se-sto": ((59.33, 18.07), "SE NO FI DK EE LV LT"),
    "it-mil": ((45.46, 9.19), "IT GR HR RS AL MT TR RO BG"),
    "ru-msk": ((55.75, 37.61), "RU BY KZ AM GE"),
    "us-nyc": ((40.71, -74.0), "US CA MX"),
    "br-sao": ((-23.55, -46.63), "BR AR CL PE CO UY PY VE EC BO"),
    "za-jnb": ((-26.2, 28.05), "ZA NG KE EG MA DZ TN GH ET TZ"),
    "in-bom": ((19.08, 72.88), "IN PK BD LK NP AE SA IR IQ IL"),
    "jp-tyo": ((35.68, 139.69), "JP KR TW CN HK"),
    "sg-sin": ((1.35, 103.82), "SG MY ID TH VN PH AU NZ"),
}
GROUP_OF = {country: group for group, (_, countries) in GROUPS.items() for country in countries.split()}
DEFAULT_GROUP = next(iter(GROUPS))


def nodes_of(group):
    return [f"node-{group}-{number}.example.com" for number in range(NODES_A_GROUP)]


HOSTS = {host for group in GROUPS for host in nodes_of(group)}


def topology(filled=False, weight=100):
    """filled: with groups, nodes and places where no client is."""
    rows = [f'[[patterns]]\nid = "streaming"\n[[partners]]\nid = "default"\nhosts = ["{HOST}"]\ndefault_group = "{DEFAULT_GROUP}"\n']
    nodes = [(host, group) for group in GROUPS for host in nodes_of(group)]
    groups = [(group, *coordinates) for group, (coordinates, _) in GROUPS.items()]
    places = [(country, "", group) for country, group in GROUP_OF.items()]
    if filled:
        dice = random.Random(1)
        groups += [(f"de-{number}", round(dice.uniform(-60, 70), 2), round(dice.uniform(-180, 180), 2))
                   for number in range(FILLED_GROUPS - len(groups))]
        empty = groups[len(GROUPS):]
        nodes += [(f"node-{number}.example.com", empty[number % len(empty)][0]) for number in range(FILLED_NODES - len(nodes))]
        countries = list(GROUP_OF)
        places += [(countries[number % len(countries)], f'region = "Region {number // 100}"\ncity = "City {number}"\n',
                    empty[number % len(empty)][0]) for number in range(FILLED_PLACES - len(places))]
    rows += [f'[[groups]]\nid = "{group}"\ncoordinates = [{latitude}, {longitude}]\ncountry = "{group[:2].upper()}"\n'
             for group, latitude, longitude in groups]
    rows += [f'[[nodes]]\nid = "{host.split(".")[0]}"\nhost = "{host}"\ngroup = "{group}"\nweight = {weight}\n' for host, group in nodes]
    rows += [f'[[places]]\ncountry = "{country}"\n{within}group = "{group}"\n' for country, within, group in places]
    return "".join(rows)


def write_store(folder, filled=False):
    """A store directory for geod."""
    folder.mkdir(parents=True)
    (folder / "topology.toml").write_text(topology(filled))
    rows = ['[[tariffs]]\nid = "home"\nformats = ["flv", "hls", "ws-fmp4"]\n']
    for owner in range(OWNERS):
        digest = hashlib.sha256(token_of(owner).encode()).hexdigest()
        rows.append(f'[[users]]\nid = "u{owner}"\ntariff = "home"\n'
                    f'[[tokens]]\nsha256 = "{digest}"\nowner_type = "user"\nowner_id = "u{owner}"\n')
    (folder / "accounts.toml").write_text("".join(rows))
    rows = []
    for number in range(SERVERS):
        rows.append(f'[[servers]]\nid = "{server_id(number)}"\nonline = true\nowner_type = "user"\nowner_id = "u{number % OWNERS}"\n')
        rows += [f'[[cameras]]\nserver = "{server_id(number)}"\nid = "{camera}"\nonline = true\nstreams = ["flv", "hls", "ws-fmp4"]\n'
                 for camera in range(CAMERAS_A_SERVER)]
    (folder / "devices.toml").write_text("".join(rows))


def token_of(owner):
    return "t-" + hashlib.md5(str(owner).encode()).hexdigest()


def server_id(number):
    return f"100-{number:06x}"


def targets():
    """One for each camera, with its owner's token."""
    return [f"/flv?server={server_id(server)}&camera={camera}&access_token={token_of(server % OWNERS)}"
            for server in range(SERVERS) for camera in range(CAMERAS_A_SERVER)]


def requests(addresses, count, seed):
    """(target, client) drawn at random: cameras by Zipf(1.1), clients alike, each camera with its owner's token."""
    dice = random.Random(seed)
    cameras = targets()
    dice.shuffle(cameras)
    heights = list(itertools.accumulate((rank + 1) ** -1.1 for rank in range(len(cameras))))
    for _ in range(count):
        camera = cameras[min(bisect.bisect(heights, dice.random() * heights[-1]), len(cameras) - 1)]
        yield (camera, dice.choice(addresses))


def with_token(target, token):
    return target.partition("&access_token=")[0] + "&access_token=" + token
