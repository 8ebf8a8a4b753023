// The reference, alive: search over every operation, and trying one out with a key that stays in this page's memory.

const $ = (id) => document.getElementById(id);
const make = (name, text, more = {}) => Object.assign(document.createElement(name), { textContent: text, ...more });

$("find").hidden = false;
for (const part of document.querySelectorAll(".try")) part.hidden = false;
if (matchMedia("(max-width: 860px)").matches) document.querySelector(".all").open = false;

// Search

let index = null;

async function search() {
  index ??= await (await fetch("/docs/index.json")).json();
  const words = $("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  const fits = (one) => words.every((word) => `${one.summary} ${one.method} ${one.path}`.toLowerCase().includes(word));
  const found = words.length ? index.filter(fits).slice(0, 12) : [];
  $("found").replaceChildren(...found.map((one) => {
    const item = make("li", "");
    const link = make("a", one.summary, { href: one.href });
    link.append(make("small", `${one.method} ${one.path}`));
    item.append(link);
    return item;
  }));
  if (words.length && !found.length) $("found").append(make("li", "Nothing has these words.", { className: "hint" }));
}

$("search").addEventListener("input", search);
$("search").addEventListener("keydown", (event) => {
  if (event.key === "Enter") $("found").querySelector("a")?.click();
});
document.addEventListener("keydown", (event) => {
  if (event.key === "/" && !/^(INPUT|TEXTAREA|SELECT)$/.test(document.activeElement.tagName)) {
    event.preventDefault();
    $("search").focus();
  }
});

// Trying out

async function send(form) {
  const output = form.querySelector("output");
  const headers = { authorization: `Bearer ${$("credential").value.trim()}` };
  let path = form.dataset.path;
  const query = new URLSearchParams(form.elements.rest?.value ?? "");
  for (const field of form.elements) {
    const [place, name] = field.name.split(":");
    if (place === "path") path = path.replace(`{${name}}`, encodeURIComponent(field.value.trim()));
    else if (place === "query" && field.value) query.set(name, field.value);
    else if (place === "header" && field.value) headers[name] = field.value;
  }
  const body = form.elements.body?.value;
  if (body !== undefined) headers["content-type"] = "application/json";
  const began = performance.now();
  const answer = await fetch(path + (query.size ? `?${query}` : ""), { method: form.dataset.method, headers, body });
  const text = await answer.text();
  const took = Math.round(performance.now() - began);
  let shown = text;
  try {
    shown = JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    // what is no JSON is shown as it came
  }
  const tag = answer.headers.get("etag");
  output.replaceChildren(make("b", `${answer.status} in ${took} ms${tag ? `, ETag ${tag}` : ""}`), make("pre", shown || "(no body)", { tabIndex: 0 }));
}

for (const form of document.querySelectorAll(".try form")) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (!$("credential").value.trim()) {
      form.querySelector("output").replaceChildren(make("b", "A key is needed: put it into the field beside the search."));
      $("credential").focus();
      return;
    }
    send(form).catch((error) => form.querySelector("output").replaceChildren(make("b", `It cannot be reached: ${error.message}`)));
  });
}
