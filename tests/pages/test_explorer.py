"""The GraphQL page without a browser: who gets it, and that nothing of it comes from elsewhere."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from nexus.core.problem import NotFound
from nexus.gateway.pages.explorer import PARTS, Explorer, opens
from tests.pages.conftest import Served

BROWSER = b"text/html,application/xhtml+xml,*/*;q=0.8"


@dataclass
class Asked:
    method: str = "GET"
    path: str = "/graphql"
    query: bytes = b""
    headers: dict[bytes, bytes] = field(default_factory=lambda: {b"accept": BROWSER})


@pytest.mark.parametrize(
    ("asked", "opened"),
    [
        (Asked(), True),
        (Asked(method="HEAD"), True),
        (Asked(query=b"from=docs"), True),
        (Asked(query=b"query=%7B__typename%7D"), False),
        (Asked(query=b"a=b&documentId=x"), False),
        (Asked(method="POST"), False),
        (Asked(path="/graphql/crm"), False),
        (Asked(headers={b"accept": b"application/json"}), False),
        (Asked(headers={}), False),
    ],
)
def test_only_who_opens_it_gets_the_page(asked: Asked, opened: bool) -> None:
    assert opens(asked) is opened


def installed(folder: Path) -> Path:
    for name in PARTS.values():
        file = folder / "node_modules" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"/* {name} */")
    return folder


def test_the_page_names_no_other_place(tmp_path: Path) -> None:
    for folder in (tmp_path / "nothing", installed(tmp_path)):
        response = Explorer(folder).page()
        headers = dict(response.headers)

        assert b"http" not in response.body
        assert headers[b"content-security-policy"].startswith(b"default-src 'none'; script-src 'self'; style-src 'self';")
        assert b"unsafe" not in headers[b"content-security-policy"]


def test_its_files_are_those_that_it_asks_for_and_no_others(tmp_path: Path) -> None:
    explorer = Explorer(installed(tmp_path))

    assert explorer.part("graphiql.css", {}).body == b"/* graphiql/graphiql.min.css */"
    for name in ("package.json", "../package.json", "", "graphiql.min.js"):
        with pytest.raises(NotFound):
            explorer.part(name, {})
    with pytest.raises(NotFound):
        Explorer(tmp_path / "nothing").part("graphiql.js", {})


async def test_a_program_is_answered_as_before(site: Served) -> None:
    async with httpx.AsyncClient(base_url=site.url) as client:
        page = await client.get("/graphql", headers={"accept": BROWSER.decode()})
        program = await client.get("/graphql", params={"query": "{__typename}"}, headers={"accept": BROWSER.decode()})

    assert (page.status_code, page.headers["content-type"], page.headers["cache-control"]) == (200, "text/html; charset=utf-8", "no-store")
    assert program.status_code == 401
