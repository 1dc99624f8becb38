"""The status page: what it shows, how it follows, and who can use it."""

import re

import pytest
from support import city
from support.town import MOSCOW, TOKYO, node, town

REFUSED = 'form#explain [aria-invalid="true"]'


class Page:
    def __init__(self, driver, url):
        self.driver, self.url = driver, url
        self.look_as(1440, "light")
        driver.get(url)
        self.until("the page is live", lambda: self.connection() == "live" and self.one("#version").text)

    def look_as(self, width, scheme, motion="no-preference"):
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                                    {"width": width, "height": 2160 if width > 3000 else 900, "deviceScaleFactor": 1, "mobile": width < 500})
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [
            {"name": "prefers-color-scheme", "value": scheme}, {"name": "prefers-reduced-motion", "value": motion}]})

    def looks(self):
        """How often it has asked geod."""
        return self.run("return performance.getEntriesByType('resource').filter(each => each.name.endsWith('/status.json')).length")

    def wait_for_looks(self, count):
        seen = self.looks()
        self.until(f"it has asked {count} times more", lambda: self.looks() >= seen + count)

    def violations(self, axe):
        """What axe-core finds; beside the page's policy, as a reader's own tool."""
        self.driver.execute_cdp_cmd("Runtime.evaluate", {"expression": axe})
        return self.driver.execute_async_script(
            "const done = arguments[0]; axe.run().then(({ violations }) => done(violations.map(each => [each.id, each.nodes.map(node => node.html)])))")

    def is_well_made(self, axe):
        """Wherever it is looked at: nothing sticks out, anyone can use it."""
        for width, scheme in ((1440, "light"), (375, "dark"), (3840, "dark")):
            self.look_as(width, scheme)
            assert self.run("return document.documentElement.scrollWidth") <= width, "nothing sticks out"
            assert self.violations(axe) == [], (width, scheme)

    def run(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    def all(self, selector):
        return self.driver.find_elements("css selector", selector)

    def one(self, selector):
        return self.driver.find_element("css selector", selector)

    def until(self, what, done, seconds=15):
        from selenium.webdriver.support.ui import WebDriverWait

        return WebDriverWait(self.driver, seconds, 0.1).until(lambda _: done(), what)

    def connection(self):
        return self.run("return document.querySelector('#connection').dataset.state")

    def rows(self):
        """[(node, state)] as they are listed."""
        return [tuple(row) for row in self.run(
            "return [...document.querySelectorAll('#nodes tr[data-node][data-state]')].map(row => [row.dataset.node, row.dataset.state])")]

    def sort(self, key):
        self.run("document.querySelector(`#nodes th[data-key=${arguments[0]}] button`).click()", key)
        return self.run("return document.querySelector(`#nodes th[data-key=${arguments[0]}]`).getAttribute('aria-sort')", key)

    def search(self, text):
        field = self.one("#search")
        field.clear()
        field.send_keys(text)

    def explain(self, **fields):
        """Fills the form, as a person would, and waits for what comes of it."""
        self.run("document.querySelector('#explain-result').replaceChildren()")
        for name in ("ip", "server", "camera", "token"):
            field = self.one(f"form#explain [name={name}]")
            field.clear()
            if name in fields:
                field.send_keys(fields[name])
        self.one("form#explain button").click()
        self.until("an answer", lambda: self.run("return document.querySelector('#explain-result').childElementCount > 0"))

    def steps(self):
        return self.run("return [...document.querySelectorAll('#explain-result [data-step]')].map(step => step.dataset.step)")


@pytest.fixture
def page(driver, site):
    return Page(driver, site.url)


def test_it_shows_what_status_says(page, site):
    status = site.geod.fetch("/status.json", "admin").json()
    assert dict(page.rows()) == {node["id"]: node["state"] for node in status["nodes"]}
    assert {mark.get_attribute("data-group") for mark in page.all("#map [data-group]")} == {group["id"] for group in status["groups"]}
    assert page.one('[data-figure="up"]').text == f"{sum(node['state'] == 'up' for node in status['nodes'])} of {len(status['nodes'])}"
    assert {row.get_attribute("data-cache") for row in page.all("#caches tr[data-cache]")} == set(status["caches"])
    assert [row.get_attribute("data-provider") for row in page.all("#providers tr[data-provider]")] == ["networks"]


def test_nothing_comes_from_elsewhere_and_nothing_is_complained_of(page, site):
    answer = site.geod.fetch("/", "admin")
    policy = answer.header("Content-Security-Policy")
    assert "default-src 'none'" in policy and "unsafe" not in policy and "script-src 'self'" in policy
    assert b"<script>" not in answer.body and b" style=" not in answer.body and b" onclick" not in answer.body
    assert all(name.startswith(site.url) for name in page.run("return performance.getEntriesByType('resource').map(each => each.name)"))
    assert [entry for entry in page.driver.get_log("browser") if entry["level"] == "SEVERE" and "/status.json" not in entry["message"]] == []


def test_values_update(page, site):
    assert dict(page.rows())["node-frankfurt-2"] == "up"
    site.facts["node_states"].append({"id": "node-frankfurt-2"})
    site.report("node-frankfurt-2", online=False)
    page.until("the row changes", lambda: dict(page.rows())["node-frankfurt-2"] == "unhealthy")
    site.report("node-frankfurt-2", online=True, load=0.5)
    page.until("and back", lambda: dict(page.rows())["node-frankfurt-2"] == "up")
    assert "50 %" in page.one("#nodes tr[data-node=node-frankfurt-2]").text


def test_search_and_sort(page):
    assert page.run("return document.querySelector('#nodes th[data-key=id]').getAttribute('aria-sort')") == "ascending"
    by_name = [node for node, _ in page.rows()]
    assert by_name == sorted(by_name)
    assert page.sort("id") == "descending" and [node for node, _ in page.rows()] == by_name[::-1]
    assert page.sort("load") == "ascending" and page.sort("load") == "descending"
    assert page.rows()[0][0] == "node-moscow-1", "what is unknown comes last, either way"
    page.search("MOSCOW")
    assert {node for node, _ in page.rows()} == {"node-moscow-1", "node-moscow-2", "node-moscow-3"}
    page.search("drain")
    assert page.rows() == [("node-moscow-2", "drain")]
    page.search("nobody")
    assert page.rows() == []


def test_form_explains(page, site):
    page.explain(ip=MOSCOW, server="100-abcdef", camera="0", token="good")
    assert page.steps() == ["locate", "group", "select", "authorize", "bill", "inspect", "sign"]
    trace = site.geod.fetch(f"/explain?ip={MOSCOW}&server=100-abcdef&camera=0", "admin").json()
    chosen = [each["node"] for each in trace["candidates"] if each.get("chosen")]
    assert [each.get_attribute("data-candidate") for each in page.all("#explain-result [data-step] [data-chosen]")] == chosen
    assert "drained" in page.one("#explain-result [data-candidate=node-moscow-2]").text
    assert f"https://{chosen[0]}.example.com/flv?" in page.one("#explain-result .location").text
    assert page.one("#command").text == f"geoctl explain --live --ip {MOSCOW} --server 100-abcdef --camera 0 --format flv --token-file client.token"


def test_token_is_in_no_url(page):
    page.explain(ip=MOSCOW, server="100-abcdef", camera="0", token="a+b/c=d~")
    names = page.run("return [location.href, ...performance.getEntriesByType('resource').map(each => decodeURIComponent(each.name))]")
    assert any("/explain?ip=" in name for name in names) and not any("a+b/c=d~" in name for name in names)


def test_form_tells_a_refusal_where_it_came(page):
    page.explain(ip=MOSCOW, server="100-abcdef", camera="0", token="stranger")
    assert page.steps()[-1] == "authorize"
    assert page.one('#explain-result [data-step="authorize"]').get_attribute("data-refused") == "forbidden"


def test_without_a_token_it_ends_with_select(page):
    page.explain(ip=MOSCOW)
    assert page.steps() == ["locate", "group", "select"] and not page.all("#explain-result .location")
    assert page.one("#command").text == f"geoctl explain --live --ip {MOSCOW} --format flv"


@pytest.mark.parametrize("fields, name", [({"ip": "1.2.3"}, "ip"), ({"ip": MOSCOW, "server": "100-abcdef"}, "camera"),
                                          ({"ip": MOSCOW, "server": "a b", "camera": "0"}, "server"), ({"ip": MOSCOW, "token": "a b"}, "token")])
def test_form_names_the_field_that_is_wrong(page, fields, name):
    page.explain(**fields)
    assert page.one('#explain-result [role="alert"]').get_attribute("data-refused") == "bad_request"
    assert [field.get_attribute("name") for field in page.all(REFUSED)] == [name]
    page.explain(ip=MOSCOW)
    assert page.all(REFUSED) == []


def test_keyboard_alone(page):
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    def press(key):
        ActionChains(page.driver).send_keys(key).perform()

    def focused():
        return page.run("const at = document.activeElement; return at.dataset.group ?? at.closest('th')?.dataset.key ?? at.name ?? at.id ?? at.className")

    page.run("document.querySelector('#search').value = ''; document.activeElement.blur()")
    seen = []
    while "since" not in seen and len(seen) < 60:
        press(Keys.TAB)
        seen.append(focused())
        if seen[-1] == "ru-msk":
            press(Keys.ENTER)
            assert {node for node, _ in page.rows()} == {"node-moscow-1", "node-moscow-2", "node-moscow-3"}
            assert focused() == "ru-msk", "the focus stays where it was"
            press(" ")
            assert len(page.rows()) == 8
        if seen[-1] == "state":
            press(Keys.ENTER)
            assert page.run("return document.activeElement.closest('th').getAttribute('aria-sort')") == "ascending"
    assert {"ru-msk", "eu", "ip", "server", "camera", "format", "token", "id", "since"} <= set(seen), seen


def test_connection_lost_and_live_again(page, site):
    site.stop()
    page.until("it says so", lambda: page.connection() == "lost")
    assert page.rows(), "what was known stays"
    site.start()
    page.until("it is back", lambda: page.connection() == "live")


def test_whose_clients_are_served_where(page, site, axe):
    for _ in range(3):
        assert site.geod.ask(MOSCOW).status == 302
        assert site.geod.ask(TOKYO).status == 302  # whose node is unhealthy: us serves
    page.until("the spill is drawn", lambda: page.all("#map [data-spill]"))
    [arrow] = page.all("#map [data-spill]")
    assert (arrow.get_attribute("data-from"), arrow.get_attribute("data-to")) == ("asia", "us")
    told = {each.get_attribute("data-flow"): each.text for each in page.all("#flow-list [data-flow]")}
    assert "3 redirects in the last minute: 100 % by us" in told["asia"] and "100 % by its own nodes" in told["ru-msk"]
    assert "no redirects in the last minute" in told["eu"]
    assert "100 % by us" in page.one("#map [data-group=asia]").get_attribute("aria-label")
    assert page.one('[data-figure="redirects"]').text == "6 50 % spilled"
    fresh = Page(page.driver, site.url)  # a page just opened knows the minute all the same
    assert fresh.one('[data-figure="redirects"]').text == "6 50 % spilled"
    moves = "return getComputedStyle(document.querySelector('#spills path')).animationName"
    assert fresh.run(moves) != "none"
    fresh.look_as(1440, "light", "reduce")
    assert fresh.run(moves) == "none"
    fresh.is_well_made(axe)


def test_polls_leave_what_is_typed_sorted_and_focused(page):
    page.sort("state")
    page.search("moscow")
    page.run("document.querySelector('#search').setSelectionRange(1, 3)")
    page.one("form#explain [name=ip]").send_keys("10.1.0.7")
    page.run("document.querySelector('#search').focus()")
    rows = page.rows()
    page.wait_for_looks(2)
    assert page.run("const at = document.activeElement; return [at.id, at.value, at.selectionStart, at.selectionEnd]") == ["search", "moscow", 1, 3]
    assert page.rows() == rows and page.run("return document.querySelector('#nodes th[data-key=state]').getAttribute('aria-sort')") == "ascending"
    assert page.one("form#explain [name=ip]").get_attribute("value") == "10.1.0.7"
    page.run("document.querySelector('#map [data-group=eu]').focus()")
    page.wait_for_looks(2)
    assert page.run("return document.activeElement.dataset.group") == "eu"


def test_the_browser_asks_for_the_token(driver, another):
    it = another(town(), admin={"token_file": "admin.token"})
    (it.world.path / "admin.token").write_text("open-sesame\n")
    (it.world.path / "admin.token").chmod(0o600)
    it.start()
    page = Page(driver, it.url.replace("http://", "http://ops:open-sesame@"))
    assert len(page.rows()) == 8
    page.explain(ip=MOSCOW, server="100-abcdef", camera="0", token="good")
    assert page.steps()[-1] == "sign", "the admin's token and the client's do not meet"
    page.wait_for_looks(1)
    assert page.connection() == "live"
    (it.world.path / "admin.token").write_text("another\n")
    assert it.geod.fetch("/reload", "admin", method="POST", headers=[("Authorization", "Bearer open-sesame")]).status == 200
    page.until("it says what to do", lambda: "reload this page" in page.one("#trouble").text)
    assert page.connection() == "lost" and len(page.rows()) == 8


def test_what_others_named_is_text(driver, another):
    name = "<img src=x onerror=document.title='hurt'>.mmdb"
    it = another(town(), resolver={"providers": ["networks", "maxmind"], "maxmind": {"files": [name]}})
    city.put(it.world.path / name)
    page = Page(driver, it.start().url)
    page.until("the file is listed", lambda: page.all("#providers tr[data-file]"))
    assert page.one("#providers tr[data-file] td").text == name
    assert page.all("main img") == [] and page.run("return document.title") == "geod"


def test_a_geod_without_a_topology(driver, another, axe):
    it = another(town(), listen={"resolver": "127.0.0.1:0", "redirect": "", "verify": ""}, store={"kind": "none"},
                 resolver={"providers": ["maxmind"], "maxmind": {"files": ["city.mmdb"]}})
    city.put(it.world.path / "city.mmdb")
    page = Page(driver, it.start().url)
    page.until("it says so", lambda: page.one("#alone").is_displayed())
    assert not any(page.one(f"#{part}").is_displayed() for part in ("where", "flows", "asking", "table", "trouble"))
    assert all(page.one(f"#{part}").is_displayed() for part in ("upstreams", "kept"))
    page.is_well_made(axe)


@pytest.mark.parametrize("count", [1, 200])
def test_few_and_many_nodes(driver, another, axe, count):
    facts = town()
    if count == 1:
        facts["groups"] = [{"id": "only"}]
        facts["partners"] = [{"id": "default", "default_group": "only"}]
        facts["places"], facts["networks"], facts["servers"], facts["cameras"], facts["grants"] = [], [], [], [], []
        facts["nodes"] = [node("1", "only")]
    else:
        facts["nodes"] = [node(f"{i:03}", facts["groups"][i % 5]["id"]) for i in range(count)]
    page = Page(driver, another(facts).start().url)
    assert len(page.rows()) == count
    assert len(page.all("#map .dot")) == (0 if count == 1 else count)
    assert ("only" in page.one("#nowhere").text) == (count == 1), "a group without coordinates is named"
    page.is_well_made(axe)


def test_a_reload_that_was_refused(driver, another, axe):
    it = another(town()).start()
    page = Page(driver, it.url)
    figure = '[data-figure="reload"]'
    assert page.one(figure).text == "none"
    it.world.config["signing"]["ttl_s"] = 0
    it.world.write_config()
    assert it.geod.fetch("/reload", "admin", method="POST", host="localhost").status == 422
    page.until("it says so, and when", lambda: re.fullmatch(r"refused \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", page.one(figure).text))
    page.is_well_made(axe)
    it.world.config["signing"]["ttl_s"] = 300
    it.world.write_config()
    assert it.geod.fetch("/reload", "admin", method="POST", host="localhost").status == 200
    page.until("it is well again", lambda: page.one(figure).text.startswith("ok "))


def test_lost_from_the_beginning_of_a_night(driver, another, axe):
    it = another(town()).start()
    page = Page(driver, it.url)
    it.stop()
    page.until("it says so", lambda: page.connection() == "lost")
    assert re.fullmatch(r"geod does not answer\. What is shown is of \d\d:\d\d:\d\d\.", page.one("#trouble").text)
    page.explain(ip=MOSCOW)
    assert page.one('#explain-result [role="alert"]').text == "geod did not answer."
    page.is_well_made(axe)


def test_axe_finds_nothing(page, axe):
    page.explain(ip=MOSCOW, server="100-abcdef", camera="0", token="good")
    page.is_well_made(axe)
