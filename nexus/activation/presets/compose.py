"""Composes a preset: base ∘ industry ∘ country ∘ modules ∘ size, each laid over the ones before it (`merging.py` has the rules).

The same business gives the same preset, byte for byte: modules are laid in the order of the catalogue, not in the order they were
asked for, and nothing here reads a clock, the network or the environment.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import cache, lru_cache

import msgspec

from nexus import countries
from nexus.activation.presets import catalogue
from nexus.activation.presets.catalogue import BASE, industries, industry_layer, services_with_needs, sizes
from nexus.activation.presets.checks import faults
from nexus.activation.presets.localise import localised
from nexus.activation.presets.merging import Blame, lay, prune
from nexus.activation.presets.schema import Preset
from nexus.countries import Country
from nexus.documents import Tree, Value, mapping, words


class PresetError(Exception):
    """The data of a preset contradicts itself or its schema: a mistake in a YAML file, never the caller's."""


class UnknownPreset(KeyError):
    """No such industry, country, module or size."""


def compose(
    industry: str,
    country: str,
    modules: Iterable[str] = (),
    size: str = "2-9",
    languages: Iterable[str] = (),
    *,
    currency: str | None = None,
) -> Preset:
    """The preset of a business; `industry` and `modules` by key, `country` by ISO code, languages and currency the country's unless given.

    Raises UnknownPreset for a key that is not there, and PresetError where the data is wrong (a test composes them all).
    """
    return _composed(industry, country, _canonical(modules), size, tuple(languages), currency)


def _canonical(asked: Iterable[str]) -> tuple[str, ...]:
    wanted = set(asked)
    known = catalogue.modules()
    if missing := sorted(wanted - known.keys()):
        raise UnknownPreset(f"no module {missing[0]!r}")
    return tuple(key for key in known if key in wanted)


@lru_cache(maxsize=512)
def _composed(industry: str, code: str, chosen: tuple[str, ...], size: str, languages: tuple[str, ...], currency: str | None) -> Preset:
    if industry not in industries():
        raise UnknownPreset(f"no industry {industry!r}")
    if code not in countries.codes():
        raise UnknownPreset(f"no country {code!r}")
    if size not in sizes():
        raise UnknownPreset(f"no size {size!r}")
    country = countries.country(code)
    head: Tree = {
        "industry": industry,
        "country": code,
        "modules": chosen,
        "size": size,
        "languages": languages or country.languages.business,
        "currency": currency or country.currency,
    }
    blame: Blame = {}
    tree: Value = head
    layers: list[Value] = []
    for name, version, layer in _layers(industry, country, chosen, size):
        tree = lay(tree, layer, name, blame)
        layers.append({"name": name, "version": version})
    return _checked(localised(mapping(tree), country, blame), layers, blame)


def _layers(industry: str, country: Country, chosen: Iterable[str], size: str) -> Iterable[tuple[str, int, Tree]]:
    base, trade, band = industry_layer(BASE), industry_layer(industry), sizes()[size]
    yield "base", base.version, base.lay
    yield f"industry {industry}", trade.version, trade.lay
    yield f"country {country.country}", country.version, countries.overlay(country.country)
    for asked in (catalogue.modules()[key] for key in chosen):
        yield f"module {asked.key}", asked.version, asked.lay
    yield f"size {size}", band.version, band.lay


def _checked(tree: Tree, layers: list[Value], blame: Blame) -> Preset:
    tree = tree | {"services": services_with_needs(words(tree["services"]))}
    content = msgspec.json.encode(tree, order="deterministic")
    whole: Tree = tree | {
        "layers": layers,
        "version": hashlib.sha256(content).hexdigest()[:12],
        "provenance": prune(blame, tree),
    }
    try:
        preset = msgspec.convert(whole, Preset)
    except msgspec.ValidationError as error:
        raise PresetError(f"{tree['industry']} in {tree['country']}: {error}") from error
    if wrong := faults(preset):
        raise PresetError(f"{preset.industry} in {preset.country}: " + "; ".join(wrong))
    return preset


@cache
def everything() -> tuple[tuple[str, str], ...]:
    """Every industry with every covered country, for tests and for the reference."""
    return tuple((industry, code) for industry in industries() for code in countries.covered())
