"""The node's gate: contract 2.4 and 2.5."""

import base64
import random
import time

import pytest

from support import signing
from support.signing import VECTOR_SECRET
from support.town import MOSCOW, town
from support.world import LONG, World, verify_headers

HOST = "node-moscow-1.example.com"
OTHER = "node-moscow-2.example.com"
REASONS = {"malformed", "unknown_key", "bad_signature", "expired", "wrong_host", "wrong_client"}
VECTORS = [
    ("https://node-moscow-1.example.com/flv?server=100-abcdef&camera=0&exp=1800000000&kid=k1"
     "&sig=mw1s1hEWGnL4J0Atu3-9EhdGLdInG54uDMFBjE3ldKs", []),
    ("wss://node-moscow-1.example.com:8443/ws-fmp4?server=100-abcdef&camera=%D0%BA1&token=T-1&cip=203.0.113.7"
     "&exp=1800000000&kid=k1&sig=98kfAcrdZDVsmp0qmBwy-ddctnGlU07_6g64Ox8GpDo", ["--ip", "203.0.113.7"]),
]


def later(seconds=300):
    return int(time.time()) + seconds


def uri(exp=None, host=HOST, kid="k1", secret=VECTOR_SECRET, path="/flv", more=""):
    query = f"server=100-abcdef&camera=0{more}&exp={later() if exp is None else exp}&kid={kid}"
    return signing.sign(secret, host, f"{path}?{query}")


def check(answer, *reasons):
    if not reasons:
        assert answer.status == 204, answer
        assert answer.header("X-Geo-Reason") is None and answer.body == b""
    else:
        assert answer.status == 403, answer
        assert answer.header("X-Geo-Reason") in reasons, answer
    assert answer.header("Cache-Control") == "no-store" and answer.header("X-Request-Id")


def test_python_knows_the_vectors():
    for url, _ in VECTORS:
        _, authority, whole = signing.split(url)
        assert signing.sign(VECTOR_SECRET, authority, whole.rsplit("&sig=", 1)[0]) == whole


# --- good ---


def test_good_url(geod):
    check(geod.verify(uri(), HOST))


def test_host_header_serves_when_the_original_is_not_named(geod):
    check(geod.fetch("/verify", "verify", host=HOST, headers=[("X-Original-URI", uri())]))
    check(geod.fetch("/verify", "verify", host=OTHER, headers=[("X-Original-URI", uri())]), "bad_signature")
    check(geod.fetch("/verify", "verify", host=OTHER, headers=verify_headers(uri(), HOST)))


def test_case_of_the_host_does_not_matter(geod):
    check(geod.verify(uri(), "Node-Moscow-1.EXAMPLE.com"))


@pytest.mark.parametrize("port", [":443", ":80"])
def test_default_ports_are_tried_with_and_without(geod, port):
    check(geod.verify(uri(), HOST + port))


def test_port_of_the_node_is_part_of_its_name(geod):
    signed = uri(host="node-newyork-1.example.com:8443")
    check(geod.verify(signed, "node-newyork-1.example.com:8443"))
    check(geod.verify(signed, "node-newyork-1.example.com"), "wrong_host")
    check(geod.verify(signed, "node-newyork-1.example.com:443"), "wrong_host")
    check(geod.verify(signed, "node-newyork-1.example.com:8444"), "wrong_host")


def test_path_and_parameters_are_the_nodes_own(geod):
    check(geod.verify(uri(path="/any/path/at%20all", more="&x=%D0%BA&y"), HOST))


def test_cip_needs_that_client(geod):
    for cip, real in (("203.0.113.7", "203.0.113.7"), ("203.0.113.7", "::ffff:203.0.113.7"), ("2001%3Adb8%3A%3A7", "2001:DB8:0::7")):
        check(geod.verify(uri(more=f"&cip={cip}"), HOST, real))
    check(geod.verify(uri(more="&cip=203.0.113.7"), HOST, "203.0.113.8"), "wrong_client")
    check(geod.verify(uri(more="&cip=203.0.113.7"), HOST), "wrong_client")
    check(geod.verify(uri(more="&cip=203.0.113.7"), HOST, "garbage"), "wrong_client")


def test_without_cip_any_client_will_do(geod):
    check(geod.verify(uri(), HOST, "203.0.113.7"))


def test_end_of_life(geod):
    check(geod.verify(uri(exp=int(time.time()) - 1), HOST), "expired")
    check(geod.verify(uri(exp=0), HOST), "expired")


def test_leeway(stage):
    geod = stage.geod(signing={"leeway_s": 100})
    check(geod.verify(uri(exp=int(time.time()) - 50), HOST))
    check(geod.verify(uri(exp=int(time.time()) - 200), HOST), "expired")


# --- one fault each ---


def test_malformed(geod):
    good = uri()
    body, sig = good.rsplit("&sig=", 1)
    exp = later()
    sign = lambda target: signing.sign(VECTOR_SECRET, HOST, target)  # noqa: E731
    for bad in ("/", "/flv", "/flv?", "x", body, good + "&", good + "&a=b", body + "&sig=", f"/flv?sig={sig}&{body[5:]}",
                good + "&sig=" + sig, sign("/flv?server=1&camera=0&kid=k1"), sign(f"/flv?server=1&camera=0&exp={exp}"),
                sign("/flv?exp=&kid=k1"), sign("/flv?exp=soon&kid=k1"), sign("/flv?exp=-1&kid=k1"), sign("/flv?exp=1e9&kid=k1"),
                sign("/flv?exp=99999999999999999999999&kid=k1"), sign(f"/flv?exp={exp}&kid="),
                sign(f"/flv?exp={exp}&exp={exp}&kid=k1"), sign(f"/flv?exp={exp}&kid=k1&kid=k1")):
        check(geod.verify(bad, HOST), "malformed")


def test_no_original_uri_is_malformed(geod):
    check(geod.fetch("/verify", "verify", host=HOST), "malformed")


def test_original_uri_twice_is_never_good(geod):
    answer = geod.fetch("/verify", "verify", host=HOST, headers=[("X-Original-URI", uri()), ("X-Original-URI", "/flv")])
    assert answer.status in (400, 403)
    answer = geod.fetch("/verify", "verify", host=HOST, headers=[*verify_headers(uri(), HOST), ("X-Original-Host", "evil.example.net")])
    assert answer.status in (400, 403)


def test_wrong_host(geod):
    for host in ("evil.example.net", HOST + ":8443", HOST + ".evil.net", "x" + HOST, HOST + ".", "", "127.0.0.1", "[::1]", HOST + ":"):
        check(geod.verify(uri(host=host.lower()), host), "wrong_host", *(["malformed"] if not host or host[-1] in ":." else []))


def test_unknown_key(geod):
    for kid in ("k9", "K1", "k1x", "k", "%6b1"):
        check(geod.verify(uri(kid=kid), HOST), "unknown_key", *(["malformed"] if "%" in kid else []))


def test_bad_signature(geod):
    body, sig = uri().rsplit("&sig=", 1)
    check(geod.verify(f"{body}&sig={'A' * 43}", HOST), "bad_signature")
    check(geod.verify(uri(secret=bytes(32)), HOST), "bad_signature")
    check(geod.verify(uri(host=OTHER), HOST), "bad_signature")
    check(geod.verify(uri(), OTHER), "bad_signature")
    check(geod.verify(uri().replace("camera=0", "camera=1"), HOST), "bad_signature")
    check(geod.verify(uri().replace("/flv", "/hls"), HOST), "bad_signature")
    check(geod.verify(uri().replace("camera=0", "camera=%30"), HOST), "bad_signature")


def test_base64url_must_be_canonical(geod):
    body, sig = uri().rsplit("&sig=", 1)
    last = BASE64URL.index(sig[-1])
    assert last % 4 == 0
    twins = [sig[:-1] + BASE64URL[last + i] for i in (1, 2, 3)]
    assert {base64.urlsafe_b64decode(t + "=") for t in twins} == {base64.urlsafe_b64decode(sig + "=")}
    padded = [sig + "=", sig + "%3D", sig + "A", sig[:-1], sig + " ", sig.replace("-", "+").replace("_", "/") + "="]
    for bad in twins + padded:
        if bad.rstrip() != sig:
            check(geod.verify(f"{body}&sig={bad}", HOST), "malformed", "bad_signature")


# --- order of the reasons: each URL has this fault and all that come after it ---


def test_reasons_come_in_their_order(geod):
    past = int(time.time()) - 100
    cip = "&cip=203.0.113.7"
    everything_wrong = uri(exp=past, kid="k9", secret=bytes(32), more=cip)
    check(geod.verify(everything_wrong + "&x=1", "evil.example.net", "1.2.3.4"), "malformed")
    check(geod.verify(everything_wrong, "evil.example.net", "1.2.3.4"), "wrong_host")
    check(geod.verify(everything_wrong, HOST, "1.2.3.4"), "unknown_key")
    check(geod.verify(uri(exp=past, secret=bytes(32), more=cip), HOST, "1.2.3.4"), "bad_signature")
    check(geod.verify(uri(exp=past, more=cip), HOST, "1.2.3.4"), "expired")
    check(geod.verify(uri(more=cip), HOST, "1.2.3.4"), "wrong_client")
    check(geod.verify(uri(more=cip), HOST, "203.0.113.7"))


# --- keys ---


def test_rotation_never_rejects_a_good_url(stage):
    secret = bytes(range(100, 140))
    urls = [stage.geod().ask(MOSCOW).location]
    for active in ("k1", "k2"):
        world = stage.world(signing={"active": active, "keys": [
            {"id": "k1", "secret_file": "k1.hex"}, {"id": "k2", "secret_file": "k2.hex"}]})
        world.key("k2", secret)
        geod = stage.geod(world)
        urls.append(geod.ask(MOSCOW).location)
        assert signing.parameter(urls[-1], "kid") == active
        for url in urls:
            _, authority, whole = signing.split(url)
            check(geod.verify(whole, authority))
    world = stage.world(signing={"active": "k2", "keys": [{"id": "k2", "secret_file": "k2.hex"}]})
    world.key("k2", secret)
    geod = stage.geod(world)
    verdicts = [geod.verify(signing.split(url)[2], signing.split(url)[1]) for url in urls]
    for verdict, reason in zip(verdicts, (["unknown_key"], ["unknown_key"], [])):
        check(verdict, *reason)


def test_secret_written_in_capitals_is_the_same(stage):
    world = stage.world()
    (world.path / "k1.hex").write_text(VECTOR_SECRET.hex().upper())
    check(stage.geod(world).verify(uri(), HOST))


def test_verify_runs_with_keys_alone(stage):
    world = stage.world(facts={}, listen={"redirect": "", "admin": ""}, store={"kind": "none"})
    geod = stage.geod(world)
    assert set(geod.addresses) == {"verify"}
    check(geod.verify(uri(), HOST))
    check(geod.verify(uri(host="any.example.net:99"), "any.example.net:99"))
    check(geod.verify(uri(), "any.example.net"), "bad_signature")
    check(geod.verify(uri(kid="k9"), HOST), "unknown_key")


# --- geoctl verify ---


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    facts = town()
    facts.node("node-moscow-1")["ports"] = {"https": 443, "wss": 8443}
    return World(tmp_path_factory.mktemp("vectors"), facts)


@pytest.mark.parametrize("url, client", VECTORS, ids=["plain", "with everything"])
def test_vectors(world, url, client):
    for at in ("1800000000", "2027-01-15T08:00:00Z", "1799999999"):
        output = world.geoctl("verify", url, "--at", at, *client)
        assert output.exit == 0, output
        assert world.geoctl("--json", "verify", url, "--at", at, *client).json() == {"result": "ok"}
    for at in ("1800000001", "2027-01-15T08:00:01Z"):
        output = world.geoctl("--json", "verify", url, "--at", at, *client)
        assert output.exit == 6 and output.json() == {"result": "expired"}, output


@pytest.mark.parametrize("change, reason", [
    (lambda u: u.replace("camera=0", "camera=1"), "bad_signature"),
    (lambda u: u.replace("moscow-1", "moscow-2"), "bad_signature"),
    (lambda u: u.replace("node-moscow-1.example.com", "evil.example.net"), "wrong_host"),
    (lambda u: u.replace("kid=k1", "kid=k2"), "unknown_key"),
    (lambda u: u + "&x=1", "malformed"),
    (lambda u: u.split("&sig=")[0], "malformed"),
])
def test_geoctl_names_the_reason(world, change, reason):
    url = change(VECTORS[0][0])
    output = world.geoctl("verify", url, "--at", "1800000000")
    assert output.exit == 6 and reason in output.out + output.err, output
    output = world.geoctl("--json", "verify", url, "--at", "1800000000")
    assert output.exit == 6 and output.json() == {"result": reason}, output


def test_geoctl_binds_the_client(world):
    url = VECTORS[1][0]
    for client in ([], ["--ip", "203.0.113.8"]):
        assert world.geoctl("--json", "verify", url, "--at", "1800000000", *client).json() == {"result": "wrong_client"}


# --- mutations ---

BASE64URL = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
ALPHABET = "".join(chr(c) for c in range(0x21, 0x7F)) + "\x80\xe9\xff"


def swapped(dice, text):
    path, query = text.split("?", 1)
    pairs = query.split("&")
    i, j = dice.sample(range(len(pairs)), 2)
    pairs[i], pairs[j] = pairs[j], pairs[i]
    return path + "?" + "&".join(pairs)


def doubled(dice, text):
    pairs = text.split("?", 1)[1].split("&")
    return text + "&" + dice.choice(pairs) if dice.random() < 0.5 else text.replace("?", "?" + dice.choice(pairs) + "&", 1)


def reencoded(dice, text):
    i = dice.randrange(len(text))
    return text[:i] + (f"%{ord(text[i]):02x}" if dice.random() < 0.5 else f"%{ord(text[i]):02X}") + text[i + 1:]


def changed_byte(dice, text):
    i = dice.randrange(len(text))
    return text[:i] + dice.choice(ALPHABET) + text[i + 1:]


def lost_byte(dice, text):
    i = dice.randrange(len(text))
    return text[:i] + text[i + 1:]


def new_byte(dice, text):
    i = dice.randrange(len(text) + 1)
    return text[:i] + dice.choice(ALPHABET) + text[i:]


def other_case(dice, text):
    i = dice.randrange(len(text))
    return text[:i] + text[i].swapcase() + text[i + 1:]


MUTATIONS = [swapped, doubled, reencoded, changed_byte, lost_byte, new_byte, other_case]


def allowed(signed, host, node_hosts, original, cip):
    """The reasons the contract allows; () when it is the same string by the contract's definition."""
    lowered = host.lower()
    names = {lowered} | {lowered[:-len(p)] for p in (":443", ":80") if lowered.endswith(p)}
    if signed == original and HOST in names:
        return ()
    reasons = set()
    before, mark, sig = signed.rpartition("&sig=")
    query = before.split("?", 1)[1].split("&") if "?" in before else []
    exps = [p[4:] for p in query if p.startswith("exp=")]
    kids = [p[4:] for p in query if p.startswith("kid=")]
    shape = mark and len(exps) == 1 and len(kids) == 1 and exps[0].isascii() and exps[0].isdigit()
    if not names & node_hosts:
        reasons.add("wrong_host")
    elif shape and kids[0] != "k1":
        reasons.add("unknown_key")
    elif shape:
        reasons.add("bad_signature")
    canonical = len(sig) == 43 and all(c in BASE64URL for c in sig) and BASE64URL.index(sig[-1]) % 4 == 0
    plain = signed.isascii() and canonical and signed.startswith("/") and "#" not in signed and not doubled_names(query)
    if not shape or not plain:
        reasons.add("malformed")
    assert reasons, signed
    return tuple(reasons)


def doubled_names(query):
    names = [p.split("=")[0] for p in query]
    return len(set(names)) < len(names) or "sig" in names or "" in names or not all("=" in p for p in query) or "%" in "".join(query)


def test_no_mutation_of_a_signed_url_is_accepted(geod):
    dice = random.Random(5)
    node_hosts = {"node-newyork-1.example.com:8443" if n["id"] == "node-newyork-1" else n["host"] for n in town()["nodes"]}
    cip = "203.0.113.7"
    originals = [uri(later(3600)), uri(later(3600), more=f"&token=T-1&cip={cip}")]
    counts = {"ok": 0, "refused": 0}
    with geod.connect("verify") as connection:
        for _ in range(100_000 if LONG else 3_000):
            original = dice.choice(originals)
            signed, host = original, HOST
            for _ in range(dice.choice((1, 1, 1, 2, 3))):
                if dice.random() < 0.15:
                    host = dice.choice((changed_byte, lost_byte, new_byte, other_case))(dice, host)
                    if dice.random() < 0.3:
                        host = dice.choice((HOST.upper(), HOST + ":443", HOST + ":80", OTHER, HOST + ":8443", "node-tokyo-1.example.com"))
                else:
                    try:
                        signed = dice.choice(MUTATIONS)(dice, signed)
                    except (ValueError, IndexError):  # nothing left to swap or double
                        continue
            answer = connection.ask("/verify", headers=verify_headers(signed, host, cip))
            expected = allowed(signed, host, node_hosts, original, cip)
            reason = answer.header("X-Geo-Reason")
            if not expected:
                counts["ok"] += 1
                assert answer.status == 204, (signed, host, reason)
            else:
                counts["refused"] += 1
                assert answer.status == 403, (signed, host)
                assert reason in expected, (signed, host, reason, expected)
    assert counts["ok"] > 5 and counts["refused"] > 1000, counts


def test_every_single_changed_character_of_the_signature_is_refused(geod):
    body, sig = uri(later(3600)).rsplit("&sig=", 1)
    with geod.connect("verify") as connection:
        for i in range(len(sig)):
            for c in "A-_z0" if i < len(sig) - 1 else BASE64URL:
                answer = connection.ask("/verify", headers=verify_headers(f"{body}&sig={sig[:i]}{c}{sig[i + 1:]}", HOST))
                assert answer.status == (204 if c == sig[i] else 403)
