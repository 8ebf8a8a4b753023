"""Bodies on their way out: compressed for whom can read that, and not sent again to whom has them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus.gateway.edge.bodies import chosen, matches
from nexus.surfaces.rest.message import tag_of
from tests.edge.conftest import LONG, PARTS, Make


async def test_a_long_body_is_compressed_for_whom_can_read_it(make: Make) -> None:
    site = await make()

    plain = await site.ask("GET", "/long", accept_encoding="identity")
    small = await site.ask("GET", "/long", accept_encoding="gzip, deflate, br")

    assert plain.content == small.content == LONG
    assert "content-encoding" not in plain.headers
    assert small.headers["content-encoding"] == "gzip"
    assert int(small.headers["content-length"]) < len(LONG) / 4
    assert plain.headers["vary"] == small.headers["vary"] == "accept-encoding"


async def test_what_gains_nothing_is_sent_as_it_is(make: Make) -> None:
    site = await make()
    for path in ("/short", "/picture", "/events"):
        answer = await site.ask("GET", path, accept_encoding="gzip")
        assert "content-encoding" not in answer.headers, path
        assert "vary" not in answer.headers, path


async def test_a_stream_is_compressed_as_it_comes(make: Make) -> None:
    answer = await (await make()).ask("GET", "/table", accept_encoding="gzip")

    assert answer.headers["content-encoding"] == "gzip"
    assert answer.content == b"".join(PARTS)


async def test_a_very_long_body_is_compressed_whole(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nexus.gateway.edge.bodies.ASIDE", 100)

    assert (await (await make()).ask("GET", "/long", accept_encoding="gzip")).content == LONG


async def test_the_tag_of_a_compressed_record_is_weak_and_still_known(make: Make) -> None:
    site = await make()
    assert (await site.ask("GET", "/record", accept_encoding="identity")).headers["etag"] == '"3"'
    small = await site.ask("GET", "/record", accept_encoding="gzip")
    assert small.headers["etag"] == 'W/"3"'

    again = await site.ask("GET", "/record", accept_encoding="gzip", if_none_match=small.headers["etag"])

    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", '"3"')


@pytest.mark.parametrize("known", ['"3"', 'W/"3"', '"1", "3"', "*"])
async def test_what_the_caller_has_is_not_sent_again(make: Make, known: str) -> None:
    answer = await (await make()).ask("GET", "/short", if_none_match=known)

    assert (answer.status_code, answer.content) == (304, b"")


@pytest.mark.parametrize("known", ['"2"', "3", ""])
async def test_what_the_caller_has_not_is_sent(make: Make, known: str) -> None:
    assert (await (await make()).ask("GET", "/short", if_none_match=known)).status_code == 200


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        (None, None),
        (b"", None),
        (b"gzip", b"gzip"),
        (b"GZIP", b"gzip"),
        (b"br, gzip;q=0.5", b"gzip"),
        (b"gzip;q=0", None),
        (b"*", b"gzip"),
        (b"*;q=0, gzip", b"gzip"),
        (b"identity, gzip;q=0.5", None),
        (b"gzip;q=high", None),
        (b"br", None),
    ],
)
def test_the_coding_is_one_that_the_caller_accepts(accepted: bytes | None, coding: bytes | None) -> None:
    known = (b"zstd", b"gzip") if coding == b"gzip" and accepted == b"*" else (coding,)
    assert chosen(accepted) in known


@given(st.binary(max_size=200))
def test_whatever_is_accepted_a_coding_is_found_or_none(accepted: bytes) -> None:
    assert chosen(accepted) in (None, b"gzip", b"zstd")


@given(st.binary(max_size=3000), st.binary(max_size=3000))
def test_a_tag_is_of_what_a_body_says(one: bytes, other: bytes) -> None:
    (_, tag), (_, second) = tag_of(one), tag_of(other)
    assert (tag == second) == (one == other)
    assert matches(tag, tag)
    assert matches(b'"0", ' + tag, tag)
