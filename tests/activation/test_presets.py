"""Every preset composes in every covered country, and composition keeps its promises."""

from __future__ import annotations

from decimal import Decimal
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nexus import countries
from nexus.activation import presets
from nexus.activation.presets import UnknownPreset, compose, everything
from nexus.activation.presets.merging import lay, leaves

MODULES = list(presets.modules())


@pytest.mark.parametrize(("industry", "country"), everything())
@pytest.mark.parametrize("size", list(presets.sizes()))
def test_every_preset_composes_in_every_country_at_every_size(industry: str, country: str, size: str) -> None:
    preset = compose(industry, country, MODULES, size)  # compose checks references, keys and pipelines itself

    assert preset.currency == countries.country(country).currency
    assert set(preset.services) == set(presets.services())  # every module was asked for
    assert preset.crm.sample.deals
    assert all(path in preset.provenance for path in leaves({"terms": dict(preset.terms)}))


def test_an_industry_works_in_a_country_that_is_covered_only_by_cldr() -> None:
    preset = compose("restaurant", "JP")

    assert preset.currency == "JPY"
    assert preset.crm.sample.deals[0].amount == Decimal(360000)
    assert preset.crm.sample.contacts[0].phone is None


def test_later_layers_win_and_are_named() -> None:
    preset = compose("restaurant", "NG", size="1")

    policy = next(policy for policy in preset.crm.response_policies if policy.key == "new_leads")
    assert policy.calendar == "opening_hours"
    assert policy.first_response_minutes["urgent"] == 120
    assert preset.provenance["crm.response_policies.new_leads.calendar"] == "industry restaurant"
    assert preset.provenance["crm.response_policies.new_leads.name"] == "base"
    assert preset.provenance["crm.response_policies.new_leads.first_response_minutes.urgent"] == "size 1"
    assert preset.provenance["calendars.office_hours.hours.mon"] == "country NG"
    assert [layer.name for layer in preset.layers] == ["base", "industry restaurant", "country NG", "size 1"]


@pytest.mark.parametrize("order", list(permutations(["delivery", "online_shop", "subscriptions"])))
def test_the_order_of_modules_means_nothing(order: tuple[str, ...]) -> None:
    assert compose("retail", "DE", order) == compose("retail", "DE", ["online_shop", "delivery", "subscriptions", "delivery"])


def test_versions_follow_the_content() -> None:
    assert compose("retail", "DE").version == compose("retail", "DE").version
    assert len({compose(industry, country).version for industry, country in everything()}) == len(everything())


def test_a_service_brings_what_it_needs() -> None:
    assert {"cart", "checkout", "inventory", "order", "payment", "storefront"} <= set(compose("general", "US", ["storefront"]).services)


@pytest.mark.parametrize(
    "call",
    [("bakery", "NG"), ("retail", "XX"), ("retail", "NG", ["shoop"]), ("retail", "NG", [], "many")],
)
def test_refuses_what_is_not_there(call: tuple[str, ...]) -> None:
    with pytest.raises(UnknownPreset):
        compose(*call)  # type: ignore[arg-type]


words = st.sampled_from("abcdef")
trees = st.recursive(
    st.integers() | words | st.lists(words, unique=True),
    lambda below: (
        st.dictionaries(words, below, max_size=4)
        | st.lists(
            st.builds(lambda key, value: {"key": key, "of": value}, words, below), unique_by=lambda thing: str(thing["key"]), max_size=4
        )
    ),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None)
@given(trees, trees)
def test_laying_twice_changes_nothing(under: object, over: object) -> None:
    once = lay(under, over, "over", {})

    assert lay(once, over, "over", {}) == once


@settings(max_examples=300, deadline=None)
@given(trees, trees)
def test_laying_changes_neither_layer_and_blames_every_leaf(under: object, over: object) -> None:
    before = repr((under, over))
    blame: dict[str, str] = {}
    tree = lay(lay(None, under, "under", blame), over, "over", blame)

    assert repr((under, over)) == before
    assert set(leaves(tree)) <= blame.keys()


def test_a_thing_can_be_taken_away_or_put_before_another() -> None:
    under = [{"key": "a", "name": "A"}, {"key": "b", "name": "B"}]

    assert lay(under, [{"key": "a", "remove": True}, {"key": "c", "before": "b"}], "x", {}) == [{"key": "c"}, {"key": "b", "name": "B"}]
