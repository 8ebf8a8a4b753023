"""Presets: what a business of one industry in one country starts with, as data.

*.yaml            industries, over `_base.yaml`; services, modules and sizes; magnitudes of currencies for sample amounts.
                  What a country lays over a preset stands with its facts, in nexus/countries
schema.py         what a composed preset may say          merging.py    how layers are laid over each other
catalogue.py      what there is to compose                localise.py   sample data at home in the country
compose.py        layers → preset, checked                checks.py     references and invariants
"""

from nexus.activation.presets.catalogue import aliases, industries, modules, services, size_of, sizes
from nexus.activation.presets.compose import PresetError, UnknownPreset, compose, everything
from nexus.activation.presets.schema import Calendar, Copilot, CrmSeeds, Integration, Pipeline, Preset, Sample, Stage

__all__ = [
    "Calendar", "Copilot", "CrmSeeds", "Integration", "Pipeline", "Preset", "PresetError", "Sample", "Stage", "UnknownPreset",
    "aliases", "compose", "everything", "industries", "modules", "services", "size_of", "sizes",
]  # fmt: skip
