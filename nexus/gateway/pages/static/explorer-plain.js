// The plain form: what is typed is sent, and what comes is shown. Nothing is kept.
const text = (name) => document.getElementById(name).value;
const shown = document.getElementById("response");

document.getElementById("plain").addEventListener("submit", async (event) => {
  event.preventDefault();
  try {
    const headers = { ...JSON.parse(text("headers") || "{}"), "content-type": "application/json", accept: "application/json" };
    const body = JSON.stringify({ query: text("query"), variables: JSON.parse(text("variables") || "{}") });
    shown.textContent = "…";
    const response = await fetch("/graphql", { method: "POST", headers, body });
    shown.textContent = JSON.stringify(await response.json(), null, 2);
  } catch (error) {
    shown.textContent = error instanceof SyntaxError ? `Variables and headers are JSON: ${error.message}` : String(error);
  }
});
