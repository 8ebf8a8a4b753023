// GraphiQL against this server. Whoever asks is in the header that is typed under "Headers"; it is kept nowhere.
const { createElement, useEffect, useState } = window.React;
const { GraphiQL } = window;
const place = document.getElementById("graphiql");

async function send(body, headers, accept) {
  const said = { "content-type": "application/json", accept, ...headers };
  return fetch("/graphql", { method: "POST", headers: said, body: JSON.stringify(body) });
}

// Subscriptions come as server-sent events: one response after the other until the stream is complete.
async function* told(body, headers) {
  const response = await send(body, headers, "text/event-stream");
  if (!response.headers.get("content-type")?.startsWith("text/event-stream")) {
    yield await response.json();
    return;
  }
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  try {
    for (let text = ""; ; ) {
      const { value, done } = await reader.read();
      if (done) return;
      const blocks = (text + value).split("\n\n");
      text = blocks.pop();
      for (const block of blocks) {
        if (block.startsWith("event: complete")) return;
        if (block.startsWith("event: next")) yield JSON.parse(block.slice(block.indexOf("data: ") + 6));
      }
    }
  } finally {
    await reader.cancel();
  }
}

function subscribes(body, document) {
  const asked = document?.definitions.filter((one) => one.kind === "OperationDefinition") ?? [];
  const named = asked.find((one) => one.name?.value === body.operationName) ?? asked[0];
  return named?.operation === "subscription";
}

function fetcher(body, { headers, documentAST } = {}) {
  if (subscribes(body, documentAST)) return told(body, headers);
  return send(body, headers, "application/json").then((response) => response.json());
}

function read(text) {
  try {
    const headers = JSON.parse(text);
    return /^bearer\s+\S/i.test(headers.Authorization ?? headers.authorization ?? "") ? headers : null;
  } catch {
    return null; // still being typed
  }
}

// What GraphiQL would remember of its tabs holds the key: it remembers until the page is closed.
const kept = new Map();
const storage = {
  get length() {
    return kept.size;
  },
  getItem: (name) => kept.get(name) ?? null,
  setItem: (name, value) => kept.set(name, value),
  removeItem: (name) => kept.delete(name),
  clear: () => kept.clear(),
};

// The schema is asked for once the headers say who asks, and again whenever they say something else.
function Explorer() {
  const [headers, edited] = useState(place.dataset.headers);
  const [schema, found] = useState(null);
  useEffect(() => {
    const given = read(headers);
    if (given === null) return undefined;
    const timer = setTimeout(async () => {
      const asked = { query: GraphiQL.GraphQL.getIntrospectionQuery(), operationName: "IntrospectionQuery" };
      const answer = await send(asked, given, "application/json").then((response) => response.json()).catch(() => ({}));
      if (answer.data) found(GraphiQL.GraphQL.buildClientSchema(answer.data));
    }, 400);
    return () => clearTimeout(timer);
  }, [headers]);
  return createElement(GraphiQL, {
    fetcher,
    schema,
    storage,
    defaultQuery: place.dataset.query,
    headers: place.dataset.headers,
    onEditHeaders: edited,
    defaultEditorToolsVisibility: "headers",
    isHeadersEditorEnabled: true,
    shouldPersistHeaders: false,
    showPersistHeadersSettings: false,
  });
}

window.ReactDOM.createRoot(place).render(createElement(Explorer));
