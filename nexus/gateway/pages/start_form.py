"""The form of the start page as HTML: its fields, what was typed, and what is wrong with it beside each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from html import escape

from nexus import countries
from nexus.activation.describe import Proposal
from nexus.activation.presets import catalogue
from nexus.services.finance.charts import plain_names

FIELDS = ("describe", "name", "industry", "country", "owner.name", "owner.email", "operator_key", "size", "slug", "chart", "sample_data")


@dataclass(frozen=True, slots=True)
class Filled:
    """A form as it is shown: values, errors by field, one message for what belongs to none, and what a sentence proposed."""

    values: Mapping[str, str] = field(default_factory=dict[str, str])
    errors: Mapping[str, str] = field(default_factory=dict[str, str])
    alert: str = ""
    proposal: Proposal | None = None


def form(shown: Filled) -> str:
    """The panel that asks."""
    return (
        '<section id="asking" class="panel" aria-labelledby="asking-title"><h2 id="asking-title" tabindex="-1">Activate a business</h2>'
        '<p class="under">A name, a place and an owner. Everything else has a good default.</p>'
        f'<div id="alert" class="alert" role="alert" tabindex="-1"{_hidden(shown.alert)}>{escape(shown.alert)}</div>'
        f'<form id="form" method="post" action="/" autocomplete="off">{_ENTER}{_sentence(shown)}{_business(shown)}{_owner(shown)}{_more(shown)}'
        '<div class="submit"><button id="submit" class="button main" name="do" value="activate">Activate</button></div></form></section>'
    )


_ENTER = '<button class="visually-hidden" name="do" value="activate" tabindex="-1" aria-hidden="true">Activate</button>'
"""What the Enter key presses: the first button of a form."""


def _hidden(text: object) -> str:
    return "" if text else " hidden"


def _sentence(shown: Filled) -> str:
    box = _field(shown, "describe", "Describe it in a sentence", _textarea(shown), optional=True)
    told = "" if shown.proposal is None else _told(shown.proposal)
    text = "" if shown.proposal is None else "Understood:" if told else "Nothing in it says what the business does or where."
    return (
        f'<fieldset>{box}<div class="row"><button class="button" name="do" value="suggest" formnovalidate>Fill in from the sentence</button></div>'
        f'<div id="told" class="told" aria-live="polite"{_hidden(shown.proposal)}><p id="told-text">{text}</p><ul id="told-list">{told}</ul></div></fieldset>'
    )


def _told(proposal: Proposal) -> str:
    said: list[str] = []
    for reason in proposal.because:
        value: str | tuple[str, ...] = getattr(proposal, reason.field)
        text = ", ".join(value) if isinstance(value, tuple) else str(value)
        if reason.field == "industry":
            text = catalogue.industry_layer(proposal.industry).name
        because = "" if reason.evidence == text else f" (“{escape(reason.evidence)}”)"
        said.append(f"<li>{escape(reason.field.replace('_', ' '))}: <b>{escape(text)}</b>{because}</li>")
    return "".join(said)


def _business(shown: Filled) -> str:
    return (
        "<fieldset><legend>The business</legend>"
        + _field(shown, "name", "Business name", _input(shown, "name", 'required maxlength="120" placeholder="Ade Bakery"'))
        + '<div class="pair">'
        + _field(shown, "industry", "Industry", _select(shown, "industry", _industries(shown.values.get("industry", ""))))
        + _field(shown, "country", "Country", _select(shown, "country", _countries(shown.values.get("country", "")), "required"))
        + "</div></fieldset>"
    )


def _owner(shown: Filled) -> str:
    mail = 'required type="email" maxlength="254" placeholder="ade@example.com" inputmode="email" autocapitalize="none"'
    key = 'required type="password" autocomplete="off" spellcheck="false"'
    return (
        '<fieldset><legend>Its owner</legend><div class="pair">'
        + _field(shown, "owner.name", "Name", _input(shown, "owner.name", 'required maxlength="120" placeholder="Ade"'))
        + _field(shown, "owner.email", "E-mail", _input(shown, "owner.email", mail))
        + "</div></fieldset><fieldset><legend>You</legend>"
        + _field(
            shown,
            "operator_key",
            "Operator key",
            _input(shown, "operator_key", key),
            "Made on the first start: the line in <code>operator.key</code> of the data folder. It is sent with this request and kept nowhere.",
        )
        + "</fieldset>"
    )


def _more(shown: Filled) -> str:
    sizes = '<option value="">From the sentence, else a handful</option>' + "".join(
        _option(size.key, f"{size.key} · {size.name}", shown.values.get("size", "")) for size in catalogue.sizes().values()
    )
    checked = " checked" if shown.values.get("sample_data") else ""
    opened = " open" if any(name in shown.errors for name in ("size", "slug", "chart", "sample_data")) else ""
    charts = '<option value="">The usual one of the country</option>' + "".join(
        _option(code, name, shown.values.get("chart", "")) for code, name in plain_names().items()
    )
    slug = _input(shown, "slug", 'maxlength="63" autocapitalize="none" spellcheck="false" placeholder="made from the name"')
    return (
        f'<details{opened}><summary>More, all optional</summary><fieldset><div class="pair">'
        + _field(shown, "size", "People who work there", _select(shown, "size", sizes))
        + _field(shown, "slug", "Name in addresses", slug)
        + "</div>"
        + _field(shown, "chart", "Chart of accounts", _select(shown, "chart", charts))
        + f'<label class="check"><input type="checkbox" name="sample_data" value="true"{checked}> Plant sample data to look at</label>'
        "</fieldset></details>"
    )


def _field(shown: Filled, name: str, label: str, control: str, hint: str = "", *, optional: bool = False) -> str:
    more = ' <span class="optional">(optional)</span>' if optional else ""
    under = f'<p class="hint" id="hint-{name}">{hint}</p>' if hint else ""
    error = escape(shown.errors.get(name, ""))
    return (
        f'<div class="field"><label for="{name}">{label}{more}</label>{control}{under}<p class="error" id="error-{name}">{error}</p></div>'
    )


def _facts(shown: Filled, name: str) -> str:
    invalid = ' aria-invalid="true"' if name in shown.errors else ""
    return f'id="{name}" name="{name}" aria-describedby="error-{name} hint-{name}"{invalid}'


def _input(shown: Filled, name: str, more: str) -> str:
    value = "" if name == "operator_key" else escape(shown.values.get(name, ""))
    return f'<input {_facts(shown, name)} value="{value}" {more}>'


def _textarea(shown: Filled) -> str:
    hint = "A bakery called Ade in Lagos with 12 people that delivers"
    text = escape(shown.values.get("describe", ""))
    return f'<textarea {_facts(shown, "describe")} rows="2" maxlength="1000" placeholder="{hint}">{text}</textarea>'


def _select(shown: Filled, name: str, options: str, more: str = "") -> str:
    return f"<select {_facts(shown, name)} {more}>{options}</select>"


def _option(value: str, text: str, chosen: str) -> str:
    return f'<option value="{escape(value)}"{" selected" if value == chosen else ""}>{escape(text)}</option>'


def _industries(chosen: str) -> str:
    named = sorted((catalogue.industry_layer(key).name, key) for key in catalogue.industries())
    return '<option value="">From the sentence or the name</option>' + "".join(_option(key, name, chosen) for name, key in named)


@cache
def _named() -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """The countries by name: those whose taxes and customs were written down, then every other."""
    full = set(countries.covered())
    every = sorted((countries.country(code).name, code) for code in countries.codes())
    return [one for one in every if one[1] in full], [one for one in every if one[1] not in full]


def _countries(chosen: str) -> str:
    full, basic = _named()
    groups = (("Taxes, holidays and formats written down", full), ("Currency, time and formats", basic))
    listed = "".join(
        f'<optgroup label="{label}">{"".join(_option(code, name, chosen) for name, code in group)}</optgroup>' for label, group in groups
    )
    return '<option value="">Choose …</option>' + listed
