"""The proof: the new owner logs in with the new key and works, through the public API, and every answer is checked."""

from __future__ import annotations

import datetime as dt
from typing import Any, cast
from urllib.parse import quote
from zoneinfo import ZoneInfo

from nexus.activation.work import Work, together
from nexus.core.problem import Problem
from nexus.services.auth.api import RenewApiKey

_PERSON = {"name": "First Lead", "email": "first.lead@example.com"}


class ProofFailed(Problem, status=500):
    """{asked} answered {answered}"""

    asked: str
    answered: str


class _Client:
    """The owner's way in. Each line of `lines` is a request that answered as it must."""

    def __init__(self, work: Work, token: str) -> None:
        self._api = work.platform.api
        self._token = token
        self.lines: list[str] = []

    async def ask(self, method: str, path: str, body: Any = None, *, status: int, shows: str) -> Any:
        """Ask and insist on the status; `shows` says what it proves."""
        got, answer = await self._api(method, f"/api/v1/{path}", self._token, body)
        if got != status:
            raise ProofFailed(asked=f"{method} /api/v1/{path}", answered=f"{got}: {_said(answer)}")
        self.lines.append(shows)
        return answer

    def insist(self, holds: bool, what: str) -> None:
        """What an answer must say."""
        if not holds:
            raise ProofFailed(asked=what, answered="otherwise")


def _said(answer: Any) -> str:
    if isinstance(answer, dict):
        said = cast(dict[str, Any], answer)
        return str(said.get("detail") or said.get("title") or said)
    return str(answer)[:200]


def plan(work: Work) -> str:
    """What would be tried."""
    selling = ", create a lead, convert it, find the contact, read the deal back, archive the lead"
    keeping = ", try to post an entry, read the trial balance"
    return f"As the new owner: log in{selling if _has(work, 'crm') else ''}{keeping if _has(work, 'finance') else ''}"


def _has(work: Work, service: str) -> bool:
    return service in work.service_names()


async def verify(work: Work) -> dict[str, Any]:
    """Work with the tenant as its owner. After a crash the credential is gone with the process, so the key gets a new secret first."""
    again = work.token is None
    if work.token is None:
        work.token = await new_secret(work)
    client = _Client(work, work.token)
    me = await client.ask("GET", "auth/reports/me", status=200, shows="logged in as the owner with the new key")
    client.insist(me["items"][0]["id"] == work.outputs["seed"]["owner_id"], "the key is the owner's")
    selling, keeping = _Client(work, work.token), _Client(work, work.token)  # asked at the same time, told one after the other
    await together(
        *[_sell(selling, again)] if _has(work, "crm") else [],
        *[_keep_books(keeping, dt.datetime.now(ZoneInfo(work.business.time_zone)).date())] if _has(work, "finance") else [],
    )
    return {"proof": client.lines + selling.lines + keeping.lines}


async def _tidy(client: _Client) -> None:
    """Take back what a proof that was cut off had made."""
    left = await client.ask(
        "GET", f"crm/leads?email={quote(_PERSON['email'])}", status=200, shows="looked for what an earlier try had left"
    )
    for lead in left["items"]:
        if lead["status"] == "converted":
            await client.ask("POST", f"crm/leads/{lead['id']}/unconvert", {}, status=200, shows="took its conversion back")
        await client.ask("DELETE", f"crm/leads/{lead['id']}", status=200, shows="archived its lead")


async def _sell(client: _Client, again: bool) -> None:
    """A lead becomes a contact with a deal, is found, and is taken back and archived: the lists of the business are as they were."""
    if again:
        await _tidy(client)
    lead = await client.ask("POST", "crm/leads", _PERSON, status=201, shows="created a lead")
    where = f"crm/leads/{lead['id']}"
    await client.ask("POST", f"{where}/qualify", {}, status=200, shows="qualified it")
    made = await client.ask(
        "POST", f"{where}/convert", {"deal_name": "First deal"}, status=200, shows="converted it into a contact and a deal"
    )
    found = await client.ask("GET", f"crm/contacts?q={quote(_PERSON['name'])}", status=200, shows="found the contact by its name")
    client.insist([one["id"] for one in found["items"]] == [made["contact_id"]], "the search finds the contact and nothing else")
    deal = await client.ask("GET", f"crm/deals/{made['deal_id']}?expand=stage", status=200, shows="read the deal back")
    client.insist(deal["name"] == "First deal", "the deal is the one that was made")
    await client.ask("POST", f"{where}/unconvert", {}, status=200, shows="took the conversion back")
    await client.ask("DELETE", where, status=200, shows="archived the lead")
    left = await client.ask("GET", f"crm/leads?q={quote(_PERSON['name'])}", status=200, shows="and nothing of it is in the lists")
    client.insist(left["items"] == [], "the lead that was archived is out of sight")


async def _keep_books(client: _Client, today: dt.date) -> None:
    """An entry is posted and undone in one go: the first number of the books is for the business itself."""
    journals = await client.ask("GET", "finance/journals?type=general", status=200, shows="found the general journal")
    where = "finance/accounts?is_group=false&must_have_party=false&sort=code&limit=2"
    accounts = await client.ask("GET", where, status=200, shows="found accounts to post on")
    (journal,), (debit, credit) = journals["items"][:1], accounts["items"]
    entry = {
        "journal_id": journal["id"],
        "date": today.isoformat(),
        "lines": [{"account_id": debit["id"], "debit": "1"}, {"account_id": credit["id"], "credit": "1"}],
    }
    told = await client.ask("POST", "finance/journal_entries/post?dry_run=true", entry, status=200, shows="posted an entry, as a trial")
    client.insist(bool(told), "a trial says what it would do")
    asked = f"finance/reports/trial-balance?company_id={journal['company_id']}&since={today}&until={today}"
    balance = await client.ask("GET", asked, status=200, shows="read the trial balance, in which nothing of it is left")
    client.insist(balance["items"] == [], "a trial leaves nothing in the books")


async def new_secret(work: Work) -> str:
    """Give the owner's key a new secret, as the platform itself."""
    record = await work.record()
    command = RenewApiKey(api_key_id=work.outputs["seed"]["key_id"])
    answer, _ = await work.platform.host.run(work.platform.system(record), command)
    work.platform.principals.evict(record.id)
    token: str = answer.token
    return token
