"""What the types of a preset cannot say: keys are unique, references lead somewhere, a pipeline can be won and lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from nexus.activation.presets.catalogue import services, sizes
from nexus.activation.presets.schema import CrmSeeds, Pipeline, Preset, SampleDeal


class _Keyed(Protocol):
    @property
    def key(self) -> str: ...


def faults(preset: Preset) -> list[str]:
    """Everything wrong with a preset, one sentence each; empty for one that may be planted."""
    return [*_whole(preset), *_pipelines(preset.crm), *_references(preset), *_sample(preset.crm)]


def _whole(preset: Preset) -> Iterator[str]:
    if preset.size not in sizes():
        yield f"no size {preset.size}"
    crm = preset.crm
    lists: dict[str, Sequence[_Keyed]] = {
        "crm.pipelines": crm.pipelines,
        "crm.sources": crm.sources,
        "crm.lost_reasons": crm.lost_reasons,
        "crm.teams": crm.teams,
        "crm.territories": crm.territories,
        "crm.scoring_rules": crm.scoring_rules,
        "crm.response_policies": crm.response_policies,
        "crm.competitors": crm.competitors,
        "calendars": preset.calendars,
        "copilots": preset.copilots,
        "integrations": preset.integrations,
        **{f"crm.pipelines.{pipeline.key}.stages": pipeline.stages for pipeline in crm.pipelines},
        **{f"crm.sample.{name}": getattr(crm.sample, name) for name in ("accounts", "contacts", "leads", "deals", "activities")},
    }
    for path, things in lists.items():
        for key in _twice(thing.key for thing in things):
            yield f"{path}: the key {key} is there twice"


def _twice(keys: Iterable[str]) -> list[str]:
    return [key for key, times in Counter(keys).items() if times > 1]


def _pipelines(crm: CrmSeeds) -> Iterator[str]:
    if sum(pipeline.default for pipeline in crm.pipelines) != 1:
        yield "crm.pipelines: exactly one is the default"
    for pipeline in crm.pipelines:
        yield from _pipeline(pipeline)


def _pipeline(pipeline: Pipeline) -> Iterator[str]:
    path = f"crm.pipelines.{pipeline.key}"
    types = {stage.type for stage in pipeline.stages}
    if not pipeline.stages or pipeline.stages[0].type != "open":
        yield f"{path}: the first stage must be open"
    for needed in ("won", "lost"):
        if needed not in types:
            yield f"{path}: no stage is {needed}"
    ends = [stage.type in ("won", "lost") for stage in pipeline.stages]
    if ends != sorted(ends):
        yield f"{path}: won and lost come last"
    for name in _twice(stage.name for stage in pipeline.stages):
        yield f"{path}: two stages are named {name}"
    for stage in pipeline.stages:
        fixed = {"won": 100, "lost": 0}.get(stage.type)
        if fixed is not None and stage.probability != fixed:
            yield f"{path}.stages.{stage.key}: the probability of {stage.type} is {fixed}"
        if stage.type == "lost" and "lost_reason" not in stage.required_fields:
            yield f"{path}.stages.{stage.key}: a lost deal needs its lost_reason"
        if stage.type != "lost" and "lost_reason" in stage.required_fields:
            yield f"{path}.stages.{stage.key}: only a lost deal has a lost_reason"


def _references(preset: Preset) -> Iterator[str]:
    crm = preset.crm
    territories = {territory.key for territory in crm.territories}
    calendars = {calendar.key for calendar in preset.calendars}
    sources = {source.key for source in crm.sources}
    for territory in crm.territories:
        if territory.parent is not None and territory.parent not in territories:
            yield f"crm.territories.{territory.key}: no parent {territory.parent}"
    for policy in crm.response_policies:
        if policy.calendar not in calendars:
            yield f"crm.response_policies.{policy.key}: no calendar {policy.calendar}"
        for source in set(policy.sources) - sources:
            yield f"crm.response_policies.{policy.key}: no source {source}"
    for rule in crm.scoring_rules:
        if rule.field == "source" and isinstance(rule.value, str) and rule.value not in sources:
            yield f"crm.scoring_rules.{rule.key}: no source {rule.value}"
        if (rule.value is None) != (rule.op in ("present", "absent")):
            yield f"crm.scoring_rules.{rule.key}: {rule.op} {'needs a' if rule.value is None else 'takes no'} value"
    for copilot in preset.copilots:
        if copilot.service not in services():
            yield f"copilots.{copilot.key}: no service {copilot.service}"


def _sample(crm: CrmSeeds) -> Iterator[str]:
    sample = crm.sample
    known = {
        "account": {account.key for account in sample.accounts},
        "contact": {contact.key for contact in sample.contacts},
        "lead": {lead.key for lead in sample.leads},
        "deal": {deal.key for deal in sample.deals},
        "source": {source.key for source in crm.sources},
        "lost_reason": {reason.key for reason in crm.lost_reasons},
    }
    wanted: list[tuple[str, str, str | None]] = [(f"contacts.{contact.key}", "account", contact.account) for contact in sample.contacts]
    wanted += [(f"leads.{lead.key}", "source", lead.source) for lead in sample.leads]
    for deal in sample.deals:
        yield from _deal(crm, deal)
        told = {"account": deal.account, "contact": deal.contact, "source": deal.source, "lost_reason": deal.lost_reason}
        wanted += [(f"deals.{deal.key}", kind, key) for kind, key in told.items()]
    for activity in sample.activities:
        kind, key = activity.about.split(".")
        wanted.append((f"activities.{activity.key}", kind, key))
        if (activity.due is None) == (activity.done is None):
            yield f"crm.sample.activities.{activity.key}: it is either due or done"
    for path, kind, missing in wanted:
        if missing is not None and missing not in known[kind]:
            yield f"crm.sample.{path}: no {kind} {missing}"


def _deal(crm: CrmSeeds, deal: SampleDeal) -> Iterator[str]:
    path = f"crm.sample.deals.{deal.key}"
    stages = {(pipeline.key, stage.key): stage for pipeline in crm.pipelines for stage in pipeline.stages}
    stage = stages.get((deal.pipeline, deal.stage))
    if stage is None:
        yield f"{path}: no stage {deal.stage} in a pipeline {deal.pipeline}"
        return
    for field in stage.required_fields:
        if getattr(deal, field) is None:
            yield f"{path}: the stage {stage.key} needs {field}"
    if stage.type != "lost" and deal.lost_reason is not None:
        yield f"{path}: it is not lost"
