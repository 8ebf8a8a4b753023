"""The bytes of a file that arrives piece by piece: whole lines of it, the place reached, and a digest of all that went before."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from typing import Final

BLOCK: Final = 256 * 1024
"""Bytes that are read before a batch is made of them."""
LONGEST: Final = 1024 * 1024
"""Bytes that one record may take."""


class Source:
    """A file read once, from its beginning to its end, in a bounded amount of memory."""

    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self._chunks = chunks
        self._parts: list[bytes] = []
        self._size = 0
        self._ended = False
        self._seen = hashlib.blake2b(digest_size=16)
        self.position = 0
        """Bytes taken."""

    @property
    def digest(self) -> str:
        """Of the bytes taken."""
        return self._seen.hexdigest()

    async def block(self, at_least: int = BLOCK) -> tuple[bytes, bool]:
        """What is there, at least so much of it unless the file ends before; and whether it is all there is. Nothing is taken yet."""
        while self._size < at_least and not self._ended:
            await self._more()
        self._parts = [b"".join(self._parts)]
        return self._parts[0], self._ended

    async def _more(self) -> None:
        try:
            part = await anext(self._chunks)
        except StopAsyncIteration:
            self._ended = True
            return
        self._parts.append(part)
        self._size += len(part)

    def take(self, count: int) -> None:
        """Go on by so many bytes of the block."""
        whole = self._parts[0]
        self._seen.update(memoryview(whole)[:count])
        self._parts = [whole[count:]]
        self._size -= count
        self.position += count

    async def skip(self, position: int) -> bool:
        """Go on to a position; False where the file ends before it."""
        while self.position < position:
            block, ended = await self.block(1)
            if not block and ended:
                return False
            self.take(min(len(block), position - self.position))
        return True

    async def drop_line(self) -> None:
        """Go on past the end of a line that is too long to be kept."""
        while True:
            block, ended = await self.block(1)
            end = block.find(b"\n")
            self.take(len(block) if end < 0 else end + 1)
            if end >= 0 or ended:
                return
