"""A stock nginx as the video node: auth_request asks geod's verify listener before it serves the FLV that ffmpeg made."""

import json
import shutil
import subprocess
import time

import pytest

from support import signing
from support.nginx import Nginx, free_port, need
from support.town import MOSCOW, node, town
from support.world import target

LOCATIONS = """
        location = /_verify {{
            internal;
            proxy_pass http://{verify}/verify;
            proxy_pass_request_body off;
            proxy_set_header Content-Length "";
            proxy_set_header X-Original-URI $request_uri;
            proxy_set_header X-Original-Host $http_host;
            proxy_set_header X-Real-IP $remote_addr;
        }}
        location /flv {{
            auth_request /_verify;
            auth_request_set $reason $upstream_http_x_geo_reason;
            add_header X-Geo-Reason $reason always;
            default_type video/x-flv;
            root {folder};
            try_files /camera.flv =404;
        }}
"""


def run(*command):
    return subprocess.run([str(c) for c in command], capture_output=True, check=False, timeout=60)


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    path = tmp_path_factory.mktemp("film") / "camera.flv"
    made = run(need("ffmpeg"), "-v", "error", "-f", "lavfi", "-i", "testsrc=size=160x120:rate=10:duration=2", "-f", "flv", path)
    assert made.returncode == 0, made.stderr
    return path


def facts_with_node_at(port):
    """The node in front of the camera, and another one at the same place under another name."""
    facts = town()
    facts["nodes"] = [
        {**node("here", "ru-msk"), "host": "127.0.0.1", "ports": {"http": port}},
        {**node("twin", "us"), "host": "localhost", "ports": {"http": port}},
    ]
    return facts


@pytest.fixture(scope="module")
def scene(module_stage, tmp_path_factory, film):
    """(geod, port of nginx)"""
    port = free_port()
    geod = module_stage.geod(facts=facts_with_node_at(port), redirect={"allow_plain": True})
    folder = tmp_path_factory.mktemp("nginx")
    shutil.copy(film, folder / "camera.flv")
    host, verify_port = geod.addresses["verify"]
    nginx = Nginx(folder, port, LOCATIONS.format(folder=folder, verify=f"{host}:{verify_port}"))
    try:
        yield geod, port
    finally:
        nginx.stop()


def get(url, *options):
    """curl's view: (status, reason, body)"""
    done = run(need("curl"), "-sS", "-i", "--max-time", "20", "--noproxy", "*", *options, url)
    assert done.returncode == 0, done.stderr
    head, _, body = done.stdout.partition(b"\r\n\r\n")
    reason = [line.split(b":", 1)[1].strip().decode() for line in head.split(b"\r\n") if line.lower().startswith(b"x-geo-reason:")]
    return int(head.split()[1]), "".join(reason), body


def probe(path):
    done = run(need("ffprobe"), "-v", "error", "-print_format", "json", "-show_format", "-show_streams", path)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_curl_follows_the_redirect_and_gets_a_film(scene, film, tmp_path):
    geod, port = scene
    host, geod_port = geod.addresses["redirect"]
    got = tmp_path / "got.flv"
    done = run(need("curl"), "-sS", "-L", "--fail", "--max-time", "20", "--noproxy", "*", "-o", got,
               "-w", "%{http_code} %{num_redirects} %{content_type}", "-H", f"X-Forwarded-For: {MOSCOW}",
               f"http://{host}:{geod_port}{target()}")
    assert done.returncode == 0, done.stderr
    assert done.stdout == b"200 1 video/x-flv"
    assert got.read_bytes() == film.read_bytes()
    found = probe(got)
    assert found["format"]["format_name"] == "flv"
    assert (found["streams"][0]["width"], found["streams"][0]["height"]) == (160, 120)


def test_ffprobe_reads_from_the_node_itself(scene):
    geod, port = scene
    assert probe(geod.ask(MOSCOW).location)["format"]["format_name"] == "flv"


def test_url_from_geoctl_opens_the_gate_too(scene, film):
    geod, _ = scene
    url = geod.world.geoctl("redirect", "--ip", MOSCOW, "--server", "100-abcdef", "--camera", "0", "--token", "good").out.strip()
    status, _, body = get(url)
    assert status == 200 and body == film.read_bytes()


def test_url_is_good_again_and_again_until_it_expires(scene):
    url = scene[0].ask(MOSCOW).location
    assert [get(url)[0] for _ in range(3)] == [200, 200, 200]


def test_changed_url(scene):
    url = scene[0].ask(MOSCOW).location
    for change in (("camera=0", "camera=1"), ("server=100", "server=101"), ("token=good", "token=better"), ("exp=", "exp=9"),
                   ("camera=0", "camera=%30"), ("/flv?", "/flv/?"), ("&exp", "&a=b&exp"), ("sig=", "sig=A")):
        status, reason, body = get(url.replace(*change))
        assert status == 403, change
        assert reason in ("bad_signature", "malformed") and b"FLV" not in body, change
    for bad in (url + "&x=1", url.split("?")[0], url.split("&sig=")[0]):
        assert get(bad)[:2] == (403, "malformed")


def test_expired_url(scene):
    geod, port = scene
    url = signing.node_url(geod.world.secret, "http", "127.0.0.1", "/flv", "100-abcdef", "0", int(time.time()) - 5, port=port, token="good")
    assert get(url)[:2] == (403, "expired")


def test_url_of_another_node(scene):
    geod, port = scene
    foreign = geod.ask("10.4.0.7").location
    assert foreign.startswith(f"http://localhost:{port}/flv?")
    assert get(foreign.replace("localhost", "127.0.0.1"))[:2] == (403, "bad_signature")
    assert get(foreign, "-H", f"Host: 127.0.0.1:{port}")[:2] == (403, "bad_signature")


def test_another_host(scene):
    geod, port = scene
    url = geod.ask(MOSCOW).location
    assert get(url, "-H", "Host: evil.example.net")[:2] == (403, "wrong_host")
    assert get(url, "-H", "Host: 127.0.0.1")[:2] == (403, "wrong_host")
    forged = signing.node_url(geod.world.secret, "http", "127.0.0.1", "/flv", "100-abcdef", "0", int(time.time()) + 60, kid="k7", port=port)
    assert get(forged)[:2] == (403, "unknown_key")
