"""From an address to a place, from a place to a group: contract 2.2 (providers) and 3."""

import subprocess

import pytest

from support.town import node, town
from support.world import BIN, Facts, run_geod

FIELDS = ["ip", "country_code", "region_iso", "region", "city", "coordinates", "provider", "cached"]
CITIES = [
    "77.88.0.0/18\tRU\tMOW\tMoscow|Москва\tMoscow|Москва\t55.75\t37.61\tRU",
    "77.88.44.0/24\tRU\tSPE\tSaint Petersburg|Санкт-Петербург\tSaint Petersburg|\t59.94\t30.31\tUS",
    "8.8.0.0/16\tUS\tNY\tNew York|\tNew York|\t40.71\t-74.01\tUS",
    "5.9.0.0/16\tDE\t\t\t\t51.3\t9.49\tDE",
    "9.9.9.0/24\t\t\t\t\t48.86\t2.35\t",
    "1.1.1.0/24\tAU\t\t\t\t\t\tAU",
    "2a02:6b8::/32\tRU\tMOW\tMoscow|Москва\tMoscow|Москва\t55.75\t37.61\tRU",
    "2001:4860::/32\tUS\tCA\tCalifornia|\tMountain View|\t37.42\t-122.08\tUS",
]


def make_mmdb(path, lines=CITIES, *options):
    program = BIN / "make_mmdb"
    assert program.exists(), f"{program} is not built"
    kind = [] if "--type" in options else ["--type", "GeoLite2-City"]
    done = subprocess.run([program, *kind, "--language-names", "en,ru", *options, path],
                          input="\n".join(lines) + "\n", capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return str(path)


@pytest.fixture(scope="module")
def city_file(tmp_path_factory):
    return make_mmdb(tmp_path_factory.mktemp("mmdb") / "city.mmdb")


@pytest.fixture(scope="module")
def world(module_stage, city_file):
    return module_stage.world(resolver={"providers": ["networks", "maxmind"]}, resolver__maxmind={"files": [city_file]})


def resolve(world, ip):
    output = world.geoctl("--json", "resolve", ip)
    assert output.exit == 0, output
    assert list(output.json()) == FIELDS
    return output.json()


def group_of(world, ip, *more):
    output = world.geoctl("--json", "select", "--ip", ip, *more)
    assert output.exit == 0, output
    return output.json()["group"]


def place_group(world, place, *more):
    output = world.geoctl("--json", "select", "--place", place, *more)
    assert output.exit == 0, output
    return output.json()["group"]


# --- networks ---


def networks_town():
    facts = town()
    facts["networks"] = [
        {"cidr": "10.0.0.0/8", "group": "us"},
        {"cidr": "10.1.0.0/16", "group": "ru-msk"},
        {"cidr": "10.1.2.0/24", "country": "DE", "region": "HE", "city": "Frankfurt", "coordinates": [50.11, 8.68]},
        {"cidr": "10.1.2.3/32", "country": "JP", "region": "Tokyo Prefecture"},
        {"cidr": "2001:db8::/32", "group": "us"},
        {"cidr": "2001:db8:1::/48", "group": "ru-msk"},
        {"cidr": "2001:db8:1:2::/64", "country": "DE"},
        {"cidr": "2001:db8:1:2::3/128", "country": "JP"},
        {"cidr": "192.0.2.128/25", "coordinates": [59.0, 30.0]},
        {"cidr": "0.0.0.0/0", "group": "asia"},
    ]
    return facts


@pytest.fixture(scope="module")
def networks(module_stage):
    return module_stage.world(networks_town())


@pytest.mark.parametrize("ip, group", [
    ("10.255.255.255", "us"), ("10.1.1.1", "ru-msk"), ("10.1.2.2", "eu"), ("10.1.2.3", "asia"), ("10.1.3.0", "ru-msk"),
    ("10.0.255.255", "us"), ("8.8.8.8", "asia"), ("255.255.255.254", "asia"), ("192.0.2.128", "ru-spb"), ("192.0.2.127", "asia"),
    ("2001:db8:2::1", "us"), ("2001:db8:1::1", "ru-msk"), ("2001:db8:1:2::1", "eu"), ("2001:db8:1:2::3", "asia"),
    ("2001:db9::1", "eu"), ("::ffff:10.1.1.1", "ru-msk"),
])
def test_longest_prefix_wins(networks, ip, group):
    assert group_of(networks, ip) == group


def test_row_with_only_a_group_answers_with_nulls(networks):
    assert resolve(networks, "10.1.1.1") == {
        "ip": "10.1.1.1", "country_code": None, "region_iso": None, "region": None, "city": None, "coordinates": None,
        "provider": "networks", "cached": False}


def test_region_answers_as_iso_or_as_name(networks):
    place = resolve(networks, "10.1.2.2")
    assert (place["country_code"], place["region_iso"], place["region"], place["city"]) == ("DE", "HE", None, "Frankfurt")
    assert place["coordinates"] == [50.11, 8.68]
    place = resolve(networks, "10.1.2.3")
    assert (place["region_iso"], place["region"]) == (None, "Tokyo Prefecture")


@pytest.mark.parametrize("asked, echoed", [
    ("2001:DB8:1:0:0:0:0:1", "2001:db8:1::1"), ("2001:db8:1:0:1:0:0:1", "2001:db8:1:0:1::1"), ("::ffff:10.1.1.1", "10.1.1.1"),
    ("::FFFF:0A01:0101", "10.1.1.1"), ("2001:db8:1:2:0:0:0:3", "2001:db8:1:2::3")])
def test_address_is_echoed_as_rfc_5952_writes_it(networks, asked, echoed):
    assert resolve(networks, asked)["ip"] == echoed


@pytest.mark.parametrize("bad", [
    "010.1.1.1", "10.1.1", "10.1.1.256", "10.1.1.1:80", "[2001:db8::1]", "fe80::1%eth0", "10.1.1.1/32", "x", ":::",
    "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "::1::", "12345::", "2001:db8::g"])
def test_what_is_no_address_is_a_bad_request(networks, bad):
    output = networks.geoctl("--json", "resolve", bad)
    assert output.exit == 2 and output.json()["code"] == "bad_request", output


# --- places ---


def places_town():
    facts = town()
    facts["places"] = [
        {"country": "RU", "group": "ru-spb"},
        {"country": "RU", "region": "MOW", "group": "ru-msk"},
        {"country": "RU", "region": "MOW", "city": "Зеленоград", "group": "asia"},
        {"country": "RU", "city": "Сочи", "group": "us"},
        {"country": "RU", "region": "Tatarstan Republic", "group": "eu"},
        {"country": "DE", "group": "eu"},
    ]
    return facts


@pytest.fixture(scope="module")
def places(module_stage):
    return module_stage.world(places_town())


@pytest.mark.parametrize("place, group", [
    ("RU", "ru-spb"), ("RU/MOW", "ru-msk"), ("RU/MOW/Москва", "ru-msk"), ("RU/MOW/Зеленоград", "asia"), ("RU//Сочи", "us"),
    ("RU/KDA/Сочи", "us"), ("RU/Tatarstan Republic", "eu"), ("RU/TA", "ru-spb"), ("RU//Зеленоград", "ru-spb"), ("RU//Москва", "ru-spb"),
    ("DE", "eu"), ("DE/BE/Berlin", "eu"), ("FR", "eu"), ("FR/MOW", "eu"),
])
def test_most_exact_place_wins(places, place, group):
    assert place_group(places, place) == group


def test_place_nobody_claims_goes_to_the_partners_default(places):
    assert place_group(places, "BR") == "eu"
    assert place_group(places, "BR", "--partner", "acme") == "us"


# --- maxmind ---


def test_maxmind_answers_every_field(world):
    assert resolve(world, "77.88.55.60") == {
        "ip": "77.88.55.60", "country_code": "RU", "region_iso": "MOW", "region": "Moscow", "city": "Moscow",
        "coordinates": [55.75, 37.61], "provider": "maxmind", "cached": False}
    assert resolve(world, "2a02:6b8::1")["city"] == "Moscow"


def test_unknown_fields_are_null(world):
    place = resolve(world, "1.1.1.1")
    assert [place[f] for f in FIELDS[1:6]] == ["AU", None, None, None, None]
    assert resolve(world, "9.9.9.9")["country_code"] is None


def test_country_is_not_the_registered_one(world):
    assert resolve(world, "77.88.44.1")["country_code"] == "RU"


@pytest.mark.parametrize("ip, group", [
    ("77.88.55.60", "ru-msk"), ("77.88.44.1", "ru-spb"), ("8.8.8.8", "us"), ("2001:4860::1", "us"), ("2a02:6b8::1", "ru-msk"),
    ("5.9.1.1", "eu"), ("9.9.9.9", "eu"), ("1.1.1.1", "eu"), ("10.5.0.1", "asia"), ("4.4.4.4", "eu")])
def test_groups_of_real_looking_addresses(world, ip, group):
    assert group_of(world, ip) == group


def test_nearest_group_by_coordinates(stage, city_file):
    facts = town()
    facts["places"] = []
    config = dict(resolver={"providers": ["maxmind"]}, resolver__maxmind={"files": [city_file]})
    world = stage.world(facts, **config)
    assert group_of(world, "9.9.9.9") == "eu"  # Paris
    assert group_of(world, "8.8.8.8") == "us"
    assert group_of(world, "77.88.55.60") == "ru-msk"
    assert group_of(world, "77.88.44.1") == "ru-spb"
    assert group_of(world, "8.8.8.8", "--partner", "default") == "us"
    assert group_of(world, "1.1.1.1", "--partner", "acme") == "us"  # no coordinates: the partner's default
    world.config["balance"]["nearest"] = False
    world.write_config()
    assert group_of(world, "8.8.8.8") == "eu"
    assert group_of(world, "9.9.9.9", "--partner", "acme") == "us"


def test_nearest_goes_around_the_globe(stage, city_file):
    facts = town()
    facts["places"], facts["nodes"] = [], [node("fiji", "fiji"), node("hawaii", "hawaii")]
    facts["groups"] = [{"id": "fiji", "country": "FJ", "coordinates": [-17.7, 178.0]},
                       {"id": "hawaii", "country": "US", "coordinates": [21.3, -157.8]}]
    facts["partners"] = [{"id": "default", "hosts": [], "default_group": "hawaii"}]
    facts["networks"] = [{"cidr": "10.0.0.0/16", "coordinates": [-17.0, -178.5]}, {"cidr": "10.1.0.0/16", "coordinates": [21.0, -160.0]}]
    facts["servers"], facts["cameras"] = facts["servers"][:2], facts["cameras"][:5]
    world = stage.world(facts)
    assert group_of(world, "10.0.0.1") == "fiji"
    assert group_of(world, "10.1.0.1") == "hawaii"


def test_language_falls_back_to_english(stage, city_file):
    world = stage.world(resolver={"providers": ["maxmind"], "language": "ru"}, resolver__maxmind={"files": [city_file]})
    place = resolve(world, "77.88.44.1")
    assert (place["region"], place["city"]) == ("Санкт-Петербург", "Saint Petersburg")
    assert resolve(world, "77.88.55.60")["city"] == "Москва"
    assert resolve(world, "8.8.8.8")["city"] == "New York"


def test_language_falls_back_to_any(stage, tmp_path):
    file = make_mmdb(tmp_path / "ru.mmdb", ["77.88.0.0/18\tRU\tMOW\t|Москва\t|Москва\t55.75\t37.61"])
    world = stage.world(resolver={"providers": ["maxmind"], "language": "de"}, resolver__maxmind={"files": [file]})
    assert resolve(world, "77.88.55.60")["city"] == "Москва"


@pytest.mark.parametrize("kind", ["geoip2", "flat"])
@pytest.mark.parametrize("record_size", ["24", "28", "32"])
def test_both_schemas_and_all_record_sizes(stage, tmp_path, kind, record_size):
    file = make_mmdb(tmp_path / "it.mmdb", CITIES, "--schema", kind, "--record-size", record_size,
                     "--type", "DBIP-City-Lite" if kind == "flat" else "GeoIP2-City")
    world = stage.world(resolver={"providers": ["maxmind"]}, resolver__maxmind={"files": [file]})
    place = resolve(world, "77.88.55.60")
    assert (place["country_code"], place["region"], place["city"], place["coordinates"]) == ("RU", "Moscow", "Moscow", [55.75, 37.61])
    assert place["region_iso"] == (None if kind == "flat" else "MOW")


def test_several_files_one_for_each_family(stage, tmp_path):
    four = make_mmdb(tmp_path / "4.mmdb", [line for line in CITIES if ":" not in line.split("\t")[0]], "--ip-version", "4")
    six = make_mmdb(tmp_path / "6.mmdb", [line for line in CITIES if ":" in line.split("\t")[0]])
    for files in ([four, six], [six, four]):
        world = stage.world(resolver={"providers": ["maxmind"]}, resolver__maxmind={"files": files})
        assert resolve(world, "77.88.55.60")["city"] == "Moscow"
        assert resolve(world, "2001:4860::1")["city"] == "Mountain View"


def test_first_provider_that_knows_wins(stage, city_file):
    facts = town()
    facts["networks"].append({"cidr": "77.88.55.0/24", "country": "JP", "city": "Osaka"})
    for providers, city in ((["networks", "maxmind"], "Osaka"), (["maxmind", "networks"], "Moscow")):
        world = stage.world(facts, resolver={"providers": providers}, resolver__maxmind={"files": [city_file]})
        assert resolve(world, "77.88.55.60")["city"] == city


def test_provider_can_be_named(world):
    output = world.geoctl("--json", "resolve", "--provider", "networks", "77.88.55.60")
    assert output.exit == 4 and output.json()["code"] == "unknown_address", output
    assert world.geoctl("--json", "resolve", "--provider", "maxmind", "77.88.55.60").json()["provider"] == "maxmind"
    assert world.geoctl("resolve", "--provider", "oracle", "77.88.55.60").exit == 2


def test_geod_locates_by_the_same_files(stage, world):
    geod = stage.geod(world)
    for ip in ("77.88.55.60", "77.88.44.1", "8.8.8.8", "2001:4860::1", "2a02:6b8::1", "5.9.1.1", "10.5.0.1", "4.4.4.4"):
        assert geod.ask(ip, redirect="0").json()["group"] == group_of(world, ip)


# --- files that are none ---


def bad_files(folder, good):
    whole = open(good, "rb").read()
    files = {
        "missing.mmdb": None, "empty.mmdb": b"", "text.mmdb": b"this is no database\n" * 100,
        "half.mmdb": whole[:len(whole) // 2], "tail-cut.mmdb": whole[:-20], "head-cut.mmdb": whole[200:],
        "no-marker.mmdb": whole.replace(b"\xab\xcd\xefMaxMind.com", b"\xab\xcd\xefMaxMind.org"),
        "lies-about-nodes.mmdb": whole.replace(b"node_count", b"node_counT"),
    }
    for name, data in files.items():
        if data is not None:
            (folder / name).write_bytes(data)
    make_mmdb(folder / "country.mmdb", CITIES, "--type", "GeoLite2-Country")
    make_mmdb(folder / "asn.mmdb", CITIES, "--type", "GeoLite2-ASN")
    (folder / "folder.mmdb").mkdir()
    return [*files, "country.mmdb", "asn.mmdb", "folder.mmdb"]


def test_unusable_file_ends_geod_with_2_and_is_named(stage, tmp_path, city_file):
    for name in bad_files(tmp_path, city_file):
        world = stage.world(resolver={"providers": ["maxmind"]}, resolver__maxmind={"files": [city_file, str(tmp_path / name)]})
        for arguments in ([], ["--check"]):
            output = run_geod(world, *arguments)
            assert output.exit == 2 and name in output.err, (name, output)
        output = world.geoctl("resolve", "77.88.55.60")
        assert output.exit == 2 and name in output.err, (name, output)


def test_broken_pointers_never_crash(stage, tmp_path, city_file):
    """Bytes of the data section are turned over; geoctl says something and ends by itself."""
    whole = bytearray(open(city_file, "rb").read())
    end = whole.rindex(b"\xab\xcd\xefMaxMind.com")
    for i, position in enumerate(range(0, end, max(1, end // 40))):
        data = bytearray(whole)
        for k in range(position, min(position + 8, end)):
            data[k] ^= 0xFF
        file = tmp_path / f"broken-{i}.mmdb"
        file.write_bytes(data)
        world = stage.world(Facts(town()), resolver={"providers": ["maxmind"]}, resolver__maxmind={"files": [str(file)]})
        output = world.geoctl("--json", "resolve", "77.88.55.60", "77.88.44.1", "8.8.8.8", "2a02:6b8::1", "1.1.1.1")
        assert output.exit in (0, 2, 4, 5), output
        assert output.out + output.err


def test_types_that_hold_cities_are_accepted(stage, tmp_path):
    for kind in ("GeoIP2-City", "DBIP-City-Lite", "GeoIP2-Enterprise", "my-own-CITY-file"):
        file = make_mmdb(tmp_path / f"{kind}.mmdb", CITIES, "--type", kind)
        world = stage.world(resolver={"providers": ["maxmind"]}, resolver__maxmind={"files": [file]})
        assert resolve(world, "77.88.55.60")["city"] == "Moscow"
