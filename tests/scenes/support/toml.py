"""Writes TOML: Python ships a reader only."""

import datetime
import json


def value(v):
    if isinstance(v, bool):
        return "true" if v else "false"
    if isinstance(v, (int, float)):
        return repr(v)
    if isinstance(v, str):
        return json.dumps(v, ensure_ascii=False)
    if isinstance(v, datetime.datetime):
        return v.astimezone(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    if isinstance(v, (list, tuple)):
        return "[" + ", ".join(value(item) for item in v) + "]"
    if isinstance(v, dict):
        return "{ " + ", ".join(f"{key} = {value(item)}" for key, item in v.items()) + " }"
    raise TypeError(f"no TOML for {v!r}")


def rows(tables):
    """{"nodes": [{...}, ...]} as [[nodes]] rows."""
    lines = []
    for table, table_rows in tables.items():
        for row in table_rows:
            lines.append(f"[[{table}]]")
            lines += [f"{key} = {value(v)}" for key, v in row.items()]
            lines.append("")
    return "\n".join(lines)


def sections(config):
    """{"signing": {"ttl_s": 300}, "cache.places": {...}} as [section] tables."""
    lines = []
    for section, keys in config.items():
        lines.append(f"[{section}]")
        lines += [f"{key} = {value(v)}" for key, v in keys.items()]
        lines.append("")
    return "\n".join(lines)
