"""The jobs: what is asked of each side, as files of requests, and the SQL that the limit runs."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.ground import ACCOUNTS_COUNT, account_id, contact_id, lead_id
from nexus.surfaces.reads import encode_cursor

FIELDS: Final = "id,version,name,given_name,family_name,email,phone,title,account_id,city,country,language,owner_id,created_at,updated_at"
LIST: Final = [("country", "NG"), ("sort", "-id"), ("limit", "50"), ("fields", FIELDS)]
NEW: Final = {
    "name": "Ada Obi",
    "given_name": "Ada",
    "family_name": "Obi",
    "email": "ada.{n}@example.com",
    "phone": "+2348031234567",
    "title": "Buyer",
    "city": "Lagos",
    "country": "NG",
    "language": "en",
    "time_zone": "Africa/Lagos",
    "description": "Met at the fair.",
    "tags": ["fair"],
}

Lines = Callable[[str, int], Iterator[str]]
"""The requests for a side ("NEXUS" or "naive"), given how many contacts there are."""


@dataclass(frozen=True, slots=True)
class Job:
    """One kind of request."""

    name: str
    lines: Lines
    of_limit: float | None = None
    over_naive: float | None = None
    round_trips: int | None = None
    once: bool = False
    """Whether a request may be sent only once: then every round takes the next part of the file."""


def _gets(side: str, contacts: int) -> Iterator[str]:
    base = "/api/v1/crm/contacts" if side == "NEXUS" else "/contacts"
    for n in random.Random(1).sample(range(1, contacts + 1), min(4_000, contacts)):
        yield f"GET\t{base}/{contact_id(n)}"


def _lists(side: str, contacts: int) -> Iterator[str]:
    for n in random.Random(2).sample(range(min(500, contacts // 2), contacts + 1), min(2_000, contacts // 2)):
        if side == "NEXUS":
            cursor = encode_cursor(json.dumps([contact_id(n)]).encode(), (("id", True),)).decode()
            query = "&".join(f"{name}={value}" for name, value in LIST)
            yield f"GET\t/api/v1/crm/contacts?{query}&cursor={cursor}"
        else:
            yield f"GET\t/contacts?country=NG&limit=50&cursor={contact_id(n)}"


def _creates(side: str, contacts: int) -> Iterator[str]:
    yield f"POST\t{'/api/v1/crm/contacts' if side == 'NEXUS' else '/contacts'}\t{json.dumps(NEW)}"


def _converts(side: str, contacts: int) -> Iterator[str]:
    base = "/api/v1/crm/leads" if side == "NEXUS" else "/leads"
    for n in range(1, 1_000_000):
        yield f"POST\t{base}/{lead_id(n)}/convert\t{{}}"


TREE: Final = """query Tree($after: String) { crmAccounts(first: 20, after: $after, sort: ID_ASC) { edges { node { id name city country
  contacts(first: 5, sort: ID_ASC) { edges { node { id name email title
    deals(first: 3, sort: ID_ASC) { edges { node { id name amount currency } } } } } } } } } }"""
"""Three levels: 20 accounts with 5 contacts each with 3 deals each."""


def tree(n: int) -> dict[str, object]:
    """The request for the accounts behind the account number `n`."""
    cursor = encode_cursor(json.dumps([account_id(n)]).encode(), (("id", False),)).decode()
    return {"query": TREE, "variables": {"after": cursor}}


def _graphs(side: str, contacts: int) -> Iterator[str]:
    for n in random.Random(3).sample(range(ACCOUNTS_COUNT - 20), 400):
        naive = {"query": TREE.replace("crmAccounts", "accounts").replace(", sort: ID_ASC", ""), "variables": {"after": account_id(n)}}
        yield f"POST\t/graphql\t{json.dumps(tree(n) if side == 'NEXUS' else naive)}"


GET: Final = Job("get one", _gets, of_limit=0.45, over_naive=12, round_trips=1)
LIST_50: Final = Job("list 50", _lists, of_limit=0.55, over_naive=9, round_trips=1)
CREATE: Final = Job("create one", _creates, of_limit=0.60, over_naive=10, round_trips=2)
CONVERT: Final = Job("convert a lead", _converts, round_trips=6, once=True)
GRAPH: Final = Job("graphql three levels", _graphs, of_limit=0.8, over_naive=30, round_trips=1)
JOBS: Final = (GET, LIST_50, CREATE, CONVERT, GRAPH)


class Requests:
    """Writes the files of requests."""

    def __init__(self, folder: Path, contacts: int, leads: int) -> None:
        self._folder = folder
        self._contacts = contacts
        self._leads = leads
        self._taken: dict[str, int] = {}

    def file(self, job: Job, side: str, at_most: int, part: int = 0) -> Path:
        """The requests for one round; of those that may be sent once, the next `at_most`."""
        place = self._folder / f"{job.name.replace(' ', '-')}-{side}-{part}.txt"
        if not job.once:
            if not place.exists():
                place.write_text("\n".join(job.lines(side, self._contacts)) + "\n")
            return place
        begin = self._taken.get(side, 0)
        end = min(begin + at_most, self._leads)
        self._taken[side] = end
        if end <= begin:
            raise RuntimeError("there are no leads left to convert; give more")
        lines = itertools.islice(job.lines(side, self._contacts), begin, end)
        place.write_text("\n".join(lines) + "\n")
        return place
