// Groups on the map, and whose clients were served where in the last minute: drawn, and in words.

const minuteOf = (group) => group.served_by.reduce((sum, flow) => sum + flow.last_minute, 0);
const ownOf = (group) => group.served_by.find((flow) => flow.group === group.id)?.last_minute ?? 0;
const spillsOf = (group) => group.served_by.filter((flow) => flow.group !== group.id && flow.last_minute > 0);
// "1,204 redirects in the last minute: 88 % by its own nodes, 12 % by eu"
function wordsOf(group) {
  const all = minuteOf(group);
  if (all === 0) return "no redirects in the last minute";
  const parts = group.served_by.filter((flow) => flow.last_minute > 0).sort((a, b) => b.last_minute - a.last_minute)
    .map((flow) => `${percent(flow.last_minute / all)} by ${flow.group === group.id ? "its own nodes" : flow.group}`);
  return `${whole.format(all)} ${all === 1 ? "redirect" : "redirects"} in the last minute: ${parts.join(", ")}`;
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

// The group's nodes in rings around it: a dot each. `reach`: how far they go.
function dots(nodes, radius, unit) {
  const all = [];
  let reach = radius;
  for (let ring = 0, done = 0; done < Math.min(nodes.length, 400); ++ring) {
    const distance = radius + (6 + 7 * ring) * unit, room = Math.max(6, Math.floor((2 * Math.PI * distance) / (8 * unit)));
    const here = nodes.slice(done, done + room);
    here.forEach((node, i) => {
      const angle = (2 * Math.PI * i) / Math.max(here.length, 6) - Math.PI / 2;
      all.push(drawing("circle", { class: "dot", "data-state": node.state, cx: distance * Math.cos(angle), cy: distance * Math.sin(angle),
        r: (2.6 + 2 * Math.min(1, node.load ?? 0)) * unit }));
    });
    done += here.length;
    reach = distance + 5 * unit;
  }
  return { all, reach };
}

// From one mark's edge to another's, bent to the right of the way: what comes back is bent to the other side. `way`: boxes
// along it.
function arrow(from, to, width, unit, attributes) {
  const dx = to.x - from.x, dy = to.y - from.y, distance = Math.hypot(dx, dy);
  if (distance <= from.reach + to.reach + 6 * unit) return null; // one on the other: the words tell
  const over = { x: (from.x + to.x) / 2 - dy * 0.16, y: (from.y + to.y) / 2 + dx * 0.16 };
  const towards = (a, b, far) => {
    const whole = Math.hypot(b.x - a.x, b.y - a.y);
    return { x: a.x + ((b.x - a.x) / whole) * far, y: a.y + ((b.y - a.y) / whole) * far };
  };
  const head = 6 * unit + 1.3 * width;
  const begin = towards(from, over, from.reach + unit), tip = towards(to, over, to.reach + unit), base = towards(to, over, to.reach + unit + head);
  const nx = (-(tip.y - base.y) / head) * head * 0.5, ny = ((tip.x - base.x) / head) * head * 0.5;
  const at = (...points) => points.map(({ x, y }) => `${x.toFixed(2)} ${y.toFixed(2)}`).join(" ");
  const way = Array.from({ length: 17 }, (_, i) => i / 16).map((t) => ["x", "y"].map((axis) => (1 - t) ** 2 * begin[axis] + 2 * t * (1 - t) * over[axis] + t ** 2 * tip[axis]));
  return { way: way.map(([x, y]) => ({ x: x - head / 2, y: y - head / 2, width: head, height: head })), drawn: drawing("g", attributes,
    drawing("path", { d: `M${at(begin)}Q${at(over, base)}`, "stroke-width": width.toFixed(2) }),
    drawing("polygon", { points: at(tip, { x: base.x + nx, y: base.y + ny }, { x: base.x - nx, y: base.y - ny }) })) };
}

// The text beside a mark, where it covers nothing; null: there is no such place.
function label(mark, lines, unit, view, taken, ways) {
  const width = Math.max(lines[0].length * 7.4, (lines[1] ?? "").length * 6.6) * unit, line = 14 * unit, height = lines.length * line, gap = mark.reach + 3 * unit;
  const spots = [[gap, -height / 2, "start", 0], [-gap, -height / 2, "end", -width], [0, -gap - height, "middle", -width / 2], [0, gap, "middle", -width / 2]];
  for (const [dx, dy, anchor, left] of spots) {
    const box = { x: mark.x + dx + left, y: mark.y + dy, width, height };
    const inside = box.x > view.x && box.x + width < view.x + view.width && box.y > view.y && box.y + height < view.y + view.height;
    const meets = (other) => box.x + width >= other.x && other.x + other.width >= box.x && box.y + height >= other.y && other.y + other.height >= box.y;
    if (!inside || taken.some(meets) || ways.some(meets)) continue;
    taken.push(box);
    return drawing("text", { "aria-hidden": "true", "text-anchor": anchor },
      ...lines.map((text, i) => drawing("tspan", { class: i === 0 ? null : "rate", x: dx, y: dy + (i + 0.8) * line }, text)));
  }
  return null;
}

function showMap() {
  const placed = status.groups.filter((group) => group.coordinates);
  const map = $("#map"), view = frame(placed, Math.max(0.5, map.clientWidth / Math.max(1, map.clientHeight)));
  map.setAttribute("viewBox", `${view.x} ${view.y} ${view.width} ${view.height}`);
  const unit = (view.width / Math.max(1, map.clientWidth)) * Math.max(1, Math.min(2, map.clientWidth / 1000)); // of a pixel, or more on a wall
  map.style.setProperty("--unit", unit);
  const size = map.clientWidth < 600 ? unit * 0.7 : unit; // on a phone discs are small, words are not
  const most = (counts) => Math.max(1, ...counts);
  const streams = most(status.groups.map((group) => group.under_way)), served = most(placed.map(ownOf));
  const spilled = most(placed.flatMap(spillsOf).map((flow) => flow.last_minute));
  const marks = new Map(placed.map((group) => {
    const nodes = status.nodes.filter((node) => node.group === group.id), load = meanLoad(nodes);
    const radius = (6 + 8 * Math.sqrt(Math.min(1, load ?? group.under_way / streams))) * size;
    return [group.id, { group, nodes, load, radius, ...dots(nodes, radius, size), x: group.coordinates[1] * 2, y: -group.coordinates[0] * 2 }];
  }));
  const arrows = [...marks.values()].flatMap((mark) => spillsOf(mark.group).map((flow) => marks.has(flow.group) ? arrow(mark, marks.get(flow.group),
    (1.5 + 5 * Math.sqrt(flow.last_minute / spilled)) * size, size, { "data-spill": `${mark.group.id} ${flow.group}`, "data-from": mark.group.id, "data-to": flow.group }) : null))
    .filter((it) => it !== null);
  settle($("#spills"), arrows.map(({ drawn }) => drawn));
  const taken = [...marks.values()].map(({ x, y, reach }) => ({ x: x - reach, y: y - reach, width: 2 * reach, height: 2 * reach })); // so that labels cover nothing
  // Where there is no room for all, those are named that need a look; the others' names come up under the pointer.
  const labels = new Map(), ways = arrows.flatMap(({ way }) => way), picked = $("#search").value;
  const urgency = ({ group, nodes }) => (worst(nodes) === "up" ? 0 : 1) + (spillsOf(group).length > 0 ? 2 : 0) + (picked === group.id ? 4 : 0);
  for (const mark of [...marks.values()].sort((a, b) => urgency(b) - urgency(a) || minuteOf(b.group) - minuteOf(a.group))) {
    const rate = map.clientWidth >= 600 && minuteOf(mark.group) > 0 ? [`${whole.format(minuteOf(mark.group))} a minute`] : [];
    const words = [mark.group.id, ...rate];
    labels.set(mark.group.id, label(mark, words, unit, view, taken, ways) ?? label(mark, words, unit, view, taken, []) ?? label(mark, [mark.group.id], unit, view, taken, []));
  }
  settle($("#marks"), [...marks.values()].map((mark) => {
    const { group, nodes, load, radius } = mark, up = nodes.filter((node) => node.state === "up").length;
    const words = `${group.id}: ${up} of ${nodes.length} nodes up, ${whole.format(group.under_way)} streams under way`
      + (load === null ? "" : `, load ${percent(load)}`) + `, ${wordsOf(group)}`;
    return drawing("g", { "data-group": group.id, "data-state": worst(nodes), transform: `translate(${mark.x} ${mark.y})`, tabindex: 0, role: "button",
      "aria-label": words, "aria-pressed": String(picked === group.id) },
      drawing("title", {}, words),
      drawing("circle", { class: "halo", r: ownOf(group) === 0 ? 0 : mark.reach + (3 + 16 * Math.sqrt(ownOf(group) / served)) * size }),
      drawing("circle", { class: "disc", r: radius }),
      ...mark.all,
      labels.get(group.id));
  }));
  const nowhere = status.groups.filter((group) => !group.coordinates).map((group) => group.id);
  $("#nowhere").textContent = nowhere.length === 0 ? "" : `Without coordinates, so not on the map: ${nowhere.join(", ")}`;
}

const kFlowsMax = 12;

function showFlows() {
  const spilledBy = (group) => spillsOf(group).reduce((sum, flow) => sum + flow.last_minute, 0);
  const now = past[past.length - 1].at;
  const groups = [...status.groups].sort((a, b) => spilledBy(b) - spilledBy(a) || b.under_way - a.under_way || a.id.localeCompare(b.id));
  const shown = groups.slice(0, kFlowsMax);
  $("#flows-span").textContent = joined(shown.length < groups.length && `${shown.length} of ${groups.length} groups`, `streams under way, last ${minuteOrLess()}`);
  settle($("#flow-list"), shown.map((group) => {
    const counts = past.map((look) => look.groups.get(group.id) ?? 0), high = Math.max(1, ...counts);
    const points = past.map(({ at }, i) => `${Math.max(0, 60 - (now - at) / 1000).toFixed(1)},${(20 - (counts[i] / high) * 18).toFixed(1)}`);
    const change = gained(group);
    return element("li", { "data-flow": group.id }, element("b", {}, group.id),
      drawing("svg", { class: "spark", viewBox: "0 0 60 20", preserveAspectRatio: "none", "aria-hidden": "true" },
        drawing("polygon", { points: `${points[0].split(",")[0]},20 ${points.join(" ")} 60,20` }), drawing("polyline", { points: points.join(" ") })),
      element("span", { class: "number" }, whole.format(group.under_way)),
      element("span", { class: "dim number" }, change === 0 ? "no change" : `${change > 0 ? "+" : "−"}${whole.format(Math.abs(change))}`),
      element("p", { class: spilledBy(group) > 0 ? "spills" : "dim" }, wordsOf(group)));
  }));
}
