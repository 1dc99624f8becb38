"""TLS on the redirect and the resolver listener: contract 5, [tls]."""

import json
import os
import signal
import socket
import ssl
import threading
import time

import pytest

from support import raw_http, tls
from support.far import Far
from support.raw_http import Closed, eventually
from support.tls import Authority, Stalled, certificate_of, expiry_of
from support.town import MOSCOW
from support.upgrades import upgrade_under_load
from support.world import run_geod, target
from test_reload import hang_up, post

SERVED = "tls.redirect"


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    it = Authority(tmp_path_factory.mktemp("authority"))
    it.certificate = it.make()
    return it


def served(authority, **more):
    return {"redirect": "127.0.0.1:0", **authority.files(), **more}


@pytest.fixture(scope="module")
def geod(module_stage, authority):
    return module_stage.geod(tls=served(authority, resolver="127.0.0.1:0"))


@pytest.fixture
def own(tmp_path):
    """An authority whose files a scene changes."""
    it = Authority(tmp_path / "authority")
    it.certificate = it.make()
    return it


def connect(geod, authority, listener=SERVED, **keys):
    return tls.Connection(geod.addresses[listener], authority.client(**keys))


# ---- what clients get


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_redirects_by_either_version_on_a_kept_connection(geod, authority, version):
    with connect(geod, authority, version=version) as connection:
        assert connection.socket.version() == {"TLSv1_2": "TLSv1.2", "TLSv1_3": "TLSv1.3"}[version.name]
        for _ in range(3):
            assert connection.ask(target(), headers=[("X-Forwarded-For", MOSCOW)]).status == 302
        connection.send(raw_http.message(target()) * 20)
        assert [connection.read().status for _ in range(20)] == [302] * 20, "also sent at once"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
def test_older_versions_are_refused(geod, authority, version):
    with pytest.raises(ssl.SSLError) as refusal:
        connect(geod, authority, version=version)
    assert refusal.value.reason != "NO_PROTOCOLS_AVAILABLE", "the client would have spoken it"


def test_same_answer_as_in_plain(geod, authority):
    plain = geod.ask(MOSCOW).location
    with connect(geod, authority) as connection:
        secure = connection.ask(target(), headers=[("X-Forwarded-For", MOSCOW)]).location
    assert secure.split("&exp=")[0] == plain.split("&exp=")[0]


def test_client_behind_a_trusted_proxy_is_its_own(geod, authority):
    with connect(geod, authority) as connection:
        connection.ask(target(), headers=[("X-Forwarded-For", MOSCOW), ("X-Request-Id", "from-the-proxy")])
    find = lambda: [line for line in geod.world.log_lines(1) if line["request_id"] == "from-the-proxy"]
    line = eventually(find, "it is in the log")[0]
    assert (line["client_ip"], line["peer_ip"], line["listener"]) == (MOSCOW, "127.0.0.1", "redirect")


def test_whole_chain_is_served(geod, authority):
    """The client knows the root alone, and the intermediate from the server."""
    with connect(geod, authority) as connection:
        assert certificate_of(connection) == authority.certificate


def test_http_1_1_is_agreed_on(geod, authority):
    with connect(geod, authority, alpn=["h2", "http/1.1"]) as connection:
        assert connection.socket.selected_alpn_protocol() == "http/1.1"


def test_whoever_speaks_something_else_alone_is_told_so(geod, authority):
    with pytest.raises(ssl.SSLError, match="no application protocol"):
        connect(geod, authority, alpn=["h2"])


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_sessions_are_resumed_whichever_loop_has_the_client(geod, authority, version):
    context = authority.client(version=version)
    with tls.Connection(geod.addresses[SERVED], context) as connection:
        assert connection.ask(target()).status == 302
        session = connection.socket.session
    for _ in range(6):
        with tls.Connection(geod.addresses[SERVED], context, session) as connection:
            assert connection.socket.session_reused
            assert connection.ask(target()).status == 302


def test_plain_http_is_closed_without_a_word(geod, authority):
    with geod.connect(SERVED) as connection:
        connection.send(raw_http.message(target()))
        with pytest.raises(Closed) as closed:
            connection.read()
        assert b"HTTP" not in closed.value.args[0]
    assert tls.fetch(geod.addresses[SERVED], authority.client(), target()).status == 302


def test_resolver_is_served_too(geod, authority):
    answer = tls.fetch(geod.addresses["tls.resolver"], authority.client(), f"/resolve?ip={MOSCOW}")
    assert answer.json()["provider"] == "networks"


def test_long_body_comes_in_many_records(geod, authority):
    ips = [f"10.1.{i // 256}.{i % 256}" for i in range(1000)]
    body = json.dumps({"ips": ips}, indent=20)
    with connect(geod, authority, "tls.resolver") as connection:
        head = raw_http.message("/resolve", "POST", [("Content-Length", str(len(body)))])
        for piece in (head, body[:7], body[7:20000], body[20000:]):
            connection.send(piece)
        assert [each["ip"] for each in connection.read().json()["locations"]] == ips
        assert connection.ask(f"/resolve?ip={MOSCOW}").status == 200


def test_redirect_is_served_with_tls_alone(stage, authority):
    geod = stage.geod(listen={"redirect": ""}, tls=served(authority))
    assert set(geod.addresses) == {"verify", "admin", SERVED}
    assert tls.fetch(geod.addresses[SERVED], authority.client(), target()).status == 302


def test_request_that_waits_for_an_upstream(stage, authority):
    with Far() as far:
        far.open.clear()
        geod = stage.geod(resolver={"url": far.url}, tls={"resolver": "127.0.0.1:0", **authority.files()},
                          deadline={"request_ms": 60000, "resolve_ms": 60000})
        with connect(geod, authority, "tls.resolver") as waiting, connect(geod, authority, "tls.resolver") as other:
            waiting.send(raw_http.message("/resolve?ip=8.8.8.8"))
            eventually(lambda: far.asked, "the far one is asked")
            assert other.ask("/nope").code == "no_such_path"
            far.open.set()
            assert waiting.read().json()["provider"] == "remote"
            assert waiting.ask("/resolve?ip=8.8.8.8").json()["cached"]


# ---- hostile clients


def cpu_seconds(geod):
    with open(f"/proc/{geod.process.pid}/stat", encoding="ascii") as stat:
        fields = stat.read().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.parametrize("bytes_sent", [1, 100, None])
def test_handshake_that_is_not_finished_is_bounded_and_costs_nothing_but_its_connection(stage, authority, bytes_sent):
    geod = stage.geod(tls=served(authority), http={"header_timeout_s": 2})
    stalled = [Stalled(geod.addresses[SERVED], bytes_sent) for _ in range(50)]
    used, started = cpu_seconds(geod), time.monotonic()
    with connect(geod, authority) as connection:
        assert connection.ask(target()).status == 302, "others are served meanwhile"
    for each in stalled:
        with each:
            assert each.is_closed()
    assert cpu_seconds(geod) - used < 0.3 * (time.monotonic() - started), "nobody asks its socket again and again"
    assert tls.fetch(geod.addresses[SERVED], authority.client(), target()).status == 302


def test_request_that_is_not_finished_is_bounded_and_an_idle_connection_is_not(stage, authority):
    geod = stage.geod(tls=served(authority), http={"header_timeout_s": 1, "idle_timeout_s": 60})
    with connect(geod, authority) as fresh, connect(geod, authority) as kept, connect(geod, authority) as slow, \
            connect(geod, authority) as slow_next:
        assert kept.ask(target()).status == 302
        assert slow_next.ask(target()).status == 302
        for each in (slow, slow_next):
            each.send(raw_http.message(target())[:40])
        for each in (slow, slow_next):
            assert each.is_closed()
        assert kept.ask(target()).status == 302
        assert fresh.ask(target()).status == 302, "it has shaken hands and said nothing, as browsers do"


def test_silent_connections_end_with_the_idle_timeout(stage, authority):
    geod = stage.geod(tls=served(authority), http={"idle_timeout_s": 1})
    with geod.connect(SERVED) as silent, connect(geod, authority) as shaken, connect(geod, authority) as kept:
        assert kept.ask(target()).status == 302
        for each in (silent, shaken, kept):
            assert tls.is_ended(each)


def test_client_that_goes_in_the_middle_of_a_handshake(stage, authority):
    geod = stage.geod(tls=served(authority))
    for _ in range(20):
        Stalled(geod.addresses[SERVED]).socket.close()
        Stalled(geod.addresses[SERVED], 100).socket.close()
    assert tls.fetch(geod.addresses[SERVED], authority.client(), target()).status == 302
    eventually(lambda: sockets_of(geod, SERVED) == 0, "their connections are gone")


def sockets_of(geod, listener):
    """Established connections at a listener's port, on geod's side."""
    port = "%04X" % geod.addresses[listener][1]
    with open("/proc/net/tcp", encoding="ascii") as table:
        rows = [line.split() for line in table.readlines()[1:]]
    return sum(1 for row in rows if row[1].endswith(":" + port) and row[3] in ("01", "08"))


# ---- reload


def test_reload_changes_the_certificate_for_those_who_come_later(stage, own):
    geod = stage.geod(tls=served(own))
    with connect(geod, own) as old:
        assert old.ask(target()).status == 302
        new = own.make()
        assert hang_up(geod) == "reload, by SIGHUP: done"
        assert old.ask(target()).status == 302, "it goes on as it was"
        assert certificate_of(old) == own.certificate
        with connect(geod, own) as fresh:
            assert certificate_of(fresh) == new
            assert fresh.ask(target()).status == 302
    assert expiry_of_metric(geod) == expiry_of(new)


def expiry_of_metric(geod):
    for line in geod.fetch("/metrics", "admin").body.decode().splitlines():
        if line.startswith("geod_certificate_expiry_seconds "):
            return float(line.split()[1])
    return None


def test_metrics_tell_the_certificates_end(stage, own):
    certificate = own.make(left=5 * 86400)
    assert expiry_of_metric(stage.geod(tls=served(own))) == expiry_of(certificate)
    assert expiry_of_metric(stage.geod()) is None, "nothing is served with TLS"


@pytest.mark.parametrize("bad", ["foreign key", "no key", "no certificate"])
def test_bad_certificate_refuses_the_reload_and_the_old_one_stays(stage, own, bad):
    geod = stage.geod(tls=served(own))
    folder, other = own.folder, Authority(own.folder / "other")
    other.make()
    if bad == "foreign key":
        (folder / "geod.key").write_text((other.folder / "geod.key").read_text())
    elif bad == "no key":
        (folder / "geod.key").unlink()
    else:
        (folder / "geod.pem").write_text("no certificate\n")
    refused = post(geod, "/reload")
    assert (refused.status, refused.code) == (422, "invalid_config")
    fault = refused.json()["faults"][0]
    assert fault["key"] == ("tls.certificate_file" if bad == "no certificate" else "tls.key_file")
    assert fault["file"] == str(geod.world.config_file) and fault["line"] > 0
    with connect(geod, own) as connection:
        assert certificate_of(connection) == own.certificate
        assert connection.ask(target()).status == 302


def test_addresses_take_a_restart_and_what_is_served_goes_on(stage, own):
    geod = stage.geod(tls=served(own))
    geod.world.config["tls"] = {"resolver": "127.0.0.1:0", **own.files()}
    geod.world.write_config()
    assert hang_up(geod) == "reload, by SIGHUP: done, but these take a restart: tls.redirect, tls.resolver"
    del geod.world.config["tls"]
    geod.world.write_config()
    assert hang_up(geod) == "reload, by SIGHUP: done, but these take a restart: tls.redirect"
    assert tls.fetch(geod.addresses[SERVED], own.client(), target()).status == 302


def test_certificates_that_change_under_load_fail_no_request(stage, own):
    geod = stage.geod(tls=served(own))
    answers, faults, ending = [], [], threading.Event()

    def ask(kept):
        try:
            context = own.client()
            connection = tls.Connection(geod.addresses[SERVED], context) if kept else None
            while not ending.is_set():
                answer = connection.ask(target()) if kept else tls.fetch(geod.addresses[SERVED], context, target())
                answers.append(answer.status)
        except Exception as fault:  # of any kind: none may be
            faults.append(repr(fault))

    threads = [threading.Thread(target=ask, args=[kept]) for kept in (True, True, False, False)]
    for each in threads:
        each.start()
    try:
        for _ in range(20):
            own.make()
            assert hang_up(geod) == "reload, by SIGHUP: done"
    finally:
        ending.set()
        for each in threads:
            each.join()
    assert not faults and len(answers) > 50 and set(answers) == {302}


# ---- the end


def test_drain_answers_what_has_begun_and_one_request_more(stage, authority):
    geod = stage.geod(tls=served(authority), http={"drain_s": 5})
    whole = raw_http.message(target())
    stalled = Stalled(geod.addresses[SERVED])
    with stalled, connect(geod, authority) as under_way, connect(geod, authority) as idle:
        assert idle.ask(target()).status == 302
        under_way.send(whole[:40])
        geod.ask(MOSCOW)
        geod.signal(signal.SIGTERM)
        for each in (under_way, idle):
            each.send(whole[40:] if each is under_way else whole)
            answer = each.read()
            assert answer.status == 302
    assert geod.process.wait(15) == 0


def test_idle_connections_do_not_hold_the_end(stage, authority):
    geod = stage.geod(tls=served(authority), http={"drain_s": 60, "header_timeout_s": 60})
    with connect(geod, authority) as fresh, connect(geod, authority) as kept:
        assert kept.ask(target()).status == 302
        geod.signal(signal.SIGTERM)
        assert geod.process.wait(20) == 0
        assert fresh.is_closed() and kept.is_closed()


def test_stalled_handshakes_do_not_outlive_the_end(stage, authority):
    geod = stage.geod(tls=served(authority), http={"drain_s": 1})
    stalled = [Stalled(geod.addresses[SERVED], sent) for sent in (1, 100, None) for _ in range(5)]
    geod.signal(signal.SIGTERM)
    assert geod.process.wait(15) == 0
    for each in stalled:
        with each:
            assert each.is_closed()


def test_upgrades_under_load_fail_no_request(stage, authority):
    world = stage.world(tls=served(authority), listen={"redirect": "", "admin": "", "verify": ""}, http={"drain_s": 20})
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(512)
        context = authority.client()
        upgrade_under_load(3, lambda: stage.geod(world, sockets=[(SERVED, listening)]),
                           lambda: tls.Connection(listening.getsockname(), context),
                           lambda connection, kept: connection.ask(target()))


def test_socket_is_passed(stage, authority):
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(64)
        geod = stage.geod(tls={"redirect": "127.0.0.1:1", **authority.files()}, sockets=[(SERVED, listening)])
        assert geod.addresses[SERVED] == listening.getsockname()
        assert tls.fetch(geod.addresses[SERVED], authority.client(), target()).status == 302
        assert hang_up(geod) == "reload, by SIGHUP: done"


# ---- configuration


def test_key_is_a_credential(stage, authority, tmp_path):
    (tmp_path / "tls-key").write_text((authority.folder / "geod.key").read_text())
    keys = served(authority, key_file="credential:tls-key")
    geod = stage.geod(tls=keys, env={"CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert tls.fetch(geod.addresses[SERVED], authority.client(), target()).status == 302
    checked = geod.world.geoctl("config", "check")
    assert checked.exit == 0
    assert "note: tls.key_file: credential:tls-key is not checked: CREDENTIALS_DIRECTORY is not set" in checked.err


@pytest.mark.parametrize("change, key, message", [
    ({"certificate_file": ""}, "tls.redirect", "tls.certificate_file: missing; tls.redirect needs it"),
    ({"key_file": ""}, "tls.redirect", "tls.key_file: missing; tls.redirect needs it"),
    ({"certificate_file": "none.pem"}, "tls.certificate_file", "tls.certificate_file: {}/none.pem: No such file or directory"),
    ({"certificate_file": "k1.hex"}, "tls.certificate_file", "tls.certificate_file: {}/k1.hex: holds no certificate (PEM)"),
    ({"key_file": "k1.hex"}, "tls.key_file", "tls.key_file: {}/k1.hex: holds no private key (PEM) that can be used"),
    ({"key_file": "data"}, "tls.key_file", "tls.key_file: {}/data: is a directory"),
    ({"redirect": "127.0.0.1:7"}, "tls.redirect", 'tls.redirect: "127.0.0.1:7" is listen.resolver\'s address already'),
])
def test_faults_are_told_at_their_place(stage, authority, change, key, message):
    world = stage.world(tls=served(authority, **change), listen={"resolver": "127.0.0.1:7"})
    lines = world.config_file.read_text().splitlines()
    section = lines.index("[tls]")
    at = next(i for i, line in enumerate(lines[section:], section) if line.startswith(key.removeprefix("tls.") + " ")) + 1
    if not any(change.values()):  # what is empty is told where it was set
        at = next(i for i, line in enumerate(lines[section:], section) if line.startswith(next(iter(change)))) + 1
    col = lines[at - 1].index("= ") + 3
    expected = f"{world.config_file}:{at}:{col}: " + message.format(world.path)
    for output in (run_geod(world, "--check"), world.geoctl("config", "check")):
        assert output.exit in (2, 6)
        assert expected in (output.err + output.out).splitlines(), output


def test_key_that_is_not_the_certificates_is_told_without_a_word_of_it(stage, authority, own):
    world = stage.world(tls=served(authority, key_file=own.files()["key_file"]))
    output = run_geod(world, "--check")
    assert output.exit == 2
    assert f"is not the key of the first certificate in {authority.folder}/geod.pem" in output.err
    assert "PRIVATE" not in output.err


def test_certificate_that_has_ended_is_a_warning(stage, own):
    own.make(left=-60)
    world = stage.world(tls=served(own))
    output = run_geod(world, "--check")
    assert output.exit == 0
    assert f" warn tls.certificate_file: {own.folder}/geod.pem: expired at 20" in output.err
    checked = world.geoctl("config", "check")
    assert checked.exit == 0 and f"note: tls.certificate_file: {own.folder}/geod.pem: expired at 20" in checked.err
    geod = stage.geod(world)
    with pytest.raises(ssl.SSLCertVerificationError):
        connect(geod, own)
    own.make(left=-30)
    assert hang_up(geod) == "reload, by SIGHUP: done", "no worse than the one in service"
    good = own.make()
    assert hang_up(geod) == "reload, by SIGHUP: done"
    with connect(geod, own) as connection:
        assert certificate_of(connection) == good


@pytest.mark.parametrize("life, why", [({"left": -60}, "expired at 20"), ({"since": -3600}, "not good before 20")])
def test_certificate_out_of_its_time_does_not_replace_a_good_one(stage, own, life, why):
    geod = stage.geod(tls=served(own))
    own.make(**life)
    refused = post(geod, "/reload")
    assert refused.status == 422
    fault, = refused.json()["faults"]
    assert fault["key"] == "tls.certificate_file" and fault["line"] > 0
    assert fault["message"].startswith(f"{own.folder}/geod.pem: {why}")
    with connect(geod, own) as connection:
        assert certificate_of(connection) == own.certificate
        assert connection.ask(target()).status == 302


def test_both_files_are_told(stage, authority):
    empty = stage.world(tls={"redirect": "127.0.0.1:0"})
    absent = stage.world(tls={"redirect": "127.0.0.1:0", "certificate_file": "none.pem", "key_file": "none.key"})
    for world, each in ((empty, "missing; tls.redirect needs it"), (absent, f"{absent.path}/none.{{}}: No such file or directory")):
        output = run_geod(world, "--check")
        assert output.exit == 2
        for key, suffix in (("certificate_file", "pem"), ("key_file", "key")):
            assert f": tls.{key}: {each.format(suffix)}\n" in output.err, output
