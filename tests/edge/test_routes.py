"""Routes: as many as there are declarations, whatever is asked for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus.core.service import installed
from nexus.runtime.routes import OTHER, Routes
from nexus.surfaces.rest import Rest

ID = "0197a3c2-5d1e-7c3a-9b0f-2f6d8e4a1c77"
ROUTES = Routes(Rest(None, installed().values()), ["/metrics", "/docs", "/docs/*", "/api/v1/activate", "/api/v1/tenants/*"])  # type: ignore[arg-type]
KNOWN = {
    "/metrics": "/metrics",
    "/docs/crm": "/docs/*",
    "/api/v1/activate": "/api/v1/activate",
    "/api/v1/tenants/ade-bakery/suspend": "/api/v1/tenants/*",
    "/api/v1/crm/leads": "/api/v1/crm/leads",
    f"/api/v1/crm/leads/{ID}": "/api/v1/crm/leads/{id}",
    "/api/v1/crm/leads/not-an-id": "/api/v1/crm/leads/{id}",
    f"/api/v1/crm/leads/{ID}/convert": "/api/v1/crm/leads/{id}/convert",
    f"/api/v1/crm/contacts/{ID}/restore": "/api/v1/crm/contacts/{id}/restore",
    "/api/v1/crm/leads/bulk": "/api/v1/crm/leads/bulk",
    "/api/v1/crm/leads/export": "/api/v1/crm/leads/export",
    f"/api/v1/crm/leads/imports/{ID}": "/api/v1/crm/leads/imports/{id}",
    f"/api/v1/crm/leads/imports/{ID}/undo": "/api/v1/crm/leads/imports/{id}/undo",
    "/api/v1/crm/reports/win-loss": "/api/v1/crm/reports/win-loss",
    f"/api/v1/crm/leads/{ID}/invented": OTHER,
    "/api/v1/crm/unicorns": OTHER,
    f"/api/v1/crm/unicorns/{ID}": OTHER,
    "/wp-login.php": OTHER,
    "": OTHER,
}


@pytest.mark.parametrize(("path", "route"), KNOWN.items())
def test_a_path_has_a_template(path: str, route: str) -> None:
    assert ROUTES.of(path) == route


@given(st.lists(st.sampled_from(["api", "v1", "crm", "leads", "imports", ID, "x", "", "bulk", "convert", "undo"]), max_size=9))
def test_no_path_makes_a_route_of_its_own(parts: list[str]) -> None:
    route = ROUTES.of("/" + "/".join(parts))
    assert ID not in route
    assert "x" not in route.split("/")


@given(st.text(max_size=60))
def test_no_text_makes_one_either(text: str) -> None:
    assert ROUTES.of("/api/v1/crm/leads/" + text).startswith(("/api/v1/crm/leads", OTHER))
