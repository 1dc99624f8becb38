// The status page: asks /status.json again and again and shows what it says; asks /explain when told to.
// One script of basics.js, map.js, explain.js and app.js, in this order.
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
  const keyOf = ({ dataset }) => dataset.node ?? dataset.group ?? dataset.flow ?? dataset.spill ?? dataset.provider ?? dataset.file ?? dataset.cache;
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

const joined = (...parts) => parts.filter((part) => part || part === 0).join(", ");
const whole = new Intl.NumberFormat("en");
const percent = (part) => (part > 0 && part < 0.005 ? "under 1 %" : `${Math.round(part * 100)} %`);
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
  past = past.filter((look) => look.at >= at - kMinute);
  status = told;
}

// What the page itself has seen: it may have been opened a moment ago.
function minuteOrLess() {
  const seen = (past[past.length - 1].at - past[0].at) / 1000;
  return seen < 57 ? span(seen) : "minute";
}
// How many more streams are under way than then.
const gained = (group) => group.under_way - (past[0].groups.get(group.id) ?? group.under_way);

function worst(nodes) {
  const up = nodes.filter((node) => node.state === "up").length;
  if (up === nodes.length && up > 0) return "up";
  if (up > 0) return "partly";
  return nodes.length === 0 ? "offline" : nodes[0].state;
}

