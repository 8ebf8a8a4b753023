"""The ground of a run: one PostgreSQL with durable settings, the same for everybody who is measured, and rows to work on."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import psycopg
from psycopg.conninfo import make_conninfo

from bench.processes import prefer
from nexus.engines.oltp.embedded import EmbeddedPostgres

DURABLE: Final = {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "shared_buffers": "1GB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "30min",
    "max_connections": "120",
    "track_commit_timestamp": "on",  # to know when a reaction's cause became true
}

CONTACTS: Final = """
INSERT INTO {table} (id, name, given_name, family_name, email, phone, title, city, country, language, time_zone, description, tags,
    email_verified, more_emails, more_phones, do_not_contact, external_refs, custom, version{more})
SELECT ('0189' || lpad(to_hex(n), 8, '0') || '70008' || substr(md5(n::text), 1, 15))::uuid, g || ' ' || f, g, f,
    'person' || n || '@company' || n % 9973 || '.example', '+234' || 8000000000 + n,
    (ARRAY['Buyer', 'Owner', 'Engineer', 'Accountant', 'Director'])[1 + n % 5], (ARRAY['Lagos', 'Abuja', 'Kano', 'Ibadan'])[1 + n % 4],
    (ARRAY['NG', 'GH', 'KE', 'ZA'])[1 + (n * 7919) % 4], 'en', 'Africa/Lagos', 'Met at the fair of ' || 2000 + n % 25, '["fair"]',
    n % 3 = 0, '[]', '[]', '[]', '{{}}', '{{}}', 1{values}
FROM (SELECT n, (ARRAY['Ada', 'Bola', 'Chi', 'Dayo', 'Efe', 'Femi', 'Gozi', 'Hadiza'])[1 + n % 8] AS g,
    (ARRAY['Obi', 'Ade', 'Bello', 'Eze', 'Musa', 'Okafor', 'Sani'])[1 + n % 7] AS f FROM generate_series(1, {count}) n) people
"""
LEADS: Final = """
INSERT INTO {table} (id, name, company, title, email, phone, website, industry, city, country, estimated_amount, currency, status,
    tags, external_refs, custom, version{more})
SELECT ('0189' || lpad(to_hex(n), 8, '0') || '7000a' || substr(md5(n::text), 1, 15))::uuid, 'Lead ' || n, 'Company of lead ' || n, 'Buyer',
    'lead' || n || '@lead' || n || '.example', '+233' || 200000000 + n, 'https://lead' || n || '.example', 'food', 'Accra', 'GH', 900.00, 'NGN',
    'qualified', '[]', '{{}}', '{{}}', 1{values} FROM generate_series(1, {count}) n
"""

ACCOUNTS_COUNT: Final = 1_000
ACCOUNTS: Final = """
INSERT INTO {table} (id, name, city, country, tags, external_refs, custom, version{more})
SELECT ('0188' || lpad(to_hex(n), 8, '0') || '70008' || substr(md5(n::text), 1, 15))::uuid, 'Account ' || n, 'Lagos', 'NG', '[]', '{{}}', '{{}}', 1{values}
FROM generate_series(1, {count}) n
"""
PEOPLE: Final = """
INSERT INTO {table} (id, name, email, title, account_id, country, tags, email_verified, more_emails, more_phones, do_not_contact, external_refs,
    custom, version{more})
SELECT ('0188' || lpad(to_hex(n * 10 + k), 8, '0') || '70009' || substr(md5(n::text), 1, 15))::uuid, 'Person ' || n || '.' || k,
    'p' || n || '.' || k || '@one.example', 'Buyer', ('0188' || lpad(to_hex(n), 8, '0') || '70008' || substr(md5(n::text), 1, 15))::uuid, 'XX',
    '[]', false, '[]', '[]', '[]', '{{}}', '{{}}', 1{values}
FROM generate_series(1, {count}) n, generate_series(0, 4) k
"""
DEALS: Final = """
INSERT INTO {table} (id, name, contact_id, amount, currency, tags, external_refs, custom, version{more})
SELECT ('0188' || lpad(to_hex(n * 100 + k * 10 + d), 8, '0') || '7000b' || substr(md5(n::text), 1, 15))::uuid, 'Deal ' || n || '.' || k || '.' || d,
    ('0188' || lpad(to_hex(n * 10 + k), 8, '0') || '70009' || substr(md5(n::text), 1, 15))::uuid, 1250.00, 'NGN', '[]', '{{}}', '{{}}', 1{values}
FROM generate_series(1, {count}) n, generate_series(0, 4) k, generate_series(0, 2) d
"""
"""What GraphQL's three levels are read from: accounts with five contacts each with three deals each."""


def account_id(n: int) -> str:
    """The account number `n`."""
    return contact_id(n).replace("0189", "0188", 1)


def contact_id(n: int) -> str:
    """SQL's name for the contact number `n`, as Python writes it."""
    from hashlib import md5

    raw = f"0189{n:08x}70008{md5(str(n).encode(), usedforsecurity=False).hexdigest()[:15]}"
    return f"{raw[:8]}-{raw[8:12]}-{raw[12:16]}-{raw[16:20]}-{raw[20:]}"


def lead_id(n: int) -> str:
    """The lead number `n`."""
    own = contact_id(n)
    return own[:19] + "a" + own[20:]


class Ground:
    """The database server of a run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.server = EmbeddedPostgres(folder / "postgres", settings=DURABLE)

    async def start(self) -> None:
        """Start it."""
        await self.server.start()
        prefer(self.pid)

    async def stop(self) -> None:
        """Stop it."""
        await self.server.stop()

    @property
    def pid(self) -> int:
        """The process that all others of the server stand below."""
        assert self.server.pid is not None
        return self.server.pid

    def url(self, database: str = "postgres") -> str:
        """As the superuser."""
        return make_conninfo(self.server.superuser_url, dbname=database)

    async def sql(self, text: str, database: str = "postgres") -> list[tuple[object, ...]]:
        """Run statements as the superuser: the rows of the last one."""
        async with await psycopg.AsyncConnection.connect(self.url(database), autocommit=True) as connection:
            cursor = await connection.execute(text.encode())
            return await cursor.fetchall() if cursor.description else []


__all__ = ["ACCOUNTS", "CONTACTS", "DEALS", "DURABLE", "LEADS", "PEOPLE", "Ground", "account_id", "contact_id", "lead_id"]
