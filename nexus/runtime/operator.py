"""The operator's key: made on the first start, kept in a file that only its owner reads, known to the control plane by its hash."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path

from nexus.core.tokens import is_operator_key, new_operator_key, operator_hash
from nexus.runtime.cells import Cells


class BadOperatorKey(Exception):
    """The file that should hold the operator's key holds something else."""


async def keep_operator_key(cells: Cells, file: Path) -> bool:
    """Make sure that the key in `file` is in force, making one where there is none; True if it was made now.

    Raises BadOperatorKey where the file holds something else. A file that was deleted or replaced gives a new key; the old one stops working.
    Processes that share the databases and not the folder have a key each.
    """
    made, key = await asyncio.to_thread(_made_or_read, file)
    if not is_operator_key(key):
        raise BadOperatorKey(f"{file} does not hold an operator key (nxo_…); delete it to have a new one made")
    digest, place = operator_hash(key), f"{socket.gethostname()}:{file}"
    async with await cells.control.owner() as connection, connection.transaction():
        await connection.execute("DELETE FROM nexus_control.operator WHERE key_hash <> %s AND kept_in = %s", (digest, place))
        await connection.execute(
            "INSERT INTO nexus_control.operator (key_hash, kept_in) VALUES (%s, %s) ON CONFLICT (key_hash) DO UPDATE SET kept_in = excluded.kept_in",
            (digest, place),
        )
    return made


def _made_or_read(file: Path) -> tuple[bool, str]:
    made = _write_new(file)
    return made, file.read_text(encoding="ascii").strip()


def _write_new(file: Path) -> bool:
    """Write a fresh key unless the file exists: whole or not at all, also when two processes start at once."""
    if file.exists():
        return False
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as out:
            out.write(new_operator_key() + "\n")
            out.flush()
            os.fsync(out.fileno())
        os.link(draft, file)
    except FileExistsError:
        return False
    finally:
        draft.unlink()
    return True
