"""Books that are copied: what posting made is there once, the chain holds, and the next entry goes on where the last one was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nexus.core.service import Service
from nexus.engines.oltp.embedded import EmbeddedPostgres
from tests.activation.conftest import Installation
from tests.runtime.copies import Business, ask, backups, business, contents, moves, record_of, relayed, two_cells, working


async def post(nexus: Installation, one: Business) -> str:
    """Post an entry; its number."""
    journals = await ask(nexus, one, "GET", "finance/journals?type=general")
    accounts = await ask(nexus, one, "GET", "finance/accounts?is_group=false&must_have_party=false&sort=code&limit=2")
    years = await ask(nexus, one, "GET", "finance/fiscal_years")
    debit, credit = accounts["items"]
    lines = [{"account_id": debit["id"], "debit": "1.5"}, {"account_id": credit["id"], "credit": "1.5"}]
    entry = {"journal_id": journals["items"][0]["id"], "date": years["items"][0]["starts_on"], "lines": lines}
    number: str = (await ask(nexus, one, "POST", "finance/journal_entries/post", entry))["number"]
    return number


async def proven(nexus: Installation, one: Business) -> Any:
    companies = await ask(nexus, one, "GET", "finance/companies")
    proof = await ask(nexus, one, "GET", f"finance/reports/ledger-proof?company_id={companies['items'][0]['id']}")
    return [one["rule"] for one in proof["items"] if not one["holds"]]


@pytest.mark.parametrize("way", ["restored", "moved"])
async def test_the_next_entry_follows_the_last(postgres: EmbeddedPostgres, services: dict[str, Service], tmp_path: Path, way: str) -> None:
    async with working(await two_cells(postgres, f"books_{way}"), services) as nexus:
        one = await business(nexus, f"books-{way}")
        numbers = [await post(nexus, one) for _ in range(2)]
        await relayed(nexus)
        before = await contents(nexus, one.id)
        if way == "moved":
            record = await record_of(nexus, one.id)
            await moves(nexus).move(record, next(name for name in nexus.cells if name != record.cell))
        else:
            await backups(nexus).backup(await record_of(nexus, one.id), tmp_path / "one.zip")
            for move, body in (("archive", {"reason": "gone"}), ("purge", {"reason": "gone", "force": True})):
                assert (await nexus.ask("POST", f"/api/v1/tenants/{one.slug}/{move}", body))[0] == 200
            await backups(nexus).restore(tmp_path / "one.zip")

        after = await contents(nexus, one.id)
        assert {name: rows for name, rows in after.items() if name.startswith("finance_")} == {
            name: rows for name, rows in before.items() if name.startswith("finance_")
        }
        numbers.append(await post(nexus, one))
        assert [number.rpartition("/")[2] for number in numbers] == ["00001", "00002", "00003"]
        assert await proven(nexus, one) == []
