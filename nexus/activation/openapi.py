"""The control plane's part of the OpenAPI document: activations and the life of tenants."""

from __future__ import annotations

from typing import Any, Final

from nexus.activation import activations, allocation, api, registering, tenant_limits, tenants
from nexus.activation.business import Business
from nexus.core.problem import Problem
from nexus.surfaces.openapi import examples, problems, structs
from nexus.surfaces.openapi.parts import Part, answer, body, parameter, ref

_OPERATOR: Final[list[dict[str, list[str]]]] = [{"operatorKey": []}]
_LEAST: Final[dict[str, Any]] = {
    "name": "Ade Bakery",
    "industry": "restaurant",
    "country": "NG",
    "owner": {"name": "Ade", "email": "ade@example.com"},
}
_ID: Final = examples.ID
_STATE: Final[dict[str, Any]] = {
    "name": "state",
    "in": "query",
    "description": "Only those in this state.",
    "schema": {"type": "string", "enum": list(tenants.STATES)},
}
_TENANT: Final[dict[str, Any]] = {
    "id": _ID,
    "slug": "ade-bakery",
    "name": "Ade Bakery",
    "state": "active",
    "country": "NG",
    "currency": "NGN",
    "time_zone": "Africa/Lagos",
    "language": "en",
    "cell": "main",
    "services": {"auth": 1, "crm": 1, "finance": 1},
}
_ACTIVATED: Final[dict[str, Any]] = {
    "id": _ID,
    "state": "active",
    "tenant": _TENANT,
    "endpoints": {
        "api": "http://127.0.0.1:8080/api/v1",
        "console": "http://127.0.0.1:8080/",
        "docs": "http://127.0.0.1:8080/docs",
        "openapi": "http://127.0.0.1:8080/openapi.json",
        "status": f"http://127.0.0.1:8080/api/v1/activations/{_ID}",
        "events": f"http://127.0.0.1:8080/api/v1/activations/{_ID}/events",
    },
    "credentials": {"api_key": "nx_…", "key_id": _ID, "owner_id": _ID},
    "steps": [{"name": "validate", "state": "done", "ms": 0.6}, {"name": "active", "state": "done", "ms": 4.1}],
    "proof": ["logged in as the owner with the new key", "created a lead"],
    "failed_step": None,
    "reason": None,
}


def _text(description: str, **more: Any) -> dict[str, Any]:
    return {"type": "string", "description": description, **more}


def _object(description: str, properties: dict[str, Any], *required: str) -> dict[str, Any]:
    return {"type": "object", "description": description, "properties": properties, "required": list(required)}


_STEP: Final = _object(
    "One step of an activation.",
    {
        "name": _text("Which one: validate, preset, allocate, roles, events, seed, copilots, dns, verify, active."),
        "state": _text("How it stands: planned, waiting, running, done, failed, undone."),
        "ms": {"type": ["number", "null"], "description": "How long it took, in milliseconds."},
        "what": _text("What it would do; in a dry run."),
        "error": _text("Why it failed."),
    },
    "name",
    "state",
)
_SCHEMAS: Final[dict[str, Any]] = {
    "control.Step": _STEP,
    "control.Tenant": _object(
        "A business on this installation.",
        {
            "id": {"type": ["string", "null"], "format": "uuid"},
            "slug": _text("The name in addresses."),
            "name": {"type": ["string", "null"], "description": "The name of the business."},
            "state": _text("planned, activating, active, suspended, archived, purging or purged."),
            "country": _text("ISO 3166-1 alpha-2."),
            "currency": _text("ISO 4217."),
            "time_zone": _text("IANA."),
            "language": _text("BCP 47."),
            "cell": _text("Where its data is."),
            "services": {"type": "object", "description": "Its services and their versions."},
            "limits": {"type": ["object", "null"], "description": "What it may ask where that differs from the installation's settings."},
            "requests_today": {"type": "integer", "description": "Requests of this day (UTC), as far as they have been told."},
        },
        "slug",
        "state",
    ),
    "control.Credentials": _object(
        "What the owner logs in with. The key is shown once.",
        {
            "api_key": {
                "type": ["string", "null"],
                "description": "The owner's API key, this once; null where it was given or is not made yet.",
            },
            "key_id": {"type": ["string", "null"], "format": "uuid"},
            "owner_id": {"type": ["string", "null"], "format": "uuid"},
            "credentials_note": _text("How to get a key where none is shown."),
        },
    ),
    "control.Activation": _object(
        "An activation: the tenant it makes, its steps with their timings, and the proof that the tenant works.",
        {
            "id": {"type": "string", "format": "uuid"},
            "state": _text("running, undoing, active, rolled_back or stuck."),
            "tenant": ref("control.Tenant"),
            "endpoints": {"type": "object", "additionalProperties": {"type": "string", "format": "uri"}},
            "credentials": ref("control.Credentials"),
            "steps": {"type": "array", "items": ref("control.Step")},
            "proof": {
                "type": "array",
                "items": {"type": "string"},
                "description": "What was tried as the new owner, through the public API.",
            },
            "failed_step": {"type": ["string", "null"]},
            "reason": {"type": ["string", "null"]},
        },
        "id",
        "state",
        "tenant",
        "steps",
    ),
    "control.Plan": _object(
        "What an activation would do.",
        {
            "dry_run": {"type": "boolean"},
            "tenant": ref("control.Tenant"),
            "business": {"type": "object", "description": "The business with every value filled in; `because` says where each came from."},
            "services": {"type": "array", "items": {"type": "string"}},
            "waiting": {"type": "array", "items": {"type": "string"}, "description": "Services that join once they are installed."},
            "steps": {"type": "array", "items": ref("control.Step")},
        },
        "dry_run",
        "tenant",
        "steps",
    ),
    "control.TenantPage": _object(
        "Some tenants, by slug.",
        {"items": {"type": "array", "items": ref("control.Tenant")}, "next_after": {"type": ["string", "null"]}},
        "items",
    ),
}


def control_part() -> Part:
    """Activations and tenants, for the operator."""
    part = Part(schemas=dict(_SCHEMAS))
    part.tags += [
        {"name": "activation", "description": structs.paragraphs(api.ControlApi.activate.__doc__)},
        {"name": "tenants", "description": "The life of tenants after their activation. Every change is written down with its reason."},
    ]
    _activate(part)
    _activations(part)
    _tenants(part)
    return part


def _operation(name: str, tag: str, documented: Any, responses: dict[str, Any], **more: Any) -> dict[str, Any]:
    doc: str | None = documented if isinstance(documented, str) else documented.__doc__
    said = {
        "operationId": name,
        "tags": [tag],
        "summary": structs.summary(doc),
        "description": structs.paragraphs(doc),
        "security": _OPERATOR,
    }
    return {**said, **more, "responses": responses}


def _own(*kinds: type[Problem], shared: tuple[str, ...] = ()) -> dict[str, Any]:
    return problems.of_operation(*shared, own=kinds)


def _activate(part: Part) -> None:
    schema, named = structs.one("control", Business)
    part.schemas.update(named)
    made = answer("Active.", ref("control.Activation"), _ACTIVATED)
    made["content"]["text/event-stream"] = {"schema": {"type": "string"}}
    plan = answer(
        "With `dry_run=true`: the plan, and nothing of it done. With `Accept: text/event-stream`: the steps as they happen.",
        ref("control.Plan"),
    )
    plan["content"]["text/event-stream"] = {"schema": {"type": "string"}}
    responses = {
        "200": plan,
        "201": answer("Active.", ref("control.Activation"), _ACTIVATED),
        "202": answer("With `Prefer: respond-async`: begun; `Location` says where it stands.", ref("control.Activation")),
        **_own(
            tenants.SlugTaken,
            activations.ActivationFailed,
            activations.ActivationStuck,
            allocation.NoRoom,
            registering.HostTaken,
            shared=("Malformed", "Conflict", "TooLarge", "Invalid"),
        ),
    }
    prefer = {
        "name": "Prefer",
        "in": "header",
        "description": "`respond-async` answers at once.",
        "schema": {"type": "string"},
        "example": "respond-async",
    }
    operation = _operation("activation.activate", "activation", _ACTIVATE, responses, requestBody=body(schema, _LEAST))
    operation["parameters"] = [
        {"name": "dry_run", "in": "query", "schema": {"type": "boolean", "default": False}},
        parameter("Idempotency-Key"),
        prefer,
    ]
    part.on("/api/v1/activate", "post", operation)


_ACTIVATE: Final = """Turn a business into a running system.

Everything but name, owner and country has a sensible default, and `describe` takes one sentence from which the rest is proposed. The answer
carries the owner's key, once. The same `Idempotency-Key` with the same body answers the same tenant."""


def _activations(part: Part) -> None:
    path, known = "/api/v1/activations/{id}", answer("How it stands.", ref("control.Activation"), _ACTIVATED)
    given, missing = {"parameters": [parameter("id")]}, problems.of_operation("NotFound")
    part.on(
        path,
        "get",
        _operation(
            "activation.get",
            "activation",
            "How an activation stands. As a stream of events with `Accept: text/event-stream`.",
            {"200": known, **missing},
            **given,
        ),
    )
    stream = {
        "description": "Server-sent events: `progress` after each change, `end` with the whole of it.",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    }
    part.on(
        f"{path}/events",
        "get",
        _operation("activation.events", "activation", "Follow an activation, step by step.", {"200": stream, **missing}, **given),
    )
    keys = answer(
        "The key, this once.",
        {"type": "object", "properties": {"credentials": ref("control.Credentials")}},
        {"credentials": _ACTIVATED["credentials"]},
    )
    refused = _own(activations.NotOver, activations.CredentialGiven, shared=("NotFound", "Conflict"))
    part.on(
        f"{path}/credentials",
        "post",
        _operation("activation.credentials", "activation", activations.Activations.credentials, {"200": keys, **refused}, **given),
    )
    for verb, method in (("cancel", activations.Activations.cancel), ("retry", activations.Activations.retry)):
        refused = _own(activations.NotOver, *([tenants.SlugTaken] if verb == "retry" else []), shared=("NotFound", "Conflict"))
        begun = answer("Under way.", ref("control.Activation"), _ACTIVATED)
        part.on(f"{path}/{verb}", "post", _operation(f"activation.{verb}", "activation", method, {"202": begun, **refused}, **given))


_CHANGES: Final[list[tuple[str, Any, type, dict[str, Any]]]] = [
    ("suspend", tenants.Tenants.suspend, api.Reason, {"reason": "The bill is not paid."}),
    ("resume", tenants.Tenants.resume, api.Resume, {"reason": "The bill is paid."}),
    ("archive", tenants.Tenants.archive, api.Archive, {"reason": "The business has closed.", "hold_days": 30}),
    ("purge", tenants.Tenants.purge, api.Purge, {"reason": "The hold is over."}),
    ("rename", tenants.Tenants.rename, api.Rename, {"name": "Ade Bakeries"}),
    ("limits", tenants.Tenants.limits, tenant_limits.Limits, {"per_second": 50, "per_day": 1_000_000, "reason": "The small plan."}),
    ("owner-key", tenants.Tenants.owner_key, api.Reason, {"reason": "The owner lost the key."}),
]


def _tenants(part: Part) -> None:
    listed = [
        _STATE,
        {"name": "after", "in": "query", "description": "`next_after` of the page before.", "schema": {"type": "string"}},
        {"name": "limit", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": api.MAX_PAGE, "default": 100}},
    ]
    page = answer("Some tenants.", ref("control.TenantPage"), {"items": [_TENANT], "next_after": None})
    part.on(
        "/api/v1/tenants",
        "get",
        _operation("tenants.list", "tenants", "The tenants, by slug.", {"200": page, **_own(shared=("Invalid",))}, parameters=listed),
    )
    named = [
        {
            "name": "tenant",
            "in": "path",
            "required": True,
            "description": "Its slug or id.",
            "schema": {"type": "string"},
            "example": "ade-bakery",
        }
    ]
    one = answer("The tenant.", ref("control.Tenant"), _TENANT)
    path = "/api/v1/tenants/{tenant}"
    part.on(
        path,
        "get",
        _operation("tenants.get", "tenants", tenants.Tenants.show, {"200": one, **_own(shared=("NotFound",))}, parameters=named),
    )
    for verb, method, kind, example in _CHANGES:
        schema, found = structs.one("control", kind)
        part.schemas.update(found)
        refused = _own(tenants.OnHold, tenants.SlugTaken, shared=("Malformed", "NotFound", "Conflict", "Invalid"))
        done = answer("Done.", ref("control.Credentials") if verb == "owner-key" else ref("control.Tenant"))
        part.on(
            f"{path}/{verb}",
            "post",
            _operation(f"tenants.{verb}", "tenants", method, {"200": done, **refused}, parameters=named, requestBody=body(schema, example)),
        )
