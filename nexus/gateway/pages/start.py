"""`/`: the start page. It works as a plain form; with a script it shows the steps as they happen."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec

from nexus.activation.describe import Proposal, describe
from nexus.core.problem import FieldError, Invalid, Malformed, Problem, Unauthenticated
from nexus.gateway.pages.answers import NO_STORE, SAFE, html, only, wants_html
from nexus.gateway.pages.documents import Asked
from nexus.gateway.pages.start_form import FIELDS, Filled
from nexus.gateway.pages.start_panels import asking, finished
from nexus.surfaces.rest.message import JSON, Response

LONGEST_SENTENCE: Final = 1000
LONGEST_FORM: Final = 65_536
Activate = Callable[[Any], Awaitable[Response]]
"""The control plane's endpoint."""


class _Call:
    """The call that a form stands for, as the control plane's endpoint takes it."""

    method = "POST"
    path = "/api/v1/activate"
    query = b""
    headers: Final[dict[bytes, bytes]] = {}

    def __init__(self, business: dict[str, Any], key: str) -> None:
        self._business = business
        self._key = key

    async def body(self, limit: int | None = None) -> bytes:
        return msgspec.json.encode(self._business)

    def token(self) -> str:
        """The operator's key. Unauthenticated (401) without one."""
        if not self._key:
            raise Unauthenticated(reason="The operator's key is needed.")
        return self._key


class Start:
    """The endpoint of `/`."""

    def __init__(self, activate: Activate) -> None:
        self._activate = activate

    async def __call__(self, raw: Asked) -> Response:
        """GET shows the form. POST takes it: `do=suggest` reads the sentence, `do=activate` activates."""
        only(raw.method, "GET", "HEAD", "POST")
        if raw.method != "POST":
            return html(asking(Filled()), 200, NO_STORE)
        given = _form(raw, await raw.body(LONGEST_FORM))
        if given.get("do") == "suggest":
            return await _suggested(raw, given)
        return await self._activated(given)

    async def _activated(self, given: dict[str, str]) -> Response:
        business = _business(given)
        try:
            answer = await self._activate(_Call(business, given.get("operator_key", "")))
        except Problem as refusal:
            return html(asking(_refused(given, refusal)), refusal.status, NO_STORE)
        view = msgspec.json.decode(answer.body)
        if answer.status != 201:
            return html(asking(Filled(given, alert=f"It is still going on: {view['endpoints']['status']}")), answer.status, NO_STORE)
        return html(finished(view), 201, NO_STORE)


def _form(raw: Asked, body: bytes) -> dict[str, str]:
    """The fields of a form. Malformed (400) where it is none."""
    if raw.headers.get(b"content-type", b"").partition(b";")[0].strip() != b"application/x-www-form-urlencoded":
        raise Malformed(reason="This page takes a form (application/x-www-form-urlencoded); the API is at /api/v1/activate.")
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=50)
    except (UnicodeDecodeError, ValueError) as error:
        raise Malformed(reason=f"The form cannot be read: {error}") from None
    return {name: value for name, value in pairs if name in (*FIELDS, "do")}


async def _suggested(raw: Asked, given: dict[str, str]) -> Response:
    sentence = given.get("describe", "")
    if len(sentence) > LONGEST_SENTENCE:
        raise Invalid.of(FieldError("describe", f"must have at most {LONGEST_SENTENCE} characters"))
    proposal = await asyncio.to_thread(describe, sentence)  # anybody may ask: others do not wait for it
    if not wants_html(raw.headers):
        return Response(200, msgspec.json.encode(proposal), [JSON, NO_STORE, *SAFE])
    return html(asking(Filled(_filled_in(given, proposal), proposal=proposal)), 200, NO_STORE)


def _filled_in(given: dict[str, str], proposal: Proposal) -> dict[str, str]:
    """The form with what the sentence says; a name that was typed stays."""
    values = dict(given)
    if proposal.name and not values.get("name", "").strip():
        values["name"] = proposal.name
    if proposal.confidence:
        values["industry"] = proposal.industry
    values |= {name: value for name, value in (("country", proposal.country), ("size", proposal.size)) if value}
    return values


def _business(given: dict[str, str]) -> dict[str, Any]:
    """The request that a form stands for; what was left empty is not in it."""
    kept = {
        name: given[name].strip()
        for name in ("name", "industry", "country", "describe", "size", "slug", "chart")
        if given.get(name, "").strip()
    }
    owner = {name: given.get(f"owner.{name}", "").strip() for name in ("name", "email")}
    return {
        **kept,
        "owner": {name: value for name, value in owner.items() if value},
        **({"sample_data": True} if given.get("sample_data") else {}),
    }


def _refused(given: dict[str, str], refusal: Problem) -> Filled:
    """The form with a refusal beside the fields it is about."""
    given = {name: value for name, value in given.items() if name != "operator_key"}
    if refusal.status == 401:
        return Filled(given, {"operator_key": "This is not the operator's key of this installation."})
    if refusal.code() == "slug-taken":
        return Filled(given | {"slug": refusal.facts["suggestion"]}, {"slug": refusal.detail})
    errors: list[FieldError] = refusal.facts.get("errors", [])
    beside = {error.field: error.message[:1].upper() + error.message[1:] for error in errors if error.field in FIELDS}
    other = [f"{error.field}: {error.message}" for error in errors if error.field not in FIELDS]
    return Filled(given, beside, " · ".join(other) if errors else refusal.detail)
