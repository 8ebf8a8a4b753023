"""Reads charts and trades as written, a chart laid over the one that it extends; a mistake is told with its file and line."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec

from nexus.documents import Part, Tree, mapping, read, things
from nexus.services.finance.charts.documents import ChartDocument, TradeAccount, TradeDocument

_Read = TypeVar("_Read", bound=Part)


class ChartError(Exception):
    """The data of a chart contradicts itself or its schema: a mistake in a YAML file, never the caller's. Names file and line."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Something wrong with a chart, about an account by number or anything else by its key."""

    about: str
    text: str


@dataclass(frozen=True, slots=True)
class Sources:
    """The files that a chart is made of, the most particular first."""

    paths: tuple[Path, ...]

    def __add__(self, more: Sources) -> Sources:
        return Sources(self.paths + more.paths)

    def refuse(self, faults: Iterable[Fault]) -> None:
        """Raises ChartError with every fault, each after its file and line; nothing where there is none."""
        told = [f"{self.place(fault.about)}: {fault.text}" for fault in faults]
        if told:
            raise ChartError("; ".join(told))

    def place(self, about: str) -> str:
        """File and line of the row with a number or key; the file alone where no row has it."""
        row = re.compile(rf"[{{ ](?:number|key|role|[a-z0-9_]+): \"?{re.escape(about)}\"?[,}}\s]|^ *{re.escape(about)}:")
        for path in self.paths:
            for at, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
                if row.search(line):
                    return f"{path.name}:{at}"
        return self.paths[0].name


def chart_document(folder: Path, code: str) -> tuple[ChartDocument, Sources]:
    """The chart as written, over the one that it extends, and the files it is from. ChartError where it says what a chart cannot say."""
    layers = list(_layers(folder, code))
    sources = Sources(tuple(path for path, _ in layers))
    for path, tree in layers:
        Sources((path,)).refuse(_twice(tree))
    whole: Tree = {}
    for _, tree in reversed(layers):
        whole = _over(whole, tree)
    return _converted(whole, ChartDocument, sources), sources


def trade_accounts(folder: Path, name: str) -> tuple[tuple[TradeAccount, ...], Sources]:
    """The accounts of a trade, then those of the trades that it includes; of two for one role the first counts."""
    path = folder / "industries" / f"{name}.yaml"
    own = _converted(_read(path), TradeDocument, Sources((path,)))
    accounts, paths = list(own.accounts), [path]
    for included in own.includes:
        more, sources = trade_accounts(folder, included)
        accounts += more
        paths += sources.paths
    first = {account.role: account for account in reversed(accounts)}
    return tuple(first[role] for role in dict.fromkeys(account.role for account in accounts)), Sources(tuple(paths))


def _layers(folder: Path, code: str) -> Iterator[tuple[Path, Tree]]:
    """The chart and what it extends, one after the other."""
    seen: set[str] = set()
    following: object = code
    while isinstance(following, str):
        if following in seen:
            raise ChartError(f"{code}.yaml: it extends itself")
        seen.add(following)
        path = folder / f"{following}.yaml"
        tree = _read(path)
        yield path, tree
        following = tree.get("extends")


def _read(path: Path) -> Tree:
    try:
        return read(path)
    except FileNotFoundError as error:
        raise ChartError(f"{path.name}: there is no such file") from error
    except ValueError as error:
        raise ChartError(str(error)) from error


def _twice(tree: Tree) -> Iterator[Fault]:
    for what, name in (("accounts", "number"), ("taxes", "key"), ("journals", "key"), ("terms", "key")):
        for word, times in Counter(str(row.get(name)) for row in things(tree.get(what))).items():
            if times > 1:
                yield Fault(word, f"{what}: {word} is there twice")


def _over(under: Tree, over: Tree) -> Tree:
    """Accounts by number, roles and places by name, everything else as a whole."""
    merged = under | over
    merged["accounts"] = _accounts(things(under.get("accounts")), things(over.get("accounts")))
    for name in ("roles", "places"):
        merged[name] = mapping(under.get(name)) | mapping(over.get(name))
    return merged


def _accounts(under: list[Tree], over: list[Tree]) -> list[Tree]:
    """What is there is changed field by field, `remove: true` takes it away, the rest is added."""
    merged = {str(row.get("number")): row for row in under}
    for row in over:
        number = str(row.get("number"))
        if row.get("remove"):
            merged.pop(number, None)
        else:
            merged[number] = merged.get(number, {}) | row
    return list(merged.values())


def _converted(tree: Tree, kind: type[_Read], sources: Sources) -> _Read:
    try:
        return msgspec.convert(tree, kind)
    except msgspec.ValidationError as error:
        raise ChartError(f"{_wrong_row(tree, str(error), sources)}: {error}") from error


def _wrong_row(tree: Tree, message: str, sources: Sources) -> str:
    """The place of the row that a message is about (`$.accounts[3].type`)."""
    found = re.search(r"\$\.(\w+)\[(\d+)\]", message)
    if found is None:
        return sources.paths[0].name
    row = things(tree.get(found[1]))[int(found[2])]
    about = row.get("number") or row.get("key") or row.get("role")
    return sources.place(str(about))
