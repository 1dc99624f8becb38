// The status page: asks /status.json again and again and shows what it says; asks /explain when told to.
"use strict";

const kEvery = 2000, kPatience = 5000, kMinute = 60000; // milliseconds
const kRowsMax = 500; // of nodes shown at once: a search narrows what is listed
const kSvg = "http://www.w3.org/2000/svg";

// ---- small things ----

const $ = (selector) => document.querySelector(selector);

// Text is only ever set as text: what nodes and stores are called is not ours.
function element(name, attributes = {}, ...children) {
  const it = document.createElement(name);
  return dress(it, attributes, children);
}
function drawing(name, attributes = {}, ...children) {
  return dress(document.createElementNS(kSvg, name), attributes, children);
}
function dress(it, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) if (value !== null && value !== undefined) it.setAttribute(key, value);
  it.append(...children.filter((child) => child !== null));
  return it;
}

// Makes `parent` show `wanted`, and keeps what is there already for the same node, group or cache: what has the focus, is
// read aloud or marked stays what it is.
function settle(parent, wanted) {
  const keyOf = ({ dataset }) => dataset.node ?? dataset.group ?? dataset.flow ?? dataset.provider ?? dataset.file ?? dataset.cache;
  const old = new Map([...parent.children].map((child) => [keyOf(child), child]));
  wanted.map((child) => (old.has(keyOf(child)) ? changed(old.get(keyOf(child)), child) : child)).forEach((child, i) => {
    if (parent.children[i] !== child) parent.insertBefore(child, parent.children[i] ?? null);
  });
  while (parent.children.length > wanted.length) parent.lastElementChild.remove();
}
function changed(old, wanted) {
  if (old.isEqualNode(wanted)) return old;
  for (const { name } of [...old.attributes]) if (!wanted.hasAttribute(name)) old.removeAttribute(name);
  for (const { name, value } of wanted.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  const [before, after] = [[...old.childNodes], [...wanted.childNodes]];
  if (before.length !== after.length || before.some((child, i) => child.nodeName !== after[i].nodeName)) old.replaceChildren(...after);
  else before.forEach((child, i) => {
    if (child.nodeType === Node.ELEMENT_NODE) changed(child, after[i]);
    else if (child.nodeValue !== after[i].nodeValue) child.nodeValue = after[i].nodeValue;
  });
  return old;
}
const state = (name) => element("span", { class: "state", "data-state": name }, name);

const whole = new Intl.NumberFormat("en");
const percent = (part) => `${Math.round(part * 100)} %`;
function span(seconds) {
  if (seconds < 60) return `${Math.round(seconds)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 172800) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86400)} d`;
}

// ---- what is known ----

let status = null;
let past = []; // of the last minute, the oldest first: {at, located, groups: Map(id -> streams under way)}
let sorting = { key: "id", descending: false };

// Every client is asked of the first provider, unless the cache of places knows it.
function located(told) {
  const places = told.caches.places;
  return Math.max(told.resolver.providers[0]?.calls ?? 0, places.hits + places.misses + places.stale);
}

function remember(told) {
  if (status && told.uptime_s < status.uptime_s) past = []; // it was started anew
  const at = performance.now();
  past.push({ at, located: located(told), groups: new Map(told.groups.map((group) => [group.id, group.under_way])) });
  while (past.length > 2 && past[1].at <= at - kMinute) past.shift();
  status = told;
}

const seen = () => Math.min(kMinute, past[past.length - 1].at - past[0].at) / 1000; // seconds
// How many more streams are under way than a minute ago, or when the page was opened.
const gained = (group) => group.under_way - (past[0].groups.get(group.id) ?? group.under_way);

function worst(nodes) {
  const up = nodes.filter((node) => node.state === "up").length;
  if (up === nodes.length && up > 0) return "up";
  if (up > 0) return "partly";
  return nodes.length === 0 ? "offline" : nodes[0].state;
}

// ---- the parts of the page ----

function showFigures() {
  const up = status.nodes.filter((node) => node.state === "up").length;
  const sum = (key) => status.groups.reduce((all, group) => all + group[key], 0);
  const figures = {
    up: `${whole.format(up)} of ${whole.format(status.nodes.length)}`,
    under_way: whole.format(sum("under_way")),
    located: whole.format(Math.max(0, past[past.length - 1].located - past[0].located)),
    snapshot: status.snapshot ? `${status.snapshot.source.replace("_", " ")}, ${span(status.snapshot.age_s)}` : "none",
    uptime: span(status.uptime_s),
  };
  for (const [name, text] of Object.entries(figures)) $(`[data-figure=${name}]`).textContent = text;
  $("[data-figure=snapshot]").title = status.snapshot ? `version ${status.snapshot.version}` : "";
  $("#version").textContent = status.version;
}

function showFlows() {
  const now = past[past.length - 1].at, groups = [...status.groups].sort((a, b) => b.under_way - a.under_way || a.id.localeCompare(b.id));
  $("#flows-span").textContent = `streams under way, last ${seen() < 59 ? span(seen()) : "minute"}`;
  settle($("#flow-list"), groups.slice(0, 12).map((group) => {
    const counts = past.map((look) => look.groups.get(group.id) ?? 0), most = Math.max(1, ...counts);
    const points = past.map(({ at }, i) => `${Math.max(0, 60 - (now - at) / 1000).toFixed(1)},${(20 - (counts[i] / most) * 18).toFixed(1)}`);
    const change = gained(group);
    return element("li", { "data-flow": group.id }, element("b", {}, group.id),
      drawing("svg", { class: "spark", viewBox: "0 0 60 20", preserveAspectRatio: "none", "aria-hidden": "true" },
        drawing("polygon", { points: `${points[0].split(",")[0]},20 ${points.join(" ")} 60,20` }), drawing("polyline", { points: points.join(" ") })),
      element("span", { class: "number" }, whole.format(group.under_way)),
      element("span", { class: "dim number" }, change === 0 ? "no change" : `${change > 0 ? "+" : "−"}${whole.format(Math.abs(change))}`));
  }));
}

// What is shown of the world: as much as has groups on it, in half degrees as the land is.
function frame(groups, ratio) {
  const xs = groups.map((group) => group.coordinates[1] * 2), ys = groups.map((group) => -group.coordinates[0] * 2);
  if (groups.length === 0) return { x: -360, y: -168, width: 720, height: 720 / ratio };
  const wanted = Math.max(Math.max(...xs) - Math.min(...xs) + 90, (Math.max(...ys) - Math.min(...ys) + 60) * ratio, 120);
  const width = Math.min(wanted, 720);
  const height = width / ratio, within = (low, value, high) => Math.max(low, Math.min(value, high));
  return { x: within(-360, (Math.max(...xs) + Math.min(...xs) - width) / 2, 360 - width),
    y: within(-168, (Math.max(...ys) + Math.min(...ys) - height) / 2, Math.max(-168, 122 - height)), width, height };
}

function meanLoad(nodes) {
  const loads = nodes.map((node) => node.load).filter((load) => load !== null);
  return loads.length === 0 ? null : loads.reduce((sum, load) => sum + load, 0) / loads.length;
}

// The group's nodes in rings around it: a dot each.
function dots(nodes, radius, unit) {
  const all = [];
  for (let ring = 0, done = 0; done < Math.min(nodes.length, 400); ++ring) {
    const distance = radius + (6 + 7 * ring) * unit, room = Math.max(6, Math.floor((2 * Math.PI * distance) / (8 * unit)));
    const here = nodes.slice(done, done + room);
    here.forEach((node, i) => {
      const angle = (2 * Math.PI * i) / Math.max(here.length, 6) - Math.PI / 2;
      all.push(drawing("circle", { class: "dot", "data-state": node.state, cx: distance * Math.cos(angle), cy: distance * Math.sin(angle),
        r: (2.6 + 2 * Math.min(1, node.load ?? 0)) * unit }));
    });
    done += here.length;
  }
  return all;
}

function showMap() {
  const placed = status.groups.filter((group) => group.coordinates);
  const map = $("#map"), view = frame(placed, Math.max(0.5, map.clientWidth / Math.max(1, map.clientHeight)));
  map.setAttribute("viewBox", `${view.x} ${view.y} ${view.width} ${view.height}`);
  const unit = (view.width / Math.max(1, map.clientWidth)) * Math.max(1, Math.min(2, map.clientWidth / 1000)); // of a pixel, or more on a wall
  map.style.setProperty("--unit", unit);
  const size = map.clientWidth < 600 ? unit * 0.7 : unit; // on a phone discs are small, words are not
  const streams = Math.max(1, ...status.groups.map((group) => group.under_way));
  const busiest = Math.max(1, ...placed.map((group) => Math.abs(gained(group))));
  const taken = []; // boxes of labels and discs, so that labels do not cover each other
  const at = (group) => ({ x: group.coordinates[1] * 2, y: -group.coordinates[0] * 2 });
  for (const group of placed) {
    const { x, y } = at(group), reach = 14 * size;
    taken.push({ x: x - reach, y: y - reach, width: 2 * reach, height: 2 * reach });
  }
  settle($("#marks"), placed.map((group) => {
    const nodes = status.nodes.filter((node) => node.group === group.id), up = nodes.filter((node) => node.state === "up").length;
    const load = meanLoad(nodes), full = Math.min(1, load ?? group.under_way / streams), radius = (6 + 8 * Math.sqrt(full)) * size, { x, y } = at(group);
    const words = `${group.id}: ${up} of ${nodes.length} nodes up, ${group.under_way} streams under way`
      + (load === null ? "" : `, load ${percent(load)}`);
    const mark = drawing("g", { "data-group": group.id, "data-state": worst(nodes), transform: `translate(${x} ${y})`, tabindex: 0, role: "button",
      "aria-label": words, "aria-pressed": String($("#search").value === group.id) },
      drawing("title", {}, words),
      drawing("circle", { class: "halo", r: radius + 24 * size * Math.sqrt(Math.max(0, gained(group)) / busiest) }),
      drawing("circle", { class: "disc", r: radius }),
      ...dots(nodes, radius, size));
    const label = drawing("text", { "aria-hidden": "true" }, group.id);
    const width = group.id.length * 7.4 * unit, height = 13 * unit, gap = radius + 8 * size + 4 * unit;
    const spots = [[gap, height / 3, "start", 0], [-gap, height / 3, "end", -width], [0, -gap, "middle", -width / 2], [0, gap + height * 0.7, "middle", -width / 2]];
    const free = ([dx, dy, , left]) => {
      const box = { x: x + (left === 0 ? dx : left === -width ? dx - width : left), y: y + dy - height, width, height };
      const inside = box.x > view.x && box.x + width < view.x + view.width && box.y > view.y && box.y + height < view.y + view.height;
      const clear = taken.every((other) => box.x + box.width < other.x || other.x + other.width < box.x || box.y + box.height < other.y || other.y + other.height < box.y);
      return inside && clear && box;
    };
    const spot = spots.find(free) ?? spots[3];
    taken.push(free(spot) || { x, y, width: 0, height: 0 });
    dress(label, { x: spot[0], y: spot[1], "text-anchor": spot[2] }, []);
    mark.append(label);
    return mark;
  }));
}

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
    element("td", { class: "time" }, node.since ? node.since.replace("T", " ").replace("Z", " UTC") : "the start"))));
  const shown = Math.min(found.length, kRowsMax);
  $("#shown").textContent = shown === status.nodes.length ? `${shown}` : `${shown} of ${status.nodes.length}`;
  for (const head of document.querySelectorAll("#nodes th")) {
    if (head.dataset.key === sorting.key) head.setAttribute("aria-sort", sorting.descending ? "descending" : "ascending");
    else head.removeAttribute("aria-sort");
  }
}

function showUpstreams() {
  const kWords = { closed: "up", half_open: "stale", open: "unhealthy" }; // the colours of a breaker
  const rows = [...status.resolver.providers, ...status.upstreams].map((each) => element("tr", { "data-provider": each.name },
    element("td", { class: "id" }, each.name),
    element("td", {}, element("span", { class: "state", "data-state": kWords[each.state] }, each.state.replace("_", " "))),
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
  showFigures();
  showFlows();
  showMap();
  showNodes();
  showUpstreams();
}

// ---- asking geod ----

function connected(live) {
  const it = $("#connection");
  if (it.dataset.state === (live ? "live" : "lost") && it.textContent !== "connecting") return; // told once
  it.dataset.state = live ? "live" : "lost";
  it.textContent = live ? "live" : "connection lost";
}

async function look() {
  try {
    const options = { cache: "no-store", signal: AbortSignal.timeout(kPatience) };
    const [told, ready] = await Promise.all([fetch("/status.json", options), fetch("/readyz", options)]);
    if (!told.ok) throw new Error(`status ${told.status}`);
    const [news, readiness] = [await told.json(), await ready.json()];
    connected(true);
    remember(news);
    const trouble = $("#trouble"), text = readiness.ready === false ? `Not ready: ${readiness.reasons.join("; ")}` : "";
    if (trouble.textContent !== text) trouble.textContent = text;
    trouble.hidden = text === "";
    show();
  } catch (fault) {
    connected(false);
    if (!(fault instanceof TypeError || fault instanceof DOMException)) console.error(fault);
  }
  setTimeout(look, kEvery);
}

// ---- "what would this address get?" ----

const kMeanings = {
  drained: "its admin state is drain", offline: "its admin state is offline", unhealthy: "it reports or was found not to work",
  stale: "its last report is too old", full: "its capacity is used up", quota: "the partner’s share of the group is used up",
  forbidden: "a forbid rule keeps clients of that country away", partner: "it does not serve this partner",
  pattern: "it does not serve this pattern", format: "it does not serve this format", excluded: "the client excluded it",
  weight: "its weight is 0", overloaded: "above its share of what is under way", not_first: "it may serve, but comes later for this camera",
};

const joined = (...parts) => parts.filter((part) => part || part === 0).join(", ");
const kFindings = {
  locate: (at) => joined(at.city, at.region ?? at.region_iso, at.country_code, at.coordinates && `at ${at.coordinates.join(", ")}`) || "no place, but known",
  group: (found) => found.group === null ? `none for partner ${found.partner}` : `${found.group}, by ${found.by.replaceAll("_", " ")}, of partner ${found.partner}`,
  select: (choice) => choice.node === null ? "nobody" : `${choice.node} of ${choice.group}, for ${choice.pattern}`,
  authorize: (right) => `${right.owner_type}/${right.owner_id} may view it${right.expires_at ? `, until ${right.expires_at}` : ""}`,
  bill: (bill) => `tariff ${bill.tariff}, ${bill.streams}${bill.max_streams === null ? " streams in use, no limit" : ` of ${bill.max_streams} streams in use`}`,
  inspect: (device) => `server ${device.server_online ? "online" : "offline"}, camera ${device.camera_online ? "online" : "offline"}, streams ${device.streams.join(", ")}`,
  sign: (signature) => `with key ${signature.kid}, good until ${signature.expires_at}`,
};

function drawCandidates(candidates) {
  return element("ul", { class: "candidates", "aria-label": "Candidates" }, ...candidates.map((each) => element("li",
    { "data-candidate": each.node, "data-chosen": each.chosen ? "true" : null }, element("span", {}, each.node),
    element("span", { class: "dim" }, each.group),
    each.chosen ? element("span", { class: "chosen" }, "chosen") : element("span", {}, `${each.refused.replaceAll("_", " ")}: ${kMeanings[each.refused] ?? ""}`))));
}

function drawStep(step, candidates) {
  const note = joined(step.source, step.cached && (step.stale ? "stale" : "cached"), `${step.duration_us} µs`);
  const said = step.code ? element("p", {}, element("span", { class: step.step === "locate" ? null : "refused" }, step.code), `: ${step.detail}`)
    : element("p", {}, step.result === null ? "" : kFindings[step.step](step.result));
  const refused = step.code && step.step !== "locate"; // nobody knows the place: the default group serves
  return element("li", { "data-step": step.step, "data-refused": refused ? step.code : null }, element("h3", {}, step.step), element("span", { class: "dim" }, note), said,
    step.step === "select" && candidates.length > 0 ? drawCandidates(candidates) : null);
}

// For a shell, word by word.
const quoted = (word) => (/^[\w.:,/-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`);
function commandFor(asked, hasToken) {
  const words = ["geoctl", "explain", "--live"];
  for (const [name, value] of asked) words.push(`--${name}`, quoted(value));
  if (hasToken) words.push("--token-file", "client.token");
  return words.join(" ");
}

function drawCommand(command) {
  const code = element("code", { id: "command" }, command), copy = element("button", { type: "button", class: "copy" }, "Copy");
  copy.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(command);
      copy.textContent = "Copied";
    } catch { // not over plain HTTP from afar: there it is marked, to be copied by hand
      getSelection().selectAllChildren(code);
      copy.textContent = "Marked";
    }
  });
  return element("div", { class: "command" }, code, copy);
}

function drawRefusal(problem, form) {
  const [name] = problem.detail.split(":"), field = form.elements[{ "X-Client-Token": "token" }[name] ?? name];
  if (field instanceof HTMLElement) {
    field.setAttribute("aria-invalid", "true");
    field.focus();
  }
  return element("p", { role: "alert", "data-refused": problem.code }, element("span", { class: "refused" }, problem.code), `: ${problem.detail}`);
}

// The token goes in a header: URLs are kept in histories and logs.
async function explain(form) {
  const asked = ["ip", "server", "camera", "format"].map((name) => [name, form.elements[name].value.trim()]).filter(([, value]) => value !== "");
  const token = form.elements.token.value;
  for (const field of form.elements) field.removeAttribute("aria-invalid");
  if (token !== "" && !/^[\x21-\x7e]{1,4096}$/.test(token)) return [drawRefusal({ code: "bad_request", detail: "token: 1-4096 visible ASCII characters" }, form)];
  const answer = await fetch(`/explain?${new URLSearchParams(asked)}`,
    { cache: "no-store", signal: AbortSignal.timeout(15000), headers: token === "" ? {} : { "X-Client-Token": token } });
  const told = await answer.json();
  if (!answer.ok) return [drawRefusal(told, form)];
  const end = told.location ? element("p", { class: "location" }, element("strong", {}, "Location: "), told.location)
    : element("p", { class: told.code === "redirect" ? null : "refused" }, told.code === "redirect" ? "This node would serve. With a token, a camera and its server the whole way is walked." : `The answer is ${told.code}.`);
  return [element("ol", { class: "steps" }, ...told.steps.map((step) => drawStep(step, told.candidates))), end, drawCommand(commandFor(asked, token !== ""))];
}

$("form#explain").addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = event.target, button = form.querySelector("button"), result = $("#explain-result");
  button.disabled = true;
  result.setAttribute("aria-busy", "true");
  try {
    result.replaceChildren(...await explain(form));
  } catch {
    result.replaceChildren(element("p", { role: "alert", class: "refused" }, "geod did not answer."));
  }
  result.setAttribute("aria-busy", "false");
  button.disabled = false;
});

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
