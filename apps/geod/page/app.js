// ---- the parts of the page ----

function showFigures() {
  const up = status.nodes.filter((node) => node.state === "up").length;
  const sum = (key) => status.groups.reduce((all, group) => all + group[key], 0);
  const minute = status.groups.reduce((all, group) => all + minuteOf(group), 0), own = status.groups.reduce((all, group) => all + ownOf(group), 0);
  const figures = {
    redirects: [whole.format(minute), minute > own ? `${percent((minute - own) / minute)} spilled` : ""],
    up: [whole.format(up), `of ${whole.format(status.nodes.length)}`],
    under_way: [whole.format(sum("under_way"))],
    located: [whole.format(Math.max(0, past[past.length - 1].located - past[0].located))],
    snapshot: status.snapshot ? [status.snapshot.source.replace("_", " "), `${span(status.snapshot.age_s)} ago`] : ["none"],
    uptime: [span(status.uptime_s)],
    reload: status.last_reload ? [status.last_reload.ok ? "ok" : "refused", moment(status.last_reload.at)] : ["none"],
  };
  for (const [name, [figure, note]] of Object.entries(figures)) {
    const it = $(`[data-figure=${name}]`), wanted = element("dd", { "data-figure": name }, figure, ...(note ? [" ", element("small", {}, note)] : []));
    if (it.textContent !== wanted.textContent) it.replaceChildren(...wanted.childNodes);
  }
  $("#located-span").textContent = minuteOrLess();
  $("[data-figure=snapshot]").title = status.snapshot ? `version ${status.snapshot.version}` : "";
  $("[data-figure=reload]").classList.toggle("refused", status.last_reload?.ok === false);
  $("[data-figure=reload]").title = status.last_reload?.ok === false ? "What was in service before still is; geoctl reload tells why" : "";
  $("#version").textContent = status.version;
}

const moment = (time) => time.replace("T", " ").replace("Z", " UTC");

function order(a, b) {
  const { key, descending } = sorting, left = a[key], right = b[key];
  let by;
  if (left === null || right === null) by = (left === null) - (right === null); // what is unknown comes last
  else by = (typeof left === "number" ? left - right : left.localeCompare(right, "en", { numeric: true })) * (descending ? -1 : 1);
  return by || a.id.localeCompare(b.id, "en", { numeric: true });
}

function showNodes() {
  const wanted = $("#search").value.trim().toLowerCase();
  const found = status.nodes.filter((node) => [node.id, node.group, node.state, node.reason ?? ""].some((text) => text.toLowerCase().includes(wanted)));
  found.sort(order);
  settle($("#nodes tbody"), found.slice(0, kRowsMax).map((node) => element("tr", { "data-node": node.id, "data-state": node.state },
    element("td", { class: "id" }, node.id), element("td", {}, node.group), element("td", {}, state(node.state)),
    element("td", { class: "number" }, node.load === null ? "–" : percent(node.load)),
    element("td", { class: "number" }, whole.format(node.weight)), element("td", {}, node.reason ?? "–"),
    element("td", { class: "time" }, node.since ? moment(node.since) : "the start"))));
  const shown = Math.min(found.length, kRowsMax);
  $("#shown").textContent = shown === status.nodes.length ? `${shown}` : `${shown} of ${status.nodes.length}`;
  for (const head of document.querySelectorAll("#nodes th")) {
    if (head.dataset.key === sorting.key) head.setAttribute("aria-sort", sorting.descending ? "descending" : "ascending");
    else head.removeAttribute("aria-sort");
  }
}

function showUpstreams() {
  const kBreaker = { closed: ["up", "answers"], half_open: ["stale", "is tried again (breaker half open)"], open: ["unhealthy", "fails (breaker open)"] };
  const rows = [...status.resolver.providers, ...status.upstreams].map((each) => element("tr", { "data-provider": each.name },
    element("td", { class: "id" }, each.name),
    element("td", {}, element("span", { class: "state", "data-state": kBreaker[each.state][0] }, kBreaker[each.state][1])),
    element("td", { class: "number" }, whole.format(each.calls)), element("td", { class: "long" }, each.last_error ?? "none")));
  const files = status.resolver.files.map((file) => element("tr", { "data-file": file.path }, element("td", { class: "id" }, file.path.split("/").pop()),
    element("td", {}, file.type), element("td", { class: "number" }, `${whole.format(file.networks)} networks`),
    element("td", {}, `built ${span(file.age_s)} ago, ${Math.ceil(file.bytes / 1048576)} MB`)));
  settle($("#providers tbody"), [...rows, ...files]);
  settle($("#caches tbody"), Object.entries(status.caches).map(([name, cache]) => {
    const asked = cache.hits + cache.misses + cache.stale, part = asked === 0 ? 0 : (cache.hits + cache.stale) / asked;
    return element("tr", { "data-cache": name }, element("td", { class: "id" }, name),
      ...["entries", "hits", "misses", "stale"].map((key) => element("td", { class: "number" }, whole.format(cache[key]))),
      element("td", { class: "time" }, element("meter", { min: 0, max: 1, value: part, "aria-label": `answered by the cache ${name}` }), asked === 0 ? "–" : percent(part)));
  }));
}

function show() {
  for (const it of document.querySelectorAll("[data-of=topology]")) it.hidden = status.snapshot === null;
  $("#alone").hidden = status.snapshot !== null;
  showFigures();
  if (status.snapshot !== null) {
    showFlows();
    showMap();
    showNodes();
  }
  showUpstreams();
}

// ---- asking geod ----

// A page that was opened with a password in its address asks without it: the browser has it by now.
const here = (path) => location.origin + path;

function connected(live) {
  const it = $("#connection");
  if (it.dataset.state === (live ? "live" : "lost") && it.textContent !== "connecting") return; // told once
  it.dataset.state = live ? "live" : "lost";
  it.textContent = live ? "live" : "connection lost";
}

function tellTrouble(text) {
  const it = $("#trouble");
  if (it.textContent !== text) it.textContent = text; // told once
  it.hidden = text === "";
}

let heard = null; // when geod last answered

// What geod says, or why there is nothing.
async function ask() {
  const options = { cache: "no-store", signal: AbortSignal.timeout(kPatience) };
  try {
    const [told, ready] = await Promise.all([fetch(here("/status.json"), options), fetch(here("/readyz"), options)]);
    if (told.status === 401) return { why: "geod asks for another token by now: reload this page" };
    if (!told.ok) return { why: `geod answers with ${told.status}` };
    return { told: await told.json(), ready: await ready.json() };
  } catch {
    return { why: "geod does not answer" };
  }
}

async function look() {
  const { told, ready, why } = await ask();
  setTimeout(look, kEvery);
  connected(told !== undefined);
  if (told === undefined) return tellTrouble(`${why}.` + (heard ? ` What is shown is of ${heard}.` : ""));
  if (status && told.version !== status.version) location.reload(); // another geod has another page
  heard = new Date().toTimeString().slice(0, 8);
  tellTrouble(ready.ready === false ? `Not ready: ${ready.reasons.join("; ")}.` : "");
  remember(told);
  show();
}

// ---- what people do ----

$("#search").addEventListener("input", () => status && (showNodes(), showMap()));
for (const button of document.querySelectorAll("#nodes th button")) {
  button.addEventListener("click", () => {
    const { key } = button.closest("th").dataset;
    sorting = { key, descending: sorting.key === key && !sorting.descending };
    if (status) showNodes();
  });
}
function pick(event) {
  const mark = event.target.closest("[data-group]");
  if (!mark || (event.type === "keydown" && event.key !== "Enter" && event.key !== " ")) return;
  event.preventDefault();
  $("#search").value = $("#search").value === mark.dataset.group ? "" : mark.dataset.group;
  showNodes();
  showMap();
}
$("#map").addEventListener("click", pick);
$("#map").addEventListener("keydown", pick);
new ResizeObserver(() => status && showMap()).observe($("#map"));

look();
