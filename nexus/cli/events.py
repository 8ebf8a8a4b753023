"""`nexus events`: what is in the event log, who follows it, and what could not be taken."""

from __future__ import annotations

import datetime as dt
from dataclasses import asdict
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec
import typer

from nexus.cli.databases import cell_of, opened, record_of
from nexus.cli.output import Json, err, out, quiet_settings, run, say_json, say_table
from nexus.cli.up import fail
from nexus.config import Settings
from nexus.core.problem import FieldError, Invalid, NotFound
from nexus.engines.event_log import EventLog, LoggedEvent
from nexus.engines.event_log.groups import standings
from nexus.engines.event_log.patterns import Patterns
from nexus.runtime.cells import Cell
from nexus.runtime.deadletters import DeadLetter, redrive
from nexus.runtime.node import Node

CellName = Annotated[str | None, typer.Option("--cell", help="The database; by default the first.")]
Since = Annotated[str | None, typer.Option("--since", help="A time in ISO 8601, such as 2026-01-31T09:00Z.")]

_PIECE: Final = 500

group = typer.Typer(name="events", no_args_is_help=True, help="See the event log, and try again what could not be taken.")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(group)


@group.command("list")
def list_(
    tenant: Annotated[str | None, typer.Argument(help="Only this one's, by slug or id.")] = None,
    topic: Annotated[str, typer.Option(help="Only topics of this pattern: nexus.crm.*.lead.> takes all of leads.")] = ">",
    after: Annotated[int | None, typer.Option(min=0, help="Begin after this position; 0 is the beginning.")] = None,
    since: Since = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")] = 100,
    cell: CellName = None,
    json: Json = False,
) -> None:
    """List events in their order: the newest, or those from a position or a time on."""
    events, upto = run(_list(quiet_settings(), tenant, topic, after, _moment(since), limit, cell), json)
    if json:
        say_json({"items": [_event(one) for one in events], "next_after": upto})
        return
    rows = ([one.position, one.at.isoformat()[:19], one.topic, one.subject] for one in events)
    say_table(("position", "at", "topic", "subject"), rows, "There are no such events.")


async def _list(
    settings: Settings, tenant: str | None, topic: str, after: int | None, since: dt.datetime | None, limit: int, cell: str | None
) -> tuple[list[LoggedEvent], int]:
    async with opened(settings) as node:
        record = await record_of(node, tenant) if tenant else None
        name = record.cell if record else cell_of(node, cell)[0].name
        log = node.logs[name]
        try:
            Patterns([topic])
        except ValueError as error:
            raise Invalid.of(FieldError("--topic", str(error))) from None
        schema = record.schema if record else None
        if since is None and after is None:
            return await _newest(log, topic, schema, limit)
        if since is not None:
            after = max(after or 0, await log.position_at(since))
        return await _onwards(log, topic, schema, after or 0, limit)


async def _newest(log: EventLog, topic: str, schema: str | None, limit: int) -> tuple[list[LoggedEvent], int]:
    """The last events, and where the log ends; it is read backwards, piece by piece."""
    found: list[LoggedEvent] = []
    head, floor = await log.head(), await log.floor()
    end = head
    while len(found) < limit and end > floor:
        begin = max(floor, end - _PIECE)
        page = await log.read(begin, (topic,), _PIECE)
        piece = [one for one in page.events if one.position <= end and schema in (None, one.tenant)]
        found, end = [*piece, *found], begin
    return found[-limit:], head


async def _onwards(log: EventLog, topic: str, schema: str | None, after: int, limit: int) -> tuple[list[LoggedEvent], int]:
    """Events after a position, and how far the log has been looked at."""
    found: list[LoggedEvent] = []
    head = await log.head()
    while len(found) < limit and after < head:
        page = await log.read(after, (topic,), _PIECE)
        for event in page.events:
            after = event.position
            if schema in (None, event.tenant):
                found.append(event)
                if len(found) == limit:
                    return found, after
        after = page.upto
    return found, after


@group.command()
def groups(json: Json = False) -> None:
    """Say who follows the log, and how far behind each is."""
    items = run(_groups(quiet_settings()), json)
    if json:
        say_json({"items": items})
        return
    columns = ("cell", "group", "position", "lag", "owner", "saved_at")
    say_table(columns, ([one[name] for name in columns] for one in items), "Nobody follows the log.")


async def _groups(settings: Settings) -> list[dict[str, Any]]:
    async with opened(settings) as node:
        found: list[dict[str, Any]] = []
        for name, cell in node.cells.items():
            found += [{"cell": name, **asdict(one)} for one in await standings(cell.oltp)]
        return found


@group.command()
def replay(
    name: Annotated[str, typer.Argument(metavar="GROUP", help="Who shall see the events again: see nexus events groups.")],
    to: Annotated[int | None, typer.Option("--to", min=0, help="Go on after this position; 0 is the beginning.")] = None,
    since: Since = None,
    cell: CellName = None,
    json: Json = False,
) -> None:
    """Set a group back (or forward): it sees the events from there again, and what a reaction has done once it does not do twice."""
    if (to is None) == (since is None):
        raise typer.BadParameter("give --to or --since, one of them", param_hint="--to")
    was, now = run(_replay(quiet_settings(), name, to, _moment(since), cell), json)
    if json:
        say_json({"group": name, "was": was, "position": now})
    else:
        out().print(f"{name} goes on after position {now}; it was at {was}.")


async def _replay(settings: Settings, name: str, to: int | None, since: dt.datetime | None, cell: str | None) -> tuple[int, int]:
    async with opened(settings) as node:
        home = cell_of(node, cell)[0]
        log, known = node.logs[home.name], {one.group: one.position for one in await standings(home.oltp)}
        if name not in known:
            raise NotFound(kind="group", id=f"{name}: there are {', '.join(known) or 'none'}")
        head = await log.head()
        position = to if to is not None else await log.position_at(since or dt.datetime.now(dt.UTC))
        if position > head:
            raise Invalid.of(FieldError("--to", f"the log ends at {head}"))
        await log.group(name).seek(position)
        return known[name], position


@group.command()
def dead(
    group: Annotated[str | None, typer.Option(help="Only those of this group.")] = None,
    redriven: Annotated[bool, typer.Option("--redriven", help="Also those that were taken since.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many of each cell.")] = 100,
    json: Json = False,
) -> None:
    """List the events that could not be taken, with the reason."""
    items = run(_dead(quiet_settings(), group, redriven, limit), json)
    if json:
        say_json({"items": items})
        return
    rows = ([one["id"], one["reaction"], one["attempts"], one["at"].isoformat()[:19], one["reason"]] for one in items)
    say_table(("id", "reaction", "attempts", "at", "reason"), rows, "Nothing is dead.")


async def _dead(settings: Settings, group: str | None, redriven: bool, limit: int) -> list[dict[str, Any]]:
    async with opened(settings) as node:
        found: list[dict[str, Any]] = []
        for name, letters in node.letters.items():
            found += [_letter(name, one) for one in await letters.list(group=group, redriven=redriven, limit=limit)]
        return found


@group.command("redrive")
def redrive_(
    id: Annotated[UUID | None, typer.Option("--id", help="Only this one.")] = None,
    group: Annotated[str | None, typer.Option(help="Only those of this group.")] = None,
    all_: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
    json: Json = False,
) -> None:
    """Try dead events again, oldest first; those that fail again stay dead with the new reason."""
    if sum((id is not None, group is not None, all_)) != 1:
        raise typer.BadParameter("give --id, --group or --all, one of them", param_hint="--id")
    done, failed = run(_redrive(quiet_settings(), group, id), json)
    if json:
        say_json({"done": done, "failed": failed})
    else:
        out().print(f"{done} taken, {len(failed)} still dead.")
    if failed:
        for one in failed:
            err().print(f"  {one['id']} {one['reaction']}: {one['reason']}", style="red", markup=False)
        raise typer.Exit(1)


async def _redrive(settings: Settings, group: str | None, id: UUID | None) -> tuple[int, list[dict[str, Any]]]:
    async with opened(settings) as node:
        done, failed, found = 0, list[dict[str, Any]](), False
        reactions = [reaction for service in node.services.values() for reaction in service.reactions()]
        for name, letters in node.letters.items():
            found = found or id is None or bool(await letters.list(id=id, limit=1))
            redriven = await redrive(letters, reactions, node.react, group=group, id=id)
            done += redriven.done
            failed += [_letter(name, one) for one in redriven.failed]
            await _settle(node, node.cells[name])
        if not found:
            raise NotFound(kind="dead event", id=str(id))
        return done, failed


async def _settle(node: Node, cell: Cell) -> None:
    """What the reactions did is in the log when the command ends, also where nothing runs that would move it."""
    await node.relays[cell.name].drain()


def _event(one: LoggedEvent) -> dict[str, Any]:
    return {"position": one.position, "at": one.at, "topic": one.topic, "subject": one.subject, "envelope": msgspec.Raw(one.envelope)}


def _letter(cell: str, one: DeadLetter) -> dict[str, Any]:
    return (
        {"cell": cell} | {name: value for name, value in asdict(one).items() if name != "envelope"} | {"envelope": _envelope(one.envelope)}
    )


def _envelope(text: bytes) -> Any:
    """As JSON where it is, else as text: what never was an envelope is dead for that reason."""
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text.decode("utf-8", "replace")


def _moment(text: str | None) -> dt.datetime | None:
    if text is None:
        return None
    try:
        found = dt.datetime.fromisoformat(text)
    except ValueError:
        fail(f"{text!r} is no time: write it in ISO 8601, such as 2026-01-31T09:00Z", 2)
    return found if found.tzinfo is not None else found.replace(tzinfo=dt.UTC)
