"""`nexus activate`: turn a business into a running system, from questions, options or a file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, Final

import typer
import yaml
from rich.markup import escape

from nexus.activation.business import Business, InvalidBusiness, read
from nexus.cli.door import Door, KeyFile, Url, door
from nexus.cli.interview import interview, missing
from nexus.cli.output import Json, Refused, Unreachable, err, out, plainly, quiet_settings, say_json, table
from nexus.cli.up import fail
from nexus.core.ids import uuid7
from nexus.documents import is_list, is_tree, mapping, parse, words

PATH: Final = "/api/v1/activate"


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command()
    def activate(
        file: Annotated[Path | None, typer.Option("--file", help="The business as YAML or JSON; - reads stdin.")] = None,
        name: Annotated[str | None, typer.Option(help="The name of the business.")] = None,
        industry: Annotated[str | None, typer.Option(help="What it does, such as restaurant.")] = None,
        country: Annotated[str | None, typer.Option(help="Where it is, as ISO 3166-1 alpha-2: NG, DE.")] = None,
        describe: Annotated[str | None, typer.Option(help="The business in a sentence, from which the rest is proposed.")] = None,
        slug: Annotated[str | None, typer.Option(help="Its name in addresses; made from the name unless given.")] = None,
        chart: Annotated[str | None, typer.Option(help="Its chart of accounts, such as de_skr04; else the usual one.")] = None,
        owner_name: Annotated[str | None, typer.Option(help="Who gets the keys.")] = None,
        owner_email: Annotated[str | None, typer.Option(help="The owner's e-mail address.")] = None,
        sample_data: Annotated[bool, typer.Option("--sample-data", help="Plant invented records to look at.")] = False,
        dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan and do nothing.")] = False,
        yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before it begins.")] = False,
        key: Annotated[str | None, typer.Option("--idempotency-key", help="The same key again gives the same tenant.")] = None,
        json: Json = False,
        url: Url = None,
        key_file: KeyFile = None,
    ) -> None:
        """Activate a business: its tenant, its data and its owner's key, in one call."""
        settings = quiet_settings()
        owner = {"name": owner_name, "email": owner_email}
        named = {"name": name, "industry": industry, "country": country, "describe": describe, "slug": slug, "chart": chart, "owner": owner}
        business = _business(file, named | {"sample_data": sample_data or None})
        asked = file is None and bool(missing(business)) and sys.stdin.isatty() and sys.stderr.isatty()
        with plainly(json):
            if asked:
                business = interview(business)
            if url is None:
                _check(business)
            with door(settings, url, key_file) as nexus:
                if dry_run or (asked and not yes):
                    plan = nexus.ask("POST", f"{PATH}?dry_run=true", business)
                    say_json(plan) if dry_run and json else _show_plan(plan, aside=not dry_run)
                if dry_run or (asked and not yes and not typer.confirm("Activate it?", default=True, err=True)):
                    return
                _show_result(_activate(nexus, business, key or str(uuid7())), json)


def _business(file: Path | None, options: dict[str, Any]) -> dict[str, Any]:
    """What the file says, with the options over it."""
    given: dict[str, Any] = {}
    if file is not None:
        try:
            given = dict(parse(sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")))
        except OSError as error:
            fail(f"{file} cannot be read: {error.strerror}", 2)
        except (yaml.YAMLError, ValueError) as error:
            fail(f"{file} is no business: {' '.join(str(error).split())}", 2)
    return _over(given, options)


def _over(given: dict[str, Any], options: dict[str, Any]) -> dict[str, Any]:
    """A tree with another laid over it; what is None there says nothing."""
    merged = dict(given)
    for name, value in options.items():
        laid = (_over(mapping(merged.get(name)), value) or None) if is_tree(value) else value
        if laid is not None:
            merged[name] = laid
    return merged


def _check(business: dict[str, Any]) -> Business:
    """The same rules that the API has, told before anything is started or asked."""
    try:
        return read(business)
    except InvalidBusiness as invalid:
        errors = [{"field": one.field, "message": one.message} for one in invalid.errors]
        raise Refused({"type": "/problems/invalid", "title": "Invalid", "status": 422, "detail": str(invalid), "errors": errors}) from None


def _activate(nexus: Door, business: dict[str, Any], key: str) -> dict[str, Any]:
    """Activate, telling each step as it ends; the activation as the API shows it, with the owner's key where it is given out now."""
    console, told, view = err(), set[str](), dict[str, Any]()
    with console.status("Activating …", spinner="dots") as status:
        for name, data in nexus.stream("POST", PATH, business, {"Idempotency-Key": key}):
            if name == "end":
                view = data
            for step in data["steps"] if console.is_terminal else ():
                if step["state"] == "running":
                    status.update(f"{step['name']} …")
                elif step["state"] != "waiting" and (said := f"{step['name']} {step['state']}") not in told:
                    told.add(said)
                    mark = "[green]✓[/]" if step["state"] == "done" else "[red]✗[/]"
                    console.print(
                        f"  {mark} {step['name']}{'' if step['state'] == 'done' else ' ' + step['state']} [dim]{step['ms'] or 0:.0f} ms[/]"
                    )
    if not view:
        raise Unreachable("NEXUS ended before the activation did; it goes on with it at its next start: nexus tenants list shows it.")
    if view["state"] == "active":
        view["credentials"] = _credentials(nexus, view)
    return view


def _credentials(nexus: Door, view: dict[str, Any]) -> dict[str, Any]:
    try:
        given: dict[str, Any] = nexus.ask("POST", f"/api/v1/activations/{view['id']}/credentials")["credentials"]
    except Refused as refused:
        if refused.problem.get("status") != 409:
            raise
        slug = view["tenant"]["slug"]
        note = f"It was given out before and is not kept: nexus tenants owner-key {slug} --reason … makes another."
        given = {**view["credentials"], "api_key": None, "credentials_note": note}
    return given


def _show_plan(plan: dict[str, Any], *, aside: bool) -> None:
    console = err() if aside else out()
    business, tenant = plan["business"], plan["tenant"]
    because = business["because"]
    console.print(f"\n[bold]{escape(tenant['name'])}[/] would become [cyan]{tenant['slug']}[/]\n")
    values = table("", "", "")
    for name in ("industry", "country", "currency", "languages", "time_zone", "chart", "size", "domain", "modules"):
        shown = ", ".join(words(business[name])) if is_list(business[name]) else business[name]
        values.add_row(f"  {name.replace('_', ' ')}", escape(str(shown or "none")), f"[dim]{escape(because.get(name, ''))}[/]")
    values.add_row("  services", ", ".join(plan["services"]), "")
    if plan["waiting"]:
        values.add_row("  later", ", ".join(plan["waiting"]), "[dim]when these services are installed[/]")
    console.print(values)
    console.print()
    steps = table("", "")
    for number, step in enumerate(plan["steps"], 1):
        steps.add_row(f"  {number:2} {step['name']}", escape(step["what"]))
    console.print(steps)
    console.print()


def _show_result(view: dict[str, Any], json: bool) -> None:
    if json:
        say_json(view)
    if view["state"] != "active":
        undone = "everything before it was undone" if view["state"] == "rolled_back" else "not all of it could be undone"
        fail(f"The activation failed in step {view['failed_step']} and {undone}: {view['reason']}")
    if json:
        return
    console, tenant, credentials = out(), view["tenant"], view["credentials"]
    milliseconds = sum(step["ms"] or 0 for step in view["steps"])
    console.print(f"\n[bold]{escape(tenant['name'])}[/] is active [dim]({milliseconds / 1000:.2f} s)[/]\n")
    where = table("", "")
    for name in ("api", "console", "docs"):
        where.add_row(f"  {name}", f"[cyan]{view['endpoints'][name]}[/]")
    where.add_row("  tenant", f"{tenant['slug']} [dim]{tenant['id']}[/]")
    console.print(where)
    if credentials.get("api_key"):
        console.print(f"\n  [bold]{credentials['api_key']}[/]", soft_wrap=True)
        console.print("  [dim]is the owner's key. It is not kept and not shown again.[/]\n")
    else:
        console.print(f"\n  [yellow]{escape(credentials['credentials_note'])}[/]\n")
