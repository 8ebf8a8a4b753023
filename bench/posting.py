"""Posting: entries and invoices of three lines by sixteen who post at once, and what reports take over a million lines."""

from __future__ import annotations

import asyncio
import datetime as dt
import itertools
import json
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Final

import psycopg

from bench.ground import Ground
from bench.measure import median
from bench.report import Other
from nexus.config import Settings
from nexus.core.ids import uuid7
from nexus.core.service import installed
from nexus.engines.oltp.postgres import Postgres
from nexus.engines.oltp.roles import credentials
from nexus.runtime.databases import passwords
from nexus.runtime.testing import Harness
from nexus.services.finance import seeds
from nexus.services.finance.entities import Account, Company, FiscalYear, Journal

CLIENTS: Final = 16
GIVEN: Final = {"name": "Bench", "country": "NG", "currency": "NGN", "industry": "general", "fiscal_year": {"month": 1, "day": 1}}
# Many lines as posting would have left them, without posting each
ENTRIES: Final = """
SET session_replication_role = replica;
INSERT INTO {s}.finance_journal_entry (id, company_id, journal_id, date, status, lines, number, sequence, currency, total, period_id, fiscal_year_id,
        posted_at, position, prev_hash, hash, tags, external_refs, custom)
    SELECT gen_random_uuid(), j.company_id, j.id, p.starts_on + n % 28, 'posted', '[]', 'X/' || n, n, 'NGN', 100, p.id, p.fiscal_year_id, now(), n, '', '',
        '[]', '{{}}', '{{}}'
    FROM generate_series(1000001, 1000000 + {entries}) n JOIN {s}.finance_journal j ON j.code = 'SAL'
    JOIN (SELECT *, row_number() OVER (ORDER BY starts_on) - 1 AS at FROM {s}.finance_accounting_period) p ON p.at = n % 12;
INSERT INTO {s}.finance_journal_line (id, entry_id, position, account_id, date, debit, credit, base_currency, currency, amount, rate, dimensions, tags,
        external_refs, custom)
    SELECT gen_random_uuid(), e.id, l.n, a.id, e.date, l.debit, l.credit, 'NGN', 'NGN', l.debit - l.credit, 1, '{{}}', '[]', '{{}}', '{{}}'
    FROM {s}.finance_journal_entry e CROSS JOIN (VALUES (1, 107.50, 0.00), (2, 0.00, 100.00), (3, 0.00, 7.50)) AS l (n, debit, credit)
    JOIN (SELECT id, row_number() OVER (ORDER BY code) - 1 AS at, count(*) OVER () AS accounts FROM {s}.finance_account WHERE NOT is_group) a
        ON a.at = (e.sequence * 3 + l.n) % a.accounts
    WHERE e.sequence > 1000000;
INSERT INTO {s}.finance_account_balance (id, company_id, journal_id, period_id, account_id, debit, credit, base_currency, currency, amount, dimensions,
        dimension_key, lines, tags, external_refs, custom)
    SELECT gen_random_uuid(), e.company_id, e.journal_id, e.period_id, l.account_id, sum(l.debit), sum(l.credit), 'NGN', 'NGN', sum(l.amount), '{{}}', '',
        count(*), '[]', '{{}}', '{{}}'
    FROM {s}.finance_journal_line l JOIN {s}.finance_journal_entry e ON e.id = l.entry_id WHERE e.sequence > 1000000
    GROUP BY e.company_id, e.journal_id, e.period_id, l.account_id;
ANALYZE {s}.finance_journal_line; ANALYZE {s}.finance_journal_entry; ANALYZE {s}.finance_account_balance;
"""


async def asked(tenant: Harness, command: str, body: dict[str, Any], key: str) -> dict[str, Any]:
    """What a command of finance answers."""
    answer = await tenant.api("POST", f"/api/v1/finance/{command}", body, idempotency_key=key)
    assert answer.status in (200, 201), answer.body
    result: dict[str, Any] = json.loads(answer.body)
    return result


class Posting:
    """Measures a tenant of its own, in this process: the API without a socket."""

    def __init__(self, ground: Ground, data: str, quick: bool) -> None:
        self._ground = ground
        self._known = passwords(Settings(data=data))
        self._seconds = 3.0 if quick else 10.0
        self._entries = 30_000 if quick else 333_334

    async def run(self) -> list[Other]:
        """All of them."""
        owner = credentials(self._ground.url("nexus"), "nexus_owner", self._known.owner)
        oltp = await Postgres.open(credentials(self._ground.url("nexus"), "nexus_app", self._known.app))
        tenant = await Harness.fresh(oltp, owner, installed().values())
        try:
            async with tenant._work() as work:
                await seeds.plant(dict(GIVEN), work)
                await work.commit()
            return [*await self._reports(tenant), *await self._posted(tenant), *await self._invoices(tenant)]
        finally:
            await oltp.close()
            async with await psycopg.AsyncConnection.connect(owner, autocommit=True) as connection:
                await connection.execute(f"DROP SCHEMA {tenant.caller.schema} CASCADE".encode())
            await self._ground.sql("DELETE FROM nexus_cell.journal", "nexus")

    async def _bodies(self, tenant: Harness) -> list[dict[str, Any]]:
        """One entry of three lines for each journal."""
        accounts = [one.id for one in await tenant.list(Account) if not one.is_group and not one.must_have_party][:3]
        (year,) = await tenant.list(FiscalYear)
        sides = zip(accounts, (("debit", "107.5"), ("credit", "100"), ("credit", "7.5")), strict=True)
        lines = [{"account_id": str(id), side: amount} for id, (side, amount) in sides]
        return [{"journal_id": str(one.id), "date": str(year.starts_on), "lines": lines} for one in await tenant.list(Journal)]

    async def _posted(self, tenant: Harness) -> list[Other]:
        bodies, keys = await self._bodies(tenant), itertools.count()

        def into(some: list[dict[str, Any]]) -> Callable[[], Awaitable[None]]:
            async def post() -> None:
                n = next(keys)
                await asked(tenant, "journal_entries/post", some[n % len(some)], f"p{n}")

            return post

        return [
            *await self._counted("an entry", into(bodies[:1]), tenant),
            Other(
                "post an entry of three lines, 16 clients, all journals", await self._rate(into(bodies)), "/s", wanted=200, at_least=True
            ),
            Other("post an entry of three lines, 16 clients, one journal", await self._rate(into(bodies[:1])), "/s"),
        ]

    async def _invoices(self, tenant: Harness) -> list[Other]:
        """Drafts are drawn up beforehand: what is measured is that they are posted."""
        (year,), kept = await tenant.list(FiscalYear), deque[str]()
        lines = [{"name": f"Item {n}", "quantity": "2", "unit_price": f"{n}9.90"} for n in (1, 2, 3)]
        body = {"party_id": str(uuid7()), "party_name": "Ada Obi", "date": str(year.starts_on), "lines": lines}

        async def draw_up(many: int) -> None:
            async def some() -> None:
                while len(kept) < many:
                    kept.append((await asked(tenant, "invoices", body, str(uuid7())))["invoice_id"])

            await asyncio.gather(*[some() for _ in range(CLIENTS)])

        async def post() -> None:
            id = kept.popleft()
            await asked(tenant, f"invoices/{id}/post", {}, f"post-{id}")

        await draw_up(round(self._seconds * 400))
        counted = await self._counted("an invoice", post, tenant)
        rate = await self._rate(post)
        await draw_up(round(self._seconds * rate))
        tail = await self._tail(post, rate / 2)
        return [
            *counted,
            Other("post an invoice of three lines, 16 clients", rate, "/s", wanted=200, at_least=True),
            Other("post an invoice of three lines, p99 at half of that", tail, " ms", f"{rate / 2:,.0f}/s", wanted=100),
        ]

    async def _rate(self, post: Callable[[], Awaitable[None]]) -> float:
        """How many sixteen clients get done in a second."""
        began, done = time.perf_counter(), 0

        async def client() -> None:
            nonlocal done
            while time.perf_counter() - began < self._seconds:
                await post()
                done += 1

        await asyncio.gather(*[client() for _ in range(CLIENTS)])
        return done / (time.perf_counter() - began)

    async def _tail(self, post: Callable[[], Awaitable[None]], rate: float) -> float:
        """Milliseconds that 99 of 100 take at most where they come at a fixed rate, from the moment at which each was due."""
        began, took = time.perf_counter(), list[float]()

        async def one(due: float) -> None:
            await asyncio.sleep(due - time.perf_counter())
            await post()
            took.append((time.perf_counter() - due) * 1_000)

        await asyncio.gather(*[one(began + n / rate) for n in range(round(self._seconds * rate))])
        return sorted(took)[int(len(took) * 0.99)]

    async def _counted(self, what: str, post: Callable[[], Awaitable[None]], tenant: Harness) -> list[Other]:
        """What one costs, after another has warmed up."""
        await post()
        before, wal = (tenant.statistics.round_trips, tenant.statistics.statements), await self._wal()
        await post()
        trips, statements = tenant.statistics.round_trips - before[0], tenant.statistics.statements - before[1]
        return [
            Other(f"post {what}: round trips", trips, "", f"{statements} statements", wanted=3 if what == "an entry" else None),
            Other(f"post {what}: log of the database", await self._wal() - wal, " bytes"),
        ]

    async def _wal(self) -> int:
        ((bytes_,),) = await self._ground.sql("SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint", "nexus")
        return int(str(bytes_))

    async def _reports(self, tenant: Harness) -> list[Other]:
        await self._ground.sql(ENTRIES.format(s=tenant.caller.schema, entries=self._entries), "nexus")
        (company,), (year,) = await tenant.list(Company), await tenant.list(FiscalYear)
        account = next(one for one in await tenant.list(Account) if not one.is_group)
        middle = year.starts_on + dt.timedelta(days=170)
        days = f"since={year.starts_on}&until="
        asked = {
            "trial balance of a year": f"trial-balance?company_id={company.id}&{days}{year.ends_on}",
            "trial balance up to the middle of a month": f"trial-balance?company_id={company.id}&{days}{middle}",
            "a page of the general ledger": f"general-ledger?account_id={account.id}&since={middle}&until={year.ends_on}",
        }
        found: list[Other] = []
        for what, path in asked.items():
            took: list[float] = []
            for _ in range(5):
                began = time.perf_counter()
                answer = await tenant.api("GET", f"/api/v1/finance/reports/{path}")
                took.append((time.perf_counter() - began) * 1_000)
                assert answer.status == 200, answer.body
            found.append(Other(f"{what}, {self._entries * 3:,} lines", median(took), " ms", wanted=100))
        return found
