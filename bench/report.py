"""What is printed: a table of jobs and sides, and every demand with what was reached."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from bench.counts import Count
from bench.jobs import Job
from bench.limit import Limit
from bench.measure import Rounds

out = Console(highlight=False, width=150)


@dataclass(frozen=True, slots=True)
class Demand:
    """One demand: a value, what it must be, and in which direction."""

    what: str
    value: float
    wanted: float
    at_least: bool
    unit: str = ""

    @property
    def reached(self) -> bool:
        """Whether it holds in this run."""
        return self.value >= self.wanted if self.at_least else self.value <= self.wanted


@dataclass(frozen=True, slots=True)
class Other:
    """One figure, and what is wanted of it where something is."""

    what: str
    value: float
    unit: str
    note: str = ""
    wanted: float | None = None
    at_least: bool = False

    def demand(self) -> Demand | None:
        """As the report lists it."""
        return None if self.wanted is None else Demand(self.what, self.value, self.wanted, self.at_least, self.unit)


@dataclass(frozen=True, slots=True)
class Measured:
    """A job with what each side made of it."""

    job: Job
    nexus: Rounds
    naive: Rounds | None
    limit: list[Limit]
    count: Count | None


def best(limits: list[Limit]) -> Limit | None:
    """The median round of the limit."""
    return sorted(limits, key=lambda one: one.rate)[len(limits) // 2] if limits else None


def table(measured: Iterable[Measured]) -> None:
    """The jobs side by side."""
    shown = Table(title="requests at 32 connections; medians of the rounds; CPU in µs per request", title_justify="left")
    for name in ("job", "side", "req/s", "p50 ms", "p99 ms", "server µs", "db µs", "round trips", "statements", "of limit", "over naive"):
        shown.add_column(name, justify="left" if name in ("job", "side") else "right")
    for one in measured:
        limit = best(one.limit)
        rate = one.nexus.of("rate")
        of_limit = f"{rate / limit.rate:.2f}" if limit else ""
        over = f"{rate / one.naive.of('rate'):.1f}x" if one.naive else ""
        trips = (str(one.count.round_trips), str(one.count.statements)) if one.count else ("", "")
        shown.add_row(one.job.name, "NEXUS", *_row(one.nexus), *trips, of_limit, over)
        if one.naive:
            shown.add_row("", "naive", *_row(one.naive), "", "", "", "1")
        if limit:
            shown.add_row("", "limit", f"{limit.rate:,.0f}", "", "", f"{limit.client:.0f}", f"{limit.database:.0f}", "", "", "1", "")
        shown.add_section()
    out.print(shown)


def _figure(value: float) -> str:
    return f"{value:,.3g}" if value < 1000 else f"{value:,.0f}"


def _row(rounds: Rounds) -> tuple[str, ...]:
    failed = f" ({rounds.errors} failed)" if rounds.errors else ""
    figures = (f"{rounds.of(name):.{digits}f}" for name, digits in (("p50", 2), ("p99", 1), ("server", 0), ("database", 0)))
    return (f"{rounds.of('rate'):,.0f}{failed}", *figures)


def others(found: Iterable[Other], title: str = "other jobs; medians") -> None:
    """The figures that are no load of small requests."""
    shown = Table(title=title, title_justify="left")
    for name in ("job", "measured", "note"):
        shown.add_column(name, justify="right" if name == "measured" else "left")
    for one in found:
        shown.add_row(one.what, f"{_figure(one.value)}{one.unit}", one.note)
    out.print(shown)


def demands(wanted: Iterable[Demand]) -> None:
    """Each demand: reached or not, and by how much."""
    shown = Table(title="what is demanded", title_justify="left")
    for name in ("demand", "wanted", "measured", ""):
        shown.add_column(name, justify="left" if name in ("demand", "") else "right")
    for one in wanted:
        sign = "≥" if one.at_least else "≤"
        ratio = one.value / one.wanted if one.wanted else float("nan")
        mark = "[green]reached[/]" if one.reached else f"[red]not reached[/] ({ratio:.2f} of it)"
        shown.add_row(one.what, f"{sign} {one.wanted:g}{one.unit}", f"{_figure(one.value)}{one.unit}", mark)
    out.print(shown)
