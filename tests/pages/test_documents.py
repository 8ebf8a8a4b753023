"""The documents as they are served: whole, by service, and what each problem means."""

from __future__ import annotations

import msgspec
import pytest
from openapi_spec_validator import validate

from nexus.activation.api import ControlApi
from nexus.core.problem import Invalid, NotFound
from nexus.core.service import Service
from nexus.gateway.pages.documents import Documents, api_document
from nexus.surfaces.rest import MethodNotAllowed
from nexus.surfaces.rest.message import Response


class Request:
    """A GET of a page."""

    def __init__(self, path: str, *, accept: str = "*/*", method: str = "GET", **headers: str) -> None:
        self.path, _, query = path.partition("?")
        self.query, self.method = query.encode(), method
        self.headers = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()} | {b"accept": accept.encode()}

    async def body(self) -> bytes:
        return b""


def header(response: Response, name: str) -> str:
    return dict(response.headers).get(name.encode(), b"").decode()


async def test_the_document_is_served_and_kept(services: dict[str, Service]) -> None:
    documents = Documents(services)
    first = await documents.openapi(Request("/openapi.json"))
    assert (first.status, header(first, "content-type")) == (200, "application/json")
    whole = msgspec.json.decode(first.body)
    validate(whole)
    assert {"/api/v1/activate", "/api/v1/crm/leads", "/api/v1/auth/users/invite"} <= set(whole["paths"])
    same = await documents.openapi(Request("/openapi.json", if_none_match=header(first, "etag")))
    assert (same.status, same.body) == (304, b"")


async def test_one_service_and_the_control_plane_are_documents_of_their_own(services: dict[str, Service]) -> None:
    documents = Documents(services)
    for name, prefix in (("crm", "/api/v1/crm/"), ("control", "/api/v1/")):
        one = msgspec.json.decode((await documents.openapi(Request(f"/openapi.json?service={name}"))).body)
        validate(one)
        assert all(path.startswith(prefix) for path in one["paths"])
    with pytest.raises(Invalid, match="service: is one of control, auth, crm"):
        await documents.openapi(Request("/openapi.json?service=nope"))
    with pytest.raises(Invalid, match="tag: is not a parameter here"):
        await documents.openapi(Request("/openapi.json?tag=crm"))
    with pytest.raises(MethodNotAllowed):
        await documents.openapi(Request("/openapi.json", method="POST"))


async def test_every_problem_has_a_page_and_a_json(services: dict[str, Service]) -> None:
    documents = Documents(services)
    told = msgspec.json.decode((await documents.problem(Request("/problems"))).body)["items"]
    assert {
        "type": "/problems/forbidden",
        "title": "Forbidden",
        "status": 403,
        "detail": "This credential does not allow {permission}.",
    } in told
    for one in told:
        assert msgspec.json.decode((await documents.problem(Request(one["type"]))).body) == one
    page = await documents.problem(Request("/problems/slug-taken", accept="text/html"))
    assert "The slug {slug} is taken; {suggestion} may be free." in page.body.decode()
    assert "default-src 'none'" in header(page, "content-security-policy")
    with pytest.raises(NotFound):
        await documents.problem(Request("/problems/<script>"))


def test_every_endpoint_of_the_control_plane_is_in_the_document(services: dict[str, Service]) -> None:
    paths = api_document(services)["paths"]
    pages = [path for path, _ in ControlApi.pages(ControlApi(None, None, None))]  # type: ignore[arg-type]
    for path in pages:
        assert any(known.startswith(path.removesuffix("*")) for known in paths), path
    for verb in ("suspend", "resume", "archive", "purge", "rename", "owner-key"):
        operation = paths[f"/api/v1/tenants/{{tenant}}/{verb}"]["post"]
        assert operation["security"] == [{"operatorKey": []}]
        assert operation["description"]
    taken = paths["/api/v1/activate"]["post"]["responses"]["409"]["content"]["application/problem+json"]["examples"]
    assert "slug-taken" in taken
