"""The map and the people most scenes play in. Clients are located by `networks`:

    10.1.x  2001:db8:1::/48   Moscow       ru-msk   node-moscow-1 (100), -2 (100), -3 (50)
    10.2.x  2001:db8:2::/48   Petersburg   ru-spb   node-spb-1
    10.3.x                    Frankfurt    eu       node-frankfurt-1, -2
    10.4.x                    New York     us       node-newyork-1, https and wss on 8443
    10.5.x                    Tokyo        asia     node-tokyo-1
    all others                             eu, the default partner's default group; us under acme.example.com
"""

import datetime

from support.world import Facts, token_row

MOSCOW, PETERSBURG, FRANKFURT, NEW_YORK, TOKYO, NOWHERE = (
    "10.1.0.7", "10.2.0.7", "10.3.0.7", "10.4.0.7", "10.5.0.7", "203.0.113.7")
LONG_AGO = datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc)
FAR = datetime.datetime(2099, 1, 1, tzinfo=datetime.timezone.utc)
ALL_FORMATS = ["flv", "hls", "ws-fmp4"]


def town():
    facts = Facts()
    facts["patterns"] = [{"id": "streaming", "fallback": ["any"]}, {"id": "any"}]
    facts["partners"] = [
        {"id": "default", "hosts": ["geo.example.com"], "default_group": "eu"},
        {"id": "acme", "hosts": ["acme.example.com"], "default_group": "us"},
    ]
    facts["groups"] = [
        {"id": "ru-msk", "coordinates": [55.75, 37.61], "country": "RU", "fallback": ["ru-spb", "eu"]},
        {"id": "ru-spb", "coordinates": [59.94, 30.31], "country": "RU", "fallback": ["ru-msk", "eu"]},
        {"id": "eu", "coordinates": [50.11, 8.68], "country": "DE", "fallback": ["ru-msk"]},
        {"id": "us", "coordinates": [40.71, -74.01], "country": "US", "fallback": ["eu"]},
        {"id": "asia", "coordinates": [35.68, 139.69], "country": "JP", "fallback": ["us"]},
    ]
    facts["places"] = [
        {"country": "RU", "region": "MOW", "group": "ru-msk"},
        {"country": "RU", "group": "ru-spb"},
        {"country": "DE", "group": "eu"},
        {"country": "US", "group": "us"},
        {"country": "JP", "group": "asia"},
    ]
    facts["networks"] = [
        {"cidr": "10.1.0.0/16", "group": "ru-msk"},
        {"cidr": "10.2.0.0/16", "group": "ru-spb"},
        {"cidr": "10.3.0.0/16", "country": "DE", "city": "Frankfurt am Main"},
        {"cidr": "10.4.0.0/16", "country": "US", "region": "NY", "city": "New York"},
        {"cidr": "10.5.0.0/16", "country": "JP", "coordinates": [35.68, 139.69]},
        {"cidr": "2001:db8:1::/48", "group": "ru-msk"},
        {"cidr": "2001:db8:2::/48", "group": "ru-spb"},
    ]
    facts["nodes"] = [
        node("moscow-1", "ru-msk", 100), node("moscow-2", "ru-msk", 100), node("moscow-3", "ru-msk", 50),
        node("spb-1", "ru-spb", 100), node("frankfurt-1", "eu", 100), node("frankfurt-2", "eu", 100),
        {**node("newyork-1", "us", 100), "ports": {"https": 8443, "wss": 8443}}, node("tokyo-1", "asia", 100),
    ]
    facts["tariffs"] = [
        {"id": "home", "formats": ALL_FORMATS, "max_streams": 4},
        {"id": "flv-only", "formats": ["flv"]},
        {"id": "single", "formats": ALL_FORMATS, "max_streams": 1},
        {"id": "endless", "formats": ALL_FORMATS},
    ]
    facts["users"] = [
        {"id": "u1", "tariff": "endless", "paid_until": FAR},
        {"id": "u-stranger", "tariff": "home"},
        {"id": "u-blocked", "tariff": "home", "blocked": True},
        {"id": "u-unpaid", "tariff": "home", "paid_until": LONG_AGO},
        {"id": "u-flv", "tariff": "flv-only"},
        {"id": "u-busy", "tariff": "single"},
        {"id": "u-guest", "tariff": "home"},
    ]
    facts["tokens"] = [
        token_row("good", "u1", expires_at=FAR),
        token_row("expired", "u1", expires_at=LONG_AGO),
        token_row("a+b/c=d~", "u1"),
        token_row("stranger", "u-stranger"),
        token_row("blocked", "u-blocked"),
        token_row("unpaid", "u-unpaid"),
        token_row("flv-fan", "u-flv"),
        token_row("busy", "u-busy"),
        token_row("guest", "u-guest"),
    ]
    facts["grants"] = [
        grant(user, "server", "100-abcdef", "100-abcdef") for user in ("u-blocked", "u-unpaid", "u-flv", "u-busy")
    ] + [
        grant("u-guest", "camera", "100-abcdef", "1"),
        grant("u-guest", "camera", "100-abcdef", "ghost"),
        grant("u-guest", "camera", "900-none", "0"),
    ]
    facts["usage"] = [{"user": "u-busy", "streams": 1}, {"user": "u1", "streams": 1}]
    facts["servers"] = [
        server("100-abcdef"), server("200-dark", online=False), server("300-acme", partner="acme"),
        server("400-other", owner_id="u-guest"),
    ]
    facts["cameras"] = [camera("100-abcdef", str(i)) for i in range(10)] + [
        camera("100-abcdef", "dark", online=False),
        camera("100-abcdef", "flv-cam", streams=["flv"]),
        camera("100-abcdef", "A.z_9:x-" + "y" * 56),
        camera("200-dark", "0"), camera("300-acme", "0"), camera("400-other", "0"),
    ]
    return facts


def small(*nodes, **groups):
    """One group `here` (all clients are there) with a fallback `there`, unless told otherwise."""
    facts = town()
    facts["patterns"] = [{"id": "streaming", "fallback": []}, {"id": "any"}, {"id": "archive"}]
    facts["groups"] = [{"id": "here", "country": "DE", "coordinates": [50.0, 8.0], "fallback": ["there"]},
                       {"id": "there", "country": "US", "coordinates": [40.0, -74.0], "fallback": []}]
    for group, keys in groups.items():
        facts.group(group).update(keys)
    facts["partners"] = [{"id": "default", "hosts": ["geo.example.com"], "default_group": "here"},
                         {"id": "acme", "hosts": ["acme.example.com"], "default_group": "here"}]
    facts["places"] = []
    facts["networks"] = [{"cidr": "10.1.0.0/16", "country": "DE"}, {"cidr": "10.2.0.0/16", "country": "RU"}, {"cidr": "10.9.0.0/16", "group": "here"}]
    facts["places"] = [{"country": "DE", "group": "here"}, {"country": "RU", "group": "here"}]
    facts["nodes"] = list(nodes)
    return facts


def node(name, group, weight=100, **more):
    return {"id": f"node-{name}", "host": f"node-{name}.example.com", "group": group, "weight": weight,
            "patterns": ["streaming"], **more}


def grant(user, object_type, server_id, object_id, **more):
    return {"owner_type": "user", "owner_id": user, "object_type": object_type, "server": server_id,
            "object_id": object_id, "rights": ["view"], **more}


def server(server_id, **more):
    return {"id": server_id, "online": True, "owner_type": "user", "owner_id": "u1", **more}


def camera(server_id, camera_id, **more):
    return {"server": server_id, "id": camera_id, "online": True, "streams": ALL_FORMATS, **more}


def many_cameras(facts, count, server_id="100-many"):
    facts["servers"].append(server(server_id))
    facts["cameras"] += [camera(server_id, f"c{i}") for i in range(count)]
    return [f"c{i}" for i in range(count)]
