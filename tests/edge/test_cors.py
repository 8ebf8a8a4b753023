"""CORS: the pages that are named may call the API, others may not, and credentials never go with everybody."""

from __future__ import annotations

import pytest

from nexus.config import BadSettings, load
from tests.edge.conftest import Make

SHOP = "https://shop.example.com"
ASKS = {"access_control_request_method": "PATCH", "access_control_request_headers": "authorization, if-match"}


async def test_a_page_that_is_named_may(make: Make) -> None:
    site = await make(cors_origins=f"{SHOP}, http://localhost:3000", cors_credentials=True)

    may = await site.ask("OPTIONS", "/short", origin=SHOP, **ASKS)
    assert (may.status_code, may.content) == (204, b"")
    assert may.headers["access-control-allow-origin"] == SHOP
    assert "PATCH" in may.headers["access-control-allow-methods"]
    assert may.headers["access-control-allow-headers"] == "authorization, if-match"
    assert may.headers["access-control-allow-credentials"] == "true"
    does = await site.ask("GET", "/short", origin=SHOP)
    assert does.headers["access-control-allow-origin"] == SHOP
    assert "ratelimit" in does.headers["access-control-expose-headers"]
    assert "origin" in does.headers["vary"]


@pytest.mark.parametrize("origin", ["https://evil.example.com", "null", f"{SHOP}.evil.com", "http://shop.example.com"])
async def test_a_page_that_is_not_named_may_not(make: Make, origin: str) -> None:
    site = await make(cors_origins=SHOP, cors_credentials=True)

    for answer in (await site.ask("OPTIONS", "/short", origin=origin, **ASKS), await site.ask("GET", "/short", origin=origin)):
        assert "access-control-allow-origin" not in answer.headers
        assert "access-control-allow-credentials" not in answer.headers
        assert "access-control-allow-methods" not in answer.headers
        assert "origin" in answer.headers["vary"], "a cache must not give it to the page that may"


async def test_everybody_may_without_credentials(make: Make) -> None:
    answer = await (await make(cors_origins="*")).ask("GET", "/short", origin="https://any.example.com")

    assert answer.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in answer.headers


async def test_where_nobody_is_named_nothing_is_said(make: Make) -> None:
    site = await make()

    assert "access-control-allow-origin" not in (await site.ask("GET", "/short", origin=SHOP)).headers
    assert (await site.ask("OPTIONS", "/nowhere", origin=SHOP, **ASKS)).status_code == 404


async def test_an_error_can_be_read_by_the_page_too(make: Make) -> None:
    answer = await (await make(cors_origins=SHOP)).ask("GET", "/nowhere", origin=SHOP)

    assert answer.status_code == 404
    assert answer.headers["access-control-allow-origin"] == SHOP


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"NEXUS_CORS_ORIGINS": "shop.example.com"}, "'shop.example.com' is none"),
        ({"NEXUS_CORS_ORIGINS": f"{SHOP}/path"}, "is none"),
        ({"NEXUS_CORS_ORIGINS": "*", "NEXUS_CORS_CREDENTIALS": "true"}, "cannot be with NEXUS_CORS_ORIGINS=\\*"),
    ],
)
def test_a_setting_that_cannot_be_is_refused(given: dict[str, str], says: str) -> None:
    with pytest.raises(BadSettings, match=says):
        load(given)
