"""The other panels of the start page: the steps while they happen, and where to go once they have."""

from __future__ import annotations

from html import escape
from typing import Any

from nexus.gateway.pages.frame import page
from nexus.gateway.pages.start_form import Filled, form

_ABOUT = (
    '<header class="about"><div class="brand"><img src="/assets/mark.svg" alt="">NEXUS</div>'
    "<h1>One call turns a business into a running system.</h1>"
    '<p class="lead">It gets its own data, its own keys and what its trade and its country need, and it is proved before it opens.</p>'
    "<ol><li>Its own database schema and role, closed to everybody else</li><li>Pipelines, stages, sources and teams of its industry</li>"
    "<li>A chart of accounts with the taxes and payment terms of its country</li><li>Its currency, holidays and formats</li>"
    "<li>Proved by working with it through the public API</li></ol>"
    '<nav aria-label="Documentation"><a href="/docs">API reference</a><a href="/openapi.json">OpenAPI</a><a href="/problems">Problems</a>'
    '<a href="/readyz">Health</a></nav></header>'
)
_RUNNING = (
    '<section id="running" class="panel" aria-labelledby="running-title" hidden><h2 id="running-title" tabindex="-1">Activating '
    '<span id="running-name"></span></h2><ol id="steps" class="steps"></ol></section>'
)
_STATUS = '<p id="status" class="visually-hidden" role="status" aria-live="polite"></p>'


def asking(shown: Filled) -> str:
    """The page with its form."""
    return _page("Activate a business · NEXUS", form(shown) + _RUNNING + done(None))


def _page(title: str, panels: str) -> str:
    body = f'<div class="start">{_ABOUT}<main class="work">{panels}{_STATUS}</main></div>'
    return page(title, body, styles=("page.css", "start.css"), scripts=("start.js",))


def finished(view: dict[str, Any]) -> str:
    """The page after an activation that was asked for without a script."""
    return _page(f"{view['tenant']['name']} is ready · NEXUS", done(view))


def done(view: dict[str, Any] | None) -> str:
    """Where to go: filled in here, or by the script."""
    tenant: dict[str, Any] = view["tenant"] if view else {}
    places: dict[str, str] = view["endpoints"] if view else {}
    key = str(view["credentials"].get("api_key") or "") if view else ""
    milliseconds = sum(step.get("ms") or 0 for step in view["steps"]) if view else 0
    proof = "".join(f"<li>{escape(line)}</li>" for line in (view["proof"] if view else ()))
    links = "".join(
        f'<dt>{label}</dt><dd><a id="to-{name}" href="{escape(places.get(name, "/"))}">{escape(places.get(name, ""))}</a></dd>'
        for name, label in (("api", "API"), ("docs", "Reference"), ("openapi", "OpenAPI"))
    )
    about = " · ".join(str(tenant.get(name)) for name in ("slug", "country", "currency", "time_zone")) if view else ""
    again = (
        '<button id="again" class="button" type="button">Activate another</button>'
        if view is None
        else '<a class="button" href="/">Activate another</a>'
    )
    return (
        f'<section id="done" class="panel" aria-labelledby="done-title"{"" if view else " hidden"}>'
        f'<h2 id="done-title" tabindex="-1"><span id="done-name">{escape(str(tenant.get("name", "")))}</span> is running</h2>'
        f'<p id="done-time" class="under">Ready in {milliseconds:.0f} ms.</p>'
        f'<div id="key-box" class="key"{"" if key or not view else " hidden"}><label for="key"><b>The owner\'s key.</b> It is shown this once: keep it now.</label>'
        f'<div class="row"><input id="key" readonly spellcheck="false" value="{escape(key)}">'
        '<button class="button main" type="button" data-copy="key" hidden>Copy</button></div></div>'
        f'<p id="no-key" class="alert"{"" if view and not key else " hidden"}>The key could not be handed out. '
        "The operator makes another with POST /api/v1/tenants/…/owner-key.</p>"
        f'<dl class="places"><dt>Tenant</dt><dd id="to-tenant">{escape(about)}</dd>{links}</dl>'
        '<div class="section"><h3>The first call</h3><div class="curl">'
        f'<pre id="curl" tabindex="0">{escape(_curl(places.get("api", ""), key)) if view else ""}</pre>'
        '<button class="button" type="button" data-copy="curl" hidden>Copy</button></div></div>'
        f'<div class="section"><h3>Proved as its owner</h3><ul id="proof" class="proof">{proof}</ul></div><div class="row">{again}'
        '<a class="button main" href="/docs">Open the API reference</a></div></section>'
    )


def _curl(api: str, key: str) -> str:
    return (
        f'curl {api}/crm/leads \\\n  -H "Authorization: Bearer {key}" \\\n  -H "Content-Type: application/json" \\\n'
        """  -d '{"name": "Ada Obi", "email": "ada@example.com"}'"""
    )
