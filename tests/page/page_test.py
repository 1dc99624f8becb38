"""The status page: what it shows, how it follows, and who can use it."""

import pytest
from support.town import MOSCOW

REFUSED = 'form#explain [aria-invalid="true"]'


class Page:
    def __init__(self, driver, url):
        self.driver, self.url = driver, url
        self.look_as(1440, "light")
        driver.get(url)
        self.until("the page is live", lambda: self.connection() == "live" and self.rows())

    def look_as(self, width, scheme):
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                                    {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500})
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]})

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


@pytest.mark.parametrize("width, scheme", [(1440, "light"), (1440, "dark"), (375, "light")])
def test_axe_finds_nothing(page, axe, width, scheme):
    page.explain(ip=MOSCOW, server="100-abcdef", camera="0", token="good")
    page.look_as(width, scheme)
    assert page.run("return document.documentElement.scrollWidth") <= width, "nothing sticks out"
    page.driver.execute_cdp_cmd("Runtime.evaluate", {"expression": axe})  # beside the page's policy, as a reader's own tool
    found = page.driver.execute_async_script(
        "const done = arguments[0]; axe.run().then(({ violations }) => done(violations.map(each => [each.id, each.nodes.map(node => node.html)])))")
    assert found == []
