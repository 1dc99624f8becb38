"""The units for systemd, the service user and the config as they are installed, as far as they can be had without a boot."""

import re
import shutil

import pytest

from support.programs import BIN, SOURCE, run

PACKAGING = SOURCE / "packaging"
ROLES = sorted(file.stem for file in (PACKAGING / "etc" / "roles").glob("*.toml"))


@pytest.fixture
def units(build, tmp_path):
    """The units, with the programs where they are now."""
    folder = tmp_path / "units"
    folder.mkdir()
    staged = build / "packaging" / "staged"
    for file in (staged / "geod.service", staged / "geod@.service", PACKAGING / "systemd" / "geod.socket"):
        text = file.read_text()
        assert "@" not in re.sub(r"(?m)^#.*$|geod@|@[a-z]", "", text), f"{file}: not filled in"
        (folder / file.name).write_text(text.replace("/usr/bin/geo", f"{BIN}/geo"))
    return folder


def test_systemd_takes_the_units(units):
    for name in ("geod.service", "geod@verify.service", "geod.socket"):
        shutil.copy(units / "geod@.service", units / "geod@verify.service")
        done = run("systemd-analyze", "verify", "--man=no", "--recursive-errors=no", units / name)
        assert done.returncode == 0 and done.stderr == "", f"{name}: {done.stdout}{done.stderr}"


def test_exposure(units):
    for name in ("geod.service", "geod@.service"):
        done = run("systemd-analyze", "security", "--offline=true", "--threshold=15", units / name)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr
        assert float(re.search(r"exposure level for \S+: ([\d.]+)", done.stdout)[1]) <= 1.5


def test_service_user(tmp_path):
    (tmp_path / "etc").mkdir()
    done = run("systemd-sysusers", f"--root={tmp_path}", PACKAGING / "systemd" / "geod.sysusers")
    assert done.returncode == 0, done.stderr
    assert re.search(r"^geod:x:\d+:\d+:geo redirect:/var/lib/geod:/usr/sbin/nologin$", (tmp_path / "etc" / "passwd").read_text(), re.M)


@pytest.fixture
def etc(build, tmp_path):
    """/etc/geod after an installation."""
    folder = tmp_path / "geod"
    shutil.copytree(PACKAGING / "etc" / "data", folder / "data")
    shutil.copy(build / "packaging" / "staged" / "geod.toml", folder)
    for role in ROLES:
        shutil.copy(PACKAGING / "etc" / "roles" / f"{role}.toml", folder)
    (folder / "k1.hex").write_text("00" * 32)
    (folder / "k1.hex").chmod(0o640)
    return folder


def test_installed_configs_are_good(etc, tmp_path):
    log = str(tmp_path / "access.log")  # the service manager makes the directory they name
    assert ROLES == ["auth", "redirect", "resolver", "verify"]
    for name in ("geod", *ROLES):
        done = run("geod", "--config", etc / f"{name}.toml", "--check", GEO_LOG_ACCESS=log)
        assert (done.returncode, done.stderr) == (0, ""), name
        assert run("geoctl", "--config", etc / f"{name}.toml", "config", "check").returncode == 0


def test_installed_config_shows_every_key(etc):
    shipped = (SOURCE / "config" / "geod.toml").read_text()
    changed = {line for line in (etc / "geod.toml").read_text().splitlines() if line not in shipped.splitlines()}
    assert {line.split(" = ")[0] for line in changed} == {"keys", "access"}


def test_examples_in_the_installed_store_are_good(etc):
    for file in (etc / "data").glob("*.toml"):
        text = re.sub(r"(?m)^# (?=\[\[|\w+ = )", "", file.read_text()).replace("64 hex digits", "0" * 64)
        file.write_text(text)
    done = run("geoctl", "data", "validate", etc / "data")
    assert done.returncode == 0, done.stdout + done.stderr
    shown = run("geoctl", "--data", etc / "data", "select", "--place", "DE")
    assert "node-1" in shown.stdout


def test_logrotate(tmp_path):
    """It takes away what is there, and tells geod. As for another folder: that one is root's alone."""
    logs = tmp_path / "log"
    logs.mkdir()
    logs.chmod(0o755)
    (logs / "access.log").write_text("{}\n")
    said = tmp_path / "said"
    text = (PACKAGING / "etc" / "geod.logrotate").read_text().replace("/var/log/geod/", f"{logs}/")
    text = text.replace("systemctl ", f"echo >{said} ")
    (tmp_path / "geod").write_text(text)
    (tmp_path / "geod").chmod(0o644)
    done = run("logrotate", "--force", "--state", tmp_path / "state", tmp_path / "geod")
    assert done.returncode == 0, done.stderr
    assert [file.name for file in logs.iterdir()] == ["access.log.1"]
    assert "--signal=HUP" in said.read_text()
