"""geoctl's commands: what they print, what they end with. Contract 4 and 5."""

import hashlib
import json
import os
import pty
import re
import select
import signal
import subprocess
import termios
import time
import tomllib

import pytest

from support import signing, toml
from support.terminal import on_a_terminal
from support.town import MOSCOW, NOWHERE, TOKYO, town
from support.world import BIN, environment, geoctl

CAMERA = ["--server", "100-abcdef", "--camera", "0"]
COMMANDS = [["resolve"], ["geodata"], ["select"], ["token", "check"], ["token", "hash"], ["billing", "check"], ["redirect"], ["verify"],
            ["data", "validate"], ["config", "check"], ["config", "show"]]


@pytest.fixture(scope="module")
def world(module_stage):
    facts = town()
    facts["networks"].append({"cidr": "10.7.0.0/16", "country": "RU", "region": "MOW", "city": 'Москва, "ЦАО"', "coordinates": [55.75, 37.61]})
    return module_stage.world(facts)


# --- help and version ---


def test_version():
    for program in ("geoctl", "geod"):
        done = subprocess.run([BIN / program, "--version"], capture_output=True, text=True, check=False)
        assert done.returncode == 0 and re.search(r"\d+\.\d+\.\d+", done.stdout), done


@pytest.mark.parametrize("command", [[], *COMMANDS], ids=lambda c: " ".join(c) or "none")
def test_help_has_usage(command):
    output = geoctl(*command, "--help")
    assert output.exit == 0 and "geoctl" in output.out and output.err == "", output


@pytest.mark.parametrize("command", [["resolve"], ["geodata"], ["select"], ["redirect"], ["verify"]], ids=lambda c: c[0])
def test_help_has_examples(command):
    output = geoctl(*command, "--help")
    assert re.search(rf"^\s*(\$ )?geoctl .*{command[0]} \S", output.out, re.M), output


def test_json_may_stand_before_or_after_the_command(world):
    assert world.geoctl("--json", "resolve", "10.7.0.1").json() == world.geoctl("resolve", "--json", "10.7.0.1").json()


# --- resolve ---


def test_resolve_for_people(world):
    output = world.geoctl("resolve", "10.7.0.1")
    assert output.exit == 0 and output.err == ""
    assert "RU" in output.out and "Москва" in output.out and "10.7.0.1" in output.out


def test_resolve_json(world):
    assert world.geoctl("--json", "resolve", "10.7.0.1").json() == {
        "ip": "10.7.0.1", "country_code": "RU", "region_iso": "MOW", "region": None, "city": 'Москва, "ЦАО"',
        "coordinates": [55.75, 37.61], "provider": "networks", "cached": False}


def test_resolve_several_in_order_and_the_highest_exit_code(world):
    output = world.geoctl("--json", "resolve", "10.7.0.1", "8.8.8.8", "10.1.0.1")
    assert output.exit == 4
    assert [line["ip"] for line in output.json_lines()] == ["10.7.0.1", "8.8.8.8", "10.1.0.1"]
    assert output.json_lines()[1]["code"] == "unknown_address"
    assert world.geoctl("--json", "resolve", "8.8.8.8", "garbage", "10.7.0.1").exit == 4
    assert world.geoctl("--json", "resolve", "garbage", "10.7.0.1").exit == 2
    assert world.geoctl("--json", "resolve", "10.7.0.1", "10.1.0.1").exit == 0


def test_resolve_reads_addresses_on_stdin(world):
    output = world.geoctl("--json", "resolve", "-", stdin="10.7.0.1\n\n  \nnonsense\n8.8.8.8\r\n10.1.0.1")
    assert [line["ip"] for line in output.json_lines()] == ["10.7.0.1", "nonsense", "8.8.8.8", "10.1.0.1"], output
    assert [line.get("code") for line in output.json_lines()] == [None, "bad_request", "unknown_address", None]
    assert world.geoctl("--json", "resolve", "-", stdin="").exit == 0


def test_resolve_answers_while_stdin_stays_open(world):
    process = subprocess.Popen([BIN / "geoctl", "--config", world.config_file, "--json", "resolve", "-"], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, env=environment())
    try:
        for ip in ("10.7.0.1", "8.8.8.8", "10.1.0.1"):
            process.stdin.write(ip.encode() + b"\n")
            process.stdin.flush()
            assert select.select([process.stdout], [], [], 20)[0], "no answer while the input pauses"
            assert json.loads(process.stdout.readline())["ip"] == ip
        process.stdin.close()
        assert process.wait(20) == 4
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_resolve_many_lines(world):
    ips = [f"10.{i % 5 + 1}.{i // 250 % 250}.{i % 250}" for i in range(20_000)]
    lines = world.geoctl("--json", "resolve", "-", stdin="\n".join(ips)).json_lines()
    assert [line["ip"] for line in lines] == ips


def test_resolve_hostile_lines(world):
    lines = ["x" * 100_000, "10.7.0.1\x00", "\x1b[31m", "10.7.0.1 10.7.0.2", "10.7.0.1/8", '"', "\\", "١٠.٧.٠.١"]
    found = world.geoctl("--json", "resolve", "-", stdin="\n".join(lines)).json_lines()
    assert [line["code"] for line in found] == ["bad_request"] * len(lines)
    assert "\x1b" not in world.geoctl("resolve", "-", stdin="\x1b[31m\n").err


def test_resolve_csv(world):
    import csv
    import io

    output = world.geoctl("resolve", "--csv", "10.7.0.1", "8.8.8.8", "10.1.0.1")
    assert output.exit == 4
    rows = list(csv.reader(io.StringIO(output.out)))
    names = "ip,country_code,region_iso,region,city,latitude,longitude,provider,cached,code".split(",")
    assert rows[0] == names
    first, second, third = (dict(zip(names, row)) for row in rows[1:])
    assert first["city"] == 'Москва, "ЦАО"' and (first["latitude"], first["longitude"]) == ("55.75", "37.61")
    assert (first["ip"], first["country_code"], first["provider"], first["code"]) == ("10.7.0.1", "RU", "networks", "")
    assert (second["ip"], second["country_code"], second["code"]) == ("8.8.8.8", "", "unknown_address")
    assert third["city"] == ""


# --- select ---


def test_select_for_people(world):
    output = world.geoctl("select", "--ip", TOKYO)
    assert output.exit == 0 and "node-tokyo-1" in output.out and "asia" in output.out


def test_select_json(world):
    found = world.geoctl("--json", "select", "--ip", MOSCOW).json()
    assert list(found) == ["node", "group", "pattern", "alternates"]
    assert (found["group"], found["pattern"]) == ("ru-msk", "streaming")
    assert len({found["node"], *found["alternates"]}) == 3


def test_select_by_place_and_by_camera(world):
    assert world.geoctl("--json", "select", "--place", "JP").json()["node"] == "node-tokyo-1"
    by_camera = world.geoctl("--json", "select", "--ip", MOSCOW, "--server", "100-abcdef", "--camera", "3").json()
    redirect = world.geoctl("--json", "redirect", "--ip", MOSCOW, "--server", "100-abcdef", "--camera", "3", "--token", "good").json()
    assert by_camera["node"] == redirect["node"]
    assert [signing.split(url)[1].split(".")[0] for url in redirect["alternates"]] == by_camera["alternates"]


def test_select_needs_an_address_or_a_place_not_both(world):
    assert world.geoctl("select").exit == 2
    assert world.geoctl("select", "--ip", MOSCOW, "--place", "RU").exit == 2
    assert world.geoctl("select", "--ip", MOSCOW, "--camera", "0").exit == 2
    assert world.geoctl("select", "--ip", MOSCOW, "-n", "0").exit == 2
    assert world.geoctl("select", "--ip", MOSCOW, "-n", "-5").exit == 2


def test_data_alone_is_enough(world):
    output = geoctl("--data", world.data, "--json", "select", "--ip", TOKYO)
    assert output.exit == 0 and output.json()["node"] == "node-tokyo-1", output
    assert geoctl("--data", world.data, "--json", "resolve", "10.7.0.1").json()["country_code"] == "RU"
    assert geoctl("--data", world.data, "token", "check", "good", *CAMERA).exit == 0


# --- token ---


def test_token_check(world):
    output = world.geoctl("token", "check", "good", *CAMERA)
    assert output.exit == 0 and "u1" in output.out, output
    found = world.geoctl("--json", "token", "check", "good", *CAMERA).json()
    assert (found["owner_type"], found["owner_id"]) == ("user", "u1")
    assert found["expires_at"] == "2099-01-01T00:00:00Z"


@pytest.mark.parametrize("token, code", [("expired", "token_expired"), ("nobody", "token_unknown"), ("stranger", "forbidden"), ("guest", "forbidden")])
def test_token_check_refuses(world, token, code):
    output = world.geoctl("token", "check", token, *CAMERA)
    assert output.exit == 3 and output.err.startswith(code + ": "), output
    output = world.geoctl("--json", "token", "check", token, *CAMERA)
    assert output.exit == 3 and output.json()["code"] == code


def test_token_check_of_other_rights(world):
    assert world.geoctl("token", "check", "guest", "--server", "100-abcdef", "--camera", "1", "--rights", "view").exit == 0
    assert world.geoctl("token", "check", "guest", "--server", "100-abcdef", "--camera", "1", "--rights", "control").exit == 3


def test_token_hash_reads_stdin(world):
    wanted = hashlib.sha256(b"good").hexdigest()
    for stdin in ("good\n", "good", "good\r\n"):
        output = geoctl("token", "hash", stdin=stdin)
        assert output.exit == 0 and output.out.strip() == wanted, output
    assert geoctl("token", "hash", stdin="").exit == 2


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM, signal.SIGTSTP])
def test_terminal_shows_what_is_typed_once_the_prompt_was_left(ending):
    if b"__tsan_init" in (BIN / "geoctl").read_bytes():
        pytest.skip("the thread sanitizer holds signals back while a read waits; every other build runs this")
    leader, follower = pty.openpty()

    def shown():
        return bool(termios.tcgetattr(follower)[3] & termios.ECHO)

    def wait_for(text):
        data = b""
        while text not in data:
            assert select.select([leader], [], [], 20)[0], data
            data += os.read(leader, 4096)
        return data

    assert shown()
    # in a process group of its own: one that is orphaned, as in CI, cannot be stopped
    process = subprocess.Popen([BIN / "geoctl", "token", "hash"], stdin=follower, stdout=follower, stderr=follower,
                               env=environment(), process_group=0)

    def state(flag):
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            pid, status = os.waitpid(process.pid, flag | os.WNOHANG)
            if pid:
                return status
            time.sleep(0.01)
        raise AssertionError("its state did not change")

    try:
        wait_for(b"not shown")
        assert not shown()
        os.kill(process.pid, ending)
        if ending == signal.SIGTSTP:
            assert os.WIFSTOPPED(state(os.WUNTRACED))
            assert shown()
            os.kill(process.pid, signal.SIGCONT)
            assert os.WIFCONTINUED(state(os.WCONTINUED))
            os.write(leader, b"good\n")
            wait_for(hashlib.sha256(b"good").hexdigest().encode())
            assert process.wait(20) == 0
        else:
            assert process.wait(20) == -ending
        assert shown()
    finally:
        process.kill()
        process.wait()
        os.close(leader)
        os.close(follower)


def test_hashed_token_opens(stage):
    facts = town()
    digest = geoctl("token", "hash", stdin="brand-new").out.strip()
    facts.add("tokens", sha256=digest, owner_type="user", owner_id="u1")
    assert stage.world(facts).geoctl("token", "check", "brand-new", *CAMERA).exit == 0


# --- billing ---


@pytest.mark.parametrize("user, form, exit_code, code", [
    ("u1", "flv", 0, None), ("u-blocked", "flv", 3, "payment_required"), ("u-unpaid", "flv", 3, "payment_required"), ("u-flv", "flv", 0, None),
    ("u-flv", "hls", 3, "format_not_in_tariff"), ("u-busy", "flv", 3, "limit_exceeded"), ("nobody", "flv", 3, "payment_required")])
def test_billing_check(world, user, form, exit_code, code):
    output = world.geoctl("billing", "check", user, *CAMERA, "--format", form)
    assert output.exit == exit_code, output
    assert code is None or output.err.startswith(code + ": "), output
    output = world.geoctl("--json", "billing", "check", user, *CAMERA, "--format", form)
    assert output.exit == exit_code and output.json().get("code") in (code, "ok"), output


# --- redirect ---


def test_redirect_prints_the_url_alone(world):
    output = world.geoctl("redirect", "--ip", MOSCOW, *CAMERA, "--token", "good", "--at", "1800000000")
    assert output.exit == 0 and output.err == ""
    url = output.out.rstrip("\n")
    assert output.out == url + "\n" and " " not in url
    host = signing.split(url)[1]
    assert url == signing.node_url(world.secret, "https", host, "/flv", "100-abcdef", "0", 1800000300, token="good")


def test_redirect_json(world):
    found = world.geoctl("--json", "redirect", "--ip", MOSCOW, *CAMERA, "--token", "good", "--at", "2027-01-15T08:00:00Z").json()
    assert list(found) == ["location", "node", "group", "pattern", "format", "expires_at", "alternates"]
    assert found["expires_at"] == "2027-01-15T08:05:00Z" and len(found["alternates"]) == 2


def test_at_is_the_clock_for_tokens_and_tariffs_too(world):
    arguments = ["redirect", "--ip", MOSCOW, *CAMERA, "--token"]
    assert world.geoctl(*arguments, "expired", "--at", "2019-06-01T00:00:00Z").exit == 0
    assert world.geoctl(*arguments, "unpaid", "--at", "2019-06-01T00:00:00Z").exit == 0
    assert world.geoctl(*arguments, "good", "--at", "2199-01-01T00:00:00Z").err.startswith("token_expired")
    a = world.geoctl(*arguments, "good", "--at", "1800000000").out
    assert a == world.geoctl(*arguments, "good", "--at", "2027-01-15T08:00:00Z").out
    assert a == world.geoctl(*arguments, "good", "--at", "2027-01-15T11:00:00+03:00").out


@pytest.mark.parametrize("at", ["yesterday", "", "2027-13-01T00:00:00Z", "2027-02-30T00:00:00Z", "1e9", "-5", "2027-01-15", "99999999999999999999"])
def test_at_that_is_no_time(world, at):
    output = world.geoctl("redirect", "--ip", MOSCOW, *CAMERA, "--token", "good", f"--at={at}")
    assert output.exit == 2, output


def test_token_from_a_file_or_the_environment(world, tmp_path):
    arguments = ["redirect", "--ip", MOSCOW, *CAMERA, "--at", "1800000000"]
    wanted = world.geoctl(*arguments, "--token", "good").out
    (tmp_path / "token").write_text("good\n")
    assert world.geoctl(*arguments, "--token-file", tmp_path / "token").out == wanted
    assert world.geoctl(*arguments, env={"GEOCTL_TOKEN": "good"}).out == wanted
    assert world.geoctl(*arguments, "--token", "good", env={"GEOCTL_TOKEN": "stranger"}).out == wanted
    output = world.geoctl(*arguments, "--token-file", tmp_path / "nope")
    assert output.exit == 2 and "nope" in output.err
    assert world.geoctl(*arguments).err.startswith("missing_token: ")


def test_partner_format_and_exclude(world):
    found = world.geoctl("--json", "redirect", "--ip", NOWHERE, *CAMERA, "--token", "good", "--partner", "acme", "--format", "ws-fmp4").json()
    assert found["location"].startswith("wss://node-newyork-1.example.com:8443/ws-fmp4?")
    found = world.geoctl("--json", "redirect", "--ip", MOSCOW, *CAMERA, "--token", "good", "--exclude", "node-moscow-1,node-moscow-2").json()
    assert found["node"] == "node-moscow-3"
    assert world.geoctl("redirect", "--ip", MOSCOW, *CAMERA, "--token", "good", "--format", "mp4").exit == 2


def test_explain_for_people(world):
    output = world.geoctl("redirect", "--ip", MOSCOW, *CAMERA, "--token", "good", "--explain")
    assert output.exit == 0
    for word in ("locate", "group", "select", "authorize", "bill", "inspect", "sign", "ru-msk", "node-moscow-1", "not_first", "https://node-moscow-"):
        assert word in output.out, word


def test_explain_of_a_client_that_no_group_is_for(stage):
    facts = town()
    for partner in facts["partners"]:
        partner.pop("default_group")
    output = stage.world(facts).geoctl("redirect", "--ip", NOWHERE, *CAMERA, "--token", "good", "--partner", "acme", "--explain")
    assert "none: no place leads to one, and partner acme has no default group " in output.out, output


# --- verify ---


def test_verify_holds_what_redirect_made(world):
    url = world.geoctl("redirect", "--ip", MOSCOW, *CAMERA, "--token", "good").out.strip()
    assert world.geoctl("verify", url).exit == 0
    assert world.geoctl("verify", url + "x").exit == 6
    for bad in ("not a url", "", "ftp://x/y", "https://", "/flv?x=1"):
        assert world.geoctl("verify", bad).exit in (2, 6), bad


# --- config ---


def parsed(output):
    assert output.exit == 0, output
    return tomllib.loads(output.out)


SECTIONS = {
    "listen": {"redirect", "admin", "resolver", "auth", "verify"},
    "tls": {"redirect", "resolver", "certificate_file", "key_file"},
    "store": {"kind", "dir", "uri", "uri_file", "database", "state_dir", "refresh_s"},
    "resolver": {"providers", "language", "url"},
    "auth": {"url"},
    "billing": {"lease_s", "on_unknown"},
    "deadline": {"request_ms", "resolve_ms", "auth_ms", "store_ms"},
    "signing": {"active", "ttl_s", "leeway_s", "bind_client_ip", "keys"},
    "redirect": {"token", "pass_through", "allow_plain"},
    "balance": {"policy", "balance_factor", "nearest", "credit_half_life_s"},
    "health": {"path", "interval_ms", "timeout_ms", "rise", "fall", "jitter_percent", "panic_percent", "slow_start_s", "report_max_age_s"},
    "http": {"trusted_proxies", "cors_origins", "threads", "header_timeout_s", "idle_timeout_s", "max_connections", "drain_s"},
    "log": {"access", "level", "mask_client_ip"},
    "limits": {"requests_per_s"},
    "admin": {"token_file"},
}


@pytest.mark.parametrize("section", SECTIONS)
def test_config_show_has_every_key(world, section):
    assert SECTIONS[section] <= set(parsed(world.geoctl("config", "show"))[section])


def test_config_show_has_the_nested_sections(world):
    found = parsed(world.geoctl("config", "show"))
    assert "files" in found["resolver"]["maxmind"] and {"url", "key_file"} <= set(found["resolver"]["ip-api"]) and "url" in found["resolver"]["remote"]
    for name in ("places", "tokens", "billing", "usage", "devices"):
        assert {"entries", "ttl_s", "stale_s", "negative_ttl_s"} <= set(found["cache"][name])


def test_config_show_has_the_defaults_of_the_contract(tmp_path):
    (tmp_path / "geod.toml").write_text("")
    found = parsed(geoctl("--config", tmp_path / "geod.toml", "config", "show"))
    for section, key, v in (
            ("listen", "redirect", "0.0.0.0:8080"), ("listen", "admin", "127.0.0.1:8081"), ("listen", "verify", ""), ("store", "kind", "files"),
            ("store", "dir", "data"), ("resolver", "providers", ["networks", "maxmind"]), ("resolver", "language", "en"), ("billing", "lease_s", 30),
            ("billing", "on_unknown", "known_only"), ("deadline", "request_ms", 3000), ("signing", "ttl_s", 300), ("signing", "leeway_s", 0),
            ("signing", "bind_client_ip", False), ("redirect", "token", "pass"), ("redirect", "pass_through", []), ("redirect", "allow_plain", False),
            ("balance", "policy", "affinity"), ("balance", "balance_factor", 1.25), ("balance", "nearest", True), ("health", "report_max_age_s", 15),
            ("http", "trusted_proxies", []), ("http", "cors_origins", ["*"]), ("http", "header_timeout_s", 10), ("http", "drain_s", 10),
            ("log", "access", "stdout"), ("log", "mask_client_ip", False), ("limits", "requests_per_s", 0)):
        assert found[section][key] == v, (section, key)
    assert found["cache"]["places"]["ttl_s"] == 86400 and found["cache"]["tokens"]["ttl_s"] == 60 and found["cache"]["usage"]["ttl_s"] == 5


def test_config_show_is_its_own_fixed_point(world):
    once = world.geoctl("config", "show")
    copy = world.path / "copy.toml"
    copy.write_text(once.out)
    again = geoctl("--config", copy, "config", "show")
    assert again.exit == 0 and again.out == once.out
    hidden = {"GEO_STORE_URI": world.mongo.uri} if world.mongo else {}  # its password
    assert geoctl("--config", copy, "config", "check", env=hidden).exit == 0


def test_config_show_of_any_folder_is_the_same(world, tmp_path):
    assert world.geoctl("config", "show", cwd=tmp_path).out == world.geoctl("config", "show", cwd="/").out


@pytest.mark.parametrize("name, text, section, key, v", [
    ("GEO_SIGNING_TTL_S", "60", "signing", "ttl_s", 60),
    ("GEO_SIGNING_BIND_CLIENT_IP", "true", "signing", "bind_client_ip", True),
    ("GEO_BALANCE_BALANCE_FACTOR", "1.5", "balance", "balance_factor", 1.5),
    ("GEO_LISTEN_REDIRECT", "127.0.0.1:1", "listen", "redirect", "127.0.0.1:1"),
    ("GEO_LOG_ACCESS", "off", "log", "access", "off"),
    ("GEO_STORE_DIR", "elsewhere", "store", "dir", "elsewhere"),
])
def test_environment_overrides_every_scalar_key(world, name, text, section, key, v):
    found = parsed(world.geoctl("config", "show", env={name: text}))[section][key]
    assert found == v or (key == "dir" and str(found).endswith(v))


def test_environment_overrides_nested_keys(world):
    found = parsed(world.geoctl("config", "show", env={"GEO_CACHE_PLACES_TTL_S": "7", "GEO_RESOLVER_IP_API_URL": "http://127.0.0.1:1"}))
    assert found["cache"]["places"]["ttl_s"] == 7 and found["resolver"]["ip-api"]["url"] == "http://127.0.0.1:1"


def test_environment_is_checked_like_the_file(world):
    output = world.geoctl("config", "check", env={"GEO_SIGNING_TTL_S": "soon"})
    assert output.exit == 6 and ("GEO_SIGNING_TTL_S" in output.out + output.err or "signing.ttl_s" in output.out + output.err), output


def test_environment_reaches_geod(stage):
    geod = stage.geod(env={"GEO_SIGNING_TTL_S": "5", "GEO_REDIRECT_TOKEN": "drop"})
    url = geod.ask(MOSCOW).location
    assert signing.parameter(url, "token") is None
    assert geod.world.geoctl("redirect", "--ip", MOSCOW, *CAMERA, "--token", "good", "--at", int(signing.parameter(url, "exp")) - 5,
                             env={"GEO_SIGNING_TTL_S": "5", "GEO_REDIRECT_TOKEN": "drop"}).out.strip() == url


def test_config_show_hides_passwords(world):
    output = world.geoctl("config", "show", env={"GEO_STORE_URI": "mongodb://geo:hunter2@db.example.com/geo"})
    assert output.exit == 0 and "hunter2" not in output.out and "db.example.com" in output.out


def test_config_show_never_shows_secrets(world):
    assert world.secret.hex() not in world.geoctl("config", "show").out


def test_config_check_of_a_good_one(world):
    output = world.geoctl("config", "check")
    assert output.exit == 0, output


CONFIG_FAULTS = {
    "unknown key": ("[signing]\nttl_seconds = 5\n", 2, "signing.ttl_seconds"),
    "unknown section": ("\n[signning]\nttl_s = 5\n", 2, "signning"),
    "wrong type": ('[signing]\nttl_s = "5"\n', 2, "signing.ttl_s"),
    "out of range": ("[signing]\n\nttl_s = -5\n", 3, "signing.ttl_s"),
    "no address": ('[listen]\nredirect = "localhost"\n', 2, "listen.redirect"),
    "port too large": ('[listen]\nverify = "127.0.0.1:65536"\n', 2, "listen.verify"),
    "no network": ('[http]\ntrusted_proxies = ["10.0.0.0/33"]\n', 2, "http.trusted_proxies"),
    "provider nobody knows": ('[resolver]\nproviders = ["oracle"]\n', 2, "resolver.providers"),
    "kind nobody knows": ('[store]\nkind = "sqlite"\n', 2, "store.kind"),
    "token neither pass nor drop": ('[redirect]\ntoken = "hide"\n', 2, "redirect.token"),
    "pass_through of a name of ours": ('[redirect]\npass_through = ["quality", "sig"]\n', 2, "redirect.pass_through"),
    "policy nobody knows": ('[balance]\npolicy = "dice"\n', 2, "balance.policy"),
    "log level nobody knows": ('[log]\nlevel = "loud"\n', 2, "log.level"),
    "nested": ("[cache.places]\nttl = 5\n", 2, "cache.places.ttl"),
}


@pytest.mark.parametrize("text, line, key", CONFIG_FAULTS.values(), ids=CONFIG_FAULTS)
def test_config_faults(world, text, line, key):
    section = re.search(r"\[(.+)\]", text)[1]
    rest = {name: keys for name, keys in world.config.items() if name != section}
    bad = world.path / "bad.toml"
    bad.write_text(text + "\n" + toml.sections(rest))
    output = geoctl("--config", bad, "config", "check")
    assert output.exit == 6, output
    assert re.search(rf"bad\.toml:{line}:\d+: {re.escape(key)}: \S", output.out + output.err), output
    output = geoctl("--config", bad, "--json", "config", "check")
    assert output.exit == 6
    assert (line, key) in [(f["line"], f["key"]) for f in output.json_lines()], output
    assert geoctl("--config", bad, "redirect", "--ip", MOSCOW, *CAMERA, "--token", "good").exit == 2


@pytest.mark.parametrize("name", ["exp", "kid", "sig", "cip", "token"])
def test_names_of_ours_cannot_be_passed_through(stage, name):
    output = stage.world(redirect={"pass_through": [name]}).geoctl("config", "check")
    assert output.exit == 6 and "redirect.pass_through" in output.out + output.err


@pytest.mark.parametrize("content", [None, "", "abcd\n", "zz" * 32, "ab" * 31, "ab" * 32 + "a"])
def test_keys_are_checked_without_being_shown(stage, content):
    world = stage.world()
    file = world.path / "k1.hex"
    file.unlink()
    if content is not None:
        file.write_text(content)
    output = world.geoctl("config", "check")
    assert output.exit == 6 and "k1.hex" in output.out + output.err, output
    assert not content or len(content) < 5 or content not in output.out + output.err


def test_active_key_must_be_one_of_the_keys(stage):
    output = stage.world(signing={"active": "k7"}).geoctl("config", "check")
    assert output.exit == 6 and "signing.active" in output.out + output.err, output


def test_config_show_works_on_an_incomplete_config(tmp_path):
    (tmp_path / "geod.toml").write_text('[signing]\nactive = "k9"\nkeys = [{ id = "k9", secret_file = "nope.hex" }]\n[store]\ndir = "nowhere"\n')
    output = geoctl("--config", tmp_path / "geod.toml", "config", "show")
    assert output.exit == 0 and "nope.hex" in output.out, output


def test_two_faults_show_two(world):
    bad = world.path / "two.toml"
    bad.write_text('[signing]\nttl_s = "x"\nleeway = 1\n')
    output = geoctl("--config", bad, "config", "check")
    shown = output.out + output.err
    assert output.exit == 6 and "two.toml:2:" in shown and "two.toml:3:" in shown, output


# --- where nobody reads on ---


def with_stdout(world, stdout, *arguments):
    """SIGPIPE is ignored, as some that start programs leave it: what geoctl says is then up to geoctl."""
    return subprocess.run([BIN / "geoctl", "--config", world.config_file, *arguments], stdin=subprocess.DEVNULL, stdout=stdout,
                          stderr=subprocess.PIPE, text=True, env=environment(), timeout=60, check=False, restore_signals=False)


WRITERS = [["config", "show"], ["--help"], ["--version"], ["resolve", MOSCOW], ["--json", "select", "--ip", MOSCOW, "-n", "1000"],
           ["--json", "token", "check", "stranger", *CAMERA], ["node", "list"]]


@pytest.mark.parametrize("command", WRITERS, ids=" ".join)
def test_a_reader_that_has_gone_ends_it_quietly(world, command):
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = with_stdout(world, writer, *command)
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (1, ""), done


@pytest.mark.parametrize("command", WRITERS, ids=" ".join)
def test_a_full_disk_is_told(world, command):
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = with_stdout(world, full, *command)
    assert (done.returncode, done.stderr) == (1, "internal: standard output: No space left on device\n"), done


# --- colour ---


def shown_by(world, *arguments, env=None):
    """What geoctl prints where stdout is a terminal."""
    command = [BIN / "geoctl", "--config", world.config_file, *arguments]
    return on_a_terminal(command, {"TERM": "xterm-256color", **(env or {})})[1]


def people_commands():
    yield "resolve", MOSCOW, "8.8.8.8"
    yield "select", "--ip", MOSCOW, "--explain"
    yield "redirect", "--ip", MOSCOW, *CAMERA, "--token", "good", "--explain"
    yield "redirect", "--ip", MOSCOW, *CAMERA, "--token", "stranger", "--explain"
    yield "token", "check", "good", *CAMERA


def test_piped_output_is_plain(world):
    for arguments in people_commands():
        output = world.geoctl(*arguments, env={"TERM": "xterm-256color"})
        assert "\x1b" not in output.out + output.err, output


def test_no_color_is_respected_shown_by(world):
    for arguments in people_commands():
        shown = shown_by(world, *arguments, env={"NO_COLOR": "1"})
        assert shown and "\x1b" not in shown


def test_terminal_shows_the_same_words(world):
    for arguments in people_commands():
        plain = world.geoctl(*arguments).out
        shown = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", shown_by(world, *arguments))
        words, there = (set(re.findall(r"[a-z][a-z-]{3,}", re.sub(r"sig=\S+", "", each))) for each in (plain, shown))
        assert words and words <= there


def test_json_is_never_coloured(world):
    shown = shown_by(world, "--json", "select", "--ip", MOSCOW)
    assert json.loads(shown)["group"] == "ru-msk"
