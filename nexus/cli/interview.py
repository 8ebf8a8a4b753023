"""The questions that `nexus activate` asks in a terminal: as few as can be, each answer checked at once, with what a sentence proposes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import typer
from rich.columns import Columns
from rich.markup import escape

from nexus.activation import checks
from nexus.activation.describe import Proposal, describe
from nexus.activation.presets import industries
from nexus.cli.output import err
from nexus.countries import country

Check = Callable[[str], str | None]


def missing(business: dict[str, Any]) -> list[str]:
    """What an activation cannot do without and the business does not say."""
    owner = business.get("owner")
    known: dict[str, Any] = owner if isinstance(owner, dict) else {}  # pyright: ignore[reportUnknownVariableType]
    wanted = {"name": business.get("name"), "owner.name": known.get("name"), "owner.email": known.get("email")}
    wanted["country"] = business.get("country") or business.get("describe")
    return [name for name, value in wanted.items() if not value]


def interview(business: dict[str, Any]) -> dict[str, Any]:
    """The business with what was missing asked for. typer.Abort where the answers end."""
    console = err()
    console.print("\n[bold]Activate a business[/] [dim](Ctrl-C stops, and nothing has happened then)[/]\n")
    told = dict(business)
    told["name"] = business.get("name") or _ask("What is it called?", checks.name)
    if not told.get("describe"):
        said = _ask("What does it do, in a sentence? (Enter skips)", lambda _: None, default="")
        if said:
            told["describe"] = said
    proposed = describe(told["describe"]) if told.get("describe") else describe(told["name"])
    if not told.get("industry"):
        told["industry"] = _industry(proposed)
    if not told.get("country"):
        told["country"] = _ask("In which country? (ISO code)", checks.country, default=proposed.country).upper()
        console.print(f"  [dim]{escape(country(told['country']).name)}[/]")
    owner: dict[str, Any] = dict(business.get("owner") or {})
    owner["name"] = owner.get("name") or _ask("Who owns it?", checks.name)
    owner["email"] = owner.get("email") or _ask(f"What is the e-mail address of {owner['name']}?", checks.email)
    return told | {"owner": owner}


def _industry(proposed: Proposal) -> str:
    console = err()
    console.print(Columns(industries(), padding=(0, 3), equal=True), style="dim")
    if proposed.industry != "general":
        why = "; ".join(reason.evidence for reason in proposed.because if reason.field == "industry")
        console.print(f"  [dim]proposed {proposed.industry}{f' because of {escape(why)}' if why else ''}[/]")
    answer = _ask("Which of these is it closest to?", checks.industry, default=proposed.industry)
    return checks.canonical_industry(answer) or answer


def _ask(question: str, check: Check, default: str | None = None) -> str:
    """Ask until the answer is right."""

    def checked(text: str) -> str:
        if fault := check(text.strip()):
            raise typer.BadParameter(fault)
        return text.strip()

    answer: str = typer.prompt(question, default=default, err=True, value_proc=checked, show_default=bool(default))
    return answer
