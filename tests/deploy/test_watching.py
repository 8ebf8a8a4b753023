"""What is deployed beside NEXUS to watch it: alert rules that promtool accepts, and a dashboard; both name only what /metrics says."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.process.conftest import ROOT, Nexus, nexus

__all__ = ["nexus"]

RULES = ROOT / "deploy/prometheus/alerts.yaml"
DASHBOARD = ROOT / "deploy/grafana/nexus.json"
_NAME = re.compile(r"\b(?:nexus|process)_[a-z_]+\b")


@pytest.fixture
def promtool() -> str:
    found = shutil.which("promtool") or shutil.which("promtool", path=str(Path(sys.executable).parent))
    if found is None:
        pytest.skip("promtool is not here: tools/promtool fetches it where there is Debian's package")
    return found


def run(*command: str) -> None:
    done = subprocess.run(command, cwd=RULES.parent, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(DASHBOARD.read_text())["panels"]
    return [panel for panel in found if panel["type"] != "row"]


def asked() -> Iterator[tuple[str, str]]:
    """Every expression, with the panel it stands in."""
    for panel in panels():
        for target in panel["targets"]:
            yield panel["title"], target["expr"].replace("$__rate_interval", "5m").replace("$instance", ".*")


def test_promtool_accepts_rules_and_configuration(promtool: str) -> None:
    run(promtool, "check", "rules", "--lint=all", "--lint-fatal", "alerts.yaml")
    run(promtool, "check", "config", "prometheus.yaml")


def test_the_alerts_ring_when_they_should_and_not_before(promtool: str) -> None:
    run(promtool, "test", "rules", "alerts_test.yaml")


def test_promtool_accepts_every_expression_of_the_dashboard(promtool: str, tmp_path: Path) -> None:
    made = [{"record": f"panel:{at}", "expr": expression} for at, (_, expression) in enumerate(asked())]
    assert len(made) > 30
    file = tmp_path / "panels.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": made}]}))

    run(promtool, "check", "rules", str(file))


def test_every_metric_that_is_named_is_there(nexus: Nexus) -> None:
    nexus.start().activate()

    _, text = nexus.text("/metrics")

    said: set[str] = set()
    for family in text_string_to_metric_families(text):
        suffixes = {"counter": ["_total"], "histogram": ["_bucket", "_count", "_sum"], "info": ["_info"]}.get(family.type, [""])
        said |= {family.name + suffix for suffix in suffixes} | {sample.name for sample in family.samples}
    for where, expression in [*((rule.get("alert") or rule["record"], rule["expr"]) for rule in rules()), *asked()]:
        for name in _NAME.findall(expression):
            assert name in said, f"{where} names {name}"


def test_every_alert_says_what_it_means_and_is_explained() -> None:
    page = (ROOT / "docs/operations/observability.md").read_text()
    for rule in rules():
        if "alert" in rule:
            assert rule["labels"]["severity"] in ("page", "warn", "info")
            assert {"summary", "description"} <= rule["annotations"].keys()
            assert f"`{rule['alert']}`" in page


def test_panels_stand_beside_each_other_and_each_is_explained() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= cells
    assert all(panel["description"].endswith(".") for panel in panels())
    assert len({panel["id"] for panel in panels()}) == len(panels())
