"""The prepared statements of one connection: their names, kept in a bounded LRU."""

from collections import OrderedDict
from collections.abc import Iterable

from nexus.engines.oltp import Statement
from nexus.engines.oltp.guard import check_query, check_schema, quoted
from nexus.engines.oltp.request import Key

__all__ = ["Prepared"]


class Prepared:
    """What the server knows by name, as far as it has been sent."""

    def __init__(self, most: int) -> None:
        """`most` statements are kept; those that were used longest ago are closed."""
        self._most = most
        self._names: OrderedDict[Key, bytes] = OrderedDict()
        self._evicted: list[bytes] = []
        self._made = 0
        self.tenants: set[str] = set()

    def check(self, schema: str | None, statement: Statement) -> None:
        """Raise NotAQuery for what may not be sent under a tenant's role."""
        if schema is not None and (schema, statement) not in self._names:
            check_schema(schema)
            check_query(statement)

    def known(self, schema: str | None, statement: Statement) -> bytes | None:
        """The name of a statement that the server has; it has been used now."""
        key = (schema, statement)
        name = self._names.get(key)
        if name is not None:
            self._names.move_to_end(key)
        return name

    def new(self, schema: str | None, statement: Statement) -> tuple[bytes, bytes]:
        """A name for a statement, and the text to prepare by it."""
        self._made += 1
        name = self._names[schema, statement] = b"s%d" % self._made
        if len(self._names) > self._most:
            self._evicted.append(self._names.popitem(last=False)[1])
        if schema is None:
            return name, statement.text.encode()
        self.tenants.add(schema)
        return name, statement.text.replace("{s}", quoted(schema)).encode()

    def take_evicted(self) -> list[bytes]:
        """The names that the server should close now."""
        evicted = self._evicted
        if evicted:
            self._evicted = []
        return evicted

    def forget(self, keys: Iterable[Key]) -> None:
        """These were never prepared."""
        for key in keys:
            self._names.pop(key, None)

    def drop(self, keys: Iterable[Key]) -> None:
        """These are of no use any more, wherever the server has them."""
        for key in keys:
            name = self._names.pop(key, None)
            if name is not None:
                self._evicted.append(name)
