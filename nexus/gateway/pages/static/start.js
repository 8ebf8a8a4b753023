// The start page, alive: fills the form from a sentence, follows the steps of an activation, hands over the key.
// The operator's key is read from its field when it is sent and is kept nowhere else.

const $ = (id) => document.getElementById(id);
const form = $("form");
const STEP_NAMES = {
  validate: "Check the business", preset: "Choose its preset", allocate: "Take a place for its data", roles: "Close its walls",
  events: "Open its events", seed: "Plant what it starts with", copilots: "Register copilots and integrations", dns: "Record its names",
  verify: "Prove it as the owner", active: "Open the business",
};

const value = (name) => (form.elements[name]?.value ?? "").trim();

function businessOf() {
  const business = { name: value("name"), country: value("country"), owner: { name: value("owner.name"), email: value("owner.email") } };
  for (const name of ["industry", "describe", "size", "slug", "chart"]) if (value(name)) business[name] = value(name);
  if (form.elements.sample_data.checked) business.sample_data = true;
  return business;
}

function show(panel) {
  for (const one of ["asking", "running", "done"]) $(one).hidden = one !== panel;
  $(panel).querySelector("h2").focus();
}

// Errors stand next to the fields they are about

function clearErrors() {
  $("alert").hidden = true;
  for (const place of form.querySelectorAll(".error")) place.textContent = "";
  for (const field of form.querySelectorAll("[aria-invalid]")) field.removeAttribute("aria-invalid");
}

function fieldError(name, message) {
  const field = form.elements[name.replace(/\[.*$/, "")];
  const place = field && $(`error-${field.name}`);
  if (!place) return false;
  place.textContent = message.charAt(0).toUpperCase() + message.slice(1);
  field.setAttribute("aria-invalid", "true");
  const hiding = field.closest("details");
  if (hiding) hiding.open = true;
  return true;
}

function alertOf(message) {
  $("alert").textContent = message;
  $("alert").hidden = false;
}

function refuse(problem) {
  const left = [];
  if (problem.status === 401) fieldError("operator_key", "This is not the operator's key of this installation.");
  else if (problem.type === "/problems/slug-taken") {
    fieldError("slug", problem.detail);
    if (problem.suggestion) form.elements.slug.value = problem.suggestion;
  } else if (problem.errors?.length) {
    for (const error of problem.errors) if (!fieldError(error.field, error.message)) left.push(`${error.field}: ${error.message}`);
  } else left.push(problem.detail || problem.title || "That did not work.");
  if (left.length) alertOf(left.join(" · "));
  show("asking");
  (form.querySelector("[aria-invalid='true']") ?? $("alert")).focus();
}

const NEEDED = {
  "name": "Give the business a name.", "country": "Choose where it is.", "owner.name": "Say who owns it.", "owner.email": "Say where the owner is written to.",
  "operator_key": "Only the operator may activate: the key is needed.",
};

function missing() {
  let complete = true;
  for (const field of form.querySelectorAll("[required]")) {
    if (!field.value.trim()) complete = !fieldError(field.name, NEEDED[field.name]) && complete;
    else if (field.type === "email" && !field.validity.valid) complete = !fieldError(field.name, "Write it like ade@example.com.") && complete;
  }
  if (!complete) form.querySelector("[aria-invalid='true']").focus();
  return !complete;
}

// A sentence fills the form in

async function suggest() {
  const sentence = value("describe");
  if (!sentence) return form.elements.describe.focus();
  const body = new URLSearchParams({ do: "suggest", describe: sentence });
  const answer = await fetch("/", { method: "POST", body, headers: { accept: "application/json" } });
  const proposal = await answer.json();
  if (!answer.ok) return refuse(proposal);
  for (const name of ["name", "industry", "country", "size"]) {
    const field = form.elements[name];
    const said = proposal[name];
    if (!said || (name === "industry" && proposal.confidence === 0) || (name === "name" && field.value.trim())) continue;
    field.value = said;
  }
  clearErrors();
  const told = $("told-list");
  told.replaceChildren(...proposal.because.map((reason) => {
    const item = document.createElement("li");
    const name = document.createElement("b");
    const words = { time_zone: "time zone" };
    const shown = reason.field === "industry" ? $("industry").selectedOptions[0].textContent : [].concat(proposal[reason.field]).join(", ");
    name.textContent = shown;
    item.append(`${words[reason.field] ?? reason.field}: `, name, reason.evidence === shown ? "" : ` (“${reason.evidence}”)`);
    return item;
  }));
  $("told").hidden = false;
  $("told-text").textContent = proposal.because.length ? "Understood:" : "Nothing in it says what the business does or where. Say it in other words, or fill in the form.";
}

// Following an activation

function drawSteps(steps) {
  const list = $("steps");
  if (list.children.length !== steps.length) {
    list.replaceChildren(...steps.map((step) => {
      const item = document.createElement("li");
      const [mark, name, time] = ["mark", "name", "time"].map((kind) => Object.assign(document.createElement("span"), { className: kind }));
      mark.setAttribute("aria-hidden", "true");
      name.textContent = STEP_NAMES[step.name] ?? step.name;
      item.append(mark, name, time);
      return item;
    }));
  }
  steps.forEach((step, at) => {
    const item = list.children[at];
    item.dataset.state = step.state;
    item.dataset.name = step.name;
    item.lastChild.textContent = step.state === "done" && step.ms !== null ? milliseconds(step.ms) : step.state === "waiting" ? "" : step.state;
    item.title = step.error ?? "";
  });
  const now = steps.find((step) => step.state === "running");
  const done = steps.filter((step) => step.state === "done").length;
  $("status").textContent = now ? `${STEP_NAMES[now.name] ?? now.name} (${done} of ${steps.length} done)` : `${done} of ${steps.length} steps done`;
}

const milliseconds = (ms) => (ms >= 1000 ? `${(ms / 1000).toFixed(2)} s` : `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`);

async function* events(answer) {
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let buffer = "";
  for (;;) {
    const { value: part, done } = await reader.read();
    if (done) return;
    buffer += part;
    for (let end; (end = buffer.indexOf("\n\n")) >= 0; buffer = buffer.slice(end + 2)) {
      const lines = buffer.slice(0, end).split("\n");
      const of = (name) => lines.filter((line) => line.startsWith(`${name}: `)).map((line) => line.slice(name.length + 2)).join("\n");
      if (of("data")) yield { name: of("event"), data: JSON.parse(of("data")) };
    }
  }
}

async function follow(answer, key) {
  let id = null;
  for (let attempt = 0; attempt < 5; attempt += 1) {
    try {
      for await (const { name, data } of events(answer)) {
        id = data.id ?? id;
        drawSteps(data.steps);
        if (name === "end") return data;
      }
    } catch {
      $("status").textContent = "The connection was lost; looking again …";
    }
    if (!id) break;
    answer = await fetch(`/api/v1/activations/${id}/events`, { headers: { authorization: `Bearer ${key}` } });
  }
  return null;
}

const random = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");

async function activate() {
  clearErrors();
  if (missing()) return;
  const key = value("operator_key");
  const business = businessOf();
  $("submit").disabled = true;
  try {
    const headers = { "content-type": "application/json", accept: "text/event-stream", authorization: `Bearer ${key}`, "idempotency-key": random() };
    const answer = await fetch("/api/v1/activate", { method: "POST", body: JSON.stringify(business), headers });
    if (!answer.ok) return refuse(await answer.json());
    $("running-name").textContent = business.name;
    $("steps").replaceChildren();
    show("running");
    const end = await follow(answer, key);
    if (end?.state !== "active") {
      const step = STEP_NAMES[end?.failed_step] ?? end?.failed_step;
      return refuse({ detail: end ? `It failed at “${step}” and was undone: ${end.reason}` : "The connection was lost, and the activation goes on without it." });
    }
    const credentials = await fetch(`/api/v1/activations/${end.id}/credentials`, { method: "POST", headers: { authorization: `Bearer ${key}` } });
    finish(end, credentials.ok ? (await credentials.json()).credentials.api_key : null);
  } catch (error) {
    refuse({ detail: `NEXUS cannot be reached: ${error.message}` });
  } finally {
    $("submit").disabled = false;
  }
}

// Where to go

function finish(end, key) {
  const total = end.steps.reduce((sum, step) => sum + (step.ms ?? 0), 0);
  $("done-name").textContent = end.tenant.name;
  $("done-time").textContent = `Ready in ${milliseconds(total)}.`;
  $("key").value = key ?? "";
  $("key-box").hidden = !key;
  $("no-key").hidden = Boolean(key);
  for (const name of ["api", "docs", "openapi"]) {
    $(`to-${name}`).textContent = end.endpoints[name];
    $(`to-${name}`).href = end.endpoints[name];
  }
  $("to-tenant").textContent = `${end.tenant.slug} · ${end.tenant.country} · ${end.tenant.currency} · ${end.tenant.time_zone}`;
  const lead = `'{"name": "Ada Obi", "email": "ada@example.com"}'`;
  $("curl").textContent = `curl ${end.endpoints.api}/crm/leads \\\n  -H "Authorization: Bearer ${key ?? "<the owner's key>"}" \\\n  -H "Content-Type: application/json" \\\n  -d ${lead}`;
  $("proof").replaceChildren(...end.proof.map((line) => Object.assign(document.createElement("li"), { textContent: line })));
  form.elements.operator_key.value = "";
  show("done");
}

async function copy(button) {
  const source = $(button.dataset.copy);
  const text = source.value ?? source.textContent;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const range = document.createRange();
    if (source.select) source.select();
    else {
      range.selectNodeContents(source);
      getSelection().removeAllRanges();
      getSelection().addRange(range);
    }
    document.execCommand("copy");
  }
  const before = button.textContent;
  button.textContent = "Copied";
  $("status").textContent = "Copied";
  setTimeout(() => { button.textContent = before; }, 1600);
}

if (form) {
  form.noValidate = true;
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    (event.submitter?.value === "suggest" ? suggest() : activate()).catch((error) => alertOf(error.message));
  });
  $("again").addEventListener("click", () => { form.reset(); clearErrors(); $("told").hidden = true; $("key").value = ""; $("curl").textContent = ""; show("asking"); });
}
for (const button of document.querySelectorAll("[data-copy]")) {
  button.hidden = false;
  button.addEventListener("click", () => copy(button));
}
