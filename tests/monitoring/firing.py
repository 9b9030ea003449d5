"""Which of the chart's alerts would fire if all stayed as it was scraped: promtool reckons it."""

from __future__ import annotations

import json
import math
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import yaml
from prometheus_client.parser import text_string_to_metric_families
from tests.monitoring.chart import ALERTS, RULES, alert, parsed, selectors
from tests.servers.prometheus import Promtool

LOOKS = 180
"""Minutes for which it stays so: longer than any alert waits."""
Target = tuple[Mapping[str, str], str]
"""The labels that a monitor gives to all that one pod tells, and what it tells."""


def samples(text: str) -> Iterator[tuple[str, dict[str, str], float]]:
    """Name, labels and value of each, as a scrape has them."""
    exported = set(re.findall(r"^[a-zA-Z_:][\w:]*", text, re.MULTILINE))
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            # The parser gives every counter the ending that OpenMetrics wants, also where its server does not.
            name = sample.name if sample.name in exported else sample.name.removesuffix("_total")
            yield name, sample.labels, sample.value


def firing(promtool: Promtool, targets: Iterable[Target], now: float) -> dict[str, str]:
    """By name of the alert, the labels that it fires with. ``now``: when it was scraped, in seconds since 1970; how long ago a
    time is that is told stays what it was then."""
    named = {one.name for name in ALERTS for one in selectors(parsed(alert(name)["expr"]))}
    series = {}
    for given, text in targets:
        series[_series("up", given)] = f"1x{LOOKS}"
        for name, labels, value in samples(text):
            if name in named and math.isfinite(value):
                ago = f"{value - now:.3f}+60x{LOOKS}"
                series[_series(name, {**labels, **given})] = ago if name.endswith("_timestamp_seconds") else f"{value!r}x{LOOKS}"
    look = {"expr": 'ALERTS{alertstate="firing"}', "eval_time": f"{LOOKS}m", "exp_samples": []}
    case = {
        "interval": "1m",
        "input_series": [{"series": one, "values": values} for one, values in series.items()],
        "promql_expr_test": [look],
    }
    rules = [str(path) for path in sorted(RULES.glob("*.yaml"))]
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "look.yaml").write_text(yaml.safe_dump({"rule_files": rules, "evaluation_interval": "1m", "tests": [case]}))
        said = promtool.asked("test", "rules", "look.yaml", cwd=Path(folder))
    found = re.findall(r'(\{[^{}]*alertname="(\w+)"[^{}]*\})', said.stdout + said.stderr)
    assert bool(said.returncode) == bool(found), said.stdout + said.stderr
    return {name: labels for labels, name in found}


def _series(name: str, labels: Mapping[str, str]) -> str:
    return f"{name}{{{','.join(f'{label}={json.dumps(value)}' for label, value in sorted(labels.items()))}}}"
