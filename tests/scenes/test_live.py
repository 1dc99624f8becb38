"""geoctl explain --live, status and top: they ask the geod that runs, over its admin listener."""

import http.server
import os
import re
import threading

import pytest

from support.terminal import on_a_terminal
from support.town import MOSCOW, town
from support.world import BIN, ago, geoctl

CAMERA = ["--server", "100-abcdef", "--camera", "0"]


def where(geod):
    """Its admin listener, as [listen] admin would have it: the scenes' geods take any free port."""
    return {"GEO_LISTEN_ADMIN": "{}:{}".format(*geod.addresses["admin"])}


def ask(geod, *arguments, **env):
    return geod.world.geoctl(*arguments, env={**where(geod), **env})


def without_durations(trace):
    for step in trace["steps"]:
        del step["duration_us"]
        step["result"] = {**step["result"], "expires_at": None} if step["step"] == "sign" else step["result"]
    trace["location"] = re.sub(r"exp=\d+|sig=[\w-]+", "", trace.get("location", ""))
    return trace


def test_explain_live_is_what_geod_explains(geod):
    live = ask(geod, "--json", "explain", "--live", "--ip", MOSCOW, *CAMERA, "--token", "good")
    assert live.exit == 0
    direct = geod.fetch(f"/explain?ip={MOSCOW}&server=100-abcdef&camera=0", "admin", headers=[("X-Client-Token", "good")]).json()
    assert without_durations(live.json()) == without_durations(direct)


def test_explain_live_for_people_says_what_redirect_explain_says(geod):
    def lines(output):
        assert output.exit == 0, output
        text = re.sub(r" +\[.*\]|exp=\d+|sig=[\w-]+|until \S+", "", output.out)
        return [line.rstrip() for line in text.splitlines()[1:]]

    live = ask(geod, "explain", "--live", "--ip", MOSCOW, *CAMERA, "--token", "good")
    assert lines(live)[:-1] == lines(geod.world.geoctl("redirect", "--ip", MOSCOW, *CAMERA, "--token", "good", "--explain"))[:-1]
    assert live.out.startswith(f"Client {MOSCOW}, camera 0 of server 100-abcdef, flv, by the geod at 127.0.0.1:")


def test_explain_live_without_a_token(geod):
    answer = ask(geod, "--json", "explain", "--live", "--ip", MOSCOW)
    assert answer.exit == 0 and [step["step"] for step in answer.json()["steps"]] == ["locate", "group", "select"]


@pytest.mark.parametrize("arguments, env, exit, says", [
    (["--live", "--ip", MOSCOW, *CAMERA, "--token", "stranger"], {}, 3, "forbidden: "),
    (["--live", "--ip", MOSCOW, *CAMERA], {"GEOCTL_TOKEN": "expired"}, 3, "token_expired: "),
    (["--live", "--ip", "x"], {}, 2, "bad_request: ip: not an address"),
    (["--live", "--ip", MOSCOW, "--camera", "0"], {}, 2, "bad_request: server: missing"),
    (["--live", "--ip", MOSCOW, "--partner", "nobody"], {}, 2, "bad_request: partner: "),
    (["--live", "--ip", MOSCOW, *CAMERA, "--token", "a b"], {}, 2, "bad_request: access_token: "),
    (["--live"], {}, 2, "bad_request: ip: missing"),
    (["--ip", MOSCOW], {}, 2, "bad_request: live: missing"),
])
def test_explain_live_refuses_with_the_code_and_its_exit_status(geod, arguments, env, exit, says):
    answer = ask(geod, "explain", *arguments, **env)
    assert answer.exit == exit and answer.err.startswith(says), answer


def test_status(stage):
    facts = town()
    facts.node("node-moscow-2")["admin"] = "drain"
    facts["node_states"] = [{"id": "node-frankfurt-1", "seen_at": ago(0), "online": True, "load": 0.25}]
    geod = stage.geod(facts=facts, health={"report_max_age_s": 600})
    text = ask(geod, "status")
    assert text.exit == 0 and re.match(r"geod \d+\.\d+\.\d+ at 127\.0\.0\.1:\d+, up \d+ s  7 of 8 nodes up, topology ", text.out)
    rows = [line.split() for line in text.out.splitlines()]
    assert ["ru-msk", "2/3", "0"] in rows and ["eu", "2/2", "0"] in rows
    assert ["node-moscow-2", "ru-msk", "drain", "-", "100", "admin", "-"] in rows
    assert ["node-frankfurt-1", "eu", "up", "25%", "100", "report", "-"] in rows
    assert text.out.index("node-moscow-2") < text.out.index("node-frankfurt-1") < text.out.index("node-moscow-1")
    told, direct = ask(geod, "--json", "status").json(), geod.fetch("/status.json", "admin").json()
    assert {key: told[key] for key in ("version", "nodes", "groups")} == {key: direct[key] for key in ("version", "nodes", "groups")}


def test_top(geod):
    text = ask(geod, "top", "-n", "2", "--every", "1")
    assert text.exit == 0 and len(re.findall(r"GROUP +UP ", text.out)) == 2 and text.out.count("CHANGE") == 1
    looks = ask(geod, "--json", "top", "-n", "2", "--every", "1").json_lines()
    assert len(looks) == 2 and all("nodes" in look for look in looks)
    for wrong, name in ((["-n", "0"], "n: "), (["--every", "0"], "every: "), (["--every", "x"], "every: ")):
        refused = ask(geod, "top", *wrong)
        assert refused.exit == 2 and refused.err.startswith("bad_request: " + name)


class Looked:
    """An admin listener that answers look by look as it is told: a body, a status, or not at all."""

    def __init__(self, *answers):
        self.left = list(answers)
        looked = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                answer = looked.left.pop(0)
                if answer is None:
                    self.close_connection = True
                    return
                status, body = (200, answer) if isinstance(answer, bytes) else (answer, b"")
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def top(self, world, *arguments):
        return world.geoctl("top", "--every", "1", *arguments, env={"GEO_LISTEN_ADMIN": self.address})


@pytest.fixture
def status(geod):
    return geod.fetch("/status.json", "admin").body


@pytest.mark.parametrize("answers, exit, told", [
    (lambda status: [status, 500, None, status], 0, ["what answers at {} is no geod: status 500", "geod at {} does not answer: "]),
    (lambda status: [status, status, b"{}"], 5, ["what answers at {} is no geod: its answer is no status"]),
], ids=["comes back", "stays away"])
def test_top_goes_on_where_a_later_look_fails(geod, status, answers, exit, told):
    looks = answers(status)
    for form in ([], ["--json"]):
        with Looked(*looks) as there:
            done = there.top(geod.world, "-n", str(len(looks)), *form)
            assert done.exit == exit and there.left == [], done
        lines = done.err.splitlines()
        assert len(lines) == len(told), done
        for line, begin in zip(lines, told):
            assert line.startswith("upstream_unavailable: " + begin.format(there.address)), done
        assert (len(done.json_lines()) if form else len(re.findall(r"GROUP +UP ", done.out))) == looks.count(status)


def test_top_ends_where_the_first_look_fails(geod, status):
    with Looked(500, status) as there:
        done = there.top(geod.world, "-n", "2")
        assert done.exit == 5 and there.left == [status] and done.out == "", done


@pytest.mark.parametrize("lines", [24, 14])  # of the nodes there are fewer on a small one
def test_top_keeps_the_last_picture_on_a_terminal(geod, status, lines):
    with Looked(status, None, 500, status) as there:
        command = [BIN / "geoctl", "--config", geod.world.config_file, "top", "--every", "1", "-n", "4"]
        env = {"TERM": "xterm", "NO_COLOR": "1", "GEO_LISTEN_ADMIN": there.address}
        exit_status, data = on_a_terminal(command, env, (lines, 200))
        assert exit_status == 0
    nothing, *pictures = data.replace("\r\n", "\n").split("\x1b[H\x1b[J")
    assert nothing == "" and len(pictures) == 4, data
    heads, rest = zip(*(picture.split("\n", 1) for picture in pictures))
    assert heads[0].startswith("geod ") and heads[3] == heads[0]
    since, why = re.fullmatch(r"not reached since (\S+Z): (.*)", heads[1]).groups()
    assert why.startswith(f"geod at {there.address} does not answer: ")
    assert heads[2] == f"not reached since {since}: what answers at {there.address} is no geod: status 500"
    assert rest[0] == rest[1] == rest[2] and "NODE " in rest[0]
    assert all(picture.count("\n") < lines for picture in pictures), "the head line has left the screen"


def test_over_a_unix_socket(stage, tmp_path):
    path = f"/tmp/geod-live-{os.getpid()}.sock"  # a path of a socket is short
    world = stage.world(listen={"redirect": "127.0.0.1:0", "verify": "", "admin": f"unix:{path}"})
    stage.geod(world)
    assert world.geoctl("--json", "status").json()["nodes"]
    assert world.geoctl("--json", "explain", "--live", "--ip", MOSCOW).json()["code"] == "redirect"


@pytest.mark.parametrize("command", [["status"], ["top", "-n", "1"], ["explain", "--live", "--ip", MOSCOW]], ids=lambda words: words[0])
def test_nobody_answers(stage, command):
    geod = stage.geod()
    there = where(geod)
    geod.stop()
    answer = geod.world.geoctl(*command, env=there)
    assert answer.exit == 5 and answer.err.startswith(f"upstream_unavailable: geod at {there['GEO_LISTEN_ADMIN']} does not answer: it refused"), answer
    problem = geod.world.geoctl("--json", *command, env=there).json()
    assert problem["code"] == "upstream_unavailable" and problem["status"] == 503


def test_somebody_else_answers(geod):
    host, port = geod.addresses["verify"]
    answer = geod.world.geoctl("status", env={"GEO_LISTEN_ADMIN": f"{host}:{port}"})
    assert answer.exit == 5 and "does not do that" in answer.err


def test_faults_elsewhere_do_not_stop_them(stage):
    geod = stage.geod()
    config = geod.world.path / "faulty.toml"
    config.write_text(geod.world.config_file.read_text() + '\n[billing]\nlease_s = "soon"\nnobody = 1\n')
    assert geoctl("--config", config, "--json", "status", env=where(geod)).json()["nodes"]
    wrong = geod.world.geoctl("status", env={"GEO_LISTEN_ADMIN": "nowhere"})
    assert wrong.exit == 2 and "listen.admin" in wrong.err
    none = geod.world.geoctl("status", env={"GEO_LISTEN_ADMIN": ""})
    assert none.exit == 2 and none.err.startswith("invalid_config: listen.admin")


def test_a_file_that_is_no_toml_does_not_stop_them(stage):
    """Else nobody would learn from geod's log, counts and alerts that it was told to read such a file."""
    path = f"/tmp/geod-live-broken-{os.getpid()}.sock"
    world = stage.world(listen={"redirect": "127.0.0.1:0", "verify": "", "admin": f"unix:{path}"})
    geod = stage.geod(world)
    with world.config_file.open("a") as config:
        config.write("\n[billing\n")
    broken = rf"\S*{world.config_file.name}:\d+:\d+: "
    for command in (["--json", "status"], ["--json", "top", "-n", "1"], ["--json", "explain", "--live", "--ip", MOSCOW],
                    ["--json", "log-level", "info"]):
        answer = world.geoctl(*command)
        assert answer.exit == 0 and answer.json(), answer
        assert re.fullmatch(rf"note: {broken}.*; what stands above counts here\n", answer.err), answer
    refused = world.geoctl("reload")
    assert refused.exit == 2 and re.search(rf"^{broken}", refused.err, re.M), refused
    problem = world.geoctl("--json", "reload")
    assert problem.exit == 2 and problem.json()["code"] == "invalid_config" and problem.json()["request_id"], problem
    assert geod.stderr().count("refused; what is in service stays") == 2
    assert world.geoctl("--json", "status").json()["last_reload"]["ok"] is False
    assert world.geoctl("config", "check").exit == 6 and world.geoctl("select", "--ip", MOSCOW).exit == 2


def test_a_reload_of_a_file_that_is_no_toml_counts_as_refused(stage):
    geod = stage.geod()
    with geod.world.config_file.open("a") as config:
        config.write("\n[billing\n")
    assert ask(geod, "reload").exit == 2
    assert '\ngeod_reloads_total{result="refused"} 1\n' in geod.fetch("/metrics", "admin").body.decode()


def test_reload(stage):
    geod = stage.geod()
    geod.world.config["http"]["threads"] = 3
    geod.world.write_config()
    done = ask(geod, "reload")
    assert done.exit == 0 and done.out.startswith("ok  all is read anew by the geod at 127.0.0.1:"), done
    assert done.err == "note: these take a restart: http.threads\n"
    assert ask(geod, "--json", "reload").json() == {"ok": True, "needs_restart": ["http.threads"], "faults": []}

    geod.world.config["signing"]["ttl_s"] = 0
    geod.world.write_config()
    refused = ask(geod, "reload")
    assert refused.exit == 2 and re.search(r"geod.toml:\d+:\d+: signing.ttl_s: ", refused.err), refused
    problem = ask(geod, "--json", "reload")
    assert problem.exit == 2 and [fault["key"] for fault in problem.json()["faults"]] == ["signing.ttl_s"]
    assert problem.json()["code"] == "invalid_config" and problem.json()["request_id"]


def test_status_and_top_tell_of_the_last_reload(stage):
    geod = stage.geod()
    assert "reload" not in ask(geod, "status").out
    assert ask(geod, "reload").exit == 0
    assert re.search(r"^last reload \S+Z: ok$", ask(geod, "status").out, re.M)
    geod.world.config["signing"]["ttl_s"] = 0
    geod.world.write_config()
    assert ask(geod, "reload").exit == 2
    for command in (["status"], ["top", "-n", "1"]):
        assert re.search(r"^last reload \S+Z: refused; what was in service stays$", ask(geod, *command).out, re.M), command


def test_log_level(stage):
    geod = stage.geod()
    assert ask(geod, "log-level", "debug").out == "ok  debug\n"
    assert ask(geod, "--json", "log-level", "warn").json() == {"level": "warn"}
    assert ask(geod, "log-level", "loud").exit == 2
    assert "log level warn, by POST /log-level of 127.0.0.1" in geod.stderr()


def test_nobody_to_reload(stage):
    world = stage.world(listen={"admin": "127.0.0.1:1"})
    for command in (["reload"], ["log-level", "info"]):
        gone = world.geoctl(*command)
        assert gone.exit == 5 and gone.err.startswith("upstream_unavailable: geod at 127.0.0.1:1 does not answer"), gone
