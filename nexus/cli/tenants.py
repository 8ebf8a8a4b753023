"""`nexus tenants`: what an operator does with tenants, through the API of the control plane."""

from __future__ import annotations

import sys
from typing import Annotated, Any
from urllib.parse import quote, urlencode

import typer
from rich.markup import escape

from nexus.cli.door import Door, KeyFile, Url, door
from nexus.cli.output import Json, err, out, plainly, quiet_settings, say_json, say_table, table
from nexus.cli.up import fail

Name = Annotated[str, typer.Argument(metavar="TENANT", help="Its slug or its id.")]
Why = Annotated[str, typer.Option("--reason", help="Why; it is written down with the change.")]
MaybeWhy = Annotated[str | None, typer.Option("--reason", help="Why; it is written down with the change.")]


def register(app: typer.Typer) -> None:
    """Add the commands. Others may add theirs to the group `tenants` in the same way: `group` is it."""
    app.add_typer(group)


group = typer.Typer(name="tenants", no_args_is_help=True, help="See tenants, and suspend, resume, archive, purge or rename one.")


@group.command("list")
def list_(
    state: Annotated[str | None, typer.Option(help="Only those in this state; purged ones are shown only so.")] = None,
    json: Json = False,
    url: Url = None,
    key_file: KeyFile = None,
) -> None:
    """List the tenants by slug."""
    with plainly(json), door(quiet_settings(), url, key_file) as nexus:
        items = all_tenants(nexus, state)
    if json:
        say_json({"items": items})
        return
    rows = ([one["slug"], one["state"], one["name"], one["country"], one["cell"], one["created_at"][:10]] for one in items)
    say_table(("slug", "state", "name", "country", "cell", "since"), rows, "There are no tenants.")


@group.command()
def show(name: Name, json: Json = False, url: Url = None, key_file: KeyFile = None) -> None:
    """Show one tenant: where it is, what it has, and what can be done with it."""
    with plainly(json), door(quiet_settings(), url, key_file) as nexus:
        _show(nexus.ask("GET", _path(name)), json)


@group.command()
def suspend(name: Name, reason: Why, json: Json = False, url: Url = None, key_file: KeyFile = None) -> None:
    """Refuse all keys of a tenant until it is resumed."""
    _change(name, "suspend", {"reason": reason}, json, url, key_file)


@group.command()
def resume(name: Name, reason: MaybeWhy = None, json: Json = False, url: Url = None, key_file: KeyFile = None) -> None:
    """Let a suspended or archived tenant work again."""
    _change(name, "resume", {"reason": reason}, json, url, key_file)


@group.command()
def archive(
    name: Name,
    reason: Why,
    hold_days: Annotated[float | None, typer.Option(help="Days for which it cannot be purged.")] = None,
    json: Json = False,
    url: Url = None,
    key_file: KeyFile = None,
) -> None:
    """Keep a tenant unused, for at least its hold."""
    _change(name, "archive", {"reason": reason, "hold_days": hold_days}, json, url, key_file)


@group.command()
def purge(
    name: Name,
    reason: Why,
    force: Annotated[bool, typer.Option("--force", help="Also before the end of its hold.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    json: Json = False,
    url: Url = None,
    key_file: KeyFile = None,
) -> None:
    """Remove an archived tenant with all its data, for good."""
    if not yes:
        if not sys.stdin.isatty():
            fail("Purging removes everything of a tenant for good: say --yes where nobody can be asked.", 2)
        if typer.prompt(f"This removes all data of {name} for good. Type its name to go on", err=True) != name:
            fail("That is not its name: nothing was purged.")
    _change(name, "purge", {"reason": reason, "force": force or None}, json, url, key_file)


@group.command()
def rename(
    name: Name,
    slug: Annotated[str | None, typer.Option(help="Its new name in addresses.")] = None,
    title: Annotated[str | None, typer.Option("--name", help="Its new name for people.")] = None,
    reason: MaybeWhy = None,
    json: Json = False,
    url: Url = None,
    key_file: KeyFile = None,
) -> None:
    """Give a tenant another slug, another name, or both."""
    if slug is None and title is None:
        raise typer.BadParameter("give --slug, --name or both", param_hint="--slug")
    _change(name, "rename", {"slug": slug, "name": title, "reason": reason}, json, url, key_file)


@group.command()
def limits(
    name: Name,
    reason: Why,
    per_second: Annotated[float | None, typer.Option(help="Requests a second; 0 for no limit.")] = None,
    key_per_second: Annotated[float | None, typer.Option(help="Requests a second of each key; 0 for no limit.")] = None,
    per_day: Annotated[int | None, typer.Option(help="Requests a day; 0 for no limit.")] = None,
    key_per_day: Annotated[int | None, typer.Option(help="Requests a day of each key; 0 for no limit.")] = None,
    json: Json = False,
    url: Url = None,
    key_file: KeyFile = None,
) -> None:
    """Give a tenant limits of its own; what is left out is as the settings have it."""
    given = {"per_second": per_second, "key_per_second": key_per_second, "per_day": per_day, "key_per_day": key_per_day}
    _change(name, "limits", {**given, "reason": reason}, json, url, key_file)


@group.command("owner-key")
def owner_key(name: Name, reason: Why, json: Json = False, url: Url = None, key_file: KeyFile = None) -> None:
    """Make a new key for the owner of a tenant; it is shown this once."""
    with plainly(json), door(quiet_settings(), url, key_file) as nexus:
        given = nexus.ask("POST", f"{_path(name)}/owner-key", {"reason": reason})["credentials"]
    if json:
        say_json({"credentials": given})
        return
    out().print(given["api_key"], soft_wrap=True)
    err().print("is the owner's new key. It is not kept and not shown again; the old ones stay in force.", style="dim")


def all_tenants(nexus: Door, state: str | None = None) -> list[dict[str, Any]]:
    """Every tenant, page by page."""
    items: list[dict[str, Any]] = []
    after: str | None = ""
    while after is not None:
        asked = {"limit": "500", "after": after} | ({"state": state} if state else {})
        page = nexus.ask("GET", f"/api/v1/tenants?{urlencode(asked)}")
        items += page["items"]
        after = page["next_after"]
    return items


def _path(name: str) -> str:
    return f"/api/v1/tenants/{quote(name, safe='')}"


def _change(name: str, verb: str, body: dict[str, Any], json: bool, url: Url, key_file: KeyFile) -> None:
    sent = {field: value for field, value in body.items() if value is not None}
    with plainly(json), door(quiet_settings(), url, key_file) as nexus:
        tenant = nexus.ask("POST", f"{_path(name)}/{verb}", sent)
    if json:
        say_json(tenant)
        return
    held = f", kept at least until {tenant['hold_until'][:10]}" if tenant["state"] == "archived" else ""
    out().print(f"{escape(tenant['name'])} ({tenant['slug']}) is {tenant['state']}{held}.")


def _show(tenant: dict[str, Any], json: bool) -> None:
    if json:
        say_json(tenant)
        return
    console = out()
    console.print(f"[bold]{escape(tenant['name'])}[/] is [bold]{tenant['state']}[/] since {tenant['since'][:19]}")
    shown = table("", "")
    for field in ("slug", "id", "reason", "hold_until", "cell", "country", "currency", "time_zone", "language", "created_at"):
        if tenant.get(field) is not None:
            shown.add_row(f"  {field.replace('_', ' ')}", escape(str(tenant[field])))
    shown.add_row("  services", ", ".join(f"{name} {version}" for name, version in tenant["services"].items()))
    own: dict[str, float | None] = tenant.get("limits") or {}
    for limit, most in own.items():
        if most is not None:
            shown.add_row("  limit", f"{limit.replace('_', ' ')}: {most:g}")
    for host in tenant["hosts"]:
        shown.add_row("  host", f"{escape(host['host'])} [dim]dns {host['dns']}, tls {host['tls']}[/]")
    for feature in tenant["features"]:
        shown.add_row(f"  {feature['kind']}", f"{feature['name']} [dim]{feature['state']}: {escape(feature['detail'])}[/]")
    shown.add_row("  can", ", ".join(tenant["can"]) or "nothing")
    console.print(shown)
