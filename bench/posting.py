"""Posting: entries of three lines by sixteen who post at once, and what reports take over a million lines."""

from __future__ import annotations

import asyncio
import datetime as dt
import itertools
import time
from typing import Any, Final

import psycopg

from bench.ground import Ground
from bench.measure import median
from bench.report import Other
from nexus.config import Settings
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
            return [*await self._reports(tenant), *await self._posting(tenant)]
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

    async def _posting(self, tenant: Harness) -> list[Other]:
        bodies, keys = await self._bodies(tenant), itertools.count()

        async def post(body: dict[str, Any]) -> None:
            answer = await tenant.api("POST", "/api/v1/finance/journal_entries/post", body, idempotency_key=f"p{next(keys)}")
            assert answer.status == 200, answer.body

        async def rate(some: list[dict[str, Any]]) -> float:
            began, done = time.perf_counter(), 0

            async def client(n: int) -> None:
                nonlocal done
                while time.perf_counter() - began < self._seconds:
                    await post(some[n % len(some)])
                    done += 1

            await asyncio.gather(*[client(n) for n in range(CLIENTS)])
            return done / (time.perf_counter() - began)

        await post(bodies[0])
        before, wal = (tenant.statistics.round_trips, tenant.statistics.statements), await self._wal()
        await post(bodies[0])
        trips, statements = tenant.statistics.round_trips - before[0], tenant.statistics.statements - before[1]
        written = await self._wal() - wal
        return [
            Other("post an entry of three lines, 16 clients, all journals", await rate(bodies), "/s", wanted=200, at_least=True),
            Other("post an entry of three lines, 16 clients, one journal", await rate(bodies[:1]), "/s"),
            Other("post an entry: round trips", trips, "", f"{statements} statements", wanted=3),
            Other("post an entry: log of the database", written, " bytes"),
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
            found.append(Other(f"{what}, {self._entries * 3:,} lines", median(took), " ms", wanted=1_000))
        return found
