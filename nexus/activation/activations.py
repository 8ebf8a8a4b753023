"""Asking for an activation: read it, refuse what cannot be, begin it once, and say how it stands."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from typing import Any, Final, cast
from uuid import UUID

import msgspec

from nexus.activation.allocation import NoRoom
from nexus.activation.business import InvalidBusiness
from nexus.activation.platform import Platform
from nexus.activation.proof import new_secret
from nexus.activation.saga import Saga
from nexus.activation.steps import Step
from nexus.activation.store import ActivationRecord, StepRecord
from nexus.activation.tenants import SlugTaken
from nexus.activation.work import Work
from nexus.core.ids import uuid7
from nexus.core.problem import Conflict, Invalid, KeyReused, Malformed, NotFound, Problem
from nexus.engines.oltp import Statement, UniqueViolation
from nexus.surfaces.sql import encode
from nexus.surfaces.wire import refuse_nul

KEY_HOURS: Final = 24.0
"""How long an Idempotency-Key stands for what it was used for."""
WAIT: Final = 120.0
"""Seconds after which a caller that waits is sent to the status instead."""

_TAKEN: Final = Statement("SELECT id FROM nexus_control.tenant WHERE slug = $1 AND state <> 'purged'")


class ActivationFailed(Problem, status=500):
    """The activation failed in step {step} and everything before it was undone: {because}"""

    step: str
    because: str
    activation: dict[str, Any]


class ActivationStuck(Problem, status=500):
    """The activation failed in step {step} ({because}), and not all of it could be undone; retry goes on with that."""

    step: str
    because: str
    activation: dict[str, Any]


class CredentialGiven(Conflict):
    """The owner's credential of this activation has been handed out already; the tenant's owner-key makes another."""

    reason: str = ""


class NotOver(Conflict):
    """This activation is {state}: there is nothing to {what}."""

    state: str
    what: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that may be begun: its activation, and whether it was made before under the same key."""

    record: ActivationRecord
    replayed: bool


class Activations:
    """Activations as callers see them."""

    def __init__(self, platform: Platform, saga: Saga) -> None:
        self._platform = platform
        self.saga = saga
        self._store = saga.store

    # Asking

    async def dry_run(self, body: bytes) -> dict[str, Any]:
        """What would be done, and nothing of it done. Invalid (422), SlugTaken (409)."""
        work = self._work(_decoded(body))
        business = _filled(work)
        await self._refuse_taken(business.slug)
        return {
            "dry_run": True,
            "tenant": {
                "id": None,
                "slug": business.slug,
                "name": business.name,
                "state": "planned",
                "country": business.country,
                "currency": business.currency,
                "time_zone": business.time_zone,
                "language": business.languages[0],
            },
            "business": msgspec.to_builtins(business),
            "services": work.service_names(),
            "waiting": work.waiting(),
            "steps": [{"name": step.name, "state": "planned", "what": step.plan(work)} for step in self.saga.plan],
        }

    async def ask(self, body: bytes, key: str | None, *, give: bool) -> Asked:
        """Begin an activation, or find the one that this key began.

        `give`: the caller waits for the end, and its answer carries the credential. Raises Invalid (422), SlugTaken (409), KeyReused (409).
        """
        request = _decoded(body)
        digest = hashlib.sha256(msgspec.json.encode(request, order="deterministic")).digest()
        if key is not None and (found := await self._before(key, digest)):
            return found
        return await self._begin(request, key, digest, give=give)

    async def _before(self, key: str, digest: bytes) -> Asked | None:
        same = await self._store.same_request(key, digest)
        if same is None:
            return None
        if await self._store.forget_key(key, KEY_HOURS):
            return None
        if not same:
            raise KeyReused(key=key, reason="")
        record = await self._store.by_key(key)
        return Asked(record, True) if record is not None else None

    async def _begin(self, request: dict[str, Any], key: str | None, digest: bytes, *, give: bool) -> Asked:
        work = self._work(request)
        records, first = await self._first_steps(work)
        slug = work.business.slug
        try:
            begun = await self._store.begin(work.id, work.tenant_id, slug, request, records, key, digest)
        except UniqueViolation as error:
            if error.constraint == "uq_activation_key" and key is not None and (found := await self._before(key, digest)):
                return found
            raise await self._taken(slug) from None
        if not begun:
            raise await self._taken(slug)
        self.saga.begin(work, first=first, give=give)
        record = await self._store.get(work.id)
        assert record is not None, "it has just been written"
        return Asked(record, False)

    def _work(self, request: dict[str, Any]) -> Work:
        return Work(self._platform, uuid7(), uuid7(), request)

    async def _first_steps(self, work: Work) -> tuple[list[StepRecord], int]:
        """Do what needs no record, because it changes nothing: a request that is refused here has left no trace."""
        records: list[StepRecord] = []
        for n, step in enumerate(self.saga.plan):
            if step.name not in ("validate", "preset"):
                records.append(StepRecord(n=n, name=step.name, state="waiting"))
                continue
            try:
                records.append(await _done_now(n, step, work))
            except InvalidBusiness as error:
                raise Invalid.of(*error.errors) from None
        first = next(record.n for record in records if record.state == "waiting")
        records[first].state, records[first].attempts = "running", 1
        return records, first

    async def _refuse_taken(self, slug: str) -> None:
        (result,) = await self._platform.control.run(None, (_TAKEN, [encode(slug)]))
        if result.rows or await self._store.by_slug(slug):
            raise await self._taken(slug)

    async def _taken(self, slug: str) -> SlugTaken:
        suggestion = ""
        for number in range(2, 100):
            suggestion = f"{slug[:58]}-{number}"
            (result,) = await self._platform.control.run(None, (_TAKEN, [encode(suggestion)]))
            if not result.rows:
                break
        return SlugTaken(slug=slug, suggestion=suggestion)

    # Answering

    async def wait(self, id: UUID, seconds: float = WAIT) -> ActivationRecord:
        """The activation once it is settled, or as it is after so many seconds. NotFound (404)."""
        record = await self.saga.settled(id, seconds)
        if record is None:
            raise NotFound(kind="activation", id=str(id))
        return record

    async def get(self, id: UUID) -> ActivationRecord:
        """The activation now. NotFound (404)."""
        record = await self._store.get(id)
        if record is None:
            raise NotFound(kind="activation", id=str(id))
        return record

    async def view(self, record: ActivationRecord, *, give: bool = False) -> dict[str, Any]:
        """An activation as callers see it; with the credential where `give` and this process has it, once."""
        tenant = await self._platform.directory.get(record.tenant_id)
        token = self.saga.tokens.pop(record.id, None) if give else None
        site, shown = self._platform.site, _tenant(record, tenant)
        proof: list[str] = next((step.output["proof"] for step in record.steps if step.output and "proof" in step.output), list[str]())
        return {
            "id": str(record.id),
            "state": record.state,
            "tenant": shown,
            "endpoints": {
                "api": f"{site.url}/api/v1",
                "console": f"{site.url}/",
                "docs": f"{site.url}/docs",
                "openapi": f"{site.url}/openapi.json",
                "status": f"{site.url}/api/v1/activations/{record.id}",
                "events": f"{site.url}/api/v1/activations/{record.id}/events",
            },
            "credentials": self._credentials(record, token),
            "steps": [_step(step) for step in record.steps],
            "proof": proof,
            "failed_step": record.failed_step,
            "reason": record.reason,
        }

    def _credentials(self, record: ActivationRecord, token: str | None) -> dict[str, Any]:
        seed: dict[str, Any] = next((step.output for step in record.steps if step.name == "seed" and step.output), dict[str, Any]())
        given = {"api_key": token, "key_id": seed.get("key_id"), "owner_id": seed.get("owner_id")}
        if token is not None or record.state != "active":
            return given
        if record.key_given:
            note = f"It was shown once and is not kept. POST /api/v1/tenants/{record.slug}/owner-key makes another."
        else:
            note = f"POST /api/v1/activations/{record.id}/credentials hands it out, once."
        return given | {"credentials_note": note}

    def failure(self, record: ActivationRecord, view: dict[str, Any]) -> Problem:
        """What a caller that waited is told of an activation that did not come to be."""
        if record.state == "rolled_back" and record.reason == NoRoom().detail:
            return NoRoom()
        kind = ActivationStuck if record.state == "stuck" else ActivationFailed
        return kind(step=record.failed_step or "?", because=record.reason or "?", activation=view)

    # Acting

    async def credentials(self, id: UUID) -> dict[str, Any]:
        """Hand out the owner's credential where nobody has it yet: the key gets a new secret, which is shown this once."""
        record = await self.get(id)
        if record.state != "active":
            raise NotOver(state=record.state, what="hand out")
        if not await self._store.give(id):
            raise CredentialGiven()
        seed = next(step.output for step in record.steps if step.name == "seed")
        work = Work(self._platform, record.id, record.tenant_id, record.request, {"seed": seed or {}})
        return {"api_key": await new_secret(work), "key_id": (seed or {}).get("key_id"), "owner_id": (seed or {}).get("owner_id")}

    async def cancel(self, id: UUID) -> ActivationRecord:
        """Stop after the step that runs, and undo. NotOver (409) where nothing runs."""
        record = await self.get(id)
        if not await self._store.cancel(id):
            raise NotOver(state=record.state, what="cancel")
        return await self.get(id)

    async def retry(self, id: UUID) -> ActivationRecord:
        """Begin a rolled back activation again, or go on with undoing one that is stuck. NotOver (409), SlugTaken (409)."""
        record = await self.get(id)
        try:
            state = await self._store.again(id, uuid7())
        except UniqueViolation:
            raise await self._taken(record.slug) from None
        if state is None:
            if record.state in ("rolled_back", "stuck"):
                raise await self._taken(record.slug)
            raise NotOver(state=record.state, what="retry")
        again = await self.get(id)
        self.saga.resume(again)
        return again


async def _done_now(n: int, step: Step, work: Work) -> StepRecord:
    began = time.perf_counter()
    output = work.outputs[step.name] = await step.do(work)
    return StepRecord(n=n, name=step.name, state="done", attempts=1, ms=round((time.perf_counter() - began) * 1000, 3), output=output)


def _decoded(body: bytes) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(reason=f"The body is not valid JSON in UTF-8: {error}") from None
    if not isinstance(found, dict):
        raise Malformed(reason='The body is an object such as {"name": "Ade Bakery", "country": "NG", "owner": {"name": …, "email": …}}.')
    refuse_nul(found, "")
    return cast(dict[str, Any], found)


def _filled(work: Work) -> Any:
    """The business with every value, and its preset made; Invalid (422) names every field that is wrong."""
    try:
        business = work.business
        _ = work.preset
    except InvalidBusiness as error:
        raise Invalid.of(*error.errors) from None
    return business


def _step(step: StepRecord) -> dict[str, Any]:
    shown: dict[str, Any] = {"name": step.name, "state": step.state, "ms": step.ms}
    if step.attempts > 1:
        shown["attempts"] = step.attempts
    if step.error is not None:
        shown["error"] = step.error
    if step.undone_at is not None:
        shown |= {"undone_at": step.undone_at.isoformat(), "undo_ms": step.undo_ms}
    return shown


def _tenant(record: ActivationRecord, tenant: Any) -> dict[str, Any]:
    if tenant is None:
        return {"id": None, "slug": record.slug, "name": record.request.get("name"), "state": record.state}
    return {
        "id": str(tenant.id),
        "slug": tenant.slug,
        "name": tenant.name,
        "state": tenant.state,
        "country": tenant.country,
        "currency": tenant.currency,
        "time_zone": tenant.time_zone,
        "language": tenant.language,
        "cell": tenant.cell,
        "services": dict(tenant.versions),
    }
