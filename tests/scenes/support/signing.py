"""Contract 2.5 a second time, in Python: what a video node's owner would write after reading it."""

import base64
import hashlib
import hmac
from urllib.parse import quote, urlsplit

DEFAULT_PORT = {"http": 80, "https": 443, "ws": 80, "wss": 443}
VECTOR_SECRET = bytes(range(32))


def encode(text):
    return quote(text, safe="-._~")


def signature(secret, string_to_sign):
    digest = hmac.new(secret, string_to_sign.encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def authority(scheme, host, port=None):
    host = host.lower()
    return host if port in (None, DEFAULT_PORT[scheme]) else f"{host}:{port}"


def sign(secret, host, target):
    """host: as in the URL, with its port unless it is the default; target: up to but without &sig=."""
    return f"{target}&sig={signature(secret, host + target)}"


def node_url(secret, scheme, host, path, server, camera, exp, kid="k1", port=None, token=None, passed=(), cip=None):
    query = [("server", server), ("camera", camera)]
    if token is not None:
        query.append(("token", token))
    query += list(passed)
    if cip is not None:
        query.append(("cip", cip))
    query += [("exp", str(exp)), ("kid", kid)]
    target = path + "?" + "&".join(f"{name}={encode(v)}" for name, v in query)
    host = authority(scheme, host, port)
    return f"{scheme}://{host}{sign(secret, host, target)}"


def split(url):
    """URL -> (scheme, authority, target)"""
    parts = urlsplit(url)
    return parts.scheme, parts.netloc, url[len(parts.scheme) + 3 + len(parts.netloc):]


def parameters(url):
    """The query as it stands, undecoded, in order: [(name, value)]."""
    return [tuple(pair.split("=", 1)) for pair in url.split("?", 1)[1].split("&")]


def parameter(url, name):
    found = [v for key, v in parameters(url) if key == name]
    assert len(found) <= 1, f"{name} twice in {url}"
    return found[0] if found else None
