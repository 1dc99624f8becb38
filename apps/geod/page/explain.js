// "What would this address get?", drawn step by step.

const kMeanings = {
  drained: "its admin state is drain", offline: "its admin state is offline", unhealthy: "it reports or was found not to work",
  stale: "its last report is too old", full: "its capacity is used up", quota: "the partner’s share of the group is used up",
  forbidden: "a forbid rule keeps clients of that country away", partner: "it does not serve this partner",
  pattern: "it does not serve this pattern", format: "it does not serve this format", excluded: "the client excluded it",
  weight: "its weight is 0", overloaded: "above its share of what is under way", not_first: "it may serve, but comes later for this camera",
};

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
  const answer = await fetch(here(`/explain?${new URLSearchParams(asked)}`),
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

