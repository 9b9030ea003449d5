"""The chart's rules and dashboards as data, and which metrics and labels an expression names."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import promql_parser
import yaml

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts" / "holdfast"
RULES, TESTS, DASHBOARDS = CHART / "rules", CHART / "tests-rules", CHART / "dashboards"
RUNBOOKS = ROOT / "docs" / "runbooks"

ALERTS = sorted(path.stem for path in RULES.glob("*.yaml"))

INTERVAL = {"$__rate_interval": "5m", "$__range": "1h"}
"""Grafana's own variables, and what stands in for them."""


def alert(name: str) -> dict[str, Any]:
    """The rule of that name, the only one of its file."""
    [group] = yaml.safe_load((RULES / f"{name}.yaml").read_text())["groups"]
    [rule] = group["rules"]
    found: dict[str, Any] = rule
    return found


@dataclass(frozen=True)
class Panel:
    dashboard: str
    title: str
    expressions: tuple[str, ...]


def panels() -> Iterator[Panel]:
    """All panels that show something; rows do not."""
    for path in sorted(DASHBOARDS.glob("*.json")):
        for one in json.loads(path.read_text())["panels"]:
            if one["type"] != "row":
                yield Panel(path.stem, one["title"], tuple(target["expr"] for target in one["targets"]))


def parsed(expression: str) -> Any:
    """The syntax tree. Raises ValueError."""
    for variable, value in INTERVAL.items():
        expression = expression.replace(variable, value)
    return promql_parser.parse(expression)


def selectors(node: Any) -> Iterator[Any]:
    """Every vector selector below a node of the tree."""
    if isinstance(node, promql_parser.VectorSelector):
        yield node
    for name in ("lhs", "rhs", "expr", "param", "vector_selector"):
        child = getattr(node, name, None)
        if child is not None:
            yield from selectors(child)
    for child in getattr(node, "args", []):
        yield from selectors(child)


def metrics(expression: str) -> set[str]:
    """The names of the metrics that it reads."""
    return {one.name for one in selectors(parsed(expression))}
