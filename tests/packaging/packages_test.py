"""The packages of what is built: what they hold, what they say of themselves, and that nobody finds fault with them.

packaging/try-in-chroot try-packages installs, upgrades and purges them; that takes minutes.
"""

import hashlib
import re
import subprocess
import tarfile

import pytest

from support.programs import SOURCE, run

NAMES = re.search(r'(?m)^PACKAGES="(.*)"$', (SOURCE / "packaging" / "lib.sh").read_text())[1].split()
BINARIES = ["usr/bin/geod", "usr/bin/geoctl", "usr/lib/libgeo.so.0"]


@pytest.fixture(scope="module")
def packages(build, tmp_path_factory):
    """{"geod": path}, made by somebody whose files are nobody else's."""
    folder = tmp_path_factory.mktemp("packages")
    done = run("sh", "-c", f"umask 077 && cpack -G DEB -B '{folder}'", cwd=build)
    assert done.returncode == 0, done.stdout + done.stderr
    made = [file for file in folder.iterdir() if file.is_file()]
    found = {file.name.split("_")[0]: file for file in made}
    assert sorted(found) == sorted(NAMES) and len(made) == len(NAMES) and {file.suffix for file in made} == {".deb"}
    return found


@pytest.fixture(scope="module")
def installed(packages, tmp_path_factory):
    """All of them unpacked into one root."""
    root = tmp_path_factory.mktemp("root")
    for file in packages.values():
        subprocess.run(["dpkg-deb", "-x", file, root], check=True)
    return root


def field(package, name):
    return run("dpkg-deb", "-f", package, name).stdout.strip()


def test_lintian_finds_no_error(packages):
    done = run("lintian", "--fail-on", "error", "--tag-display-limit", "0", "--allow-root", *packages.values())
    assert done.returncode == 0, done.stdout


def test_each_is_whole(packages, tmp_path):
    """Its sums are those of its files; who owns and may write them; its copyright and its changelog."""
    for name, file in packages.items():
        subprocess.run(["dpkg-deb", "-R", file, tmp_path / name], check=True)
        sums = dict(line.split(None, 1)[::-1] for line in (tmp_path / name / "DEBIAN" / "md5sums").read_text().splitlines())
        archive = subprocess.run(["dpkg-deb", "--fsys-tarfile", file], check=True, capture_output=True)
        (tmp_path / "files.tar").write_bytes(archive.stdout)
        with tarfile.open(tmp_path / "files.tar") as files:
            held = {member.name.removeprefix("./"): member for member in files}
            assert {path for path, member in held.items() if member.isfile()} == set(sums), name
            for path, total in sums.items():
                assert hashlib.md5(files.extractfile(held[path]).read()).hexdigest() == total, f"{name}: {path}"
        for path, member in held.items():
            runs = member.isdir() or path.startswith(("usr/bin/", "usr/lib/geod/"))
            assert (member.uid, member.gid) == (0, 0) and member.mode & 0o777 in ([0o777] if member.issym() else [0o755] if runs else [0o644]), path
        assert {f"usr/share/doc/{name}/copyright", f"usr/share/doc/{name}/changelog.Debian.gz"} <= set(sums), name


def build_id(file):
    return re.search(r"Build ID: (\w+)", run("readelf", "-n", file).stdout)[1]


def assert_symbols_are_found(installed):
    """Of each program and the library, by what is left in them: the build id."""
    found = set()
    for binary in BINARIES:
        sections = run("readelf", "-SW", installed / binary).stdout
        assert ".debug_" not in sections and ".symtab" not in sections, binary
        which = build_id(installed / binary)
        symbols = installed / "usr" / "lib" / "debug" / ".build-id" / which[:2] / f"{which[2:]}.debug"
        assert build_id(symbols) == which, binary
        address = re.search(r"^(\w+) T (main$|geo::place::check\()", run("nm", "-C", symbols).stdout, re.M)[1]
        assert re.search(r"\.(cpp|h):\d+", run("addr2line", "-e", symbols, address).stdout), binary
        found.add(symbols)
    assert {file for file in (installed / "usr" / "lib" / "debug").rglob("*") if file.is_file()} == found


def test_debug_symbols_are_found_by_build_id(installed):
    assert_symbols_are_found(installed)


def test_each_config_file_is_one_that_dpkg_keeps(packages, installed):
    listed = run("dpkg-deb", "--info", packages["geod"], "conffiles").stdout.split()
    assert sorted(listed) == sorted(f"/{file.relative_to(installed)}" for file in (installed / "etc").rglob("*") if file.is_file())
    assert "/etc/geod/geod.toml" in listed


def test_no_key_is_shipped(installed):
    assert not [file for file in installed.rglob("*.hex") if "examples" not in file.parts]
    postinst = (SOURCE / "packaging" / "debian" / "postinst").read_text()
    assert "openssl rand -hex 32" in postinst and "chmod 0640" in postinst and "chown root:geod" in postinst


def test_what_lies_where(installed):
    for file in ("usr/bin/geod", "usr/bin/geoctl", "usr/lib/libgeo.so.0", "usr/include/geo/redirect.h", "usr/lib/pkgconfig/geo.pc",
                 "usr/lib/systemd/system/geod.service", "usr/lib/systemd/system/geod@.service", "usr/lib/systemd/system/geod.socket",
                 "usr/lib/sysusers.d/geod.conf", "etc/logrotate.d/geod", "usr/share/man/man8/geod.8.gz", "usr/share/man/man1/geoctl.1.gz",
                 "usr/share/man/man5/geod.toml.5.gz", "usr/share/geod/monitoring/geod.rules.yml", "usr/lib/geod/fetch-geodata", "usr/share/doc/geod/changelog.gz",
                 "usr/share/bash-completion/completions/geoctl", "usr/share/zsh/vendor-completions/_geoctl",
                 "usr/share/fish/vendor_completions.d/geoctl.fish", "usr/share/bash-completion/completions/geod"):
        assert (installed / file).exists(), file


def test_programs_run_from_there(installed, tmp_path):
    libraries = str(installed / "usr" / "lib")
    for name in ("geod", "geoctl"):
        done = run(installed / "usr" / "bin" / name, "--version", LD_LIBRARY_PATH=libraries)
        assert done.returncode == 0, done.stderr
        assert "RUNPATH" not in run("readelf", "-d", installed / "usr" / "bin" / name).stdout
    key = installed / "etc" / "geod" / "k1.hex"
    key.write_text("00" * 32)
    key.chmod(0o640)
    # the service manager makes the log's directory
    done = run(installed / "usr" / "bin" / "geod", "--config", installed / "etc" / "geod" / "geod.toml", "--check",
               LD_LIBRARY_PATH=libraries, GEO_LOG_ACCESS=str(tmp_path / "access.log"))
    assert (done.returncode, done.stderr) == (0, "")


def test_what_fetches_city_databases_stands_alone(installed, tmp_path):
    """It needs nothing of the sources: what it does, tests/scenes tries."""
    program = installed / "usr" / "lib" / "geod" / "fetch-geodata"
    told = run(program, "--help", cwd=tmp_path)
    assert (told.returncode, told.stderr) == (0, "") and str(program).removeprefix(str(installed)) in told.stdout
    tools = tmp_path / "tools"  # all but npm
    tools.mkdir()
    (tools / "bash").symlink_to("/bin/bash")
    lacks = run("bash", program, tmp_path / "here", cwd=tmp_path, PATH=str(tools))
    assert lacks.returncode == 3 and "apt-get install npm" in lacks.stderr


def test_they_need_each_other_in_the_same_version(packages):
    version = field(packages["geod"], "Version")
    assert re.fullmatch(r"\d+\.\d+\.\d+-\d+", version)
    for name, others in (("geod", ["libgeo0", "geoctl"]), ("geoctl", ["libgeo0"]), ("libgeo-dev", ["libgeo0"]),
                         ("geod-dbgsym", ["libgeo0"])):
        for other in others:
            assert f"{other} (= {version})" in field(packages[name], "Depends"), name
    assert "libsystemd0" in field(packages["geod"], "Depends")  # found by dpkg-shlibdeps
    assert len({field(package, "Description").splitlines()[0] for package in packages.values()}) == len(NAMES)


def test_rpm_of_the_same(build, tmp_path, installed):
    done = run("cpack", "-G", "RPM", "-B", tmp_path, cwd=build)
    assert done.returncode == 0, done.stdout + done.stderr
    found = {run("rpm", "-qp", "--queryformat", "%{NAME}", file).stdout: file for file in tmp_path.glob("*.rpm")}
    assert sorted(found) == sorted(NAMES)
    kept = run("rpm", "-qpc", found["geod"]).stdout.split()
    assert "/etc/geod/geod.toml" in kept
    held = {line for file in found.values() for line in run("rpm", "-qpl", file).stdout.split()}
    for file in installed.rglob("*"):
        path = f"/{file.relative_to(installed)}"
        if file.is_file() and file.suffix != ".hex" and "changelog.Debian" not in path:
            assert path.replace("vendor-completions", "site-functions") in held, path
    root = tmp_path / "root"
    root.mkdir()
    for file in found.values():
        run("rpm2archive", file)
        subprocess.run(["tar", "-C", root, "-xzf", f"{file}.tgz"], check=True)
    assert_symbols_are_found(root)


def test_an_installation_by_hand_stays_under_its_prefix(build, tmp_path):
    for component in ([], ["--component", "geod"]):
        done = run("cmake", "--install", build, "--prefix", tmp_path, *component)
        assert done.returncode == 0, done.stderr
        places = re.findall(r"^-- (?:Installing|Up-to-date): (.*)$", done.stdout, re.M)
        assert places and all(place.startswith(f"{tmp_path}/") for place in places), component
