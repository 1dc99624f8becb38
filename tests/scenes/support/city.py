"""City databases for scenes, made by make_mmdb."""

import os
import subprocess

from support.world import BIN

# cidr -> (country, region_iso, region, city, latitude, longitude); "en|ru" where names have both languages
CITIES = {
    "77.88.0.0/18": ("RU", "MOW", "Moscow|Москва", "Moscow|Москва", "55.75", "37.61"),
    "8.8.8.0/24": ("US", "CA", "California|", "Mountain View|", "37.42", "-122.08"),
    "5.9.0.0/16": ("DE", "", "", "", "", ""),
    "2a02:6b8::/32": ("RU", "MOW", "Moscow|Москва", "Moscow|Москва", "55.75", "37.61"),
    "2001:4860::/32": ("US", "", "", "", "", ""),
}


def write(path, cities=None, kind="GeoLite2-City", build_epoch=1_800_000_000):
    """A whole file under another name first: nobody sees half of it."""
    lines = "".join("\t".join((cidr, *fields)) + "\n" for cidr, fields in (CITIES if cities is None else cities).items())
    fresh = path.with_suffix(".new")
    subprocess.run(
        [BIN / "make_mmdb", "--ip-version", "6", "--type", kind, "--language-names", "en,ru",
         "--build-epoch", str(build_epoch), fresh], input=lines, text=True, check=True)
    return fresh


def put(path, *args, **keys):
    os.replace(write(path, *args, **keys), path)
    return path


def settle(path, seconds):
    """As if it had been written a while ago: geod leaves a file alone that somebody may still be writing."""
    stamp = os.stat(path).st_mtime - 60 + seconds
    os.utime(path, (stamp, stamp))
