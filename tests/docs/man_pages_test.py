"""The man pages against the programs: options, keys, codes, reasons - what one has, the other has."""

import json
import os
import re
import shutil
import subprocess

import pytest

from support.mdoc import Page, plain
from support.programs import SOURCE, config_keys, environment, geoctl_commands, help_of, run

GEOD = Page(SOURCE / "man" / "geod.8")
GEOCTL = Page(SOURCE / "man" / "geoctl.1")
CONFIG = Page(SOURCE / "man" / "geod.toml.5")
PAGES = pytest.mark.parametrize("page", [GEOD, GEOCTL, CONFIG], ids=lambda page: page.path.name)
DEMO = SOURCE / "config" / "demo"

# What the world relies on: code -> HTTP status, exit status of geoctl (None: never met), header.
CODES = {
    "bad_request": (400, 2, None),
    "missing_token": (401, 3, "WWW-Authenticate"),
    "token_unknown": (401, 3, "WWW-Authenticate"),
    "token_expired": (401, 3, "WWW-Authenticate"),
    "forbidden": (403, 3, None),
    "payment_required": (402, 3, None),
    "format_not_in_tariff": (403, 3, None),
    "limit_exceeded": (429, 3, "Retry-After"),
    "not_found": (404, 4, None),
    "offline": (409, 4, None),
    "format_unavailable": (406, 4, None),
    "no_node": (503, 4, "Retry-After"),
    "reserved_address": (404, 4, None),
    "unknown_address": (404, 4, None),
    "upstream_unavailable": (503, 5, "Retry-After"),
    "deadline_exceeded": (504, 5, None),
    "invalid_config": (422, 2, None),
    "no_such_path": (404, None, None),
    "method_not_allowed": (405, None, "Allow"),
    "rate_limited": (429, None, "Retry-After"),
    "internal": (500, 1, None),
}
HEADERS = {"none": None, "www_authenticate": "WWW-Authenticate", "retry_after": "Retry-After", "allow": "Allow"}


def enumerators(header, name):
    """Of `enum class NAME` in a header of libgeo."""
    text = (SOURCE / "libgeo" / "include" / "geo" / header).read_text()
    found = re.search(rf"enum class {name}\b[^{{]*\{{(.*?)\}}", text, re.S)
    return [re.sub(r"//.*", "", part).strip() for part in re.sub(r"//[^\n]*", "", found[1]).split(",") if part.strip()]


# ---- the pages themselves


@PAGES
def test_renders_without_warnings_on_80_columns(page):
    done = subprocess.run(["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", str(page.path)], capture_output=True, text=True,
                          env=environment(MANWIDTH="80", MANPAGER="cat"))
    assert done.returncode == 0 and not done.stderr, done.stderr
    lines = re.sub(r".\x08|\x1b\[[0-9;]*m", "", done.stdout).splitlines()
    assert len(lines) > 100
    assert [line for line in lines if len(line) > 80] == []


@PAGES
def test_tells_the_version_of_the_programs(page):
    told = next(line for line in page.lines if line.startswith(".Os "))
    assert run("geod", "--version").stdout.strip() == told.removeprefix(".Os ")
    assert run("geoctl", "--version").stdout.split()[1] == told.split()[2]


# ---- options


def documented(section):
    return {name: item.argument for item in section.items for name in item.options}


def test_options_of_geod():
    assert documented(GEOD["OPTIONS"]) == help_of("geod").options


def test_options_of_geoctl():
    assert documented(GEOCTL["OPTIONS"]) == help_of("geoctl").options


def test_commands_of_geoctl_and_their_options():
    commands, told = geoctl_commands(), GEOCTL.subsections("COMMANDS")
    assert list(told) == list(commands)
    for name, command in commands.items():
        options = {option: value for option, value in command.options.items() if option not in ("-h", "--help")}
        assert documented(told[name]) == options, name
        arguments = {item.argument for item in told[name].items if item.head[0] == "Ar"}
        assert arguments == command.positionals, name
        synopsis = " ".join(line for line in told[name].lines if line.startswith(".D1 "))
        for option in options:
            assert f"Fl {option[1:]} " in synopsis + " ", f"{name}: {option} is not in its synopsis"


def test_exit_statuses():
    error_h = (SOURCE / "libgeo" / "include" / "geo" / "base" / "error.h").read_text()
    used = {int(number) for number in re.findall(r"kExit\w+ = (\d+);", error_h)}
    used |= {row[1] for row in CODES.values() if row[1] is not None}
    assert {int(item.head[0]) for item in GEOCTL["EXIT STATUS"].items if item.head[0].isdigit()} == used


# ---- the table of refusals


def test_table_of_refusals_in_the_code():
    text = (SOURCE / "libgeo" / "include" / "geo" / "base" / "error.h").read_text()
    rows = re.findall(r'ErrorRow\{ErrorCode::(\w+),\s*"(\w+)",\s*"[^"]+",\s*(\d+),\s*(-?\d+),\s*ErrorHeader::(\w+)\}', text)
    assert [row[0] for row in rows] == enumerators("base/error.h", "ErrorCode")
    assert all(row[0] == row[1] for row in rows)
    in_code = {code: (int(http), None if leaves == "-1" else int(leaves), HEADERS[header]) for code, _, http, leaves, header in rows}
    assert in_code == CODES


def test_table_of_refusals_in_geod_8():
    told = {row[0]: (int(row[1]), None if row[2] == "-" else int(row[2])) for row in GEOD["REFUSALS"].rows}
    assert told == {code: row[:2] for code, row in CODES.items()}
    assert list(told) == list(CODES)
    headers = {item.head[1]: set(plain(item.body).replace(",", "").split()) for item in GEOD["REFUSALS"].items if item.body}
    assert headers == {name: {code for code, row in CODES.items() if row[2] == name} for name in HEADERS.values() if name}


def test_table_of_refusals_in_geoctl_1():
    told = {row[0]: (int(row[1]), int(row[2])) for row in GEOCTL["EXIT STATUS"].rows}
    assert told == {code: row[:2] for code, row in CODES.items() if row[1] is not None}


# ---- names that answers hold


def test_reasons_of_verify():
    reasons = [name for name in enumerators("sign.h", "Reason") if name != "ok"]
    told = [item.head[1] for item in GEOD[("LISTENERS", "GET /verify")].items]
    assert [name for name in told if not name.startswith("X-")] == reasons
    text = plain(GEOCTL[("COMMANDS", "verify")].lines)
    assert re.search(r"refusing it: (.*?)\.", text)[1].replace(" or ", ", ").split(", ") == reasons


def test_verdicts_steps_and_ways_to_a_group():
    told = [item.head[1] for item in GEOCTL["THE TRACE"].items]
    groups = re.search(r"name_of\(GroupedBy by\) \{.*?\{(.*?)\}", (SOURCE / "libgeo/src/place/location.cpp").read_text(), re.S)
    ways = re.findall(r'"(\w+)"', groups[1])
    refused = [name for name in enumerators("balance.h", "Refused") if name != "none"]
    assert told == ways + refused
    steps = enumerators("redirect.h", "Step")
    text = plain(GEOCTL["THE TRACE"].lines)
    assert re.search(r"The steps are (.*?)\.", text)[1].replace(" and ", ", ").split(", ") == steps
    assert [item.body[0].split()[1] for item in GEOD["DESCRIPTION"].items] == steps


def test_metrics():
    in_code = set(re.findall(r'"(geod_\w+)"', "".join(file.read_text() for file in (SOURCE / "apps" / "geod").glob("*.cpp"))))
    told = {name for item in GEOD[("LISTENERS", "GET /metrics")].items for name in item.head if name.startswith("geod_")}
    assert told == in_code


# ---- geod.toml


def documented_keys():
    found = {}
    for title, section in CONFIG.subsections("KEYS").items():
        sections = re.findall(r"\[([^]]+)\]", title)
        for item in section.items:
            assert item.head[0] == "Va" and item.head[2:4] == ["No", "="], item.head
            values = " ".join(item.head[4:]).split(" , ")
            assert len(values) == len(sections), item.head
            kind = re.fullmatch(r"\((.*)\)", item.body[0])[1]
            for name, value in zip(sections, values):
                found[f"{name}.{item.head[1]}"] = (kind, value, plain(item.body[1:]))
    return found


def test_keys_of_the_config():
    told, (keys, _) = documented_keys(), config_keys()
    assert set(told) == set(keys)
    for name, key in keys.items():
        kind, value, text = told[name]
        assert (kind, value) == (key.type, key.default), name
        assert text.startswith(key.meaning), name
        # what has no effect yet must be called so, and no longer than that
        assert ("this version" in text) == ("this version" in key.meaning), name


def test_shipped_config_is_what_config_show_prints():
    """GEO_DOCS_UPDATE=1 writes it anew."""
    _, shown = config_keys()
    file = SOURCE / "config" / "geod.toml"
    if "GEO_DOCS_UPDATE" in os.environ:
        file.write_text(shown, encoding="utf-8")
    assert file.read_text(encoding="utf-8") == shown


def test_config_of_the_examples(tmp_path):
    for text in CONFIG["EXAMPLES"].displays + GEOD["EXAMPLES"].displays:
        if not text.startswith("["):
            continue
        if text.startswith("[["):
            (tmp_path / "topology.toml").write_text(text)
            done = run("geoctl", "data", "validate", tmp_path)
        else:
            (tmp_path / "geod.toml").write_text(text)
            done = run("geoctl", "--config", tmp_path / "geod.toml", "config", "show")
        assert done.returncode == 0, done.stdout + done.stderr


def test_variables_of_the_environment():
    keys, _ = config_keys()
    variables = {"GEO_" + re.sub(r"[.-]", "_", name).upper() for name in keys}
    told = {line.split()[1] for line in CONFIG["ENVIRONMENT"].lines if line.startswith(".Ev ")} - {"GEO_SECTION_KEY"}
    assert told and told <= variables


# ---- the store


def validate(directory):
    done = run("geoctl", "--json", "data", "validate", directory)
    return [json.loads(line) for line in done.stdout.splitlines()]


def store_tables():
    """{("nodes", "topology.toml"): Section}"""
    found = {}
    for title, section in CONFIG.subsections("THE STORE IN FILES").items():
        file, table = re.fullmatch(r"(\w+\.toml): \[\[(\w+)\]\]", title).groups()
        found[table, file] = section
    return found


def aliases():
    return {item.head[1]: plain(item.body) for item in CONFIG["THE STORE IN FILES"].items}


def kind_of(item):
    """("one of .. or \"\"", required)"""
    kind = re.fullmatch(r"\((.*?)(; required)?\)", item.body[0])
    text, prefix = kind[1], ""
    if text.startswith("list, each: "):
        prefix, text = "list, each: ", text.removeprefix("list, each: ")
    word, empty = (text.removesuffix(' or ""'), ' or ""') if text.endswith(' or ""') else (text, "")
    return prefix + aliases().get(word, word) + empty, kind[2] is not None


def test_tables_of_the_store(tmp_path):
    for _, file in store_tables():
        (tmp_path / file).write_text("[[nothing]]\n")
    known = {}
    for fault in validate(tmp_path):
        if listed := re.fullmatch(r"unknown table; known here: (.*)", fault["message"]):
            known[fault["file"].rsplit("/")[-1]] = set(listed[1].split(", "))
    told = {}
    for table, file in store_tables():
        told.setdefault(file, set()).add(table)
    assert told == known


def test_keys_of_the_store(tmp_path):
    tables = store_tables()
    for _, file in tables:
        (tmp_path / file).write_text("".join(f"[[{t}]]\nnothing = 1\n" for t, f in tables if f == file))
    known, required = {}, {}
    for fault in validate(tmp_path):
        table, _, key = fault["key"].partition(".")
        if listed := re.fullmatch(r"unknown key; known here: (.*)", fault["message"]):
            known[table] = set(listed[1].split(", "))
        elif fault["message"].startswith("missing; "):
            required.setdefault(table, set()).add(key)
    for (table, _), section in tables.items():
        assert {item.head[1] for item in section.items} == known[table], table
        assert {item.head[1] for item in section.items if kind_of(item)[1]} == required[table], table


def bad_value(kind):
    """A value that this kind of key refuses, and what geoctl expects then."""
    if kind.startswith("list, each: "):
        return r'["\u0001"]', kind.removeprefix("list, each: ")
    if kind.startswith("integer "):
        return "-1", "an " + kind
    if kind.startswith("number "):
        return "-1", "a " + kind
    if kind.startswith("["):
        return "1", kind
    if kind == "true or false" or kind.startswith(("a date-time ", "a table ")):
        return "[]", kind
    return r'"\u0001"', kind


def test_types_of_the_store(tmp_path):
    tables, expected = store_tables(), {}
    texts = {file: "" for _, file in tables}
    for (table, file), section in tables.items():
        for item in section.items:
            value, told = bad_value(kind_of(item)[0])
            expected[f"{table}.{item.head[1]}"] = told
            texts[file] += f"[[{table}]]\n{item.head[1]} = {value}\n"
    for file, text in texts.items():
        (tmp_path / file).write_text(text)
    found = {fault["key"]: fault["message"] for fault in validate(tmp_path) if fault["message"].startswith("expected ")}
    for key, told in expected.items():
        message = found.get(key, "no fault")
        assert message == f"expected {told}" or message.startswith(f"expected {told}, found "), key


def test_defaults_of_the_store_are_good_values(tmp_path):
    tables = store_tables()
    for _, file in tables:
        (tmp_path / file).write_text("".join(
            f"[[{table}]]\n{item.head[1]} = {' '.join(item.head[4:])}\n"
            for (table, f), section in tables.items() if f == file for item in section.items if len(item.head) > 4))
    bad = [fault for fault in validate(tmp_path) if not fault["message"].startswith("missing; ")]
    assert bad == []


# ---- shapes


def names_in(value):
    if isinstance(value, dict):
        return set(value) | {name for inner in value.values() for name in names_in(inner)}
    return {name for inner in value for name in names_in(inner)} if isinstance(value, list) else set()


SHAPES = {
    ("resolve", 0): ["77.88.55.60"],
    ("select", 0): ["--place", "RU/MOW", "-n", "10"],
    ("token check", 0): ["demo-bob", "--server", "100-abcdef", "--camera", "0"],
    ("token hash", 0): [],
    ("billing check", 0): ["alice", "--server", "100-abcdef", "--camera", "0"],
    ("redirect", 0): ["--ip", "77.88.55.60", "--server", "100-abcdef", "--camera", "0", "--token", "demo-alice"],
    ("verify", 6): ["https://node-moscow-1.example.com/flv"],
    ("config show", 0): [],
}


@pytest.mark.parametrize("command, status", SHAPES, ids=[name for name, _ in SHAPES])
def test_json_of_a_command(command, status):
    done = run("geoctl", "--config", DEMO / "geod.toml", "--json", *command.split(), *SHAPES[command, status], given="T-1")
    assert done.returncode == status, done.stdout + done.stderr
    displays = [text for text in GEOCTL[("COMMANDS", command)].displays if text.startswith("{")]
    shown = displays[0]
    if command == "resolve":
        trace = json.loads(run("geoctl", "--config", DEMO / "geod.toml", "--json", "resolve", "--trace", "77.88.55.60").stdout)
        assert names_in(trace) == names_in(json.loads(done.stdout)) | set(re.findall(r'"(\w+)"', displays[1]))
    if command == "select":
        single, shown = shown.split("\n", 1)
        one = run("geoctl", "--config", DEMO / "geod.toml", "--json", "select", "--place", "RU/MOW")
        assert names_in(json.loads(one.stdout)) == set(re.findall(r'"(\w+)"', single))
    assert names_in(json.loads(done.stdout)) == set(re.findall(r'"(\w+)"', shown))


def test_json_of_check(tmp_path):
    (tmp_path / "checks.toml").write_text('[[case]]\nplace = "RU"\nexpect = { group = "eu" }\n')
    done = run("geoctl", "--data", DEMO, "--json", "check", tmp_path / "checks.toml")
    assert done.returncode == 6, done.stdout + done.stderr
    shown = next(text for text in GEOCTL[("COMMANDS", "check")].displays if text.startswith("{"))
    assert set(json.loads(done.stdout)) == set(re.findall(r'"(\w+)"', shown))


def test_keys_of_checks(tmp_path):
    (tmp_path / "checks.toml").write_text("[[case]]\nnothing = 1\n[[share]]\nnothing = 1\n")
    faults = json.loads(run("geoctl", "--data", DEMO, "--json", "check", tmp_path / "checks.toml").stdout)["faults"]
    known = [set(re.fullmatch(r"unknown key; known here: (.*)", fault["message"])[1].split(", "))
             for fault in faults if fault["key"].endswith(".nothing")]
    case, share = known
    told = [item.head[1] for item in GEOCTL["CHECKS"].items]
    assert sorted(told) == sorted(case | share)
    assert set(told[-3:]) == (case | share) - (case & share)


def test_example_of_checks(tmp_path):
    (tmp_path / "checks.toml").write_text(GEOCTL["CHECKS"].displays[0])
    done = run("geoctl", "--data", DEMO, "check", tmp_path / "checks.toml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_json_of_faults_and_problems(tmp_path):
    shown = GEOCTL[("COMMANDS", "data validate")].displays[-1]
    assert names_in(validate(tmp_path)) == set(re.findall(r'"(\w+)"', shown))
    problem = json.loads(run("geoctl", "--data", DEMO, "--json", "resolve", "x").stdout)
    shown = next(text for text in GEOCTL["EXIT STATUS"].displays if text.startswith("{"))
    assert names_in(problem) - {"ip"} == set(re.findall(r'"(\w+)"', shown))


def test_csv_header():
    first = run("geoctl", "--data", DEMO, "resolve", "--csv", "77.88.55.60").stdout.splitlines()[0]
    assert first in plain(GEOCTL[("COMMANDS", "resolve")].lines)


def test_examples_of_geoctl_1():
    commands = [text for text in GEOCTL["EXAMPLES"].displays if "config/demo" in text]
    assert len(commands) >= 3
    for text in commands:
        done = run(shutil.which("bash"), "-euc", text)
        assert done.returncode == 0, f"{text}\n{done.stdout}{done.stderr}"
