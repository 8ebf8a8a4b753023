"""How much speaks for two records being one: what they share exactly, and how alike their names are.

Names are compared by trigrams as pg_trgm does it (which tenants cannot be given: its threshold belongs to the session, and sessions are shared): of all
triples of letters that either name has, the share that both have. The order of words does not matter.

Evidence adds up as if each piece were independent of the others: the doubt that is left is the product of the doubts.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Integer
from sqlalchemy.dialects.postgresql import array

from nexus.core import ColumnElement, case, cast, func, literal, null, sql

UNLIKE: Final = "0.2"
"""Names less alike than this are of different people or companies, who may share an address, a switchboard, a domain."""
ALIKE: Final = "0.4"
"""Names at least this much alike say something."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One thing that speaks for it, and how strongly, as an SQL number from 0 to 1."""

    reason: str
    met: ColumnElement[bool]
    worth: str
    unlike: str | None = None
    """What it is worth where the names are not alike; by default the same."""


def trigrams(name: str) -> ColumnElement[Any]:
    """The triples of a column (by its name in the statement), each once: of every word, with two spaces before and one after it."""
    words = f"SELECT '  ' || word || ' ' AS w FROM regexp_split_to_table(lower({name}), '[^[:alnum:]]+') AS word WHERE word <> ''"
    return sql(f"ARRAY(SELECT DISTINCT substr(w, i, 3) FROM ({words}) AS words, generate_series(1, length(w) - 2) AS i)")


def shared(left: str, right: str) -> ColumnElement[Any]:
    """How many trigrams two columns of them have in common."""
    return sql(f"(SELECT count(*) FROM unnest({left}) AS mine JOIN unnest({right}) AS theirs ON mine = theirs)")


def likeness(left: str, right: str, both: str) -> ColumnElement[Any]:
    """How alike two columns of trigrams are of which `both` are shared, from 0 to 1 with two decimals; 0 where neither has any."""
    return sql(f"round(coalesce({both}::numeric / nullif(cardinality({left}) + cardinality({right}) - {both}, 0), 0), 2)")


def score(alike: ColumnElement[Any], evidence: Sequence[Evidence]) -> ColumnElement[int]:
    """All evidence together, as a whole number from 0 to 100."""
    one = literal(1, Integer)
    doubts: list[ColumnElement[Any]] = [one - case((each.met, _worth(alike, each)), else_=sql("0.0")) for each in evidence]
    doubt = functools.reduce(lambda left, right: left * right, doubts)
    return cast(func.round(100 * (one - doubt)), Integer)


def _worth(alike: ColumnElement[Any], one: Evidence) -> ColumnElement[Any]:
    return sql(one.worth) if one.unlike is None else case((alike < sql(UNLIKE), sql(one.unlike)), else_=sql(one.worth))


def reasons(evidence: Sequence[Evidence]) -> ColumnElement[Any]:
    """The words for what was met."""
    return func.array_remove(array([case((one.met, sql(f"'{one.reason}'")), else_=null()) for one in evidence]), null())
