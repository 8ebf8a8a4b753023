"""Patterns pick what a slow reading of their definition picks, in Python and in the database alike."""

from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nexus.engines.event_log.patterns import Patterns, check_type, topic_of
from nexus.engines.oltp import Statement
from nexus.engines.oltp.postgres import Postgres

TENANT = UUID("0190a5b0-0000-7000-8000-000000000001")
MATCH = Statement("select array_agg(t ~ $2 order by n)::text from unnest($1::text[]) with ordinality as r (t, n)")

segments = st.sampled_from(["a", "b", "a_b", "a-b", "1", str(TENANT)])
topics = st.lists(segments, min_size=1, max_size=6).map(".".join)
patterns = st.builds(
    lambda start, end: ".".join([*start, *end]),
    st.lists(st.one_of(segments, st.just("*")), min_size=1, max_size=5),
    st.sampled_from([[], [">"], ["**"]]),
)


def slow(pattern: list[str], topic: list[str]) -> bool:
    """The definition, read segment by segment."""
    if not pattern or not topic:
        return not pattern and not topic
    if pattern[0] in (">", "**"):
        return True
    return pattern[0] in ("*", topic[0]) and slow(pattern[1:], topic[1:])


@given(st.lists(patterns, min_size=1, max_size=4), st.lists(topics, min_size=1, max_size=20))
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_python_and_database_pick_what_the_definition_picks(oltp: Postgres, patterns: list[str], topics: list[str]) -> None:
    wanted = Patterns(patterns)
    expected = [any(slow(pattern.split("."), topic.split(".")) for pattern in patterns) for topic in topics]

    assert [wanted.matches(topic) for topic in topics] == expected

    given = [f"{{{','.join(topics)}}}".encode(), wanted.regex.encode()]
    answer = (await oltp.run(None, (MATCH, given)))[0].rows[0][0]
    assert answer == f"{{{','.join('t' if one else 'f' for one in expected)}}}".encode()


@pytest.mark.parametrize("pattern", ["", "a..b", "a.>.b", "**.a", "a.b*", "a.(b)", "a b", "a.\n", "a.b\n", "é", "a.$", "a.>>"])
def test_refuses_what_is_no_pattern(pattern: str) -> None:
    with pytest.raises(ValueError, match="segment"):
        Patterns([pattern])


def test_refuses_an_empty_set() -> None:
    with pytest.raises(ValueError, match="nothing would ever match"):
        Patterns([])


@pytest.mark.parametrize(
    ("patterns", "tenant"),
    [
        ([f"nexus.crm.{TENANT}.lead.created"], f"t_{TENANT.hex}"),
        ([f"nexus.crm.{TENANT}.>", f"nexus.*.{TENANT}.deal.*"], f"t_{TENANT.hex}"),
        ([f"nexus.crm.{TENANT}.>", "nexus.crm.*.lead.created"], None),
        ([f"nexus.crm.{TENANT}.>", f"nexus.crm.{UUID(int=1)}.>"], None),
        (["nexus.crm.>"], None),
        ([">"], None),
    ],
)
def test_knows_when_only_one_tenant_can_match(patterns: list[str], tenant: str | None) -> None:
    assert Patterns(patterns).tenant == tenant


def test_a_topic_is_the_type_with_the_tenant_in_it() -> None:
    check_type("crm.lead.stage.changed")
    assert topic_of("crm.lead.stage.changed", TENANT) == f"nexus.crm.{TENANT}.lead.stage.changed"
