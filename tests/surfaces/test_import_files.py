"""Files that an import cannot take as they are: what is said of them."""

from __future__ import annotations

import pytest

from nexus.runtime.testing import Harness
from tests.surfaces.test_imports import ND, take_in


@pytest.mark.parametrize(
    ("character", "word", "shown"), [(";", "semicolon", "name;city"), ("\t", "tab", "name city"), ("|", "pipe", "name|city")]
)
async def test_a_table_with_another_delimiter_is_told_how_to_send_it(tenant: Harness, character: str, word: str, shown: str) -> None:
    table = f"name{character}city\nAda{character}Lagos\n".encode()
    refused = await take_in(tenant, table, "", "text/csv")
    done = await take_in(tenant, table, f"delimiter={word}", "text/csv")

    message = f"the header is one column, '{shown}'; send delimiter={word} if that is what separates"
    assert (refused.status, refused.json()["errors"]) == (422, [{"field": "delimiter", "message": message}])
    assert done.json()["created"] == 1


@pytest.mark.parametrize("kind", ["text/csv", ND])
@pytest.mark.parametrize("file", [b"PK\x03\x04\x14\x00\x06\x00\x08\x00\nx", b"\x89PNG\r\n\x1a\n", b"n\x00a\x00m\x00e\x00\n\x00"])
async def test_a_file_that_is_no_text_is_refused_as_such(tenant: Harness, file: bytes, kind: str) -> None:
    refused = await take_in(tenant, file, "", kind)

    detail = "The file is no text, but perhaps a workbook or an archive; save it as CSV in UTF-8, or as NDJSON."
    assert (refused.status, refused.json()["detail"]) == (400, detail)


async def test_a_column_that_is_none_is_named_in_characters_that_can_be_printed(tenant: Harness) -> None:
    refused = await take_in(tenant, b"na\x1b[2Jme,city\nAda,Lagos\n", "", "text/csv")

    assert [error["field"] for error in refused.json()["errors"]] == ["na [2Jme"]
