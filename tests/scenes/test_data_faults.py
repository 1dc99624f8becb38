"""Every fault in the data, where it is: `FILE:LINE:COL: TABLE.KEY: message`.

In the texts below a comment `#! TABLE.KEY` marks the line of a fault; `#! TABLE.KEY row` a row any line of which will do."""

import re

import pytest

from support.world import geoctl, run_geod

pytestmark = pytest.mark.files

FAULT = re.compile(r"^(?P<file>\S*?)(?P<name>[a-z]+\.toml):(?P<line>\d+):(?P<col>\d+): (?P<key>[\w.-]+): (?P<message>\S.*)$")

GROUPS = """
[[patterns]]
id = "streaming"
[[partners]]
id = "default"
hosts = ["geo.example.com"]
default_group = "eu"
[[groups]]
id = "eu"
coordinates = [50.0, 8.0]
country = "DE"
[[groups]]
id = "us"
coordinates = [40.0, -74.0]
country = "US"
"""
NODE = """
[[nodes]]
id = "n1"
host = "n1.example.com"
group = "eu"
"""
ACCOUNTS = """
[[tariffs]]
id = "home"
formats = ["flv"]
[[users]]
id = "u1"
tariff = "home"
"""
SHA = '"' + "ab" * 32 + '"'
TOKEN = f"""
[[tokens]]
sha256 = {SHA}
owner_type = "user"
owner_id = "u1"
"""
DEVICES = """
[[servers]]
id = "s1"
online = true
owner_type = "user"
owner_id = "u1"
[[cameras]]
server = "s1"
id = "c1"
online = true
streams = ["flv"]
"""
GOOD = {"topology.toml": GROUPS + NODE, "accounts.toml": ACCOUNTS + TOKEN, "devices.toml": DEVICES}


TOPOLOGY = {
    "unknown key": GROUPS + NODE + 'wieght = 5  #! nodes.wieght',
    "unknown table": GROUPS + NODE + '[[nods]]  #! nods\nid = "x"',
    "table that is none": 'nodes = 5  #! nodes',
    "weight of another type": GROUPS + NODE + 'weight = "many"  #! nodes.weight',
    "id of another type": GROUPS + '[[nodes]]\nid = 5  #! nodes.id\nhost = "a.example.com"\ngroup = "eu"',
    "list of another type": GROUPS + NODE + 'patterns = "streaming"  #! nodes.patterns',
    "list with another type in it": GROUPS + NODE + 'formats = ["flv", 5]  #! nodes.formats',
    "node twice": GROUPS + NODE + '[[nodes]]  #! nodes.id row\nid = "n1"\nhost = "n2.example.com"\ngroup = "eu"',
    "group twice": GROUPS + NODE + '[[groups]]  #! groups.id row\nid = "eu"\ncoordinates = [1.0, 1.0]\ncountry = "FR"',
    "pattern twice": GROUPS + NODE + '[[patterns]]  #! patterns.id row\nid = "streaming"',
    "partner twice": GROUPS + NODE + '[[partners]]  #! partners.id row\nid = "default"\ndefault_group = "eu"',
    "host of two partners": GROUPS + NODE + '[[partners]]\nid = "b"\nhosts = ["geo.example.com"]  #! partners.hosts\ndefault_group = "eu"',
    "host of two partners in another case": GROUPS + NODE + '[[partners]]\nid = "b"\nhosts = ["GEO.example.com"]  #! partners.hosts\ndefault_group = "eu"',
    "group nobody knows, of a node": GROUPS + '[[nodes]]\nid = "n"\nhost = "n.example.com"\ngroup = "nope"  #! nodes.group',
    "pattern nobody knows, of a node": GROUPS + NODE + 'patterns = ["nope"]  #! nodes.patterns',
    "partner nobody knows, of a node": GROUPS + NODE + 'partners = ["nope"]  #! nodes.partners',
    "fallback nobody knows, of a group": GROUPS + NODE + '[[groups]]\nid = "x"\ncountry = "FR"\ncoordinates = [1.0, 1.0]\nfallback = ["nope"]  #! groups.fallback',
    "group falling back on itself": GROUPS + NODE + '[[groups]]\nid = "x"\ncountry = "FR"\ncoordinates = [1.0, 1.0]\nfallback = ["eu", "x"]  #! groups.fallback',
    "fallback nobody knows, of a pattern": GROUPS + NODE + '[[patterns]]\nid = "p"\nfallback = ["nope"]  #! patterns.fallback',
    "pattern falling back on itself": GROUPS + NODE + '[[patterns]]\nid = "p"\nfallback = ["p"]  #! patterns.fallback',
    "default group nobody knows": GROUPS + NODE + '[[partners]]\nid = "b"\nhosts = []\ndefault_group = "nope"  #! partners.default_group',
    "group nobody knows, of a place": GROUPS + NODE + '[[places]]\ncountry = "DE"\ngroup = "nope"  #! places.group',
    "group nobody knows, of a network": GROUPS + NODE + '[[networks]]\ncidr = "10.0.0.0/8"\ngroup = "nope"  #! networks.group',
    "latitude beyond the pole": GROUPS + NODE + 'coordinates = [90.5, 0.0]  #! nodes.coordinates',
    "longitude beyond the world": GROUPS + NODE + 'coordinates = [0.0, -180.5]  #! nodes.coordinates',
    "one coordinate": GROUPS + NODE + 'coordinates = [50.0]  #! nodes.coordinates',
    "three coordinates": GROUPS + NODE + '[[groups]]\nid = "x"\ncountry = "FR"\ncoordinates = [1.0, 2.0, 3.0]  #! groups.coordinates',
    "coordinates that are no numbers": GROUPS + NODE + 'coordinates = [nan, 0.0]  #! nodes.coordinates',
    "prefix of 33": GROUPS + NODE + '[[networks]]\ncidr = "10.0.0.0/33"  #! networks.cidr\ngroup = "eu"',
    "prefix of 129": GROUPS + NODE + '[[networks]]\ncidr = "2001:db8::/129"  #! networks.cidr\ngroup = "eu"',
    "address that is none": GROUPS + NODE + '[[networks]]\ncidr = "10.0.0/8"  #! networks.cidr\ngroup = "eu"',
    "host bits": GROUPS + NODE + '[[networks]]\ncidr = "10.0.0.1/8"  #! networks.cidr\ngroup = "eu"',
    "host bits of IPv6": GROUPS + NODE + '[[networks]]\ncidr = "2001:db8::1/32"  #! networks.cidr\ngroup = "eu"',
    "network twice": GROUPS + NODE + '[[networks]]\ncidr = "10.0.0.0/8"\ngroup = "eu"\n[[networks]]  #! networks.cidr row\ncidr = "10.0.0.0/8"\ngroup = "us"',
    "network twice, spelled otherwise": GROUPS + NODE + '[[networks]]\ncidr = "2001:db8::/32"\ngroup = "eu"\n[[networks]]  #! networks.cidr row\ncidr = "2001:0DB8:0::/32"\ngroup = "us"',
    "place claimed by two groups": GROUPS + NODE + '[[places]]\ncountry = "DE"\ngroup = "eu"\n[[places]]  #! places.* row\ncountry = "DE"\ngroup = "us"',
    "network without cidr": GROUPS + NODE + '[[networks]]  #! networks.cidr\ngroup = "eu"',
    "weight below 0": GROUPS + NODE + 'weight = -1  #! nodes.weight',
    "capacity below 0": GROUPS + NODE + 'capacity = -5  #! nodes.capacity',
    "share above 1": GROUPS + NODE + '[[partners]]\nid = "b"\nhosts = []\ndefault_group = "eu"\nmax_share = 1.5  #! partners.max_share',
    "share below 0": GROUPS + NODE + '[[partners]]\nid = "b"\nhosts = []\ndefault_group = "eu"\nmax_share = -0.1  #! partners.max_share',
    "id with a blank": GROUPS + '[[nodes]]\nid = "n 1"  #! nodes.id\nhost = "n.example.com"\ngroup = "eu"',
    "empty id": GROUPS + '[[nodes]]\nid = ""  #! nodes.id\nhost = "n.example.com"\ngroup = "eu"',
    "id of 65": GROUPS + f'[[nodes]]\nid = "{"n" * 65}"  #! nodes.id\nhost = "n.example.com"\ngroup = "eu"',
    "id not ASCII": GROUPS + NODE + '[[groups]]\nid = "москва"  #! groups.id\ncountry = "RU"\ncoordinates = [1.0, 1.0]',
    "node without id": GROUPS + '[[nodes]]  #! nodes.id\nhost = "n.example.com"\ngroup = "eu"',
    "node without host": GROUPS + '[[nodes]]  #! nodes.host\nid = "n"\ngroup = "eu"',
    "node without group": GROUPS + '[[nodes]]  #! nodes.group\nid = "n"\nhost = "n.example.com"',
    "forbid without >": GROUPS + NODE + 'forbid = ["RU-US"]  #! nodes.forbid',
    "forbid of a group": GROUPS + NODE + '[[groups]]\nid = "x"\ncountry = "FR"\ncoordinates = [1.0, 1.0]\nforbid = ["RU>"]  #! groups.forbid',
    "format nobody knows": GROUPS + NODE + 'formats = ["flv", "rtsp"]  #! nodes.formats',
    "admin state nobody knows": GROUPS + NODE + 'admin = "maybe"  #! nodes.admin',
    "port out of range": GROUPS + NODE + 'ports = { https = 70000 }  #! nodes.ports*',
    "port 0": GROUPS + NODE + 'ports = { https = 0 }  #! nodes.ports*',
    "port of another protocol": GROUPS + NODE + 'ports = { rtmp = 1935 }  #! nodes.ports*',
    "policy nobody knows": GROUPS + NODE + '[[patterns]]\nid = "p"\npolicy = "dice"  #! patterns.policy',
    "host with a path": GROUPS + '[[nodes]]\nid = "n"\nhost = "n.example.com/x"  #! nodes.host\ngroup = "eu"',
    "host with a blank": GROUPS + '[[nodes]]\nid = "n"\nhost = "n example.com"  #! nodes.host\ngroup = "eu"',
    "empty host": GROUPS + '[[nodes]]\nid = "n"\nhost = ""  #! nodes.host\ngroup = "eu"',
}
ACCOUNT_FAULTS = {
    "hash too short": ACCOUNTS + '[[tokens]]\nsha256 = "abcd"  #! tokens.sha256\nowner_type = "user"\nowner_id = "u1"',
    "hash not hex": ACCOUNTS + f'[[tokens]]\nsha256 = "{"xy" * 32}"  #! tokens.sha256\nowner_type = "user"\nowner_id = "u1"',
    "token twice": ACCOUNTS + TOKEN + f'[[tokens]]  #! tokens.sha256 row\nsha256 = {SHA}\nowner_type = "user"\nowner_id = "u1"',
    "owner nobody knows": ACCOUNTS + f'[[tokens]]\nsha256 = {SHA}\nowner_type = "user"\nowner_id = "nope"  #! tokens.owner_id',
    "token without owner": ACCOUNTS + f'[[tokens]]  #! tokens.owner_id\nsha256 = {SHA}\nowner_type = "user"',
    "token without hash": ACCOUNTS + '[[tokens]]  #! tokens.sha256\nowner_type = "user"\nowner_id = "u1"',
    "end of a token is no time": ACCOUNTS + TOKEN + 'expires_at = "tomorrow"  #! tokens.expires_at',
    "tariff nobody knows": ACCOUNTS + '[[users]]\nid = "u2"\ntariff = "nope"  #! users.tariff',
    "user without tariff": ACCOUNTS + '[[users]]  #! users.tariff\nid = "u2"',
    "user twice": ACCOUNTS + '[[users]]  #! users.id row\nid = "u1"\ntariff = "home"',
    "blocked is no boolean": ACCOUNTS + '[[users]]\nid = "u2"\ntariff = "home"\nblocked = 1  #! users.blocked',
    "tariff without formats": ACCOUNTS + '[[tariffs]]  #! tariffs.formats\nid = "t"',
    "tariff with an unknown format": ACCOUNTS + '[[tariffs]]\nid = "t"\nformats = ["rtsp"]  #! tariffs.formats',
    "streams below 0": ACCOUNTS + '[[tariffs]]\nid = "t"\nformats = ["flv"]\nmax_streams = -1  #! tariffs.max_streams',
    "usage below 0": ACCOUNTS + '[[usage]]\nuser = "u1"\nstreams = -1  #! usage.streams',
    "unknown key of a grant": ACCOUNTS + '[[grants]]\nowner_type = "user"\nowner_id = "u1"\nobject_type = "camera"\nserver = "s1"\nobject_id = "c1"\nrights = ["view"]\nuntil = 5  #! grants.until',
    "grant of something else": ACCOUNTS + '[[grants]]\nowner_type = "user"\nowner_id = "u1"\nobject_type = "planet"  #! grants.object_type\nserver = "s1"\nobject_id = "c1"\nrights = ["view"]',
}
DEVICE_FAULTS = {
    "server nobody knows": DEVICES + '[[cameras]]\nserver = "nope"  #! cameras.server\nid = "c"\nonline = true\nstreams = []',
    "camera twice": DEVICES + '[[cameras]]  #! cameras.id row\nserver = "s1"\nid = "c1"\nonline = true\nstreams = []',
    "server twice": DEVICES + '[[servers]]  #! servers.id row\nid = "s1"\nonline = true\nowner_type = "user"\nowner_id = "u1"',
    "camera without online": DEVICES + '[[cameras]]  #! cameras.online\nserver = "s1"\nid = "c"\nstreams = []',
    "camera without streams": DEVICES + '[[cameras]]  #! cameras.streams\nserver = "s1"\nid = "c"\nonline = true',
    "camera without server": DEVICES + '[[cameras]]  #! cameras.server\nid = "c"\nonline = true\nstreams = []',
    "stream nobody knows": DEVICES + '[[cameras]]\nserver = "s1"\nid = "c"\nonline = true\nstreams = ["mp4"]  #! cameras.streams',
    "online is no boolean": DEVICES + '[[cameras]]\nserver = "s1"\nid = "c"\nonline = "yes"  #! cameras.online\nstreams = []',
    "partner nobody knows": DEVICES + '[[servers]]\nid = "s2"\nonline = true\npartner = "nope"  #! servers.partner\nowner_type = "user"\nowner_id = "u1"',
    "server without owner": DEVICES + '[[servers]]  #! servers.owner_id\nid = "s2"\nonline = true\nowner_type = "user"',
    "camera id with a slash": DEVICES + '[[cameras]]\nserver = "s1"\nid = "c/1"  #! cameras.id\nonline = true\nstreams = []',
}
STATE_FAULTS = {
    "seen_at is no time": '[[node_states]]\nid = "n1"\nseen_at = "now"  #! node_states.seen_at',
    "load is no number": '[[node_states]]\nid = "n1"\nseen_at = 2026-01-01T00:00:00Z\nload = "high"  #! node_states.load',
    "unknown key": '[[node_states]]\nid = "n1"\nseen_at = 2026-01-01T00:00:00Z\nfan = 3  #! node_states.fan',
    "state twice": '[[node_states]]\nid = "n1"\nseen_at = 2026-01-01T00:00:00Z\n[[node_states]]  #! node_states.id row\nid = "n1"\nseen_at = 2026-01-01T00:00:00Z',
    "sessions below 0": '[[node_states]]\nid = "n1"\nseen_at = 2026-01-01T00:00:00Z\nsessions = -1  #! node_states.sessions',
}
ALL = [pytest.param(file, text, id=f"{file.split('.')[0]}: {name}")
       for file, faults in (("topology.toml", TOPOLOGY), ("accounts.toml", ACCOUNT_FAULTS), ("devices.toml", DEVICE_FAULTS), ("states.toml", STATE_FAULTS))
       for name, text in faults.items()]


def write(folder, files):
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        if text is not None:
            (folder / name).write_text(text)
    return folder


def faults_of(output):
    """The faults geoctl prints, as (file, line, key); every line it prints must be one."""
    found = []
    for line in (output.out + output.err).splitlines():
        if match := FAULT.match(line):
            assert int(match["col"]) >= 1
            found.append((match["name"], int(match["line"]), match["key"]))
    return found


def marks(text):
    """[(first line, last line, key pattern)] of the marked faults."""
    found = []
    lines = text.split("\n")
    for number, line in enumerate(lines, 1):
        if match := re.search(r"#! (\S+)( row)?", line):
            last = number
            while match[2] and last < len(lines) and not lines[last].startswith("[["):
                last += 1
            found.append((number, last, re.escape(match[1]).replace(r"\*", r"[\w.-]*")))
    return found


@pytest.mark.parametrize("file, text", ALL)
def test_fault_is_found_where_it_is(tmp_path, file, text):
    data = write(tmp_path / "data", {**GOOD, file: text})
    output = geoctl("data", "validate", data)
    assert output.exit == 6, output
    [(first, last, key)] = marks(text)
    if text.startswith("nodes = 5"):  # everything else is missing then, too
        assert ("topology.toml", 1, "nodes") in faults_of(output), output
        return
    [(name, line, found)] = faults_of(output)
    assert name == file and first <= line <= last and re.fullmatch(key, found), output


def test_good_data_has_no_fault(tmp_path):
    output = geoctl("data", "validate", write(tmp_path / "data", GOOD))
    assert output.exit == 0 and faults_of(output) == [], output


def test_groups_may_name_each_other(tmp_path):
    text = GROUPS.replace('country = "DE"', 'country = "DE"\nfallback = ["us"]').replace('country = "US"', 'country = "US"\nfallback = ["eu"]')
    assert geoctl("data", "validate", write(tmp_path / "data", {**GOOD, "topology.toml": text + NODE})).exit == 0


def test_grants_may_name_cameras_that_do_not_exist(tmp_path):
    grant = '[[grants]]\nowner_type = "user"\nowner_id = "u1"\nobject_type = "camera"\nserver = "nope"\nobject_id = "nope"\nrights = ["view"]'
    assert geoctl("data", "validate", write(tmp_path / "data", {**GOOD, "accounts.toml": ACCOUNTS + grant})).exit == 0


def test_missing_accounts_or_devices_are_empty(tmp_path):
    assert geoctl("data", "validate", write(tmp_path / "a", {**GOOD, "devices.toml": None})).exit == 0
    assert geoctl("data", "validate", write(tmp_path / "b", {"topology.toml": GOOD["topology.toml"]})).exit == 0


def test_missing_topology_is_a_fault(tmp_path):
    output = geoctl("data", "validate", write(tmp_path / "a", {**GOOD, "topology.toml": None}))
    assert output.exit == 6 and "topology.toml" in output.out + output.err, output
    output = geoctl("data", "validate", tmp_path / "nowhere")
    assert output.exit == 6 and "nowhere" in output.out + output.err, output


def test_json_has_one_object_a_line(tmp_path):
    text = GROUPS + NODE + "weight = -1  #! nodes.weight\nwieght = 5  #! nodes.wieght"
    output = geoctl("--json", "data", "validate", write(tmp_path / "data", {**GOOD, "topology.toml": text}))
    assert output.exit == 6, output
    found = output.json_lines()
    assert len(found) == 2
    for fault in found:
        assert sorted(fault) == ["col", "file", "key", "line", "message"]
        assert fault["file"].endswith("topology.toml") and fault["col"] >= 1 and fault["message"]
    assert {(f["line"], f["key"]) for f in found} == {(line, key.replace("\\", "")) for line, _, key in marks(text)}


def test_three_faults_in_one_file_show_three(tmp_path):
    text = GROUPS.replace('default_group = "eu"', 'default_group = "nope"  #! partners.default_group') + NODE + (
        'weight = "x"  #! nodes.weight\ncolour = "red"  #! nodes.colour')
    output = geoctl("data", "validate", write(tmp_path / "data", {**GOOD, "topology.toml": text}))
    assert output.exit == 6
    assert sorted((line, key) for _, line, key in faults_of(output)) == sorted((n, re.sub(r"\\", "", key)) for n, _, key in marks(text)), output


def test_faults_of_all_files_come_in_one_run(tmp_path):
    bad = {"topology.toml": TOPOLOGY["weight below 0"], "accounts.toml": ACCOUNT_FAULTS["tariff nobody knows"],
           "devices.toml": DEVICE_FAULTS["camera twice"], "states.toml": STATE_FAULTS["unknown key"]}
    output = geoctl("data", "validate", write(tmp_path / "data", bad))
    assert sorted(name for name, _, _ in faults_of(output)) == sorted(bad), output


def test_broken_toml_in_one_file_does_not_hide_the_others(tmp_path):
    bad = {"topology.toml": GROUPS + NODE + "weight = = 5\n", "accounts.toml": ACCOUNT_FAULTS["hash too short"],
           "devices.toml": '[[cameras]\n'}
    output = geoctl("data", "validate", write(tmp_path / "data", bad))
    assert output.exit == 6
    shown = output.out + output.err
    assert re.search(rf"topology\.toml:{(GROUPS + NODE).count(chr(10)) + 1}:\d+: ", shown), output
    assert re.search(r"devices\.toml:[12]:\d+: ", shown), output
    assert ("accounts.toml", 9, "tokens.sha256") in faults_of(output), output
    assert not re.search(r"accounts\.toml.*owner_id", shown)


@pytest.mark.parametrize("text", [
    b"\xff\xfe\x00", b"\x00" * 100, b"[[nodes]]\nid = \"\xc3\x28\"\n", b"a = " + b"[" * 10_000, b"[" * 10_000, b"x = 1\nx = 2\n",
    b"\xef\xbb\xbf[[nodes]\n", b"id = \"unterminated", b"k = " + b"9" * 5000], ids=range(9))
def test_bytes_that_are_no_toml(tmp_path, text):
    data = write(tmp_path / "data", GOOD)
    (data / "topology.toml").write_bytes(text)
    output = geoctl("data", "validate", data)
    assert output.exit == 6 and "topology.toml:" in output.out + output.err, output


def test_folder_in_place_of_a_file(tmp_path):
    data = write(tmp_path / "data", {**GOOD, "devices.toml": None})
    (data / "devices.toml").mkdir()
    output = geoctl("data", "validate", data)
    assert output.exit == 6 and "devices.toml" in output.out + output.err, output


def test_dir_of_the_config_is_the_default(stage):
    world = stage.world()
    assert world.geoctl("data", "validate").exit == 0
    assert geoctl("--data", world.data, "data", "validate").exit == 0
    (world.data / "devices.toml").write_text(DEVICE_FAULTS["camera without online"])
    assert world.geoctl("data", "validate").exit == 6
    assert geoctl("--data", world.data, "data", "validate").exit == 6


@pytest.mark.parametrize("file, text", [
    ("topology.toml", TOPOLOGY["weight below 0"]), ("accounts.toml", ACCOUNT_FAULTS["hash too short"]),
    ("devices.toml", DEVICE_FAULTS["camera without online"]), ("topology.toml", "nodes = = 1  #! any")])
def test_geod_with_bad_data_ends_with_2_and_says_where(stage, file, text):
    world = stage.world()
    write(world.data, {**GOOD, file: text})
    [(first, last, _)] = marks(text)
    for arguments in ([], ["--check"]):
        output = run_geod(world, *arguments)
        assert output.exit == 2, output
        lines = [int(m[1]) for m in re.finditer(rf"{file}:(\d+):\d+: ", output.err)]
        assert lines and all(first <= line <= last for line in lines), output


def test_every_fault_of_the_data_is_shown_at_start(stage):
    world = stage.world()
    write(world.data, {"topology.toml": TOPOLOGY["weight below 0"], "accounts.toml": ACCOUNT_FAULTS["hash too short"],
                       "devices.toml": DEVICE_FAULTS["camera without online"]})
    output = run_geod(world)
    assert output.exit == 2
    for file in ("topology.toml", "accounts.toml", "devices.toml"):
        assert re.search(rf"{file}:\d+:\d+: ", output.err), output



@pytest.mark.parametrize("text", ["[[node_states]\n", '[[node_states]]\nid = "nobody"\nseen_at = 2026-01-01T00:00:00Z\n'])
def test_what_others_write_keeps_no_geod_from_serving(stage, text):
    """states.toml: its faults are warnings for geod, --check too, and faults for geoctl's checks."""
    world = stage.world()
    (world.data / "states.toml").write_text(text)
    geod = stage.geod(world)
    assert re.search(r" warn \S*states\.toml:\d+:\d+: ", geod.stderr()) and geod.ask().status == 302
    assert geod.fetch("/reload", "admin", method="POST").json()["ok"]
    checked = run_geod(world, "--check")  # ExecStartPre=: it keeps no geod from starting that would serve
    assert checked.exit == 0 and re.search(r" warn \S*states\.toml:\d+:\d+: ", checked.err), checked
    assert world.geoctl("data", "validate").exit == 6 and world.geoctl("config", "check").exit == 6
