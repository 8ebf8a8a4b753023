"""The JSON of a connection: edges, nodes, page info and total, each only where it is selected."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import graphql as lib

from nexus.surfaces.graphql.draft import listed, row
from nexus.surfaces.graphql.model import Kind
from nexus.surfaces.graphql.pages import Asked, Pages, cursor
from nexus.surfaces.graphql.selection import Fields
from nexus.surfaces.shapes import Shape
from nexus.surfaces.sql import quoted

if TYPE_CHECKING:
    from nexus.surfaces.graphql.compiling import Columns, Compiler, Rows


class Connection:
    """The JSON of one connection; notes what its records must bring for it."""

    def __init__(self, compiler: Compiler, shape: Shape, of: str, asked: Asked, rows: Rows) -> None:
        self._compiler = compiler
        self._of = of
        self._asked = asked
        self.rows = rows
        self.read = 0
        """How often the records are read."""
        self.ahead = False
        """Whether one more is read, to know whether there is one."""
        self.numbered = asked.backward
        self.keyed = False

    def columns(self, kind: Kind, nodes: list[lib.FieldNode], pages: Pages) -> Columns:
        """The connection, key by key."""
        fields = self._compiler.selections.below(kind.name, nodes)
        self._foresee(fields)
        found: Columns = []
        for key, inside in fields.items():
            name = inside[0].name.value
            if name == "__typename":
                found.append((key, f"{quoted(kind.name)}::text"))
            elif name == "totalCount":
                found.append((key, f"({self._compiler.draft.embed(pages.count(self.rows.shape, self._asked))})"))
            elif name == "pageInfo":
                found.append((key, self._info(inside)))
            else:
                found.append((key, self._several(name, inside)))
        return found

    def _foresee(self, fields: Fields) -> None:
        """Whether one more record is read must be known before the first expression is written."""
        for inside in fields.values():
            if inside[0].name.value == "pageInfo":
                asked = {nodes[0].name.value for nodes in self._compiler.selections.below("PageInfo", inside).values()}
                if asked & {"startCursor", "endCursor"}:
                    self.numbered = True
                if ("hasPreviousPage" if self._asked.backward else "hasNextPage") in asked:
                    self.ahead = self.numbered = True

    def _several(self, name: str, nodes: list[lib.FieldNode]) -> str:
        self.read += 1
        draft, p = self._compiler.draft, self.rows.name
        of = self._of if name == "nodes" else f"{self._of}Edge"
        laterals: list[str] = []

        def node(inside: Iterable[lib.FieldNode]) -> str:
            x = draft.name("x")
            columns = self._compiler.record(self._compiler.graph[self._of], inside, self.rows)
            laterals.append(f"CROSS JOIN LATERAL (SELECT {listed(columns)}) {x}")
            return x

        columns: Columns = []
        value = e = draft.name("e")
        if name == "nodes":
            columns.append((e, node(nodes)))
            value = f'{e}."{e}"'
        else:
            for key, inside in self._compiler.selections.below(of, nodes).items():
                columns.append((key, self._edge(inside, node)))
        where = f" WHERE {p}._n <= {self._asked.limit}" if self.ahead else ""
        order = f" ORDER BY {p}._n{' DESC' if self._asked.backward else ''}" if self.numbered else ""
        inner_ = f"SELECT {listed(columns)} FROM {p} {' '.join(laterals)}{where}{order}"
        return f"(SELECT coalesce(json_agg({value}), '[]'::json) FROM ({inner_}) {e})"

    def _edge(self, nodes: list[lib.FieldNode], node: Callable[[Iterable[lib.FieldNode]], str]) -> str:
        name = nodes[0].name.value
        if name == "cursor":
            self.keyed = True
            return cursor(self.rows.name, self._asked.sort)
        return node(nodes) if name == "node" else f"'{self._of}Edge'::text"

    def _info(self, nodes: list[lib.FieldNode]) -> str:
        columns: Columns = []
        p, asked = self.rows.name, self._asked
        for key, inside in self._compiler.selections.below("PageInfo", nodes).items():
            match inside[0].name.value:
                case "hasNextPage" | "hasPreviousPage" as name:
                    if (name == "hasPreviousPage") != asked.backward:
                        columns.append((key, "true" if asked.cursor else "false"))
                    else:
                        self.read += 1
                        columns.append((key, f"(SELECT count(*) > {asked.limit} FROM {p})"))
                case "startCursor" | "endCursor" as name:
                    self.read += 1
                    self.keyed = True
                    way = "" if (name == "startCursor") != asked.backward else " DESC"
                    columns.append(
                        (key, f"(SELECT {cursor(p, asked.sort)} FROM {p} WHERE {p}._n <= {asked.limit} ORDER BY {p}._n{way} LIMIT 1)")
                    )
                case _:
                    columns.append((key, "'PageInfo'::text"))
        return row(columns, self._compiler.draft.name("x"))
