"""The lines of a file as records: JSON objects or rows of cells, each with its number, in batches that the database takes at once."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any, Final, Protocol, cast

from nexus.core.problem import FieldError, Malformed
from nexus.surfaces.imports.source import BLOCK, LONGEST, Source

MOST: Final = 2_000
"""Records in a batch."""
BOM: Final = b"\xef\xbb\xbf"
NO_TEXT: Final = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0", b"\x1f\x8b", b"%PDF-", b"\x89PNG")
"""How workbooks, archives and other files begin that are no text."""
TOO_LONG: Final = FieldError("", f"the record is longer than {LONGEST:,} bytes")

csv.field_size_limit(LONGEST)


class Bad:
    """A record that cannot be read."""

    __slots__ = ("error",)

    def __init__(self, error: FieldError) -> None:
        self.error = error


Record = tuple[int, Any]
"""Its number in the file and what it holds: bytes, a list of cells, or Bad."""


@dataclass(slots=True)
class Batch:
    """Records, and the place in the file behind the last of them."""

    records: list[Record]
    last: int
    """The number of the last record, blank ones included."""
    position: int
    digest: str


class Format(Protocol):
    """How bytes are split: what was read, and how many of the bytes that took (0: not even one record is whole)."""

    def split(self, block: bytes, ended: bool) -> tuple[list[Any], int]: ...


class Ndjson:
    """One JSON object per line; blank lines count and say nothing."""

    def split(self, block: bytes, ended: bool) -> tuple[list[Any], int]:
        """The lines as they are; None for a blank one."""
        whole = block if ended else block[: block.rfind(b"\n") + 1]
        if not whole:
            return [], 0
        lines = whole.split(b"\n")
        if not lines[-1]:
            lines.pop()
        if len(lines) > MOST:
            lines = lines[:MOST]
            taken = sum(map(len, lines)) + MOST
        else:
            taken = len(whole)
        return [self._record(line) for line in lines], taken

    def _record(self, line: bytes) -> Any:
        if len(line) > LONGEST:
            return Bad(TOO_LONG)
        return line if line and not line.isspace() else None


class Csv:
    """RFC 4180: a header row, cells in quotes where they need them, lines that end in LF or CRLF; any delimiter and a few encodings."""

    def __init__(self, delimiter: str, encoding: str) -> None:
        self._delimiter = delimiter
        self._encoding = encoding

    def split(self, block: bytes, ended: bool) -> tuple[list[Any], int]:
        """The rows as lists of cells; None for a blank one."""
        whole = block if ended else block[: block.rfind(b"\n") + 1]
        if not whole:
            return [], 0
        text, clean = self._text(whole)
        records: list[Any] = []
        lines = 0
        while len(records) < MOST and lines < text.count("\n") + 1:
            found, lines, more = self._run(text, lines, ended, len(whole))
            records += found
            if not more:
                break
        if not clean:
            records = [_checked(record) for record in records]
        return records, _offset(whole, lines)

    def _text(self, whole: bytes) -> tuple[str, bool]:
        try:
            return whole.decode(self._encoding), True
        except UnicodeDecodeError:
            return whole.decode(self._encoding, "surrogateescape"), False

    def _run(self, text: str, start: int, ended: bool, size: int) -> tuple[list[Any], int, bool]:
        """Records from a line on: those found, the line reached, and whether to go on from there."""
        lines = io.StringIO(text[_character(text, start) :], newline="\n")
        reader = csv.reader(lines, delimiter=self._delimiter, strict=True)
        found: list[Any] = []
        reached = 0
        for cells in _guarded(reader):
            if isinstance(cells, csv.Error):
                if "unexpected end of data" not in str(cells):
                    found.append(Bad(FieldError("", f"is not CSV as RFC 4180 has it: {cells}")))
                    reached = reader.line_num
                    continue
                if not ended and size <= LONGEST:
                    return found, start + reached, False
                # a quote that opens and never closes would take the rest of the file with it: only its own line is lost
                found.append(Bad(FieldError("", "a quote opens in this record and is never closed, or not within the longest record")))
                return found, start + reached + 1, True
            found.append(cells or None)
            reached = reader.line_num
            if len(found) >= MOST:
                break
        return found, start + reached, False


def _guarded(reader: Any) -> Iterator[Any]:
    """The rows of a reader, with its errors among them."""
    while True:
        try:
            yield next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield error


def _checked(record: Any) -> Any:
    if not isinstance(record, list):
        return record
    try:
        "".join(cast("list[str]", record)).encode()
    except UnicodeEncodeError:
        return Bad(FieldError("", "holds bytes that are not UTF-8; save the file as UTF-8, or say which encoding it has"))
    return cast("list[str]", record)


def _character(text: str, line: int) -> int:
    """Where a line begins."""
    at = 0
    for _ in range(line):
        at = text.find("\n", at) + 1
    return at


def _offset(block: bytes, lines: int) -> int:
    """How many bytes so many lines are."""
    at = 0
    for _ in range(lines):
        end = block.find(b"\n", at)
        if end < 0:
            return len(block)
        at = end + 1
    return at


class Reader:
    """The records of a file, batch by batch."""

    def __init__(self, source: Source, format: Format) -> None:
        self.source = source
        self._format = format
        self.last = 0
        """The number of the last record read."""

    async def begin(self, header: bool) -> list[str]:
        """Past the mark that some programs begin a file with, and past the header, which is answered. Malformed (400) without one."""
        block, _ = await self.source.block()
        if block.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise Malformed(reason="The file is UTF-16; save it as UTF-8.")
        if block.startswith(NO_TEXT) or b"\0" in block.partition(b"\n")[0]:
            raise Malformed(reason="The file is no text, but perhaps a workbook or an archive; save it as CSV in UTF-8, or as NDJSON.")
        if block.startswith(BOM):
            self.source.take(len(BOM))
        if not header:
            return []
        block, ended = await self.source.block()
        end = block.find(b"\n") + 1
        # quoted line ends in a header are rare enough to look for them in the first block alone
        names, taken = self._format.split(block, True) if end == 0 or ended else self._format.split(block, False)
        if not names or not isinstance(names[0], list):
            raise Malformed(reason="A CSV file begins with a header row that names its columns.")
        first = cast("list[str]", names[0])
        self._take_header(block, first, taken)
        self.last = 1
        return first

    def _take_header(self, block: bytes, names: list[str], taken: int) -> None:
        lines = 1 + sum(name.count("\n") for name in names)
        self.source.take(min(taken, _offset(block, lines)))

    async def batches(self) -> AsyncIterator[Batch]:
        """All records from here on; every batch ends where a record ends."""
        wanted = BLOCK
        while True:
            block, ended = await self.source.block(wanted)
            if not block:
                return
            records, taken = self._format.split(block, ended)
            if taken:
                wanted = BLOCK
                self.source.take(taken)
            elif len(block) > LONGEST:
                records = list[Any]([Bad(TOO_LONG)])
                await self.source.drop_line()
            else:
                wanted = len(block) + BLOCK
                continue
            first = self.last + 1
            self.last += len(records)
            numbered = [(first + at, record) for at, record in enumerate(records) if record is not None]
            yield Batch(numbered, self.last, self.source.position, self.source.digest)
